// What the very first page load brought, before there was a worker, is shared too, and not fetched again for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

/** A picture of noise: what cannot be decoded, a browser does not load to its end. */
function bitmap(seed, side) {
  const head = Buffer.alloc(54);
  const pixels = randomBytes(seed, side * side * 3);
  head.write('BM');
  head.writeUInt32LE(head.length + pixels.length, 2);
  head.writeUInt32LE(head.length, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(side, 18);
  head.writeInt32LE(side, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(24, 28);
  head.writeUInt32LE(pixels.length, 34);
  return Buffer.concat([head, pixels]);
}

const picture = bitmap('picture', 480);
const mine = bitmap('mine', 320);

test('a first visitor shares what its HTML loaded, but not what the origin calls private', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({
    '/index.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<img src="/static/mine.bmp"><img src="/static/picture.bmp"><script type="module" src="/page.js"></script>`,
    '/static/mine.bmp': mine,
    '/static/picture.bmp': picture,
  });
  s.origin.rule('/static/picture.bmp', { headers: { 'cache-control': 'max-age=600' } });
  s.origin.rule('/static/mine.bmp', { headers: { 'cache-control': 'private, max-age=600' } });
  const { resources } = await s.manifest();
  const root = resources['/static/picture.bmp'].root;
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await s.origin.untilShared(root);
  assert.equal(s.origin.sent('/static/picture.bmp'), picture.length, 'read from the HTTP cache');
  assert.equal(s.origin.sent('/static/mine.bmp'), mine.length, 'it lies in the HTTP cache just as well');
  // Adoption goes through the page's files one after another, in this order: the other one has had its turn.
  const loaded = await first.run(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
  assert.deepEqual(
    loaded.filter((path) => path.endsWith('.bmp')),
    ['/static/mine.bmp', '/static/picture.bmp'],
  );
  const stored = await first.stored();
  assert.ok(stored.some((key) => key.includes(root)));
  assert.ok(!stored.some((key) => key.includes(resources['/static/mine.bmp'].root)), stored.join('\n'));
  assert.deepEqual([...s.origin.offered], [root]);

  // A page without the images, so that the worker is there first.
  s.write('/other.html', '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
  await second.visit(`${s.url}/other.html`);
  const got = await until('visitor 2 has it from visitor 1', async () => {
    const answer = await second.fetch('/static/picture.bmp');
    return (await second.sources('/static/picture.bmp')).fromPeers > 0 && answer;
  });
  assert.equal(got.sha256, sha256(picture));
  assert.equal(s.origin.sent('/static/picture.bmp'), picture.length, 'the origin served it once');
});

test('what the HTTP cache has in parts, or not at all, is not looked for there: no line on the console', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({
    '/index.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<video src="/static/film.webm"></video><img src="/static/gone.bmp"><img src="/static/picture.bmp">
<script type="module" src="/page.js"></script>`,
    '/static/film.webm': randomBytes('film', 900_000),
    '/static/gone.bmp': mine,
    '/static/picture.bmp': picture,
  });
  s.origin.rule(/^\/static\//, { headers: { 'cache-control': 'max-age=600' } });
  s.origin.rule('/static/gone.bmp', { status: 404, headers: { 'cache-control': 'no-store' } });
  // No test hears what a browser says of a worker's requests: this page has its engine in itself.
  const visitor = await chromium({ init: () => (globalThis.Worker = undefined) });
  const said = [];
  visitor.page.on('console', (message) => said.push(message.text()));
  await visitor.visit(s.url);
  // All three are in the page's one list, and the picture is looked for.
  await s.origin.untilShared(await s.root('/static/picture.bmp'));
  const statuses = (path) => s.origin.log(path).map(({ status }) => status);
  assert.deepEqual([statuses('/static/film.webm')[0], statuses('/static/gone.bmp')], [206, [404]]);
  assert.deepEqual(
    said.filter((text) => text.includes('ERR_CACHE_MISS')),
    [],
  );
});
