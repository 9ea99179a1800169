// The long form: a page's own listener answers with the whole file at once, and the worker verifies it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, spoilt, status } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const last = (list) => list.at(-1);

async function place({ bytes = 3 * MIB, ...options } = {}) {
  const at = await scene({ bytes, script: chain('ordered', 'cache', ['delegate', { patience: 1 }], 'network'), ...options });
  const page = await at.worker.page({ form: 'reply' });
  const counts = async () => {
    await at.clock.pass(1500);
    const { fromPeers, fromOrigin, wasted } = last(at.worker.events.transfer);
    return { fromPeers, fromOrigin, wasted };
  };
  return { ...at, page, counts };
}

test('a whole file is verified, passed on and stored', async () => {
  for (const bytes of [50_000, 300_000, 3 * MIB]) {
    const { page, file, origin, counts, caches } = await place({ bytes });
    page.answers((ask) => ask.ack().reply(file.run(0, file.count)));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
    assert.equal(origin.requests(url).length, 0);
    assert.deepEqual(await counts(), { fromPeers: bytes, fromOrigin: 0, wasted: 0 });
    assert.ok(caches.runs(file).length > 0, 'the page did not store it');
  }
});

test('a reply needs no acknowledgement before it, if it is soon', async () => {
  const { page, file, origin } = await place();
  page.answers((ask) => ask.reply(file.run(0, file.count)));
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.equal(origin.requests(url).length, 0);
});

test('of a reply a range takes its part', async () => {
  const { page, file, origin } = await place();
  page.answers((ask) => ask.ack().reply(file.run(0, file.count)));
  const response = await page.fetch(url, { headers: { range: 'bytes=1000000-2999999' } });
  assert.equal(response.status, 206);
  assert.deepEqual(await response.bytes(), file.body.slice(1_000_000, 3_000_000));
  assert.equal(origin.requests(url).length, 0);
});

test('null, and what is no answer, is followed by the network', async () => {
  const replies = {
    null: null,
    'a text': 'x',
    'a status of its own': { status: 404, headers: [], body: new ArrayBuffer(9) },
    'no body': { status: 200, headers: [] },
    'a body that is no buffer': { status: 200, body: 'text' },
    'a number': 7,
    nothing: undefined,
    'an empty object': {},
  };
  for (const [name, reply] of Object.entries(replies)) {
    const { page, file, counts } = await place();
    page.answers((ask) => ask.ack().say(reply));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    assert.equal((await counts()).fromOrigin, 3 * MIB, name);
  }
});

test('a reply of another length, or with other bytes, is not passed on', async () => {
  const wrong = {
    'too short': (file) => file.body.slice(1).buffer,
    'too long': (file) => new ArrayBuffer(file.bytes + 1),
    empty: () => new ArrayBuffer(0),
    zeros: (file) => new ArrayBuffer(file.bytes),
  };
  for (const [name, make] of Object.entries(wrong)) {
    for (const bytes of [50_000, 3 * MIB]) {
      const { page, file, counts } = await place({ bytes });
      page.answers((ask) => ask.ack().reply(make(file)));
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
      assert.equal((await counts()).fromOrigin, bytes, name);
    }
  }
});

test('a reply that is wrong further on is used up to there, and the origin goes on', async () => {
  const { page, file, counts, origin } = await place();
  page.answers((ask) => {
    const body = file.run(0, file.count);
    new Uint8Array(body)[2 * MIB + 5] ^= 1;
    ask.ack().reply(body);
  });
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.equal(origin.sentBytes(url), MIB);
  const { fromPeers, fromOrigin, wasted } = await counts();
  assert.deepEqual([fromPeers, fromOrigin], [2 * MIB, MIB]);
  assert.ok(wasted >= 65_536);
});

test('a reply whose digest list cannot be had is followed by the network, as it is', async () => {
  for (const step of [status(404), status(500), spoilt(3)]) {
    const { page, file, origin } = await place();
    origin.always(`/peer-cdn/digests/${file.root}`, step);
    page.answers((ask) => ask.ack().reply(file.run(0, file.count)));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  }
});

test('a page that takes its time with a reply has as long as the delegate waits', async () => {
  const { page, file, origin, clock } = await place();
  page.answers(async (ask) => {
    ask.ack().pending(false);
    await clock.after(1400);
    ask.reply(file.run(0, file.count));
  });
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.equal(origin.requests(url).length, 0);
});
