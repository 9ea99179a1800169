// What the worker tells its pages and its own script: who is there, whether it is busy, what was transferred, what failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, serving, startWorker, unreachable, usualBut } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const network = chain('ordered', 'network');
const last = (list) => list.at(-1);

test('each worker asks once, as it starts, which pages are there', async () => {
  const at = await scene();
  assert.equal(at.worker.told('who').length, 1);
  await at.fetchAll();
  assert.equal(at.worker.told('who').length, 1);
  await at.worker.restart();
  assert.equal(at.worker.told('who').length, 2);
});

test('a hello is answered with what is open and the name of the store', async () => {
  const at = await scene({
    bytes: 3 * MIB,
    page: true,
    script: ({ PeerCDN, CachePlugin, NetworkPlugin }) => {
      const [cache, network] = [new CachePlugin({ version: 'x' }), new NetworkPlugin()];
      return new PeerCDN().GET('/static', 'ordered', cache.getMiddleware, network.getMiddleware).register();
    },
  });
  const [{ open, cache }] = at.worker.told('busy');
  assert.deepEqual([open, cache], [0, 'peer-cdn-vx']);
  const response = await at.page.fetch(url);
  await at.page.hello();
  assert.deepEqual([last(at.worker.told('busy')).open, last(at.worker.told('busy')).cache], [1, 'peer-cdn-vx']);
  await response.body.cancel();
});

test('pages are told when the worker begins to be busy and when it ends, and not of each response', async () => {
  const at = await scene({ bytes: 3 * MIB, more: ['/static/b.bin', '/static/c.bin'], script: network, page: true });
  at.browser.broadcasts.length = 0;
  const all = await Promise.all([url, '/static/b.bin', '/static/c.bin'].map((path) => at.page.fetch(path)));
  await at.clock.pass(500);
  assert.deepEqual(
    at.worker.told('busy').map(({ open }) => open > 0),
    [true],
  );
  for (const response of all) await response.bytes();
  await at.clock.pass(500);
  assert.deepEqual(
    at.worker.told('busy').map(({ open }) => open > 0),
    [true, false],
  );
});

test('of responses that are over at once pages hear together, and not that the worker was busy', async () => {
  const at = await scene({ bytes: 20_000, more: ['/static/b.bin', '/static/c.bin'], script: network });
  for (const path of [url, '/static/b.bin', '/static/c.bin']) await (await at.worker.fetch(path)).bytes();
  await at.clock.pass(1000);
  assert.deepEqual(at.worker.told('busy'), []);
  const times = at.worker.told('transfer').map((each) => each.at);
  assert.equal(times.length, 3);
  assert.equal(new Set(times).size, 1);
});

test('a response that was given up, or that failed, makes nobody busy for ever', async () => {
  const at = await scene({ bytes: 3 * MIB, script: network, page: true });
  const response = await at.page.fetch(url);
  await at.clock.pass(500);
  assert.equal(last(at.worker.told('busy')).open, 1);
  await response.body.cancel();
  await at.clock.pass(500);
  assert.equal(last(at.worker.told('busy')).open, 0);
  at.origin.always(url, unreachable);
  await at.page.fetch(url, { headers: { range: 'bytes=2999999-' } }).catch(() => {});
  await at.clock.pass(500);
  assert.equal(last(at.worker.told('busy')).open, 0);
});

test('a transfer is told at most four times a second while it runs, and once when it is over', async () => {
  const at = await scene({ bytes: 8 * MIB, script: network, page: true });
  at.origin.always(url, usualBut({ pace: 40 }));
  const begun = at.clock.now;
  await (await at.page.fetch(url)).bytes();
  const seconds = (at.clock.now - begun) / 1000;
  await at.clock.pass(2000);
  const told = at.worker.events.transfer;
  assert.ok(told.length > 4 && told.length <= 4 * seconds + 1, `${told.length} in ${seconds} s`);
  assert.deepEqual(
    told.map(({ done }) => done),
    [...told.slice(1).map(() => false), true],
  );
  assert.equal(new Set(told.map(({ id }) => id)).size, 1);
  let before = 0;
  for (const { fromCache, fromPeers, fromOrigin, bytes, root, url: of } of told) {
    assert.deepEqual([bytes, root, of], [8 * MIB, at.file.root, `https://site.test${url}`]);
    assert.ok(fromCache + fromPeers + fromOrigin >= before);
    before = fromCache + fromPeers + fromOrigin;
  }
  assert.equal(before, 8 * MIB);
  assert.deepEqual(
    at.worker.told('transfer').map(({ type, at: _, ...detail }) => detail),
    told,
  );
});

test('each response is a transfer of its own, with the length of what was asked', async () => {
  const at = await scene({ bytes: 300_000 });
  await at.fetchAll();
  await at.fetchAll({ headers: { range: 'bytes=10-19' } });
  await at.clock.pass(2000);
  const told = at.worker.events.transfer.filter(({ done }) => done);
  assert.equal(new Set(told.map(({ id }) => id)).size, 2);
  assert.deepEqual(
    told.map(({ bytes }) => bytes),
    [300_000, 10],
  );
  assert.ok(told.every(({ ms, code }) => ms >= 0 && code === null));
});

