// Answers what the service worker delegates, on the port that came with the request (src/README.md, Bridge).
import { bridgeAlive, protocolVersion } from '../build/border.js';

/**
 * A request that the worker delegates. A worker of another release may leave out what is optional.
 * @typedef {object} Delegation
 * @property {number} peerCdn the protocol's version
 * @property {string} url
 * @property {string} root
 * @property {number} bytes
 * @property {number} pieceBytes
 * @property {number} begin first piece
 * @property {number} end past the last
 * @property {RequestCache} [cache] how the page's own request has it; with `no-store` nothing that comes is stored
 * @property {string} [digests] the URL of the digest list
 * @property {number | boolean} [origin] 0, or how many times slower than the origin peers may be; true, of an older worker, is 1
 * @property {number} [patience] milliseconds that peers may take to begin
 */

/**
 * Says at once that the request has come: the worker waits for it.
 * @param {{ peerCdn?: unknown } | null} request
 * @param {MessagePort} port
 * @returns {boolean} whether the worker speaks our version
 */
export function acknowledge(request, port) {
  const isOurs = request?.peerCdn === protocolVersion;
  port.postMessage(isOurs ? { type: 'ack' } : null);
  return isOurs;
}

/**
 * Answers one delegation on its port.
 * @param {import('./readers.js').Readers} readers
 * @param {number} handle
 * @param {Delegation} request
 * @param {MessagePort} port
 */
export function stream(readers, handle, { begin, end, origin, patience }, port) {
  // The page's own listener may answer the same request (the long form): then only this answer is sent.
  const post = port.postMessage.bind(port);
  port.postMessage = () => {};
  let promised = false;
  const promise = (/** @type {boolean} */ warm) => {
    if (!promised) post({ type: 'pending', warm });
    promised = true;
  };
  const alive = setInterval(() => post({ type: 'ack' }), bridgeAlive);
  const close = () => {
    clearInterval(alive);
    port.close();
  };
  const reader = readers.open(
    handle,
    begin,
    end,
    {
      pending: promise,
      piece(piece, buffer, from) {
        promise(true);
        post({ type: 'piece', piece, buffer, from, wasted: readers.takeWasted() }, [buffer]);
      },
      end(code) {
        post({ type: promised ? 'end' : 'none', code: code ?? undefined });
        close();
      },
    },
    Number(origin) || 0,
    Number(patience) || 0,
  );
  port.onmessage = ({ data }) => {
    if (data?.type === 'grant') readers.grant(reader, data.bytes);
    if (data?.type === 'close') {
      readers.close(reader);
      close();
    }
  };
}
