// Asking a page for pieces, which it gets from peers: the stream form, and what happens to a page that is slow, silent, wrong
// or gone. The chain is the documented one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, serving, unreachable } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const last = (list) => list.at(-1);
const documented = chain('ordered', 'cache', 'delegate', 'network');

const place = (options) => scene({ bytes: 3 * MIB, script: documented, page: true, ...options });

/** What the last body was made of, once it was told. */
async function counts({ worker, clock }) {
  await clock.pass(1500);
  const { fromCache, fromPeers, fromOrigin, wasted, code } = last(worker.events.transfer);
  return { fromCache, fromPeers, fromOrigin, wasted, code };
}

test('a page is asked with all that it needs, and what peers bring is the whole answer', async () => {
  const at = await place({ type: 'video/mp4' });
  const { page, file, origin } = at;
  page.answers(serving(file));
  const response = await page.fetch(url);
  assert.equal(response.headers.get('content-type'), 'video/mp4');
  assert.deepEqual(await response.bytes(), file.body);
  const { patience, origin: mayFetch, ...asked } = page.asks[0].request;
  assert.deepEqual(asked, {
    peerCdn: 1,
    url: `https://site.test${url}`,
    range: null,
    root: file.root,
    bytes: file.bytes,
    pieceBytes: 65_536,
    contentType: 'video/mp4',
    begin: 0,
    end: 48,
    cache: 'default',
    digests: `/peer-cdn/digests/${file.root}`,
  });
  assert.equal(mayFetch, 1);
  assert.ok(patience > 0 && patience <= 1500);
  assert.equal(origin.requests(url).length, 0);
  assert.deepEqual(await counts(at), { fromCache: 0, fromPeers: 3 * MIB, fromOrigin: 0, wasted: 0, code: null });
});

test("a frozen page is not asked again for what another page's worker fetches", async () => {
  const at = await place({ more: ['/static/b.bin'] });
  const [other] = at.others;
  at.page.answers(() => {});
  const awake = await at.worker.page();
  awake.answers(serving(other));
  for (const file of [at.file, other]) assert.deepEqual(await (await at.worker.fetch(file.path)).bytes(), file.body);
  assert.deepEqual([at.page.asks.length, awake.asks.length], [1, 1]);
  assert.equal((await counts(at)).fromPeers, 3 * MIB);
});

test('a range asks for the pieces that hold it', async () => {
  const at = await place();
  at.page.answers(serving(at.file));
  const range = 'bytes=1000000-2999999';
  const response = await at.page.fetch(url, { headers: { range } });
  assert.equal(response.status, 206);
  assert.deepEqual(await response.bytes(), at.file.body.slice(1_000_000, 3_000_000));
  const { begin, end, range: told } = at.page.asks[0].request;
  assert.deepEqual([begin, end, told], [15, 46, range]);
  assert.equal((await counts(at)).fromPeers, 2_000_000);
});

test('what the page had, what peers brought and what it fetched are counted apart, and what was wasted', async () => {
  const at = await place();
  at.page.answers((ask) => {
    ask.ack().pending();
    for (let piece = 0; piece < 48; piece++) {
      ask.piece(piece, at.file.piece(piece), { from: piece % 3, wasted: piece === 5 ? 77 : 0 });
    }
    ask.end();
  });
  await (await at.page.fetch(url)).bytes();
  assert.deepEqual(await counts(at), { fromCache: MIB, fromPeers: MIB, fromOrigin: MIB, wasted: 77, code: null });
});

test('a page that has less than was asked for is followed by the origin, at that byte', async () => {
  const ends = {
    'the last peer went': (ask) => ask.end('peer-gone'),
    'it says that this was all': (ask) => ask.end(),
    'nobody has it any more': (ask) => ask.none(),
    'a word that nobody knows': (ask) => ask.end('boredom'),
    'no word at all': (ask) => ask.say({ type: 'end', code: null }),
    'something else': (ask) => ask.say({ type: 'nonsense' }),
    'the reply of the other form': (ask) => ask.say(null),
  };
  for (const [name, end] of Object.entries(ends)) {
    const at = await place();
    at.page.answers(async (ask) => {
      ask.ack().pending();
      await ask.pieces(at.file, { end: 10 });
      end(ask);
    });
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body, name);
    assert.equal(at.origin.sentBytes(url), 38 * 65_536, name);
    assert.equal(at.page.asks.length, 1, `${name}: it is not asked twice`);
    const told = await counts(at);
    assert.deepEqual([told.fromPeers, told.fromOrigin, told.code], [10 * 65_536, 38 * 65_536, null], name);
    assert.equal(at.page.asks[0].isClosed, true, name);
  }
});

