// What the origin is asked for a listed file: the request that the page made, as far as a worker can repeat it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, redirect, scene, serving, silent, user } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const network = chain('ordered', 'network');
const all = chain('ordered', 'cache', 'delegate', 'network');

/** Every request that arrived for the file, as one text each. */
const asked = (origin, pick) => origin.requests(url).map(pick);

test('credentials mode, referrer and own headers are those of the page, in windows too', async () => {
  const referrers = { 'same-origin': 'https://site.test/page.html', 'no-referrer': '' };
  for (const bytes of [7000, 3 * MIB]) {
    for (const credentials of ['omit', 'same-origin', 'include']) {
      for (const [referrerPolicy, referrer] of Object.entries(referrers)) {
        const { page, origin, file } = await scene({ bytes, page: true, script: network });
        const headers = { 'x-own': credentials, accept: 'image/avif' };
        const got = await page.fetch(url, { credentials, referrer, referrerPolicy, headers });
        assert.deepEqual(await got.bytes(), file.body);
        assert.ok(origin.requests(url).length > 0);
        for (const each of origin.requests(url)) {
          assert.deepEqual([each.credentials, each.referrer, each.referrerPolicy], [credentials, referrer, referrerPolicy]);
          assert.deepEqual([each.headers['x-own'], each.headers.accept], [credentials, 'image/avif']);
          assert.equal(each.headers['x-peer-cdn'], undefined);
        }
      }
    }
  }
});

test("a page is not to ask the origin for a request that tells it less than the page's own would", async () => {
  for (const [init, slower] of [
    [{}, 1],
    [{ credentials: 'omit' }, 0],
    [{ referrer: '', referrerPolicy: 'no-referrer' }, 0],
  ]) {
    const { page, file } = await scene({ bytes: 3 * MIB, page: true, script: all });
    assert.deepEqual(await (await page.fetch(url, init)).bytes(), file.body);
    assert.equal(page.asks[0].request.origin, slower);
  }
});

test("a page's Range and If-Range are not those of our windows", async () => {
  const { page, origin, file } = await scene({ bytes: 3 * MIB, page: true, script: network });
  const got = await page.fetch(url, { headers: { range: 'bytes=100-199', 'if-range': `"${file.root}"` } });
  assert.equal((await got.bytes()).length, 100);
  assert.deepEqual(
    asked(origin, ({ range, headers }) => [range, headers['if-range']]),
    [['bytes=0-65535', undefined]],
  );
});

test('the mode of a request for the whole is that of the page; a window has one in which ranges are allowed', async () => {
  for (const mode of ['cors', 'no-cors', 'same-origin']) {
    const small = await scene({ bytes: 7000, script: network });
    await (await small.worker.fetch(url, { mode })).bytes();
    assert.deepEqual(
      asked(small.origin, (each) => each.mode),
      [mode],
    );
    const large = await scene({ bytes: 9 * MIB, page: true, script: network });
    assert.deepEqual(await (await large.page.fetch(url, { mode })).bytes(), large.file.body);
    assert.deepEqual(new Set(asked(large.origin, (each) => each.mode)), new Set([mode === 'no-cors' ? 'same-origin' : mode]));
  }
});

test('what is on its way is shared by readers whose pages asked in the same manner, and by no others', async () => {
  const others = {
    'credentials mode': { credentials: 'omit' },
    'referrer policy': { referrerPolicy: 'no-referrer' },
    'own headers': { headers: { 'x-own': '1' } },
    'cache mode': { cache: 'force-cache' },
  };
  for (const [name, init] of Object.entries(others)) {
    const { page, origin, file, clock } = await scene({ bytes: 300_000, page: true, script: network });
    const readings = [{}, {}, init, init].map(async (each) => (await page.fetch(url, each)).bytes());
    for (const each of await Promise.all(readings)) assert.deepEqual(each, file.body);
    await clock.settle();
    assert.equal(origin.requests(url).length, 2, name);
  }
});

test('pages that differ by what counts for their own response only share an answer', async () => {
  const { page, origin, file } = await scene({ bytes: 300_000, page: true, script: network });
  const readings = [{}, { headers: { range: 'bytes=0-' } }].map(async (each) => (await page.fetch(url, each)).bytes());
  for (const each of await Promise.all(readings)) assert.deepEqual(each, file.body);
  assert.equal(origin.requests(url).length, 1);
});

