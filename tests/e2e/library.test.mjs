// The public API as a site uses it: a module worker, both strategies with middlewares of the site's own, several tabs of
// one browser, and the manifest's switch.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MANIFEST_PATH } from '../../build/border.js';
import { patientWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/data.bin';

/**
 * A worker with a middleware of the site's own before ours and one behind them. Both keep a log, which the first one
 * answers with at /static/log.json.
 */
const mixedWorker = (strategy) => `
importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies } = PeerCDN;
const log = [];
const pathOf = (event) => new URL(event.request.url).pathname;
const digest = async (buffer) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', buffer))]
  .map((byte) => byte.toString(16).padStart(2, '0')).join('');
const put = (who, path) => async (response) => {
  log.push({ who, put: path, status: response.status, sha256: await digest(await response.arrayBuffer()) });
};
const mine = (event) => {
  const path = pathOf(event);
  return {
    get: () => {
      if (path === '/static/log.json') return new Response(JSON.stringify(log));
      log.push({ who: 'first', get: path });
      if (path === '/static/mine.bin') return new Response('the site itself', { headers: { 'x-mine': 'yes' } });
      if (path === '/static/throws.bin') throw new Error('on purpose');
      return null;
    },
    put: put('first', path),
  };
};
const fallback = (event) => {
  const path = pathOf(event);
  return {
    get: async () => {
      log.push({ who: 'last', get: path });
      return path === '/static/gone.bin' ? new Response('instead') : null;
    },
    put: put('last', path),
  };
};
const cdn = new PeerCDN();
cdn.GET('/static', strategies.${strategy}, mine, new CachePlugin({ version: 1 }).getMiddleware,
  new DelegatePlugin({ patience: Infinity }).getMiddleware, new NetworkPlugin().getMiddleware, fallback);
cdn.register();
`;

const logOf = (visitor, path) =>
  visitor.run(async (of) => {
    const log = await (await fetch('/static/log.json')).json();
    return log
      .filter(({ get, put }) => (get ?? put) === of)
      .map(({ who, get, ...rest }) => `${who} ${get ? 'get' : `put ${rest.status} ${rest.sha256}`}`);
  }, path);

test("a module worker: the second visitor's bytes come from the first, also after the worker was stopped", async (t) => {
  const { site, chromium } = scene(t);
  const files = { [url]: randomBytes('module', 3_000_000), '/static/two.bin': randomBytes('module 2', 100_000) };
  const s = await site({
    ...files,
    '/sw.js': `import { PeerCDN, CachePlugin, DelegatePlugin, NetworkPlugin, strategies } from '/peer-cdn/sw.mjs';
const plugins = [new CachePlugin({ version: 1 }), new DelegatePlugin({ patience: Infinity }), new NetworkPlugin()];
new PeerCDN().GET('/static', strategies.ordered, ...plugins.map(({ getMiddleware }) => getMiddleware)).register();
`,
    '/page.js': `import { start } from '/peer-cdn/index.js';
window.peerCdn = await start({ worker: '/sw.js', workerType: 'module' });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`,
  });
  const { resources } = await s.manifest();
  const [first, second] = await Promise.all([chromium(), chromium()]);
  await first.visit(s.url);
  for (const path of Object.keys(files)) {
    assert.equal((await first.fetch(path)).sha256, sha256(files[path]));
    await s.origin.untilShared(resources[path].root);
  }
  await second.visit(s.url);
  for (const path of Object.keys(files)) await s.origin.untilIntroducible(resources[path].root);
  s.origin.requests = [];
  s.origin.recede();
  for (const path of Object.keys(files)) {
    const got = await second.fetch(path);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(files[path]));
    assert.equal((await second.sources(path)).fromPeers, files[path].length);
    assert.equal(s.origin.sent(path), 0);
    // The module's worker starts again, too.
    await second.restartWorker();
  }
});

