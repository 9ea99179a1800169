// Which pages may use a coordinator: those of the site that it is served from, or those it names. The others are told so.
import * as limits from './limits.js';
import { outOfRange } from './names.js';

/** @typedef {import('node:http').IncomingMessage} Request */

/** What a list of proxies says first: the one that the client met. @param {string | string[] | undefined} value */
const firstOf = (value) =>
  String(value ?? '')
    .split(',', 1)[0]
    .trim();

/**
 * The host by which the client came, as a proxy that is trusted says it, else as the request does.
 * @param {Request} request
 * @param {boolean} isTrusted
 */
function namedHost({ headers }, isTrusted) {
  const forwarded = /(?:^|;)\s*host=(?:"([^"]*)"|([^;]*))/i.exec(firstOf(headers.forwarded));
  const named = firstOf(headers['x-forwarded-host']) || (forwarded?.[1] ?? forwarded?.[2] ?? '').trim();
  // HTTP/2 says it so.
  return (isTrusted && named) || String(headers.host ?? headers[':authority']);
}

/**
 * The hosts that a page of this request may be of, as URLs write them (default ports left out). Some proxies say the port apart.
 * @param {Request} request
 * @param {string} protocol 'http:' or 'https:', for the default port
 * @param {boolean} isTrusted
 */
function hostsOf(request, protocol, isTrusted) {
  const host = namedHost(request, isTrusted);
  const port = isTrusted && !/:\d+$/.test(host) ? firstOf(request.headers['x-forwarded-port']) : '';
  const urls = [`${protocol}//${host}`, ...(port ? [`${protocol}//${host}:${port}`] : [])];
  return urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).host);
}

/**
 * Sites that may come, as `https://example.org`, or `https://*.example.org` for what is below. Throws of what no page's origin
 * can be, and says what to write instead.
 * @param {string[]} origins
 */
export function readOrigins(origins) {
  for (const text of origins) {
    const url = URL.canParse(text) ? new URL(text) : null;
    const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
    if (isWeb && /^https?:\/\/(\*\.)?[^*/?#@,]+\/?$/i.test(text)) continue;
    const host = isWeb ? url.host.replace(/\*\.?/g, '') : text;
    const example = `${isWeb ? url.protocol : 'https:'}//${/^[\w.-]+(:\d+)?$/.test(host) ? host : 'example.org'}`;
    throw outOfRange(`origins takes sites as '${example}' (or 'https://*.example.org'), not '${text}'`);
  }
  return origins.map((text) => new URL(text).origin);
}

/** @param {string} allowed @param {string} origin */
function isSite(allowed, origin) {
  const [before, below] = allowed.split('*');
  return below === undefined ? allowed === origin : origin.startsWith(before) && origin.endsWith(below);
}

/** The origin of a page, or null of what none has. @param {Request} request */
function originOf({ headers }) {
  const text = headers.origin ?? '';
  if (!URL.canParse(text)) return null;
  const { protocol, origin, hostname } = new URL(text);
  const isWeb = protocol === 'http:' || protocol === 'https:';
  return isWeb && hostname.length <= limits.hostLength ? origin : null;
}

/**
 * The origin of the page that asks, or null if it may not.
 * @param {Request} request
 * @param {string[] | null} sites of readOrigins(); null: pages of the host that the request names
 * @param {boolean} isTrusted whether a proxy's word counts
 * @returns {string | null}
 */
export function allowedOrigin(request, sites, isTrusted) {
  const origin = originOf(request);
  if (origin === null) return null;
  if (sites) return sites.some((site) => isSite(site, origin)) ? origin : null;
  const { host, protocol } = new URL(origin);
  return hostsOf(request, protocol, isTrusted).includes(host) ? origin : null;
}

/**
 * Whether a page may report. Where a site's `Referrer-Policy` is `no-referrer`, a beacon has no origin. But browsers say that it
 * is the origin that is asked, which a page of another site cannot make them say.
 * @param {Request} request
 * @param {string[] | null} sites
 * @param {boolean} isTrusted
 */
export function mayReport(request, sites, isTrusted) {
  const { origin, 'sec-fetch-site': relation } = request.headers;
  return (origin === 'null' && relation === 'same-origin') || allowedOrigin(request, sites, isTrusted) !== null;
}

/**
 * What an operator is told of a page that may not come: both values, and what helps.
 * @param {Request} request
 * @param {string[] | null} sites
 * @param {boolean} isTrusted
 */
export function refusalOf(request, sites, isTrusted) {
  const origin = String(request.headers.origin).slice(0, limits.toldBytes);
  if (origin === 'null') {
    return (
      'a page that hides its origin (null) was refused: it is a frame in a sandbox, or it reports to another host than its own ' +
      'though its Referrer-Policy is no-referrer or same-origin'
    );
  }
  if (sites) return `a page of ${origin} was refused: origins names ${sites.join(', ').slice(0, limits.toldBytes)}`;
  const host = namedHost(request, isTrusted).slice(0, limits.toldBytes);
  const proxy = isTrusted ? 'let the proxy send X-Forwarded-Host' : 'keep the Host header at the proxy';
  const todo = `${proxy} with its port (nginx: $http_host), or name the site in origins`;
  return `a page of ${origin} was refused, because the request names the host ${host}: ${todo}`;
}

/**
 * Answers an upgrade that will be none with the reason, and ends its socket though the other side does not.
 * @param {import('node:stream').Duplex} socket
 * @param {string} status
 * @param {string} reason the code, and what it means, for whoever tries it by hand or reads a proxy's log
 * @param {{ isForNow?: boolean }} [options] `isForNow`: it may be otherwise later
 */
export function refuse(socket, status, reason, { isForNow = false } = {}) {
  socket.on('error', () => {});
  // What comes meanwhile is read, or the socket would end with a reset that may overtake the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), limits.closeMs).unref();
  socket.once('close', () => clearTimeout(timer));
  const body = `${reason}\n`;
  const head = ['Connection: close', 'Content-Type: text/plain; charset=utf-8', `Content-Length: ${Buffer.byteLength(body)}`];
  if (isForNow) head.push(`Retry-After: ${limits.retryAfterSeconds}`);
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
}
