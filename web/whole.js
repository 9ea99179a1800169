// The long form's get(): one resource as one answer that can be cloned to the worker.
import { wholeBytes } from '../build/border.js';
import { within } from './within.js';

/** Own data properties survive structured cloning; methods on the prototype do not get in its way. */
export class Answer {
  /**
   * @param {import('./resources.js').Resource} resource
   * @param {ArrayBuffer} body
   */
  constructor(resource, body) {
    this.status = 200;
    /** @type {[string, string][]} */
    this.headers = [
      ['content-length', `${body.byteLength}`],
      ['etag', `"${resource.root}"`],
    ];
    if (resource.type) this.headers.push(['content-type', resource.type]);
    this.body = body;
  }

  /** For pages that want it themselves. */
  toResponse() {
    return new Response(this.body, { status: this.status, headers: this.headers });
  }
}

/**
 * @param {import('./page.js').Page} page
 * @param {Request} request
 * @param {number} timeoutAfter milliseconds until the first piece
 * @returns {Promise<Answer | null>} null if it is not listed, too large for one answer, or nobody has all of it
 */
export async function readWhole(page, request, timeoutAfter) {
  if (request.method !== 'GET') return null;
  await within(timeoutAfter, page.ready());
  const resource = page.resources.find(request.url);
  if (!resource || !(resource.bytes <= wholeBytes)) return null;
  const handle = page.resources.handle(resource);
  return handle ? gather(page.readers, handle, resource, timeoutAfter, request.signal) : null;
}

/**
 * @param {import('./readers.js').Readers} readers
 * @param {number} handle
 * @param {import('./resources.js').Resource} resource
 * @param {number} timeoutAfter
 * @param {AbortSignal} signal
 * @returns {Promise<Answer | null>}
 */
function gather(readers, handle, resource, timeoutAfter, signal) {
  return new Promise((resolve) => {
    const body = new Uint8Array(resource.bytes);
    const count = Math.ceil(resource.bytes / resource.pieceBytes);
    let reader = 0;
    const finish = (/** @type {Answer | null} */ answer) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      resolve(answer);
    };
    const abort = () => {
      readers.close(reader);
      finish(null);
    };
    const timer = setTimeout(abort, timeoutAfter);
    signal?.addEventListener('abort', abort);
    reader = readers.open(handle, 0, count, {
      pending() {},
      piece(piece, buffer) {
        clearTimeout(timer);
        body.set(new Uint8Array(buffer), piece * resource.pieceBytes);
      },
      end: (code) => finish(code ? null : new Answer(resource, body.buffer)),
    });
    readers.grant(reader, resource.bytes);
  });
}
