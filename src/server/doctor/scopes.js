// Which variable a name means, by the scopes of a script: the same name may be several variables, in minified scripts above all.

/** @typedef {import('./script.js').Node} Node */

/**
 * @typedef {object} Variable
 * @property {(Node | null)[]} values all that is ever assigned: an expression, a function, a class; null: only a run could tell
 * @property {Node[]} uses where it is read
 * @property {string} [imported] as what a module exports it; '*': all of a module
 * @property {string} [from] the module
 * @property {Node} [part] its name in the pattern that declares it
 * @property {number} [begins] of let, const and class: whoever reads it before that place throws
 */

/** @typedef {{ names: Map<string, Variable>, around: Scope | null, isOfFunction: boolean }} Scope */

/**
 * @typedef {object} Scopes
 * @property {(name: Node) => Variable | undefined} variableOf
 * @property {Map<Node, Node>} parents
 * @property {Set<string>} declared the names of all variables
 * @property {Set<Node>} free where a name is read that no scope of the script declares
 */

/** What a variable is in any case, or null. @param {Variable | undefined} variable */
export const soleValue = (variable) => (variable?.values.length === 1 ? variable.values[0] : null);

export const isFunction = (/** @type {Node | null | undefined} */ node) => /Function/.test(node?.type ?? '');

/** The names that a pattern assigns. @param {Node | null} pattern @returns {Node[]} */
export function namesOf(pattern) {
  if (!pattern) return [];
  const { type, properties, elements, value, left, argument } = pattern;
  if (type === 'Identifier') return [pattern];
  return [...(properties ?? elements ?? []), ...(type === 'Property' ? [value] : [left, argument])].flatMap((each) =>
    each?.type === 'MemberExpression' ? [] : namesOf(each ?? null),
  );
}

/**
 * What stands below a node, each with the name of its place there.
 * @param {Node} node
 * @returns {{ key: string, below: Node }[]}
 */
export function childrenOf(node) {
  const found = [];
  for (const key in node) {
    const value = node[key];
    if (value === null || typeof value !== 'object') continue;
    for (const below of Array.isArray(value) ? value : [value]) if (typeof below?.type === 'string') found.push({ key, below });
  }
  return found;
}

const blocks = /^(?:BlockStatement|For(?:In|Of)?Statement|SwitchStatement|CatchClause|StaticBlock|Class\w+)$/;

/** The members of a node in which an identifier is a word of its own, and no variable. @type {Record<string, string[]>} */
const words = {
  MemberExpression: ['property'],
  Property: ['key'],
  MethodDefinition: ['key'],
  PropertyDefinition: ['key'],
  LabeledStatement: ['label'],
  BreakStatement: ['label'],
  ContinueStatement: ['label'],
  ImportSpecifier: ['imported'],
  ExportSpecifier: ['exported'],
  ExportAllDeclaration: ['exported'],
  MetaProperty: ['meta', 'property'],
};

/** @param {Node} tree @returns {Scopes} */
export function scopesOf(tree) {
  /** @type {Map<Node, Node>} */
  const parents = new Map();
  /** Where each name stands. @type {Map<Node, Scope>} */
  const places = new Map();
  /** @type {Set<Node>} */
  const declarations = new Set();
  /** @type {Set<string>} */
  const declared = new Set();
  /** @type {{ name: Node, value: Node | null }[]} */
  const assigned = [];

  const declare = (/** @type {Scope} */ scope, /** @type {Node} */ name, /** @type {Node | null | undefined} */ value) => {
    const variable = scope.names.get(name.name) ?? { values: [], uses: [] };
    scope.names.set(name.name, variable);
    declarations.add(name);
    declared.add(name.name);
    if (value !== undefined) variable.values.push(value);
  };
  const declareAll = (/** @type {Scope} */ scope, /** @type {(Node | null)[]} */ patterns) => {
    for (const name of patterns.flatMap(namesOf)) declare(scope, name, null);
  };
  const assign = (/** @type {Node} */ left, /** @type {Node | null} */ value) => {
    for (const name of namesOf(left)) assigned.push({ name, value: name === left ? value : null });
  };
  /** What a node declares around itself, and inside. */
  const read = (/** @type {Node} */ node, /** @type {Scope} */ around, /** @type {Scope} */ inside) => {
    if (isFunction(node) || node.type.startsWith('Class')) {
      const isDeclaration = node.type.endsWith('Declaration');
      if (node.id) declare(isDeclaration ? around : inside, node.id, node);
      const variable = node.type === 'ClassDeclaration' && node.id && around.names.get(node.id.name);
      if (variable) variable.begins = node.body.start;
      declareAll(inside, node.params ?? []);
    } else if (node.type === 'VariableDeclaration') {
      let scope = around;
      while (node.kind === 'var' && !scope.isOfFunction && scope.around) scope = scope.around;
      const isOfLoop = /^For(?:In|Of)/.test(parents.get(node)?.type ?? '');
      for (const { id, init, end } of node.declarations) {
        if (id.type === 'Identifier') declare(scope, id, isOfLoop ? null : (init ?? undefined));
        else declareAll(scope, [id]);
        for (const name of namesOf(id)) {
          const variable = scope.names.get(name.name);
          if (variable && node.kind !== 'var') variable.begins = end;
          if (variable && name !== id && !isOfLoop) variable.part = name;
        }
      }
    } else if (node.type === 'CatchClause') declareAll(inside, [node.param]);
    else if (node.type === 'ImportDeclaration') {
      for (const { local, imported } of node.specifiers) {
        declare(around, local, null);
        Object.assign(around.names.get(local.name) ?? {}, { imported: imported?.name ?? '*', from: node.source.value });
      }
    } else if (node.type === 'AssignmentExpression') assign(node.left, node.operator === '=' ? node.right : null);
    else if (node.type === 'UpdateExpression') assign(node.argument, null);
    else if (/^For(?:In|Of)/.test(node.type) && node.left.type !== 'VariableDeclaration') assign(node.left, null);
  };

  /** @type {{ node: Node, around: Scope | null }[]} */
  const queue = [{ node: tree, around: null }];
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { node, around } = next;
    const isOfFunction = around === null || isFunction(node);
    const isBody = node.type === 'BlockStatement' && isFunction(parents.get(node));
    const isNew = isOfFunction || (blocks.test(node.type) && !isBody);
    const inside = isNew ? { names: new Map(), around, isOfFunction } : /** @type {Scope} */ (around);
    read(node, around ?? inside, inside);
    if (node.type === 'Identifier') places.set(node, inside);
    for (const { key, below } of childrenOf(node)) {
      parents.set(below, node);
      const isWord = below.type === 'Identifier' && !node.computed && words[node.type]?.includes(key);
      // export { name } from 'elsewhere'
      const isPassedOn = node.type === 'ExportSpecifier' && parents.get(node)?.source;
      if (!isWord && !isPassedOn) queue.push({ node: below, around: inside });
    }
  }

  const variableOf = (/** @type {Node} */ name) => {
    for (let scope = places.get(name) ?? null; scope; scope = scope.around) {
      const variable = scope.names.get(name.name);
      if (variable) return variable;
    }
    return undefined;
  };
  const written = new Set(assigned.map(({ name }) => name));
  for (const { name, value } of assigned) variableOf(name)?.values.push(value);
  /** @type {Set<Node>} */
  const free = new Set();
  for (const name of places.keys()) {
    if (declarations.has(name) || written.has(name)) continue;
    const variable = variableOf(name);
    if (variable) variable.uses.push(name);
    else free.add(name);
  }
  return { variableOf, parents, declared, free };
}
