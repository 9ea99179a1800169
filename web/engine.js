// The wasm, and the fence around it: a trap in C++ or a throw in the host ends the engine, not the page.
import createModule from '../build/page.mjs';
import wasmBinary from '../build/page.wasm.js';

/**
 * @typedef {Record<string, any>} Engine the functions and constants that src/bind/page.cpp binds
 */

/**
 * Compiles the engine, ready on return. Throws where wasm is refused (a CSP without 'wasm-unsafe-eval').
 * @param {() => void} onFailure called once; from then on every function does nothing and returns undefined
 * @returns {{ engine: Engine, guardHost: (host: Record<string, Function>) => Record<string, Function> }}
 */
export function createEngine(onFailure) {
  let dead = false;
  const guard =
    (call) =>
    (...args) => {
      if (dead) return undefined;
      try {
        return call(...args);
      } catch {
        dead = true;
        onFailure();
        return undefined;
      }
    };
  const guardAll = (from, to) => {
    for (const [name, value] of Object.entries(from)) {
      to[name] = typeof value === 'function' ? guard(value) : value;
    }
    return to;
  };
  const module = { wasmBinary };
  createModule(module);
  // Callbacks of connections come straight from the browser: C++ finds them as properties of the module.
  const callbacks = Object.entries(module).filter(([name]) => name.startsWith('rtc'));
  guardAll(Object.fromEntries(callbacks), module);
  return { engine: guardAll(module, {}), guardHost: (host) => guardAll(host, {}) };
}
