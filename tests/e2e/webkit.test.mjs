// WebKitGTK, which has no WebRTC, no streams that can be transferred and no estimate of its storage: what needs no peer works
// there as it does elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileOf } from '../transparency/files.mjs';
import { documentedWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/large.bin';
const large = randomBytes('WebKit', 5_000_000);

/** A site, and a visitor whose start() has resolved. */
async function visited(t, files, options, init) {
  const { site, webkit } = scene(t);
  const s = await site({ '/sw.js': documentedWorker(), ...files }, options);
  const visitor = await webkit({ init });
  await visitor.visit(s.url, { ready: 'settled' });
  return { s, visitor };
}

const errorsOf = (visitor) =>
  visitor.run(() => globalThis.e2e.said.filter(({ type }) => type === 'error').map(({ code }) => code));

async function assertWhole(visitor, path, bytes) {
  const got = await visitor.fetch(path);
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
}

test('without WebRTC and an estimate of the storage, what was fetched once comes from the store', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  assert.deepEqual(await visitor.run(() => [typeof RTCPeerConnection, typeof navigator.storage?.estimate]), [
    'undefined',
    'undefined',
  ]);
  await assertWhole(visitor, url, large);
  assert.equal(s.origin.sent(url), large.length);
  await visitor.untilStored((await s.manifest()).resources[url]);
  s.origin.reset();
  await visitor.forget();
  await assertWhole(visitor, url, large);
  assert.equal(s.origin.sent(url), 0);
  assert.equal((await visitor.sources(url)).fromCache, large.length);
  assert.ok(!(await errorsOf(visitor)).includes('storage-full'));
});

test('the origin is asked once for what a page had loaded before its worker was there', async (t) => {
  const picture = fileOf('loaded before', 'png', 60_000);
  const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><img src="/static/picture.png">
<script type="module" src="/page.js"></script>`;
  const files = { '/index.html': page, '/static/picture.png': picture, [url]: large };
  // It is idle at once.
  const { s, visitor } = await visited(t, files, {}, () => (globalThis.requestIdleCallback = (work) => setTimeout(work)));
  // When that is stored, a page that wanted the picture would have asked for it.
  await assertWhole(visitor, url, large);
  await visitor.untilStored((await s.manifest()).resources[url]);
  assert.equal(s.origin.log('/static/picture.png').length, 1);
});

test('what is larger than the quota comes whole all the same, and storage-full is told once', async (t) => {
  const worker = documentedWorker().replace('{ version: 1 }', '{ version: 1, quotaBytes: 100000 }');
  const names = [1, 2, 3].map((number) => `/static/${number}.bin`);
  const files = Object.fromEntries(names.map((name) => [name, randomBytes(name, 3_000_000)]));
  const { visitor } = await visited(t, { ...files, '/sw.js': worker });
  for (const name of names) await assertWhole(visitor, name, files[name]);
  await until('storage-full is told', async () => (await errorsOf(visitor)).includes('storage-full'));
  assert.equal((await errorsOf(visitor)).filter((code) => code === 'storage-full').length, 1);
});

test('a file that nobody has comes once for several readers at once', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  s.origin.pace(8e6);
  const got = await Promise.all(Array.from({ length: 4 }, () => visitor.fetch(url)));
  for (const { error, sha256: digest } of got) assert.deepEqual([error, digest], [null, sha256(large)]);
  assert.equal(s.origin.sent(url), large.length);
});

test('ranges are what was asked for, from the origin and from the store', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  for (const turn of ['origin', 'store']) {
    for (const [range, begin, end] of [
      ['bytes=-500', 4_999_500, 5_000_000],
      ['bytes=1048570-1048585', 1_048_570, 1_048_586],
      ['bytes=4900000-9999999', 4_900_000, 5_000_000],
    ]) {
      const got = await visitor.fetch(url, { init: { headers: { range } } });
      assert.deepEqual([got.status, got.error], [206, null], `${range} of the ${turn}`);
      assert.equal(got.headers['content-range'], `bytes ${begin}-${end - 1}/5000000`);
      assert.equal(got.sha256, sha256(large.subarray(begin, end)), `${range} of the ${turn}`);
    }
    if (turn === 'origin') {
      await assertWhole(visitor, url, large);
      await visitor.untilStored((await s.manifest()).resources[url]);
    }
  }
});

test('a film plays, and seeks to its end', async (t) => {
  const { visitor } = await visited(t, { '/static/film.webm': fileOf('WebKit', 'webm', 3_000_000) });
  const played = await visitor.run(async (source) => {
    const video = document.createElement('video');
    video.muted = true;
    document.body.append(video);
    const next = (name) =>
      new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
      });
    const ready = next('loadeddata');
    video.src = source;
    await ready;
    const sought = next('seeked');
    video.currentTime = 3;
    await sought;
    return { width: video.videoWidth, at: Math.round(video.currentTime) };
  }, '/static/film.webm');
  assert.deepEqual(played, { width: 320, at: 3 });
});

test('a file that the origin has changed comes as it is, and origin-changed is told', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  const grown = Buffer.concat([large, Buffer.from('one more line\n')]);
  s.origin.rule(url, { body: grown });
  for (let turn = 0; turn < 2; ++turn) await assertWhole(visitor, url, grown);
  await until('it is told', async () => (await errorsOf(visitor)).includes('origin-changed'));
  assert.equal((await errorsOf(visitor)).filter((code) => code === 'origin-changed').length, 1);
});

test('429 reaches the page with all that came with it, in one request', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  s.origin.rule(url, { status: 429, headers: { 'retry-after': '7' }, body: 'come back later' });
  const got = await visitor.run(async (path) => {
    const response = await fetch(path);
    return [response.status, response.headers.get('retry-after'), await response.text()];
  }, url);
  assert.deepEqual(got, [429, '7', 'come back later']);
  assert.equal(s.origin.log(url).length, 1);
});

test('offline: what is stored is served; and a deployment is seen by the next page', async (t) => {
  const { s, visitor } = await visited(t, { [url]: large });
  await assertWhole(visitor, url, large);
  const { [url]: resource } = (await s.manifest()).resources;
  await visitor.untilStored(resource);
  s.origin.goDown();
  await assertWhole(visitor, url, large);
  const after = randomBytes('WebKit, deployed', 5_000_000);
  s.write(url, after);
  s.origin.isDown = false;
  await until('the live manifest has the new root', async () => (await s.root(url)) !== resource.root);
  await visitor.visit(`${s.url}/?back`, { ready: 'settled' });
  await until('the new bytes', async () => (await visitor.fetch(url)).sha256 === sha256(after));
});

test('a response that takes 44 s arrives whole', { timeout: 300_000 }, async (t) => {
  const slow = randomBytes('slow in WebKit', 1_320_000);
  const { s, visitor } = await visited(t, { '/static/slow.bin': slow });
  s.origin.pace(30_000);
  const got = await visitor.fetch('/static/slow.bin', { withinMs: 100_000 });
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(slow));
  assert.ok(got.ms > 42_000, `it took only ${got.ms} ms`);
});
