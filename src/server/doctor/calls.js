// What the worker's own lines do with peer-cdn, as far as it is certain without running them.
import { distance, meant } from '../names.js';
import { isOurs } from './findings.js';
import { isBefore, isLate, momentsOf, namesAround } from './runs.js';
import { isFunction, soleValue } from './scopes.js';
import { calledName, meantBy, textOf, writtenOf } from './values.js';

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
const strategies = ['ordered', 'fastest'];
/** What register() takes. */
export const registerOptions = ['staticRoutes'];
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

/** @typedef {import('./script.js').Facts} Facts */

/**
 * Which class of ours an expression makes an instance of; '' if that is not seen.
 * @param {Facts} facts
 * @param {Node | undefined} node
 */
function classOf(facts, node) {
  const made = meantBy(facts, node);
  // GET() gives back what it is called on.
  if (made?.type === 'CallExpression' && calledName(made) === 'GET') return classOf(facts, made.callee.object);
  if (made?.type !== 'NewExpression') return '';
  const { callee } = made;
  // The site's own class may have such a name.
  if (callee.type === 'Identifier' && isOwnClass(facts, callee)) return '';
  const named = meantBy(facts, callee);
  const name = named?.type === 'MemberExpression' ? named.property.name : named?.name;
  return classes.includes(name) ? name : '';
}

/** @param {Facts} facts @param {Node} name */
function isOwnClass(facts, name) {
  const variable = facts.variableOf(name);
  const value = soleValue(variable);
  return value !== null && (value.type.startsWith('Class') || isFunction(value));
}

/**
 * Whether our classes, and register(), read every option that they are given. A worker has no room to say so itself.
 * @param {Findings} findings
 * @param {Case['workerScripts']} all
 */
export function checkOptions(findings, all) {
  let areRead = true;
  for (const { facts, text } of all) {
    if (isOurs(text)) continue;
    const made = facts.news.map((each) => ({
      name: `new ${classOf(facts, each)}()`,
      known: optionsOf[classOf(facts, each)],
      each,
    }));
    const registering = (facts.calls.get('register') ?? []).filter(({ callee }) => classOf(facts, callee.object) === 'PeerCDN');
    const registered = registering.map((each) => ({ name: 'register()', known: registerOptions, each }));
    for (const { name, known, each } of [...made, ...registered]) {
      for (const option of writtenOf(facts, each.arguments[0])?.members.keys() ?? []) {
        if (!known || known.includes(option)) continue;
        areRead = false;
        const todo = known.length > 0 ? `Of ${name} ${meant(option, known)}` : `${name} takes none.`;
        findings.wrong('worker', `it gives ${name} the option '${option}', which nobody reads`, todo);
      }
    }
  }
  return areRead;
}

/**
 * Whether GET() takes what it is given, and no class of ours is called without new: a worker that throws does not start.
 * @param {Findings} findings
 * @param {Case['workerScripts']} all
 */
export function checkStart(findings, all) {
  const before = findings.all.length;
  const throws = (/** @type {string} */ what, /** @type {string} */ todo) =>
    findings.wrong('worker', `${what}: so the worker does not start`, todo);
  for (const { facts, text } of all) {
    if (isOurs(text)) continue;
    for (const call of facts.places.keys()) {
      const name = call.callee.name ?? '';
      if (name === 'PeerCDN' && !soleValue(facts.variableOf(call.callee)))
        throws('it calls PeerCDN() without new', 'Write new PeerCDN().');
      if (calledName(call) !== 'GET' || classOf(facts, call.callee.object) !== 'PeerCDN') continue;
      const [, strategy, ...given] = call.arguments;
      const said = textOf(meantBy(facts, strategy));
      if (said !== null && !strategies.includes(said))
        throws(`GET() has no strategy '${said}'`, `Of GET() ${meant(said, strategies)}`);
      const called = given.map((/** @type {Node} */ each) => meantBy(facts, each));
      if (
        called.some(
          (/** @type {Node | undefined} */ each) => each?.type === 'CallExpression' && calledName(each) === 'getMiddleware',
        )
      )
        throws('GET() is given what getMiddleware() makes', 'Give it plugin.getMiddleware itself, without ().');
    }
  }
  return findings.all.length === before;
}

/**
 * Whether register() is called while the script first runs, or at least may be.
 * @param {Findings} findings
 * @param {Case['workerScripts']} scripts
 */
