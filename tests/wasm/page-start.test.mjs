// start(), and what a page keeps of the visitor's choices, with a browser of fakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../e2e/harness/until.mjs';
import { FakeSocket, fakeWorkerChannel, hearHello, install, SITE } from './page-fakes.mjs';
import {
  aliveInterval,
  CACHE_PREFIX,
  firstSocketWait,
  MANIFEST_PATH,
  manifestVersion,
  pieceBytesMin,
} from '../../build/border.js';

install();
const { start, PeerPlugin } = await import('../../web/index.js');
const { Bridge } = await import('../../web/bridge.js');
const { bothAllow, browserId } = await import('../../web/settings.js');
const { Store } = await import('../../sw/store.js');

/** A service worker that controls the page at once, or none at all. */
function fakeContainer({ controlled }) {
  const container = Object.assign(new EventTarget(), {
    controller: controlled ? { postMessage: hearHello } : null,
    ready: controlled ? Promise.resolve({ active: { state: 'activated' } }) : new Promise(() => {}),
    register: async () => ({ active: { state: 'activated' } }),
    getRegistration: async () => (controlled ? { scope: SITE.scope } : undefined),
  });
  globalThis.navigator = { serviceWorker: container };
  return container;
}

/** A page has a socket where a file is listed. */
async function list(name = `${CACHE_PREFIX}1`) {
  const store = await Store.open(name);
  await store.putManifest(listing(), Date.now());
}

test('start() resolves when the coordinator has said who has what', async (t) => {
  install();
  await list();
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const plugin = await start({ worker: '/sw.js' });
  t.after(() => plugin.close());
  assert.ok(plugin.active);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(FakeSocket.messages[0].type, 'hello');
});

for (const disabled of [false, true]) {
  test(`channels and locks that are denied, as storage may be, are as if they were missing; disabled: ${disabled}`, async (t) => {
    install();
    FakeSocket.reset();
    fakeContainer({ controlled: true });
    const store = await Store.open(`${CACHE_PREFIX}1`);
    await store.putManifest(listing({ disabled }), Date.now());
    await store.putRun('ab'.repeat(32), 0, 1, [Buffer.from('bytes')]);
    globalThis.BroadcastChannel = class {
      constructor() {
        throw new DOMException('denied', 'SecurityError');
      }
    };
    t.after(() => (globalThis.BroadcastChannel = undefined));
    navigator.locks = { request: () => Promise.reject(new DOMException('denied', 'SecurityError')) };
    const errors = [];
    const plugin = await start({ worker: '/sw.js' });
    t.after(() => plugin.close());
    plugin.addEventListener('error', ({ detail }) => errors.push(detail.code));
    if (disabled) await until('off', () => plugin.reason === 'disabled');
    else await until('announced', () => FakeSocket.messages.some(({ type }) => type === 'have'));
    assert.deepEqual([plugin.active, plugin.reason, errors], [!disabled, disabled ? 'disabled' : null, []]);
  });
}

test('start() in a page that is prerendered waits until somebody sees it: nothing is opened, registered or told', async (t) => {
  install();
  await list();
  FakeSocket.reset();
  const container = fakeContainer({ controlled: true });
  const registered = t.mock.method(container, 'register');
  const page = Object.assign(new EventTarget(), { prerendering: true });
  globalThis.document = page;
  t.after(() => delete globalThis.document);
  let plugin = null;
  const starting = start({ worker: '/sw.js' }).then((started) => (plugin = started));
  t.after(() => plugin?.close());
  for (let turn = 0; turn < 20; ++turn) await new Promise(setImmediate);
  assert.equal(plugin, null);
  assert.equal(registered.mock.callCount(), 0);
  assert.equal(FakeSocket.all.length, 0);
  page.prerendering = false;
  page.dispatchEvent(new Event('prerenderingchange'));
  await starting;
  assert.ok(plugin.active);
  assert.equal(registered.mock.callCount(), 1);
  assert.equal(FakeSocket.all.length, 1);
});

test('start() works beside a library that replaced Array.from, as Prototype and MooTools did', async (t) => {
  install();
  await list();
  fakeContainer({ controlled: true });
  t.mock.method(Array, 'from', (/** @type {any} */ items) => [...items]);
  const plugin = await start({ worker: '/sw.js' });
  t.after(() => plugin.close());
  assert.ok(plugin.active);
  assert.match(browserId(), /^[0-9a-f]{32}$/);
});

