// What browsers take as ICE servers (WebRTC, 4.4.1.1, "set the configuration"; RFC 7064, RFC 7065).
import { iceUrl } from '../../../web/ice.js';
import { listOf, meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./script.js').Facts} Facts */
/** @typedef {import('./script.js').Node} Node */

export const iceForm = 'Write stun:host:port or turn:host:port?transport=udp.';

/**
 * The parts of an ICE server's URL; null if browsers refuse it.
 * @param {string} text
 */
export function partsOf(text) {
  const [, scheme, tls, host, port, transport] = iceUrl.exec(text) ?? [];
  if (!scheme || Number(port ?? 0) > 65535) return null;
  return { isTurn: /turn/i.test(scheme), isSecure: tls !== '', host, port, transport };
}

/** @type {Record<string, string>} */
const kinds = { ObjectExpression: 'an object', ArrayExpression: 'a list', Literal: 'a value' };

/** What a script writes there in any case, by its kind; undefined if that is not seen. @param {Node | undefined} node */
const kindOf = (node) => kinds[node?.type ?? ''];

/**
 * What browsers refuse of one server, and what to do; null if that is not seen.
 * @param {Facts} facts
 * @param {Node} server
 * @returns {[string, string] | null}
 */
function faultOfServer(facts, server) {
  const form = "Write { urls: 'stun:host:port' }.";
  const written = writtenOf(facts, server);
  const kind = kindOf(meantBy(facts, server));
  if (!written) return kind ? [`the ICE server ${textOf(meantBy(facts, server)) ?? kind}, which is no object`, form] : null;
  const { members, isWhole } = written;
  const urls = meantBy(facts, members.get('urls'));
  // Some browsers still read the old name.
  if (!urls) return isWhole && !members.has('url') ? ["an ICE server without the member 'urls'", form] : null;
  if (urls.type === 'ArrayExpression' && urls.elements.length === 0) return ["an ICE server whose 'urls' are none", form];
  for (const each of urls.type === 'ArrayExpression' ? listOf(facts, urls) : [urls]) {
    const text = textOf(meantBy(facts, each))?.trim();
    if (text === undefined) continue;
    const url = partsOf(text);
    if (!url) return [`the ICE server '${text}', which browsers refuse`, iceForm];
    const isMissing = (/** @type {string} */ name) =>
      members.has(name) ? textOf(meantBy(facts, members.get(name))) === '' : isWhole;
    if (url.isTurn && (isMissing('username') || isMissing('credential')))
      return [
        `the ICE server '${text}' without username and credential, which browsers refuse`,
        'Give it both: TURN needs them.',
      ];
  }
  return null;
}

/**
 * What browsers refuse of a page's `servers`, each with what to do.
 * @param {Facts} facts
 * @param {Node | undefined} servers
 * @returns {[string, string][]}
 */
export function faultsOfServers(facts, servers) {
  const form = "Write servers: { iceServers: [{ urls: 'stun:host:port' }] }.";
  const written = writtenOf(facts, servers);
  if (!written) {
    const kind = kindOf(meantBy(facts, servers));
    return kind && !isNothing(meantBy(facts, servers)) ? [[`as servers ${kind}, which is no RTCConfiguration`, form]] : [];
  }
  const { members, isWhole } = written;
  const list = meantBy(facts, members.get('iceServers'));
  if (!list && isWhole && (members.has('urls') || members.has('url'))) return [["servers without the member 'iceServers'", form]];
  /** @type {[string, string][]} */
  const found = [];
  if (list && list.type !== 'ArrayExpression' && kindOf(list) && !isNothing(list))
    found.push(['iceServers that are no list', form]);
  const policy = textOf(meantBy(facts, members.get('iceTransportPolicy')));
  if (policy !== null && !/^(?:all|relay)$/.test(policy))
    found.push([`the iceTransportPolicy '${policy}', which browsers refuse`, "There is 'all' and 'relay'."]);
  const faults = list ? listOf(facts, list).map((each) => faultOfServer(facts, each)) : [];
  return [...found, .../** @type {[string, string][]} */ (faults.filter(Boolean))];
}

/** Null is as if nobody had said it. @param {Node | undefined} node */
const isNothing = (node) => node?.type === 'Literal' && node.value === null;
