// How a large file is asked of the origin: all at once where nobody else serves, in windows beside peers, how far ahead of
// the reader.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { chain, scene, usualBut } from './harness/index.mjs';

const KIB = 1024;
const MIB = KIB * KIB;
const url = '/static/a.bin';
// Without a cache plugin nothing is read from the store before the network is asked.
const network = chain('ordered', 'network');
const documented = chain('ordered', 'cache', 'delegate', 'network');
const last = (list) => list.at(-1);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

const windowsOf = (origin, path = url) =>
  origin.requests(path).map(({ range }) => {
    const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(range);
    return { begin: +begin, bytes: +end + 1 - begin };
  });

/** At most so many bytes at once, whatever is asked for. */
const atMost = (most) => (request, serve) => {
  const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get('range'));
  request.headers.set('range', `bytes=${begin}-${Math.min(+end, +begin + most - 1)}`);
  return serve();
};

/** A site where somebody is known to have the file, and brings nothing of it. */
async function besidePeers(bytes, options) {
  const at = await scene({ bytes, script: documented, page: true, ...options });
  await at.page.tell({ type: 'present', add: [at.file.root.slice(0, 8)], remove: [] });
  at.page.answers((ask) => ask.ack().pending());
  return at;
}

test('where nobody else serves, three requests give 30 MB, and one gives 8, past the HTTP cache', async () => {
  for (const script of [network, documented]) {
    for (const [bytes, count] of [
      [30 * MIB + 5, 3],
      [8 * MIB, 1],
    ]) {
      const { origin, page, file } = await scene({ bytes, script, page: true });
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
      assert.equal(origin.requests(url).length, count);
      assert.equal(origin.sentBytes(url), bytes);
      assert.ok(origin.requests(url).every(({ cache, range }) => cache === (range ? 'no-store' : 'default')));
    }
  }
});

test('one request gives what a page asked for, and nothing behind it', async () => {
  const { origin, page, file } = await scene({ bytes: 12 * MIB, script: network, page: true });
  const range = `bytes=${MIB + 5}-${4 * MIB}`;
  assert.deepEqual(await (await page.fetch(url, { headers: { range } })).bytes(), file.body.slice(MIB + 5, 4 * MIB + 1));
  assert.deepEqual(windowsOf(origin), [{ begin: MIB, bytes: 3 * MIB + 64 * KIB }]);
});

test('what nobody has is stored as it comes, and read from there the next time', async () => {
  const { origin, page, file, clock, caches } = await scene({ bytes: 5 * MIB, script: documented, page: true });
  await (await page.fetch(url)).bytes();
  await clock.pass(3000);
  assert.ok(caches.runs(file).length > 0);
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.equal(origin.requests(url).length, 1);
});

test('a server that sends less at once is asked as often as it must be, and two parts are on their way', async () => {
  const { origin, page, file } = await scene({ bytes: 10 * MIB, script: network, page: true });
  origin.always(url, atMost(MIB));
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.deepEqual(
    windowsOf(origin).map(({ begin }) => begin),
    Array.from({ length: 10 }, (_, i) => i * MIB),
  );
  assert.equal(origin.sentBytes(url), file.bytes);
});

test('company cuts what the origin was to give: a page is asked from there on, and what was lost is counted', async () => {
  const { origin, page, file, clock, worker } = await scene({ bytes: 8 * MIB, script: documented, page: true });
  origin.always(url, usualBut({ pace: 10, chunk: 50_000 }));
  const answer = page.fetch(url);
  const reader = (await answer).body.getReader();
  await clock.until(reader.read());
  page.answers(async (ask) => {
    ask.ack().pending();
    await ask.pieces(file);
    ask.end();
  });
  await page.tell({ type: 'company', root: file.root });
  const chunks = [];
  for (let part = await clock.until(reader.read()); !part.done; part = await clock.until(reader.read())) chunks.push(part.value);
  await clock.pass(1500);
  assert.equal(origin.requests(url).length, 1);
  assert.equal(origin.requests(url)[0].aborted, true);
  const { fromOrigin, fromPeers, wasted, code } = last(worker.events.transfer);
  assert.equal(code, null);
  assert.equal(fromOrigin + fromPeers, file.bytes);
  assert.ok(fromPeers > 7 * MIB);
  assert.ok(origin.sentBytes(url) - fromOrigin - wasted <= 50_000, 'all but what was not read yet');
  assert.ok(wasted > 0 && wasted <= 128 * KIB, `${wasted} bytes`);
});

test('beside peers that take long, windows follow each other without a gap, whole segments each after the first', async () => {
  const { origin, page, file } = await besidePeers(12 * MIB + 5);
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  let at = 0;
  for (const { begin, bytes } of windowsOf(origin).slice(0, -1)) {
    assert.equal(begin, at);
    at += bytes;
    if (bytes > MIB) assert.equal(at % MIB === 0 || at === file.bytes, true);
  }
});

