// Where the core cannot run, or traps: the site works as without us, and is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, chain, documented, late, Origin, scene, startWorker, status, usualBut, user } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const codes = (worker) => worker.events.error.map(({ code }) => code);

test('where WebAssembly is forbidden nothing is answered, nothing is thrown, and the site is told once', async () => {
  const at = await scene({ isWasmAllowed: false });
  const response = await at.worker.fetch(url);
  assert.equal(response.answered, false);
  assert.deepEqual(await response.bytes(), at.file.body);
  assert.deepEqual(codes(at.worker), ['engine-failed']);
  assert.equal(at.worker.events.error[0].error.name, 'CompileError');
  assert.deepEqual(
    at.worker.told('site').map(({ code, end }) => [code, end]),
    [['engine-failed', undefined]],
  );
  const page = await at.worker.page();
  await page.tell({ type: 'company', root: at.file.root });
  await page.tell({ type: 'present', add: ['00000000'], remove: [] });
  await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 0, end: 2 });
  await at.worker.fetch('/', { mode: 'navigate' });
  assert.deepEqual(at.worker.thrown, []);
  assert.deepEqual(codes(at.worker), ['engine-failed']);
});

test('where WebAssembly is forbidden a wrong call is still refused, and a good one gives the PeerCDN', async () => {
  await scene({
    isWasmAllowed: false,
    script: (given) => {
      const { PeerCDN, NetworkPlugin } = given;
      const cdn = new PeerCDN();
      const network = new NetworkPlugin().getMiddleware;
      assert.throws(() => cdn.GET('/a', 'slowest', network), TypeError);
      assert.throws(() => cdn.GET('/a', 'ordered', null), TypeError);
      assert.equal(cdn.GET('/a', 'ordered', network), cdn);
      return documented(given);
    },
  });
});

test('a core that traps at a request leaves it, and all after it, to the browser', async () => {
  const at = await scene();
  at.worker.trap();
  for (let i = 0; i < 3; i++) {
    const response = await at.worker.fetch(url);
    assert.equal(response.answered, false);
    assert.deepEqual(await response.bytes(), at.file.body);
  }
  assert.deepEqual(codes(at.worker), ['engine-failed']);
  assert.equal(at.worker.events.error[0].error.name, 'RuntimeError');
  assert.deepEqual(at.worker.thrown, []);
});

test('a core that traps while a request is on its way leaves it to the network, wherever it was', async () => {
  const plugins = [['network'], ['cache', 'network'], ['cache', 'delegate', 'network'], [user(() => null), 'network']];
  for (const strategy of ['ordered', 'fastest']) {
    for (const names of plugins) {
      // Later and later: after so many calls into the core from the fetch event on.
      for (let calls = 0; calls < 120; calls += 7) {
        const bytes = calls % 2 ? 300_000 : 50_000;
        const at = await scene({ bytes, script: chain(strategy, ...names), page: true });
        at.page.answers((ask) => void ask.ack());
        at.worker.trap(calls);
        const response = await at.page.fetch(url);
        const got = await response.bytes().catch(() => null);
        const name = `${strategy} ${names.length}, after ${calls} calls`;
        if (got) assert.deepEqual(got, at.file.body, name);
        else assert.equal(response.answered, true, `${name}: begun, and broken off`);
        await at.clock.pass(20_000);
        assert.deepEqual(at.worker.thrown, [], name);
        if (at.worker.border.isTrapped) assert.ok(codes(at.worker).includes('engine-failed'), name);
        at.worker.trap();
        assert.equal((await at.page.fetch(url)).answered, false, name);
      }
    }
  }
});

