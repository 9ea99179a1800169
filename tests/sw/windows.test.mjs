// How a large file is asked of the origin: in which windows, how many at once, how far ahead of the reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, usualBut } from './harness/index.mjs';

const KIB = 1024;
const MIB = KIB * KIB;
const url = '/static/a.bin';
// Without a cache plugin nothing is read from the store before the network is asked.
const network = chain('ordered', 'network');

const windowsOf = (origin, path = url) =>
  origin.requests(path).map(({ range }) => {
    const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(range);
    return { begin: +begin, bytes: +end + 1 - begin };
  });

/** How many answers of the origin are open, at most. */
function countOpen(origin) {
  const told = { now: 0, most: 0 };
  origin.always(url, async (request, serve) => {
    told.most = Math.max(told.most, ++told.now);
    const answer = await serve();
    queueMicrotask(() => told.now--);
    return answer;
  });
  return told;
}

test('windows follow each other without a gap, whole segments each after the first', async () => {
  const { origin, page, file } = await scene({ bytes: 12 * MIB + 5, script: network, page: true });
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  let at = 0;
  for (const { begin, bytes } of windowsOf(origin)) {
    assert.equal(begin, at);
    at += bytes;
    if (bytes > MIB) assert.equal(at % MIB === 0 || at === file.bytes, true);
  }
  assert.equal(at, file.bytes);
});

test('the first window is short, the second longer, and those after it twice as long, up to 2 MiB', async () => {
  const { origin, page } = await scene({ bytes: 16 * MIB, script: network, page: true });
  await (await page.fetch(url)).bytes();
  const sizes = windowsOf(origin).map(({ bytes }) => bytes);
  assert.equal(sizes[0], 256 * KIB);
  assert.ok(sizes[1] >= 512 * KIB);
  assert.ok(sizes.slice(1, -1).every((bytes) => bytes <= 2 * MIB));
  assert.ok(sizes.slice(1, -1).some((bytes) => bytes === 2 * MIB));
});

test('an origin that was fast is asked for more at a time by the next body', async () => {
  const { origin, page } = await scene({ bytes: 8 * MIB, more: ['/static/b.bin'], script: network, page: true });
  const second = async (path) => {
    await (await page.fetch(path)).bytes();
    return windowsOf(origin, path)[1].bytes;
  };
  const [first, next] = [await second(url), await second('/static/b.bin')];
  assert.ok(next > first, `${next} bytes after ${first}`);
});

test('windows go past the HTTP cache', async () => {
  const { origin, page } = await scene({ bytes: 3 * MIB, script: network, page: true });
  await (await page.fetch(url)).bytes();
  assert.deepEqual(new Set(origin.requests(url).map(({ cache }) => cache)), new Set(['no-store']));
});

test('the second window waits for the first piece, and never are three on their way', async () => {
  const { origin, page, clock, file } = await scene({ bytes: 8 * MIB, script: network, page: true });
  const open = countOpen(origin);
  origin.latency = 100;
  const response = await page.fetch(url);
  assert.ok(clock.now >= 100);
  assert.ok(origin.requests(url).filter(({ at }) => at < clock.now).length <= 1, 'one until the first byte is there');
  assert.deepEqual(await response.bytes(), file.body);
  assert.ok(open.most <= 2, `${open.most} at once`);
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
