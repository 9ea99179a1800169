// The promise itself, with the documented lines: what one visitor has, the next one gets from it; and nobody waits for
// us.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { documentedWorker, randomBytes, sha256, until, within } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

/** The page of the README, as written; the import's path and the iceServers are filled in. */
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

test('the documented worker and page run as written, and the second visitor gets its bytes from the first', async (t) => {
  const { site, chromium } = scene(t);
  // Three of each: the published waits of 3 s and 5 s are short for a busy machine, and then the origin is right to come.
  const turns = [1, 2, 3].map((turn) => [
    [`/static/model${turn}.bin`, randomBytes(`long form ${turn}`, 3_000_001)],
    [`/static/small${turn}.bin`, randomBytes(`long form, small ${turn}`, 30_000)],
  ]);
  const s = await site({
    ...Object.fromEntries(turns.flat()),
    '/page.js': documentedPage,
    '/sw.js': documentedWorker(),
  });
  const first = await chromium();
  await first.visit(s.url, { ready: false });
  await until('the worker controls the page', () => first.run(controlled));
  for (const [url, bytes] of turns.flat()) {
    const got = await first.fetch(url);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
    await s.origin.untilShared(await s.root(url));
  }

  const second = await chromium();
  await second.visit(s.url, { ready: false });
  await until('the worker controls the page', () => second.run(controlled));
  for (const [url] of turns.flat()) await s.origin.untilIntroducible(await s.root(url));
  s.origin.requests = [];
  const fromPeers = async ([url, bytes]) => {
    const got = await s.origin.away(() => second.fetch(url));
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
    const from = await second.sources(url);
    t.diagnostic(`${url}: ${JSON.stringify(from)}`);
    return from.fromPeers === bytes.length && s.origin.sent(url) === 0;
  };
  for (const kind of [0, 1]) {
    let done = false;
    for (const turn of turns) done ||= await fromPeers(turn[kind]);
    assert.ok(done, 'all of one of three is from the first visitor, and the origin sends nothing');
  }
});

test('the short form: second visit from the first visitor, third from the store, head from the manifest', async (t) => {
  const { site, chromium } = scene(t);
  const files = { '/static/a.wasm': randomBytes('a', 8_388_608 + 77), '/static/b.png': randomBytes('b', 20_000) };
  const s = await site(files);
  const { resources } = await s.manifest();
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  for (const [url, bytes] of Object.entries(files)) assert.equal((await first.fetch(url)).sha256, sha256(bytes));
  await s.origin.untilShared(resources['/static/a.wasm'].root);
  await s.origin.untilShared(resources['/static/b.png'].root);
  for (const url of Object.keys(files)) {
    assert.equal(s.origin.sent(url), files[url].length, 'the first visitor took one copy from the origin');
  }
  s.origin.requests = [];
  s.origin.recede();
  await second.visit(s.url);
  for (const { root } of Object.values(resources)) await s.origin.untilIntroducible(root);
  for (const [url, bytes] of Object.entries(files)) {
    const got = await second.fetch(url);
    assert.equal(got.error, null);
    assert.equal(got.status, 200);
    assert.equal(got.sha256, sha256(bytes));
    assert.equal(got.headers['content-type'], resources[url].type);
    assert.equal(got.headers['content-length'], String(bytes.length));
    assert.equal(got.headers.etag, `"${resources[url].root}"`);
    assert.equal(got.headers['x-content-type-options'], undefined);
    assert.equal(got.headers['content-encoding'], undefined);
    assert.equal((await second.sources(url)).fromPeers, bytes.length);

    await second.untilStored(resources[url]);
    await second.forget();
    assert.equal((await second.fetch(url)).sha256, sha256(bytes));
    assert.equal((await second.sources(url)).fromCache, bytes.length);
    assert.equal(s.origin.sent(url), 0, `${url} is not asked of the origin`);
  }
});

test('nobody has it: a small file is asked of no coordinator, and the origin sends each once', async (t) => {
  const { site, chromium } = scene(t);
  const rounds = 5;
  const files = { '/static/large.bin': randomBytes('large', 3_000_000) };
  for (let i = 0; i < rounds; ++i) files[`/static/${i}.bin`] = randomBytes(`routed ${i}`, 40_000);
  const s = await site(files);
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(() => {
    window.asked = [];
    navigator.serviceWorker.addEventListener('message', ({ data }) => window.asked.push(data?.root));
  });
  for (const [url, bytes] of Object.entries(files).reverse()) {
    const got = await visitor.fetch(url);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
    assert.equal(s.origin.sent(url), bytes.length, `${url}: once`);
  }
  // Others who want a large one at the same time are looked for, while it comes.
  const large = await s.root('/static/large.bin');
  await until('the coordinator is asked for the large one', () =>
    s.origin.signals.some(({ message }) => message.type === 'ask' && message.roots.includes(large)),
  );
  const asked = s.origin.signals.filter(({ message }) => message.type === 'ask').flatMap(({ message }) => message.roots);
  assert.deepEqual([...new Set(asked)], [large]);
  // The worker asks the page's engine by a port of its own: no request waits for the page's event loop.
  assert.deepEqual(await visitor.run(() => window.asked), []);
});

