// What a script says, by its syntax: a regular expression would also find what stands in comments and texts.
import { parse } from 'acorn';

/** @typedef {import('acorn').Node & Record<string, any>} Node */

/**
 * @typedef {object} Facts
 * @property {string} error why browsers do not run it; '' if they do
 * @property {boolean} isModule it has what only a module may have
 * @property {{ name: string, isLazy: boolean }[]} imports lazy: import(), which may fail without the script
 * @property {{ name: string, isSure: boolean }[]} importScripts what importScripts() is given; sure: the script stops without it
 * @property {boolean} hasHiddenImports importScripts() is given something that only a run could tell
 * @property {boolean} hasHiddenModules import() is given something that only a run could tell
 * @property {{ source: string, local: string, times: number }[]} bindings names that modules import, and how often the import
 *   itself says them
 * @property {string[]} passedOn the modules whose exports it exports
 * @property {{ at: Node, place: Place, listener: Node }[]} fetchListeners where they are added
 * @property {Map<string, Node[]>} calls of methods, by their names
 * @property {Map<string, { value: Node, of: Node }[]>} members that objects are written with, by their names
 * @property {Set<string>} uses names of members that are used
 * @property {Set<string>} methods that classes have
 * @property {Node[]} news each `new`
 * @property {Map<string, Node | null>} constants what they begin with, by their names; null: there are several of that name
 * @property {Map<string, number>} identifiers how often each stands there, or a text that is the same
 * @property {Map<Node, Place>} places of calls
 * @property {Set<Node | undefined>} started what start() is given
 */

/**
 * When a function is run, or the script itself.
 * @typedef {object} Run
 * @property {'with the script' | 'at once' | 'late' | 'unknown'} when at once: as soon as the place around it is reached
 * @property {Node | null} of the function; null: the script
 * @property {string} name of a function that has one
 * @property {boolean} isDeclared it may be called above of where it stands
 * @property {Place | null} around
 * @property {Node[]} waits what it awaits in any case
 * @property {Node[]} returns
 */
/** @typedef {{ run: Run, isCertain: boolean }} Place certain: nothing in that function decides whether it is reached */

/** @returns {Facts} */
export const noFacts = () => ({
  error: '',
  isModule: false,
  imports: [],
  importScripts: [],
  hasHiddenImports: false,
  hasHiddenModules: false,
  bindings: [],
  passedOn: [],
  fetchListeners: [],
  calls: new Map(),
  members: new Map(),
  uses: new Set(),
  methods: new Set(),
  news: [],
  constants: new Map(),
  identifiers: new Map(),
  places: new Map(),
  started: new Set(),
});

/** @param {string} text @param {'script' | 'module'} sourceType @returns {Node | SyntaxError & { pos: number }} */
function parsed(text, sourceType) {
  try {
    return parse(text, { ecmaVersion: 'latest', sourceType });
  } catch (error) {
    return /** @type {SyntaxError & { pos: number }} */ (error);
  }
}

/** A text that is written in a script as it is. @param {Node | undefined} node @returns {string | null} */
export function textOf(node) {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  return node?.type === 'TemplateLiteral' && node.quasis.length === 1 ? node.quasis[0].value.cooked : null;
}

/** What comes behind `${base}` or `${base}/`: Vite has the folder of the page there. @param {Node | undefined} node */
export function behindBase(node) {
  if (node?.type !== 'TemplateLiteral' || node.quasis.length !== 2) return null;
  const [first, second] = node.quasis.map((/** @type {Node} */ { value }) => value.cooked);
  return first === '' ? `./${second.replace(/^\//, '')}` : null;
}

/** The name in `new URL(name, import.meta.url)`, which is beside the script. @param {Node | undefined} node */
export const besideOf = (node) =>
  node?.type === 'NewExpression' && node.callee.name === 'URL' && node.arguments[1]?.object?.type === 'MetaProperty'
    ? textOf(node.arguments[0])
    : null;

/** The name of a member, or of a method. @param {Node} key @param {boolean} isComputed */
const nameOf = (key, isComputed) => (isComputed || key.type === 'Literal' ? textOf(key) : key.name);

