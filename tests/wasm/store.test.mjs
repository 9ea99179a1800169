// The store on a Cache that is slow to write, as disks are.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { runWait } from '../../build/border.js';
import { Store } from '../../sw/store.js';

/** A Cache whose writes end when they are let go. */
class SlowCache {
  entries = new Map();
  waiting = [];
  async put(url, response) {
    const bytes = await response.arrayBuffer();
    await new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    this.entries.set(url, bytes);
  }
  async keys() {
    return [...this.entries.keys()].map((url) => ({ url }));
  }
  async match(url) {
    const bytes = this.entries.get(url);
    return bytes && new Response(bytes);
  }
  async untilWaiting() {
    while (this.waiting.length === 0) await new Promise(setImmediate);
    return this.waiting.shift();
  }
}

/** A store on this Cache, or on whatever Cache Storage has by then. */
function openStore(cache, onNew) {
  globalThis.caches = { has: async () => true, open: async () => cache };
  return Store.open('store', onNew);
}

const root = 'ab'.repeat(32);
const runs = async (store, root) => (await store.roots()).get(root) ?? [];

test('a run that is being written is held, and can be read', async () => {
  const cache = new SlowCache();
  const store = await openStore(cache);
  const put = store.putRun(root, 2, 4, [new Uint8Array([1, 2, 3])]);
  assert.deepEqual(await runs(store, root), [[2, 4]]);
  assert.deepEqual(await runs(store, 'cd'.repeat(32)), []);
  assert.deepEqual(new Uint8Array(await (await store.readRun(root, 2, 4)).arrayBuffer()), new Uint8Array([1, 2, 3]));
  (await cache.untilWaiting()).resolve();
  await put;
  assert.deepEqual(await runs(store, root), [[2, 4]]);
  assert.deepEqual(new Uint8Array(await (await store.readRun(root, 2, 4)).arrayBuffer()), new Uint8Array([1, 2, 3]));
});

test('a run is held of which the writing ends while the store is listed', async () => {
  const cache = new SlowCache();
  const store = await openStore(cache);
  const put = store.putRun(root, 2, 4, [new Uint8Array([1, 2, 3])]);
  const written = await cache.untilWaiting();
  // Browsers look first, and answer later.
  cache.keys = async () => {
    const before = await SlowCache.prototype.keys.call(cache);
    written.resolve();
    await put;
    return before;
  };
  assert.deepEqual(await runs(store, root), [[2, 4]]);
});

test('a run that could not be written is not there', async () => {
  const cache = new SlowCache();
  const store = await openStore(cache);
  const put = store.putRun(root, 0, 1, [new Uint8Array(1)]);
  (await cache.untilWaiting()).reject(new DOMException('full', 'QuotaExceededError'));
  await assert.rejects(put, { name: 'QuotaExceededError' });
  assert.equal(await store.readRun(root, 0, 1), undefined);
  assert.deepEqual(await runs(store, root), []);
});

test('a run that the browser never ends to write has failed, and is not there', async (t) => {
  const cache = new SlowCache();
  const store = await openStore(cache);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const put = store.putRun(root, 2, 4, [new Uint8Array([1])]);
  await cache.untilWaiting();
  mock.timers.tick(runWait);
  await assert.rejects(put);
  assert.deepEqual(await runs(store, root), []);
});

test('a run that waits to be written is held meanwhile', async () => {
  const cache = new SlowCache();
  const store = await openStore(cache);
  const run = [root, 0, 1, [new Uint8Array([7])]];
  store.hold(...run);
  assert.deepEqual(await runs(store, root), [[0, 1]]);
  assert.deepEqual(new Uint8Array(await (await store.readRun(root, 0, 1)).arrayBuffer()), new Uint8Array([7]));
  assert.equal(cache.waiting.length, 0);
  const put = store.putRun(...run);
  (await cache.untilWaiting()).resolve();
  await put;
  assert.equal(cache.entries.size, 1);
});

test('a Cache that somebody deleted is opened anew by the next that writes, who is told, once', async () => {
  let told = 0;
  const first = new SlowCache();
  const store = await openStore(first, () => told++);
  const second = new SlowCache();
  let isThere = false;
  globalThis.caches = {
    has: async () => isThere,
    async open() {
      isThere = true;
      return second;
    },
  };
  for (const begin of [0, 1]) {
    const put = store.putRun(root, begin, begin + 1, [new Uint8Array([7])]);
    // Written at once, and then where others look.
    if (begin === 0) (await first.untilWaiting()).resolve();
    (await second.untilWaiting()).resolve();
    await put;
  }
  assert.equal(told, 1);
  assert.deepEqual([first.entries.size, second.entries.size], [1, 2]);
});
