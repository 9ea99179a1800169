// Routes of another make than the documented one: everything at once, and a site's own middlewares. What loses or is
// not read must not stay open.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CHANNEL } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/data.bin';

const workerOf = (route) => `
importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies } = PeerCDN;
const cache = new CachePlugin({ version: 1 });
const delegate = new DelegatePlugin({ timeoutAfter: 5000 });
const network = new NetworkPlugin();
const cdn = new PeerCDN();
${route}
cdn.register();
`;

/** Remembers how many responses the worker says are open: it does where that lasts. */
const listen = (channel) => {
  window.open_ = 0;
  window.wasBusy = false;
  window.lengths = [];
  new BroadcastChannel(channel).addEventListener('message', ({ data }) => {
    if (data.type === 'busy') window.open_ = data.open;
    if (window.open_ > 0) window.wasBusy = true;
    if (data.type === 'put') window.lengths.push(data.bytes);
  });
};
const untilIdle = (visitor) => until('nothing is open', () => visitor.run(() => window.wasBusy && window.open_ === 0));

test('all at once: when the store wins, the origin is not asked for the whole file', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('fastest', 8_000_000);
  const route = "cdn.GET('/static', strategies.fastest, cache.getMiddleware, network.getMiddleware);";
  const s = await site({ [url]: bytes, '/sw.js': workerOf(route) });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listen, CHANNEL);
  // Pages hear of a response that lasts.
  s.origin.pace(8_000_000);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  await untilIdle(visitor);
  // The origin's bytes take 4 s now: the store is faster, and what the loser asked for is broken off.
  s.origin.pace(2_000_000);
  s.origin.requests = [];
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  await untilIdle(visitor);
  await until('the origin is let go', () => s.origin.requests.every(({ isOpen }) => !isOpen));
  t.diagnostic(`${s.origin.sent(url)} bytes from the origin`);
  assert.ok(s.origin.sent(url) < 4_000_000);
});

test("a middleware's put gets the whole answer; one that does not read it keeps nothing open", async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('put', 3_000_000);
  const route = `
const channel = new BroadcastChannel('${CHANNEL}');
const reads = () => ({ get: () => null,
  put: async (response) => channel.postMessage({ type: 'put', bytes: (await response.arrayBuffer()).byteLength }) });
const ignores = () => ({ get: () => null, put: () => {} });
const late = () => ({ get: () => null, put: (response) => {
  caches.open('mine').then((cache) => cache.put('/mine', response));
} });
cdn.GET('/static', strategies.ordered, reads, ignores, late, cache.getMiddleware, network.getMiddleware);`;
  const s = await site({ [url]: bytes, '/sw.js': workerOf(route) });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(listen, CHANNEL);
  s.origin.pace(3_000_000);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  await until('a put that returns no promise has stored all of it', () =>
    visitor.run(async (size) => {
      const response = await (await caches.open('mine')).match('/mine');
      return response ? (await response.arrayBuffer()).byteLength === size : false;
    }, bytes.length),
  );
  await until('the put has read all of it', () => visitor.run((size) => window.lengths.includes(size), bytes.length));
  await untilIdle(visitor);
});

test('beside a middleware of the site, a page that the browser preloads is asked of the origin once', async (t) => {
  const { site, chromium, firefox } = scene(t);
  // One looks at it and leaves it to the next; one reads it and has no answer either.
  const route = `
const looks = (event) => ({ get: async () => void (await event.preloadResponse)?.ok });
const reads = (event) => ({ get: async () => void (await (await event.preloadResponse)?.text()) });
const ours = [cache, network].map(({ getMiddleware }) => getMiddleware);
cdn.GET('/', strategies.ordered, looks, ...ours);
cdn.GET('/fallen.html', strategies.ordered, looks, cache.getMiddleware);
cdn.GET('/read.html', strategies.ordered, reads, ...ours);
addEventListener('activate', (event) => event.waitUntil(registration.navigationPreload.enable()));`;
  const page = '<!doctype html><title>here</title>';
  const pages = { '/page.html': page, '/fallen.html': page, '/read.html': page };
  const s = await site({ ...pages, '/sw.js': workerOf(route) });
  for (const open of [chromium, firefox]) {
    const visitor = await open();
    await visitor.visit(s.url);
    await visitor.run(() => navigator.serviceWorker.ready.then(() => true));
    for (const [path, times] of [
      ['/page.html', 1],
      ['/fallen.html', 1],
      ['/read.html', 2],
    ]) {
      s.origin.requests = [];
      await visitor.visit(s.url + path, { ready: false });
      assert.equal(await visitor.run(() => document.title), 'here');
      const asked = s.origin.log(path);
      assert.equal(asked.length, times, `${visitor.kind}: ${path}`);
      assert.equal(asked[0].headers['service-worker-navigation-preload'], 'true');
    }
  }
});