test("ordered, with middlewares of the site's own: each is asked in its turn, and put gets what was answered", async (t) => {
  const { site, chromium } = scene(t);
  const files = {
    [url]: randomBytes('ordered', 2_000_000),
    '/static/throws.bin': randomBytes('throws', 100_000),
    '/static/mine.bin': randomBytes("the origin's", 1000),
    '/static/gone.bin': randomBytes('gone', 1000),
  };
  const s = await site({ ...files, '/static/unlisted.html': 'unlisted', '/sw.js': mixedWorker('ordered') });
  s.origin.rule('/static/gone.bin', { cutAfter: 0 });
  const { resources } = await s.manifest();
  const [first, second] = await Promise.all([chromium(), chromium()]);
  await first.visit(s.url);
  for (const path of [url, '/static/throws.bin']) {
    assert.equal((await first.fetch(path)).sha256, sha256(files[path]), path);
    await s.origin.untilShared(resources[path].root);
  }
  await second.visit(s.url);
  for (const path of [url, '/static/throws.bin']) await s.origin.untilIntroducible(resources[path].root);
  s.origin.requests = [];
  const comeBack = s.origin.recede();
  await second.run(() => {
    window.errors = [];
    window.peerCdn.addEventListener('error', ({ detail }) => window.errors.push(detail.code));
  });

  // One that throws counts as null: the same sources answer, and it is reported.
  for (const path of [url, '/static/throws.bin']) {
    const got = await second.fetch(path);
    assert.equal(got.error, null, path);
    assert.equal(got.sha256, sha256(files[path]), path);
    assert.equal((await second.sources(path)).fromPeers, files[path].length, path);
    assert.equal(s.origin.sent(path), 0, path);
    const put = await until(`put of ${path}`, async () => {
      const log = await logOf(second, path);
      return log.length > 1 && log;
    });
    assert.deepEqual(put, ['first get', `first put 200 ${sha256(files[path])}`], path);
  }
  assert.deepEqual(await second.run(() => window.errors.filter((code) => code === 'plugin-failed')), ['plugin-failed']);

  // From the store: the one of the site's own still stands before it, and its put reads it as well.
  await second.untilStored((await s.manifest()).resources[url]);
  await second.forget();
  assert.equal((await second.fetch(url)).sha256, sha256(files[url]));
  const again = await second.sources(url);
  assert.ok(again.fromCache >= files[url].length && again.fromPeers + again.fromOrigin === 0, JSON.stringify(again));
  assert.equal((await logOf(second, url)).filter((each) => each === 'first get').length, 2);

  const mine = await second.fetch('/static/mine.bin');
  assert.equal(mine.sha256, sha256('the site itself'));
  assert.equal(mine.headers['x-mine'], 'yes');
  assert.equal(s.origin.log('/static/mine.bin').length, 0);

  // The network fails: the one behind it is asked.
  comeBack();
  assert.equal((await second.fetch('/static/gone.bin')).sha256, sha256('instead'));
  assert.deepEqual(
    (await logOf(second, '/static/gone.bin')).filter((each) => each.endsWith('get')),
    ['first get', 'last get'],
  );

  assert.equal((await second.fetch('/static/unlisted.html')).sha256, sha256('unlisted'));
});

test("fastest, with middlewares of the site's own: whoever has it first answers, bytes are exact", async (t) => {
  const { site, chromium } = scene(t);
  const files = {
    [url]: randomBytes('fastest', 2_000_000),
    '/static/near.bin': randomBytes('near', 500_000),
    '/static/mine.bin': randomBytes("the origin's", 1000),
  };
  const s = await site({ ...files, '/sw.js': mixedWorker('fastest') });
  const { resources } = await s.manifest();
  const [first, second] = await Promise.all([chromium(), chromium()]);
  await first.visit(s.url);
  assert.equal((await first.fetch(url)).sha256, sha256(files[url]));
  await s.origin.untilShared(resources[url].root);
  await second.visit(s.url);
  await s.origin.untilIntroducible(resources[url].root);

  // The origin does not answer until the peers have: it cannot be the faster one.
  let release = () => {};
  const released = new Promise((resolve) => (release = () => resolve(undefined)));
  t.after(() => release());
  for (const path of [url, '/static/mine.bin']) s.origin.rule(path, { before: () => released });
  const far = await second.fetch(url);
  assert.equal(far.error, null);
  assert.equal(far.sha256, sha256(files[url]));
  assert.ok((await second.sources(url)).fromPeers >= files[url].length);
  assert.equal(
    s.origin.log(url).reduce((sum, { sent }) => sum + sent, 0),
    files[url].length,
    'what the first one got',
  );
  const log = await until('both puts', async () => {
    const all = await logOf(second, url);
    return all.filter((each) => each.includes('put')).length === 2 && all;
  });
  assert.deepEqual(log.filter((each) => each.includes('get')).sort(), ['first get', 'last get'], 'all are asked at once');
  for (const who of ['first', 'last']) assert.ok(log.includes(`${who} put 200 ${sha256(files[url])}`), log.join('\n'));

  assert.equal((await second.fetch('/static/mine.bin')).sha256, sha256('the site itself'));
  release();

  // Nobody has it: the network is the only one that answers.
  const near = await second.fetch('/static/near.bin');
  assert.equal(near.error, null);
  assert.equal(near.sha256, sha256(files['/static/near.bin']));
  await second.forget();
  assert.equal((await second.fetch(url)).sha256, sha256(files[url]), 'and again, with the store in the race');
});

