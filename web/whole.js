// One whole resource, for the long form's get() (answer.js).
import { wholeBytes } from '../build/border.js';
import { within } from '../sw/within.js';

/**
 * @typedef {object} Whole
 * @property {string} root
 * @property {string} [type]
 * @property {ArrayBuffer} body
 */

/**
 * @param {import('./engine.js').Head} head
 * @param {string} url
 * @param {number} timeoutAfter milliseconds until the first piece
 * @param {AbortSignal} signal
 * @returns {Promise<Whole | null>} null if it is not listed, too large for one answer, or nobody has all of it
 */
export async function gather(head, url, timeoutAfter, signal) {
  const { listing: resources, readers } = head;
  await within(timeoutAfter, head.ready());
  const resource = resources.find(url);
  const handle = resource && resource.bytes <= wholeBytes ? resources.handle(resource) : 0;
  if (!resource || !handle || signal.aborted) return null;
  return new Promise((resolve) => {
    const { root, type, bytes, pieceBytes } = resource;
    const body = new Uint8Array(bytes);
    let reader = 0;
    const finish = (/** @type {Whole | null} */ whole) => {
      clearTimeout(timer);
      resolve(whole);
    };
    const abort = () => {
      readers.close(reader);
      finish(null);
    };
    const timer = setTimeout(abort, timeoutAfter);
    signal.addEventListener('abort', abort);
    reader = readers.open(handle, 0, Math.ceil(bytes / pieceBytes), {
      pending() {},
      piece(piece, buffer) {
        clearTimeout(timer);
        body.set(new Uint8Array(buffer), piece * pieceBytes);
      },
      end: (code) => finish(code ? null : { root, type, body: body.buffer }),
    });
    readers.grant(reader, bytes);
  });
}
