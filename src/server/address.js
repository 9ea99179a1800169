// Where a visitor is, as far as the server knows: limits and closeness stand on it. Addresses stay in memory, and in no log.
import { BlockList, isIP } from 'node:net';

/** Addresses that tell nothing of a visitor: of this machine, or of a network that many have (RFC 6890). */
const nobodys = new BlockList();
for (const [net, bits] of /** @type {const} */ ([
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
])) {
  nobodys.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of /** @type {const} */ ([
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
])) {
  nobodys.addSubnet(net, bits, 'ipv6');
}

/** How IPv6 writes an IPv4 address: of a socket for both families (RFC 4291), and behind a translator (RFC 6052). */
const [mapped, translated] = ['::ffff', '64:ff9b:'].map((prefix) => new RegExp(`^\\[${prefix}:([\\da-f]+):([\\da-f]+)\\]$`));

/** @param {string} address @param {RegExp} form */
function v4In(address, form) {
  const url = `http://[${address}]`;
  const [, ...halves] = (isIP(address) === 6 && URL.canParse(url) && form.exec(new URL(url).hostname)) || [];
  if (halves.length === 0) return address;
  const numbers = halves.map((half) => Number.parseInt(half, 16));
  return numbers.flatMap((number) => [number >> 8, number & 255]).join('.');
}

/**
 * An IPv4 address as it is, though a socket for both families has it, in any form that a proxy writes: ::ffff:192.0.2.1,
 * ::ffff:c000:201.
 * @param {string} address
 */
export const unmapped = (address) => v4In(address, mapped);

/** Whether an address is this machine's own, or one of a private network. @param {string} address */
export const isOfNobody = (address) => nobodys.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');

/** The first four groups of an IPv6 address: what a household or a company has for itself. @param {string} address */
function prefixOf(address) {
  const { hostname } = new URL(`http://[${address}]`);
  const [head, tail] = hostname.slice(1, -1).split('::');
  const groups = head ? head.split(':') : [];
  const after = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array(zeros).fill('0'), ...after].slice(0, 4).join(':');
}

/** The address that a text names. '' of what is no address. @param {string} text */
function anyAddressIn(text) {
  const bare = text.trim().replace(/^"|"$/g, '');
  // With a port, which a proxy may hide: '192.0.2.1:80', '[2001:db8::1]:_b'. Of a link it may have the interface too.
  const host = bare
    .replace(/^\[(.*)\](:(\d+|_[\w.-]+))?$/, '$1')
    .replace(/^([\d.]+):(\d+|_[\w.-]+)$/, '$1')
    .replace(/%.*$/, '');
  // A server that speaks IPv6 only has all visitors with IPv4 behind a translator: they are not one network.
  const address = v4In(unmapped(host), translated);
  return isIP(address) === 0 ? '' : address;
}

/** The same, null of what says nothing of a visitor. @param {string} text */
function addressIn(text) {
  const address = anyAddressIn(text);
  return address === '' || isOfNobody(address) ? null : address;
}

/**
 * What sockets of one visitor's network have in common: an IPv4 address, or the first 64 bits of an IPv6 address. Null of what
 * is no address, or says nothing.
 * @param {string} text
 */
export function networkOf(text) {
  const address = addressIn(text);
  return address === null || isIP(address) === 4 ? address : prefixOf(address);
}

/** The addresses that proxies saw, the visitor's own first. @param {import('node:http').IncomingHttpHeaders} headers */
function forwardedFor(headers) {
  const list = (/** @type {string | string[] | undefined} */ value) => String(value ?? '').split(',');
  if (headers['x-forwarded-for'] !== undefined) return list(headers['x-forwarded-for']);
  return list(headers.forwarded).map((hop) => /(?:^|;)\s*for=("[^"]*"|[^;]*)/i.exec(hop)?.[1] ?? '');
}

/** Whether a proxy says that it passed this on. @param {import('node:http').IncomingMessage} request */
export const isForwarded = ({ headers }) => 'x-forwarded-for' in headers || 'forwarded' in headers || 'via' in headers;

/**
 * Whether the proxies that stand before us are not so many as the operator says: fewer of them named an address, or one more of
 * them stands there, of a private network, and its address is taken for the visitor's. Null: nothing says so.
 * @param {import('node:http').IncomingMessage} request
 * @param {number} hops
 * @returns {'fewer' | 'more' | null}
 */
export function miscounted({ headers }, hops) {
  if (hops === 0) return null;
  const said = forwardedFor(headers);
  const address = anyAddressIn(said.at(-hops) ?? '');
  if (address === '') return 'fewer';
  const isProxy = isOfNobody(address) && said.slice(0, -hops).some((text) => addressIn(text) !== null);
  return isProxy ? 'more' : null;
}

/**
 * The address of the visitor that opened this request; null if it is not known: behind a proxy that is not trusted it would be
 * the proxy's.
 * @param {import('node:http').IncomingMessage} request
 * @param {number} hops how many proxies stand before us, each of which adds the address that it sees
 * @param {boolean} isTold whether the connection's own address is what a balancer said of it: then whatever the visitor writes
 *     into its request hides nothing
 */
export function addressOf(request, hops, isTold = false) {
  if (hops > 0) return addressIn(forwardedFor(request.headers).at(-hops) ?? '');
  return isForwarded(request) && !isTold ? null : addressIn(request.socket.remoteAddress ?? '');
}