test('a page that knows nobody is followed by the network, whatever it gives as the reason', async () => {
  for (const code of ['nobody-has-it', 'no-webrtc', 'no-coordinator', 'upload-off', 'timed-out', undefined]) {
    const at = await place();
    at.page.answers((ask) => ask.ack().say({ type: 'none', code }));
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body, code);
    assert.deepEqual(at.worker.events.error, []);
    assert.equal((await counts(at)).fromOrigin, 3 * MIB);
  }
});

test('a page gets credit for 1 MiB, and more as the reader takes what came', async () => {
  const at = await place({ bytes: 8 * MIB });
  at.page.answers(serving(at.file));
  const response = await at.page.fetch(url);
  await at.clock.pass(5000);
  const [ask] = at.page.asks;
  assert.equal(ask.grants[0], MIB);
  const granted = () => ask.grants.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(granted() < 3 * MIB, `${granted()} bytes for a reader that has stopped`);
  assert.deepEqual(await response.bytes(), at.file.body);
  assert.ok(
    ask.grants.slice(1).every((bytes) => bytes >= MIB / 4),
    'in quarters at least',
  );
});

test('two large pieces are credit at least', async () => {
  const at = await place({ bytes: 8 * MIB, pieceBytes: 2 * MIB });
  at.page.answers(serving(at.file));
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  assert.equal(at.page.asks[0].grants[0], 4 * MIB);
});

test('a page that was heard lately has a second to say that it got the request, and then the network goes on', async () => {
  const at = await place();
  at.page.answers(() => {});
  const begun = at.clock.now;
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  const { at: asked } = at.origin.requests(url)[0];
  assert.ok(asked - begun >= 1000 && asked - begun < 1100, `${asked - begun} ms`);
});

test('a page that was silent once, or long, has fifty milliseconds', async () => {
  const at = await place({ more: ['/static/b.bin'] });
  at.page.answers(() => {});
  await (await at.page.fetch(url)).bytes();
  let begun = at.clock.now;
  await (await at.page.fetch('/static/b.bin')).bytes();
  const { at: second } = at.origin.requests('/static/b.bin')[0];
  assert.ok(second - begun >= 50 && second - begun < 200, `${second - begun} ms`);

  const other = await place();
  other.page.answers(() => {});
  await other.clock.pass(31_000);
  begun = other.clock.now;
  await (await other.page.fetch(url)).bytes();
  const { at: asked } = other.origin.requests(url)[0];
  assert.ok(asked - begun >= 50 && asked - begun < 200, `${asked - begun} ms`);
});

test('a page that has said anything is waited for', async () => {
  const at = await place();
  at.page.answers(async (ask) => {
    ask.ack().pending();
    await at.clock.after(1200);
    await ask.pieces(at.file);
    ask.end();
  });
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  assert.equal((await counts(at)).fromPeers, 3 * MIB);
});

test('a page that falls silent in mid-body is given up after ten seconds and the time of a piece', async () => {
  const at = await place();
  at.page.answers(async (ask) => {
    ask.ack().pending();
    await ask.pieces(at.file, { end: 5 });
  });
  const begun = at.clock.now;
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  const asked = at.origin.requests(url)[0].at - begun;
  assert.ok(asked >= 10_000 && asked <= 12_000, `${asked} ms`);
  assert.equal(at.page.asks[0].isClosed, true);
});

test('a page that says again and again that it is at it is not given up', async () => {
  const at = await place();
  at.page.answers(async (ask) => {
    ask.ack().pending();
    await ask.pieces(at.file, { end: 5 });
    for (let i = 0; i < 20; i++) {
      await at.clock.after(3000);
      ask.ack();
    }
    await ask.pieces(at.file, { begin: 5 });
    ask.end();
  });
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  assert.equal(at.origin.requests(url).length, 0);
});

test("pieces that are not what was asked for end that page's part, and the origin goes on", async () => {
  const wrong = {
    'out of order': (ask, file) => ask.piece(7, file.piece(7)),
    twice: (ask, file) => ask.piece(4, file.piece(4)),
    'beyond the end': (ask, file) => ask.piece(48, file.piece(0)),
    'too short': (ask, file) => ask.piece(5, file.piece(5).slice(1)),
    'too long': (ask, file) => ask.piece(5, file.run(5, 7)),
    empty: (ask) => ask.piece(5, new ArrayBuffer(0)),
    'no number': (ask, file) => ask.say({ type: 'piece', piece: 'x', buffer: file.piece(5), from: 1 }),
  };
  for (const [name, say] of Object.entries(wrong)) {
    const at = await place();
    at.page.answers(async (ask) => {
      ask.ack().pending();
      await ask.pieces(at.file, { end: 5 });
      say(ask, at.file);
      await ask.pieces(at.file, { begin: 5 });
      ask.end();
    });
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body, name);
    assert.ok(at.origin.sentBytes(url) > 0, name);
    assert.equal(at.page.asks[0].isClosed, true, name);
  }
});

