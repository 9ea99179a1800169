// What a script says, by its syntax: a regular expression would also find what stands in comments and texts.
import { parse } from 'acorn';
import * as limits from '../limits.js';
import { momentsOf, noteRun, placeInside, placeOf, runsOf } from './runs.js';
import { childrenOf, isFunction, namesOf, scopesOf } from './scopes.js';
import { calledName, meantBy, nameOf, textOf } from './values.js';

/** @typedef {import('acorn').Node & Record<string, any>} Node */

/**
 * @typedef {object} Facts
 * @property {string} error why browsers do not run it; '' if they do
 * @property {boolean} isModule it has what only a module may have
 * @property {{ name: string, isLazy: boolean }[]} imports lazy: import(), which may fail without the script
 * @property {{ name: string, isSure: boolean, moment: import('./runs.js').Moment | null }[]} importScripts what importScripts()
 *   is given, and when; sure: the script stops without it
 * @property {boolean} hasHiddenImports importScripts() is given something that only a run could tell
 * @property {boolean} hasHiddenModules import() is given something that only a run could tell
 * @property {{ source: string, imported: string, local: string, times: number }[]} bindings names that modules import, as what
 *   ('*': all of it), and how often the import itself says them
 * @property {Set<string>} exported the names of its own exports
 * @property {string[]} passedOn the modules whose exports it exports
 * @property {{ call: Node, place: Place }[]} listening calls that add or remove a listener of the global object's
 * @property {{ at: Node, place: Place }[]} onfetch where that is assigned
 * @property {Map<string, Node[]>} calls of methods, by their names
 * @property {Map<string, { value: Node, of: Node }[]>} members that objects are written with, by their names
 * @property {Set<string>} uses names of members that are used
 * @property {Set<string>} methods that classes have
 * @property {Node[]} news each `new`
 * @property {Map<string, number>} identifiers how often each stands there, or a text that is the same
 * @property {Map<Node, Place>} places of calls
 * @property {Node[]} starts calls of start()
 * @property {Set<string>} declared names of variables
 * @property {Set<string>} assigned names of members that are assigned
 * @property {boolean} waits it has an await outside of functions
 * @property {{ at: Node, place: Place }[]} reads of names that the script does not declare
 * @property {{ at: Node, place: Place }[]} early reads of names above of where they get a value
 * @property {number} steps that may be taken yet to find out more
 * @property {import('./scopes.js').Scopes['variableOf']} variableOf
 * @property {import('./scopes.js').Scopes['parents']} parents
 * @property {import('./scopes.js').Scopes['free']} free
 */
/** @typedef {import('./runs.js').Place} Place */
/** @typedef {import('./runs.js').Run} Run */

/** @returns {Facts} */
const noFacts = () => ({
  error: '',
  isModule: false,
  imports: [],
  importScripts: [],
  hasHiddenImports: false,
  hasHiddenModules: false,
  bindings: [],
  exported: new Set(),
  passedOn: [],
  listening: [],
  onfetch: [],
  calls: new Map(),
  members: new Map(),
  uses: new Set(),
  methods: new Set(),
  news: [],
  identifiers: new Map(),
  places: new Map(),
  starts: [],
  declared: new Set(),
  assigned: new Set(),
  waits: false,
  reads: [],
  early: [],
  steps: limits.doctorSteps,
  variableOf: () => undefined,
  parents: new Map(),
  free: new Set(),
});

/** @param {string} text @param {'script' | 'module'} sourceType @returns {Node | SyntaxError & { pos: number }} */
function parsed(text, sourceType) {
  try {
    return parse(text, { ecmaVersion: 'latest', sourceType });
  } catch (error) {
    return /** @type {SyntaxError & { pos: number }} */ (error);
  }
}

/** @template Value @param {Map<string, Value[]>} map @param {string | null} name @param {Value} value */
function add(map, name, value) {
  if (name !== null) map.set(name, [...(map.get(name) ?? []), value]);
}

