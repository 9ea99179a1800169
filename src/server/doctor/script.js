// What a script says, by its syntax: a regular expression would also find what stands in comments and texts.
import { parse } from 'acorn';

/** @typedef {import('acorn').Node & Record<string, any>} Node */

/**
 * @typedef {object} Facts
 * @property {string} error why browsers do not run it; '' if they do
 * @property {boolean} isModule it has what only a module may have
 * @property {{ name: string, isLazy: boolean }[]} imports lazy: import(), which may fail without the script
 * @property {string[]} importScripts what importScripts() is given
 * @property {boolean} hasHiddenImports importScripts() is given something that only a run could tell
 * @property {Map<string, Node[]>} calls of methods, by their names
 * @property {Map<string, { value: Node, of: Node }[]>} members that objects are written with, by their names
 * @property {Set<string>} uses names of members that are used
 * @property {Set<string>} methods that classes have
 */

/** @returns {Facts} */
export const noFacts = () => ({
  error: '',
  isModule: false,
  imports: [],
  importScripts: [],
  hasHiddenImports: false,
  calls: new Map(),
  members: new Map(),
  uses: new Set(),
  methods: new Set(),
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

/** What each kind of node says. @type {Record<string, (facts: Facts, node: Node) => void>} */
const readers = {
  CallExpression(facts, call) {
    const { callee } = call;
    const isMember = callee.type === 'MemberExpression';
    const name = isMember ? nameOf(callee.property, callee.computed) : callee.name;
    if (isMember) add(facts.calls, name, call);
    if (name !== 'importScripts') return;
    for (const each of call.arguments) {
      const text = textOf(each);
      if (text === null) facts.hasHiddenImports = true;
      else facts.importScripts.push(text);
    }
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
  },
};
for (const type of ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration']) {
  readers[type] = (facts, { source }) => {
    facts.isModule = true;
    if (source) facts.imports.push({ name: source.value, isLazy: false });
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
  const queue = [tree];
  for (let node = queue.pop(); node; node = queue.pop()) {
    readers[node.type]?.(facts, node);
    for (const below of Object.values(node).flat()) if (typeof below?.type === 'string') queue.push(below);
  }
  return facts;
}

/**
 * The text of the first member of that name which is a text, in some script.
 * @param {import('./findings.js').Script[]} scripts
 * @param {string} name
 * @param {(text: string) => boolean} isMeant
 */
export function memberText(scripts, name, isMeant = () => true) {
  const texts = scripts.flatMap(({ facts }) => facts.members.get(name) ?? []).map(({ value }) => textOf(value));
  return /** @type {string | undefined} */ (texts.find((text) => text !== null && isMeant(text)));
}