test('start() waits half a second for a coordinator that does not answer, and not for one that is not there', async (t) => {
  install();
  await list();
  fakeContainer({ controlled: true });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const opened = new Promise((resolve) => {
    globalThis.WebSocket = class {
      constructor() {
        resolve(undefined);
      }
      close() {}
    };
  });
  let silent = null;
  const starting = start({ worker: '/sw.js' }).then((plugin) => (silent = plugin));
  await opened;
  await new Promise(setImmediate);
  t.mock.timers.tick(firstSocketWait - 1);
  await new Promise(setImmediate);
  assert.equal(silent, null);
  t.mock.timers.tick(1);
  await starting;
  t.after(() => silent.close());
  for (const gone of [
    undefined,
    class {
      constructor() {
        queueMicrotask(() => this.onclose());
      }
      close() {}
    },
  ]) {
    globalThis.WebSocket = gone;
    const plugin = await start({ worker: '/sw.js' });
    t.after(() => plugin.close());
  }
});

test('start() without a worker, where the site registers none, resolves inactive', { timeout: 60_000 }, async (t) => {
  install();
  fakeContainer({ controlled: false });
  const plugin = await start();
  t.after(() => plugin.close());
  assert.equal(plugin.active, false);
  assert.equal(plugin.reason, 'no-worker');
});

/** Local storage of a site, and events as other tabs hear of it. */
function fakeStorage(t) {
  const values = new Map();
  const events = new EventTarget();
  Object.assign(globalThis, {
    localStorage: { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value) },
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    dispatchEvent: events.dispatchEvent.bind(events),
  });
  const names = ['localStorage', 'addEventListener', 'removeEventListener', 'dispatchEvent'];
  t.after(() => names.forEach((name) => delete globalThis[name]));
  return () => events.dispatchEvent(Object.assign(new Event('storage'), { key: 'peer-cdn-upload' }));
}

test('what the visitor chooses in one tab holds in the others at once, and no longer than chosen', (t) => {
  install();
  fakeContainer({ controlled: true });
  const tellOthers = fakeStorage(t);
  const [one, two] = [new PeerPlugin(), new PeerPlugin()];
  t.after(() => [one, two].forEach((plugin) => plugin.close()));
  assert.equal(two.upload.on, true);
  one.upload = { on: false };
  tellOthers();
  assert.equal(two.upload.on, false);
  one.upload = { on: true };
  tellOthers();
  assert.equal(two.upload.on, true);
});

test('what the visitor chooses before it is known whose the page is outlives the end of its load', (t) => {
  install();
  fakeContainer({ controlled: true });
  fakeStorage(t);
  localStorage.setItem('peer-cdn-upload', '{"on":true}');
  const plugin = new PeerPlugin();
  t.after(() => plugin.close());
  plugin.upload = { on: false };
  dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
  assert.equal(plugin.upload.on, false);
});

test('the page is a ceiling: no choice, stored or made, raises what it allows', (t) => {
  install();
  fakeContainer({ controlled: true });
  fakeStorage(t);
  const open = (upload) => {
    const plugin = new PeerPlugin({ upload });
    t.after(() => plugin.close());
    return plugin;
  };
  open(undefined).upload = { on: true, bytesPerSecond: 5000 };
  const off = open(false);
  assert.equal(off.upload.on, false);
  off.upload = { on: true };
  assert.equal(off.upload.on, false);
  off.upload = { bytes: 7 };
  assert.equal(open(undefined).upload.on, true, "off was the page's word, not the visitor's");
  assert.deepEqual(open({ bytesPerSecond: 1000, bytes: 9 }).upload, { on: true, bytesPerSecond: 1000, bytes: 7 });
});

