// What of a worker listens to fetch events beside peer-cdn, and whether it answers them all.
import { doctorDepth } from '../limits.js';
import { inSomeCases, isBefore, momentsOf, untilOf } from './runs.js';
import { childrenOf, isFunction } from './scopes.js';
import { calledName, last, meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Findings} Findings */
/** @typedef {import('./script.js').Facts} Facts */
/** @typedef {import('./script.js').Node} Node */

/** What certainly comes of a statement: the event is answered, or it may be left without an answer, or it goes on. */
/** @typedef {'answered' | 'left' | 'open'} Outcome */

/**
 * Whether something in a node, but in no function of its own, may leave what stands before `end`, or waits.
 * @param {Facts} facts
 * @param {Node} node
 * @returns {boolean}
 */
const mayLeave = (facts, node, end = node.end) =>
  !isFunction(node) &&
  (/^(?:Await|Yield)Expression$/.test(node.type) ||
    untilOf(facts, node) > end ||
    childrenOf(node).some(({ below }) => mayLeave(facts, below, end)));

/** The name of the member that an expression is; '' of what is none. @param {Facts} facts @param {Node | undefined} node */
function memberName(facts, node) {
  const of = meantBy(facts, node);
  return of?.type === 'MemberExpression' && !of.computed ? of.property.name : '';
}

/** Whether it is the site's own origin, as `location.origin`. @param {Facts} facts @param {Node | undefined} node */
function isOwnOrigin(facts, node) {
  const of = meantBy(facts, node);
  const object = of?.object;
  return memberName(facts, of) === 'origin' && (object.property?.name ?? object.name) === 'location';
}

/**
 * What a condition is for a listed file, which is asked for by GET, of the site itself; undefined if that is not seen. Most
 * listeners leave other requests alone, and that is no reason to think that they leave files alone.
 * @param {Facts} facts
 * @param {Node | undefined} node
 * @returns {boolean | undefined}
 */
function isForFiles(facts, node, left = doctorDepth) {
  const test = meantBy(facts, node);
  if (!test || left === 0) return undefined;
  const of = (/** @type {Node} */ each) => isForFiles(facts, each, left - 1);
  if (test.type === 'UnaryExpression' && test.operator === '!') {
    const value = of(test.argument);
    return value === undefined ? undefined : !value;
  }
  if (test.type === 'LogicalExpression' && test.operator !== '??') {
    const deciding = test.operator === '||';
    const sides = [of(test.left), of(test.right)];
    if (sides.includes(deciding)) return deciding;
    return sides.includes(undefined) ? undefined : !deciding;
  }
  if (test.type === 'CallExpression' && calledName(test) === 'startsWith')
    return isOwnOrigin(facts, test.arguments[0]) ? true : undefined;
  if (test.type !== 'BinaryExpression' || !/^[!=]==?$/.test(test.operator)) return undefined;
  const sides = [test.left, test.right];
  const method = sides.some((each) => memberName(facts, each) === 'method')
    ? sides.map((each) => textOf(meantBy(facts, each))).find((text) => text !== null)
    : undefined;
  const areOrigins =
    sides.every((each) => memberName(facts, each) === 'origin') && sides.some((each) => isOwnOrigin(facts, each));
  if (method === undefined && !areOrigins) return undefined;
  return (areOrigins || method === 'GET') === test.operator.startsWith('=');
}

/**
 * Whether a function certainly answers the event that it is given.
 * @param {Facts} facts
 * @param {Node | undefined} listener
 * @param {number} [at] which parameter is the event
 * @returns {boolean}
 */
