// A page that starts more than once: components that mount twice, two bundles, and a worker that is late.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { CACHE_PREFIX } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/data.bin';
const dist = (name) => fs.readFileSync(new URL(`../../dist/browser/${name}`, import.meta.url));

/** A page's script: `body` leaves the instance that is used in `window.peerCdn`. Every event of all instances is kept. */
const script = (body) => `import { start, PeerPlugin } from '/peer-cdn/index.js';
import { start as startOther } from '/other/bundle.js';
window.errors = [];
const listen = (plugin) => {
  plugin.addEventListener('error', ({ detail }) => window.errors.push(detail.code));
  return plugin;
};
const options = { worker: '/sw.js' };
${body}
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;

/** The sockets on which somebody has said hello to the coordinator. */
const greetings = (origin) => origin.signals.filter(({ from, message }) => from === 'client' && message.type === 'hello').length;

/** A site whose page starts as `body` says, and a file that one visitor, in a page that starts once, shares. */
async function openShared(t, body) {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('mounts', 2_000_000);
  const s = await site({
    [url]: bytes,
    '/once.html': '<!doctype html><script type="module" src="/once.js"></script>',
    '/once.js': script('window.peerCdn = await start(options);'),
    '/page.js': script(body),
    '/other/bundle.js': dist('index.js'),
    '/other/page.js': dist('page.js'),
    '/other/engine.js': dist('engine.js'),
  });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(`${s.url}/once.html`);
  assert.equal((await first.fetch(url)).sha256, sha256(bytes));
  const root = await s.root(url);
  await s.origin.untilShared(root);
  return { s, first, second, bytes, root };
}

/** The file comes from the first visitor, each byte once. */
async function checkShares({ s, second, bytes, root }) {
  await s.origin.untilIntroducible(root);
  s.origin.requests = [];
  const got = await s.origin.away(() => second.fetch(url));
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  const from = await second.sources(url);
  assert.equal(from.fromPeers, bytes.length, JSON.stringify(from));
  assert.equal(s.origin.sent(url), 0);
  const received = () => second.run(() => window.peerCdn.stats.received);
  await until('all of it is counted', async () => (await received()) >= bytes.length);
  assert.equal(await received(), bytes.length, 'every byte came once');
}

const mounts = [
  {
    name: "a component that is mounted, unmounted and mounted again, as in React's StrictMode,",
    body: `const mounting = start(options);
mounting.then((plugin) => plugin.close());
window.peerCdn = await start(options);
await mounting;`,
  },
  {
    name: 'an instance that is started after another one was closed',
    body: `(await start(options)).close();
window.peerCdn = await start(options);`,
  },
  {
    name: 'an instance whose neighbour was closed, twice,',
    body: `const neighbour = await start(options);
window.peerCdn = await start(options);
neighbour.close();
neighbour.close();`,
  },
  {
    name: 'the third of three instances in one task, of which two are closed in it,',
    body: `new PeerPlugin().close();
new PeerPlugin({ form: 'stream' }).close();
window.peerCdn = await start(options);`,
  },
];

for (const { name, body } of mounts) {
  test(`${name} gets from peers what they have`, async (t) => {
    const shared = await openShared(t, body);
    await shared.second.visit(shared.s.url);
    await checkShares(shared);
    assert.deepEqual(await shared.second.run(() => window.errors), []);
  });
}

test('two bundles in one page, each with a copy of the package, are one visitor, and get every byte once', async (t) => {
  const shared = await openShared(
    t,
    `const [one, two] = await Promise.all([start(options), startOther(options)].map(
  async (starting) => listen(await starting)));
window.transfers = [[], []];
[one, two].forEach((each, i) => each.addEventListener('transfer', ({ detail }) => detail.done && transfers[i].push(detail.url)));
window.others = [one];
window.peerCdn = two;`,
  );
  const { s, second } = shared;
  const before = greetings(s.origin);
  await second.visit(s.url);
  assert.ok(await second.run(() => window.others[0].active));
  await checkShares(shared);
  assert.equal(greetings(s.origin) - before, 1, 'one socket a page');
  assert.deepEqual(
    await until('both hear of the transfer', () =>
      second.run(() => window.transfers.every(({ length }) => length > 0) && window.transfers.map(({ length }) => length)),
    ),
    [1, 1],
  );
  // The bundle that brought the engine goes; the other one stays.
  await second.run(() => window.others[0].close());
  assert.equal(await second.run(() => window.peerCdn.active), true);
  assert.equal(await second.run(() => window.others[0].active), false);
  assert.deepEqual(await second.run(() => window.errors), []);
});

test('the published long form goes on beside a start(): each request is answered once, whoever was first', async (t) => {
  for (const startFirst of [true, false]) {
    const longForm = `const own = new PeerPlugin({
  cacheName: '${CACHE_PREFIX}1', timeoutAfter: 3000, servers: { iceServers: [] }, constraints: { ordered: true },
});
navigator.serviceWorker.addEventListener('message', (event) => {
  const middleware = own.getMiddleware({ request: new Request(event.data.url) });
  middleware.get()
    .then((response) => event.ports[0].postMessage(response))
    .catch(() => event.ports[0].postMessage(null));
});`;
    const short = 'window.peerCdn = await start({ ...options, servers: { iceServers: [] } });';
    const shared = await openShared(t, startFirst ? `${short}\n${longForm}` : `${longForm}\n${short}`);
    const before = greetings(shared.s.origin);
    await shared.second.visit(shared.s.url);
    await checkShares(shared);
    assert.equal(greetings(shared.s.origin) - before, 1, 'one socket a page');
  }
});

test('a worker whose script is late: start() resolves without it, and sharing begins when it is there', async (t) => {
  const shared = await openShared(t, 'window.peerCdn = await start(options);');
  const { s, second } = shared;
  let release = () => {};
  const released = new Promise((resolve) => (release = () => resolve(undefined)));
  t.after(() => release());
  s.origin.rule('/sw.js', { before: () => released });
  await second.visit(s.url, { ready: 'settled' });
  assert.equal(await second.run(() => document.documentElement.dataset.state), 'off: no-worker');
  release();
  await until('the worker is there, and with it sharing', () => second.run(() => window.peerCdn.active));
  assert.equal(await second.run(() => window.peerCdn.reason), null);
  await checkShares(shared);
});

test('a worker whose install event does not end: start() resolves without it, and sharing begins when it does', async (t) => {
  const shared = await openShared(t, "window.peerCdn = await start({ worker: '/slow.js' });");
  const { s, second } = shared;
  s.write(
    '/slow.js',
    `importScripts('/sw.js');
