// What is in the store: whole answers from it, parts of them, ranges, and what went bad or away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, Origin, scene, serving, startWorker, unreachable, usualBut } from './harness/index.mjs';

const MIB = 1 << 20;
const run = (file, runs) => `/peer-cdn/store/${file.root}?${runs}`;
const last = (list) => list.at(-1);

/** A site whose file is in the store of a worker that was started anew. */
async function held({ bytes, begin, end, script = chain('ordered', 'cache', 'network'), ...options } = {}) {
  const first = await scene({ bytes, ...options, script });
  first.caches.hold(first.file, begin, end);
  const worker = await first.worker.restart();
  const page = bytes > MIB ? await worker.page() : null;
  const fetchAll = async (init) => (await (page ?? worker).fetch('/static/a.bin', init)).bytes();
  first.caches.log.length = 0;
  return { ...first, worker, page, fetchAll };
}

test('what was fetched once is in the store, and the origin is not asked again, also by the next worker', async () => {
  const { fetchAll, file, worker, clock, origin } = await scene({ bytes: 300_000 });
  await fetchAll();
  await clock.pass(2000);
  assert.deepEqual(await fetchAll(), file.body);
  const next = await worker.restart();
  const response = await next.fetch('/static/a.bin');
  assert.deepEqual(await response.bytes(), file.body);
  assert.equal(response.headers.get('content-length'), '300000');
  assert.equal(origin.requests('/static/a.bin').length, 1);
  await clock.pass(500);
  const { fromCache, fromOrigin, bytes, done } = last(next.events.transfer);
  assert.deepEqual([fromCache, fromOrigin, bytes, done], [300_000, 0, 300_000, true]);
});

test('a range is cut from the store, byte by byte', async () => {
  const { worker, file } = await held({ bytes: 300_000 });
  const ranges = {
    'bytes=0-0': [0, 1],
    'bytes=65535-65536': [65_535, 65_537],
    'bytes=-5': [299_995, 300_000],
    'bytes=299999-': [299_999, 300_000],
    'bytes=1000-999999999': [1000, 300_000],
    'BYTES=5-9': [5, 10],
    'bytes=0-9,': [0, 10],
  };
  for (const [range, [begin, end]] of Object.entries(ranges)) {
    const response = await worker.fetch('/static/a.bin', { headers: { range } });
    assert.equal(response.status, 206, range);
    assert.equal(response.headers.get('content-range'), `bytes ${begin}-${end - 1}/300000`);
    assert.equal(response.headers.get('content-length'), String(end - begin));
    assert.deepEqual(await response.bytes(), file.body.slice(begin, end), range);
  }
});

test('of a run that is read in part nothing stays open', async () => {
  const { worker, file, clock, caches } = await held({ bytes: 3_000_000 });
  for (const [begin, end] of [
    [0, 10],
    [100_000, 1_100_000],
    [2_999_000, 3_000_000],
  ]) {
    const response = await worker.fetch('/static/a.bin', { headers: { range: `bytes=${begin}-${end - 1}` } });
    assert.deepEqual(await response.bytes(), file.body.slice(begin, end));
  }
  await clock.settle();
  assert.equal(caches.openBodies, 0);
});

test("a Range header that cannot be read, or asks for several, is the origin's to understand, held or not", async () => {
  const { worker, origin } = await held({ bytes: 300_000 });
  const before = origin.requests('/static/a.bin').length;
  origin.always('/static/a.bin', async (request) => ({
    status: 206,
    body: new TextEncoder().encode(`parts of ${request.headers.get('range')}`),
    headers: { 'content-type': 'multipart/byteranges; boundary=x' },
  }));
  const ranges = ['bytes=5-1', 'bytes=a-b', 'bytes=0-1,5-9', 'items=0-9', 'bytes=', 'bytes=-'];
  for (const range of ranges) {
    const response = await worker.fetch('/static/a.bin', { headers: { range } });
    assert.equal(response.status, 206, range);
    assert.equal(response.headers.get('content-type'), 'multipart/byteranges; boundary=x', range);
    assert.equal(new TextDecoder().decode(await response.bytes()), `parts of ${range}`);
  }
  assert.deepEqual(
    origin
      .requests('/static/a.bin')
      .map(({ range }) => range)
      .slice(before),
    ranges,
  );
  assert.deepEqual(worker.events.error, []);
});

