// start() and PeerPlugin more than once in one page, in every order; and workers that are late. With a browser of fakes.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import {
  CACHE_PREFIX,
  controllerWait,
  DIGESTS_PATH,
  firstSocketWait,
  manifestVersion,
  pieceBytesMin,
  registrationWait,
  SOCKET_PATH,
  workerWait,
} from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import { FakeConnection, FakeContainer, FakeSocket, fakeWorkerChannel, install, SITE } from './page-fakes.mjs';

install();
const { CachePlugin, start, PeerPlugin } = await import('../../web/index.js');
const { Store } = await import('../../sw/store.js');
// Another copy of the package, as another bundle of the page brings it.
const other = await import('../../dist/browser/index.js');

const KEY = Symbol.for('peer-cdn');
const root = 'ab'.repeat(32);
const openSockets = () => FakeSocket.all.filter(({ readyState }) => readyState < 2).length;
const turn = () => new Promise(setImmediate);

/** A manifest with one file. */
async function list(name = `${CACHE_PREFIX}1`) {
  const store = await Store.open(name);
  const resources = { '/a.bin': { bytes: 5, type: 'text/plain', pieceBytes: pieceBytesMin, root } };
  await store.putManifest(JSON.stringify({ version: manifestVersion, resources }), Date.now());
  return store;
}

/** The same, and this visitor has the file. */
async function fill(name) {
  const store = await list(name);
  await store.putRun(root, 0, 1, ['abcde']);
}
const request = {
  url: 'https://site.test/a.bin',
  range: null,
  root,
  bytes: 5,
  pieceBytes: pieceBytesMin,
  contentType: 'text/plain',
  begin: 0,
  end: 1,
  digests: DIGESTS_PATH + root,
  origin: 0,
  patience: 0,
};

/** The codes that an instance says from now on, and those that it has kept until somebody listens. */
function errorsOf(plugin) {
  const errors = [];
  plugin.addEventListener('error', ({ detail }) => errors.push(detail));
  return errors;
}

/** Closes what a test opens. */
function closing(t) {
  const plugins = [];
  t.after(() => plugins.forEach((plugin) => plugin.close()));
  return (plugin) => {
    plugins.push(plugin);
    return plugin;
  };
}

/** Events of a window: pagehide, pageshow, storage. */
function fakeWindow(t) {
  const events = new EventTarget();
  const names = ['addEventListener', 'removeEventListener'];
  for (const name of names) globalThis[name] = events[name].bind(events);
  t.after(() => names.forEach((name) => delete globalThis[name]));
  return (type, more) => events.dispatchEvent(Object.assign(new Event(type), more));
}

/** What the first one would have been: it takes part, alone, and whoever asks it is answered once. */
async function checkTakesPart(plugin, container) {
  assert.equal(plugin.active, true);
  assert.equal(plugin.reason, null);
  assert.equal(openSockets(), 1, 'one socket');
  assert.ok(container.knowsPage, 'the worker asks this page');
  // Where only the long form is left, the page's own listener would reply after the `ack`.
  const last = container.form === 'stream' ? ['none', 'end'] : ['ack'];
  const answers = container.ask(request);
  await until('the worker is answered', () => answers.some(({ type }) => last.includes(type)));
  assert.equal(answers.filter(({ type }) => type === 'ack').length, 1, 'once');
}

function checkIsOff(plugin, container) {
  assert.equal(plugin.active, false);
  assert.equal(plugin.reason, 'cancelled');
  assert.equal(openSockets(), 0);
  assert.equal(container.knowsPage, false);
  assert.equal(globalThis[KEY], undefined, 'nothing is left of it');
}

// Without a listed file a page has no socket.
beforeEach(async () => {
  install();
  FakeSocket.reset();
  await list();
});

// --- One engine a page ---------------------------------------------------------------------------

const ways = {
  'start() twice': () => [start(), start()],
  'start() and new PeerPlugin': () => [start(), new PeerPlugin()],
  'new PeerPlugin and start()': () => [new PeerPlugin(), start()],
  'start() of two copies of the package': () => [start(), other.start()],
  'new PeerPlugin of two copies, and start()': () => [new other.PeerPlugin(), new PeerPlugin({ form: 'stream' }), start()],
};
for (const [name, open] of Object.entries(ways)) {
  test(`${name}: one engine, and each instance hears each event once`, async (t) => {
    const close = closing(t);
    const container = new FakeContainer('controlling');
    const tell = fakeWorkerChannel(t);
    const plugins = await Promise.all(open());
    plugins.forEach(close);
    await plugins[0].informed;
    const heard = plugins.map((plugin) => {
      const transfers = [];
      plugin.addEventListener('transfer', ({ detail }) => transfers.push(detail));
      return transfers;
    });
    tell({ type: 'transfer', id: 1, url: '/a.bin', root, done: true });
    for (const transfers of heard)
      assert.deepEqual(
        transfers.map(({ url }) => url),
        ['/a.bin'],
      );
    for (const plugin of plugins) await checkTakesPart(plugin, container);
    assert.equal(FakeSocket.all.length, 1);
    assert.equal(FakeSocket.messages.filter(({ type }) => type === 'hello').length, 1);

    // Whoever brought the engine goes first.
    while (plugins.length > 1) {
      const gone = plugins.shift();
      gone.close();
      gone.close();
      assert.equal(gone.active, false);
      assert.equal(gone.reason, 'cancelled');
      assert.deepEqual(gone.stats, { peers: 0, sent: 0, received: 0, engine: null });
      for (const plugin of plugins) await checkTakesPart(plugin, container);
    }
    assert.equal(FakeSocket.all.length, 1, 'it is the same engine to the end');
    tell({ type: 'transfer', id: 2, url: '/b.bin', root, done: true });
    assert.deepEqual(
      heard.map(({ length }) => length),
      [...heard.slice(1).map(() => 1), 2],
      'closed ones hear no more',
    );
    plugins[0].close();
    checkIsOff(plugins[0], container);
  });
}

