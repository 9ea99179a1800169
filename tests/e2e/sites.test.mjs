// Sites of one origin: each has a scope, a manifest and a worker of its own, and none touches what is another's.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { pieceBytesMin } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { engines, scene } from './harness/scene.mjs';

const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>';
const script = (options = '') => `import { start } from '/peer-cdn/index.js';
window.errors = [];
window.peerCdn = await start({ worker: 'sw.js' ${options} });
peerCdn.addEventListener('error', ({ detail }) => errors.push(detail.code));
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;
const worker = (name, version) => `
importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered } } = PeerCDN;
const cdn = new PeerCDN({ manifest: '/${name}/peer-cdn.json' });
cdn.GET('/${name}', ordered, new CachePlugin({ version: ${version} }).getMiddleware,
  new DelegatePlugin({ patience: Infinity }).getMiddleware, new NetworkPlugin().getMiddleware);
cdn.register();
`;

/** A manifest of one file, of one piece. */
function manifestOf(path, body, more = {}) {
  const root = crypto.createHash('sha256').update(body).digest('hex');
  const entry = { bytes: body.length, type: 'application/octet-stream', pieceBytes: pieceBytesMin, root };
  return JSON.stringify({ version: 1, resources: { [path]: entry }, ...more });
}

const bodies = { a: randomBytes('site a', 60_000), b: randomBytes('site b', 50_000) };
const fileOf = (name) => `/${name}/file.bin`;

/** The files of the sites /a/ and /b/, with this version of their stores. */
function twoSites(versions = { a: 1, b: 1 }, options = '') {
  const files = {};
  for (const [name, body] of Object.entries(bodies)) {
    files[`/${name}/index.html`] = html;
    files[`/${name}/page.js`] = script(options);
    files[`/${name}/sw.js`] = worker(name, versions[name]);
    files[fileOf(name)] = body;
    files[`/${name}/peer-cdn.json`] = manifestOf(fileOf(name), body);
  }
  return files;
}

/** The names of our Caches, and how many runs each holds. */
const stores = (visitor) =>
  visitor.run(async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith('peer-cdn-v'));
    const runs = async (name) => (await (await caches.open(name)).keys()).filter(({ url }) => url.includes('/store/')).length;
    return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await runs(name)])));
  });

for (const { where, kind, options } of engines) {
  test(`${where}: visits of one site leave the other's store alone, whatever the versions`, async (t) => {
    for (const versions of [
      { a: 1, b: 1 },
      { a: 1, b: 2 },
    ]) {
      const at = scene(t);
      const s = await at.site(twoSites(versions));
      const visitor = await at[kind](options);
      for (const name of ['a', 'b', 'a', 'b']) {
        await visitor.visit(`${s.url}/${name}/`);
        assert.equal((await visitor.fetch(fileOf(name))).sha256, sha256(bodies[name]));
        await until('it is stored', async () => Object.values(await stores(visitor)).includes(1));
      }
      await until('each has its own', async () => Object.values(await stores(visitor)).filter((runs) => runs === 1).length === 2);
      assert.equal(Object.keys(await stores(visitor)).length, 2);
      for (const name of ['a', 'b']) assert.equal(s.origin.sent(fileOf(name)), bodies[name].length, `${name} was fetched once`);
    }
  });
}

test('two open tabs, one of each site: both announce what they hold, and one that is disabled leaves the other on', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(twoSites());
  const visitor = await chromium();
  const tab = await visitor.newTab();
  const pages = { a: visitor.page, b: tab };
  for (const [name, page] of Object.entries(pages)) {
    await visitor.visit(`${s.url}/${name}/`, { page });
    await visitor.fetch(fileOf(name), { page });
  }
  for (const name of ['a', 'b']) await s.origin.untilShared(sha256(bodies[name]));

  // What a visitor chooses in one site says nothing of the other.
  await visitor.run(() => void (window.peerCdn.upload = { on: false }), undefined, pages.b);
  assert.equal(await visitor.run(() => window.peerCdn.upload.on, undefined, pages.a), true);

  s.write('/b/peer-cdn.json', manifestOf(fileOf('b'), bodies.b, { disabled: true }));
  await visitor.run(() => location.reload(), undefined, pages.b);
  await until('b is off', () => visitor.run(() => window.peerCdn?.reason === 'disabled', undefined, pages.b).catch(() => false));
  assert.equal(await visitor.run(() => window.peerCdn.active, undefined, pages.a), true);
  await visitor.visit(`${s.url}/a/`, { page: pages.a });
  assert.equal(await visitor.run(() => window.peerCdn.upload.on, undefined, pages.a), true);
  await visitor.visit(`${s.url}/b/`, { page: pages.b, ready: 'settled' });
  assert.equal(await visitor.run(() => window.peerCdn.upload.on, undefined, pages.b), false, 'the choice is kept');
});

test("the published name of a store means the store of the page's own site", async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(twoSites({ a: 1, b: 1 }, `, cacheName: 'peer-cdn-v1'`));
  const visitor = await chromium();
  await visitor.visit(`${s.url}/a/`);
  await visitor.fetch(fileOf('a'));
  await s.origin.untilShared(sha256(bodies.a));
  const names = Object.keys(await stores(visitor));
  assert.equal(names.length, 1);
  assert.match(names[0], /^peer-cdn-v1 /);
  assert.deepEqual(await visitor.run(() => window.errors), []);
});

test('a store whose site has no worker any more is removed by a page of another site', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(twoSites());
  const visitor = await chromium();
  for (const name of ['a', 'b']) {
    await visitor.visit(`${s.url}/${name}/`);
    await visitor.fetch(fileOf(name));
    await until('it is stored', async () => Object.values(await stores(visitor)).filter((runs) => runs === 1).length > 0);
  }
  await visitor.run(async () => {
    const registrations = await navigator.serviceWorker.getRegistrations();
    await registrations.find(({ scope }) => scope.endsWith('/a/')).unregister();
  });
  await visitor.visit(`${s.url}/b/`);
  await until("a's is gone", async () => Object.keys(await stores(visitor)).every((name) => !name.includes('/a/')));
  assert.equal(Object.keys(await stores(visitor)).length, 1, "b's is there");
});
