// A store whose bytes went bad: what it gives is digested, so that no page sees them, and the run is forgotten.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {randomBytes, scene, sha256} from './harness/index.mjs';

test('wrong and short runs of the store are replaced by the origin\'s, in the middle of a body', async (t) => {
  const {site, chromium} = scene(t);
  const url = '/static/data.bin';
  const bytes = randomBytes('rot', 5_000_000);
  const s = await site({[url]: bytes});
  const visitor = await chromium();
  await visitor.visit(s.url);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  const spoilt = await visitor.run(async () => {
    const cache = await caches.open((await caches.keys()).find((name) => name.startsWith('peer-cdn-v')));
    const runs = (await cache.keys()).filter((request) => request.url.includes('/store/'));
    const spoil = async (request, change) => {
      const good = new Uint8Array(await (await cache.match(request)).arrayBuffer());
      await cache.put(request, new Response(change(good)));
    };
    await spoil(runs[1], (good) => (good[70_000] ^= 1, good));
    await spoil(runs[3], (good) => good.subarray(0, 100_000));
    return runs.length;
  });
  assert.ok(spoilt >= 4, `${spoilt} runs`);
  const before = s.origin.sent(url);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  const again = s.origin.sent(url) - before;
  assert.ok(again > 0 && again <= 2 * 1024 * 1024, `${again} bytes from the origin`);
  // What the origin gave instead is stored, and right. The good pieces of a run that was dropped are asked for once more.
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  const all = s.origin.sent(url);
  assert.ok(all - before <= 2 * 1024 * 1024, `${all - before} bytes from the origin`);
  assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  assert.equal(s.origin.sent(url), all);
});
