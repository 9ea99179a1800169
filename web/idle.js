/** Resolves when the page has nothing else to do. */
export const idle = () =>
  new Promise((resolve) => {
    if (typeof requestIdleCallback === 'function') requestIdleCallback(resolve, { timeout: 10000 });
    else setTimeout(resolve, 2000);
  });