test("a range beyond the file is the origin's to refuse, in one request: it may have grown", async () => {
  const { worker, origin, page } = await scene({ bytes: 300_000, page: true });
  for (const range of ['bytes=300000-', 'bytes=999999999-9999999999']) {
    const response = await worker.fetch('/static/a.bin', { headers: { range } });
    assert.equal(response.status, 416, range);
    assert.equal(response.headers.get('content-range'), 'bytes */300000');
  }
  assert.deepEqual(
    origin.requests('/static/a.bin').map(({ range }) => range),
    ['bytes=300000-', 'bytes=999999999-9999999999'],
  );
  assert.equal(page.asks.length, 0);
  assert.deepEqual(worker.events.error, []);
});

test('If-Range with the tag of the answer gets the range, and with any other one the whole', async () => {
  const { worker, file } = await held({ bytes: 300_000 });
  const { headers } = await worker.fetch('/static/a.bin');
  const fetch = (tag) => worker.fetch('/static/a.bin', { headers: { range: 'bytes=10-19', 'if-range': tag } });
  const same = await fetch(headers.get('etag'));
  assert.equal(same.status, 206);
  assert.deepEqual(await same.bytes(), file.body.slice(10, 20));
  for (const tag of ['"another"', 'Thu, 01 Jan 1998 00:00:00 GMT']) {
    const whole = await fetch(tag);
    assert.equal(whole.status, 200, tag);
    assert.deepEqual(await whole.bytes(), file.body);
  }
});

test('the browser lists the store once in the life of a worker', async () => {
  const { worker, fetchAll, caches, clock } = await held({ bytes: 300_000 });
  await fetchAll();
  for (const range of ['bytes=0-9', 'bytes=70000-']) await (await worker.fetch('/static/a.bin', { headers: { range } })).bytes();
  await clock.pass(1000);
  assert.equal(caches.count('keys'), 1);
  assert.equal(caches.count('match', '/peer-cdn/digests/'), 1, 'and reads the list of a file once');
});

test('what is missing in the middle comes from the origin, and no more than that', async () => {
  const { fetchAll, file, origin, caches, clock } = await held({ bytes: 4 * MIB });
  caches.take(run(file, '16-32'));
  // The worker has not listed it yet.
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.sentBytes('/static/a.bin'), MIB);
  for (const { range } of origin.requests('/static/a.bin')) assert.match(range, /^bytes=1\d{6}-\d{7}$/);
  await clock.pass(3000);
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.sentBytes('/static/a.bin'), MIB, 'it is stored again');
});

test('a range of a file that is held in part asks the origin for nothing that is there', async () => {
  const { page, file, origin } = await held({ bytes: 4 * MIB, begin: 0, end: 32 });
  const response = await page.fetch('/static/a.bin', { headers: { range: `bytes=${MIB}-${2 * MIB + 99}` } });
  assert.deepEqual(await response.bytes(), file.body.slice(MIB, 2 * MIB + 100));
  assert.equal(origin.requests('/static/a.bin').length, 1);
  assert.match(origin.requests('/static/a.bin')[0].range, new RegExp(`^bytes=${2 * MIB}-`));
});

test('a run that the browser took away after it was listed comes from the origin', async () => {
  const { worker, page, file, origin, fetchAll, caches } = await held({ bytes: 3 * MIB });
  await (await worker.fetch('/static/a.bin', { headers: { range: 'bytes=0-9' } })).bytes();
  caches.take(run(file, '16-32'));
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.sentBytes('/static/a.bin'), MIB);
  assert.equal(page.asks.length, 0);
  assert.deepEqual(worker.events.error, []);
});

test('a run that other code has put there without a body comes from the origin', async () => {
  const { worker, file, clock, caches } = await scene({ bytes: 300_000 });
  await (await worker.fetch('/static/a.bin')).bytes();
  await clock.pass(2000);
  caches.entry(run(file, '0-5')).body = null;
  const next = await worker.restart();
  assert.deepEqual(await (await next.fetch('/static/a.bin')).bytes(), file.body);
});

