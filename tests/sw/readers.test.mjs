// Several responses of one file at once, which nobody has: they share what is on its way from the origin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { broken, chain, late, scene, silent, stalled, status, usualBut, whole } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const network = chain('ordered', 'network');
const documented = chain('ordered', 'cache', 'delegate', 'network');

/** Faults of a Cache Storage that takes nothing. */
const full = { put: () => Object.assign(new Error('full'), { name: 'QuotaExceededError' }) };

const ranged = (range) => (range ? { headers: { range } } : {});

/** Every range at once: the bytes of each answer. */
const all = (page, ranges) => Promise.all(ranges.map(async (range) => (await page.fetch(url, ranged(range))).bytes()));

function partOf(file, range) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? 'bytes=0-');
  return file.body.slice(+from, to === '' ? undefined : +to + 1);
}

async function readOn(clock, reader, chunks = []) {
  for (let part = await clock.until(reader.read()); !part.done; part = await clock.until(reader.read())) chunks.push(part.value);
  return new Uint8Array(Buffer.concat(chunks));
}

for (const script of [network, documented]) {
  for (const count of [3, 5, 20]) {
    const beside = script === network ? '' : ', also with a page that is asked';
    test(`${count} readers of one file take one copy${beside}`, async () => {
      const { origin, page, file, clock } = await scene({ bytes: 5 * MIB + 77, script, page: true });
      origin.always(url, usualBut({ pace: 1 }));
      for (const bytes of await clock.until(all(page, Array.from({ length: count })))) assert.deepEqual(bytes, file.body);
      assert.equal(origin.requests(url).length, 1);
      assert.equal(origin.sentBytes(url), file.bytes);
    });
  }
}

test('readers of different ranges take each byte once, in any order', async () => {
  const ranges = [undefined, 'bytes=0-', 'bytes=1000000-', 'bytes=5-2999999', 'bytes=100-200', 'bytes=4000000-4999999'];
  for (const order of [ranges, [...ranges].reverse()]) {
    const { origin, page, file, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
    origin.always(url, usualBut({ pace: 1 }));
    const answers = await clock.until(all(page, order));
    answers.forEach((bytes, i) => assert.deepEqual(bytes, partOf(file, order[i])));
    assert.ok(origin.sentBytes(url) <= 1.05 * file.bytes, `${origin.sentBytes(url) / file.bytes} copies`);
  }
});

test('one of them stores what they share', async () => {
  const { page, file, clock, caches } = await scene({ bytes: 5 * MIB, script: network, page: true });
  await clock.until(all(page, Array.from({ length: 5 })));
  await clock.pass(3000);
  const runs = caches.runs(file).map((run) => /\d+-\d+/.exec(run)?.[0] ?? run);
  assert.deepEqual(runs, ['0-4', '4-16', '16-32', '32-48', '48-64', '64-80']);
});

test('a reader that comes late takes what has come from memory or the store, and the rest with the others', async () => {
  for (const [what, faults] of [
    ['a store', {}],
    ['none', full],
  ]) {
    const { origin, page, file, clock } = await scene({ bytes: 12 * MIB, script: documented, page: true, faults });
    origin.always(url, usualBut({ pace: 1 }));
    const early = (await page.fetch(url)).body.getReader();
    const chunks = [];
    for (let got = 0; got < 2_500_000; got += chunks.at(-1).length) chunks.push((await clock.until(early.read())).value);
    const late = page.fetch(url).then((response) => response.bytes());
    const [first, second] = await clock.until(Promise.all([readOn(clock, early, chunks), late]));
    assert.deepEqual(first, file.body, what);
    assert.deepEqual(second, file.body, what);
    const copies = origin.sentBytes(url) / file.bytes;
    assert.ok(copies <= (what === 'none' ? 1.25 : 1.01), `${what}: ${copies} copies`);
  }
});

test('a reader that stops holds nobody up, and goes on in the store', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 16 * MIB, script: documented, page: true });
  const stopped = (await page.fetch(url)).body.getReader();
  const { value } = await clock.until(stopped.read());
  const fast = await clock.until(page.fetch(url).then((response) => response.bytes()));
  assert.deepEqual(fast, file.body);
  await clock.pass(60_000);
  assert.deepEqual(await readOn(clock, stopped, [value]), file.body);
  assert.ok(origin.sentBytes(url) <= 1.01 * file.bytes, `${origin.sentBytes(url) / file.bytes} copies`);
});

