// `peer-cdn load`: its options, and its result for people.
import { SOCKET_PATH } from '../../build/border.js';
import { numberOf, usage } from './cli-errors.js';
import * as limits from './limits.js';
import { numbers } from './numbers.js';

const protocols = { 'ws:': 'http:', 'wss:': 'https:', 'http:': 'http:', 'https:': 'https:' };

/**
 * @param {string} text of the socket's URL; its path may be left out
 * @param {{ sockets?: string, asks?: string, seconds?: string, origin?: string, metrics?: string }} values
 */
export function loadOptions(text, values) {
  const url = URL.canParse(text) ? new URL(text) : null;
  const protocol = protocols[/** @type {keyof typeof protocols} */ (url?.protocol ?? '')];
  if (!url || !protocol) throw usage('bad-value', `load takes the URL of a coordinator, as wss://example.org, not '${text}'`);
  if (url.pathname === '/') url.pathname = SOCKET_PATH;
  url.hash = '';
  for (const name of /** @type {const} */ (['origin', 'metrics'])) {
    const given = values[name];
    if (given !== undefined && !/^https?:$/.test(URL.canParse(given) ? new URL(given).protocol : '')) {
      throw usage('bad-value', `--${name} takes a URL, as https://example.org, not '${given}'`);
    }
  }
  const sockets = numberOf('sockets', values.sockets, numbers.sockets) ?? 100;
  const most = Math.max(1, Math.floor(sockets * limits.loadAsksPerSocketSecond));
  const perSecond = numberOf('asks', values.asks, { ...numbers.asks, most }) ?? Math.ceil(sockets / 5);
  const seconds = numberOf('seconds', values.seconds, numbers.seconds) ?? 10;
  const origin = new URL(values.origin ?? `${protocol}//${url.host}`).origin;
  return {
    url: url.href.replace(/^http/, 'ws'),
    origin,
    sockets,
    perSecond: Math.min(perSecond, most),
    seconds,
    metrics: values.metrics,
  };
}

/** What Node says of a certificate that nobody it knows has signed. */
const untrusted = ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'];

/** What helps against a failure, by its code, or by the first digit of a status. @type {Record<string, string>} */
const advice = {
  ...Object.fromEntries(untrusted.map((code) => [code, 'NODE_EXTRA_CA_CERTS=<file> names a certificate to trust'])),
  401: 'the coordinator wants a token of this site, and not too old: add ?token= to the URL; its log says what is wrong',
  404: 'there is no coordinator at this path',
  426: 'a proxy does not forward the headers Upgrade and Connection',
  429: 'all come from this address: raise --sockets-per-address at the coordinator',
  503: 'the coordinator ends',
  2: 'what answers there is no coordinator, or a proxy does not forward upgrades to it',
  3: 'it redirects, which browsers do not follow for a socket: give the URL that it leads to',
  5: 'the proxy there reaches no coordinator',
  'shutting-down': 'the coordinator ended',
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'its host has no address',
  EPROTO: 'it does not speak TLS: say ws: in place of wss:',
  'timed-out': 'what takes sockets there is no coordinator, or has no time',
  'malformed-message': 'what takes sockets there is no coordinator',
  'origin-refused': 'the coordinator does not serve this site: say --origin',
  EMFILE: 'this process may not open so many files: raise ulimit -n',
  EADDRNOTAVAIL: 'this machine has no more ports to one address: load from several machines',
};

/** @param {string} code of an error, or a status of HTTP */
const adviceOn = (code) => advice[code] ?? (/^\d{3}$/.test(code) ? advice[code[0]] : undefined);

/** @param {Awaited<ReturnType<typeof import('./load.js').measureLoad>>} result */
export function describeLoad(result) {
  const times = Object.entries(result.ms).map(([name, { p50, p99 }]) => `${name} ${p50 ?? '-'} / ${p99 ?? '-'}`);
  const failures = Object.entries(result.failures).map(
    ([code, count]) => `${count} sockets failed: ${code}${adviceOn(code) ? ` (${adviceOn(code)})` : ''}\n`,
  );
  const processor = result.perProcessorSecond === null ? '' : `, ${result.perProcessorSecond} for a second of its processor`;
  return (
    `${result.sockets} sockets opened in ${result.openSeconds} s\n` +
    `${result.introductions} introductions of ${result.asked} asked for in ${result.seconds} s: ${result.perSecond} a second` +
    `${processor}\nmilliseconds, median / 99th: ${times.join(', ')}\n${failures.join('')}`
  );
}