test('two tabs of one browser: one announces, the other takes over, and neither is introduced to the other', async (t) => {
  const { site, chromium } = scene(t);
  const files = { [url]: randomBytes('tabs', 1_500_000), '/static/later.bin': randomBytes('later', 1_000_000) };
  const s = await site(files);
  const { resources } = await s.manifest();
  const root = resources[url].root;
  const announcing = () =>
    new Set(
      s.origin.signals
        .filter(({ from, message }) => from === 'client' && message.type === 'have' && message.add?.length > 0)
        .map(({ socket }) => socket),
    );
  const [browser, other] = await Promise.all([chromium(), chromium()]);
  await browser.visit(s.url);
  await browser.fetch(url);
  await s.origin.untilShared(root);
  const tab = await browser.newTab();
  await browser.visit(s.url, { page: tab });
  // What the second tab fetches is announced by the first.
  await browser.fetch('/static/later.bin', { page: tab });
  await s.origin.untilShared(resources['/static/later.bin'].root);
  assert.equal(announcing().size, 1, 'one of the two announces');
  const locks = await browser.run(async () => {
    const { held, pending } = await navigator.locks.query();
    return [held, pending].map((list) => list.filter(({ name }) => name === 'peer-cdn').length);
  });
  assert.deepEqual(locks, [1, 1]);

  // The other visitor has it as well.
  await other.visit(s.url);
  await s.origin.untilIntroducible(root);
  s.origin.recede();
  assert.equal((await other.fetch(url)).sha256, sha256(files[url]));
  assert.equal((await other.sources(url)).fromPeers, files[url].length);
  await s.origin.untilShared(root, 2);

  const before = announcing();
  await browser.page.close();
  browser.page = tab;
  await until('the second tab announces what its browser has', () => [...announcing()].some((id) => !before.has(id)));
  const third = await chromium();
  await third.visit(s.url);
  await s.origin.untilIntroducible(resources['/static/later.bin'].root);
  s.origin.requests = [];
  assert.equal((await third.fetch('/static/later.bin')).sha256, sha256(files['/static/later.bin']));
  assert.equal((await third.sources('/static/later.bin')).fromPeers, files['/static/later.bin'].length);
  assert.equal(s.origin.sent('/static/later.bin'), 0);

  // A tab of a browser that has lost its store asks for what its own other tab still offers.
  const again = await browser.newTab();
  await browser.visit(s.url, { page: again });
  await again.evaluate(async () => {
    for (const name of await caches.keys()) await caches.delete(name);
  });
  assert.equal((await browser.fetch('/static/later.bin', { page: again })).sha256, sha256(files['/static/later.bin']));

  // The log of the coordinator: who is which browser, and who was introduced to whom.
  const browsers = new Map();
  const numbers = new Map();
  for (const { socket, message } of s.origin.signals) {
    if (message.type === 'hello') browsers.set(socket, message.browser);
    if (message.type === 'welcome') numbers.set(message.peer, socket);
  }
  assert.equal(browsers.size, 5);
  assert.equal(new Set(browsers.values()).size, 3, 'tabs of one browser give the same id');
  const pairs = s.origin.signals
    .filter(({ from, message }) => from === 'server' && message.type === 'introduce')
    .map(({ socket, message }) => [socket, numbers.get(message.peer)]);
  assert.ok(pairs.length > 0);
  for (const [one, two] of pairs) assert.notEqual(browsers.get(one), browsers.get(two), `${one} and ${two}`);
});

