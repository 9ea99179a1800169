#!/usr/bin/env node
// Takes out of the JavaScript of em++ 3.1.6 what no setting of that version leaves out: fetching the wasm, looking for the
// kind of host, counting what the start waits for. Saves about 1.2 KB gzip in each module. cmake/wasm.cmake runs it after
// each link by that version, and by no other.
//   node scripts/glue.mjs <file>     rewrites the file
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What is replaced: [from this text on, up to and without that one, by this]. */
const edits = [
  ['  var _scriptDir = ', 'return (', ''],
  ['var arguments_=[];', 'var ', ''],
  ['var ENVIRONMENT_IS_WEB=', 'var out=console.log', ''],
  // Only the wasm's own constructors are to be called, and at once.
  ['var __ATPRERUN__=', 'function abort(what){', 'var __ATINIT__=[];function addOnInit(cb){__ATINIT__.push(cb)}'],
  ['what+=". Build with', 'var e=new WebAssembly', ''],
  // Nobody waits: the module is ready when its factory returns.
  ['var readyPromiseResolve', 'var moduleOverrides', ''],
  ['readyPromiseReject(e);', 'throw e', ''],
  ['function callRuntimeCallbacks(', 'function getWasmTableEntry', ''],
  ['var dataURIPrefix=', 'function createWasm(){', ''],
  ['removeRunDependency("wasm-instantiate")', '}', ''],
  [
    'addRunDependency("wasm-instantiate");',
    'return Module["asm"]}',
    'receiveInstance(new WebAssembly.Instance(new WebAssembly.Module(wasmBinary),info));',
  ],
  ['var calledRun;', '\n', 'for(var each of __ATINIT__)each();'],
];

/** The glue of one module, trimmed. Throws if it is not as 3.1.6 writes it: half of these would not be a program. */
export function trimGlue(text) {
  const trimmed = edits.reduce((trimmed, [from, to, replacement]) => {
    const begin = trimmed.indexOf(from);
    const end = trimmed.indexOf(to, begin + from.length);
    if (begin < 0 || end < 0 || trimmed.indexOf(from, begin + 1) >= 0) {
      throw new Error(`this is not the JavaScript of em++ 3.1.6: \`${from}\` is not there once, before \`${to.trim()}\``);
    }
    return trimmed.slice(0, begin) + replacement + trimmed.slice(end);
  }, text);
  // What the module exports to its own glue, and its memory, are nothing that the host reads.
  const own = trimmed.replace(/Module\["(?:_\w+|HEAP\w+)"\]=/g, '');
  // A view of the memory that is declared and made, and not read.
  return own.replace(/(HEAPU?F?\d+)=new \w+\(buf\);?/g, (made, name) => (own.split(name).length > 3 ? made : ''));
}

/** Embind's inner properties: esbuild may shorten them (`mangleProps` with `mangleQuoted`), nobody outside sees them. */
export const innerProperties = new RegExp(
  `^(${[
    'argPackAdvance',
    'readValueFromPointer',
    'fromWireType',
    'toWireType',
    'destructorFunction',
    'registeredClass',
    'instancePrototype',
    'ptrType',
    'smartPtrType',
    'smartPtr',
    'preservePointerOnDelete',
    'deleteScheduled',
    'rawDestructor',
    'pureVirtualFunctions',
    'overloadTable',
    'baseClass',
    'constructor_body',
    'getActualType',
    'rawConstructor',
    'isSmartPointer',
    'pointeeType',
    'sharingPolicy',
    'rawGetPointee',
    'rawShare',
    'rawPointerType',
    'isReference',
    'upcast',
    'downcast',
    'derivedClasses',
    'argCount',
    'ignoreDuplicateRegistrations',
    'deleteObject',
    'isVoid',
    'refcount',
  ].join('|')})$`,
);

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file] = process.argv;
  try {
    writeFileSync(file, trimGlue(readFileSync(file, 'utf8')));
  } catch (error) {
    process.stderr.write(`scripts/glue.mjs: ${basename(file ?? '')}: ${error.message}\n`);
    process.exit(1);
  }
}