/** @template Value @param {Map<string, Value[]>} map @param {string | null} name @param {Value} value */
function add(map, name, value) {
  if (name !== null) map.set(name, [...(map.get(name) ?? []), value]);
}

/** What is called, by its own name or as a member. @param {Node} call */
const calledName = ({ callee }) =>
  callee.type === 'MemberExpression' ? nameOf(callee.property, callee.computed) : (callee.name ?? null);

/** Whether a name, or a member, is one of the global object. @param {Node} node */
const isOwn = ({ type, object }) =>
  type === 'Identifier' || object?.type === 'ThisExpression' || /^(?:self|globalThis)$/.test(object?.name ?? '');

const isFunction = (/** @type {Node | null} */ node) => /Function/.test(node?.type ?? '');

/** The members of a node that are run in some cases only, or whose errors are caught. @type {Record<string, string[]>} */
const inSomeCases = {
  IfStatement: ['consequent', 'alternate'],
  ConditionalExpression: ['consequent', 'alternate'],
  LogicalExpression: ['right'],
  ChainExpression: ['expression'],
  AssignmentPattern: ['right'],
  TryStatement: ['block', 'handler'],
  SwitchCase: ['consequent'],
  ForStatement: ['body'],
  ForInStatement: ['body'],
  ForOfStatement: ['body'],
  WhileStatement: ['body'],
};

/** What runs a function that it is given only when the script has run. */
const runsLate = /^(?:then|catch|finally|addEventListener|setTimeout|setInterval|queueMicrotask)$/;

/** When the functions of a node are run, by the function. @param {Node} node @returns {[Node, Partial<Run>][]} */
function runsOf(node) {
  if (node.type === 'ExportDefaultDeclaration') return [[node.declaration, { isDeclared: true }]];
  if (node.type === 'FunctionDeclaration') return [[node, { name: node.id?.name, isDeclared: true }]];
  if (node.type === 'VariableDeclarator') return [[node.init, { name: node.id.name }]];
  if (node.type !== 'CallExpression') return [];
  const { callee } = node;
  const late = runsLate.test(calledName(node) ?? '') ? node.arguments : [];
  return [
    [callee, { when: 'at once' }],
    [callee.object, { when: 'at once' }],
    ...late.map((/** @type {Node} */ each) => [each, { when: 'late' }]),
  ];
}

/** Whether it is run whenever the script is. @param {Node} node @param {Place} place @returns {boolean} */
export function isSure(node, { run, isCertain }) {
  if (!isCertain || run.returns.some(({ end }) => end <= node.start)) return false;
  return run.when === 'with the script' || (run.when === 'at once' && run.around !== null && isSure(node, run.around));
}

/** Whether it is certainly run only when the script has run. @param {Node} node @param {Place} place @returns {boolean} */
export const isLate = (node, { run }) =>
  run.when === 'late' ||
  run.waits.some(({ end }) => end < node.end) ||
  (run.around !== null && !run.isDeclared && isLate(node, run.around));

/** The names of the functions around it. @param {Place} place @returns {string[]} */
export const namesAround = ({ run }) => [...(run.name ? [run.name] : []), ...(run.around ? namesAround(run.around) : [])];

/** What a constant begins with, for its name. @param {Facts} facts @param {Node | undefined} node @returns {Node | undefined} */
export function meantBy(facts, node) {
  const value = node?.type === 'Identifier' ? facts.constants.get(node.name) : null;
  return value && value.type !== 'Identifier' ? value : node;
}