test('a tab that was closed is noticed within a second, before the first byte and in mid-body', async () => {
  for (const pieces of [0, 5]) {
    const at = await place();
    at.page.answers(async (ask) => {
      ask.ack().pending();
      await ask.pieces(at.file, { end: pieces });
      at.page.close();
    });
    const begun = at.clock.now;
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
    assert.ok(at.origin.requests(url)[0].at - begun <= 1100, `${pieces} pieces: ${at.origin.requests(url)[0].at - begun} ms`);
  }
});

test('what the reader gives up is closed at the page', async () => {
  const at = await place();
  at.page.answers(serving(at.file));
  const response = await at.page.fetch(url);
  const reader = response.body.getReader();
  await at.clock.until(reader.read());
  await reader.cancel();
  await at.clock.settle();
  assert.equal(at.page.asks[0].isClosed, true);
  assert.equal((await counts(at)).code, 'cancelled');
});

test('the page that asks is asked first, and another one if it is not there', async () => {
  const at = await place({ more: ['/static/b.bin', '/static/c.bin'] });
  const other = await at.worker.page();
  await (await other.fetch(url)).bytes();
  assert.deepEqual([at.page.asks.length, other.asks.length], [0, 1]);
  await (await at.worker.fetch('/static/b.bin')).bytes();
  assert.deepEqual([at.page.asks.length, other.asks.length], [1, 1], 'the one that said hello first');
  at.page.close();
  await (await at.worker.fetch('/static/c.bin')).bytes();
  assert.deepEqual([at.page.asks.length, other.asks.length], [1, 2]);
});

test('a page that said bye is not asked any more, until it says hello again', async () => {
  const at = await place({ more: ['/static/b.bin'] });
  await at.page.tell({ type: 'bye' });
  await at.fetchAll();
  assert.equal(at.page.asks.length, 0);
  await at.page.hello();
  await (await at.page.fetch('/static/b.bin')).bytes();
  assert.equal(at.page.asks.length, 1);
});

test('messages that are not for us, or not from a window, are no hello', async () => {
  const at = await place({ page: false });
  const page = await at.worker.page({ hello: false });
  for (const more of [{ peerCdn: 2 }, { peerCdn: undefined }, { type: 'wave' }]) await page.tell({ type: 'hello', ...more });
  at.worker.message(null, page.client);
  at.worker.message({ peerCdn: 1, type: 'hello' }, null);
  at.worker.message({ peerCdn: 1, type: 'hello' }, { id: 'x', type: 'window' });
  await at.clock.settle();
  assert.deepEqual(at.worker.thrown, []);
  await (await at.worker.fetch(url)).bytes();
  assert.equal(page.asks.length, 0);
});

for (const [said, hello, byPort] of [
  ["with a port of the page's engine", (page) => page.helloWithPort(), true],
  ['again, without the port that it had', (page) => page.helloWithPort().then(() => page.hello()), false],
]) {
  test(`after a hello ${said}, what is asked goes ${byPort ? 'there' : 'to the page'}`, async () => {
    const at = await place();
    at.page.answers(serving(at.file));
    await hello(at.page);
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
    assert.deepEqual(
      at.page.asks.map((ask) => ask.byPort === true),
      [byPort],
    );
    assert.equal((await counts(at)).fromPeers, 3 * MIB);
  });
}

test('a large request at the start of a worker waits fifty milliseconds for a hello that is on its way', async () => {
  const at = await place();
  const next = await at.worker.restart();
  const response = at.page.fetch(url);
  at.page.answers(serving(at.file));
  await at.clock.pass(30);
  assert.equal(at.origin.requests(url).length, 0);
  await at.page.hello();
  assert.deepEqual(await (await response).bytes(), at.file.body);
  assert.equal(at.page.asks.length, 1);

  const third = await next.restart();
  const begun = at.clock.now;
  await (await third.fetch(url, { headers: { range: 'bytes=0-2999999' } })).bytes();
  assert.ok(at.clock.now - begun <= 200);
  assert.equal(at.origin.requests(url).length, 1, 'it passes through: nobody would keep the worker alive');
});

