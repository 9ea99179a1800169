// A store whose bytes went bad: what it gives is digested, so that no page sees them, and the run is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CACHE_PREFIX, STORE_PATH } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

/** The store of the documented worker, and the path of its runs. */
const store = { cacheName: `${CACHE_PREFIX}1`, path: STORE_PATH };

/** Bytes of all runs that the visitor's store holds. */
const storedBytes = (visitor) =>
  visitor.run(async ({ cacheName, path }) => {
    const cache = await caches.open(cacheName);
    const runs = (await cache.keys()).filter((request) => request.url.includes(path));
    const bodies = await Promise.all(runs.map((run) => cache.match(run)));
    const sizes = await Promise.all(bodies.map(async (body) => (body ? (await body.arrayBuffer()).byteLength : 0)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }, store);

test("wrong and short runs of the store are replaced by the origin's, in the middle of a body", async (t) => {
  const { site, chromium } = scene(t);
  const url = '/static/data.bin';
  const bytes = randomBytes('rot', 5_000_000);
  const s = await site({ [url]: bytes });
  const visitor = await chromium();
  await visitor.visit(s.url);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  // What is read is written a moment later.
  await until('the whole file is stored', async () => (await storedBytes(visitor)) === bytes.length);
  const spoilt = await visitor.run(async ({ cacheName, path }) => {
    const cache = await caches.open(cacheName);
    const runs = (await cache.keys()).filter((request) => request.url.includes(path));
    const spoil = async (request, change) => {
      const good = new Uint8Array(await (await cache.match(request)).arrayBuffer());
      await cache.put(request, new Response(change(good)));
    };
    await spoil(runs[1], (good) => {
      good[70_000] ^= 1;
      return good;
    });
    await spoil(runs[3], (good) => good.subarray(0, 100_000));
    return runs.length;
  }, store);
  assert.ok(spoilt >= 4, `${spoilt} runs`);
  const before = s.origin.sent(url);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  const again = s.origin.sent(url) - before;
  assert.ok(again > 0 && again <= 2 * 1024 * 1024, `${again} bytes from the origin`);
  // What the origin gave instead is stored, and right. The good pieces of a run that was dropped are asked for once more.
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  await until('the whole file is stored again', async () => (await storedBytes(visitor)) === bytes.length);
  const all = s.origin.sent(url);
  assert.ok(all - before <= 2 * 1024 * 1024, `${all - before} bytes from the origin`);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  assert.equal(s.origin.sent(url), all);
});

test('a run that the browser took away behind the worker is asked of peers with all the rest', async (t) => {
  const { site, chromium } = scene(t);
  const url = '/static/data.bin';
  const bytes = randomBytes('taken away', 5_000_000);
  const s = await site({ [url]: bytes });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch(url);
  await s.origin.untilShared(await s.root(url));
  await second.visit(s.url);
  await s.origin.untilIntroducible(await s.root(url));
  const head = await second.run(async (file) => {
    const response = await fetch(file, { headers: { range: 'bytes=0-65535' } });
    return (await response.arrayBuffer()).byteLength;
  }, url);
  assert.equal(head, 65536);
  const isStored = () =>
    second.run(async ({ cacheName, path }) => {
      const cache = await caches.open(cacheName);
      const runs = (await cache.keys()).filter((request) => request.url.includes(path));
      for (const run of runs) await cache.delete(run);
      return runs.length > 0;
    }, store);
  await until('what it read was stored, and is taken away', isStored);
  s.origin.recede();
  const before = (await second.sources(url)).fromPeers;
  assert.equal((await second.fetch(url)).sha256, sha256(bytes));
  assert.equal((await second.sources(url)).fromPeers - before, bytes.length);
});