test("a request that is not to follow redirects is the browser's own; a middleware of the site's still sees it", async () => {
  for (const mode of ['error', 'manual']) {
    const plain = await scene({ script: all });
    const response = await plain.worker.fetch(url, { redirect: mode });
    assert.equal(response.answered, false, mode);
    assert.deepEqual(
      asked(plain.origin, ({ by, redirect }) => [by, redirect]),
      [['browser', mode]],
    );
    const own = user(() => null);
    const wrapped = await scene({ script: chain('ordered', own, 'cache', 'network') });
    await (await wrapped.worker.fetch(url, { redirect: mode })).bytes();
    assert.deepEqual(own.calls, ['get']);
    assert.deepEqual(
      asked(wrapped.origin, (each) => each.redirect),
      [mode],
    );
    assert.equal((await wrapped.caches.keys()).length > 0, true);
  }
});

test('a redirect on the same origin reaches the page as one, in one request, and is not taken for the file', async () => {
  const { page, worker, origin, file, clock, caches } = await scene({ bytes: 7000, page: true, script: all });
  origin.add('/moved/a.bin', file.body, { listed: false });
  origin.always(url, redirect('/moved/a.bin'));
  for (let turn = 0; turn < 2; turn++) {
    const response = await page.fetch(url);
    assert.deepEqual(await response.bytes(), file.body);
    assert.equal(response.redirected, true);
    assert.equal(response.url, 'https://site.test/moved/a.bin');
    assert.equal(origin.requests(url).length, turn + 1);
    assert.equal(origin.requests('/moved/a.bin').length, turn + 1);
  }
  await clock.pass(3000);
  const keys = await (await caches.open('peer-cdn-v1')).keys();
  assert.deepEqual(
    keys.filter(({ url: key }) => key.includes('/store/')),
    [],
  );
  assert.deepEqual(
    worker.events.error.map(({ code, url: at }) => [code, at]),
    [['origin-unusable', `https://site.test${url}`]],
  );
});

test('of a large file that is redirected no window is read: the page gets the redirect, and its bytes once', async () => {
  for (const target of ['/moved/a.bin', 'https://cdn.test/a.bin']) {
    const { page, origin, file } = await scene({ bytes: 9 * MIB, page: true, script: network });
    origin.add(target, file.body, { listed: false });
    origin.always(url, redirect(target));
    for (let turn = 0; turn < 2; turn++) {
      const response = await page.fetch(url);
      assert.deepEqual(await response.bytes(), file.body);
      assert.equal(response.redirected, true);
      assert.equal(origin.requests(target).length, turn + 1);
      assert.equal(origin.sentBytes(target), (turn + 1) * file.bytes);
    }
    assert.equal(origin.requests(url).length, 3);
  }
});

test("a redirect to another origin reaches the page in the mode of the page's request", async () => {
  for (const [mode, type] of [
    ['cors', 'cors'],
    ['no-cors', 'opaque'],
  ]) {
    const { worker, origin } = await scene({ bytes: 7000, script: network });
    origin.add('https://cdn.test/a.bin', 'elsewhere', { listed: false });
    origin.always(url, redirect('https://cdn.test/a.bin'));
    const response = await worker.fetch(url, { mode });
    assert.equal(response.type, type);
    if (type === 'cors') assert.equal(await response.text(), 'elsewhere');
    assert.equal(origin.requests(url).length, 1, mode);
  }
});

// --- Cache modes ---------------------------------------------------------------------------------

test('reload asks the origin past the HTTP cache, though all is held and peers have it, and stores what comes', async () => {
  for (const bytes of [7000, 3 * MIB]) {
    const { page, origin, clock, file } = await scene({ bytes, page: true, script: all });
    await (await page.fetch(url)).bytes();
    await clock.pass(2000);
    const asks = page.asks.length;
    origin.log.length = 0;
    const got = await page.fetch(url, { cache: 'reload' });
    assert.deepEqual(await got.bytes(), file.body);
    assert.equal(origin.sentBytes(url), bytes);
    assert.equal(page.asks.length, asks);
    assert.deepEqual(new Set(asked(origin, ({ cache }) => cache)), new Set(['reload']));
    await clock.pass(2000);
    origin.log.length = 0;
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
    assert.equal(origin.requests(url).length, 0);
  }
});