test('the first window is short, the second longer, and those after it twice as long, up to 2 MiB', async () => {
  const { origin, page } = await besidePeers(16 * MIB);
  await (await page.fetch(url)).bytes();
  const sizes = windowsOf(origin).map(({ bytes }) => bytes);
  assert.equal(sizes[0], 256 * KIB);
  assert.ok(sizes[1] >= 512 * KIB);
  assert.ok(sizes.every((bytes) => bytes <= 2 * MIB));
  assert.ok(sizes.some((bytes) => bytes === 2 * MIB));
});

test('an origin that was fast is asked for more at a time by the next body', async () => {
  const { origin, page, others } = await besidePeers(8 * MIB, { more: ['/static/b.bin'] });
  await page.tell({ type: 'present', add: [others[0].root.slice(0, 8)], remove: [] });
  const second = async (path) => {
    await (await page.fetch(path)).bytes();
    return windowsOf(origin, path)[1].bytes;
  };
  const [first, next] = [await second(url), await second('/static/b.bin')];
  assert.ok(next > first, `${next} bytes after ${first}`);
});

test('windows go past the HTTP cache', async () => {
  const { origin, page } = await besidePeers(3 * MIB);
  await (await page.fetch(url)).bytes();
  assert.deepEqual(new Set(origin.requests(url).map(({ cache }) => cache)), new Set(['no-store']));
});

test('a reader that stops is gathered for four megabytes, and goes on where it was', async () => {
  const { origin, page, clock, file } = await scene({ bytes: 20 * MIB, script: network, page: true });
  const response = await page.fetch(url);
  await clock.pass(60_000);
  const sent = origin.sentBytes(url);
  assert.ok(sent >= 2 * MIB && sent <= 5 * MIB, `${sent} bytes`);
  assert.deepEqual(await response.bytes(), file.body);
  assert.equal(origin.sentBytes(url), file.bytes);
});

test('what was read to its end is not aborted', async () => {
  const { origin, page, clock } = await scene({ bytes: 3 * MIB, script: network, page: true });
  origin.always(url, usualBut({ pace: 5 }));
  await (await page.fetch(url)).bytes();
  await clock.pass(1000);
  assert.ok(origin.requests(url).every(({ aborted }) => !aborted));
});

test('of a file of 5 GiB any range is given, from the origin and from the store', async () => {
  const pieceBytes = 4 * MIB;
  const bytes = 5 * 2 ** 30 + 12_345;
  // Each byte says in which piece it is.
  const pieceOf = (index) => new Uint8Array(Math.min(pieceBytes, bytes - index * pieceBytes)).fill(index);
  const digests = Array.from({ length: 256 }, (_, index) => sha256(pieceOf(index)));
  const list = Buffer.concat([...Array.from({ length: 1280 }, (_, index) => digests[index % 256]), sha256(pieceOf(1280))]);
  const { origin, page, worker, clock } = await scene({ bytes: 1, page: true });
  const root = sha256(list).toString('hex');
  origin.manifest.resources['/static/huge.bin'] = { bytes, pieceBytes, root, type: 'video/mp4' };
  origin.add(`/peer-cdn/digests/${root}`, list, { listed: false });
  origin.always('/static/huge.bin', ({ headers }) => {
    const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.get('range')).map(Number);
    const pieces = [];
    for (let at = begin; at <= end; at += pieceBytes) pieces.push(pieceOf(at / pieceBytes));
    const range = { 'content-range': `bytes ${begin}-${end}/${bytes}`, 'content-length': `${end + 1 - begin}` };
    return { status: 206, headers: range, body: Buffer.concat(pieces) };
  });
  const ranges = [
    ['-20', bytes - 20, bytes - 1],
    [`${bytes - 10}-`, bytes - 10, bytes - 1],
    [`${bytes - 1}-${2 ** 53}`, bytes - 1, bytes - 1],
    [`${2 ** 31 - 5}-${2 ** 31 + 5}`, 2 ** 31 - 5, 2 ** 31 + 5],
    [`${2 ** 32 - 5}-${2 ** 32 + 5}`, 2 ** 32 - 5, 2 ** 32 + 5],
    [`${2 ** 32}-${2 ** 32}`, 2 ** 32, 2 ** 32],
  ];
  await worker.fetch('/', { mode: 'navigate' });
  await clock.pass(61_000);
  for (let turn = 0; turn < 2; turn++) {
    for (const [range, begin, end] of ranges) {
      const response = await page.fetch('/static/huge.bin', { headers: { range: `bytes=${range}` } });
      assert.deepEqual([response.status, response.headers.get('content-range')], [206, `bytes ${begin}-${end}/${bytes}`]);
      const expected = Array.from({ length: end + 1 - begin }, (_, i) => Math.floor((begin + i) / pieceBytes) % 256);
      assert.deepEqual([...(await response.bytes())], expected, range);
    }
    await clock.pass(3000);
  }
  assert.equal(last(worker.events.transfer).fromOrigin, 0);
});
