// Peers or the network: who is asked when, for small and large files, by what was learned and what the site says (patience).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, serving, silent, usualBut, withHeaders } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const last = (list) => list.at(-1);
const route = (options = {}) => chain('ordered', 'cache', ['delegate', options], 'network');
const names = Array.from({ length: 12 }, (_, i) => `/static/${i}.bin`);

async function counts({ worker, clock }) {
  await clock.pass(1500);
  const { fromPeers, fromOrigin, wasted, code } = last(worker.events.transfer);
  return { fromPeers, fromOrigin, wasted, code };
}

/** A page that has it all, and begins after so many milliseconds. */
const servingAfter = (clock, file, ms) => async (ask) => {
  ask.ack().pending(true);
  await clock.after(ms);
  if (await ask.pieces(file)) ask.end();
};

test('a small file that nobody has, by all that pages were told, is not asked for', async () => {
  const at = await scene({ bytes: 300_000, more: ['/static/b.bin'], script: route({ patience: 1 }), page: true });
  await at.page.tell({ type: 'present', add: ['00000000'], remove: [] });
  await at.page.fetch(url).then((response) => response.bytes());
  assert.equal(at.page.asks.length, 0);
  const [other] = at.others;
  at.page.answers(serving(other));
  await at.page.tell({ type: 'present', add: [other.root.slice(0, 8)], remove: [] });
  assert.deepEqual(await (await at.page.fetch('/static/b.bin')).bytes(), other.body);
  assert.equal(at.page.asks.length, 1);
  assert.equal(at.origin.requests('/static/b.bin').length, 0);
});

test('who has it is forgotten when it is taken back, and unknown after a new hello', async () => {
  const at = await scene({ bytes: 300_000, script: chain('ordered', ['delegate', { patience: 1 }]), page: true });
  const mark = at.file.root.slice(0, 8);
  const isAsked = async () => {
    const before = at.page.asks.length;
    await (await at.page.fetch(url)).bytes();
    return at.page.asks.length > before;
  };
  assert.equal(await isAsked(), true, 'nothing was told yet: it may be');
  await at.page.tell({ type: 'present', add: [mark], remove: [] });
  assert.equal(await isAsked(), true);
  await at.page.tell({ type: 'present', add: [], remove: [mark] });
  assert.equal(await isAsked(), false);
  await at.page.hello();
  assert.equal(await isAsked(), true);
});

test('what a page that said no hello tells of others is nothing', async () => {
  const at = await scene({ bytes: 300_000, script: route({ patience: 1 }) });
  const page = await at.worker.page({ hello: false });
  await page.tell({ type: 'present', add: [at.file.root.slice(0, 8)], remove: [] });
  await at.fetchAll();
  assert.equal(page.asks.length, 0);
});

test('a large file that nobody has is begun by the network, while a page looks out for others', async () => {
  const at = await scene({ bytes: 3 * MIB, script: route(), page: true });
  await at.page.tell({ type: 'present', add: ['00000000'], remove: [] });
  at.page.answers((ask) => void ask.ack());
  const begun = at.clock.now;
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  assert.equal(at.page.asks.length, 1);
  assert.ok(at.origin.requests(url)[0].at - begun < 50, 'at once');
  assert.equal((await counts(at)).fromOrigin, 3 * MIB);
});

test('small files go to the network at once, and one in five seconds is asked of peers as well', async () => {
  const at = await scene({ bytes: 200_000, more: names, script: route(), page: true });
  at.page.answers((ask) => void ask.ack());
  const asked = [];
  for (const [i, path] of names.entries()) {
    const begun = at.clock.now;
    assert.deepEqual(await (await at.page.fetch(path)).bytes(), at.others[i].body);
    assert.ok(at.clock.now - begun < 200, `${at.clock.now - begun} ms`);
    asked.push(at.page.asks.length);
    await at.clock.pass(1000);
  }
  assert.equal(asked[0], 1);
  assert.equal(asked[3], 1);
  assert.ok(asked.at(-1) >= 2 && asked.at(-1) <= 3, `${asked}`);
});

