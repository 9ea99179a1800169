// The page's RTCPeerConnections, driven by src/bind/rtc.cpp: the engine says which there are to be, and gets their channels.
import createModule from '../build/rtc.mjs';
import { PATH_FOUND, routeWait } from '../build/border.js';
import wasmBinary from '../build/rtc.wasm.js';
import { pathOf } from './diagnosis.js';

/**
 * What src/bind/rtc.cpp binds. A pair is the engine's number of a connection.
 * @typedef {object} Rtc
 * @property {(host: object, configuration: RTCConfiguration) => void} start
 * @property {() => void} stop
 * @property {(pair: number, isOffer: boolean) => void} create
 * @property {(pair: number, isOffer: boolean, description: RTCSessionDescriptionInit) => void} describe
 * @property {(pair: number, candidate: RTCIceCandidateInit) => void} candidate
 * @property {(pair: number) => void} restart
 * @property {(pair: number) => void} close
 */

/**
 * @typedef {object} Listener
 * @property {() => void} failed the module is gone
 * @property {(message?: string) => void} refused the browser makes no connection, and may say why
 * @property {() => void} untransferable channels stay in the page
 * @property {((pair: number, route: import('./diagnosis.js').Path) => void) | null} routed a connection goes by this way, if
 *   somebody wants to know
 */

/** A pair has its two channels. What else the other side opens would take what it sends. @param {RTCDataChannelEvent} event */
const refuse = ({ channel }) => channel.close();

export class Connections {
  #call;
  #listener;
  /** @type {Rtc} */
  #rtc;
  #isDead = false;
  /** By its pair. @type {Map<number, RTCPeerConnection>} */
  #open = new Map();
  #tried = 0;
  /** The pair whose connection is being made. */
  #making = 0;
  /** Its channels, `control` and `data`. @type {RTCDataChannel[]} */
  #channels = [];

  /**
   * Throws where wasm is refused.
   * @param {RTCConfiguration} configuration
   * @param {import('./link.js').ToHead} call
   * @param {Listener} listener
   */
  constructor(configuration, call, listener) {
    this.#call = call;
    this.#listener = listener;
    /** @type {any} */
    const module = { wasmBinary };
    createModule(module);
    // Callbacks of connections come straight from the browser: C++ finds them as properties of the module.
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'function' && !name.startsWith('_')) module[name] = this.#guard(value);
    }
    this.#rtc = module;
    this.#rtc.start(this.#host(), configuration);
  }

  /** @returns {Promise<import('./diagnosis.js').Reached>} */
  async reached() {
    const paths = await Promise.all([...this.#open.values()].map((each) => pathOf(each).catch(() => null)));
    return { tried: this.#tried, paths: paths.filter((path) => path !== null) };
  }

  // What the engine calls, as the page's hand has it (web/page.js).

  /** @param {number} pair @param {boolean} isOffer */
  create = (pair, isOffer) => {
    this.#making = pair;
    this.#rtc.create(pair, isOffer);
  };

  /** @param {number} pair @param {boolean} isOffer @param {string} sdp */
  describe = (pair, isOffer, sdp) => this.#rtc.describe(pair, isOffer, { type: isOffer ? 'offer' : 'answer', sdp });

  /** @param {number} pair @param {number} sdpMLineIndex @param {string} midAndCandidate a line each */
  candidate = (pair, sdpMLineIndex, midAndCandidate) => {
    const [sdpMid, candidate] = midAndCandidate.split(/\n(.*)/s);
    this.#rtc.candidate(pair, { candidate, sdpMid, sdpMLineIndex });
  };

  /** @param {number} pair */
  restart = (pair) => this.#rtc.restart(pair);

  /** @param {number} pair */
  close = (pair) => {
    this.#rtc.close(pair);
    this.#open.delete(pair);
  };

  /** Nobody is left who would use them: a channel whose worker has ended would swallow what comes. */
  closeAll() {
    this.#rtc.stop();
    for (const connection of this.#open.values()) connection.close();
    this.#open.clear();
  }

  /** What src/bind/rtc.cpp calls by name. */
  #host() {
    const call = this.#call;
    return {
      connect: (/** @type {RTCConfiguration} */ configuration) => {
        let isMade = false;
        try {
          const connection = new RTCPeerConnection(configuration);
          isMade = true;
          const channel = (/** @type {string} */ label, /** @type {number} */ id) =>
            connection.createDataChannel(label, { negotiated: true, ordered: true, id });
          this.#channels = [channel('control', 0), channel('data', 1)];
          // A blocker may leave the names, and nothing behind them.
          if (!this.#channels.every(({ readyState }) => readyState)) throw 0;
          connection.ondatachannel = refuse;
          this.#open.set(this.#making, connection);
          this.#tried++;
          return connection;
        } catch (error) {
          // The words are those of a browser that refuses the site's servers.
          this.#listener.refused(isMade ? undefined : String(/** @type {any} */ (error)?.message ?? error));
          return null;
        }
      },
      disconnect: (/** @type {RTCPeerConnection} */ connection) => connection.close(),
      ask: async (/** @type {any} */ connection, /** @type {string} */ method, /** @type {unknown} */ argument) =>
        connection[method](argument),
      channels: (/** @type {number} */ pair) => {
        const [control, data] = this.#channels.splice(0);
        try {
          // Only in this task may they be transferred.
          call('channels', [pair, control, data], /** @type {any[]} */ ([control, data]));
        } catch {
          this.#listener.untransferable();
        }
      },
      localDescription: (/** @type {number} */ pair, /** @type {RTCSessionDescription} */ { type, sdp }) =>
        call('localDescription', [pair, type === 'offer', sdp]),
      localCandidate: (/** @type {number} */ pair, /** @type {RTCIceCandidate} */ { candidate, sdpMid, sdpMLineIndex }) =>
        call('localCandidate', [pair, `${sdpMid ?? ''}\n${candidate}`, sdpMLineIndex ?? 0]),
      path: (/** @type {number} */ pair, /** @type {number} */ state) => {
        call('path', [pair, state]);
        if (state !== PATH_FOUND || !this.#listener.routed) return;
        this.#tellRoute(pair);
        setTimeout(() => this.#tellRoute(pair), routeWait);
      },
    };
  }

  /** @param {number} pair */
  async #tellRoute(pair) {
    const connection = this.#open.get(pair);
    const route = connection && (await pathOf(connection).catch(() => null));
    if (route) this.#listener.routed?.(pair, route);
  }

  /** A trap in C++ or a throw in the host ends the engine, not the page. @param {Function} call */
  #guard(call) {
    return (/** @type {unknown[]} */ ...args) => {
      try {
        if (!this.#isDead) return call(...args);
      } catch {
        this.#isDead = true;
        this.#listener.failed();
      }
      return undefined;
    };
  }
}
