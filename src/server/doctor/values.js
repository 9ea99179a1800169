// What an expression stands for, as far as that is certain without running it.
import { doctorDepth } from '../limits.js';
import { soleValue } from './scopes.js';

/** @typedef {import('./runs.js').Given} Given */
/** @typedef {import('./script.js').Facts} Facts */
/** @typedef {import('./script.js').Node} Node */

/** What an expression that only groups others is worth: (0, call)(). @param {Node} node @returns {Node} */
export const last = (node) => (node?.type === 'SequenceExpression' ? last(node.expressions.at(-1)) : node);

/** The name of a member, or of a method; null if only a run could tell. @param {Node} key @param {boolean} isComputed */
export const nameOf = (key, isComputed) => (isComputed || key.type === 'Literal' ? textOf(key) : (key.name ?? null));

/** What is called, by its own name or as a member. @param {Node} call @returns {string | null} */
export function calledName(call) {
  const callee = last(call.callee);
  return callee.type === 'MemberExpression' ? nameOf(callee.property, callee.computed) : (callee.name ?? null);
}

/** A text that is written in a script as it is. @param {Node | null | undefined} node @returns {string | null} */
export function textOf(node) {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  return node?.type === 'TemplateLiteral' && node.quasis.length === 1 ? node.quasis[0].value.cooked : null;
}

/**
 * What a name stands for, if that is the same in any case.
 * @param {Facts} facts
 * @param {Node | undefined} node
 * @param {Given} [given]
 * @returns {Node | undefined}
 */
export function meantBy(facts, node, given) {
  for (let i = 0; i < doctorDepth && node?.type === 'Identifier'; i++) {
    const variable = facts.variableOf(node);
    const value = variable && (given?.get(variable) ?? soleValue(variable));
    if (!value) return node;
    node = value;
  }
  return node;
}

/** The names that lead from what a pattern takes apart to one of its parts. @param {Facts} facts @param {Node} part */
function partOf({ parents }, part) {
  /** @type {(string | null)[]} */
  const names = [];
  let at = part;
  for (let around = parents.get(at); around && around.type !== 'VariableDeclarator'; at = around, around = parents.get(at)) {
    if (around.type === 'Property' && around.value === at) names.unshift(nameOf(around.key, around.computed));
    else if (around.type !== 'ObjectPattern') return null;
  }
  return { names, whole: parents.get(at)?.init };
}

/**
 * The names that lead to what an expression stands for, from one that the script does not declare; null if that is not seen:
 * PeerCDN, strategies, ordered.
 * @param {Facts} facts
 * @param {Node | undefined} node
 * @returns {string[] | null}
 */
export function pathOf(facts, node, left = doctorDepth) {
  const of = meantBy(facts, node);
  if (!of || left === 0) return null;
  const behind = (/** @type {Node} */ whole, /** @type {(string | null)[]} */ names) => {
    const path = pathOf(facts, whole, left - 1);
    return path && names.every((name) => name !== null) ? [...path, .../** @type {string[]} */ (names)] : null;
  };
  if (of.type === 'MemberExpression') {
    const name = nameOf(of.property, of.computed);
    return /^(?:self|globalThis)$/.test(of.object.name ?? '') && name ? [name] : behind(of.object, [name]);
  }
  if (of.type !== 'Identifier') return null;
  const variable = facts.variableOf(of);
  if (!variable) return [of.name];
  // The module has by name what the class has.
  if (/(?:^|\/)(?:sw\.mjs|peer-cdn\/sw)$/.test(variable.from ?? ''))
    return /^(?:\*|default|PeerCDN)$/.test(variable.imported ?? '') ? ['PeerCDN'] : ['PeerCDN', `${variable.imported}`];
  const part = variable.values.length === 1 && variable.part ? partOf(facts, variable.part) : null;
  return part?.whole ? behind(part.whole, part.names) : null;
}

/**
 * The members of a list that is written in the script.
 * @param {Facts} facts
 * @param {Node} node
 * @param {Given} [given]
 * @returns {Node[]}
 */
export function listOf(facts, node, given) {
  const list = meantBy(facts, node, given);
  if (list?.type !== 'ArrayExpression') return [];
  return list.elements.every((/** @type {Node | null} */ each) => each && each.type !== 'SpreadElement') ? list.elements : [];
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

/**
 * @typedef {object} Written what an object is made of, as far as that is seen
 * @property {Map<string, Node>} members by their names
 * @property {boolean} isWhole there are no others
 */

/** Object.assign() and its like, and what compilers write for a spread. @param {Node} call */
function isJoining(call) {
  const name = calledName(call) ?? '';
  if (/^(?:__assign|_extends|__spread(?:Values|Props)|_object_?[sS]pread(?:2|_props)?)$/.test(name)) return true;
  return /^(?:assign|freeze|seal)$/.test(name) && call.callee.object?.name === 'Object';
}

/** Who does not change what it is given. */
const isReader = (/** @type {Node} */ call) =>
  call.type === 'NewExpression' || /^(?:start|register|log|freeze|seal)$/.test(calledName(call) ?? '');

/**
 * What is done to an object after it was written, by its name.
 * @param {Facts} facts
 * @param {Node} name
 * @param {Written} written
 */
function change(facts, name, written) {
  const { parents } = facts;
  for (const use of facts.variableOf(name)?.uses ?? []) {
    const around = parents.get(use);
    const outer = around && parents.get(around);
    if (!around || around.type === 'SpreadElement' || (around.arguments?.includes(use) && isReader(around))) continue;
    if (around.type === 'MemberExpression' && around.object === use) {
      const member = nameOf(around.property, around.computed);
      if (outer?.type === 'AssignmentExpression' && outer.left === around) {
        if (member === null) written.isWhole = false;
        else written.members.set(member, written.members.has(member) ? around : outer.right);
      } else if (outer?.type === 'UnaryExpression' && outer.operator === 'delete') {
        if (member === null) written.members.clear();
        else written.members.delete(member);
      }
    } else if (around.type !== 'VariableDeclarator' || around.id.type === 'Identifier') written.isWhole = false;
  }
}

/**
 * What an object is written with, there or where its name is declared; null if it is not written in the script.
 * @param {Facts} facts
 * @param {Node | undefined} node
 * @returns {Written | null}
 */
export function writtenOf(facts, node, left = doctorDepth) {
  const of = meantBy(facts, node);
  if (!of || left === 0 || (left < doctorDepth && facts.steps-- <= 0)) return null;
  /** @type {Written} */
  const written = { members: new Map(), isWhole: true };
  const add = (/** @type {Node} */ part) => {
    const other = writtenOf(facts, part, left - 1);
    for (const [name, value] of other?.members ?? []) written.members.set(name, value);
    written.isWhole &&= other?.isWhole ?? false;
  };
  if (of.type === 'CallExpression' && isJoining(of)) {
    for (const each of of.arguments) add(each);
  } else if (of.type === 'ObjectExpression') {
    for (const each of of.properties) {
      const name = each.type === 'Property' ? nameOf(each.key, each.computed) : null;
      if (each.type === 'SpreadElement') add(each.argument);
      else if (name === null) written.isWhole = false;
      else written.members.set(name, each.value);
    }
  } else return null;
  if (node?.type === 'Identifier') change(facts, node, written);
  return written;
}
