// Between the page and its engine. The engine runs in a worker of its own, or in the page by the same calls: each is a name and
// arguments, and whatever is answered comes by another call.

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/**
 * @typedef {object} HeadOptions
 * @property {[word: number, permission: number, isMac: boolean]} ahead by which the core decides whether connections may be
 *   made before a file is wanted (src/peer/ahead.hpp)
 * @property {boolean} orFetch the manifest may be the origin's
 * @property {string} socket the coordinator's WebSocket
 * @property {string} browser the browser's id
 * @property {boolean} hasWebRtc
 * @property {{ sent: number, received: number }} counts payload bytes, by this page's engines before this one
 * @property {boolean} reports the page is to tell the site's owner what the core counted
 */

/**
 * What the engine calls in the page. A pair is a number of the engine's.
 * @typedef {object} HandCalls
 * @property {(pair: number, isOffer: boolean) => void} create its channels follow, or path() says that it was refused
 * @property {(pair: number, isOffer: boolean, sdp: string) => void} describe
 * @property {(pair: number, line: number, midAndCandidate: string) => void} candidate
 * @property {(pair: number) => void} restart
 * @property {(pair: number) => void} close
 * @property {(code: ErrorCode, url?: string) => void} report something went wrong, and was dealt with
 * @property {(peers: number, sent: number, received: number, report: string) => void} counts
 * @property {(lock: string) => void} lives as long as it holds this lock
 * @property {() => void} informed it is known who has what, or cannot be known
 * @property {(change: import('./bridge.js').Change) => void} present what anybody has
 * @property {(root: string) => void} company somebody else wants or has what the worker fetches alone
 * @property {() => void} adopt wants to know what the page had loaded
 * @property {(id: number, whole: import('./whole.js').Whole | null) => void} whole what read() was to give
 * @property {(manifest: string) => void} disabled this manifest turns it all off
 * @property {() => void} failed the engine is gone; everything has ended
 */

/** @typedef {import('./engine.js').Head} Head */
/**
 * What the page calls.
 * @typedef {'join' | 'stop' | 'upload' | 'idle' | 'hidden' | 'networkChanged' | 'loaded' | 'meet' | 'delegate' | 'read'
 *   | 'unread' | 'manifest' | 'channels' | 'localDescription' | 'localCandidate' | 'path' | 'routed' | 'reported'} HeadCall
 */
/**
 * @typedef {<Name extends keyof HandCalls>(name: Name, args: Parameters<HandCalls[Name]>, transfer?: Transferable[]) => void
 *   } ToHand
 * @typedef {<Name extends HeadCall>(name: Name, args: Parameters<Head[Name]>, transfer?: Transferable[]) => void} ToHead
 */

/**
 * In a worker that is the engine's own: says whether it can be, and then does what the page calls.
 * @param {typeof import('./engine.js').Head} Head
 */
export function listenHere(Head) {
  const scope = /** @type {any} */ (globalThis);
  if (!scope.DedicatedWorkerGlobalScope) return;
  /** @type {any} */
  let head = null;
  /** @type {(name: string, args: unknown[], transfer?: Transferable[]) => void} */
  const post = (name, args, transfer = []) => scope.postMessage([name, args], transfer);
  scope.onmessage = (/** @type {MessageEvent} */ { data: [name, args] }) => {
    // What it has begun to write is written before it goes.
    if (name === 'stop') return void Promise.resolve(head?.stop(...args)).then(() => scope.close());
    if (name !== 'start') return head?.[name](...args);
    try {
      // Where channels cannot be transferred a worker does not know them.
      if (args[0].hasWebRtc && !scope.RTCDataChannel) throw 0;
      head = new Head(post, args[0]);
    } catch {
      // The page runs the engine itself, and finds out whether that can be.
    }
    post('started', [Boolean(head)]);
  };
}