// Alone, its requests find no page that said hello. With another tab, that one is asked for them, and its peers have them.
for (const otherTab of [false, true]) {
  test(
    `a page that is still streaming${otherTab ? ', beside another tab,' : ''} is not held up: a listed, ` +
      'parser-blocking script and an image load at once',
    async (t) => {
      const { site, chromium } = scene(t);
      const image = Buffer.from(
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
        'base64',
      );
      const s = await site(
        {
          '/static/block.js': 'window.blocked = performance.now();',
          '/static/dot.png': image,
          '/plain/dot.png': image,
          '/slow.html': `<!doctype html><title>slow</title><script src="/plain/control.js"></script>
<script src="/static/block.js"></script><script src="/plain/after.js"></script>
<img src="/plain/dot.png"><img src="/static/dot.png"><!--${'x'.repeat(40_000)}--><script type="module" src="/page.js"></script>`,
          '/plain/control.js': '/* not ours */',
          '/plain/after.js': 'window.after = performance.now();',
        },
        { serve: { include: ['**/*.js'] } },
      );
      const listed = ['/static/block.js', '/static/dot.png'];
      const { resources } = await s.manifest();
      for (const url of listed) assert.ok(resources[url], `${url} is in the manifest`);
      const [first, second] = await Promise.all([chromium(), chromium()]);
      await first.visit(s.url);
      for (const url of listed) {
        await first.fetch(url);
        await s.origin.untilShared(resources[url].root);
      }
      await second.visit(s.url);
      for (const url of listed) await s.origin.untilIntroducible(resources[url].root);
      const page = otherTab ? await second.newTab() : second.page;

      let release;
      const released = new Promise((resolve) => (release = resolve));
      t.after(() => release());
      s.origin.rule('/slow.html', { each: async (entry) => (entry.sent >= 16_384 ? released : undefined) });
      await page.goto(`${s.url}/slow.html`, { waitUntil: 'commit' });
      await until('both images are shown while the page still streams', () =>
        second.run(
          () => [0, 1].every((i) => document.images[i]?.complete && document.images[i].naturalWidth === 1),
          undefined,
          page,
        ),
      );
      const timing = await second.run(
        () => {
          const duration = (path) => performance.getEntriesByName(`${location.origin}${path}`)[0]?.duration;
          return {
            state: document.readyState,
            // A clock of 0.1 ms may not tell them apart.
            ran: window.blocked <= window.after,
            script: duration('/static/block.js'),
            image: duration('/static/dot.png'),
            controls: ['/plain/control.js', '/plain/after.js', '/plain/dot.png'].map(duration),
          };
        },
        undefined,
        page,
      );
      t.diagnostic(JSON.stringify(timing));
      assert.equal(timing.state, 'loading');
      assert.equal(timing.ran, true);
      // The waits that there might be are of 1 s and 1.5 s.
      const bound = Math.max(...timing.controls) + 750;
      assert.ok(timing.script <= bound && timing.image <= bound, JSON.stringify(timing));
      if (!otherTab) return;
      for (const url of listed) {
        const from = await second.sources(url);
        assert.equal(from.fromPeers, resources[url].bytes, `${url}: ${JSON.stringify(from)}`);
      }
    },
  );
}

test('a fetch from a dedicated worker, which is no page, is answered from peers all the same', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('dedicated', 700_000);
  const s = await site({
    '/static/x.bin': bytes,
    '/worker.js': `onmessage = async ({ data }) => {
      const buffer = await (await fetch(data)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer));
      postMessage([...digest].map((b) => b.toString(16).padStart(2, '0')).join(''));
    };`,
  });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch('/static/x.bin');
  await s.origin.untilShared(await s.root('/static/x.bin'));
  await second.visit(s.url);
  await s.origin.untilIntroducible(await s.root('/static/x.bin'));
  s.origin.requests = [];
  s.origin.recede();
  const fetching = second.run(
    (path) =>
      new Promise((resolve) => {
        const worker = new Worker('/worker.js');
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(path);
      }),
    '/static/x.bin',
  );
  assert.equal(await within("the worker's fetch", 40_000, fetching), sha256(bytes));
  const from = await second.sources('/static/x.bin');
  assert.equal(from.fromPeers, bytes.length, JSON.stringify(from));
  assert.equal(s.origin.sent('/static/x.bin'), 0);
});

for (const [what, script] of Object.entries({
  'a URL': "new URL('./sw.js', import.meta.url)",
  'a TrustedScriptURL where the policy asks for one':
    "trustedTypes.createPolicy('site', { createScriptURL: (url) => url }).createScriptURL('/sw.js')",
})) {
  test(`start() takes ${what} for its worker, and shares`, async (t) => {
    const { site, chromium } = scene(t);
    const bytes = randomBytes('named', 300_000);
    const page = `import { start } from '/peer-cdn/index.js';
      const peers = await start({ worker: ${script} });
      document.documentElement.dataset.state = peers.active ? 'ready' : String(peers.reason);`;
    const s = await site({ '/page.js': page, '/static/a.bin': bytes });
    if (what !== 'a URL') {
      const policy = "require-trusted-types-for 'script'; trusted-types site";
      s.origin.rule('/', { headers: { 'content-security-policy': policy } });
    }
    const visitor = await chromium();
    await visitor.visit(s.url);
    assert.equal((await visitor.fetch('/static/a.bin')).sha256, sha256(bytes));
    await s.origin.untilShared(await s.root('/static/a.bin'));
  });
}
