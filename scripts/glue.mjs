// Takes out of Emscripten's JavaScript what cannot happen here: wide strings, fetching the wasm, hooks that nobody sets,
// smart handles that nobody clones. Written for 3.1.6, whose Debian package has no closure compiler; what another em++
// writes differently is simply not found and stays. Saves about 2.5 KB gzip in each module.

// Never called with our options, or called only to set up something that is never used.
const emptied = [
  '__embind_register_std_wstring', 'UTF16ToString', 'stringToUTF16', 'lengthBytesUTF16', 'UTF32ToString', 'stringToUTF32',
  'lengthBytesUTF32', 'preRun', 'postRun', 'addOnPreRun', 'addOnPostRun', 'ClassHandle_isAliasOf', 'ClassHandle_clone',
  'ClassHandle_deleteLater', 'setDelayFunction', 'get_first_emval', 'getLiveInheritedInstances',
  'getInheritedInstanceCount', 'addRunDependency', 'locateFile', 'isDataURI', 'flushPendingDeletes',
];

const replaced = [
  [/var ENVIRONMENT_IS_WEB=[^;]*;var ENVIRONMENT_IS_WORKER=[^;]*;var ENVIRONMENT_IS_NODE=[^;]*;/, ''],
  [/if\(ENVIRONMENT_IS_WEB\|\|ENVIRONMENT_IS_WORKER\)\{.*?else\{\}(?=var out=)/s, ''],
  [/var UTF16Decoder=[^;]*;/, ''],
  [/var _scriptDir = [^;]*;/, ''],
  [/wasmBinaryFile="\w+\.wasm";if\(![^}]*\}/, ''],
  [/if\(Module\["(arguments|thisProgram|quit)"\]\)\w+=Module\["\w+"\];/g, ''],
  [/Module\["preloadedImages"\]=\{\};Module\["preloadedAudios"\]=\{\};/, ''],
  [/if\(Module\["setStatus"\]\)\{.*?\}else\{doRun\(\)\}/s, 'doRun()'],
  [/if\(Module\["preInit"\]\)\{.*?\}\}(?=run\(\);)/s, ''],
  [/Module\["run"\]=run;/, ''],
  [/what\+="\. Build with [^"]*";/, ''],
];

const bodies = {
  getBinary: 'return wasmBinary',
  removeRunDependency: '',
  instantiateSync: 'var module=new WebAssembly.Module(wasmBinary);return[new WebAssembly.Instance(module,info),module]',
};

// Finds the end of a block by counting braces, outside of strings.
function endOfBlock(text, begin) {
  let depth = 0;
  for (let i = begin; i < text.length; i++) {
    const character = text[i];
    if (character === '"' || character === '\'') {
      for (i++; text[i] !== character; i++) {
        if (text[i] === '\\') i++;
      }
    } else if (character === '{') {
      depth++;
    } else if (character === '}' && --depth === 0) {
      return i;
    }
  }
  return -1;
}

function withBody(text, name, body) {
  const begin = text.indexOf(`function ${name}(`);
  if (begin < 0) return text;
  const open = text.indexOf('{', text.indexOf(')', begin));
  const close = endOfBlock(text, open);
  if (close < 0) return text;
  return text.slice(0, open + 1) + body + text.slice(close);
}

/** The glue of one module, trimmed. */
export function trimGlue(text) {
  let trimmed = text;
  for (const name of emptied) trimmed = withBody(trimmed, name, '');
  // run(): 3.1.6 counts the wasm as a dependency and starts when the count is zero, which it now always is.
  for (const [name, body] of Object.entries(bodies)) trimmed = withBody(trimmed, name, body);
  for (const [pattern, replacement] of replaced) trimmed = trimmed.replace(pattern, replacement);
  return trimmed;
}

/** Embind's inner properties: esbuild may shorten them (`mangleProps` with `mangleQuoted`), nobody outside sees them. */
export const innerProperties = new RegExp(`^(${[
  'argPackAdvance', 'readValueFromPointer', 'fromWireType', 'toWireType', 'destructorFunction', 'registeredClass',
  'instancePrototype', 'ptrType', 'smartPtrType', 'smartPtr', 'preservePointerOnDelete', 'deleteScheduled',
  'rawDestructor', 'pureVirtualFunctions', 'overloadTable', 'baseClass', 'constructor_body', 'getActualType',
  'rawConstructor', 'isSmartPointer', 'pointeeType', 'sharingPolicy', 'rawGetPointee', 'rawShare', 'rawPointerType',
  'isReference', 'upcast', 'downcast', 'derivedClasses', 'argCount', 'ignoreDuplicateRegistrations',
  'deleteObject', 'isVoid', 'refcount',
].join('|')})$`);
