// When a line of a script is run, as far as that is certain without running it.
import { doctorDepth } from '../limits.js';
import { isFunction, soleValue } from './scopes.js';
import { calledName, last, listOf, meantBy } from './values.js';

/** @typedef {import('./script.js').Facts} Facts */
/** @typedef {import('./script.js').Node} Node */
/** @typedef {import('./scopes.js').Variable} Variable */

/**
 * When a function is run, or the script itself.
 * @typedef {object} Run
 * @property {'with the script' | 'at once' | 'late' | 'unknown'} when at once: as soon as the place around it is reached
 * @property {Node | null} of the function; null: the script
 * @property {string} name of a function that has one
 * @property {boolean} isDeclared it may be called above of where it stands
 * @property {Place | null} around
 * @property {Node[]} waits what it awaits in any case
 * @property {{ end: number, until: number }[]} exits where it may leave what stands before `until`
 * @property {Node | null} call what calls it, if it is written there
 */

/**
 * @typedef {object} Place
 * @property {Run} run
 * @property {boolean} isCertain nothing in that function decides whether it is reached
 * @property {Node[]} loops over lists that are written in the script, around it in that function
 */

/** @typedef {Map<Variable, Node>} Given what parameters, and names of loops, are in one of several runs */
/** @typedef {{ given: Given, path: number[] }} Moment paths are in the order of moments */

/** What runs a function that it is given only when the script has run. */
const runsLate = /^(?:then|catch|finally|addEventListener|setTimeout|setInterval|queueMicrotask)$/;

/** The members of a node that are run in some cases only, or whose errors are caught. @type {Record<string, string[]>} */
const someCases = {
  IfStatement: ['consequent', 'alternate'],
  ConditionalExpression: ['consequent', 'alternate'],
  LogicalExpression: ['right'],
  ChainExpression: ['expression'],
  AssignmentPattern: ['right'],
  TryStatement: ['block', 'handler'],
  SwitchCase: ['test', 'consequent'],
  ForStatement: ['update', 'body'],
  ForInStatement: ['body'],
  ForOfStatement: ['body'],
  WhileStatement: ['body'],
  WithStatement: ['body'],
  DoWhileStatement: ['test', 'body'],
  PropertyDefinition: ['value'],
};

/** Whether a member of a node is run in some cases only, or its errors are caught. @param {Node} node @param {string} key */
export function inSomeCases(node, key) {
  const isLogical = node.type === 'AssignmentExpression' && /^(?:&&|\|\||\?\?)=$/.test(node.operator) && key === 'right';
  return isLogical || someCases[node.type]?.includes(key) === true;
}

/**
 * Up to where a statement leaves what comes behind it; 0 if it leaves nothing.
 * @param {Facts} facts
 * @param {Node} node
 */
export function untilOf({ parents }, node) {
  const { type, label } = node;
  if (!/^(?:Return|Throw|Break|Continue)Statement$/.test(type)) return 0;
  const isLeft = (/** @type {Node} */ around, /** @type {Node} */ inside) => {
    if (type === 'ReturnStatement') return false;
    if (type === 'ThrowStatement') return around.type === 'TryStatement' && around.handler && around.block === inside;
    if (label) return around.type === 'LabeledStatement' && around.label.name === label.name;
    return /^(?:For|While|DoWhile)/.test(around.type) || (type === 'BreakStatement' && around.type === 'SwitchStatement');
  };
  for (
    let inside = node, around = parents.get(node);
    around && !isFunction(around);
    inside = around, around = parents.get(around)
  )
    if (isLeft(around, inside)) return around.end;
  return Infinity;
}

/** What a function is run by, if it is given to a call. @param {Facts} facts @param {Node} call */
const runsEach = (facts, call) => calledName(call) === 'forEach' && listOf(facts, call.callee.object).length > 0;

/**
 * When the functions of a node are run, by the function.
 * @param {Facts} facts
 * @param {Node} node
 * @returns {[Node, Partial<Run>][]}
 */
export function runsOf(facts, node) {
  if (node.type === 'ExportDefaultDeclaration') return [[node.declaration, { isDeclared: true }]];
  if (node.type === 'FunctionDeclaration') return [[node, { name: node.id?.name, isDeclared: true }]];
  if (node.type === 'VariableDeclarator') return [[node.init, { name: node.id.name }]];
  const isHandler = node.type === 'AssignmentExpression' && /^on[a-z]+$/.test(node.left.property?.name ?? node.left.name ?? '');
  if (isHandler) return [[node.right, { when: 'late' }]];
  if (node.type !== 'CallExpression') return [];
  const { callee } = node;
  const when = runsLate.test(calledName(node) ?? '') ? 'late' : runsEach(facts, node) ? 'at once' : 'unknown';
  return [
    [last(callee), { when: 'at once', call: node }],
    [callee.object, { when: 'at once', call: node }],
    ...node.arguments.map((/** @type {Node} */ each) => [each, { when, call: when === 'at once' ? node : null }]),
  ];
}

/** @param {Place | null} around @param {Partial<Run>} how @returns {Place} */
export function placeOf(around, how) {
  const run = {
    when: /** @type {const} */ ('unknown'),
    of: null,
    name: '',
    isDeclared: false,
    around,
    waits: [],
    exits: [],
    call: null,
  };
  return { run: { ...run, ...how }, isCertain: true, loops: [] };
}

/**
 * The place of a member of a node.
 * @param {Facts} facts
 * @param {Node} node
 * @param {string} key
 * @param {Place} place
 * @returns {Place}
 */
