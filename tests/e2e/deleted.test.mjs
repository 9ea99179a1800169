// The site's own code deletes our Cache, as an `activate` handler does that keeps only its own names, or a "clear" button.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { engines, scene } from './harness/scene.mjs';

const [before, after] = ['/static/before.bin', '/static/after.bin'];
const files = { [before]: randomBytes('deleted', 1_500_000), [after]: randomBytes('after', 700_000) };

const page = `import { start } from '/peer-cdn/index.js';
window.errors = [];
window.peerCdn = await start({ worker: '/sw.js' });
peerCdn.addEventListener('error', ({ detail }) => errors.push(detail.code));
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;
const clear = async () => {
  for (const name of await caches.keys()) await caches.delete(name);
};
const stored = (visitor, root) =>
  visitor.run(async (part) => {
    const [name] = (await caches.keys()).filter((each) => each.startsWith('peer-cdn-v'));
    if (!name) return 0;
    return (await (await caches.open(name)).keys()).filter(({ url }) => url.includes(`/store/${part}`)).length;
  }, root);

for (const { where, kind, options } of engines) {
  // Chromium lets a test stop a worker.
  for (const stops of kind === 'chromium' ? [true, false] : [false]) {
    const how = stops ? ' and then the worker is stopped' : '';
    test(`${where}: our Cache is deleted${how}: each file is fetched once at most, kept, shared, and said`, async (t) => {
      const at = scene(t);
      const s = await at.site({ ...files, '/page.js': page });
      const visitor = await at[kind](options);
      await visitor.visit(s.url);
      await visitor.fetch(before);
      await s.origin.untilShared(await s.root(before));
      await visitor.run(clear);
      if (stops) await visitor.stopWorkers();
      s.origin.requests = [];
      for (const url of [after, before, after, before]) {
        assert.equal((await visitor.fetch(url)).sha256, sha256(files[url]));
        const root = await s.root(url);
        await until(`${url} is in the store`, async () => (await stored(visitor, root)) > 0);
      }
      // The browser's own HTTP cache may have it yet.
      for (const url of [after, before]) assert.ok(s.origin.sent(url) <= files[url].length, `${url} came once at most`);
      assert.deepEqual(await visitor.run(() => window.errors), ['storage-lost']);

      // The new tab would hear of transfers that are told late.
      await visitor.sources(before);
      const tab = await visitor.newTab();
      await visitor.visit(s.url, { page: tab });
      assert.equal((await visitor.fetch(before, { page: tab })).sha256, sha256(files[before]));
      const { fromPeers, fromOrigin } = await visitor.sources(before, tab);
      assert.deepEqual([fromPeers, fromOrigin], [0, 0]);
      // The first tab still offers it.
      const other = await at.chromium();
      await other.visit(s.url);
      await s.origin.untilIntroducible(await s.root(before));
      const got = await s.origin.away(() => other.fetch(before));
      assert.equal(got.sha256, sha256(files[before]));
    });
  }
}
