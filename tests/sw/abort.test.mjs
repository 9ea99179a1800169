// What a page gives up, at each moment of a request: nothing that the worker asked for goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, late, scene, stalled } from './harness/index.mjs';

const url = '/static/a.bin';
const documented = chain('ordered', 'cache', 'delegate', 'network');

const own = { what: 'a small file, by the request of the page', bytes: 7000 };
const window = {
  what: 'a part of a large one, by a request of ours',
  bytes: 3 << 20,
  init: { headers: { range: 'bytes=100-' } },
};
const long = { what: 'a large one', bytes: 3 << 20 };
const unknown = { what: 'any file, before the manifest is there', bytes: 3 << 20, isUnknown: true };

/** A request of a page; `isLeft` tells whether the origin was asked once at the most, and is rid of that a moment later. */
async function open({ bytes, init, isUnknown }) {
  const place = await scene({ bytes, script: documented, page: true });
  const { origin, clock, worker, caches } = place;
  const path = isUnknown ? '/static/unlisted.bin' : url;
  if (isUnknown) origin.add(path, bytes, { listed: false });
  origin.always(path, late(500, stalled(bytes / 2)));
  // A worker that has just started answers what it cannot know yet.
  if (isUnknown) {
    caches.faults.match = (about) => (about.includes('peer-cdn.json') ? clock.after(100) : undefined);
    await worker.restart();
  }
  const abort = new AbortController();
  const fetching = place.page.fetch(path, { ...init, signal: abort.signal });
  fetching.catch(() => {});
  const isLeft = async () => {
    await clock.pass(5000);
    const asked = origin.requests(path);
    return asked.length <= 1 && asked.every(({ by, aborted }) => by === 'worker' && aborted);
  };
  return { ...place, path, abort, fetching, isLeft };
}

for (const kind of [own, window, long, unknown]) {
  test(`${kind.what}: given up before anything was asked for`, async () => {
    const { abort, isLeft, origin, path } = await open(kind);
    abort.abort();
    assert.ok(await isLeft(), JSON.stringify(origin.requests(path)));
  });

  test(`${kind.what}: given up before the head`, async () => {
    const { abort, isLeft, clock, origin, path } = await open(kind);
    await clock.pass(200);
    assert.equal(origin.requests(path).length, 1);
    abort.abort();
    assert.ok(await isLeft(), JSON.stringify(origin.requests(path)));
  });

  test(`${kind.what}: given up between the head and the first byte`, async () => {
    const { abort, isLeft, clock, origin, path, fetching } = await open(kind);
    await clock.when(() => origin.requests(path)[0]?.status);
    abort.abort();
    // The browser lets go of an answer that comes late.
    void fetching.then(({ body }) => body.cancel()).catch(() => {});
    assert.ok(await isLeft(), JSON.stringify(origin.requests(path)));
  });

  test(`${kind.what}: given up at the head, by its body alone`, async () => {
    const { isLeft, origin, path, fetching } = await open(kind);
    await (await fetching).body.cancel();
    assert.ok(await isLeft(), JSON.stringify(origin.requests(path)));
  });

  test(`${kind.what}: given up in the middle`, async () => {
    const { isLeft, clock, origin, path, fetching } = await open(kind);
    const reader = (await fetching).body.getReader();
    if (kind !== own) await clock.until(reader.read());
    await reader.cancel();
    assert.ok(await isLeft(), JSON.stringify(origin.requests(path)));
  });
}

test('a page that is asked for pieces hears that nobody wants them any more', async () => {
  const { page, clock } = await scene({
    bytes: 3 << 20,
    script: chain('ordered', ['delegate', { patience: Infinity }]),
    page: true,
  });
  page.answers((ask) => ask.ack().pending(true));
  const abort = new AbortController();
  page.fetch(url, { signal: abort.signal }).catch(() => {});
  const ask = await page.nextAsk();
  abort.abort();
  await clock.when(() => ask.isClosed);
});
