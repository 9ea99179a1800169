// The promise itself, with the documented lines: what one visitor has, the next one gets from it; and nobody waits for
// us.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {documentedWorker, randomBytes, scene, sha256, until, within} from './harness/index.mjs';

/** DESIGN.md section 3, the page, as written; the import's path and the iceServers are filled in. */
const documentedPage = `import { PeerPlugin, CachePlugin } from '/peer-cdn/index.js';
const peerPlugin = new PeerPlugin({
  cacheName: CachePlugin.peerFetch + 1, timeoutAfter: 3000,
  servers: { iceServers: [] }, constraints: { ordered: true },
});
navigator.serviceWorker.addEventListener('message', (event) => {          // the long form, kept working as published
  const middleware = peerPlugin.getMiddleware({ request: new Request(event.data.url) });
  middleware.get()
    .then((response) => event.ports[0].postMessage(response))
    .catch(() => event.ports[0].postMessage(null));
});
navigator.serviceWorker.register('sw.js');
`;

const controlled = () => navigator.serviceWorker.controller !== null;

test(
    'the documented worker and page run as written, and the second visitor gets its bytes from the first',
    async (t) => {
      const {site, chromium} = scene(t);
      const [big, small] = [randomBytes('long form', 5_000_001), randomBytes('long form, small', 30_000)];
      const s = await site({
        '/static/model.bin': big,
        '/static/small.bin': small,
        '/page.js': documentedPage,
        '/sw.js': documentedWorker(),
      });
      const root = await s.root('/static/model.bin');
      const first = await chromium();
      await first.visit(s.url, {ready: false});
      await until('the worker controls the page', () => first.run(controlled));
      for (const [url, bytes] of [['/static/model.bin', big], ['/static/small.bin', small]]) {
        const got = await first.fetch(url);
        assert.equal(got.error, null);
        assert.equal(got.sha256, sha256(bytes));
      }
      await s.origin.untilShared(root);

      const second = await chromium();
      await second.visit(s.url, {ready: false});
      await until('the worker controls the page', () => second.run(controlled));
      await s.origin.untilIntroducible(root);
      s.origin.requests = [];
      for (const [url, bytes] of [['/static/model.bin', big], ['/static/small.bin', small]]) {
        const got = await second.fetch(url);
        assert.equal(got.error, null);
        assert.equal(got.sha256, sha256(bytes));
        const from = await second.sources(url);
        assert.equal(from.fromPeers, bytes.length, `${url}: ${JSON.stringify(from)}`);
        assert.equal(s.origin.sent(url), 0, `the origin sent ${url} again`);
      }
    });

test(
    'the short form: second visit from the first visitor, third from the store, and the head is from the manifest',
    async (t) => {
      const {site, chromium} = scene(t);
      const files = {'/static/a.wasm': randomBytes('a', 8_388_608 + 77), '/static/b.png': randomBytes('b', 20_000)};
      const s = await site(files);
      const {resources} = await s.manifest();
      const [first, second] = [await chromium(), await chromium()];
      await first.visit(s.url);
      for (const [url, bytes] of Object.entries(files)) assert.equal((await first.fetch(url)).sha256, sha256(bytes));
      await s.origin.untilShared(resources['/static/a.wasm'].root);
      await s.origin.untilShared(resources['/static/b.png'].root);
      for (const url of Object.keys(files)) {
        assert.equal(s.origin.sent(url), files[url].length, 'the first visitor took one copy from the origin');
      }
      s.origin.requests = [];
      await second.visit(s.url);
      for (const [url, bytes] of Object.entries(files)) {
        const got = await second.fetch(url);
        assert.equal(got.error, null);
        assert.equal(got.status, 200);
        assert.equal(got.sha256, sha256(bytes));
        assert.equal(got.headers['content-type'], resources[url].type);
        assert.equal(got.headers['content-length'], String(bytes.length));
        assert.equal(got.headers.etag, `"${resources[url].root}"`);
        assert.equal(got.headers['x-content-type-options'], 'nosniff');
        assert.equal(got.headers['content-encoding'], undefined);
        assert.equal((await second.sources(url)).fromPeers, bytes.length);

        await second.forget();
        assert.equal((await second.fetch(url)).sha256, sha256(bytes));
        assert.equal((await second.sources(url)).fromCache, bytes.length);
        assert.equal(s.origin.sent(url), 0, `${url} is not asked of the origin`);
      }
    });

