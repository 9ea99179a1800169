// Origins and workers as sites have them, in a real browser: what the page gets is what it would get without us, or better.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { documentedWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const small = '/static/small.bin';
const large = '/static/large.bin';
const files = { [small]: randomBytes('small', 7000), [large]: randomBytes('large', 5_000_000) };

/** A server's answer to a range, as many a tutorial on video has it: at most so many bytes at once. */
const MOST = 1_000_000;

/** Codes of the `error` events that the page's start() tells. */
const errorsOf = (visitor) =>
  visitor.run(
    () =>
      (window.told ??= (() => {
        const told = [];
        window.peerCdn.addEventListener('error', ({ detail }) => told.push(detail));
        return told;
      })()),
  );

test("a file that has grown behind a stale manifest comes whole, and is the browser's own request from then on", async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  const visitor = await chromium();
  await visitor.visit(s.url);
  await errorsOf(visitor);
  for (const [url, body] of Object.entries(files)) {
    const grown = Buffer.concat([body, Buffer.from('one more line\n')]);
    s.origin.rule(url, { body: grown });
    for (let turn = 0; turn < 2; turn++) {
      const got = await visitor.fetch(url);
      assert.equal(got.error, null);
      assert.equal(got.bytes, grown.length, url);
      assert.equal(got.sha256, sha256(grown), url);
    }
  }
  const told = await until('both are told', async () => {
    const now = await errorsOf(visitor);
    return now.length >= 2 && now;
  });
  assert.deepEqual(
    told.map(({ code, url }) => [code, new URL(url).pathname]),
    [
      ['origin-changed', small],
      ['origin-changed', large],
    ],
  );
});

test('429 reaches the page with all that came with it, in one request', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/sw.js': documentedWorker() });
  const visitor = await chromium();
  await visitor.visit(s.url);
  s.origin.rule(/^\/static\//, { status: 429, headers: { 'retry-after': '7' }, body: 'come back later' });
  for (const url of [small, large]) {
    const before = s.origin.log(url).length;
    const got = await visitor.run(async (path) => {
      const response = await fetch(path);
      return [response.status, response.headers.get('retry-after'), await response.text()];
    }, url);
    assert.deepEqual(got, [429, '7', 'come back later']);
    assert.equal(s.origin.log(url).length - before, 1, url);
  }
});

test('a server that sends less than it was asked for: a range of a listed file is what it is without us', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files, {
    serve: {
      wrap: (handle) => (request, response) => {
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
        if (range) {
          const last = Math.min(range[2] ? +range[2] : Infinity, +range[1] + MOST - 1);
          request.headers.range = `bytes=${range[1]}-${last}`;
        }
        handle(request, response);
      },
    },
  });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const got = await visitor.fetch(large);
  assert.deepEqual([got.error, got.status, got.sha256], [null, 200, sha256(files[large])]);
  const part = await visitor.run(async (path) => {
    const response = await fetch(path, { headers: { range: 'bytes=2000000-' } });
    return [response.status, (await response.arrayBuffer()).byteLength];
  }, large);
  assert.deepEqual(part, [206, 3_000_000]);
});

/** The site's own listener behind the documented one, with its app precached, as Workbox does it. */
const precaching = `${documentedWorker()}
addEventListener('install', (event) => event.waitUntil((async () => {
  const cache = await caches.open('app');
  await cache.addAll(['/', '/page.js', '/static/app.js', '/static/app.css']);
  await cache.put('/static/keyed.js?__WB_REVISION__=1', await fetch('/static/keyed.js'));
})()));
addEventListener('fetch', (event) => event.respondWith((async () =>
  (await caches.match(event.request)) ?? fetch(event.request))()));
`;

test('a file that its server packs, whatever is asked for, comes whole where a reader has left in the middle', async (t) => {
  const { site, chromium, firefox } = scene(t);
  const s = await site({ ...files, '/sw.js': documentedWorker() });
  const root = await s.root(large);
  for (const open of [chromium, firefox]) {
    const visitor = await open();
    await visitor.visit(s.url);
    s.origin.rule(large, { gzip: 'always', bytesPerSecond: 4_000_000 });
    assert.equal((await visitor.fetch(large, { abortAfter: 2_000_000 })).status, 200);
    await until('the beginning is stored', async () => (await visitor.stored()).some((key) => key.includes(`${root}?0-`)));
    s.origin.rule(large, { gzip: 'always' });
    s.origin.requests = [];
    const got = await visitor.fetch(large);
    assert.equal(got.error, null, visitor.kind);
    assert.equal(got.sha256, sha256(files[large]), visitor.kind);
    // A part, which is of no use, and the whole.
    assert.ok(s.origin.log(large).length <= 2, visitor.kind);
  }
});

test('an app that is precached behind us runs offline, also in a worker that has just started', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({
    ...files,
    '/sw.js': precaching,
    '/static/app.js': 'window.app = 1;',
    '/static/app.css': ':root { --app: 1; }',
    '/static/keyed.js': 'window.keyed = 1;',
    '/index.html': `<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="/static/app.css">
<script src="/static/app.js"></script><script type="module" src="/page.js"></script>`,
  });
  const visitor = await chromium();
  await visitor.visit(s.url);
  s.origin.goDown();
  const seen = async () => {
    await visitor.visit(s.url, { ready: false });
    return until('the app runs', () =>
      visitor.run(() => window.app === 1 && getComputedStyle(document.documentElement).getPropertyValue('--app').trim() === '1'),
    );
  };
  assert.ok(await seen());
  await visitor.stopWorkers();
  assert.ok(await seen());
  await visitor.stopWorkers();
  // The first request that this worker gets, while nobody knows what is listed.
  assert.equal(await visitor.run(async () => (await fetch('/static/app.js')).status), 200);
});

test('a script that is listed under a type of no script runs', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/static/app.dat': 'window.dat = (window.dat ?? 0) + 1;' }, { serve: { include: ['*.dat'] } });
  s.origin.rule('/static/app.dat', { headers: { 'content-type': 'text/javascript' } });
  const visitor = await chromium();
  await visitor.visit(s.url);
  assert.equal((await s.manifest()).resources['/static/app.dat'].type, 'application/octet-stream');
  const load = (type) =>
    visitor.run(
      (kind) =>
        new Promise((resolve) => {
          const script = Object.assign(document.createElement('script'), { type: kind, src: '/static/app.dat' });
          script.onload = () => resolve('loaded');
          script.onerror = () => resolve('blocked');
          document.head.append(script);
        }),
      type,
    );
  assert.equal(await load('module'), 'loaded');
  assert.equal(await load(''), 'loaded');
  const headers = await visitor.run(async () => [...(await fetch('/static/app.dat')).headers.keys()]);
  assert.ok(!headers.includes('x-content-type-options'));
});