test('timeoutAfter is how long a delegate has for its first byte', async () => {
  const script = chain('ordered', ['delegate', { timeoutAfter: 300 }], 'network');
  const at = await place({ script });
  at.page.answers((ask) => void ask.ack());
  const begun = at.clock.now;
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  const asked = at.origin.requests(url)[0].at - begun;
  assert.ok(asked >= 300 && asked < 400, `${asked} ms`);
  assert.equal(at.page.asks[0].isClosed, true);
  const next = await place({ script });
  next.page.answers(async (ask) => {
    ask.ack();
    await ask.pieces(next.file, { end: 5 });
    await next.clock.after(1000);
    await ask.pieces(next.file, { begin: 5 });
    ask.end();
  });
  assert.deepEqual(await (await next.page.fetch(url)).bytes(), next.file.body);
  assert.equal(next.origin.requests(url).length, 0, 'the first byte was in time');
});

test('a delegate alone, with nobody who has it, leaves the request to the network', async () => {
  for (const strategy of ['ordered', 'fastest']) {
    const at = await place({ script: chain(strategy, 'delegate') });
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
    assert.equal(at.origin.requests(url).length, 1);
    assert.equal(at.origin.requests(url)[0].range, null);
  }
});

test('peers serve a visitor whose origin is away', async () => {
  const at = await place();
  at.page.answers(serving(at.file));
  at.origin.always(url, unreachable);
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
});

test('in a fastest route the first byte decides between peers and the network, and the other one is given up', async () => {
  for (const [who, pageDelay, latency] of [
    ['peers', 10, 300],
    ['origin', 300, 10],
  ]) {
    const at = await place({ script: chain('fastest', 'delegate', 'network') });
    at.origin.latency = latency;
    at.page.answers(async (ask) => {
      ask.ack().pending();
      await at.clock.after(pageDelay);
      if (await ask.pieces(at.file)) ask.end();
    });
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body, who);
    const { fromPeers, fromOrigin } = await counts(at);
    assert.deepEqual([fromPeers > 0, fromOrigin > 0], [who === 'peers', who === 'origin'], who);
    if (who === 'origin') assert.equal(at.page.asks[0].isClosed, true);
  }
});

test('what a page says after it was closed is of no use, and harmless', async () => {
  const at = await place();
  let ask;
  at.page.answers(async (given) => {
    ask = given;
    ask.ack().pending();
    await ask.pieces(at.file, { end: 3 });
  });
  const response = await at.page.fetch(url);
  const reader = response.body.getReader();
  await at.clock.until(reader.read());
  const cancelled = reader.cancel();
  ask.piece(3, at.file.piece(3)).ack().end().none();
  await cancelled;
  await at.clock.pass(2000);
  ask.piece(4, at.file.piece(4)).end();
  await at.clock.pass(2000);
  assert.deepEqual(at.worker.thrown, []);
  assert.equal(last(at.worker.events.transfer).code, 'cancelled');
});

test('a page that says nonsense is answered by nothing, and costs nobody a byte', async () => {
  const at = await scene({ bytes: 3_000_000, page: true });
  for (const lists of [{}, { add: 5, remove: null }, { add: ['00000000'] }]) await at.page.tell({ type: 'present', ...lists });
  at.page.answers((ask) => ask.ack().pending(true).say({ type: 'piece', piece: 0, from: 1 }));
  const response = await at.page.fetch('/static/a.bin');
  assert.deepEqual(await response.bytes(), at.file.body);
  assert.deepEqual(at.worker.thrown, []);
});

test('a page that is asked in place of one that was closed gets the credit of that one', async () => {
  const script = chain('ordered', 'cache', ['delegate', { patience: 1 }], 'network');
  const at = await place({ script });
  const other = (await at.worker.page()).answers(serving(at.file));
  at.page.answers((ask) => {
    ask.ack().pending(true);
    at.page.close();
  });
  assert.deepEqual(await at.fetchAll(), at.file.body);
  assert.equal(other.asks.length, 1);
  assert.ok((await counts(at)).fromPeers > 0);
});

test('a timeoutAfter that is longer than any timer of a browser rings none', async () => {
  for (const timeoutAfter of [2 ** 31, 2 ** 40]) {
    const at = await place({ script: chain('ordered', ['delegate', { timeoutAfter }]) });
    const { caches, clock, file } = at;
    caches.hold(file);
    // Nothing else is waited for while the store is read.
    caches.faults.match = (about) => (about.includes('/store/') ? clock.after(2500) : undefined);
    const worker = await at.worker.restart();
    const page = await worker.page();
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${timeoutAfter}`);
    assert.equal(at.origin.requests(url).length, 0);
  }
});
