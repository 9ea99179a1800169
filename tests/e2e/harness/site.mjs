// Builds small sites in a temporary folder and serves them with peer-cdn's own server behind an Origin.
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { MANIFEST_PATH } from '../../../build/border.js';
import { Origin } from './origin.mjs';

/**
 * `bytes` pseudo-random bytes that depend on `seed` alone.
 * @param {string} seed
 * @param {number} bytes
 */
export function randomBytes(seed, bytes) {
  const key = crypto.createHash('sha256').update(seed).digest();
  return crypto.createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Lower-case hex SHA-256. @param {crypto.BinaryLike} bytes */
export const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

/** The worker of the README, as written; only the route and more options of the delegate are filled in. */
export const documentedWorker = (route = '/static', options = '') => `
importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered } } = PeerCDN;
const cache = new CachePlugin({ version: 1 });
const delegate = new DelegatePlugin({ timeoutAfter: 5000${options} });
const network = new NetworkPlugin();
const cdn = new PeerCDN();
cdn.GET('${route}', ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
cdn.register();
`;

/**
 * The same, for a site that would rather wait than ask the origin. An origin on this machine is sooner than any peer, and
 * would be asked instead: tests of what comes from peers use this one.
 */
export const patientWorker = (route) => documentedWorker(route, ', patience: Infinity');

/** A page in the short form. `ready` is set when start() has resolved. */
const shortPage = `<!doctype html><meta charset="utf-8"><title>site</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;
const shortScript = `import { start } from '/peer-cdn/index.js';
try {
  window.peerCdn = await start({ worker: '/sw.js' });
  document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
} catch (error) {
  document.documentElement.dataset.state = 'failed: ' + error;
}
`;

/** The strictest policy that we promise to work under. */
export const strictPolicy = {
  'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'",
};

/**
 * A folder with files, served. `files` maps paths to contents; a patient worker and the page are there unless given.
 * @param {Record<string, Buffer | string>} files
 * @param {{ bytesPerSecond?: number, latencyMs?: number, headers?: Record<string, string>, serve?: object }} [options]
 */
export async function openSite(files, options = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-site-'));
  const write = (name, content) => {
    const file = path.join(dir, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    // A new inode at once: a deployment is never seen half-written.
    fs.writeFileSync(`${file}.new`, content);
    fs.renameSync(`${file}.new`, file);
  };
  const all = { '/index.html': shortPage, '/page.js': shortScript, '/sw.js': patientWorker(), ...files };
  for (const [name, content] of Object.entries(all)) write(name, content);
  let inner = await serveFolder(dir, options.serve);
  const origin = await Origin.start({
    ...inner,
    ...options,
    stop: () => inner.stop(),
    headers: { ...strictPolicy, ...options.headers },
  });
  return {
    dir,
    origin,
    write,
    url: origin.url,
    get coordinator() {
      return inner.coordinator;
    },
    /** The manifest, as anybody gets it. */
    async manifest() {
      return (await fetch(origin.url + MANIFEST_PATH)).json();
    },
    async root(url) {
      return (await this.manifest()).resources[url]?.root;
    },
    /** The server is started again, and the coordinator with it: it knows nobody. */
    async restart() {
      const { port } = inner.server.address();
      await inner.stop();
      inner = await serveFolder(dir, { ...options.serve, port });
    },
    read: (name) => fs.readFileSync(path.join(dir, name)),
    async close() {
      await origin.close();
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** peer-cdn's own server for a folder, on a private port: what an Origin stands in front of. */
export async function serveFolder(dir, options = {}) {
  const { serve } = await import('../../../src/server/index.js');
  const { server, coordinator, close } = await serve(dir, { port: 0, ...options });
  return { server, coordinator, stop: close };
}
