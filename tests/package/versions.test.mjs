// Versions that meet: a site updates page, worker, coordinator and manifest at different minutes. The release before this
// one, as npm would install it, against the build of today; real sockets and HTTP, and fakes of what only a browser has.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';
import { alpha } from '../../scripts/alpha.mjs';
import { root, run } from '../../scripts/run.mjs';
import { Store } from '../../sw/store.js';
import { until, within } from '../e2e/harness/until.mjs';
import { bytesOf, makeFolder } from '../server/folder.mjs';
import { FakeConnection, install } from '../wasm/page-fakes.mjs';

const waitMs = 30_000;
const name = 'big.bin';
// Several pieces, so that a digest list is needed; small enough that a worker without pages answers it.
const body = bytesOf(name, 700_000);

const load = async (folder) => {
  // The doors, wherever a release has them.
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const doors = { 'index.js': '.', 'sw.mjs': './sw', 'server.js': './server' };
  const door = (file) => import(pathToFileURL(join(folder, exports[doors[file]].default)).href);
  return { page: await door('index.js'), worker: await door('sw.mjs'), server: await door('server.js') };
};

let release;
/** Both versions' modules. */
const modules = {};

before(async () => {
  release = await alpha();
  install();
  // What the workers find on their global scope.
  globalThis.Client = class {};
  globalThis.clients = { get: async () => undefined, claim: async () => {} };
  globalThis.registration = { scope: new URL('/', globalThis.location.href).href };
  modules.before = await load(release.folder);
  modules.now = await load(root);
});

const nodeFetch = globalThis.fetch;

/** A site served by one version; the globals of a browser that is on it. */
async function openSite(t, { server }) {
  const site = await server.serve(makeFolder(t, { [name]: body }), { port: 0 });
  t.after(() => site.close());
  const { origin } = new URL(site.url);
  Object.assign(globalThis, {
    location: new URL(site.url),
    localStorage: undefined,
    fetch: async (url, init) => {
      const answer = await nodeFetch(new URL(url?.url ?? url, site.url), init);
      // A browser says so of an answer of the page's own origin.
      return Object.defineProperty(answer, 'type', { value: 'basic' });
    },
    WebSocket: class extends WebSocket {
      constructor(url) {
        super(url, { origin });
      }
    },
  });
  return site;
}

beforeEach(() => {
  install();
  // The release before stores nothing where this is missing.
  const storage = { estimate: async () => ({ usage: 0, quota: 2 ** 30 }) };
  Object.defineProperty(globalThis, 'navigator', { value: { storage }, configurable: true });
  FakeConnection.reset();
});

describe('the release before this one', () => {
  test('is packed as npm would, with its version and its scripts', async () => {
    const { code, output } = await run('tar', ['-tzf', release.tarball]);
    assert.equal(code, 0, output);
    const names = output.trim().split('\n');
    for (const file of ['sw.js', 'sw.mjs', 'index.js', 'server.js', 'cli.js']) {
      assert.ok(names.includes(`package/dist/${file}`), file);
    }
    const manifest = JSON.parse(await readFile(join(release.folder, 'package.json'), 'utf8'));
    assert.equal(manifest.version, '2.0.0-alpha.1');
    assert.equal(release.version, manifest.version);
  });

  test('is there at once when it was packed', async () => {
    assert.deepEqual(await alpha(), release);
  });
});

/** Whole, into a visitor's store, as a visit leaves it. */
async function fill(cacheName, { resources }) {
  const { root: identity, bytes, pieceBytes } = resources[`/${name}`];
  const store = await Store.open(cacheName);
  const text = JSON.stringify({ version: 1, resources });
  await store.putManifest(text, Date.now());
  const list = await (await fetch(`/peer-cdn/digests/${identity}`)).arrayBuffer();
  await store.putDigests(identity, list);
  await store.putRun(identity, 0, Math.ceil(bytes / pieceBytes), [body]);
}

function openPage(t, { page }, options) {
  const plugin = new page.PeerPlugin({ form: 'reply', timeoutAfter: waitMs, ...options });
  const errors = [];
  plugin.addEventListener('error', ({ detail }) => errors.push(detail.code));
  t.after(() => plugin.close());
  return { plugin, errors };
}