test('where nothing can be stored, a reader that stopped goes on from the origin', async () => {
  const { page, file, clock } = await scene({ bytes: 16 * MIB, script: documented, page: true, faults: full });
  const stopped = (await page.fetch(url)).body.getReader();
  const { value } = await clock.until(stopped.read());
  assert.deepEqual(await clock.until(page.fetch(url).then((response) => response.bytes())), file.body);
  assert.deepEqual(await readOn(clock, stopped, [value]), file.body);
});

test('a player that seeks does not wait until the answer that it has left is there', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 12 * MIB, script: documented, page: true });
  origin.always(url, usualBut({ pace: 1 }));
  const playing = (await clock.until(page.fetch(url))).body.getReader();
  for (let got = 0; got < MIB; got += (await clock.until(playing.read())).value.length);
  const range = `bytes=${4 * MIB}-`;
  const sought = page.fetch(url, ranged(range)).then((response) => response.bytes());
  // It has joined the answer by then.
  await clock.pass(5);
  void playing.cancel();
  assert.deepEqual(await clock.until(sought), partOf(file, range));
  const asked = origin.requests(url).map((request) => request.range);
  assert.ok(
    asked.some((each) => each?.startsWith(`bytes=${4 * MIB}-`)),
    `${asked}`,
  );
});

test('the others go on when the reader that came first goes away', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
  origin.always(url, usualBut({ pace: 2 }));
  const first = (await page.fetch(url)).body.getReader();
  const second = await page.fetch(url);
  await clock.until(first.read());
  await first.cancel();
  assert.deepEqual(await clock.until(second.bytes()), file.body);
  assert.equal(origin.requests(url).length, 1);
});

test('when all have gone, nothing more is read', async () => {
  const { origin, page, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
  origin.always(url, usualBut({ pace: 2 }));
  const readers = (await Promise.all([page.fetch(url), page.fetch(url)])).map((response) => response.body.getReader());
  for (const reader of readers) await reader.cancel();
  await clock.pass(1000);
  assert.equal(origin.requests(url)[0].aborted, true);
  assert.ok(origin.sentBytes(url) < 2 * MIB);
});

test('an answer that breaks off is asked for again from there on, once for all', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
  origin.script(url, broken(2 * MIB));
  for (const bytes of await clock.until(all(page, Array.from({ length: 5 })))) assert.deepEqual(bytes, file.body);
  assert.equal(origin.requests(url).length, 2);
  assert.ok(origin.sentBytes(url) <= file.bytes + 65_536);
});

test('each gets the answer that the origin gave to one, when it cannot be used', async () => {
  for (const code of [403, 429, 503]) {
    const { origin, page, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
    origin.always(url, status(code));
    const responses = await clock.until(Promise.all([page.fetch(url), page.fetch(url), page.fetch(url)]));
    for (const response of responses) {
      assert.equal(response.status, code);
      assert.equal(await clock.until(response.text()), `status ${code}`);
    }
  }
});

test('who joined an answer that ends before what it wants asks for that itself', async () => {
  const { origin, page, worker, file, clock, caches, browser } = await scene({ bytes: 3 * MIB, page: true });
  // A part, where nobody asked for one.
  const prefix = async (_request, serve) => {
    const answer = await serve();
    const headers = { ...answer.headers, 'content-length': '500000', 'content-range': `bytes 0-499999/${file.bytes}` };
    return answer.status === 206 ? answer : { status: 206, headers, body: answer.body.subarray(0, 500_000) };
  };
  origin.always(url, late(500, prefix));
  caches.faults.match = (about) => (about.includes('/store/') ? clock.after(2000) : undefined);
  const first = page.fetch(url);
  await clock.pass(100);
  caches.hold(file, 0, 16);
  await browser.broadcast({ type: 'stored', root: file.root, begin: 0, end: 16 });
  for (const response of await Promise.all([first, page.fetch(url)])) {
    assert.equal(response.status, 200);
    assert.deepEqual(await response.bytes(), file.body);
  }
  assert.equal(origin.requests(url).filter(({ range }) => range === null).length, 1);
  assert.deepEqual(worker.events.error, []);
});

test('two listed paths with the same bytes do not share an answer: one of them may be refused', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 5 * MIB, script: network, page: true });
  origin.add('/static/same.bin', file.body);
  await page.fetch('/static/same.bin', { headers: { range: 'bytes=0-0' } });
  await clock.pass(61_000);
  await page.hello();
  origin.always('/static/same.bin', status(403));
  const [good, refused] = await clock.until(Promise.all([page.fetch(url), page.fetch('/static/same.bin')]));
  assert.deepEqual(await clock.until(good.bytes()), file.body);
  assert.equal(refused.status, 403);
});

