// A worker that registers late: browsers ask it for nothing, and the page says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentedWorker, randomBytes, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

for (const kind of browsers) {
  test(`${kind}: register() after an await is told at the first visit, at the next, and by a restarted worker`, async (t) => {
    const at = scene(t);
    const late = documentedWorker().replace('cdn.register();', 'setTimeout(() => cdn.register(), 50);');
    const s = await at.site({ '/static/a.bin': randomBytes('late', 7000), '/sw.js': late });
    const visitor = await at[kind]();
    for (const visit of ['the first', 'the second', 'one of a restarted worker']) {
      await visitor.visit(s.url, { ready: 'settled' });
      // A page whose worker is slow to answer says no-worker until it does.
      const told = () => visitor.run(() => [peerCdn.active, peerCdn.reason]);
      await until(`${visit} visit knows why`, async () => (await told())[1] === 'registered-late');
      assert.deepEqual(await told(), [false, 'registered-late'], visit);
      if (visit === 'the second' && kind === 'chromium') await visitor.stopWorkers();
      assert.equal((await visitor.fetch('/static/a.bin')).bytes, 7000);
    }
  });
}