test('of two caps the smaller holds, and none is no cap', () => {
  for (const [page, visitor, expected] of [
    [undefined, undefined, {}],
    [true, { on: false }, { on: false }],
    [false, { on: true }, { on: false }],
    [{ bytesPerSecond: 0 }, { bytesPerSecond: 10 }, { bytesPerSecond: 10 }],
    [{ bytesPerSecond: 5 }, { bytesPerSecond: 10 }, { bytesPerSecond: 5 }],
    [{ bytes: 5 }, { bytes: 0 }, { bytes: 5 }],
    [{ bytes: 0 }, undefined, { bytes: 0 }],
    [{ bytes: -1 }, { bytes: NaN }, {}],
  ]) {
    assert.deepEqual(bothAllow(page, visitor), { on: undefined, bytesPerSecond: undefined, bytes: undefined, ...expected });
  }
});

test('a browser id lasts a day from when it was made, not until midnight', (t) => {
  fakeStorage(t);
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-01-01T23:50:00Z') });
  const id = browserId();
  t.mock.timers.setTime(Date.parse('2026-01-02T23:49:00Z'));
  assert.equal(browserId(), id);
  t.mock.timers.setTime(Date.parse('2026-01-02T23:51:00Z'));
  assert.notEqual(browserId(), id);
});

const listing = (more) =>
  JSON.stringify({
    version: manifestVersion,
    resources: {
      '/a.bin': { bytes: 5, type: 'text/plain', pieceBytes: pieceBytesMin, root: 'ab'.repeat(32) },
    },
    ...more,
  });

test('the page shares what the worker keeps, whatever the version of its store', async (t) => {
  install();
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const tell = fakeWorkerChannel(t, null);
  const announced = () => FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes('ab'.repeat(32)));
  const store = await Store.open(`${CACHE_PREFIX}2`);
  await store.putManifest(listing(), Date.now());
  await store.putRun('ab'.repeat(32), 0, 1, ['abcde']);
  await caches.open(`${CACHE_PREFIX}1`);
  const plugin = await start({ worker: '/sw.js' });
  t.after(() => plugin.close());
  await until('the store was guessed or told', () => {
    tell({ type: 'busy', open: 0, cache: `${CACHE_PREFIX}2` });
    return announced();
  });
  assert.ok(plugin.active);
});

test('a page where nothing is listed holds no socket, and start() does not wait for one', async (t) => {
  install();
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const store = await Store.open(`${CACHE_PREFIX}1`);
  await store.putManifest(JSON.stringify({ version: manifestVersion, resources: {} }), Date.now());
  const tell = fakeWorkerChannel(t);
  const plugin = await start({ worker: '/sw.js' });
  t.after(() => plugin.close());
  assert.ok(plugin.active);
  assert.equal(FakeSocket.all.length, 0);
  await store.putManifest(listing(), Date.now());
  tell({ type: 'manifest' });
  await until('a file is listed now', () => FakeSocket.all.length === 1);
});

test('a name that the page itself gives is kept', async (t) => {
  install();
  await list('mine');
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const tell = fakeWorkerChannel(t);
  const plugin = await start({ worker: '/sw.js', cacheName: 'mine' });
  t.after(() => plugin.close());
  tell({ type: 'busy', open: 0, cache: `${CACHE_PREFIX}2` });
  // What it hears next it still reads of its own store.
  const store = await Store.open('mine');
  await store.putManifest(listing({ disabled: true }), Date.now());
  tell({ type: 'manifest' });
  await until('off', () => plugin.reason === 'disabled');
  assert.deepEqual(await caches.keys(), ['mine']);
  assert.equal(FakeSocket.all.length, 1);
});

test('a manifest that turns it all off closes the socket, and a later one turns it on again', async (t) => {
  install();
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const tell = fakeWorkerChannel(t);
  const store = await Store.open(`${CACHE_PREFIX}1`);
  await store.putManifest(listing(), Date.now());
  const plugin = await start({ worker: '/sw.js' });
  t.after(() => plugin.close());
  const open = () => FakeSocket.all.filter(({ readyState }) => readyState === 1).length;
  assert.ok(plugin.active);
  assert.equal(open(), 1);
  await store.putManifest(listing({ disabled: true }), Date.now());
  tell({ type: 'manifest' });
  await until('off', () => !plugin.active && open() === 0);
  assert.equal(plugin.reason, 'disabled');
  await store.putManifest(listing(), Date.now());
  tell({ type: 'manifest' });
  await until('on again', () => plugin.active && open() === 1);
});

