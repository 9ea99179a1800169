// Whether GET() of the worker takes what it is given: it throws else, and the worker does not start.
import { readRoutes } from '../listing.js';
import { meant } from '../names.js';
import { classOf, strategies } from './calls.js';
import { isOurs } from './findings.js';
import { isFunction, soleValue } from './scopes.js';
import { throwing } from './startup.js';
import { calledName, meantBy, nameOf, pathOf, textOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Findings} Findings */
/** @typedef {import('./findings.js').Script} Script */
/** @typedef {import('./script.js').Node} Node */

const isPlugin = (/** @type {string} */ name) => name.endsWith('Plugin');
const getMiddleware = 'getMiddleware';
const isMiddleware = (/** @type {Node | undefined} */ node) =>
  node?.type === 'MemberExpression' && nameOf(node.property, node.computed) === getMiddleware;
/** What is no function, and not the name of anything, in any case. @param {Node | undefined} node */
const isValue = (node) => /^(?:Literal|TemplateLiteral|ArrayExpression|ObjectExpression)$/.test(node?.type ?? '');

/**
 * Why GET() throws for a strategy; '' if that is not seen.
 * @param {Script['facts']} facts
 * @param {Node | undefined} given
 */
function faultOfStrategy(facts, given) {
  const strategy = meantBy(facts, given);
  const said = textOf(strategy);
  if (said !== null) return strategies.includes(said) ? '' : `GET() has no strategy '${said}'`;
  const path = pathOf(facts, given);
  if (path?.[0] === 'PeerCDN' && path.length > 1) {
    const [, member, name] = path;
    if (member === 'strategies' && path.length === 3) return strategies.includes(name) ? '' : `GET() has no strategy '${name}'`;
    if (strategies.includes(member)) return `PeerCDN has no ${member}: it is one of PeerCDN.strategies, and GET() takes no other`;
  }
  if (!strategy || isMiddleware(strategy) || isFunction(strategy) || isValue(strategy) || isPlugin(classOf(facts, strategy)))
    return 'GET() is given no strategy after the path';
  return '';
}

/**
 * Why GET() throws for a middleware, and what to do; null if that is not seen.
 * @param {Case['workerScripts']} all
 * @param {Script['facts']} facts
 * @param {Node} given
 * @returns {[string, string] | null}
 */
function faultOfMiddleware(all, facts, given) {
  const middleware = meantBy(facts, given);
  const itself = 'Give it plugin.getMiddleware itself, without ().';
  if (middleware?.type === 'CallExpression' && calledName(middleware) === getMiddleware)
    return ['GET() is given what getMiddleware() makes', itself];
  const name = classOf(facts, middleware);
  if (isPlugin(name)) return [`GET() is given a ${name}, and no middleware`, 'Give it the getMiddleware of the plugin.'];
  if (isValue(middleware))
    return ['GET() is given a middleware that is no function', 'Give it plugin.getMiddleware of each plugin.'];
  if (middleware?.type !== 'MemberExpression') return null;
  const of = classOf(facts, middleware.object);
  const member = nameOf(middleware.property, middleware.computed);
  if (!isPlugin(of) || member === null || member === getMiddleware) return null;
  if (all.some(({ facts: each }) => each.assigned.has(member))) return null;
  return [`a ${of} has no ${member}`, `Give GET() its ${getMiddleware}.`];
}

/**
 * Whether GET() takes what it is given, and no class of ours is called without new.
 * @param {Findings} findings
 * @param {Script[]} all
 */
export function checkRouteCalls(findings, all) {
  const before = findings.all.length;
  const throws = throwing(findings);
  for (const { facts, text } of all) {
    for (const call of facts.places.keys()) {
      const [path, strategy, ...given] = call.arguments;
      const name = call.callee.name ?? '';
      if (name === 'PeerCDN' && !isOurs(text) && !soleValue(facts.variableOf(call.callee)))
        throws('it calls PeerCDN() without new', 'Write new PeerCDN().');
      // In a bundle the class has another name.
      const isOfOurs = classOf(facts, call.callee.object) === 'PeerCDN' || call.arguments.slice(1).some(isMiddleware);
      const isSpread = [path, strategy].some((each) => each?.type === 'SpreadElement');
      if (calledName(call) !== 'GET' || !isOfOurs || isSpread) continue;
      const route = textOf(meantBy(facts, path));
      if (route === null && /^(?:Literal|ArrayExpression)$/.test(meantBy(facts, path)?.type ?? ''))
        throws('GET() is given a path that is no text', "Name the folder, as '/static': it takes no pattern.");
      if (route !== null && readRoutes([route]).bad.length > 0) {
        const todo = "Name the folder, as '/static': it has all that is below it. A * stands for one whole segment only.";
        throws(`GET() cannot read the path '${route}'`, todo);
      }
      const fault = faultOfStrategy(facts, strategy);
      const [, said] = fault.match(/^GET\(\) has no strategy '(.*)'$/) ?? [];
      const todo =
        said === undefined ? 'Write: cdn.GET(path, PeerCDN.strategies.ordered, ...).' : `Of GET() ${meant(said, strategies)}`;
      if (fault) throws(fault, todo);
      // What should be the second may be the third.
      for (const each of fault ? [] : given) {
        const found = faultOfMiddleware(all, facts, each);
        if (found) throws(...found);
      }
    }
  }
  return findings.all.length === before;
}