// When a mount is closed: components do it at once, or when their start() has resolved, before or after the next mount.
const moments = {
  'when it has started': async (starting) => void starting.then((plugin) => plugin.close()),
  'before the next': async (starting) => (await starting).close(),
  'in the same task': async (_starting, instance) => instance().close(),
  'when the last has started': async (starting, _instance, last) => void last.then(async () => (await starting).close()),
};
const orders = [
  ...Object.keys(moments).map((one) => [one]),
  ...Object.keys(moments).flatMap((one) => Object.keys(moments).map((two) => [one, two])),
];
for (const order of orders) {
  test(`mounted ${order.length + 1} times, closed ${order.join(' and ')}: the last one works as the first would`, async (t) => {
    const close = closing(t);
    const container = new FakeContainer('controlling');
    let lastStarted = () => {};
    const last = new Promise((resolve) => (lastStarted = resolve));
    const closed = [];
    for (const [i, moment] of order.entries()) {
      // A bare instance can be closed before anything has resolved; every other one is of another bundle.
      const copy = i % 2 ? other : { start, PeerPlugin };
      const isBare = moment === 'in the same task';
      const starting = isBare ? null : copy.start({ worker: '/sw.js' });
      if (starting) closed.push(starting);
      await moments[moment](starting, () => new copy.PeerPlugin({ form: 'stream' }), last);
    }
    const plugin = close(await start({ worker: '/sw.js' }));
    const errors = errorsOf(plugin);
    lastStarted();
    const gone = await Promise.all(closed);
    await turn();
    assert.deepEqual(
      gone.map(({ active }) => active),
      closed.map(() => false),
    );
    await checkTakesPart(plugin, container);
    assert.deepEqual(errors, []);
    plugin.close();
    checkIsOff(plugin, container);
  });
}

test('a listener that closes its instance and starts another one finds an engine that works', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  const plugin = close(await start());
  const next = new Promise((resolve) => {
    plugin.addEventListener(
      'error',
      () => {
        plugin.close();
        resolve(start());
      },
      { once: true },
    );
  });
  FakeSocket.all.at(-1).tell({ type: 'error', code: 'rate-limited' });
  await checkTakesPart(close(await next), container);
});

/** What ends an engine, so that another one takes its place or waits for its turn. */
const ends = {
  'the store is of another version': (tell) => tell({ ...SITE, cache: `${CACHE_PREFIX}2` }),
  'the manifest turns it all off': async (tell) => {
    const store = await Store.open(SITE.cache);
    await store.putManifest(JSON.stringify({ version: manifestVersion, disabled: true, resources: {} }), Date.now());
    tell({ type: 'manifest' });
  },
};
for (const [name, end] of Object.entries(ends)) {
  test(`a listener that closes the last instance when ${name} leaves no engine behind`, async (t) => {
    const container = new FakeContainer('controlling');
    const tell = fakeWorkerChannel(t);
    await list(`${CACHE_PREFIX}2`);
    const plugin = await start();
    const closed = new Promise((resolve) => {
      plugin.addEventListener('state', ({ detail }) => {
        if (!detail.active) plugin.close();
        resolve(undefined);
      });
    });
    await end(tell);
    await closed;
    await fill();
    tell({ type: 'manifest' });
    for (let i = 0; i < 20; i++) await turn();
    checkIsOff(plugin, container);
  });
}

/** The engine's worker, as a test plays it: `say` is what it calls in the page. */
function fakeEngine(t) {
  const engines = [];
  globalThis.Worker = class {
    onmessage = null;
    calls = [];
    constructor() {
      engines.push(this);
    }
    postMessage([name, args]) {
      this.calls.push([name, ...args]);
      if (name === 'start') queueMicrotask(() => this.say('started', true));
    }
    say(name, ...args) {
      this.onmessage?.({ data: [name, args] });
    }
    terminate() {}
  };
  t.after(() => delete globalThis.Worker);
  return engines;
}

test('what an engine had said when its page stopped makes no connection, and wakes nobody', async (t) => {
  const container = new FakeContainer('controlling');
  const tell = fakeWorkerChannel(t);
  FakeConnection.reset();
  const engines = fakeEngine(t);
  const plugin = new PeerPlugin({ form: 'stream' });
  await until('the engine knows its site', () => engines[0]?.calls.some(([name]) => name === 'join'));
  plugin.close();
  assert.ok(engines[0].calls.some(([name]) => name === 'stop'));
  // Both were under way.
  engines[0].say('create', 1, true);
  engines[0].say('disabled', '');
  tell({ type: 'manifest' });
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(FakeConnection.made.length, 0);
  assert.equal(engines.length, 1);
  checkIsOff(plugin, container);
});

/** A plugin of a page that its worker controls, with the engines that it opens and the events of its window. */
function served(t) {
  const close = closing(t);
  new FakeContainer('controlling');
  fakeWorkerChannel(t);
  const [fire, engines] = [fakeWindow(t), fakeEngine(t)];
  return { fire, engines, plugin: close(new PeerPlugin({ form: 'stream' })) };
}

test('a page that ends or goes into the back/forward cache has no peers, and says so', async (t) => {
  const { fire, engines, plugin } = served(t);
  const counts = [];
  plugin.addEventListener('peers', ({ detail }) => counts.push(detail.count));
  for (let i = 0; i < 2; i++) {
    await until('the engine knows its site', () => engines[i]?.calls.some(([name]) => name === 'join'));
    engines[i].say('counts', 2, 0, 0, '');
    assert.equal(plugin.stats.peers, 2);
    fire('pagehide', { persisted: true });
    assert.equal(plugin.stats.peers, 0);
    fire('pageshow', { persisted: true });
  }
  assert.deepEqual(counts, [2, 0, 2, 0]);
});

