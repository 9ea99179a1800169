import { idleGuess, idleWait } from '../build/border.js';

/** Resolves when the page has nothing else to do. */
export const idle = () =>
  new Promise((resolve) => {
    if (typeof requestIdleCallback === 'function') requestIdleCallback(resolve, { timeout: idleWait });
    else setTimeout(resolve, idleGuess);
  });
