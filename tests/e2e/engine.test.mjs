// The page's engine in a worker of its own, or in the page where that cannot be: the same files, the same figures.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const film = '/static/film.bin';
const files = { [film]: randomBytes('engine', 6_000_001) };

const engineOf = (visitor) => visitor.run(() => window.peerCdn.stats.engine);

/** The second of two visitors has it all from the first one. */
async function share(s, first, second) {
  await first.visit(s.url);
  await first.fetch(film);
  await s.origin.untilShared(await s.root(film));
  await second.visit(s.url);
  await until('a pair is open', () => second.run(() => window.peerCdn.stats.peers === 1));
  const got = await s.origin.away(() => second.fetch(film));
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(files[film]));
  const { fromPeers } = await second.sources(film);
  assert.equal(fromPeers, files[film].length);
  await until('the bytes are counted at both ends', async () => {
    const [sent, received] = await Promise.all([
      first.run(() => window.peerCdn.stats.sent),
      second.run(() => window.peerCdn.stats.received),
    ]);
    return sent >= files[film].length && received >= files[film].length;
  });
}

for (const browser of browsers) {
  test(`${browser}: the engine runs in a worker of its own, at both ends`, async (t) => {
    const open = scene(t);
    const s = await open.site(files);
    const [first, second] = [await open[browser](), await open[browser]()];
    await share(s, first, second);
    assert.deepEqual([await engineOf(first), await engineOf(second)], ['worker', 'worker']);
  });
}