test('what an engine has sent and received still counts when another one takes its place', async (t) => {
  const { fire, engines, plugin } = served(t);
  await until('the engine knows its site', () => engines[0]?.calls.some(([name]) => name === 'join'));
  engines[0].say('counts', 1, 500, 700, '');
  fire('pagehide', { persisted: true });
  assert.deepEqual(plugin.stats, { peers: 0, sent: 500, received: 700, engine: null });
  fire('pageshow', { persisted: true });
  await until('the next one knows it', () => engines[1]?.calls.some(([name]) => name === 'join'));
  const [[, { counts }]] = engines[1].calls;
  assert.deepEqual([counts.sent, counts.received], [500, 700]);
  assert.deepEqual(plugin.stats, { peers: 0, sent: 500, received: 700, engine: 'worker' });
});

test('a choice of uploads for which storage has no room holds for the page, whatever the worker and its end bring', async (t) => {
  const close = closing(t);
  new FakeContainer('controlling');
  const tell = fakeWorkerChannel(t);
  const fire = fakeWindow(t);
  const full = () => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  globalThis.localStorage = { getItem: (key) => (key === 'peer-cdn-upload' ? '{"on":true}' : null), setItem: full };
  t.after(() => delete globalThis.localStorage);
  await list(`${CACHE_PREFIX}2`);
  const plugin = close(await start());
  plugin.upload = { on: false };
  assert.equal(plugin.upload.on, false);
  tell({ ...SITE, cache: `${CACHE_PREFIX}2` });
  await plugin.informed;
  assert.equal(plugin.upload.on, false);
  fire('pagehide', { persisted: true });
  fire('pageshow', { persisted: true });
  await plugin.informed;
  assert.equal(plugin.upload.on, false);
});

test('in the back/forward cache all instances are off, and back from it on, but for those that were closed', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  const fire = fakeWindow(t);
  const [one, two] = (await Promise.all([start(), other.start()])).map(close);
  fire('pagehide', { persisted: true });
  for (const plugin of [one, two]) assert.equal(plugin.active, false);
  assert.equal(openSockets(), 0);
  assert.equal(container.knowsPage, false);
  one.close();
  fire('pageshow', { persisted: true });
  await two.informed;
  await checkTakesPart(two, container);
  assert.equal(one.active, false);
  fire('pagehide', { persisted: true });
  two.close();
  fire('pageshow', { persisted: true });
  checkIsOff(two, container);
});

test('an instance that comes while the manifest turns it all off is on when the others are', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  const tell = fakeWorkerChannel(t);
  const store = await Store.open(`${CACHE_PREFIX}1`);
  await store.putManifest(JSON.stringify({ version: manifestVersion, disabled: true, resources: {} }), Date.now());
  const one = close(await start());
  await until('off', () => !one.active);
  const two = close(await start());
  assert.equal(two.active, false);
  assert.equal(two.reason, 'disabled');
  await fill();
  tell({ type: 'manifest' });
  await until('on', () => one.active && two.active);
  await one.informed;
  await checkTakesPart(two, container);
});

test('an instance that is closed while the manifest is read is not woken by a later one', async (t) => {
  const container = new FakeContainer('controlling');
  const tell = fakeWorkerChannel(t);
  const store = await Store.open(`${CACHE_PREFIX}1`);
  await store.putManifest(JSON.stringify({ version: manifestVersion, disabled: true, resources: {} }), Date.now());
  const plugin = new PeerPlugin({ form: 'stream' });
  plugin.close();
  for (let i = 0; i < 10; i++) await turn();
  await fill();
  tell({ type: 'manifest' });
  checkIsOff(plugin, container);
});

// --- What each instance says ---------------------------------------------------------------------

const stun = (urls) => ({ iceServers: [{ urls, username: 'u', credential: 'c' }] });
const differing = {
  'other servers': [{ servers: stun('stun:a') }, { servers: stun('stun:b') }, ['servers']],
  'servers where the first had none': [{}, { servers: stun('stun:a') }, ['servers']],
  'another coordinator': [{}, { socket: '/elsewhere' }, ['socket']],
  'another store': [{ cacheName: 'one' }, { cacheName: 'two' }, ['cacheName']],
  'another store than was found': [{}, { cacheName: 'mine' }, ['cacheName']],
  'less upload': [{}, { upload: false }, ['upload']],
  'more upload': [{ upload: { bytes: 5 } }, { upload: { bytes: 6 } }, ['upload']],
  'another worker': [{ worker: '/sw.js' }, { worker: '/sw2.js' }, ['worker']],
  'another scope': [{ worker: '/sw.js' }, { worker: '/sw.js', scope: '/a/' }, ['worker']],
};
for (const [name, [first, second, options]] of Object.entries(differing)) {
  test(`${name}: the first one's hold, and every instance says it, once`, async (t) => {
    const close = closing(t);
    const container = new FakeContainer('controlling');
    if (first.cacheName) await list(first.cacheName);
    const one = close(await start(first));
    const said = [errorsOf(one)];
    for (let i = 0; i < 2; i++) said.push(errorsOf(close(await other.start(second))));
    await until('all have said it', () => said.every(({ length }) => length > 0));
    await turn();
    for (const errors of said) {
      assert.deepEqual(
        errors.filter(({ code }) => code === 'options-differ'),
        [{ code: 'options-differ', options }],
      );
    }
    assert.deepEqual(new Set(container.registered.map(([script]) => script)), new Set([first.worker].filter(Boolean)));
    assert.equal(FakeSocket.all.length, 1);
    await checkTakesPart(one, container);
  });
}