test('all runs gone before the first byte: the request still gets its file', async () => {
  for (const script of [chain('ordered', 'cache', 'network'), chain('fastest', 'cache', 'network'), undefined]) {
    const { worker, file, fetchAll, caches } = await held({ bytes: 300_000, script });
    await (await worker.fetch('/static/a.bin', { headers: { range: 'bytes=0-9' } })).bytes();
    caches.take(run(file, '0-5'));
    assert.deepEqual(await fetchAll(), file.body);
  }
});

test('what the store lost is asked of peers too', async () => {
  const script = chain('ordered', 'cache', 'delegate', 'network');
  const { page, file, origin, fetchAll, caches } = await held({ bytes: 3 * MIB, script });
  page.answers(serving(file));
  caches.take(run(file, '0-16'));
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.sentBytes('/static/a.bin'), 0);
  assert.deepEqual([page.asks[0].request.begin, page.asks[0].request.end], [0, 16]);
});

test('a run that went bad is dropped, and its pieces come from the origin', async () => {
  const spoil = {
    'one byte': ({ body }) => (new Uint8Array(body)[70_000] ^= 1),
    'cut short': (entry) => (entry.body = entry.body.slice(0, 100_000)),
    empty: (entry) => (entry.body = new ArrayBuffer(0)),
  };
  for (const [name, how] of Object.entries(spoil)) {
    const { fetchAll, file, origin, caches, clock, worker } = await held({ bytes: 300_000 });
    how(caches.entry(run(file, '0-5')));
    assert.deepEqual(await fetchAll(), file.body, name);
    assert.ok(origin.sentBytes('/static/a.bin') <= 300_000, name);
    for (let again = 0; again < 2; again++) {
      await clock.pass(3000);
      assert.deepEqual(await fetchAll(), file.body, name);
    }
    await clock.pass(1000);
    assert.equal(last(worker.events.transfer).fromCache, 300_000, `${name}: what is missing is stored again`);
  }
});

test('a run that goes bad after the first byte was passed on is replaced from the origin at that byte', async () => {
  const { fetchAll, file, origin, caches, worker, clock } = await held({ bytes: 4 * MIB });
  new Uint8Array(caches.entry(run(file, '32-48')).body)[MIB - 1] ^= 1;
  assert.deepEqual(await fetchAll(), file.body);
  assert.ok(origin.sentBytes('/static/a.bin') > 0 && origin.sentBytes('/static/a.bin') <= 2 * MIB);
  await clock.pass(1000);
  assert.equal(last(worker.events.transfer).bytes, 4 * MIB);
  assert.equal(last(worker.events.transfer).done, true);
});

test('of runs that overlap any may be read, and the bytes are right', async () => {
  const { worker: first, file, caches, origin } = await held({ bytes: 300_000, begin: 0, end: 2 });
  caches.hold(file, 1, 5);
  caches.hold(file, 0, 1);
  const worker = await first.restart();
  assert.deepEqual(await (await worker.fetch('/static/a.bin')).bytes(), file.body);
  assert.equal(origin.requests('/static/a.bin').length, 0);
});

test('what a page stores after the worker has started is read, listed or not by then', async () => {
  const { fetchAll, file, caches, origin, browser, clock } = await held({ bytes: 300_000, begin: 0, end: 0 });
  await clock.pass(1000);
  caches.hold(file, 0, 5);
  await browser.broadcast({ type: 'stored', root: file.root, begin: 0, end: 5 });
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.requests('/static/a.bin').length, 0);
});

test('entries that are no runs of ours are no runs', async () => {
  const { worker: first, file, caches } = await held({ bytes: 300_000, begin: 0, end: 0 });
  const cache = await caches.open('peer-cdn-v1');
  const { root } = file;
  for (const path of [`/peer-cdn/store/${root}`, `/peer-cdn/store/${root}?0`, '/peer-cdn/store/x?0-5', `/x/${root}?0-5`]) {
    await cache.put(`https://site.test${path}`, new Response('x'));
  }
  const worker = await first.restart();
  assert.deepEqual(await (await worker.fetch('/static/a.bin')).bytes(), file.body);
});