test('a manifest that turns it all on, and comes while the one that turned it off is still read, is not missed', async (t) => {
  for (const isTold of [true, false]) {
    install();
    FakeSocket.reset();
    fakeContainer({ controlled: true });
    const tell = fakeWorkerChannel(t);
    const cache = await caches.open(`${CACHE_PREFIX}1`);
    const store = await Store.open(`${CACHE_PREFIX}1`);
    await store.putManifest(listing({ disabled: true }), Date.now());
    const { match } = cache;
    cache.match = async (request) => {
      const answer = await match.call(cache, request);
      if (request !== MANIFEST_PATH) return answer;
      cache.match = match;
      await store.putManifest(listing(), Date.now());
      // The word of it may also be on its way to a page that closes its channel.
      if (isTold) tell({ type: 'manifest' });
      return answer;
    };
    const plugin = await start({ worker: '/sw.js' });
    t.after(() => plugin.close());
    await until('on', () => plugin.active && FakeSocket.all.some(({ readyState }) => readyState === 1));
    assert.equal(FakeSocket.all.filter(({ readyState }) => readyState === 1).length, 1);
    plugin.close();
  }
});

test('a listener may close the plugin from within an event', async (t) => {
  install();
  await list();
  FakeSocket.reset();
  fakeContainer({ controlled: true });
  const plugin = new PeerPlugin({ servers: {} });
  t.after(() => plugin.close());
  await plugin.informed;
  const heard = new Promise((resolve) => {
    plugin.addEventListener('error', () => {
      plugin.close();
      resolve(undefined);
    });
  });
  FakeSocket.all.at(-1).tell({ type: 'error', code: 'rate-limited' });
  await heard;
  assert.equal(plugin.active, false);
  assert.equal(FakeSocket.all.at(-1).readyState, 3);
});

/** A bridge to a worker that a test speaks for, and how often the bridge has kept it alive. */
function openBridge(t, container) {
  const posted = [];
  container.controller.postMessage = ({ type }) => posted.push(type);
  const tell = fakeWorkerChannel(t);
  const silent = { delegate() {}, tell() {}, controlled() {}, site() {} };
  const bridge = new Bridge('stream', { meet: () => new MessageChannel().port1, ...silent });
  bridge.open();
  bridge.join(SITE);
  t.after(() => bridge.close());
  t.mock.timers.enable({ apis: ['setInterval'] });
  return { bridge, tell, alive: () => posted.filter((type) => type === 'alive').length };
}

test('words of the worker do not put off what keeps it alive', async (t) => {
  install();
  const { tell, alive } = openBridge(t, fakeContainer({ controlled: true }));
  for (let i = 0; i < 10; i++) {
    tell({ type: 'busy', open: 1 + i });
    t.mock.timers.tick(aliveInterval / 2);
  }
  assert.equal(alive(), 5);
  tell({ type: 'busy', open: 0 });
  t.mock.timers.tick(5 * aliveInterval);
  assert.equal(alive(), 5);
});

test('a page that was closed keeps a worker alive for its open responses, and not the one that starts after it', async (t) => {
  install();
  const { bridge, tell, alive } = openBridge(t, fakeContainer({ controlled: true }));
  tell({ type: 'busy', open: 1 });
  bridge.close();
  t.mock.timers.tick(2 * aliveInterval);
  assert.equal(alive(), 2);
  tell({ type: 'who' });
  t.mock.timers.tick(5 * aliveInterval);
  assert.equal(alive(), 2);
});

test('what the worker says last of its open responses holds, though the page looks up whose worker it is', async (t) => {
  install();
  const container = fakeContainer({ controlled: true });
  const { tell, alive } = openBridge(t, container);
  let known = () => {};
  container.getRegistration = () => new Promise((resolve) => (known = () => resolve({ scope: SITE.scope })));
  const turns = [
    { said: 1, last: 0, kept: 0 },
    { said: 0, last: 1, kept: 1 },
  ];
  for (const { said, last, kept } of turns) {
    const before = alive();
    tell({ ...SITE, open: said });
    tell({ type: 'busy', open: last, end: '' });
    known();
    await new Promise(setImmediate);
    t.mock.timers.tick(aliveInterval);
    assert.equal(alive() - before, kept);
  }
});