const alike = {
  'the same': [
    { servers: stun('stun:a'), socket: '/x', upload: true },
    { servers: stun('stun:a'), socket: '/x', upload: true },
  ],
  'members in another order': [
    { servers: { iceServers: [{ urls: 'stun:a', username: 'u' }] } },
    { servers: { iceServers: [{ username: 'u', urls: 'stun:a' }] } },
  ],
  'what is the default': [{}, { servers: {}, socket: SOCKET_PATH, upload: { on: true }, cacheName: `${CACHE_PREFIX}1` }],
  'a URL and a path': [{ worker: '/sw.js' }, { worker: 'https://site.test/sw.js', socket: `wss://site.test${SOCKET_PATH}` }],
  fewer: [{ servers: stun('stun:a'), cacheName: 'mine', upload: false }, {}],
  'those of each instance itself': [{ timeoutAfter: 1 }, { timeoutAfter: 2, constraints: { ordered: true } }],
};
for (const [name, [first, second]] of Object.entries(alike)) {
  test(`options that are alike (${name}) say nothing`, async (t) => {
    const close = closing(t);
    new FakeContainer('controlling');
    const plugins = [
      close(await start(first)),
      close(await other.start(second)),
      close(new PeerPlugin({ ...second, worker: '/sw.js' })),
    ];
    const said = plugins.map(errorsOf);
    await turn();
    await turn();
    assert.deepEqual(said, [[], [], []]);
  });
}

test('options that cannot be compared end nothing', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  const circle = {};
  circle.circle = circle;
  const one = close(await start({ servers: { circle } }));
  const two = close(await start({ servers: { size: 1n }, socket: 'http://[', worker: 'http://[' }));
  await turn();
  await checkTakesPart(one, container);
  await checkTakesPart(two, container);
});

test('the page uploads what all of its instances allow, and more when the one that forbids it has gone', async (t) => {
  const close = closing(t);
  new FakeContainer('controlling');
  await fill();
  const announced = () => FakeSocket.all.some(({ held }) => held.has(root));
  const one = close(await start());
  await until('announced', announced);
  const two = close(await other.start({ upload: false }));
  assert.equal(two.upload.on, false);
  await until('not announced any more', () => !announced());
  two.close();
  await until('announced again', announced);
  one.upload = { on: false };
  await until("the visitor's choice is heeded", () => !announced());
  // It is the visitor's, whichever instance it is made with.
  const three = close(await start());
  assert.equal(three.upload.on, false);
  two.upload = { on: true };
  await until('announced again', announced);
  assert.equal(one.upload.on, true);
});

test('an engine that cannot start is said by every instance, once, to whoever listens after start()', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('installing');
  const { WebAssembly } = globalThis;
  t.after(() => (globalThis.WebAssembly = WebAssembly));
  globalThis.WebAssembly = undefined;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const started = async () => {
    let plugin;
    start({ worker: '/sw.js' }).then((each) => (plugin = close(each)));
    for (; !plugin; t.mock.timers.tick(workerWait)) await turn();
    return plugin;
  };
  const plugins = [await started(), await started(), close(new PeerPlugin())];
  const said = plugins.map(errorsOf);
  await turn();
  for (const errors of said) assert.deepEqual(errors, [{ code: 'engine-failed' }]);
  for (const plugin of plugins) assert.equal(plugin.reason, 'engine-failed');
  assert.equal(container.registered.length, 2, 'the worker serves what is stored all the same');
});

test('beside a copy that speaks another version an instance takes no part, and says why', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  for (const theirs of [{ version: 2 }, {}, 'theirs', 1]) {
    globalThis[KEY] = theirs;
    for (const plugin of [close(await start({ worker: '/sw.js' })), close(new PeerPlugin())]) {
      assert.equal(plugin.active, false);
      assert.equal(plugin.reason, 'version-mismatch');
      const errors = errorsOf(plugin);
      await turn();
      assert.deepEqual(errors, [{ code: 'version-mismatch' }]);
      assert.equal(await plugin.getMiddleware({ request: { url: request.url, method: 'GET' } }).get(), null);
      assert.equal(plugin.upload.on, true);
      assert.deepEqual(plugin.stats, { peers: 0, sent: 0, received: 0, engine: null });
      assert.deepEqual((await plugin.diagnose()).missing, ['version-mismatch']);
      await plugin.informed;
      plugin.close();
    }
    assert.equal(globalThis[KEY], theirs, 'what others have is left alone');
    delete globalThis[KEY];
  }
  assert.equal(FakeSocket.all.length, 0);
  await checkTakesPart(close(await start()), container);
});

// --- The long form -------------------------------------------------------------------------------

/** The published lines. */
function answerByHand(t, container, plugin) {
  const replies = [];
  const listener = (event) => {
    plugin
      .getMiddleware({ request: { url: event.data.url, method: 'GET' } })
      .get()
      .then((answer) => {
        replies.push(answer);
        event.ports[0].postMessage(answer);
      });
  };
  container.addEventListener('message', listener);
  t.after(() => container.removeEventListener('message', listener));
  return replies;
}

test('the long form answers by itself, and beside a start() only the stream does, until that is closed', async (t) => {
  for (const startsFirst of [true, false]) {
    const close = closing(t);
    const container = new FakeContainer('controlling');
    await fill();
    const before = startsFirst ? await start() : null;
    const own = close(new PeerPlugin({ timeoutAfter: 10 }));
    const replies = answerByHand(t, container, own);
    const beside = close(before ?? (await start()));
    assert.equal(container.form, 'stream');

    const streamed = container.ask(request);
    await until("the page's own listener has replied", () => replies.length === 1);
    await until('the stream has ended', () => streamed.some(({ type }) => type === 'none' || type === 'end'));
    await turn();
    assert.ok(
      streamed.every((answer) => answer?.type),
      'only the stream is heard',
    );

    beside.close();
    assert.equal(container.form, 'reply');
    assert.ok(container.knowsPage);
    const whole = container.ask(request);
    await until('the reply came', () => replies.length === 2 && whole.length === 2);
    assert.deepEqual(whole, [{ type: 'ack' }, null]);
    own.close();
    checkIsOff(own, container);
  }
});

// --- The worker is late --------------------------------------------------------------------------