test('a reader that joins an answer which turns out to hold all that is left asks for nothing beside it', async () => {
  const { origin, worker, file, clock, caches } = await scene({ bytes: 8 * MIB, script: network });
  caches.hold(file, 32, 80);
  const page = await worker.page();
  // An origin without ranges that has just begun: what the reader wants lies far ahead of what came.
  origin.always(url, async (request, serve) => ({ ...(await whole(request, serve)), pace: 200 }));
  const begin = 31 * 65_536;
  const first = await page.fetch(url);
  const [late] = await clock.until(all(page, [`bytes=${begin}-`]));
  assert.deepEqual(late, file.body.slice(begin));
  assert.deepEqual(await clock.until(first.bytes()), file.body);
  assert.equal(origin.requests(url).length, 1);
});

test('an answer that only pages read, each a copy, ends when they have gone', async () => {
  const { origin, page, clock } = await scene({ bytes: 300_000, pieceBytes: 1 << 20, script: network, page: true });
  const long = new Uint8Array(20 * MIB);
  origin.always(url, () => ({ status: 400, headers: {}, body: long, pace: 5 }));
  // The same answer is the page's for the first two, and not for the third, which asks for a range.
  const [first, second] = await clock.until(
    Promise.all([page.fetch(url), page.fetch(url), page.fetch(url, ranged('bytes=5-10'))]),
  );
  for (const response of [first, second]) {
    assert.equal(response.status, 400);
    const reader = response.body.getReader();
    await clock.until(reader.read());
    void reader.cancel();
  }
  await clock.pass(1000);
  const [shared] = origin.requests(url);
  assert.equal(shared.aborted, true);
  assert.ok(shared.sent < MIB, `${shared.sent} bytes`);
});

test('an answer that brings nothing any more holds up who waits for it, and nobody who comes later', async () => {
  for (const [what, step] of Object.entries({ 'no head': silent, 'no more': stalled(2 * MIB) })) {
    for (const bytes of [300_000, 5 * MIB]) {
      const { origin, page, file, clock, worker } = await scene({ bytes, script: documented, page: true });
      origin.script(url, bytes > MIB || step === silent ? step : stalled(100_000));
      void page
        .fetch(url)
        .then((response) => response.bytes())
        .catch(() => {});
      await clock.pass(60_000);
      const begun = clock.now;
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${what}, ${bytes}`);
      assert.ok(clock.now - begun < 5000, `${what}, ${bytes}: ${clock.now - begun} ms`);
      assert.deepEqual(worker.events.error, []);
    }
  }
});

test('an answer that waits for its reader is joined by others, however long it waited', async () => {
  const { origin, page, file, clock } = await scene({ bytes: 16 * MIB, script: network, page: true });
  const paused = (await page.fetch(url)).body.getReader();
  const { value } = await clock.until(paused.read());
  await clock.pass(60_000);
  const other = (await page.fetch(url)).body.getReader();
  const first = await clock.until(other.read());
  assert.deepEqual(await readOn(clock, other, [first.value]), file.body);
  assert.deepEqual(await readOn(clock, paused, [value]), file.body);
  assert.ok(origin.sentBytes(url) <= 1.01 * file.bytes, `${origin.sentBytes(url) / file.bytes} copies`);
});

test('of two answers with all of a file one is read, and the other one is let go of', async () => {
  for (const range of ['bytes=900000-', 'bytes=0-9', 'bytes=-10']) {
    const { origin, file, worker, clock } = await scene({ bytes: 1_000_000, script: chain('ordered', 'network') });
    origin.always('/static/a.bin', whole);
    const [part, all] = await Promise.all([worker.fetch('/static/a.bin', { headers: { range } }), worker.fetch('/static/a.bin')]);
    assert.deepEqual(await all.bytes(), file.body);
    assert.ok((await part.bytes()).length > 0);
    await clock.pass(1000);
    const open = origin.requests('/static/a.bin').filter(({ aborted, ended }) => !aborted && !ended);
    assert.deepEqual(open, [], range);
  }
});
