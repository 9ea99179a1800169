// What the worker's own lines do with peer-cdn, as far as it is certain without running them.
import { distance, meant } from '../names.js';
import { isOurs } from './findings.js';
import { isLate, isSure, meantBy, namesAround, textOf } from './script.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Findings} Findings */
/** @typedef {import('./script.js').Node} Node */

/** Our classes, and the options that each takes. @type {Record<string, string[]>} */
export const optionsOf = {
  PeerCDN: ['manifest'],
  CachePlugin: ['version', 'quotaBytes'],
  DelegatePlugin: ['timeoutAfter', 'patience'],
  NetworkPlugin: [],
};
const classes = Object.keys(optionsOf);
/** So many letters are missing, too many or others in a name that is meant to be another. */
const typingErrors = 2;

/** How often scripts have an identifier. @param {Case['workerScripts']} scripts @param {string} name */
const timesOf = (scripts, name) => scripts.reduce((sum, { facts }) => sum + (facts.identifiers.get(name) ?? 0), 0);

/**
 * Whether all classes that look like ours are there: one that stands behind `new` only is defined by nobody. In our own
 * script, or a bundle with it, names stand for other things too.
 * @param {Findings} findings
 * @param {Case['workerScripts']} all
 */
export function checkClasses(findings, all) {
  const scripts = all.filter(({ text }) => !isOurs(text));
  const made = scripts.flatMap(({ facts }) => facts.news.map(({ callee }) => callee.name)).filter(Boolean);
  for (const name of new Set(made)) {
    const ours = classes.find((each) => distance(name, each) <= typingErrors);
    if (!ours || name === 'PeerCDN' || timesOf(scripts, name) > made.filter((each) => each === name).length) continue;
    const todo =
      name === ours
        ? `Name it before: const { ${name} } = PeerCDN;`
        : `Write new ${ours}(), as the README has it: so the worker does not start.`;
    findings.wrong('worker', `it calls new ${name}(), which nothing defines`, todo);
    return false;
  }
  return true;
}

/**
 * Whether our classes read every option that they are given. A worker has no room to say so itself.
 * @param {Findings} findings
 * @param {Case['workerScripts']} all
 */
export function checkOptions(findings, all) {
  const scripts = all.filter(({ text }) => !isOurs(text));
  // The site's own class may have such a name.
  const isOwn = (/** @type {string} */ name) => all.some(({ text }) => !isOurs(text) && text.includes(`class ${name}`));
  let areRead = true;
  for (const { callee, arguments: given } of scripts.flatMap(({ facts }) => facts.news)) {
    const { name } = callee;
    if (isOwn(name) || !Object.hasOwn(optionsOf, name) || given[0]?.type !== 'ObjectExpression') continue;
    const known = optionsOf[name];
    for (const { type, computed, key } of given[0].properties) {
      const option = type === 'Property' && !computed ? String(key.name ?? key.value) : known[0];
      if (option === undefined || known.includes(option)) continue;
      areRead = false;
      const todo = known.length > 0 ? `Of new ${name}() ${meant(option, known)}` : `new ${name}() takes none.`;
      findings.wrong('worker', `it gives new ${name}() the option '${option}', which nobody reads`, todo);
    }
  }
  return areRead;
}

/**
 * Whether register() is called while the script first runs, or at least may be.
 * @param {Findings} findings
 * @param {Case['workerScripts']} scripts
 */
export function whenRegistered(findings, scripts) {
  const calls = scripts.flatMap(({ facts }) =>
    (facts.calls.get('register') ?? []).map((call) => ({ call, place: facts.places.get(call) })),
  );
  const seen = calls.map(({ call, place }) => {
    if (!place) return 'in time';
    // A function whose name stands nowhere else is called by nobody.
    if (namesAround(place).some((name) => timesOf(scripts, name) === 1)) return 'never';
    return isLate(call, place) ? 'late' : 'in time';
  });
  if (seen.length === 0 || seen.includes('in time')) return true;
  const todo = 'Call cdn.register() while the script first runs: outside of functions, and before it awaits anything.';
  const what = seen.includes('late')
    ? 'it calls register() too late (registered-late)'
    : 'it never calls register(): the function around is called by nobody';
  findings.wrong('worker', what, todo);
  return false;
}

/**
 * Whether a listener certainly answers each request that it is told of.
 * @param {import('./script.js').Facts} facts
 * @param {import('./script.js').Facts['fetchListeners'][number]} added
 */
