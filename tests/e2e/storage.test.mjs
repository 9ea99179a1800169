// The store within its quota: the oldest files leave it, whole, and everybody who shared them knows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { CACHE_PREFIX, CHANNEL, STORE_PATH } from '../../build/border.js';
import { documentedWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const quotaBytes = 4_500_000;
const workerWith = (bytes) => documentedWorker().replace('{ version: 1 }', `{ version: 1, quotaBytes: ${bytes} }`);
const worker = workerWith(quotaBytes);
const urls = ['/static/1.bin', '/static/2.bin', '/static/3.bin'];

/** In the page: bytes of runs in the store, by root. */
async function sizesInPage({ cacheName, path }) {
  const cache = await caches.open(cacheName);
  const sizes = {};
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    const root = pathname.startsWith(path) && pathname.slice(path.length);
    // A file may be dropped while its runs are counted.
    const run = root && (await cache.match(request));
    if (run) sizes[root] = (sizes[root] ?? 0) + (await run.arrayBuffer()).byteLength;
  }
  return sizes;
}
const stored = (visitor) => visitor.run(sizesInPage, { cacheName: `${CACHE_PREFIX}1`, path: STORE_PATH });

const listenForDropped = (channel) => {
  window.dropped = [];
  new BroadcastChannel(channel).addEventListener('message', ({ data }) => {
    if (data.type === 'dropped') window.dropped.push(data.root);
  });
};

test('three files of 2 MB under 4.5 MB: the oldest is dropped, and fetched again it is whole', async (t) => {
  const { site, chromium } = scene(t);
  const files = Object.fromEntries(urls.map((url) => [url, randomBytes(url, 2_000_000)]));
  const s = await site({ ...files, '/sw.js': worker });
  const roots = await Promise.all(urls.map((url) => s.root(url)));
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listenForDropped, CHANNEL);
  for (const url of urls) {
    const got = await visitor.fetch(url);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(files[url]));
  }
  const second = { [roots[1]]: 2_000_000, [roots[2]]: 2_000_000 };
  await until('the oldest is gone', async () => JSON.stringify(await stored(visitor)) === JSON.stringify(second));
  assert.deepEqual(await visitor.run(() => window.dropped), [roots[0]]);

  s.origin.requests = [];
  const again = await visitor.fetch(urls[0]);
  assert.equal(again.sha256, sha256(files[urls[0]]));
  // The browser's HTTP cache may have it, as without us.
  assert.ok(s.origin.log(urls[0]).length <= 1);
  await until('the next oldest is gone', async () => !(await stored(visitor))[roots[1]]);
  assert.deepEqual(await visitor.run(() => window.dropped), [roots[0], roots[1]]);
});

test('a file that is open is not dropped; one that is larger than the quota comes whole all the same', async (t) => {
  const { site, chromium } = scene(t);
  const files = { '/static/a.bin': randomBytes('a', 2_000_000), '/static/big.bin': randomBytes('big', 7_000_000) };
  const s = await site({ ...files, '/sw.js': worker });
  const [a, big] = [await s.root('/static/a.bin'), await s.root('/static/big.bin')];
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listenForDropped, CHANNEL);
  await visitor.fetch('/static/a.bin');
  await until('the first is stored', async () => (await stored(visitor))[a] === 2_000_000);
  const got = await visitor.fetch('/static/big.bin');
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(files['/static/big.bin']));
  // Written once nothing is read, so a moment after the response.
  const sizes = await until('what fits of the large file is stored', async () => {
    const now = await stored(visitor);
    return now[big] > 3_000_000 && now;
  });
  t.diagnostic(JSON.stringify(sizes));
  assert.ok(sizes[big] <= quotaBytes, `${sizes[big]} bytes`);
  assert.deepEqual(await visitor.run(() => window.dropped), [a], 'the file being stored stays');
});

test('a browser that gives less than the quota: the oldest goes, and the put that failed is done again', async (t) => {
  const { site, chromium } = scene(t);
  const files = Object.fromEntries(urls.map((url) => [url, randomBytes(`full ${url}`, 2_000_000)]));
  const s = await site({ ...files, '/sw.js': workerWith(1e9) });
  const roots = await Promise.all(urls.map((url) => s.root(url)));
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listenForDropped, CHANNEL);
  const { usage } = await visitor.run(() => navigator.storage.estimate());
  const session = await visitor.context.newCDPSession(visitor.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: s.origin.url, quotaSize: usage + 5_000_000 });
  for (const url of urls) {
    const got = await visitor.fetch(url);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(files[url]));
  }
  const left = { [roots[1]]: 2_000_000, [roots[2]]: 2_000_000 };
  await until(
    'the oldest is gone, the last is there',
    async () => JSON.stringify(await stored(visitor)) === JSON.stringify(left),
  );
  assert.deepEqual(await visitor.run(() => window.dropped), [roots[0]]);
});

test('a browser that has no room for what peers sent: the oldest goes, and it is stored', async (t) => {
  const { site, chromium } = scene(t);
  const files = Object.fromEntries(urls.map((url) => [url, randomBytes(`peers ${url}`, 2_000_000)]));
  const s = await site({ ...files, '/sw.js': workerWith(1e9) });
  const roots = await Promise.all(urls.map((url) => s.root(url)));
  const seeder = await chromium();
  await seeder.visit(s.url);
  for (const [i, url] of urls.entries()) {
    await seeder.fetch(url);
    await s.origin.untilShared(roots[i]);
  }
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listenForDropped, CHANNEL);
  await s.origin.untilIntroducible(roots[2]);
  const { usage } = await visitor.run(() => navigator.storage.estimate());
  const session = await visitor.context.newCDPSession(visitor.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: s.origin.url, quotaSize: usage + 5_000_000 });
  for (const [i, url] of urls.entries()) {
    const got = await s.origin.away(() => visitor.fetch(url));
    assert.equal(got.sha256, sha256(files[url]));
    if (i < 2) await until('it is stored', async () => (await stored(visitor))[roots[i]] === 2_000_000);
  }
  const left = { [roots[1]]: 2_000_000, [roots[2]]: 2_000_000 };
  await until('the oldest is gone, the last is there', async () => isDeepStrictEqual(await stored(visitor), left));
  assert.deepEqual(await visitor.run(() => window.dropped), [roots[0]]);
});

test('a page that closes in the middle of a transfer keeps what it has verified', async (t) => {
  const { site, chromium } = scene(t);
  const url = '/static/film.bin';
  const bytes = randomBytes('film', 12_000_000);
  const s = await site({ [url]: bytes });
  const root = await s.root(url);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch(url);
  await s.origin.untilShared(root);
  await first.run(() => {
    window.peerCdn.upload = { bytesPerSecond: 2_000_000 };
  });
  await second.visit(s.url);
  await s.origin.untilIntroducible(root);
  s.origin.recede();
  second.fetch(url).catch(() => {});
  await until('3 MB came from the first visitor', async () => (await second.transfers(url))[0]?.fromPeers >= 3_000_000);
  await second.visit(s.url);
  const kept = (await stored(second))[root] ?? 0;
  assert.ok(kept >= 2_750_000, `${kept} bytes are stored`);
  assert.equal((await second.fetch(url)).sha256, sha256(bytes));
});