addEventListener('install', (event) => event.waitUntil(new Promise((resolve) =>
  addEventListener('message', ({ data }) => data === 'go on' && resolve()))));`,
  );
  await second.visit(s.url, { ready: 'settled' });
  assert.equal(await second.run(() => document.documentElement.dataset.state), 'off: no-worker');
  await second.run(async () => (await navigator.serviceWorker.getRegistration()).installing.postMessage('go on'));
  await until('the worker is there, and with it sharing', () => second.run(() => window.peerCdn.active));
  await checkShares(shared);
});

test('what a page has uploaded counts on when its last instance is closed and another one starts', async (t) => {
  const shared = await openShared(t, 'window.peerCdn = await start(options);');
  const { s, second, first, bytes } = shared;
  await second.visit(s.url);
  await checkShares(shared);
  const sent = () => first.run(() => window.peerCdn.stats.sent);
  await until('all of it is counted', async () => (await sent()) >= bytes.length);
  await first.run(async () => {
    const { start } = await import('/peer-cdn/index.js');
    window.peerCdn.close();
    window.peerCdn = await start({ worker: '/sw.js' });
    peerCdn.addEventListener('error', ({ detail }) => window.errors.push(detail.code));
  });
  assert.ok((await sent()) >= bytes.length);
  await first.run(() => {
    window.peerCdn.upload = { bytes: 1_000_000 };
  });
  await until('the cap is used up', () => first.run(() => window.errors.includes('upload-off')));
});

const failures = () => window.errors.filter((code) => code === 'engine-failed').length;

for (const { name, retry, instances } of [
  { name: 'the next start()', retry: () => window.again(), instances: 2 },
  { name: 'the network when it is back', retry: () => dispatchEvent(new Event('online')), instances: 1 },
]) {
  test(`an engine whose script could not be had is tried again by ${name}, and a failure is told once`, async (t) => {
    const shared = await openShared(
      t,
      `window.again = async () => listen(await start(options));
window.peerCdn = await window.again();`,
    );
    const { s, second } = shared;
    const comeBack = s.origin.rule(/engine\.js$/, { status: 503 });
    await second.visit(s.url, { ready: 'settled' });
    assert.equal(await second.run(() => document.documentElement.dataset.state), 'off: engine-failed');
    const asked = () => s.origin.log('/peer-cdn/engine.js').length;
    const before = asked();
    await second.run(retry);
    await until('it is tried again', () => asked() > before);
    await until('it has failed again', () => second.run(() => window.peerCdn.reason === 'engine-failed'));
    await until('each instance is told', async () => (await second.run(failures)) === instances);
    comeBack();
    await second.run(retry);
    await until('it runs', () => second.run(() => window.peerCdn.active));
    await checkShares(shared);
    assert.equal(await second.run(failures), instances);
  });
}

test('a worker that could not be registered is tried again when the network is back, and that is told once', async (t) => {
  const shared = await openShared(t, 'window.peerCdn = listen(await start(options));');
  const { s, second } = shared;
  const comeBack = s.origin.rule('/sw.js', { status: 503 });
  await second.visit(s.url, { ready: 'settled' });
  assert.equal(await second.run(() => document.documentElement.dataset.state), 'off: no-worker');
  const asked = s.origin.log('/sw.js').length;
  await second.run(() => dispatchEvent(new Event('online')));
  await until('it is tried again', () => s.origin.log('/sw.js').length > asked);
  comeBack();
  await until('the worker is there, and with it sharing', async () => {
    await second.run(() => dispatchEvent(new Event('online')));
    return second.run(() => window.peerCdn.active);
  });
  await checkShares(shared);
  assert.deepEqual(await second.run(() => window.errors), ['no-worker']);
});

test('a forced reload: the page is without its worker, knows it, and the next reload shares', async (t) => {
  const shared = await openShared(t, 'window.peerCdn = await start(options);');
  const { s, second } = shared;
  await second.visit(s.url);
  const session = await second.context.newCDPSession(second.page);
  const loaded = second.page.waitForEvent('load');
  await session.send('Page.reload', { ignoreCache: true });
  await loaded;
  const state = () => second.run(() => document.documentElement.dataset.state);
  assert.equal(await until('start() resolves', state), 'off: no-worker');
  await second.visit(s.url);
  await checkShares(shared);
});