/** One page has the file, another asks for it, by the coordinator and the manifest of a site. */
async function meet(t, { holder, asker, server }) {
  const site = await openSite(t, server);
  const manifest = await (await fetch('/peer-cdn.json')).json();
  await fill('holder', manifest);
  const first = openPage(t, holder, { cacheName: 'holder' });
  await first.plugin.informed;
  // Another page: it does not find the engine of the first.
  delete globalThis[Symbol.for('peer-cdn')];
  const second = openPage(t, asker, { cacheName: 'asker' });
  await second.plugin.informed;
  // In this process, as in a page, the sums go on from one instance to the next.
  const { received } = second.plugin.stats;
  const request = { url: new URL(`/${name}`, site.url).href, method: 'GET' };
  const answer = await until('the holder is known', () => second.plugin.getMiddleware({ request }).get());
  assert.equal(answer.status, 200);
  assert.ok(Buffer.from(answer.body).equals(body), 'the bytes of the file');
  await until('all of it is counted', () => second.plugin.stats.received === received + body.length);
  assert.equal(site.coordinator.stats().introductions, 1);
  assert.deepEqual([...first.errors, ...second.errors], []);
}

describe('pages of two versions and a coordinator', () => {
  const cases = [
    ['a page of before gets a file from a page of today, by a coordinator of today', 'now', 'before', 'now'],
    ['a page of today gets a file from a page of before, by a coordinator of today', 'before', 'now', 'now'],
    ['two pages of before share by a coordinator and a manifest of today', 'before', 'before', 'now'],
    ['two pages of today share by a coordinator and a manifest of before', 'now', 'now', 'before'],
  ];
  for (const [what, holder, asker, server] of cases) {
    test(what, (t) => meet(t, { holder: modules[holder], asker: modules[asker], server: modules[server] }));
  }
});

/** A worker of one version with one route; its answers, and what its transfer events say. */
function startWorker({ worker: { default: PeerCDN, CachePlugin, NetworkPlugin } }) {
  let listener;
  const { addEventListener } = globalThis;
  globalThis.addEventListener = (type, each) => {
    if (type === 'fetch') listener = each;
  };
  const cdn = new PeerCDN();
  cdn.GET('/', PeerCDN.strategies.ordered, new CachePlugin().getMiddleware, new NetworkPlugin().getMiddleware);
  try {
    cdn.register();
  } finally {
    globalThis.addEventListener = addEventListener;
  }
  const errors = [];
  // Here the script ran long ago.
  cdn.addEventListener('error', ({ detail }) => detail.code !== 'registered-late' && errors.push(detail.code));
  const ask = async (url) => {
    const transfer = new Promise((resolve) => {
      cdn.addEventListener('transfer', ({ detail }) => detail.done && resolve(detail));
    });
    let answer;
    listener({ request: new Request(url), clientId: '', respondWith: (given) => (answer = given), waitUntil() {} });
    assert.ok(answer, 'the worker answers');
    const bytes = Buffer.from(await (await answer).arrayBuffer());
    return { bytes, transfer: await within('the transfer event', waitMs, transfer) };
  };
  return { ask, errors };
}

describe('workers of two versions', () => {
  for (const [what, first, second, server] of [
    ['a worker of before serves and stores by a manifest of today, and one of today reads its store', 'before', 'now', 'now'],
    ['a worker of today serves and stores by a manifest of before, and one of before reads its store', 'now', 'before', 'before'],
  ]) {
    test(what, async (t) => {
      const { url } = await openSite(t, modules[server]);
      const file = new URL(name, url).href;
      const one = startWorker(modules[first]);
      const fetched = await one.ask(file);
      assert.ok(fetched.bytes.equals(body));
      assert.equal(fetched.transfer.fromOrigin, body.length);
      await until('all of it is stored', async () => {
        const entries = await (await caches.open('peer-cdn-v1')).keys();
        return entries.some((entry) => entry.url.includes('/peer-cdn/store/'));
      });
      const two = startWorker(modules[second]);
      const kept = await two.ask(file);
      assert.ok(kept.bytes.equals(body));
      assert.equal(kept.transfer.fromCache, body.length);
      assert.deepEqual([...one.errors, ...two.errors], []);
    });
  }
});
