// The manifest of a folder that changes while it is served.
import { createHash } from 'node:crypto';
import * as limits from './limits.js';
import { emptyManifest, makeManifest } from './manifest.js';
import { manifestNames, only } from './names.js';
import { nothingListed, warnProcess } from './warnings.js';

/** Looks through the folder again when it is asked for, at most once a second. */
export class LiveManifest {
  #folder;
  #options;
  /** @type {{ text: string, etag: string } & import('./manifest.js').Made} */
  #current = { text: '', etag: '', manifest: emptyManifest, digests: new Map() };
  /** @type {import('./manifest.js').Made['digests']} */
  #earlier = new Map();
  /** @type {Promise<void> | null} */
  #scanning = null;
  #scannedAt = -Infinity;
  /** What was told of the folder as it is. */
  #told = new Set();

  /**
   * @param {string} folder
   * @param {import('./manifest.js').ManifestOptions} options
   */
  constructor(folder, options) {
    this.#folder = folder;
    this.#options = { ...only(options, manifestNames), cache: options.cache ?? new Map() };
  }

  /** @returns {Promise<{ text: string, etag: string } & import('./manifest.js').Made>} */
  async current() {
    if (!this.#scanning && performance.now() - this.#scannedAt >= limits.rescanMs) {
      this.#scanning = this.#scan().finally(() => {
        this.#scannedAt = performance.now();
        this.#scanning = null;
      });
    }
    await this.#scanning;
    return this.#current;
  }

  /** A digest list of this manifest or of the one before, which visitors may still have. @param {string} root */
  async digests(root) {
    if (!this.#current.text) await this.current();
    return this.#current.digests.get(root) ?? this.#earlier.get(root);
  }

  async #scan() {
    const told = new Set();
    const onWarning = (/** @type {import('./warnings.js').ManifestWarning} */ warning) => {
      const said = `${warning.code} ${warning.path || warning.message}`;
      told.add(said);
      if (!this.#told.has(said)) (this.#options.onWarning ?? warnProcess)(warning);
    };
    try {
      const made = await makeManifest(this.#folder, { ...this.#options, onWarning });
      if (Object.keys(made.manifest.resources).length === 0) onWarning(nothingListed);
      this.#use(made);
    } catch (error) {
      if (!this.#current.text) throw error;
      onWarning({
        path: '',
        code: 'manifest-kept',
        message: `the manifest stays as it was: ${/** @type {Error} */ (error).message}`,
      });
    }
    this.#told = told;
  }

  /** @param {import('./manifest.js').Made} made */
  #use({ manifest, digests }) {
    const text = JSON.stringify(manifest);
    if (text === this.#current.text) return;
    this.#earlier = this.#current.digests;
    this.#current = { text, etag: `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`, manifest, digests };
  }
}