/** Whether a name, or a member, is one of the global object. @param {Node} node */
const isOwn = ({ type, object }) =>
  type === 'Identifier' || object?.type === 'ThisExpression' || /^(?:self|globalThis)$/.test(object?.name ?? '');

/**
 * Whether a call is of what a module exports by that name, whatever it is called here.
 * @param {Facts} facts
 * @param {Node} call
 * @param {string} name
 */
const isImported = (facts, { callee }, name) => callee.type === 'Identifier' && facts.variableOf(callee)?.imported === name;

/** Whether a name is read above of where let, const or class give it a value. @param {Facts} facts @param {Node} name */
function isEarly(facts, name) {
  const { begins = 0, uses = [] } = facts.variableOf(name) ?? {};
  return name.start < begins && facts.parents.get(name)?.type !== 'ExportSpecifier' && uses.includes(name);
}

/** What each kind of node says. @type {Record<string, (facts: Facts, node: Node, place: Place) => void>} */
const readers = {
  CallExpression(facts, call, place) {
    const name = calledName(call);
    if (call.callee.type === 'MemberExpression') add(facts.calls, name, call);
    facts.places.set(call, place);
    if (name === 'start' || isImported(facts, call, 'start')) facts.starts.push(call);
    if (/^(?:add|remove)EventListener$/.test(name ?? '') && isOwn(call.callee)) facts.listening.push({ call, place });
  },
  AssignmentExpression(facts, at, place) {
    for (const left of [at.left, ...namesOf(at.left)]) {
      const name = left.type === 'MemberExpression' ? nameOf(left.property, left.computed) : left.name;
      if (name && left.type === 'MemberExpression') facts.assigned.add(name);
      if (name === 'onfetch' && isOwn(left)) return void facts.onfetch.push({ at, place });
    }
  },
  NewExpression(facts, node) {
    facts.news.push(node);
  },
  Identifier(facts, node, place) {
    const { name } = node;
    facts.identifiers.set(name, (facts.identifiers.get(name) ?? 0) + 1);
    if (facts.free.has(node)) facts.reads.push({ at: node, place });
    else if (place.run.of === null && isEarly(facts, node)) facts.early.push({ at: node, place });
  },
  AwaitExpression(facts, _node, { run }) {
    if (run.of === null) facts.waits = true;
  },
  ForOfStatement(facts, { await: isWaiting }, { run }) {
    if (run.of === null && isWaiting) facts.waits = true;
  },
  Literal(facts, { value }) {
    // self['name'] is of a name too.
    if (typeof value === 'string') facts.identifiers.set(value, (facts.identifiers.get(value) ?? 0) + 1);
  },
  MemberExpression(facts, { property, computed }) {
    const name = nameOf(property, computed);
    if (name) facts.uses.add(name);
  },
  ObjectExpression(facts, of) {
    for (const { type, key, computed, value } of of.properties) {
      if (type === 'Property') add(facts.members, nameOf(key, computed), { value, of });
    }
  },
  MethodDefinition(facts, { key, computed }) {
    const name = nameOf(key, computed);
    if (name) facts.methods.add(name);
  },
  ImportExpression(facts, { source }) {
    const name = textOf(source);
    if (name !== null) facts.imports.push({ name, isLazy: true });
    else facts.hasHiddenModules = true;
  },
};
for (const type of ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration']) {
  readers[type] = (facts, { source, specifiers, declaration }) => {
    facts.isModule = true;
    for (const { exported } of specifiers ?? []) if (exported) facts.exported.add(exported.name ?? exported.value);
    if (declaration?.id) facts.exported.add(declaration.id.name);
    for (const { id } of declaration?.declarations ?? []) for (const { name } of namesOf(id)) facts.exported.add(name);
    if (!source) return;
    facts.imports.push({ name: source.value, isLazy: false });
    if (type !== 'ImportDeclaration') facts.passedOn.push(source.value);
    else
      for (const { type: kind, local, imported } of specifiers) {
        const name = kind === 'ImportDefaultSpecifier' ? 'default' : (imported?.name ?? imported?.value ?? '*');
        facts.bindings.push({ source: source.value, imported: name, local: local.name, times: name === local.name ? 2 : 1 });
      }
  };
}
readers.ExportDefaultDeclaration = (facts) => {
  facts.isModule = true;
  facts.exported.add('default');
};