/** A page that starts with these options, and keeps the errors that it is told. */
const page = (options, from = '/peer-cdn/index.js') => `import { start } from '${from}';
window.errors = [];
window.peerCdn = await start(${options});
peerCdn.addEventListener('error', ({ detail }) => errors.push(detail.code));
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;
const errorsOf = (visitor) => visitor.run(() => window.errors);

/** Why a page runs its engine itself, and what it says of that. */
const fallbacks = [
  { name: 'there are no dedicated workers', init: () => delete globalThis.Worker, said: [] },
  {
    name: "channels cannot be transferred, which a worker of the browser's shows",
    files: {
      '/older.js': 'delete globalThis.RTCDataChannel;',
      '/engine.js': `import '/older.js'; import '/peer-cdn/engine.js';`,
    },
    options: `{ worker: '/sw.js', engine: '/engine.js' }`,
    said: [],
  },
  { name: "the engine's script is not there", options: `{ worker: '/sw.js', engine: '/nowhere.js' }`, said: ['no-thread'] },
  {
    name: "the engine's script is no script",
    files: { '/engine.html': '<!doctype html><title>a page for what is not found</title>' },
    options: `{ worker: '/sw.js', engine: new URL('/engine.html', location.href) }`,
    said: ['no-thread'],
  },
  {
    name: "the engine's script never comes",
    options: `{ worker: '/sw.js', engine: '/plain/never.js' }`,
    before: ({ origin }) => origin.rule('/plain/never.js', { before: () => new Promise(() => {}) }),
    said: ['no-thread'],
  },
  {
    name: "a policy of the engine's own script forbids wasm",
    before: ({ origin }) => origin.rule('/peer-cdn/engine.js', { headers: { 'content-security-policy': "script-src 'self'" } }),
    said: [],
  },
];
for (const { name, init, files: more, options = `{ worker: '/sw.js' }`, before, said } of fallbacks) {
  test(`the engine runs in the page when ${name}`, async (t) => {
    const { site, chromium } = scene(t);
    const s = await site({ ...files, '/page.js': page(options), ...more });
    before?.(s);
    const [first, second] = [await chromium({ init }), await chromium({ init })];
    await share(s, first, second);
    for (const visitor of [first, second]) {
      assert.equal(await engineOf(visitor), 'page');
      assert.deepEqual(await errorsOf(visitor), said);
    }
  });
}

test('the engine is started again in the page when the first channel shows that none can be transferred', async (t) => {
  const init = () => {
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message, transfer = []) {
      if ([...transfer].some((each) => each instanceof RTCDataChannel)) throw new DOMException('no', 'DataCloneError');
      return postMessage.call(this, message, transfer);
    };
  };
  const song = '/static/song.bin';
  const { site, chromium } = scene(t);
  const s = await site({ ...files, [song]: randomBytes('song', 2_000_001) });
  const [first, second] = [await chromium({ init }), await chromium({ init })];
  await first.visit(s.url);
  for (const url of [film, song]) {
    await first.fetch(url);
    await s.origin.untilShared(await s.root(url));
  }
  await second.visit(s.url);
  // Whatever that costs, it is no byte: the first one may have to come from the origin.
  assert.equal((await second.fetch(film)).sha256, sha256(files[film]));
  await until('both run it in the page', async () => {
    const engines = await Promise.all([first, second].map(engineOf));
    return engines.every((engine) => engine === 'page');
  });
  await s.origin.untilIntroducible(await s.root(song));
  assert.equal((await s.origin.away(() => second.fetch(song))).error, null);
  assert.equal((await second.sources(song)).fromPeers, 2_000_001);
});

for (const browser of browsers) {
  test(`${browser}: an engine whose worker is ended from outside is started again in the page, and serves`, async (t) => {
    const init = () => {
      window.ended = [];
      window.Worker = new Proxy(Worker, {
        construct(Real, args) {
          const worker = new Real(...args);
          window.ended.push(() => worker.terminate());
          return worker;
        },
      });
    };
    const open = scene(t);
    const s = await open.site(files);
    const [first, second] = [await open[browser]({ init }), await open[browser]()];
    await first.visit(s.url);
    await first.fetch(film);
    await s.origin.untilShared(await s.root(film));
    s.origin.reset();
    await first.run(() => window.ended.forEach((end) => end()));
    await until('it runs in the page', async () => (await engineOf(first)) === 'page');
    assert.equal(await first.run(() => window.peerCdn.active), true);
    await share(s, first, second);
  });
}

if (browsers.includes('firefox')) {
  test('firefox: where there are no dedicated workers the engine runs in the page', async (t) => {
    const { site, chromium, firefox } = scene(t);
    const s = await site(files);
    const init = () => delete globalThis.Worker;
    const [first, second] = [await chromium(), await firefox({ init })];
    await share(s, first, second);
    assert.deepEqual([await engineOf(first), await engineOf(second)], ['worker', 'page']);
  });
}

test('trusted types are demanded: the policy `peer-cdn` is all that is needed', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/page.js': page(`{ worker: '/sw.js' }`) });
  s.origin.rule('/', {
    headers: {
      'content-security-policy':
        "script-src 'self' 'wasm-unsafe-eval'; require-trusted-types-for 'script'; trusted-types peer-cdn",
    },
  });
  const visitor = await chromium();
  await visitor.visit(`${s.url}/`);
  assert.equal(await engineOf(visitor), 'worker');
  assert.deepEqual(await errorsOf(visitor), []);
});

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = (name) => fs.readFileSync(`${root}/dist/browser/${name}`);

test("the scripts lie together below a sub-path: the engine's is found beside the others", async (t) => {
  const { site, chromium } = scene(t);
  const beside = Object.fromEntries(['index.js', 'page.js', 'engine.js'].map((name) => [`/app/lib/${name}`, dist(name)]));
  const s = await site({ ...files, ...beside, '/page.js': page(`{ worker: '/sw.js' }`, '/app/lib/index.js') });
  s.origin.rule(/^\/peer-cdn\/(index|page|engine)\.js/, { status: 404, body: 'not here' });
  const visitor = await chromium();
  await visitor.visit(s.url);
  assert.equal(await engineOf(visitor), 'worker');
});

for (const isThere of [true, false]) {
  const where = isThere ? 'where `serve` has it' : 'nowhere, and then runs in the page';
  test(`a site bundled into one file by esbuild finds the engine's script ${where}`, async (t) => {
    const { build } = await import('esbuild');
    const { outputFiles } = await build({
      stdin: {
        contents: page(`{ worker: '/sw.js' }`, './dist/browser/index.js'),
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      },
      bundle: true,
      minify: true,
      format: 'esm',
      charset: 'utf8',
      write: false,
    });
    const { site, chromium } = scene(t);
    const s = await site({ ...files, '/page.js': outputFiles[0].text });
    if (!isThere) s.origin.rule('/peer-cdn/engine.js', { status: 404, body: 'not here' });
    const [first, second] = [await chromium(), await chromium()];
    await share(s, first, second);
    assert.equal(await engineOf(second), isThere ? 'worker' : 'page');
    assert.deepEqual(await errorsOf(second), isThere ? [] : ['no-thread']);
  });
}