test('what a page has stored is read from the store, by the next request and by one that is open', async () => {
  const { worker, page, file, caches, origin, browser, fetchAll, clock } = await held({ bytes: 4 * MIB, begin: 0, end: 1 });
  origin.always('/static/a.bin', usualBut({ pace: 5 }));
  const response = await page.fetch('/static/a.bin');
  const reader = response.body.getReader();
  await clock.until(reader.read());
  caches.hold(file, 16);
  for (const begin of [16, 32, 48]) await browser.broadcast({ type: 'stored', root: file.root, begin, end: begin + 16 });
  for (let done = false; !done; ) ({ done } = await clock.until(reader.read()));
  assert.ok(origin.sentBytes('/static/a.bin') < 3 * MIB, 'the open one reads what was stored meanwhile');
  await clock.pass(3000);
  const sent = origin.sentBytes('/static/a.bin');
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.sentBytes('/static/a.bin'), sent);
  await clock.pass(500);
  assert.equal(last(worker.events.transfer).fromCache, 4 * MIB);
});

test('what is still being written is read from memory', async () => {
  const { fetchAll, file, caches, origin, clock } = await scene({ bytes: 300_000 });
  caches.faults.put = (url) => (url.includes('/store/') ? new Promise(() => {}) : null);
  await fetchAll();
  await clock.pass(5000);
  assert.deepEqual(caches.runs(file), []);
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.requests('/static/a.bin').length, 1);
});

test('Cache Storage that fails, in whatever way, costs the page nothing', async () => {
  const ways = {
    throws: () => {
      throw new DOMException('denied', 'SecurityError');
    },
    rejects: () => Promise.reject(new Error('damaged')),
    'never settles': () => new Promise(() => {}),
  };
  for (const operation of ['open', 'match', 'keys', 'put', 'delete', 'names']) {
    for (const [name, way] of Object.entries(ways)) {
      for (const script of [chain('ordered', 'cache', 'network'), chain('fastest', 'cache', 'network'), undefined]) {
        const origin = new Origin();
        const file = origin.add('/static/a.bin', 300_000);
        const { browser } = await startWorker({ origin: new Origin() });
        browser.clock = origin.clock;
        browser.caches.faults[operation] = way;
        browser.caches.hold(file, 0, 3);
        const worker = await startWorker({ origin, browser, script, isInstalled: true });
        const response = await worker.fetch('/static/a.bin');
        assert.deepEqual(await response.bytes(), file.body, `${operation} ${name}`);
        assert.ok(worker.clock.now < 20_000, `${operation} ${name}: after ${worker.clock.now} ms`);
        const again = await worker.fetch('/static/a.bin', { headers: { range: 'bytes=1-2' } });
        assert.deepEqual(await again.bytes(), file.body.slice(1, 3), `${operation} ${name}`);
        await worker.clock.pass(10_000);
        assert.deepEqual(worker.thrown, []);
      }
    }
  }
});

test('a store that does not say what it holds holds up the first request only, and is used when it has said it', async () => {
  const { caches, worker, origin, clock, file } = await scene({ bytes: 7000, script: chain('ordered', 'cache', 'network') });
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  caches.faults.keys = () => held;
  const next = await worker.restart();
  const times = [];
  for (let i = 0; i < 3; i++) {
    const began = clock.now;
    assert.deepEqual(await (await next.fetch('/static/a.bin')).bytes(), file.body);
    times.push(clock.now - began);
  }
  assert.deepEqual(
    times.slice(1).map((ms) => ms <= origin.latency),
    [true, true],
    `${times}`,
  );
  caches.hold(file);
  caches.faults.keys = undefined;
  answer();
  await clock.pass(2000);
  origin.log.length = 0;
  assert.deepEqual(await (await next.fetch('/static/a.bin')).bytes(), file.body);
  assert.deepEqual(origin.requests('/static/a.bin'), []);
});