const late = {
  'whose script never comes': ['loading', { worker: '/sw.js' }],
  'whose install event never ends': ['installing', { worker: '/sw.js' }],
  'that the site registers itself, and whose install event never ends': ['installing', {}],
};
for (const [name, [state, options]] of Object.entries(late)) {
  test(`a worker ${name}: start() resolves after ten seconds, and sharing begins when it is there after all`, async (t) => {
    const close = closing(t);
    const container = new FakeContainer(state);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let plugin = null;
    const starting = start(options).then((started) => (plugin = close(started)));
    await turn();
    const step = Math.floor((workerWait - 1) / 3);
    for (let i = 0; i < 3; i++) {
      t.mock.timers.tick(step);
      await turn();
    }
    assert.equal(plugin, null);
    t.mock.timers.tick(workerWait - 3 * step);
    await starting;
    assert.equal(plugin.active, false);
    assert.equal(plugin.reason, 'no-worker');
    t.mock.timers.reset();
    container.load();
    container.activate();
    container.control();
    await plugin.informed;
    await checkTakesPart(plugin, container);
  });
}

test('a second start() of a page whose worker answered nothing at first, and does by now, is not told no-worker', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  const tell = fakeWorkerChannel(t, { ...SITE, code: 'no-manifest' });
  const one = close(await start());
  assert.deepEqual([one.active, one.reason], [false, 'no-manifest']);
  tell({ type: 'busy', open: 0, cache: SITE.cache, code: '', end: '' });
  assert.deepEqual([one.active, one.reason], [true, null]);
  const two = close(await start());
  const errors = errorsOf(two);
  await turn();
  assert.deepEqual(errors, []);
  await checkTakesPart(two, container);
  // And again: who starts while it answers nothing need not wait for it.
  tell({ type: 'busy', open: 0, cache: SITE.cache, code: 'no-manifest', end: '' });
  assert.equal(close(await start()).reason, 'no-manifest');
});

test('who reads for itself takes part in a page where start() found no worker, in either order', async (t) => {
  for (const startsFirst of [true, false]) {
    const close = closing(t);
    const container = new FakeContainer('loading');
    container.register = async () => {
      throw new TypeError('404');
    };
    const before = startsFirst ? await start({ worker: '/sw.js' }) : null;
    assert.equal(openSockets(), 0);
    const own = close(new PeerPlugin());
    const beside = close(before ?? (await start({ worker: '/sw.js' })));
    assert.equal(beside.reason, 'no-worker');
    await until('the engine has a socket', () => openSockets() === 1);
    own.close();
    beside.close();
    assert.equal(openSockets(), 0);
  }
});

test('a page that found no worker opens nothing when it is back from the back/forward cache', async (t) => {
  const close = closing(t);
  const fire = fakeWindow(t);
  const container = new FakeContainer('loading');
  container.register = async () => {
    throw new TypeError('404');
  };
  const plugin = close(await start({ worker: '/sw.js' }));
  assert.equal(openSockets(), 0);
  fire('pagehide', { persisted: true });
  fire('pageshow', { persisted: true });
  await plugin.informed;
  for (let i = 0; i < 20; i++) await turn();
  assert.deepEqual([openSockets(), plugin.stats.engine, plugin.reason], [0, null, 'no-worker']);
});

test('every change of the state is told, once', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('activated');
  const tell = fakeWorkerChannel(t);
  const store = await Store.open(`${CACHE_PREFIX}1`);
  const plugin = close(await start());
  const states = [];
  plugin.addEventListener('state', ({ detail }) => states.push(detail));
  const untilTold = (count) => until(`${count} changes are told`, () => states.length === count);
  assert.deepEqual([plugin.active, plugin.reason], [false, 'no-worker']);
  container.control();
  await untilTold(1);
  container.control();
  await store.putManifest(JSON.stringify({ version: manifestVersion, disabled: true }), Date.now());
  tell({ type: 'manifest' });
  await untilTold(2);
  await fill();
  tell({ type: 'manifest' });
  await untilTold(3);
  plugin.close();
  assert.deepEqual(states, [
    { active: true, reason: null },
    { active: false, reason: 'disabled' },
    { active: true, reason: null },
    { active: false, reason: 'cancelled' },
  ]);
});

test('an instance that is closed beside another one is told so, and diagnoses itself', async (t) => {
  const close = closing(t);
  new FakeContainer('controlling');
  const [one, two] = [close(await start()), close(await start())];
  const states = [];
  for (const each of [one, two]) each.addEventListener('state', ({ detail }) => states.push(detail));
  one.close();
  one.close();
  assert.deepEqual(states, [{ active: false, reason: 'cancelled' }]);
  const { active, missing } = await one.diagnose();
  assert.deepEqual([active, missing], [false, ['cancelled']]);
  const other = await two.diagnose();
  assert.deepEqual([other.active, other.missing], [true, []]);
});

test('a worker that is cleared away is registered again, and later each time', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('controlling');
  fakeWorkerChannel(t, { ...SITE });
  const plugin = close(await start({ worker: '/sw.js' }));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const changes of [1, 3]) {
    const before = container.registered.length;
    container.controller = null;
    container.dispatchEvent(new Event('controllerchange'));
    assert.equal(plugin.reason, 'no-worker');
    t.mock.timers.tick(changes * registrationWait - 1);
    assert.equal(container.registered.length, before);
    t.mock.timers.tick(1);
    await turn();
    assert.equal(container.registered.length, before + 1);
    container.control();
    assert.equal(plugin.active, true);
    // What waited for this one finds the page served.
    t.mock.timers.tick(2 * registrationWait);
    assert.equal(container.registered.length, before + 1);
  }
});

