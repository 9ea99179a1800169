// What the worker's own lines do with peer-cdn, as far as it is certain without running them.
import { distance, meant, shown } from '../names.js';
import { isOurs } from './findings.js';
import { isLate, namesAround } from './runs.js';
import { isFunction, soleValue } from './scopes.js';
import { calledName, meantBy, pathOf, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Findings} Findings */
/** @typedef {import('./script.js').Node} Node */

/** Our classes, the options that each takes, and the types that these have. @type {Record<string, Record<string, string>>} */
export const optionsOf = {
  PeerCDN: { manifest: 'string' },
  CachePlugin: { version: 'number string', quotaBytes: 'number' },
  DelegatePlugin: { timeoutAfter: 'number', patience: 'number' },
  NetworkPlugin: {},
};
export const classes = Object.keys(optionsOf);
export const strategies = ['ordered', 'fastest'];
/** What register() takes. @type {Record<string, string>} */
export const registerOptions = { staticRoutes: 'boolean' };
/** So many letters are missing, too many or others in a name that is meant to be another. */
export const typingErrors = 2;

/** How often scripts have an identifier. @param {Case['workerScripts']} scripts @param {string} name */
export const timesOf = (scripts, name) => scripts.reduce((sum, { facts }) => sum + (facts.identifiers.get(name) ?? 0), 0);

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
export function classOf(facts, node) {
  const made = meantBy(facts, node);
  // GET() gives back what it is called on.
  if (made?.type === 'CallExpression' && calledName(made) === 'GET') return classOf(facts, made.callee.object);
  if (made?.type !== 'NewExpression') return '';
  const { callee } = made;
  // The site's own class may have such a name.
  if (callee.type === 'Identifier' && isOwnClass(facts, callee)) return '';
  const [whole, part = whole] = pathOf(facts, callee) ?? [];
  if (whole === 'PeerCDN') return classes.includes(part) ? part : '';
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
 * Whether our classes, and register(), take every option that they are given.
 * @param {Findings} findings
 * @param {Case['workerScripts']} all
 */
export function checkOptions(findings, all) {
  const end = 'It throws of that, so the worker does not start.';
  let areTaken = true;
  const refuse = (/** @type {string} */ what, /** @type {string} */ todo) => {
    areTaken = false;
    findings.wrong('worker', what, todo);
  };
  for (const { facts, text, url } of all) {
    if (isOurs(text)) continue;
    const made = facts.news.map((each) => ({
      name: `new ${classOf(facts, each)}()`,
      known: optionsOf[classOf(facts, each)],
      each,
    }));
    const registering = (facts.calls.get('register') ?? []).filter(({ callee }) => classOf(facts, callee.object) === 'PeerCDN');
    const registered = registering.map((each) => ({ name: 'register()', known: registerOptions, each }));
    for (const { name, known, each } of [...made, ...registered]) {
      if (!known) continue;
      const value = constantOf(facts, each.arguments[0]);
      if (value !== undefined && Object.keys(known).length > 0)
        refuse(`it gives ${name} the value ${shown(value)} in place of its options`, `It takes an object. ${end}`);
      for (const [option, node] of writtenOf(facts, each.arguments[0])?.members ?? []) {
        if (!Object.hasOwn(known, option)) {
          const names = Object.keys(known);
          const todo = names.length > 0 ? `Of ${name} ${meant(option, names)} ${end}` : `${name} takes none.`;
          refuse(`it gives ${name} the option '${option}', which nobody reads`, todo);
        } else if (!isUsable(option, known[option], constantOf(facts, node), url)) {
          const form = option === 'manifest' ? 'a path of this site' : `a ${known[option].replace(' ', ' or a ')}`;
          refuse(`it gives ${name} as ${option} the value ${shown(constantOf(facts, node))}`, `It takes ${form}. ${end}`);
        }
      }
    }
  }
  return areTaken;
}

/**
 * The value of what is written as one; undefined if that is not seen, or as if nobody had said it.
 * @param {Facts} facts
 * @param {Node | undefined} node
 */
function constantOf(facts, node) {
  const literal = meantBy(facts, node);
  return literal?.type === 'Literal' && !literal.regex ? (literal.value ?? undefined) : undefined;
}

/** @param {string} option @param {string} types @param {unknown} value undefined: not known @param {URL} script */
function isUsable(option, types, value, script) {
  if (value === undefined) return true;
  if (!types.split(' ').includes(typeof value)) return false;
  if (option !== 'manifest') return true;
  return URL.canParse(String(value), script.href) && new URL(String(value), script).origin === script.origin;
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
