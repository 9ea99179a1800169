// WebSockets that come as streams of HTTP/2 (RFC 8441). Browsers open them so where the host's server says
// `enableConnectProtocol` and they have a connection of HTTP/2 to it already: they do not fall back to HTTP/1.
import { randomBytes } from 'node:crypto';

/** @typedef {import('node:http2').ServerHttp2Stream} Stream */
/** @typedef {import('node:http2').IncomingHttpHeaders} Headers */

/** What HTTP/2 forbids in an answer, and what a WebSocket has no need of there. */
const ofHttp1 = new Set(['connection', 'upgrade', 'sec-websocket-accept']);

/**
 * Answers a stream by the head of an HTTP/1 answer. Returns the body.
 * @param {Stream} stream
 * @param {string} text
 */
function answer(stream, text) {
  const [head, body] = text.split(/\r\n\r\n(.*)/s);
  const [first, ...lines] = head.split('\r\n');
  const status = Number(first.split(' ')[1]);
  const fields = lines.map((line) => line.split(/: (.*)/s)).map(([name, value]) => [name.toLowerCase(), value]);
  const headers = Object.fromEntries(fields.filter(([name]) => !ofHttp1.has(name)));
  stream.respond({ ':status': status === 101 ? 200 : status, ...headers });
  return body;
}

/**
 * The upgrade of HTTP/1 that asks what this stream asks. Whoever takes it writes its answer of HTTP/1 to the stream, as to the
 * socket of an upgrade; that first text goes out as the answer of HTTP/2.
 * @param {Stream} stream
 * @param {Headers} headers
 * @returns {import('node:http').IncomingMessage}
 */
export function upgradeOf(stream, headers) {
  const asHttp1 = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': randomBytes(16).toString('base64') };
  const { write, end } = stream;
  const answered = (/** @type {string} */ text) => answer(Object.assign(stream, { write, end }), text);
  Object.assign(stream, {
    write: (/** @type {string} */ text) => answered(text) !== undefined,
    end: (/** @type {string} */ text) => {
      const body = answered(text);
      return stream.end(body);
    },
  });
  const request = { method: 'GET', url: headers[':path'], headers: { ...headers, ...asHttp1 }, socket: stream.session?.socket };
  return /** @type {import('node:http').IncomingMessage} */ (/** @type {unknown} */ (request));
}
