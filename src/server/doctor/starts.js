// Whether a page starts peer-cdn, as far as it is certain without running its scripts.
import { isOurPage } from './findings.js';
import { faultsOfServers } from './ice.js';
import { calledName, meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Script} Script */

/** A copy of our own script, whose exports have their names. */
const isOurs = (/** @type {string} */ path) => /\/peer-cdn\/(?:index|page|engine)\.js$/.test(path);
const isOurIndex = (/** @type {URL} */ { pathname }) => /\/peer-cdn\/index\.js$/.test(pathname);

/** What of a page runs scripts that it does not name: attributes, other pages inside, the page that it goes on to. */
const runsMore = [
  /<[^>]*\s(?:on[a-z]+\s*=|(?:href|src|action|formaction)\s*=\s*["']?\s*javascript:)|\bsrcdoc\s*=/i,
  /<(?:iframe|frame|object|embed|fencedframe)\b/i,
  /<meta\b[^>]*\bhttp-equiv\s*=\s*["']?\s*refresh/i,
  /<script\b[^>]*\shref\s*=/i,
];

/** By what a script runs others that it does not name: HTML, a text, another page. */
const runners = [
  ...['eval', 'Function', 'write', 'writeln', 'createContextualFragment', 'parseFromString', 'setHTMLUnsafe'],
  ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'srcdoc', 'location', 'navigation'],
];

/**
 * What is made or set so that it may run a script, by the call and the place of the name in it.
 * @type {Record<string, [number, RegExp]>}
 */
const makers = {
  createElement: [0, /^(?:script|iframe|frame|object|embed)$/i],
  createElementNS: [1, /^(?:\w+:)?(?:script|iframe|frame|object|embed)$/i],
  setAttribute: [0, /^(?:on|src|href|data|action|formaction)/i],
};

/** Whether a script makes what may run another, or may do so. @param {Script} script */
const makesMore = ({ facts }) =>
  [...facts.places.keys()].some((call) => {
    const name = calledName(call) ?? '';
    if (/^set(?:Timeout|Interval)$/.test(name)) return textOf(meantBy(facts, call.arguments[0])) !== null;
    if (!Object.hasOwn(makers, name)) return false;
    const [at, pattern] = makers[name];
    const text = textOf(meantBy(facts, call.arguments[at]));
    return text === null || pattern.test(text);
  });

/** Whether a page may run more than the scripts that it names, and that these import. @param {Case} site */
export function mayRunMore({ html, scripts }) {
  const shown = html.replace(/<!--[\s\S]*?-->/g, '');
  if (runsMore.some((pattern) => pattern.test(shown))) return true;
  const others = scripts.filter(({ url }) => !isOurs(url.pathname));
  return others.some(
    (script) => script.facts.error !== '' || script.facts.hasHiddenModules || says(script, runners) || makesMore(script),
  );
}

/**
 * Whether a script has one of these words, but in a comment or a longer text.
 * @param {Pick<Script, 'facts'>} script
 * @param {string[]} words
 */
const says = ({ facts }, words) => words.some((word) => facts.identifiers.has(word));

/**
 * Whether a script uses what it imports from ours, or passes it on.
 * @param {Script} script
 * @param {(name: string, from: URL) => boolean} isOfOurs
 */
function uses({ url, facts }, isOfOurs) {
  if (facts.passedOn.some((name) => isOfOurs(name, url))) return true;
  if (facts.bindings.some(({ source, local, times }) => isOfOurs(source, url) && (facts.identifiers.get(local) ?? 0) > times))
    return true;
  // What import() gives may go anywhere, but it is called by its name.
  const isLazy = facts.imports.some((each) => each.isLazy && isOfOurs(each.name, url));
  return isLazy && says({ facts }, ['start', 'PeerPlugin']);
}

/** What start() and PeerPlugin read. */
export const startOptions = [
  ...['cacheName', 'constraints', 'engine', 'form', 'idle', 'report', 'scope', 'servers', 'socket', 'timeoutAfter', 'upload'],
  ...['warn', 'worker', 'workerType'],
];

/**
 * The calls of what a script imports of ours.
 * @param {Script} script
 */
function callsOfOurs({ url, facts }) {
  const isFromUs = (/** @type {{ source: string }} */ { source }) =>
    URL.canParse(source, url.href) && isOurIndex(new URL(source, url));
  const ours = new Set(facts.bindings.filter(isFromUs).map(({ local }) => local));
  const isOurName = (/** @type {import('./script.js').Node} */ node) =>
    node.type === 'Identifier' && ours.has(node.name) && facts.variableOf(node)?.imported !== undefined;
  return [...facts.starts, ...facts.news]
    .filter(({ callee }) => isOurName(callee.object ?? callee))
    .map((call) => ({ options: call.arguments[0], name: call.type === 'NewExpression' ? 'new PeerPlugin()' : 'start()' }));
}

/**
 * The options that a script gives to what it imports of ours, and that nobody reads.
 * @param {Script} script
 * @returns {{ call: string, option: string }[]}
 */
export const unreadOptions = (script) =>
  callsOfOurs(script).flatMap(({ options, name }) => {
    const given = [...(writtenOf(script.facts, options)?.members.keys() ?? [])];
    return given.filter((option) => !startOptions.includes(option)).map((option) => ({ call: name, option }));
  });

/**
 * What a page gives as `servers` and no browser takes, each with what to do.
 * @param {Script} script
 * @returns {{ call: string, what: string, todo: string }[]}
 */
export function badServers(script) {
  const { facts } = script;
  const calls = callsOfOurs(script);
  // In a bundle start() has another name: its options are known by their worker.
  const written = (facts.members.get('servers') ?? []).filter(({ of }) => writtenOf(facts, of)?.members.has('worker'));
  const bundled = calls.length === 0 ? written.map(({ of }) => ({ options: of, name: 'start()' })) : [];
  return [...calls, ...bundled].flatMap(({ options, name: call }) =>
    faultsOfServers(facts, writtenOf(facts, options)?.members.get('servers')).map(([what, todo]) => ({ call, what, todo })),
  );
}

/** Whether some call is given a worker, as start() is: in a bundle it has another name. @param {Script} script */
const givesWorker = ({ facts }) =>
  [...facts.places.keys()].some((call) => {
    const worker = meantBy(facts, writtenOf(facts, call.arguments[0])?.members.get('worker'));
    // Our own script hands on what it is given.
    return textOf(worker) !== null || /^(?:TemplateLiteral|NewExpression)$/.test(worker?.type ?? '');
  });

/**
 * Whether something of the page uses our script. In a bundle it has other names inside: of that nothing is said.
 * @param {Case} site
 * @returns {'yes' | 'no' | 'unknown'}
 */
export function isStarted({ scripts, isHidden }) {
  const others = scripts.filter(({ url }) => !isOurs(url.pathname));
  // A build may have put our script into one of its own.
  const built = new Set(others.filter(({ text }) => isOurPage(text)).map(({ url }) => url.href));
  const isOfOurs = (/** @type {string} */ name, /** @type {URL} */ from) => {
    const url = URL.canParse(name, from.href) ? new URL(name, from) : null;
    return url !== null && (isOurIndex(url) || built.has(url.href));
  };
  if (others.some((script) => uses(script, isOfOurs) || (isOurPage(script.text) && givesWorker(script)))) return 'yes';
  const ours = scripts.filter(({ url }) => isOurIndex(url));
  // A build may have shortened the names of what it exports.
  return isHidden || ours.length === 0 || !ours.every(({ facts }) => facts.exported.has('start')) ? 'unknown' : 'no';
}