test('nobody has it: no question goes to the coordinator, and nothing is added that can be measured', async (t) => {
  const {site, chromium} = scene(t);
  const files = {};
  const rounds = 15;
  for (let i = 0; i < rounds; ++i) {
    files[`/static/${i}.bin`] = randomBytes(`routed ${i}`, 40_000);
    files[`/plain/${i}.bin`] = randomBytes(`plain ${i}`, 40_000);
  }
  const s = await site(files, {latencyMs: 20});
  const visitor = await chromium();
  await visitor.visit(s.url);
  const times = {static: [], plain: []};
  for (let i = 0; i < rounds; ++i) {
    for (const folder of i % 2 ? ['static', 'plain'] : ['plain', 'static']) {
      const got = await visitor.fetch(`/${folder}/${i}.bin`);
      assert.equal(got.sha256, sha256(files[`/${folder}/${i}.bin`]));
      times[folder].push(got.ms);
    }
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  const added = median(times.static) - median(times.plain);
  t.diagnostic(`routed ${median(times.static).toFixed(1)} ms, not routed ${median(times.plain).toFixed(1)} ms`);
  // Two busy cores: far above any noise, far below the 3,000 ms of the old library and one 50 ms wait.
  assert.ok(added < 35, `a routed miss took ${added.toFixed(1)} ms longer`);
  assert.deepEqual(s.origin.signals.filter(({message}) => message.type === 'ask'), []);
});

test(
    'a page that is still streaming is not held up: a routed, parser-blocking script and an image load at once',
    async (t) => {
      const {site, chromium} = scene(t);
      const image = Buffer.from(
          'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
      const s = await site({
        '/static/block.js': 'window.blocked = performance.now();',
        '/static/dot.png': image,
        '/slow.html': `<!doctype html><title>slow</title><script src="/static/block.js"></script>
<script src="/after.js"></script><img src="/static/dot.png" id="dot"><!--${
                      'x'.repeat(40_000)}--><script type="module" src="/page.js"></script>`,
        '/after.js': 'window.after = performance.now();',
      });
      const [first, second] = [await chromium(), await chromium()];
      await first.visit(s.url);
      await first.fetch('/static/dot.png');
      await s.origin.untilShared(await s.root('/static/dot.png'));
      await second.visit(s.url);

      let release;
      const released = new Promise((resolve) => release = resolve);
      t.after(() => release());
      s.origin.rule('/slow.html', {each: async (entry) => entry.sent >= 16_384 ? released : undefined});
      await second.page.goto(`${s.url}/slow.html`, {waitUntil: 'commit'});
      await until(
          'the image is shown while the page still streams',
          () => second.run(() => document.getElementById('dot')?.naturalWidth === 1), {withinMs: 5000, everyMs: 20});
      const timing =
          await second.run(() => ({
                             state: document.readyState,
                             after: window.after,
                             script: performance.getEntriesByName(`${location.origin}/static/block.js`)[0]?.duration,
                             image: performance.getEntriesByName(`${location.origin}/static/dot.png`)[0]?.duration,
                           }));
      assert.equal(timing.state, 'loading');
      t.diagnostic(JSON.stringify(timing));
      assert.ok(timing.script < 1000 && timing.image < 1000, JSON.stringify(timing));
    });

test('a fetch from a dedicated worker is answered as quickly, with the right bytes', async (t) => {
  const {site, chromium} = scene(t);
  const bytes = randomBytes('dedicated', 700_000);
  const s = await site({
    '/static/x.bin': bytes,
    '/worker.js': `onmessage = async ({ data }) => {
      const began = performance.now();
      const buffer = await (await fetch(data)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer));
      postMessage({ ms: performance.now() - began, sha256: [...digest].map((b) => b.toString(16).padStart(2, '0')).join('') });
    };`,
  });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch('/static/x.bin');
  await s.origin.untilShared(await s.root('/static/x.bin'));
  await second.visit(s.url);
  const ask = () => second.run(() => new Promise((resolve) => {
                                 const worker = new Worker('/worker.js');
                                 worker.onmessage = ({data}) => resolve(data);
                                 worker.postMessage('/static/x.bin');
                               }));
  const got = await within('the worker\'s fetch', 10_000, ask());
  assert.equal(got.sha256, sha256(bytes));
  assert.ok(got.ms < 2500, `${got.ms} ms`);
});
