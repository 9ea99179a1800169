// Makes build/border.js, and its types, of what build/wasm/border.cjs prints (src/bind/border.def): constants that the bundler
// puts in their places, and the types that a misspelt call, field or code does not pass.

/** Error codes that only JavaScript says. In src/base/error.cpp each visitor would download them for nothing. */
export const scriptCodes = [
  'bad-option',
  'disabled',
  'no-thread',
  'no-worker',
  'options-differ',
  'plugin-failed',
  'range-not-satisfiable',
];

const lines = (list) => list.map((line) => `${line}\n`).join('');

/** "(unsigned id, text code)" as [['id', 'number'], ['code', 'text']]. */
function parametersOf(spelt) {
  return spelt
    .slice(1, -1)
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean)
    .map((each) => {
      const [type, name] = each.split(' ');
      return [name, { text: 'string | ArrayBuffer', bool: 'boolean' }[type] ?? 'number'];
    });
}

/** How a command's field is read (form_of() in src/bind/border.cpp): a number by its bytes, a bool, a time in microseconds. */
const forms = { BOOL: 0, BYTE: 1, WORD: 4, WIDE: 8, TIME: 9 };
/** How an output's is: the next number; then perhaps a text, or bytes. */
const readers = { NUMBER: 0, TEXT: 1, BYTES: 2 };
const prefixed = (prefix, numbers) => Object.entries(numbers).map(([name, number]) => [`${prefix}_${name}`, number]);

/**
 * By name the forms of a command's fields. Each field lies where sw/commands.js looks for it: behind the one before, at a
 * multiple of its own size.
 */
function formsOf(type, fields) {
  let end = 0;
  const formOf = {};
  for (const [name, [word, place]] of Object.entries(fields)) {
    const form = forms[word];
    const size = Math.min(form || forms.BYTE, forms.WIDE);
    const at = Math.ceil(end / size) * size;
    if (at !== place) throw new Error(`border.def: ${type}.${name} lies at ${place}, and is looked for at ${at}`);
    end = at + size;
    formOf[name] = form;
  }
  return formOf;
}

// A type of its own, so that no text passes for it.
const keyOf = (name) => `export ${name}`;
const peerCall = (name) => `PEER_${name.toUpperCase()}`;
const bare = (type) => type.replace(/^.*::/, '');
/** By name how web/core.js reads the fields of an output. */
const readersOf = (fields, last) => ({
  ...Object.fromEntries(fields.map((name) => [name, readers.NUMBER])),
  ...(last && { [last[1]]: last[0] === 'string' ? readers.TEXT : readers.BYTES }),
});
const method = ([result, name, spelt]) =>
  `  '${keyOf(name)}'(${signature(parametersOf(spelt))}): ${result === 'void' ? 'void' : 'number'};`;
const signature = (parameters) => parameters.map(([name, type]) => `${name}: ${type}`).join(', ');

/**
 * @param {{enums: Record<string, number>, limits: Record<string, number>, names: Record<string, string>,
 *   places: Record<string, number>,
 *   codes: string[], coordinatorCodes: string[], functions: [string, string, string, string][],
 *   peerFunctions: [string, string, string, string][], outputs: [string, number, string[], [string, string] | null][],
 *   coordinatorFunctions: [string, string, string][], coordinatorStatistics: string[],
 *   commands: [string, number, Record<string, [string, number]>][], commandLayout: {bytes: number, kind: number}}} border
 * @returns {{module: string, types: string}}
 */