/** What each kind of node says. @type {Record<string, (facts: Facts, node: Node, place: Place) => void>} */
const readers = {
  CallExpression(facts, call, place) {
    const name = calledName(call);
    if (call.callee.type === 'MemberExpression') add(facts.calls, name, call);
    facts.places.set(call, place);
    const [type, listener] = call.arguments;
    if (name === 'start') facts.started.add(meantBy(facts, type));
    if (name === 'addEventListener' && isOwn(call.callee) && textOf(type) === 'fetch')
      facts.fetchListeners.push({ at: call, place, listener });
  },
  AssignmentExpression(facts, at, place) {
    const { left, right: listener } = at;
    const name = left.type === 'MemberExpression' ? nameOf(left.property, left.computed) : left.name;
    if (name === 'onfetch' && isOwn(left)) facts.fetchListeners.push({ at, place, listener });
  },
  NewExpression(facts, node) {
    facts.news.push(node);
  },
  Identifier(facts, { name }) {
    facts.identifiers.set(name, (facts.identifiers.get(name) ?? 0) + 1);
  },
  Literal(facts, { value }) {
    // self['name'] is of a name too.
    if (typeof value === 'string') facts.identifiers.set(value, (facts.identifiers.get(value) ?? 0) + 1);
  },
  VariableDeclaration(facts, { kind, declarations }) {
    for (const { id, init } of declarations) {
      if (id.type !== 'Identifier') continue;
      facts.constants.set(id.name, kind === 'const' && !facts.constants.has(id.name) ? init : null);
    }
  },
  AwaitExpression(_facts, node, { run, isCertain }) {
    if (isCertain) run.waits.push(node);
  },
  ReturnStatement(_facts, node, { run }) {
    run.returns.push(node);
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
  readers[type] = (facts, { source, specifiers }) => {
    facts.isModule = true;
    if (!source) return;
    facts.imports.push({ name: source.value, isLazy: false });
    if (type !== 'ImportDeclaration') facts.passedOn.push(source.value);
    else
      for (const { local, imported } of specifiers) {
        facts.bindings.push({ source: source.value, local: local.name, times: imported?.name === local.name ? 2 : 1 });
      }
  };
}
readers.ExportDefaultDeclaration = (facts) => void (facts.isModule = true);

/**
 * @param {string} text
 * @param {'classic' | 'module' | ''} [type] as which it is run, if that is known
 * @returns {Facts}
 */
export function factsOf(text, type = '') {
  const trees = [type !== 'module' && parsed(text, 'script'), type !== 'classic' && parsed(text, 'module')].filter(Boolean);
  const errors = /** @type {(SyntaxError & { pos: number })[]} */ (trees.filter((each) => each instanceof Error));
  const facts = noFacts();
  const tree = /** @type {Node | undefined} */ (trees.find((each) => !(each instanceof Error)));
  if (!tree) {
    // The one that came further is of what the script is meant to be.
    const { message } = errors.sort((a, b) => b.pos - a.pos)[0];
    return { ...facts, error: message };
  }
  const runOf = (/** @type {Place | null} */ around, /** @type {Partial<Run>} */ how) => ({
    run: {
      when: /** @type {const} */ ('unknown'),
      of: null,
      name: '',
      isDeclared: false,
      around,
      waits: [],
      returns: [],
      ...how,
    },
    isCertain: true,
  });
  /** @type {Map<Node, Partial<Run>>} */
  const runs = new Map();
  /** @type {{ node: Node, place: Place }[]} */
  const queue = [{ node: tree, place: runOf(null, { when: 'with the script' }) }];
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { node, place } = next;
    readers[node.type]?.(facts, node, place);
    for (const [each, how] of runsOf(node)) if (isFunction(each) && !runs.has(each)) runs.set(each, how);
    const inside = isFunction(node) ? runOf(place, { ...runs.get(node), of: node }) : place;
    for (const [key, value] of Object.entries(node)) {
      const here = inSomeCases[node.type]?.includes(key) ? { ...inside, isCertain: false } : inside;
      for (const below of [value].flat()) if (typeof below?.type === 'string') queue.push({ node: below, place: here });
    }
  }
  for (const [call, place] of facts.places) {
    if (calledName(call) !== 'importScripts') continue;
    for (const each of call.arguments) {
      const name = textOf(each);
      if (name === null) facts.hasHiddenImports = true;
      else facts.importScripts.push({ name, isSure: isSure(call, place) });
    }
  }
  return facts;
}

/**
 * The text of the first member of that name which is a text, in some script.
 * @param {import('./findings.js').Script[]} scripts
 * @param {string} name
 * @param {(text: string, of: Node, facts: Facts) => boolean} isMeant of which object it is a member
 */
export function memberText(scripts, name, isMeant = () => true) {
  for (const { facts } of scripts) {
    for (const { value, of } of facts.members.get(name) ?? []) {
      const text = textOf(meantBy(facts, value));
      if (text !== null && isMeant(text, of, facts)) return text;
    }
  }
  return undefined;
}