/** The facts of the scripts that were read last: a site has some of them in several places. @type {Map<string, Facts>} */
const known = new Map();

/**
 * The parts are the same for all who ask again, so nobody may change them; the object and its steps are the caller's own.
 * @param {string} text
 * @param {'classic' | 'module' | ''} [type] as which it is run, if that is known
 * @returns {Facts}
 */
export function factsOf(text, type = '') {
  const key = `${type} ${text}`;
  const facts = known.get(key) ?? factsIn(text, type);
  known.delete(key);
  known.set(key, facts);
  if (known.size > limits.doctorScripts) known.delete(known.keys().next().value ?? '');
  return { ...facts };
}

/** @param {string} text @param {'classic' | 'module' | ''} type @returns {Facts} */
function factsIn(text, type) {
  const trees = [type !== 'module' && parsed(text, 'script'), type !== 'classic' && parsed(text, 'module')].filter(Boolean);
  const errors = /** @type {(SyntaxError & { pos: number })[]} */ (trees.filter((each) => each instanceof Error));
  const facts = noFacts();
  const tree = /** @type {Node | undefined} */ (trees.find((each) => !(each instanceof Error)));
  // A script of very long expressions: nobody but a browser can tell what it does.
  if (!tree && errors.some(({ message }) => /stack space|call stack/i.test(message)))
    return { ...facts, hasHiddenImports: true, hasHiddenModules: true };
  if (!tree) {
    // The one that came further is of what the script is meant to be.
    const { message } = errors.sort((a, b) => b.pos - a.pos)[0];
    return { ...facts, error: message };
  }
  Object.assign(facts, scopesOf(tree));
  /** @type {Map<Node, Partial<Run>>} */
  const runs = new Map();
  /** @type {{ node: Node, place: Place }[]} */
  const queue = [{ node: tree, place: placeOf(null, { when: 'with the script' }) }];
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { node, place } = next;
    readers[node.type]?.(facts, node, place);
    noteRun(facts, node, place);
    for (const [each, how] of runsOf(facts, node)) if (isFunction(each) && !runs.has(each)) runs.set(each, how);
    const inside = isFunction(node) ? placeOf(place, { ...runs.get(node), of: node }) : place;
    for (const { key, below } of childrenOf(node)) queue.push({ node: below, place: placeInside(facts, node, key, inside) });
  }
  for (const [call, place] of facts.places) {
    if (calledName(call) !== 'importScripts') continue;
    const moments = momentsOf(facts, call, place);
    for (const each of call.arguments) {
      // A function may be given other names at other moments.
      if (textOf(meantBy(facts, each)) === null) facts.hasHiddenImports = true;
      for (const moment of moments.length > 0 ? moments : [null]) {
        const name = textOf(meantBy(facts, each, moment?.given));
        if (name !== null) facts.importScripts.push({ name, isSure: moment !== null, moment });
      }
    }
  }
  return facts;
}

/**
 * The text of the first member of that name which is a text that is meant, in some script.
 * @param {import('./findings.js').Script[]} scripts
 * @param {string} name
 * @param {(text: string) => boolean} isMeant
 */
export function memberText(scripts, name, isMeant) {
  for (const { facts } of scripts) {
    for (const { value } of facts.members.get(name) ?? []) {
      const text = textOf(meantBy(facts, value));
      if (text !== null && isMeant(text)) return text;
    }
  }
  return undefined;
}