function answersAll(facts, { place: around, listener }) {
  const meant = meantBy(facts, listener);
  return (facts.calls.get('respondWith') ?? []).some((call) => {
    const place = facts.places.get(call);
    if (!place?.isCertain) return false;
    const { of, name, isDeclared, returns, waits } = place.run;
    // A function by its name: declared beside the listener, and no variable has that name too.
    const isNamed = isDeclared && name === meant?.name && place.run.around?.run === around.run && !facts.constants.has(name);
    if (!of || !(of === meant || isNamed)) return false;
    if (of.params[0]?.type !== 'Identifier' || call.callee.object.name !== of.params[0].name) return false;
    return !returns.some(({ end }) => end <= call.start) && !waits.some(({ end }) => end < call.end);
  });
}

/**
 * Whether peer-cdn hears of requests: who answers one first keeps it from all listeners that were added later.
 * @param {Findings} findings
 * @param {Case['workerScripts']} scripts
 */
export function checkListeners(findings, scripts) {
  const [script, ...others] = scripts.filter(({ facts }) => facts.calls.has('register'));
  // With several scripts that register something, the order of their lines is not seen.
  if (!script || others.length > 0) return true;
  const { facts, text, url } = script;
  const calls = facts.calls.get('register') ?? [];
  const isCertain = (/** @type {Node} */ at, /** @type {import('./script.js').Place | undefined} */ place) =>
    place !== undefined && isSure(at, place);
  if (!calls.every((call) => isCertain(call, facts.places.get(call)))) return true;
  const before = facts.fetchListeners.find(
    (added) => isCertain(added.at, added.place) && calls.every(({ start }) => added.at.end <= start) && answersAll(facts, added),
  );
  // Who answers by our plugins needs none of our listeners.
  if (!before || facts.calls.has('getMiddleware')) return true;
  const line = text.slice(0, before.at.start).split('\n').length;
  findings.wrong(
    'worker',
    `its fetch listener at ${url.pathname}:${line} answers every request, and was added before peer-cdn's`,
    'Call cdn.register() before that listener is added, or let the listener leave the listed files alone.',
  );
  return false;
}

/**
 * Which class of ours made this middleware factory; '' if that is not seen.
 * @param {Node} given
 * @param {import('./script.js').Facts} facts
 */
function pluginOf(given, facts) {
  const factory = meantBy(facts, given);
  if (factory?.type !== 'MemberExpression' || factory.property.name !== 'getMiddleware') return '';
  const made = meantBy(facts, factory.object);
  if (made?.type !== 'NewExpression') return '';
  const name = (made.callee.property ?? made.callee).name;
  return classes.includes(name) ? name : '';
}

/** @param {Node | undefined} given @param {import('./script.js').Facts} facts */
function isOrdered(given, facts) {
  const strategy = meantBy(facts, given);
  return (textOf(strategy) ?? strategy?.property?.name ?? strategy?.name) === 'ordered';
}

/**
 * Whether routes ask peers, and before the network. A middleware of the site may do that by itself.
 * @param {Findings} findings
 * @param {Case['workerScripts']} scripts
 */
export function checkPlugins(findings, scripts) {
  const routes = scripts.flatMap(({ facts }) =>
    (facts.calls.get('GET') ?? []).map(({ arguments: [path, strategy, ...given] }) => ({
      path: textOf(meantBy(facts, path)) ?? '...',
      isOurs: isOrdered(strategy, facts),
      plugins: given.map((/** @type {Node} */ each) => pluginOf(each, facts)),
    })),
  );
  const mayAsk = (/** @type {string[]} */ plugins) => plugins.includes('') || plugins.includes('DelegatePlugin');
  if (routes.length > 0 && routes.every(({ isOurs, plugins }) => isOurs && !mayAsk(plugins))) {
    const todo = 'Give GET() delegate.getMiddleware of a DelegatePlugin, before the one of the NetworkPlugin.';
    findings.wrong(
      'routes',
      `no route asks peers: none has a DelegatePlugin (${routes.map(({ path }) => path).join(', ')})`,
      todo,
    );
  }
  for (const { path, isOurs, plugins } of routes) {
    const network = plugins.indexOf('NetworkPlugin');
    if (!isOurs || !plugins.includes('DelegatePlugin') || network < 0 || mayAsk(plugins.slice(0, network))) continue;
    const todo = 'Give GET() delegate.getMiddleware before network.getMiddleware: they are asked in that order.';
    findings.wrong('routes', `${path} has its NetworkPlugin before its DelegatePlugin`, todo);
  }
}
