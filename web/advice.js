// Says on the console why nothing is shared, where nothing is at all: a developer who sees nothing looks for an hour.

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/** What the site has to mend: nothing is shared at all, or not as was meant. @type {Partial<Record<ErrorCode, string>>} */
const advice = {
  'bad-option': 'not usable',
  'engine-failed': "a script is missing, or the CSP lacks script-src 'wasm-unsafe-eval'",
  'malformed-manifest': 'no manifest can be read: `npx peer-cdn manifest <folder>` writes it',
  'no-coordinator': 'no coordinator answers: attach(server), forward upgrades',
  'no-manifest': 'no manifest can be read: `npx peer-cdn manifest <folder>` writes it',
  'no-worker': 'no service worker with cdn.register() controls this page',
  'no-webrtc': 'these servers are refused',
  'origin-refused': 'the coordinator does not serve this site: see its log',
  'registered-late': 'cdn.register() comes too late',
};

/** Tells each thing once. */
export class Advice {
  /** @type {Set<ErrorCode>} */
  #told = new Set();

  /** @param {{ code: ErrorCode, message?: string, url?: string }} problem with a URL: of that alone */
  tell({ code, message, url }) {
    // Without a network nobody expects to share.
    const isAway = code === 'no-coordinator' && globalThis.navigator?.onLine === false;
    // A browser without WebRTC is not the site's to mend: it refuses nothing, with no words.
    const isBrowser = code === 'no-webrtc' && !message;
    if (!advice[code] || url || isAway || isBrowser || this.#told.has(code)) return;
    this.#told.add(code);
    const why = message ? ` (${message})` : '';
    console.warn(`peer-cdn: ${code}: ${advice[code]}${why}; start({ warn: false }) hides this`);
  }
}
