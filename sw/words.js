// What the core reads of requests and answers: a line for each of the words that they have in the browser.

/**
 * Headers of a page that count for its own response only, in the core's order (src/http/conditions.hpp): the worker asks for
 * ranges of its own.
 */
export const CONDITIONS = ['range', 'if-range', 'if-match', 'if-unmodified-since', 'if-none-match', 'if-modified-since'];

/**
 * Of a request for this path, as open_exchange() reads it (src/bind/worker.cpp).
 * @param {Request} request
 * @param {string} path with its query
 */
export function requestWords(request, path) {
  const { method, destination, redirect, integrity, headers, mode, cache, credentials, referrer, referrerPolicy } = request;
  const conditions = CONDITIONS.map((name) => headers.get(name));
  const own = [...headers].filter(([name]) => !CONDITIONS.includes(name)).flat();
  // Integrity may have line ends.
  const words = [method, destination, redirect, integrity && 1, path, ...conditions];
  return [...words, mode, cache, credentials, referrer && 1, referrerPolicy, ...own].join('\n');
}

/** Of an answer: its type and the phrase of its status, then name and value of each header. */
export const answerWords = (/** @type {Response} */ { type, statusText, headers, redirected }) =>
  [redirected ? 'redirected' : type, statusText, ...[...headers].flat()].join('\n');