test('"disabled" in the manifest: no sharing and the site works; and on again, with what was held', async (t) => {
  const { site, chromium } = scene(t);
  const files = { [url]: randomBytes('disabled', 1_500_000), '/static/more.bin': randomBytes('more', 700_000) };
  const s = await site(files);
  const manifest = await s.manifest();
  const root = manifest.resources[url].root;
  const [first, second] = await Promise.all([chromium(), chromium()]);
  await first.visit(s.url);
  await first.fetch(url);
  await s.origin.untilShared(root);
  await second.visit(s.url);

  const enable = s.origin.rule(MANIFEST_PATH, { body: JSON.stringify({ ...manifest, disabled: true }) });
  for (const visitor of [first, second]) {
    await visitor.visit(`${s.url}/?off`, { ready: 'settled' });
    await until('the worker has read the switch', async () => {
      await visitor.forget();
      const got = await visitor.fetch(url, { init: { cache: 'no-cache' } });
      assert.equal(got.sha256, sha256(files[url]));
      return (await visitor.transfers(url)).length === 0;
    });
  }
  s.origin.reset();
  for (const visitor of [first, second]) {
    for (const [path, bytes] of Object.entries(files)) {
      const got = await visitor.fetch(path, { init: { cache: 'reload' } });
      assert.equal(got.error, null);
      assert.equal(got.status, 200);
      assert.equal(got.sha256, sha256(bytes));
      assert.deepEqual(await visitor.transfers(path), [], 'not ours');
    }
    const { peers, sent, received } = await visitor.run(() => window.peerCdn.stats);
    assert.deepEqual({ peers, sent, received }, { peers: 0, sent: 0, received: 0 });
  }
  for (const [path, bytes] of Object.entries(files)) assert.equal(s.origin.sent(path), 2 * bytes.length);
  assert.deepEqual([...s.origin.offered], []);
  assert.deepEqual(
    s.origin.signals.filter(({ message }) => ['ask', 'introduce'].includes(message.type)),
    [],
  );

  enable();
  await first.visit(`${s.url}/?on`, { ready: 'settled' });
  await s.origin.untilShared(root);
  await second.visit(`${s.url}/?on`, { ready: 'settled' });
  await s.origin.untilIntroducible(root);
  await until('the worker has read the switch', async () => {
    await second.fetch('/static/more.bin');
    return (await second.transfers('/static/more.bin')).length > 0;
  });
  s.origin.requests = [];
  s.origin.recede();
  assert.equal((await second.fetch(url)).sha256, sha256(files[url]));
  assert.equal((await second.sources(url)).fromOrigin, 0);
  assert.equal(s.origin.sent(url), 0, 'switching on again costs the origin nothing');
});

test("what the site's own worker says while a page loads waits for the listeners of later scripts", async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({
    '/index.html': `<!doctype html><title>site</title><script type="module" src="/page.js"></script>
<script type="module" src="/later.js"></script>`,
    '/later.js': `window.heard = [];
navigator.serviceWorker.addEventListener('message', ({ data }) => heard.push(data));`,
    '/sw.js': `${patientWorker()}
addEventListener('message', ({ data, source, ports }) => {
  if (data !== 'speak') return;
  source.postMessage('first');
  ports[0].postMessage('said');
});`,
  });
  const visitor = await chromium();
  await visitor.visit(s.url);
  let release = () => {};
  const released = new Promise((resolve) => (release = () => resolve(undefined)));
  t.after(() => release());
  s.origin.rule('/later.js', { before: () => released });
  const opening = visitor.visit(`${s.url}/?second`);
  const isStarted = () => location.search === '?second' && document.documentElement.dataset.state === 'ready';
  await until('start() has resolved, and the page loads yet', () => visitor.run(isStarted).catch(() => false));
  await visitor.run(async () => {
    const { port1, port2 } = new MessageChannel();
    const said = new Promise((resolve) => (port1.onmessage = resolve));
    navigator.serviceWorker.controller.postMessage('speak', [port2]);
    await said;
  });
  release();
  await opening;
  assert.deepEqual(await until('it is heard', () => visitor.run(() => window.heard.length > 0 && window.heard)), ['first']);
});