export function whenRegistered(findings, scripts) {
  const calls = scripts.flatMap(({ facts }) =>
    (facts.calls.get('register') ?? []).map((call) => ({ facts, call, place: facts.places.get(call) })),
  );
  const seen = calls.map(({ facts, call, place }) => {
    if (!place) return 'in time';
    // A function whose name stands nowhere else is called by nobody.
    if (namesAround(place).some((name) => timesOf(scripts, name) === 1)) return 'never';
    return isLate(facts, call, place) ? 'late' : 'in time';
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
 * @param {Facts} facts
 * @param {Node | undefined} listener
 */
function answersAll(facts, listener) {
  const [event] = listener?.params ?? [];
  if (!listener || !isFunction(listener) || event?.type !== 'Identifier') return false;
  return (facts.calls.get('respondWith') ?? []).some((call) =>
    momentsOf(facts, call, facts.places.get(call), listener).some(({ given }) => {
      const variable = facts.variableOf(meantBy(facts, call.callee.object, given) ?? call);
      return variable !== undefined && variable === facts.variableOf(event) && variable.values.length === 1;
    }),
  );
}

/** @typedef {{ moment: import('./runs.js').Moment, at: Node, listener: Node | undefined }} Heard */

/**
 * What listens to fetch events once the script has run, and since when; as far as that is certain.
 * @param {Facts} facts
 * @returns {Heard[]}
 */
function listenersOf(facts) {
  /** @type {{ isRemoved: boolean, isOf: boolean | null, heard: Heard }[]} */
  const calls = facts.listening.flatMap(({ call, place }) => {
    const [type, listener, how] = call.arguments;
    const moments = momentsOf(facts, call, place);
    const isRemoved = calledName(call) === 'removeEventListener';
    return (moments.length > 0 || !isRemoved ? moments : [{ given: new Map(), path: [] }]).map((moment) => {
      const name = textOf(meantBy(facts, type, moment.given));
      // By its options a listener may be there for one event, or until something happens.
      const options = writtenOf(facts, how);
      const isEnding = !options?.isWhole || options.members.has('once') || options.members.has('signal');
      const isUsual = !how || typeof how.value === 'boolean' || !isEnding;
      const isOf = name === null ? isRemoved : name === 'fetch' && (isRemoved || isUsual);
      return { isRemoved, isOf, heard: { moment, at: call, listener: meantBy(facts, listener, moment.given) } };
    });
  });
  const removed = calls.filter((each) => each.isRemoved && each.isOf).map(({ heard }) => heard.listener);
  const added = calls.filter((each) => !each.isRemoved && each.isOf).map(({ heard }) => heard);
  return [...added.filter(({ listener }) => !removed.includes(listener)), ...onfetchOf(facts)];
}

/** The handler is there since the first assignment of a function, and is the last one. @param {Facts} facts @returns {Heard[]} */
function onfetchOf(facts) {
  const all = facts.onfetch.map(({ at, place }) => ({ at, moments: momentsOf(facts, at, place) }));
  if (all.length === 0 || all.some(({ at, moments }) => moments.length !== 1 || at.operator !== '=')) return [];
  const inOrder = all
    .map(({ at, moments: [moment] }) => ({ at, moment, listener: meantBy(facts, at.right, moment.given) }))
    .sort((a, b) => (isBefore(a.moment, b.moment) ? -1 : 1));
  const first = inOrder.findLastIndex(({ listener }) => !isFunction(listener)) + 1;
  return first < inOrder.length ? [{ ...inOrder[first], listener: inOrder[inOrder.length - 1].listener }] : [];
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
  const { facts, url } = script;
  const calls = (facts.calls.get('register') ?? []).map((call) => momentsOf(facts, call, facts.places.get(call)));
  if (calls.some((moments) => moments.length === 0)) return true;
  const isFirst = (/** @type {import('./runs.js').Moment | null} */ moment) =>
    moment !== null && calls.flat().every((each) => isBefore(moment, each));
  const own = listenersOf(facts).filter(({ moment, listener }) => isFirst(moment) && answersAll(facts, listener));
  const imported = facts.importScripts
    .filter(({ moment }) => isFirst(moment))
    .flatMap(({ name }) => scripts.filter((each) => URL.canParse(name, url.href) && each.url.href === new URL(name, url).href));
  const found = [
    ...own.map(({ at }) => ({ script, at })),
    ...imported.flatMap((each) =>
      listenersOf(each.facts)
        .filter(({ listener }) => answersAll(each.facts, listener))
        .map(({ at }) => ({ script: each, at })),
    ),
  ];
  const [before] = found;
  // Who answers by our plugins needs none of our listeners. And not all moments may have been found.
  if (!before || facts.calls.has('getMiddleware') || facts.steps <= 0) return true;
  const line = before.script.text.slice(0, before.at.start).split('\n').length;
  findings.wrong(
    'worker',
    `its fetch listener at ${before.script.url.pathname}:${line} answers every request, and was added before peer-cdn's`,
    'Call cdn.register() before that listener is added, or let the listener leave the listed files alone.',
  );
  return false;
}

/**
 * Which class of ours made this middleware factory; '' if that is not seen.
 * @param {Node} given
 * @param {Facts} facts
 */
function pluginOf(given, facts) {
  const factory = meantBy(facts, given);
  return factory?.type === 'MemberExpression' && factory.property.name === 'getMiddleware' ? classOf(facts, factory.object) : '';
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
