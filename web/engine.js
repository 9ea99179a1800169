// The wasm, and the fence around it: a trap in C++ or a throw in the host ends the engine, not the page.
import createModule from '../build/page.mjs';
import wasmBinary from '../build/page.wasm.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/**
 * The functions that src/bind/page.cpp binds. Once the engine is off they do nothing, and return undefined. A handle is the
 * core's number for a resource; pieces, readers, fetches and tokens are numbers too.
 * @typedef {object} Engine
 * @property {(host: Host, browser: string, seed: number, configuration: RTCConfiguration) => boolean | undefined} start
 *   whether there is WebRTC
 * @property {() => void} stop
 * @property {(root: string, bytes: number, pieceBytes: number) => number | undefined} resource its handle, or 0
 * @property {(root: string, bytes: number, pieceBytes: number) => boolean | undefined} isResource
 * @property {(pathAndQuery: string) => string | undefined} pathKey the key by which paths are compared
 * @property {(on: boolean) => void} leading
 * @property {(on: boolean, bytesPerSecond: number, bytes: number) => void} upload
 * @property {() => void} timeout
 * @property {() => void} networkChanged
 * @property {(handle: number) => void} listed
 * @property {() => void} idle
 * @property {() => void} socketOpen
 * @property {() => void} socketClosed
 * @property {(message: unknown) => ErrorCode | null | undefined} message why it is refused
 * @property {(reader: number, handle: number, begin: number, end: number, origin: number, patience: number) => void} open
 * @property {(reader: number, bytes: number) => void} grant
 * @property {(reader: number) => void} close
 * @property {(handle: number, begin: number, end: number) => void} held
 * @property {(handle: number, begin: number, end: number) => void} storeFailed
 * @property {(handle: number) => void} dropped
 * @property {(handle: number, list: Uint8Array, digest: Uint8Array) => boolean | undefined} digests whether the list is the
 *   resource's
 * @property {(handle: number) => void} digestsFailed
 * @property {(fetch: number, handle: number, piece: number) => void} fetched
 * @property {(fetch: number, code: ErrorCode | '') => void} fetchEnd
 * @property {(handle: number, over: boolean) => void} transfer
 * @property {(handle: number, piece: number, digest: Uint8Array) => void} digest
 * @property {(token: number, payload: Uint8Array | null) => void} blockReady
 * @property {() => number | undefined} sent
 */

/**
 * What the core asks for by name (src/bind/page.cpp, perform; src/bind/rtc.cpp). Booleans come as numbers.
 * @typedef {object} Host
 * @property {() => void} openSocket
 * @property {() => void} closeSocket
 * @property {(message: object) => void} sendMessage
 * @property {(configuration: RTCConfiguration) => RTCPeerConnection | null} connect
 * @property {(connection: RTCPeerConnection) => void} disconnect
 * @property {(channel: RTCDataChannel, message: Uint8Array<ArrayBuffer>) => boolean} send
 * @property {(handle: number, piece: number, offset: number, bytes: number, message: ArrayBuffer) => void} takeBlock
 * @property {(bytes: number) => void} waste
 * @property {(fetch: number, handle: number, begin: number, end: number) => void} fetchPieces
 * @property {(fetch: number) => void} cancelFetch
 * @property {(handle: number, piece: number) => void} takeFetched
 * @property {(handle: number) => void} company
 * @property {(handle: number, piece: number) => void} digest
 * @property {(handle: number, piece: number) => void} forget
 * @property {(handle: number) => void} fetchDigests
 * @property {(handle: number, begin: number, end: number) => void} storeRun
 * @property {(token: number, handle: number, piece: number, offset: number, bytes: number, inMemory: number) => void} readBlock
 * @property {(reader: number, handle: number, piece: number, from: number) => void} deliver
 * @property {(reader: number, warm: number) => void} pending
 * @property {(reader: number, code: ErrorCode | null) => void} end
 * @property {(code: ErrorCode) => void} report
 * @property {(count: number) => void} peers
 * @property {(ms: number) => void} setTimer
 */

/**
 * Compiles the engine, ready on return. Throws where wasm is refused (a CSP without 'wasm-unsafe-eval').
 * @param {() => void} onFailure called once; from then on every function does nothing and returns undefined
 * @returns {{ engine: Engine, guardHost: (host: Host) => Host }}
 */
export function createEngine(onFailure) {
  let dead = false;
  const guard =
    (/** @type {Function} */ call) =>
    (/** @type {unknown[]} */ ...args) => {
      if (dead) return undefined;
      try {
        return call(...args);
      } catch {
        dead = true;
        onFailure();
        return undefined;
      }
    };
  /** @param {object} from @param {Record<string, unknown>} to */
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
  return {
    engine: /** @type {Engine} */ (guardAll(module, {})),
    guardHost: (host) => /** @type {Host} */ (guardAll(host, {})),
  };
}