test('a worker that fails, and one that leaves the page alone, are not waited for', async (t) => {
  const close = closing(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const failing = new FakeContainer('installing');
  const starting = start({ worker: '/sw.js' });
  await turn();
  failing.fail();
  assert.equal(close(await starting).reason, 'no-worker');

  const aloof = new FakeContainer('installing');
  let plugin = null;
  const other = start({ worker: '/sw.js' }).then((started) => (plugin = close(started)));
  await turn();
  aloof.activate();
  t.mock.timers.tick(controllerWait - 1);
  await turn();
  assert.equal(plugin, null);
  t.mock.timers.tick(1);
  await other;
  assert.equal(plugin.reason, 'no-worker');

  const refusing = new FakeContainer('loading');
  refusing.register = async () => {
    throw new TypeError('404');
  };
  assert.equal(close(await start({ worker: '/sw.js' })).reason, 'no-worker');
});

for (const options of [{ worker: '/sw.js' }, {}]) {
  test(`after a forced reload start(${JSON.stringify(options)}) knows at once that the worker does not control`, async (t) => {
    const close = closing(t);
    const container = new FakeContainer('activated');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plugin = close(await start(options));
    assert.equal(plugin.active, false);
    assert.equal(plugin.reason, 'no-worker');
    t.mock.timers.tick(1);
    t.mock.timers.reset();
    container.control();
    await plugin.informed;
    await checkTakesPart(plugin, container);
  });
}

test('a worker that registered late is known at once on the first visit, and a mended one takes part', async (t) => {
  const say = fakeWorkerChannel(t);
  const close = closing(t);
  const container = new FakeContainer('installing');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const starting = start({ worker: '/sw.js' });
  await turn();
  say({ type: 'busy', open: 0, cache: 'peer-cdn-v1', code: 'registered-late' });
  const plugin = close(await starting);
  const errors = [];
  plugin.addEventListener('error', ({ detail }) => errors.push(detail));
  await turn();
  assert.deepEqual([plugin.active, plugin.reason, errors], [false, 'registered-late', [{ code: 'registered-late' }]]);
  container.control();
  assert.deepEqual([plugin.active, plugin.reason], [false, 'registered-late']);
  say({ type: 'busy', open: 0, cache: 'peer-cdn-v1', code: 'registered-late' });
  assert.equal(errors.length, 1, 'told once');
  say({ type: 'busy', open: 0, cache: 'peer-cdn-v1', code: '' });
  assert.deepEqual([plugin.active, plugin.reason], [true, null]);
});

test('a page that its worker never claims asks it why, and takes leave of it', async (t) => {
  const close = closing(t);
  const container = new FakeContainer('activated');
  fakeWorkerChannel(t, { ...SITE, code: 'registered-late' });
  const plugin = close(await start({ worker: '/sw.js' }));
  await until('it knows', () => plugin.reason === 'registered-late');
  assert.equal(plugin.active, false);
  plugin.close();
  checkIsOff(plugin, container);
});

test('start() on a controlled page waits for what the worker says of itself, half a second at most', async (t) => {
  for (const code of ['registered-late', '', undefined]) {
    const say = fakeWorkerChannel(t, null);
    const container = new FakeContainer('controlling');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let plugin = null;
    const starting = start({ worker: '/sw.js' }).then((one) => (plugin = one));
    while (!container.knowsPage) await turn();
    t.mock.timers.tick(firstSocketWait - 1);
    await turn();
    assert.equal(plugin, null);
    if (code !== undefined) say({ type: 'busy', open: 0, cache: `${CACHE_PREFIX}1`, code });
    await turn();
    // By then it is also known who has what, or the half second is over.
    t.mock.timers.tick(1);
    await starting;
    assert.deepEqual([plugin.active, plugin.reason], code ? [false, code] : [true, null]);
    plugin.close();
    t.mock.timers.reset();
  }
});

/** What the console is told of us. */
function warnings(t) {
  const warned = t.mock.method(console, 'warn', () => {});
  return () => warned.mock.calls.map(({ arguments: [text] }) => text);
}

test('a worker that cannot be registered is told at once: on the console once, and in an event each time', async (t) => {
  const close = closing(t);
  const warned = warnings(t);
  const container = new FakeContainer('loading');
  container.register = () => Promise.reject(new TypeError('sw.js has the type text/html'));
  for (let i = 0; i < 2; i++) {
    const plugin = close(await start({ worker: '/sw.js' }));
    const errors = [];
    plugin.addEventListener('error', ({ detail }) => errors.push(detail));
    await turn();
    assert.deepEqual([plugin.active, plugin.reason], [false, 'no-worker']);
    assert.deepEqual(errors, [{ code: 'no-worker', message: 'sw.js has the type text/html' }]);
  }
  assert.equal(warned().length, 1);
  assert.match(warned()[0], /^peer-cdn: no-worker: .*\(sw\.js has the type text\/html\)/);
});

test('a site without a manifest is told of, and a page that wants no warning gets none', async (t) => {
  for (const warn of [undefined, false]) {
    const say = fakeWorkerChannel(t);
    const warned = warnings(t);
    new FakeContainer('controlling');
    const starting = start({ worker: '/sw.js', warn });
    await turn();
    say({ type: 'busy', open: 0, cache: `${CACHE_PREFIX}1`, code: 'no-manifest' });
    const plugin = await starting;
    assert.deepEqual([plugin.active, plugin.reason], [false, 'no-manifest']);
    assert.equal(warned().filter((text) => text.includes('no-manifest')).length, warn === false ? 0 : 1);
    plugin.close();
    console.warn.mock.restore();
  }
});

test('a page for which nobody registers a worker is told so', async (t) => {
  const close = closing(t);
  const warned = warnings(t);
  new FakeContainer('loading');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const starting = start();
  for (let i = 0; i < 10; i++) {
    t.mock.timers.tick(workerWait);
    await turn();
  }
  close(await starting);
  assert.match(warned()[0], /no-worker: .*\(none is registered for this page\)/);
});

/** What a page gets wrong, and how it is named. */
const badOptions = {
  'a misspelt name': [{ misspelt: 1, reports: '/peer-cdn/report' }, ['misspelt', 'reports']],
  'a misspelt member of upload': [{ upload: { enabled: false } }, ['upload.enabled']],
  'members of upload that are no amounts': [{ upload: { on: 'no', bytes: -1 } }, ['upload.on', 'upload.bytes']],
  'an upload that is neither yes nor no': [{ upload: 0 }, ['upload']],
  'a report to no URL': [{ report: 'https://' }, ['report']],
  'a report to a host without its scheme': [{ report: 'localhost:8080/peer-cdn/report' }, ['report']],
  'a report by ftp': [{ report: 'ftp://site.test/peer-cdn/report' }, ['report']],
  'a report to what is no text': [{ report: true }, ['report']],
  'an upload that is a list': [{ upload: [] }, ['upload']],
  'a store whose name is no text': [{ cacheName: 5 }, ['cacheName']],
  'texts with nothing in them': [{ cacheName: '', socket: '' }, ['cacheName', 'socket']],
  'an idle that is neither yes nor no': [{ idle: 'no' }, ['idle']],
  'a warn that is neither yes nor no': [{ warn: 0 }, ['warn']],
  'a socket and an engine that are no URLs': [{ socket: 5, engine: 5 }, ['socket', 'engine']],
  'an engine that is an object without an address': [{ engine: {} }, ['engine']],
  'a time that is a text': [{ timeoutAfter: '3 s' }, ['timeoutAfter']],
  'a time without an end': [{ timeoutAfter: Infinity }, ['timeoutAfter']],
  'constraints that are a number': [{ constraints: 5 }, ['constraints']],
  'a scope that is a number, and a kind of worker that nobody knows': [
    { scope: 5, workerType: 'shared' },
    ['scope', 'workerType'],
  ],
  'a socket by another scheme, or with a fragment': [{ socket: 'ftp://site.test/' }, ['socket']],
  'a socket whose address cannot be read': [{ socket: 'https://' }, ['socket']],
  'a time that no timer knows': [{ timeoutAfter: 2 ** 31 }, ['timeoutAfter']],
  'a name that every object has': [{ constructor: 1, toString: 1 }, ['constructor', 'toString']],
};
for (const [name, [given, options]] of Object.entries(badOptions)) {
  test(`${name} is told in an event and on the console, and the page takes part`, async (t) => {
    const close = closing(t);
    const warned = warnings(t);
    const container = new FakeContainer('controlling');
    const plugin = close(await start({ worker: '/sw.js', ...given }));
    const errors = errorsOf(plugin);
    await turn();
    const message = options.join(', ');
    assert.deepEqual(errors, [{ code: 'bad-option', message, options }]);
    const [said] = warned();
    assert(said.startsWith('peer-cdn: bad-option: ') && said.includes(`(${message})`), said);
    assert.equal(warned().length, 1);
    await checkTakesPart(plugin, container);
  });
}

/** A value that throws as it is looked at. */
const thrower = () => assert.fail('looked at');
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

/** No option has such a value. */
const odd = {
  'a date': new Date(0),
  'a map': new Map(),
  'a set': new Set(['/a']),
  'a promise': Promise.resolve('/a'),
  'a regexp': /a/,
  'an error': new Error('a'),
  'a function': () => '/a',
  'a symbol': Symbol('a'),
  'a bigint': 10n,
  'a negative number': -1,
  bytes: new Uint8Array(3),
  'a list': ['/a'],
  'a list in a list': [[['/a']]],
  'a proxy that throws': new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower }),
  'a proxy that is revoked': revoked,
  'a tag that throws': {
    get [Symbol.toStringTag]() {
      return thrower();
    },
  },
  'a date that is a JSON': { toJSON: () => '/a', toString: thrower, [Symbol.toStringTag]: 'Odd' },
};
const { known } = await import('../../web/options.js');
for (const option of Object.keys(known)) {
  test(`odd values of ${option} are told by its name, and nothing is thrown`, async (t) => {
    const close = closing(t);
    warnings(t);
    new FakeContainer('controlling');
    for (const [name, value] of Object.entries({ ...odd, 'a getter that throws': thrower })) {
      const options = Object.defineProperty({}, option, {
        enumerable: true,
        ...(value === thrower ? { get: value } : { value }),
      });
      // start() has a form of its own.
      const plugin = close(option === 'form' ? new PeerPlugin(options) : await start(options));
      const errors = errorsOf(plugin);
      await turn();
      assert.deepEqual(
        errors.filter(({ code }) => code === 'bad-option').map(({ options: names }) => names),
        [[option]],
        name,
      );
      assert.notEqual(plugin.reason, 'engine-failed', name);
      plugin.close();
    }
  });
}