export function borderModule(border) {
  const { enums, limits, names, places, codes, functions, peerFunctions, outputs, commands, commandLayout } = border;
  const { coordinatorCodes, coordinatorFunctions, coordinatorStatistics } = border;
  const ordered = [...commands].sort((a, b) => a[1] - b[1]);
  const performed = (type, prefix = 'DO') =>
    `${prefix}_${bare(type)
      .replace(/(?!^)[A-Z]/g, '_$&')
      .toUpperCase()}`;
  const calls = [
    ...functions.map(([, name, , exported]) => [name.toUpperCase(), exported]),
    ...peerFunctions.map(([, name, , exported]) => [peerCall(name), exported]),
  ];
  // sw/core.js loads both modules, and knows these two.
  for (const name of ['mailbox', 'text_in']) {
    const [worker, page] = [functions, peerFunctions].map((list) => list.find((each) => each[1] === name)?.[3]);
    if (worker !== page) throw new Error(`border.def: ${name} is ${worker} in the worker's module, ${page} in the page's`);
  }
  const constants = [
    ...Object.entries(enums).map(([name, value]) => [name.toUpperCase(), value]),
    ...Object.entries(limits),
    ...Object.entries(names),
    ...Object.entries(places),
    ...prefixed('FORM', forms),
    ...prefixed('READ', readers),
    ...calls,
    ...ordered.map(([type, kind]) => [performed(type), kind]),
    ...outputs.map(([type, kind]) => [performed(type, 'OUT'), kind]),
    ['commandBytes', commandLayout.bytes],
    ['commandKindAt', commandLayout.kind],
  ];
  const keys = new Set(calls.map(([name]) => name));
  const note = '// Made by scripts/border.mjs of src/bind/border.def.\n';
  const module =
    note +
    lines([
      ...constants.map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`),
      `export const coordinatorCodes = ${JSON.stringify(coordinatorCodes)};`,
      `export const coordinatorStatistics = ${JSON.stringify(coordinatorStatistics)};`,
      `export const commandFields = ${JSON.stringify(ordered.map(([type, , fields]) => formsOf(type, fields)))};`,
      `export const outputFields = ${JSON.stringify(outputs.map(([, , fields, last]) => readersOf(fields, last)))};`,
    ]);
  const types =
    note +
    lines([
      ...constants
        .filter(([name]) => !keys.has(name))
        .map(([name, value]) => `export declare const ${name}: ${JSON.stringify(value)};`),
      "/** The exports of the worker's module: what the wasm calls them is nobody's business. */",
      ...functions.map(([, name]) => `export declare const ${name.toUpperCase()}: '${keyOf(name)}';`),
      '/** The same of the module of a page. */',
      ...peerFunctions.map(([, name]) => `export declare const ${peerCall(name)}: '${keyOf(name)}';`),
      '/** Every code of docs/errors.md. */',
      `export type ErrorCode =\n${[...codes, ...scriptCodes].map((code) => `  | '${code}'`).join('\n')};`,
      '/** Of these, those that say why no coordinator helps a page. */',
      'export declare const coordinatorCodes: readonly ErrorCode[];',
      '/** What the core decides, by its name (src/http/command.hpp). */',
      'export interface Commands {',
      ...ordered.map(
        ([type, , fields]) =>
          `  ${type}: { ${Object.entries(fields)
            .map(([name, [form]]) => `${name}: ${form === 'BOOL' ? 'boolean' : 'number'}`)
            .join('; ')} };`,
      ),
      '}',
      '/** What the host does of it. */',
      'export interface Performer {',
      ...ordered.map(([type, kind]) => `  /** ${performed(type)} */ ${kind}(it: Commands['${type}']): void;`),
      '}',
      '/** By the number of a command: of each field how it is read (sw/commands.js). */',
      'export declare const commandFields: readonly Record<string, number>[];',
      "/** The exports of the worker's module, as sw/core.js calls them: a text crosses by itself. */",
      'export interface WorkerCore {',
      ...functions.map(method),
      '}',
      '/** The same of the module of a page. */',
      'export interface PeerCore {',
      ...peerFunctions.map(method),
      '}',
      "/** What a page's engine decides, by its name (src/peer/peer.hpp). */",
      'export interface Outputs {',
      ...outputs.map(
        ([type, , fields, last]) =>
          `  ${bare(type)}: { ${[...fields.map((name) => [name, 'number']), ...(last ? [[last[1], last[0]]] : [])]
            .map(([name, of]) => `${name}: ${of}`)
            .join('; ')} };`,
      ),
      '}',
      '/** What the host does of it. */',
      'export interface PeerPerformer {',
      ...outputs.map(([type, kind]) => `  /** ${performed(type, 'OUT')} */ ${kind}(it: Outputs['${bare(type)}']): void;`),
      '}',
      "/** By an output's number less 1: of each field how it is read (web/core.js). */",
      'export declare const outputFields: readonly Record<string, number>[];',
      "/** The exports of the coordinator's module, as src/server/engine.js calls them. */",
      'export interface CoordinatorCore {',
      '  memory: { readonly buffer: ArrayBuffer };',
      '  _initialize(): void;',
      ...coordinatorFunctions.map(
        ([result, name, spelt]) => `  ${name}(${signature(parametersOf(spelt))}): ${result === 'void' ? 'void' : 'number'};`,
      ),
      '}',
      "/** The coordinator's counters, in the order in which its mailbox has them. */",
      `export declare const coordinatorStatistics: readonly [${coordinatorStatistics.map((name) => `'${name}'`).join(', ')}];`,
    ]);
  return { module, types };
}