test('ids of transfers differ from worker to worker', async () => {
  const at = await scene({ bytes: 300_000 });
  await at.fetchAll();
  await at.clock.pass(2000);
  const next = await at.worker.restart();
  await (await next.fetch(url)).bytes();
  await at.clock.pass(2000);
  assert.notEqual(last(at.worker.events.transfer).id, last(next.events.transfer).id);
});

test('what passes through is no transfer', async () => {
  const at = await scene({ bytes: 300_000 });
  at.origin.add('/static/new.bin', 10, { listed: false });
  await (await at.worker.fetch('/static/new.bin')).bytes();
  await at.worker.fetch(url, { headers: { range: 'bytes=300000-' } });
  at.origin.always(url, unreachable);
  await at.worker.fetch(url).catch(() => {});
  await at.clock.pass(2000);
  assert.deepEqual(at.worker.events.transfer, []);
});

test('a body that was given up before it had a byte is no transfer', async () => {
  const at = await scene({ bytes: 3 * MIB, script: chain('fastest', 'delegate', 'network'), page: true });
  at.page.answers(serving(at.file));
  at.origin.latency = 500;
  await (await at.page.fetch(url)).bytes();
  await at.clock.pass(2000);
  assert.deepEqual(new Set(at.worker.events.transfer.map(({ id }) => id)).size, 1);
});

test('what is told of transfers waits while a response waits for its first byte, a second more at most', async () => {
  const at = await scene({ bytes: 50_000, more: ['/static/b.bin'], script: network });
  at.origin.always('/static/b.bin', async (_request, serve) => (await at.clock.after(5000), serve()));
  const waits = at.worker.fetch('/static/b.bin');
  const begun = at.clock.now;
  await at.fetchAll();
  await waits;
  const [first] = at.worker.told('transfer');
  assert.ok(first.at - begun >= 900 && first.at - begun <= 1300, `${first.at - begun} ms`);
});

test("without BroadcastChannel everything is answered, and told to the worker's own script", async () => {
  const at = await scene({ isInstalled: true });
  at.browser.hasBroadcast = false;
  const worker = await startWorker({ origin: at.origin, browser: at.browser });
  const page = await worker.page();
  assert.deepEqual(await (await page.fetch(url)).bytes(), at.file.body);
  await at.clock.pass(2000);
  assert.equal(last(worker.events.transfer).done, true);
  assert.deepEqual(worker.thrown, []);
});

test('pages that went are forgotten when another one says hello', async () => {
  const at = await scene({ bytes: 300_000, script: chain('ordered', ['delegate', { patience: 1 }], 'network') });
  const gone = await at.worker.page();
  await gone.tell({ type: 'present', add: [at.file.root.slice(0, 8)], remove: [] });
  gone.close();
  const page = await at.worker.page();
  await page.tell({ type: 'present', add: [], remove: [] });
  await at.fetchAll();
  assert.equal(page.asks.length, 0, 'what the one that went had told counts no more');
});

test('a worker that never registers answers nothing, and does not ask who is there', async () => {
  const at = await scene({
    script: ({ PeerCDN, NetworkPlugin }) => new PeerCDN().GET('/static', 'ordered', new NetworkPlugin().getMiddleware),
  });
  assert.equal((await at.worker.fetch(url)).answered, false);
  assert.deepEqual(at.browser.broadcasts, []);
});

/** The documented worker, which registers only when something it awaits is there. */
const late = (given) => {
  const { PeerCDN, CachePlugin, NetworkPlugin, self } = given;
  const cdn = new PeerCDN();
  cdn.GET('/static', 'ordered', new CachePlugin().getMiddleware, new NetworkPlugin().getMiddleware);
  self.setTimeout(() => cdn.register(), 50);
  return cdn;
};

test('a register() that comes late is told in the worker, and to pages: at once, and in the answer to each hello', async () => {
  const { worker, clock, browser } = await scene({ script: late });
  const codes = () => worker.told('busy').map(({ code }) => code);
  await clock.pass(100);
  assert.deepEqual(
    worker.events.error.map(({ code }) => code),
    ['registered-late'],
  );
  assert.deepEqual(codes(), ['registered-late']);
  await worker.page();
  assert.deepEqual(codes(), ['registered-late', 'registered-late']);
  const next = await worker.restart();
  browser.broadcasts.length = 0;
  await clock.pass(100);
  assert.deepEqual(codes(), ['registered-late']);
  assert.equal(next.events.error.length, 1);
});

test('a register() in a microtask of the first run is not late', async () => {
  const { worker } = await scene({
    script: ({ PeerCDN, NetworkPlugin }) => {
      const cdn = new PeerCDN().GET('/static', 'ordered', new NetworkPlugin().getMiddleware);
      void Promise.resolve().then(() => cdn.register());
      return cdn;
    },
  });
  await worker.page();
  assert.deepEqual(worker.events.error, []);
  assert.equal(worker.told('busy').at(-1).code, '');
});

test('a page that says hello while a short response is open is told when the worker is busy no more', async () => {
  const { origin, worker, clock, page } = await scene({ bytes: 20_000, page: true });
  origin.latency = 60;
  const asked = page.fetch('/static/a.bin');
  await clock.pass(30);
  await worker.page();
  await (await asked).bytes();
  await clock.pass(2000);
  const told = worker.told('busy').map(({ open }) => open);
  assert.deepEqual(told.slice(-2), [1, 0]);
});
