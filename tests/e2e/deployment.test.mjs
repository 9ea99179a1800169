// A deployment changes a file while pages are open: everybody gets the new bytes in time, and nobody a mixture.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { documentedWorker, patientWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/app.bin';
const [before, after] = [randomBytes('before', 3_000_000), randomBytes('after', 3_000_001)];

test('within the stated bound all open pages get the new bytes, never a mixture', { timeout: 300_000 }, async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const oldRoot = await s.root(url);
  const visitors = [await chromium(), await chromium()];
  for (const visitor of visitors) {
    await visitor.visit(s.url);
    assert.equal((await visitor.fetch(url)).sha256, sha256(before));
  }
  s.write(url, after);
  await until('the live manifest has the new root', async () => (await s.root(url)) !== oldRoot);
  const deployed = performance.now();
  const results = [];
  await Promise.all(
    visitors.map(async (visitor, i) => {
      for (;;) {
        // The bound is on looks that begin after it: how long one takes is the machine's.
        const began = performance.now() - deployed;
        const got = await visitor.fetch(url);
        const which = got.sha256 === sha256(before) ? 'old' : got.sha256 === sha256(after) ? 'new' : 'neither';
        results.push({ visitor: i, which, error: got.error, began: Math.round(began) });
        if (which === 'neither') assert.notEqual(got.error, null, 'a body that is neither must be an error');
        if (which === 'new') return;
        assert.ok(began < 60_000, 'still the old bytes after 60 s');
        await delay(500);
      }
    }),
  );
  t.diagnostic(
    results
      .filter(({ which }) => which !== 'old')
      .map((one) => JSON.stringify(one))
      .join(' '),
  );
});

test('a navigation sees the deployment at once; the new bytes travel between peers', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const oldRoot = await s.root(url);
  const [first, second] = [await chromium(), await chromium()];
  for (const visitor of [first, second]) {
    await visitor.visit(s.url);
    assert.equal((await visitor.fetch(url)).sha256, sha256(before));
  }
  s.write(url, after);
  const root = await until('the live manifest has the new root', async () => {
    const now = await s.root(url);
    return now !== oldRoot && now;
  });
  await first.visit(`${s.url}/?1`);
  // Sooner than the bound on pages that only stay open, however busy the machine is.
  await until('the first visitor has the new bytes', async () => (await first.fetch(url)).sha256 === sha256(after));
  await s.origin.untilShared(root);
  s.origin.requests = [];
  s.origin.recede();
  await second.visit(`${s.url}/?2`);
  await s.origin.untilIntroducible(root);
  await until('the second visitor has the new bytes', async () => {
    await second.forget();
    return (await second.fetch(url)).sha256 === sha256(after);
  });
  assert.equal((await second.sources(url)).fromPeers, after.length);
  assert.equal(s.origin.sent(url), 0);
});

test('offline: what is stored is served, and a deployment is noticed afterwards', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.fetch(url);
  const oldRoot = await s.root(url);
  s.origin.goDown();
  const got = await visitor.fetch(url);
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(before));
  s.write(url, after);
  assert.equal((await visitor.fetch(url)).sha256, sha256(before), 'still offline: what is stored');

  s.origin.isDown = false;
  await until('the live manifest has the new root', async () => (await s.root(url)) !== oldRoot);
  await visitor.visit(`${s.url}/?back`);
  await until('the new bytes', async () => {
    const { sha256: digest, error } = await visitor.fetch(url);
    if (error === null)
      assert.ok(
        [before, after].some((bytes) => sha256(bytes) === digest),
        'a mixture',
      );
    return digest === sha256(after);
  });
});

// What a worker's fetch prints is not told to whoever watches the page: the engine in the page shows it.
for (const [where, init] of [
  ['in a worker', undefined],
  ['in the page', () => delete globalThis.Worker],
]) {
  test(`a new version of the store while pages are open: no line on the console, engine ${where}`, async (t) => {
    const { site, chromium } = scene(t);
    const urls = [1, 2, 3, 4].map((n) => `/static/${n}.bin`);
    const s = await site(Object.fromEntries(urls.map((each) => [each, randomBytes(each, 300_000)])));
    const visitor = await chromium({ init });
    const lines = [];
    visitor.page.on('console', (line) => lines.push(`${line.type()}: ${line.text()}`));
    await visitor.visit(s.url);
    for (const each of urls.slice(0, 3)) {
      await visitor.fetch(each);
      await s.origin.untilShared(await s.root(each));
    }
    // What came through the worker is not in the HTTP cache, or may go from there at any time.
    const session = await visitor.page.context().newCDPSession(visitor.page);
    await session.send('Network.clearBrowserCache');
    s.write('/sw.js', `skipWaiting();${patientWorker().replace('version: 1', 'version: 2')}`);
    await visitor.run(async () => void (await (await navigator.serviceWorker.ready).update()));
    // Chromium may keep the old worker for minutes, whoever's it is, where an event came as the new one was to take over.
    await until('the new worker has taken over', async () => {
      const isWaiting = await visitor.run(async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting));
      if (isWaiting) await visitor.stopWorkers();
      return visitor.run(async () => {
        const { installing, waiting } = await navigator.serviceWorker.getRegistration();
        return !installing && !waiting && (await caches.keys()).some((name) => name.startsWith('peer-cdn-v2'));
      });
    });
    // It does so once it has met the new store, and looks for what it had loaded in that turn.
    const have = () => s.origin.signals.filter(({ from, message }) => from === 'client' && message.type === 'have').length;
    const before = have();
    await visitor.fetch(urls[3]);
    await until('the page announces what it has in the new store', () => have() > before);
    assert.deepEqual(lines, []);
    assert.equal(await visitor.run(() => window.peerCdn.active), true);
  });
}

/** The worker of many a PWA: a new one takes over at once. The comment makes it another script. */
const eagerWorker = (version) => `${documentedWorker()}
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
// ${version}
`;

test('a worker that is replaced in mid-transfer has stored what it brought', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before, '/sw.js': eagerWorker(1) });
  const visitor = await chromium();
  await visitor.visit(s.url);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  s.origin.rule(url, { each: ({ sent }) => (sent < before.length / 2 ? undefined : released) });
  const first = visitor.fetch(url);
  await until('half of it has come', () => s.origin.sent(url) >= before.length / 2);
  s.write('/sw.js', eagerWorker(2));
  await visitor.run(async () => {
    const registration = await navigator.serviceWorker.ready;
    window.replaced = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
    await registration.update();
  });
  await until('the new worker waits for the old one', () =>
    visitor.run(async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting)),
  );
  release();
  assert.equal((await first).sha256, sha256(before));
  await visitor.run(() => window.replaced);
  s.origin.requests = [];
  assert.equal((await visitor.fetch(url)).sha256, sha256(before));
  assert.equal(s.origin.sent(url), 0);
});