export function placeInside(facts, node, key, place) {
  if (node.type === 'ForOfStatement' && key === 'body' && !node.await && listOf(facts, node.right).length > 0)
    return { ...place, loops: [...place.loops, node] };
  return inSomeCases(node, key) ? { ...place, isCertain: false } : place;
}

/** Notes what a node says of its function's run. @param {Facts} facts @param {Node} node @param {Place} place */
export function noteRun(facts, node, { run, isCertain }) {
  const until = untilOf(facts, node);
  if (until > 0) run.exits.push({ end: node.end, until });
  if (node.type === 'AwaitExpression' && isCertain) run.waits.push(node);
}

/** The names that stand for a function. @param {Facts} facts @param {Run} run @returns {Node[] | null} null: it has no name */
function usesOf(facts, { of }) {
  const id = of && (facts.parents.get(of)?.id ?? /** @type {Node | undefined} */ (of.id));
  const variable = id?.type === 'Identifier' ? facts.variableOf(id) : undefined;
  return variable && soleValue(variable) === of ? variable.uses : null;
}

/**
 * What calls a function, with what; as far as that is seen.
 * @param {Facts} facts
 * @param {Run} run
 * @returns {{ call: Node, args: Node[] }[]}
 */
function callsOf(facts, run) {
  if (run.when === 'at once' && run.call) {
    const { call } = run;
    if (last(call.callee) === run.of) return [{ call, args: call.arguments }];
    if (runsEach(facts, call)) return listOf(facts, call.callee.object).map((each) => ({ call, args: [each] }));
    // (function () {}).call(this)
    return /^(?:call|apply)$/.test(calledName(call) ?? '') ? [{ call, args: [] }] : [];
  }
  return (usesOf(facts, run) ?? []).flatMap((use) => {
    const call = facts.parents.get(use);
    return call?.type === 'CallExpression' && call.callee === use ? [{ call, args: call.arguments }] : [];
  });
}

/** @param {Facts} facts @param {Given} given @param {Node[]} patterns @param {Node[]} values @returns {Given} */
function bound(facts, given, patterns, values) {
  const more = new Map(given);
  for (const [at, pattern] of patterns.entries()) {
    const value = meantBy(facts, values[at], given);
    if (!value) continue;
    const pairs =
      pattern.type === 'ArrayPattern'
        ? pattern.elements.map((/** @type {Node} */ each, /** @type {number} */ i) => [each, listOf(facts, value)[i]])
        : [[pattern, value]];
    for (const [name, each] of pairs) {
      const variable = name?.type === 'Identifier' && each ? facts.variableOf(name) : undefined;
      // A parameter that is assigned later is another then.
      if (variable && variable.values.length === 1) more.set(variable, each);
    }
  }
  return more;
}

/**
 * The moments at which a node is certainly run with the script.
 * @param {Facts} facts
 * @param {Node} node
 * @param {Place | undefined} place
 * @returns {Moment[]}
 */
export function momentsOf(facts, node, place, left = doctorDepth) {
  if (!place || left === 0 || facts.steps-- <= 0) return [];
  const { run, isCertain, loops } = place;
  const isLeft =
    run.exits.some(({ end, until }) => end <= node.start && node.start < until) || run.waits.some(({ end }) => end < node.end);
  if (!isCertain || isLeft || run.of?.generator) return [];
  /** @type {Moment[]} */
  let moments = [{ given: new Map(), path: [] }];
  if (run.of) {
    moments = callsOf(facts, run).flatMap(({ call, args }) =>
      momentsOf(facts, call, facts.places.get(call), left - 1).map(({ given, path }) => ({
        given: bound(facts, given, run.of?.params ?? [], args),
        path,
      })),
    );
  }
  for (const loop of loops) {
    const names = loop.left.declarations?.map((/** @type {Node} */ { id }) => id) ?? [loop.left];
    moments = moments.flatMap(({ given, path }) =>
      listOf(facts, loop.right, given).map((each, i) => ({
        given: bound(facts, given, names, [each]),
        path: [...path, loop.start, i],
      })),
    );
  }
  return moments.map(({ given, path }) => ({ given, path: [...path, node.start] }));
}

/** Whether one moment is before another. @param {Moment} one @param {Moment} other */
export function isBefore({ path: one }, { path: other }) {
  const at = one.findIndex((each, i) => each !== other[i]);
  return at >= 0 && one[at] < (other[at] ?? -1);
}

/**
 * Whether it is certainly run only when the script has run.
 * @param {Facts} facts
 * @param {Node} node
 * @param {Place | undefined} place
 * @returns {boolean}
 */
export function isLate(facts, node, place, left = doctorDepth) {
  if (!place || left === 0 || facts.steps-- <= 0) return false;
  const { run } = place;
  if (run.when === 'late' || run.waits.some(({ end }) => end < node.end)) return true;
  if (run.around === null || !run.of) return false;
  const uses = usesOf(facts, run);
  if (uses === null) return !run.isDeclared && isLate(facts, run.of, run.around, left - 1);
  return (
    uses.length > 0 &&
    uses.every((use) => {
      const call = facts.parents.get(use);
      if (call?.type !== 'CallExpression') return false;
      if (call.callee === use) return isLate(facts, call, facts.places.get(call), left - 1);
      return runsLate.test(calledName(call) ?? '');
    })
  );
}

/** The names of the functions around it. @param {Place} place @returns {string[]} */
export const namesAround = ({ run }) => [...(run.name ? [run.name] : []), ...(run.around ? namesAround(run.around) : [])];
