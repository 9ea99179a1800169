// The bytes of an answer that turned out to be no part of the resource: pages that have its head get them as they are.

/**
 * @param {AsyncGenerator<Uint8Array<ArrayBuffer>, void>} bytes all of the answer
 * @param {() => void} cancel nobody reads them any more
 * @returns {() => ReadableStream<Uint8Array>} one for each of those who ask in this turn
 */
export function spilt(bytes, cancel) {
  let rest = new ReadableStream({
    pull: async (controller) => {
      const { value, done } = await bytes.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel,
  });
  // What is left for nobody would gather in memory.
  queueMicrotask(() => void rest.cancel());
  return () => {
    const [one, other] = rest.tee();
    rest = other;
    return one;
  };
}