test('odd values in place of all options are told, and nothing is thrown', async (t) => {
  const close = closing(t);
  warnings(t);
  new FakeContainer('controlling');
  for (const [name, value] of Object.entries({ ...odd, 'a long text': 'x'.repeat(2e6), 'a number': NaN, 'a yes': true })) {
    for (const made of [start, (given) => new PeerPlugin(given)]) {
      const plugin = close(await made(value));
      const errors = errorsOf(plugin);
      await turn();
      assert.deepEqual(
        errors.filter(({ code }) => code === 'bad-option').map(({ options }) => options),
        [['options']],
        name,
      );
      plugin.close();
    }
  }
});

test('members of upload that throw are told, of the options and of the choice', async (t) => {
  const close = closing(t);
  warnings(t);
  const container = new FakeContainer('controlling');
  const upload = Object.defineProperty({}, 'on', { enumerable: true, get: thrower });
  const plugin = close(await start({ worker: '/sw.js', upload }));
  const errors = errorsOf(plugin);
  await turn();
  plugin.upload = upload;
  for (const choice of Object.values(odd)) plugin.upload = choice;
  assert.deepEqual(
    errors.map(({ options }) => options),
    [['upload.on'], ['upload.on'], ...Object.keys(odd).map(() => ['upload'])],
  );
  await checkTakesPart(plugin, container);
});