test('peers that are known to be sooner get the small files, and the network helps when they are not', async () => {
  const at = await scene({ bytes: 200_000, more: names, script: route(), page: true });
  at.origin.latency = 400;
  at.page.answers((ask) => servingAfter(at.clock, at.others[names.indexOf(new URL(ask.request.url).pathname)], 5)(ask));
  let fromPeers = 0;
  for (const path of names.slice(0, 6)) {
    await (await at.page.fetch(path)).bytes();
    const told = await counts(at);
    fromPeers += told.fromPeers;
    await at.clock.pass(4000);
  }
  assert.ok(fromPeers >= 5 * 200_000, `${fromPeers} bytes of 1,200,000`);
  at.page.answers((ask) => void ask.ack().pending(true));
  const begun = at.clock.now;
  assert.deepEqual(await (await at.page.fetch(names[8])).bytes(), at.others[8].body);
  assert.ok(at.clock.now - begun < 2500, "within the network's own time, a second time");
});

test('a patience of 0 asks both at once, one of 1 waits for peers, and of 4 no longer than a second and a half', async () => {
  const firstAsked = async (patience, bytes) => {
    const at = await scene({ bytes, script: route({ patience }), page: true });
    at.page.answers(async (ask) => {
      ask.ack().pending(true);
      for (let i = 0; i < 10 && !ask.isClosed; i++) {
        await at.clock.after(1000);
        ask.ack();
      }
    });
    const begun = at.clock.now;
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
    return at.origin.requests(url)[0].at - begun;
  };
  assert.ok((await firstAsked(0, 300_000)) < 50);
  const small = await firstAsked(1, 300_000);
  assert.ok(small > 100 && small <= 1500, `${small} ms`);
  assert.ok((await firstAsked(4, 300_000)) <= 1500);
  // Of a large one the page itself asks the origin, and the worker only if nothing comes of that.
  const [none, usual, long] = [await firstAsked(0, 3 * MIB), await firstAsked(0.2, 3 * MIB), await firstAsked(4, 3 * MIB)];
  assert.ok(none <= usual && usual <= long && long <= 3000 + 50, `${[none, usual, long]}`);
});

test('the terms that a page gets say how slow peers may be, and how long they may take to begin', async () => {
  const terms = async (patience, plugins = ['cache', ['delegate', { patience }], 'network'], bytes = 3 * MIB) => {
    const at = await scene({ bytes, script: chain('ordered', ...plugins), page: true });
    at.page.answers(serving(at.file));
    await (await at.page.fetch(url)).bytes();
    return at.page.asks[0]?.request;
  };
  assert.equal((await terms(0)).patience, 0);
  assert.equal((await terms(0)).origin, 1);
  assert.equal((await terms(2.5)).origin, 2);
  assert.equal((await terms(100)).origin, 4);
  assert.equal((await terms(100)).patience, 1500);
  assert.equal((await terms(1, ['cache', 'delegate'])).origin, 0, 'a route without the network');
  assert.equal((await terms(1, ['delegate', 'cache', 'network'])).origin, 0, 'the network does not follow directly');
  assert.equal((await terms(1, undefined, 300_000)).origin, 0, 'a small one');
});

test('peers that begin late take over from the origin, at the byte where it is', async () => {
  const at = await scene({ bytes: 8 * MIB, script: route({ patience: 0 }), page: true });
  at.origin.always(url, usualBut({ pace: 200 }));
  at.page.answers(async (ask) => {
    ask.ack().pending(true);
    await at.clock.after(2500);
    if (await ask.pieces(at.file)) ask.end();
  });
  assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
  const { fromPeers, fromOrigin } = await counts(at);
  assert.ok(fromPeers > 0 && fromOrigin > 0, `${fromPeers} and ${fromOrigin}`);
});

test('peers that never begin cost nothing but the wait, and those that fail are not asked again', async () => {
  for (const end of [silent, (ask) => ask.end('peer-gone'), (ask) => ask.none()]) {
    const at = await scene({ bytes: 8 * MIB, script: route({ patience: 0 }), page: true });
    at.page.answers(async (ask) => {
      ask.ack().pending(true);
      await at.clock.after(2000);
      end(ask);
    });
    assert.deepEqual(await (await at.page.fetch(url)).bytes(), at.file.body);
    assert.equal(at.page.asks.length, 1);
    assert.equal((await counts(at)).fromOrigin, 8 * MIB);
  }
});