test('no-store takes nothing from what is held, and nothing of what comes is stored', async () => {
  for (const bytes of [7000, 3 * MIB]) {
    const script = chain('ordered', 'cache', 'network');
    const { page, origin, clock, file, worker } = await scene({ bytes, page: true, script });
    for (let turn = 1; turn < 3; turn++) {
      assert.deepEqual(await (await page.fetch(url, { cache: 'no-store' })).bytes(), file.body);
      await clock.pass(2000);
      assert.equal(origin.sentBytes(url), turn * bytes);
    }
    assert.deepEqual(new Set(asked(origin, ({ cache }) => cache)), new Set(['no-store']));
    assert.deepEqual(worker.told('stored'), []);
    await (await page.fetch(url)).bytes();
    await clock.pass(2000);
    assert.deepEqual(await (await page.fetch(url, { cache: 'no-store' })).bytes(), file.body);
    assert.equal(origin.sentBytes(url), 4 * bytes);
  }
});

test('no-store may come from peers, where nothing of it is held', async () => {
  const { page, origin, file } = await scene({ bytes: 3 * MIB, page: true, script: all });
  page.answers(serving(file));
  assert.deepEqual(await (await page.fetch(url, { cache: 'no-store' })).bytes(), file.body);
  assert.equal(origin.requests(url).length, 0);
  assert.equal(page.asks.at(-1).request.cache, 'no-store');
});

test('no-cache asks for the manifest first: what it still lists is good, and comes from the store', async () => {
  const { page, origin, clock, file } = await scene({ bytes: 7000, page: true, script: all });
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  origin.log.length = 0;
  assert.deepEqual(await (await page.fetch(url, { cache: 'no-cache' })).bytes(), file.body);
  assert.deepEqual(
    origin.log.map(({ path }) => path),
    ['/peer-cdn.json'],
  );
  const other = origin.add(url, 'changed');
  assert.deepEqual(await (await page.fetch(url, { cache: 'no-cache' })).bytes(), other.body);
});

test("force-cache is the HTTP cache's word to the origin's answer, and an old one is not asked for once more", async () => {
  const { worker, origin, file } = await scene({ bytes: 7000, script: network });
  const old = () => ({ status: 200, headers: {}, body: new Uint8Array(7000) });
  origin.always(url, (request, serve) => (request.cache === 'force-cache' ? old() : serve()));
  assert.deepEqual(await (await worker.fetch(url, { cache: 'force-cache' })).bytes(), new Uint8Array(file.bytes));
  assert.deepEqual(
    asked(origin, ({ cache }) => cache),
    ['force-cache'],
  );
});

// --- Aborts --------------------------------------------------------------------------------------

test('a request that its page gives up before the first byte is given up at the origin, and nothing is asked again', async () => {
  for (const bytes of [7000, 3 * MIB]) {
    const { page, worker, origin, clock } = await scene({ bytes, page: true, script: network });
    origin.always(url, silent);
    const abort = new AbortController();
    const fetching = page.fetch(url, { signal: abort.signal });
    await clock.when(() => origin.requests(url).length > 0);
    abort.abort();
    await assert.rejects(fetching, /Failed to fetch/);
    assert.deepEqual(
      asked(origin, ({ aborted }) => aborted),
      [true],
      `${bytes} bytes`,
    );
    assert.equal(worker.told('busy').at(-1).open, 0);
    assert.deepEqual(worker.events.error, []);
  }
});

test('one of two readers that gives up takes nothing from the other', async () => {
  const { page, origin, clock, file, worker } = await scene({ bytes: 3 * MIB, page: true, script: network });
  origin.latency = 100;
  const abort = new AbortController();
  const [first, second] = [page.fetch(url, { signal: abort.signal }), page.fetch(url)];
  await clock.when(() => origin.requests(url).length > 0);
  abort.abort();
  await assert.rejects(first, /Failed to fetch/);
  assert.deepEqual(await (await second).bytes(), file.body);
  // The page's own Request takes its answer with it, where a browser tells of that: two requests, as without us.
  assert.deepEqual(
    origin.requests(url).map(({ aborted }) => aborted),
    [true, false],
  );
  assert.deepEqual(worker.events.error, []);
});

test('all of a file is asked for by the request of the page, which alone has what the browser adds', async () => {
  const { origin, worker } = await scene({ bytes: 20_000, script: network });
  const isRequest = [];
  const fetch = origin.fetch.bind(origin);
  origin.fetch = (what, ...rest) => {
    if (String(what.url ?? what).endsWith(url)) isRequest.push(what instanceof Request);
    return fetch(what, ...rest);
  };
  for (const [init, isOwn] of [
    [{}, true],
    [{ cache: 'reload' }, true],
    [{ cache: 'no-store' }, true],
    [{ cache: 'reload', headers: { range: 'bytes=0-99' } }, false],
  ]) {
    isRequest.length = 0;
    await (await worker.fetch(url, init)).bytes();
    assert.deepEqual(isRequest, [isOwn], JSON.stringify(init));
  }
});
