// Which pages may use a coordinator: those of the site that it is served from, or those it names. The others are told so.
import * as limits from './limits.js';

/**
 * The host that the client named, as a URL writes it (default ports left out).
 * @param {import('node:http').IncomingMessage} request
 * @param {string} protocol 'http:' or 'https:', for the default port
 * @param {boolean} trustProxy
 */
function hostOf(request, protocol, trustProxy) {
  const forwarded = trustProxy
    ? String(request.headers['x-forwarded-host'] ?? '')
        .split(',')[0]
        .trim()
    : '';
  try {
    return new URL(`${protocol}//${forwarded || request.headers.host}`).host;
  } catch {
    return '';
  }
}

/**
 * The origin of the page that asks, or null if it may not.
 * @param {import('node:http').IncomingMessage} request
 * @param {{origins?: string[], trustProxy?: boolean | number}} options
 * @returns {string | null}
 */
export function allowedOrigin(request, { origins, trustProxy = false }) {
  let origin;
  try {
    origin = new URL(request.headers.origin ?? '');
  } catch {
    return null;
  }
  if (origin.protocol !== 'http:' && origin.protocol !== 'https:') return null;
  if (origins) return origins.some((each) => new URL(each).origin === origin.origin) ? origin.origin : null;
  return origin.host === hostOf(request, origin.protocol, Number(trustProxy) > 0) ? origin.origin : null;
}

/**
 * Answers an upgrade that will be none, and ends its socket though the other side does not.
 * @param {import('node:stream').Duplex} socket
 * @param {string} status
 * @param {string} code
 */
export function refuse(socket, status, code) {
  socket.on('error', () => {});
  // What comes meanwhile is read, or the socket would end with a reset that may overtake the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), limits.closeMs).unref();
  socket.once('close', () => clearTimeout(timer));
  const head = ['Connection: close', 'Content-Type: text/plain', `Content-Length: ${code.length}`];
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${code}`);
}