test('a body of the origin turns to peers when a page says that there is company', async () => {
  const at = await scene({ bytes: 8 * MIB, script: route(), page: true });
  at.origin.always(url, usualBut({ pace: 50 }));
  const response = await at.page.fetch(url);
  const reader = response.body.getReader();
  const chunks = [(await at.clock.until(reader.read())).value];
  at.page.answers(serving(at.file));
  await at.page.tell({ type: 'company', root: 'ab'.repeat(32) });
  assert.equal(at.page.asks.length, 1, 'it was another file');
  await at.page.tell({ type: 'company', root: at.file.root });
  for (;;) {
    const { value, done } = await at.clock.until(reader.read());
    if (done) break;
    chunks.push(value);
  }
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), at.file.body);
  assert.equal(at.page.asks.length, 2);
  assert.ok(at.page.asks[1].request.begin > 0);
  const { fromPeers, fromOrigin } = await counts(at);
  assert.ok(fromPeers > fromOrigin, `${fromPeers} and ${fromOrigin}`);
});

test('company is nothing to a body that was left by its peers, nor to one that reads from the store', async () => {
  const at = await scene({ bytes: 3 * MIB, script: route(), page: true });
  at.page.answers(async (ask) => {
    ask.ack().pending(true);
    await ask.pieces(at.file, { end: 5 });
    ask.end('peer-gone');
  });
  at.origin.always(url, usualBut({ pace: 50 }));
  const response = await at.page.fetch(url);
  const bytes = response.bytes();
  await at.clock.pass(300);
  for (const root of [at.file.root, undefined, null, 5]) await at.page.tell({ type: 'company', root });
  assert.deepEqual(await bytes, at.file.body);
  assert.equal(at.page.asks.length, 1);
  await at.clock.pass(3000);
  at.caches.hold(at.file, 0, 16); // as the page stores what came from peers
  await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 0, end: 16 });
  const again = (await at.page.fetch(url)).bytes();
  await at.page.tell({ type: 'company', root: at.file.root });
  assert.deepEqual(await again, at.file.body);
  assert.equal(at.page.asks.length, 1);
});

test('an origin without ranges is not shared with company', async () => {
  const at = await scene({ bytes: 3 * MIB, script: route(), page: true });
  const whole = withHeaders({ 'accept-ranges': 'none' });
  at.origin.always(url, async (request, serve) => {
    request.headers.delete('range');
    return { ...(await whole(request, serve)), pace: 50 };
  });
  const response = await at.page.fetch(url);
  const bytes = response.bytes();
  await at.clock.pass(300);
  await at.page.tell({ type: 'company', root: at.file.root });
  assert.deepEqual(await bytes, at.file.body);
  assert.equal(at.page.asks.length, 1);
});

test('company in a route that has no delegate changes nothing', async () => {
  const at = await scene({ bytes: 3 * MIB, script: chain('ordered', 'cache', 'network'), page: true });
  at.origin.always(url, usualBut({ pace: 50 }));
  const response = await at.page.fetch(url);
  const bytes = response.bytes();
  await at.clock.pass(300);
  await at.page.tell({ type: 'company', root: at.file.root });
  assert.deepEqual(await bytes, at.file.body);
  assert.equal(at.page.asks.length, 0);
  assert.equal((await counts(at)).fromOrigin, 3 * MIB);
});

test('peers that are asked after the network, because the store had less than it said, are helped out', async () => {
  for (const bytes of [60_000, 300_000, 3 * MIB]) {
    const at = await scene({ bytes, script: chain('ordered', 'delegate', 'network') });
    const { caches, clock, file, worker, origin } = at;
    caches.hold(file);
    for (const run of caches.runs(file)) caches.take(`/peer-cdn/store/${file.root}?${run}`);
    // The store is listed as it was before the browser took the runs away, and is slow to say that they are gone.
    caches.hold(file);
    caches.faults.match = (about) => (about.includes('/store/') ? clock.after(2000) : undefined);
    const page = await worker.page();
    page.answers((ask) => void ask.ack().pending(true));
    const response = page.fetch(url);
    await clock.pass(100);
    for (const run of caches.runs(file)) caches.take(`/peer-cdn/store/${file.root}?${run}`);
    assert.deepEqual(await (await response).bytes(), file.body, `${bytes}`);
    assert.equal(origin.sentBytes(url), bytes, `${bytes}`);
    await clock.pass(1000);
    assert.equal(worker.told('busy').at(-1).open, 0);
  }
});