/** A worker that was started anew, with a file in the store, whose browser never says what that holds. */
async function unlisted(bytes) {
  const at = await scene({ bytes, script: chain('ordered', 'cache', 'network') });
  await at.fetchAll();
  await at.clock.pass(2000);
  at.caches.faults.keys = () => new Promise(() => {});
  at.worker = await at.worker.restart();
  at.origin.log.length = 0;
  const began = at.clock.now;
  const fetchAll = async () => {
    assert.deepEqual(await (await at.worker.fetch('/static/a.bin')).bytes(), at.file.body);
    return { ms: at.clock.now - began, requests: at.origin.requests('/static/a.bin').length };
  };
  return { ...at, fetchAll };
}

test('a stored file of one run is answered before the store is listed: its record says that it is held', async () => {
  for (const bytes of [7, 300_000, MIB]) {
    const { fetchAll } = await unlisted(bytes);
    assert.deepEqual(await fetchAll(), { ms: 0, requests: 0 }, `${bytes} bytes`);
  }
});

test('a file whose record is there and whose run is gone comes from the origin, also before the store is listed', async () => {
  const { fetchAll, caches, file, origin } = await unlisted(300_000);
  caches.take(run(file, '0-5'));
  const { ms, requests } = await fetchAll();
  assert.equal(requests, 1);
  assert.ok(ms <= 2 * origin.latency, `${ms} ms`);
});

test('a store that could not be opened once is opened by the next request', async () => {
  const open = () => {
    throw new Error('busy');
  };
  const { worker, fetchAll, caches, clock, origin } = await scene({ isInstalled: true, faults: { open } });
  await fetchAll();
  delete caches.faults.open;
  await fetchAll();
  await clock.pass(2000);
  await fetchAll();
  assert.equal(origin.requests('/static/a.bin').length, 2);
  await clock.pass(1000);
  assert.equal(last(worker.events.transfer).fromCache, 100_000);
});

test('a store that opens late is used from then on, and has what came before it was open, with its headers', async () => {
  let opens = () => {};
  const opening = new Promise((resolve) => (opens = resolve));
  const headers = { etag: '"a"' };
  const { fetchAll, worker, clock, origin } = await scene({ isInstalled: true, headers, faults: { open: () => opening } });
  await fetchAll();
  assert.ok(clock.now < 8000);
  opens();
  await clock.pass(2000);
  for (const next of [() => worker, () => worker.restart()]) {
    const answer = await (await next()).fetch('/static/a.bin');
    assert.equal(answer.headers.get('etag'), '"a"');
    assert.equal((await answer.bytes()).length, 100_000);
    await clock.pass(2000);
  }
  assert.equal(origin.requests('/static/a.bin').length, 1);
});

test('of a store that is not listed yet what comes meanwhile is written, and held when it is listed', async () => {
  let lists = () => {};
  const listing = new Promise((resolve) => (lists = resolve));
  const { caches, fetchAll, clock, origin } = await scene({ isInstalled: true });
  caches.faults.keys = () => listing;
  await fetchAll();
  await clock.pass(2000);
  caches.faults.keys = undefined;
  lists();
  await clock.settle();
  await fetchAll();
  assert.equal(origin.requests('/static/a.bin').length, 1);
});

test('however late a store opens, pages are told of a new manifest when it is there', async () => {
  let opens = () => {};
  const opening = new Promise((resolve) => (opens = resolve));
  const { worker: first, caches, fetchAll, origin, clock } = await scene();
  await fetchAll();
  await clock.pass(2000);
  caches.faults.open = () => opening;
  const worker = await first.restart();
  const told = worker.told('manifest').length;
  origin.add('/static/new.bin', 5);
  await clock.pass(61_000);
  await (await worker.fetch('/static/a.bin')).bytes();
  await clock.pass(10_000);
  assert.equal(worker.told('manifest').length, told, 'pages would read the one before');
  opens();
  await clock.settle();
  assert.equal(worker.told('manifest').length, told + 1);
  assert.ok(new TextDecoder().decode(caches.entry('/peer-cdn.json').body).includes('/static/new.bin'));
});