/** No browser takes such servers (tests/e2e/servers.test.mjs asks them). */
const badServers = {
  'servers without the object around': [[{ urls: 'stun:a' }], 'servers'],
  'servers that are a text': ['stun:a', 'servers'],
  'ICE servers that are no list': [{ iceServers: { urls: 'stun:a' } }, 'servers.iceServers'],
  'ICE servers that are null': [{ iceServers: null }, 'servers.iceServers'],
  'a server with slashes': [{ iceServers: [{ urls: 'stun:a' }, { urls: ['stun:b', 'stun://c'] }] }, 'servers.stun://c'],
  'a relay that is misspelt': [{ iceTransportPolicy: 'Relay' }, 'servers.iceTransportPolicy'],
  'a member that throws': [
    {
      get certificates() {
        return thrower();
      },
    },
    'servers',
  ],
  'a URL that throws': [
    {
      iceServers: [
        {
          get urls() {
            return thrower();
          },
        },
      ],
    },
    'servers',
  ],
};
for (const [name, [servers, option]] of Object.entries(badServers)) {
  test(`${name}: told at once, and no connection is made by others instead`, async (t) => {
    const close = closing(t);
    const warned = warnings(t);
    new FakeContainer('controlling');
    const plugin = close(await start({ worker: '/sw.js', servers }));
    const errors = errorsOf(plugin);
    await turn();
    assert.deepEqual(errors, [{ code: 'bad-option', message: option, options: [option] }]);
    assert.equal(warned().length, 1);
    assert.equal(plugin.active, true);
    assert.deepEqual((await plugin.diagnose()).missing, ['no-webrtc']);
    assert.equal(openSockets(), 0);
  });
}

test('a later instance is told of its own bad options too, and where no warning is wanted by the event alone', async (t) => {
  const close = closing(t);
  const warned = warnings(t);
  new FakeContainer('controlling');
  close(await start({ worker: '/sw.js', warn: false }));
  const errors = errorsOf(close(new PeerPlugin({ cachename: 'a', worker: '/sw.js', URL: 1 })));
  await turn();
  assert.deepEqual(
    errors.map(({ options }) => options),
    [['cachename', 'URL']],
  );
  assert.deepEqual(warned(), []);
});

/** What takes the place of all options: [what is given, to whom]. */
const noOptions = {
  'start() gets a number': () => start(5),
  'start() gets a text': () => start('/sw.js'),
  'start() gets a list': () => start([]),
  'start() gets what is no object after all': () => start(false),
  'PeerPlugin gets a number': () => new PeerPlugin(5),
  'PeerPlugin gets a text': () => new PeerPlugin('x'),
};
for (const [name, made] of Object.entries(noOptions)) {
  test(`${name} in place of options: it is told`, async (t) => {
    const close = closing(t);
    const warned = warnings(t);
    new FakeContainer('controlling');
    const errors = errorsOf(close(await made()));
    await turn();
    assert.deepEqual(errors, [{ code: 'bad-option', message: 'options', options: ['options'] }]);
    assert.equal(warned().length, 1);
  });
}

test("an option that cannot be used is as if nobody had said it, for the instance's own and for the engine's", async (t) => {
  const close = closing(t);
  warnings(t);
  new FakeContainer('controlling');
  close(await start({ worker: '/sw.js', servers: [], socket: 5, cacheName: 5, upload: 'no' }));
  const same = close(await start({ worker: '/sw.js' }));
  const errors = errorsOf(same);
  await turn();
  assert.deepEqual(
    errors.filter(({ code }) => code === 'options-differ'),
    [],
  );
  assert.deepEqual([same.reason, same.upload.on], [null, true]);
});

test("a visitor's choice that is a list is told, and changes nothing", async (t) => {
  const close = closing(t);
  warnings(t);
  new FakeContainer('controlling');
  const plugin = close(await start({ worker: '/sw.js' }));
  const errors = errorsOf(plugin);
  const { upload } = plugin;
  plugin.upload = [];
  assert.deepEqual([errors, plugin.upload], [[{ code: 'bad-option', message: 'upload', options: ['upload'] }], upload]);
});

test("the store's name has both of its published spellings in a page too", () => {
  assert.equal(CachePlugin.peerFetch, CACHE_PREFIX);
  assert.equal(CachePlugin.peerfetch, CACHE_PREFIX);
});

test('options that are known, published ones too, and those that say nothing, are no fault', async (t) => {
  const close = closing(t);
  new FakeContainer('controlling');
  const published = {
    cacheName: `${CACHE_PREFIX}1`,
    timeoutAfter: 3000,
    servers: { iceServers: [] },
    constraints: { ordered: true },
  };
  const all = [
    await start({ worker: '/sw.js', scope: '/', workerType: 'classic', socket: SOCKET_PATH, idle: true, warn: true }),
    await start({ misspelt: undefined, report: undefined, upload: undefined }),
    await start({ report: '', upload: null, cacheName: null, idle: null, servers: null, socket: null, timeoutAfter: null }),
    await start({ worker: new URL('/sw.js', location.href), engine: new URL('/e.js', location.href), timeoutAfter: 0 }),
    await start({ servers: { iceTransportPolicy: 'relay', iceServers: undefined }, workerType: 'module', scope: '/a/' }),
    await start({ report: '/peer-cdn/report', upload: { on: true, bytes: undefined, bytesPerSecond: 5 } }),
    await start({ report: 'https://coordinator.example/peer-cdn/report', upload: false }),
    await start(null),
    new PeerPlugin(published),
    new PeerPlugin({ ...published, form: 'reply', engine: '/peer-cdn/engine.js' }),
  ].map(close);
  const said = all.map(errorsOf);
  await turn();
  assert.deepEqual(
    said.flat().filter(({ code }) => code === 'bad-option'),
    [],
  );
});

test("a visitor's choice that says nothing is told", async (t) => {
  const close = closing(t);
  const warned = warnings(t);
  new FakeContainer('controlling');
  const plugin = close(await start({ worker: '/sw.js' }));
  const errors = errorsOf(plugin);
  plugin.upload = { enabled: false };
  assert.deepEqual(errors, [{ code: 'bad-option', message: 'upload.enabled', options: ['upload.enabled'] }]);
  assert.equal(warned().length, 1);
});