test('a body that has begun when the core traps ends in an error, and what it held is let go', async () => {
  const at = await scene({ bytes: 8 * MIB, page: true });
  at.page.answers(async (ask) => {
    ask.ack().pending(true);
    await ask.pieces(at.file, { end: 30 });
  });
  const response = await at.page.fetch(url);
  const reader = response.body.getReader();
  const { value } = await at.clock.until(reader.read());
  assert.ok(value.length > 0);
  at.worker.trap();
  await assert.rejects(async () => {
    for (;;) {
      const { done } = await at.clock.until(reader.read());
      if (done) return;
    }
  });
  await at.clock.settle();
  assert.ok(codes(at.worker).includes('engine-failed'));
  assert.equal(at.page.asks[0].isClosed, true);
  assert.equal(at.worker.told('busy').at(-1).open, 0, 'pages need not keep the worker alive');
});

test('a core that traps while others read breaks them off too', async () => {
  const at = await scene({ bytes: 12 * MIB, more: ['/static/b.bin'], script: chain('ordered', 'network'), page: true });
  for (const path of [url, '/static/b.bin']) at.origin.always(path, usualBut({ pace: 50 }));
  const [one, two] = await Promise.all([at.page.fetch(url), at.page.fetch('/static/b.bin')]);
  at.worker.trap();
  const ended = await Promise.allSettled([one.bytes(), two.bytes()]);
  assert.deepEqual(
    ended.map(({ status: how }) => how),
    ['rejected', 'rejected'],
  );
  await at.clock.pass(5000);
  const open = at.origin
    .requests(url)
    .concat(at.origin.requests('/static/b.bin'))
    .filter(({ aborted, ended: done }) => !aborted && !done);
  assert.deepEqual(open, []);
});

test('a core that traps while a manifest comes is told of, and the site goes on', async () => {
  const at = await scene({ isInstalled: true });
  at.worker.trap(4);
  assert.deepEqual(await at.fetchAll(), at.file.body);
  assert.deepEqual(await at.fetchAll(), at.file.body);
  assert.ok(codes(at.worker).includes('engine-failed'));
  assert.deepEqual(at.worker.thrown, []);
});

test("messages, hellos and broadcasts after a trap are nobody's error", async () => {
  const at = await scene({ bytes: 300_000, page: true });
  at.worker.trap();
  await at.page.fetch(url);
  await at.page.hello();
  await at.page.tell({ type: 'company', root: at.file.root });
  await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 0, end: 5 });
  await at.clock.until(at.worker.dispatch('activate').over());
  assert.deepEqual(at.worker.thrown, []);
  assert.equal(codes(at.worker).filter((code) => code === 'engine-failed').length, 1);
});

test('the next worker runs again over what the one before has stored', async () => {
  const at = await scene({ bytes: 300_000, script: chain('ordered', 'cache', 'network') });
  await at.fetchAll();
  await at.clock.pass(2000);
  at.worker.trap();
  await at.fetchAll();
  at.origin.always(url, status(500));
  const next = await at.worker.restart();
  assert.deepEqual(await (await next.fetch(url)).bytes(), at.file.body);
});

test("where WebAssembly is forbidden the site's own Caches are left alone, and so are our stores", async () => {
  const origin = new Origin();
  const browser = new Browser(origin.clock);
  const names = ['peer-cdn-v0', 'peer-cdn-v1', 'workbox-precache-v2-https://site.test/', 'images'];
  for (const name of names) await browser.caches.open(name);
  await startWorker({ origin, browser, isWasmAllowed: false });
  assert.deepEqual(await browser.caches.keys(), names);
});

test('an answer that comes when the core has failed is let go of: the page gets one of its own', async () => {
  const at = await scene({
    listed: false,
    page: true,
    script: chain(
      'ordered',
      user(() => null),
      'network',
    ),
  });
  at.origin.script(url, late(500));
  const asked = at.page.fetch(url);
  await at.clock.pass(100);
  at.worker.trap();
  await at.page.fetch('/static/other');
  assert.deepEqual(await (await asked).bytes(), at.file.body);
  await at.clock.pass(1000);
  const open = at.origin.requests(url).filter(({ aborted, ended }) => !aborted && !ended);
  assert.deepEqual(open, []);
});