function answersAll(facts, listener, at = 0, left = doctorDepth) {
  const event = listener?.params?.[at];
  const variable = event?.type === 'Identifier' ? facts.variableOf(event) : undefined;
  // An event that is assigned is another then. And a generator is not run.
  if (!listener || !isFunction(listener) || listener.generator || variable?.values.length !== 1) return false;
  if (left === 0 || facts.steps-- <= 0) return false;
  const isEvent = (/** @type {Node | undefined} */ node) => node?.type === 'Identifier' && facts.variableOf(node) === variable;
  const answers = (/** @type {Node} */ call) => {
    const { callee, arguments: given } = call;
    if (callee.type === 'MemberExpression' && calledName(call) === 'respondWith') return isEvent(callee.object);
    if (isFunction(last(callee))) return !last(callee).generator && isAnswered(last(callee).body);
    const helper = meantBy(facts, last(callee));
    return isFunction(helper) && answersAll(facts, helper, given.findIndex(isEvent), left - 1);
  };
  /** Whether an expression answers, whatever its values are. @param {Node} node @returns {boolean} */
  const answersIn = (node) =>
    (node.type === 'ConditionalExpression' && answersIn(node.consequent) && answersIn(node.alternate)) ||
    (node.type === 'CallExpression' && answers(node)) ||
    childrenOf(node).some(({ key, below }) => !isFunction(below) && !inSomeCases(node, key) && answersIn(below));
  /** @param {Node | null | undefined} node @returns {Outcome} */
  const outcomeOf = (node) => {
    switch (node?.type) {
      case 'BlockStatement':
        return node.body.map(outcomeOf).find((/** @type {Outcome} */ each) => each !== 'open') ?? 'open';
      case 'IfStatement': {
        const isForThem = isForFiles(facts, node.test);
        if (isForThem !== undefined) return outcomeOf(isForThem ? node.consequent : node.alternate);
        if (mayLeave(facts, node.test)) return 'left';
        const ways = [outcomeOf(node.consequent), outcomeOf(node.alternate)];
        if (ways.includes('left')) return 'left';
        return answersIn(node.test) || !ways.includes('open') ? 'answered' : 'open';
      }
      case 'ReturnStatement':
        return node.argument && answersIn(node.argument) ? 'answered' : 'left';
      case 'ExpressionStatement':
      case 'VariableDeclaration':
        return mayLeave(facts, node) ? 'left' : answersIn(node) ? 'answered' : 'open';
      default:
        return node && mayLeave(facts, node) ? 'left' : 'open';
    }
  };
  const isAnswered = (/** @type {Node} */ body) =>
    body.type === 'BlockStatement' ? outcomeOf(body) === 'answered' : !mayLeave(facts, body) && answersIn(body);
  return isAnswered(listener.body);
}

/** What is called for an event: a function, or that of an object. @param {Facts} facts @param {Node | undefined} listener */
const handlerOf = (facts, listener) => meantBy(facts, writtenOf(facts, listener)?.members.get('handleEvent')) ?? listener;

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
  const own = listenersOf(facts).filter(
    ({ moment, listener }) => isFirst(moment) && answersAll(facts, handlerOf(facts, listener)),
  );
  const imported = facts.importScripts
    .filter(({ moment }) => isFirst(moment))
    .flatMap(({ name }) => scripts.filter((each) => URL.canParse(name, url.href) && each.url.href === new URL(name, url).href));
  const found = [
    ...own.map(({ at }) => ({ script, at })),
    ...imported.flatMap((each) =>
      listenersOf(each.facts)
        .filter(({ listener }) => answersAll(each.facts, handlerOf(each.facts, listener)))
        .map(({ at }) => ({ script: each, at })),
    ),
  ];
  const [before] = found;
  // Who answers by our plugins needs none of our listeners. And not all moments may have been found.
  if (!before || facts.calls.has('getMiddleware') || facts.steps <= 0) return true;
  const line = before.script.text.slice(0, before.at.start).split('\n').length;
  const at = `${before.script.url.pathname}:${line}`;
  findings.wrong(
    'worker',
    `its fetch listener at ${at} answers every request for a file, and was added before peer-cdn's`,
    'Call cdn.register() before that listener is added, or let the listener leave the listed files alone.',
  );
  return false;
}
