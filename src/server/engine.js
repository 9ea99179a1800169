// The coordinator's C++, ready on import. The one place that knows how it was built.
import create from '../../build/coordinator.mjs';
import wasmBinary from '../../build/coordinator.wasm.js';

/**
 * What is to be done: a text for a peer or for several, another number for a peer, or its end.
 * @typedef {['tell', peer: number, text: string] | ['tellAll', peers: number[], text: string]
 *   | ['renumber', from: number, to: number] | ['close', peer: number, code: import('../../build/border.js').ErrorCode]} Output
 */

/**
 * The coordinator as src/bind/coordinator.cpp binds it. Times are milliseconds of one clock.
 * @typedef {object} Engine
 * @property {(site: string, now: number) => number} connect the peer's number, or 0: there are too many
 * @property {(peer: number, now: number) => void} disconnect
 * @property {(peer: number, text: string, now: number) => void} message
 * @property {(now: number) => void} timeout
 * @property {() => number} nextTimeout when to call timeout(), or -1
 * @property {() => (string | number | number[])[]} outputs one after another, each an Output's three members
 * @property {() => EngineStats} stats
 * @property {() => void} delete
 */

/**
 * @typedef {object} EngineStats
 * @property {number} peers
 * @property {number} sites
 * @property {number} introductions
 * @property {number} relayed
 * @property {number} notIntroduced
 * @property {number} refused
 */

/** Made of a seed in two halves. @type {new (high: number, low: number) => Engine} */
export const Coordinator = create({ wasmBinary }).Coordinator;