for (const browser of browsers) {
  test(`${browser}: neither a request nor a piece waits for the page, whose event loop stands still`, async (t) => {
    const open = scene(t);
    const s = await open.site({
      ...files,
      '/still.html': '<!doctype html><link rel="icon" href="data:,"><title>no script</title>',
    });
    const [first, second] = [await open.chromium(), await open[browser]()];
    await first.visit(s.url);
    await first.fetch(film);
    await s.origin.untilShared(await s.root(film));
    await second.visit(s.url);
    await until('a pair is open', () => second.run(() => window.peerCdn.stats.peers === 1));
    const other = await second.newTab();
    await other.goto(`${s.url}/still.html`);
    // The page turns no event loop until all of it has come to a tab without an engine.
    let finish;
    const done = new Promise((resolve) => (finish = resolve));
    let begin;
    const begun = new Promise((resolve) => (begin = resolve));
    s.origin.rule('/plain/gate', {
      before: () => {
        begin();
        return done;
      },
    });
    s.origin.recede();
    const standing = second.run(() => {
      const gate = new XMLHttpRequest();
      gate.open('GET', '/plain/gate', false);
      gate.send();
    });
    await begun;
    const got = await second.fetch(film, { page: other }).finally(finish);
    await standing;
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(files[film]));
    assert.equal((await second.sources(film, other)).fromPeers, files[film].length);
  });
}

// Browsers end the workers of a page that goes as they like: an engine may hear of it, or not.
const endingAtOnce = () => {
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...more) {
    if (message[0] === 'stop') this.terminate();
    else postMessage.call(this, message, ...more);
  };
};
// They may also end them while they write: nothing comes of it then, and nobody hears of that.
const losing = {
  '/lose.js': `let isOver = false;
addEventListener('message', ({ data }) => (isOver ||= data[0] === 'stop'));
const { put } = Cache.prototype;
Cache.prototype.put = function (...entry) {
  if (!isOver) return put.apply(this, entry);
  new BroadcastChannel('lost').postMessage('');
  return new Promise(() => {});
};`,
  '/engine.js': `import '/lose.js'; import '/peer-cdn/engine.js';`,
};
const goings = [
  { name: 'a page that goes away in the middle' },
  { name: 'a page that goes away in the middle, and whose last writes the browser drops', own: losing },
  { name: 'a page that goes away in the middle, and whose engine ends before it hears of that', init: endingAtOnce },
];
for (const [browser, { name, init, own }] of browsers.flatMap((each) => goings.map((going) => [each, going]))) {
  test(`${browser}: what was delivered is in the store after ${name}`, async (t) => {
    const open = scene(t);
    const large = '/static/large.bin';
    const bytes = 12_000_001;
    const s = await open.site({
      [large]: randomBytes('outlives', bytes),
      '/still.html': '<!doctype html><link rel="icon" href="data:,"><title>no script</title>',
      // So that it lasts some seconds.
      '/slow.html': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/slow.js"></script>',
      '/slow.js': page(`{ worker: '/sw.js', upload: { bytesPerSecond: 2_000_000 }${own ? ", engine: '/engine.js'" : ''} }`),
      ...own,
    });
    const [first, second] = [await open.chromium(), await open[browser]({ init })];
    await first.visit(`${s.url}/slow.html`);
    await first.fetch(large);
    await s.origin.untilShared(await s.root(large));
    await second.visit(`${s.url}/slow.html`);
    await until('a pair is open', () => second.run(() => window.peerCdn.stats.peers === 1));
    s.origin.recede();
    const delivered = await second.run(async (url) => {
      const reader = (await fetch(url)).body.getReader();
      let come = 0;
      while (come < 6_000_000) come += (await reader.read()).value.length;
      return come;
    }, large);
    if (own) {
      await second.run(() => {
        const { promise, resolve } = Promise.withResolvers();
        new BroadcastChannel('lost').onmessage = resolve;
        peerCdn.close();
        return promise.then(() => {});
      });
    }
    await second.page.goto(`${s.url}/still.html`);
    const { root, pieceBytes } = (await s.manifest()).resources[large];
    await until('it is stored', async () => {
      const pieces = new Set();
      for (const key of await second.stored()) {
        const [, begin, end] = new RegExp(`${root}\\?(\\d+)-(\\d+)$`).exec(key) ?? [];
        for (let piece = Number(begin); piece < Number(end); piece++) pieces.add(piece);
      }
      let whole = 0;
      while (pieces.has(whole)) whole++;
      return whole * pieceBytes >= delivered - pieceBytes;
    });
  });
}