test('of a store that opens late only the newest record of each file waits in memory', async () => {
  let opens = () => {};
  const opening = new Promise((resolve) => (opens = resolve));
  const { worker, clock, origin, caches } = await scene({ isInstalled: true, faults: { open: () => opening } });
  for (let round = 0; round < 20; round++) {
    await (await worker.fetch('/static/a.bin', { cache: 'reload' })).bytes();
    await clock.pass(1000);
  }
  assert.equal(origin.requests('/static/a.bin').length, 20);
  opens();
  await clock.pass(1000);
  await (await worker.fetch('/static/a.bin', { cache: 'reload' })).bytes();
  await clock.pass(1000);
  assert.equal(caches.count('put', '/peer-cdn/records/'), 1);
});

test('a listed file over 1 MiB that no page can keep the worker alive for passes through as it is', async () => {
  const { worker, file, origin } = await scene({ bytes: MIB + 1, headers: { 'x-own': 'yes' } });
  const response = await worker.fetch('/static/a.bin');
  assert.equal(response.headers.get('x-own'), 'yes');
  assert.deepEqual(await response.bytes(), file.body);
  assert.equal(origin.requests('/static/a.bin').length, 1);
  const range = await worker.fetch('/static/a.bin', { headers: { range: 'bytes=0-9' } });
  assert.equal(range.type, 'default', 'a small range of it is ours');
  assert.deepEqual(await range.bytes(), file.body.slice(0, 10));
});

test('a run that went bad and cannot be dropped is not read again by this worker', async () => {
  const { fetchAll, file, caches, clock } = await held({ bytes: 300_000 });
  caches.faults.delete = () => Promise.reject(new Error('busy'));
  new Uint8Array(caches.entry(run(file, '0-5')).body)[10] ^= 1;
  assert.deepEqual(await fetchAll(), file.body);
  await clock.pass(2000);
  const reads = caches.count('match', '?0-5');
  assert.deepEqual(await fetchAll(), file.body);
  assert.ok(caches.count('match', '?0-5') <= reads + 1); // what was stored since has that name again
});

test('a reader that gives up while the store is read ends the reading', async () => {
  const { page, file, clock, caches, worker } = await held({ bytes: 8 * MIB });
  const response = await page.fetch('/static/a.bin');
  await response.body.cancel();
  await clock.pass(1000);
  assert.ok(caches.count('match', `/store/${file.root}`) <= 5);
  assert.equal(last(worker.events.transfer)?.code ?? 'cancelled', 'cancelled');
});

test('a file that is stored is answered when the origin is away', async () => {
  const { fetchAll, file, origin } = await held({ bytes: 300_000 });
  for (const path of ['/static/a.bin', '/peer-cdn.json', `/peer-cdn/digests/${file.root}`]) origin.always(path, unreachable);
  assert.deepEqual(await fetchAll(), file.body);
});

test('a stored file over 1 MiB is answered when the origin is away, though no page has said hello', async () => {
  for (const script of [chain('ordered', 'cache', 'network'), chain('fastest', 'cache', 'network')]) {
    const { worker, page, file, origin } = await held({ bytes: 2 * MIB, script });
    page.close();
    origin.always('/static/a.bin', unreachable);
    const next = await worker.restart();
    assert.deepEqual(await (await next.fetch('/static/a.bin')).bytes(), file.body);
    await assert.rejects(next.fetch('/static/a.bin', { headers: { 'if-none-match': '"other"' } }));
  }
});

test('of a stored file over 1 MiB that lacks a piece nothing is answered when the origin is away', async () => {
  const { worker, page, origin } = await held({ bytes: 2 * MIB, begin: 0, end: 20 });
  page.close();
  origin.always('/static/a.bin', unreachable);
  const next = await worker.restart();
  await assert.rejects(next.fetch('/static/a.bin'));
});

test('a run that is there and is never read to its end comes from the origin', async () => {
  for (const bytes of [50_000, 300_000, 3 * MIB]) {
    const { fetchAll, file, caches } = await held({ bytes });
    const { bodyOf } = caches;
    const hanging = () => new ReadableStream({ pull: () => new Promise(() => {}) }, { highWaterMark: 0 });
    caches.bodyOf = (buffer) => (buffer.byteLength > 40_000 ? hanging() : bodyOf.call(caches, buffer));
    assert.deepEqual(await fetchAll(), file.body, `${bytes} bytes`);
  }
});
