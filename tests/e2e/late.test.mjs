// A worker that registers late: browsers ask it for nothing, and the page says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerWait } from '../../build/border.js';
import { documentedWorker, randomBytes } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

for (const kind of browsers) {
  test(`${kind}: register() after an await is told at the first visit, at the next, and by a restarted worker`, async (t) => {
    const at = scene(t);
    const late = documentedWorker().replace('cdn.register();', 'setTimeout(() => cdn.register(), 50);');
    const s = await at.site({ '/static/a.bin': randomBytes('late', 7000), '/sw.js': late });
    const visitor = await at[kind]();
    for (const visit of ['the first', 'the second', 'one of a restarted worker']) {
      await visitor.visit(s.url, { ready: 'settled' });
      const [active, reason, ms] = await visitor.run(() => [peerCdn.active, peerCdn.reason, performance.now()]);
      assert.deepEqual([active, reason], [false, 'registered-late'], visit);
      t.diagnostic(`${visit}: ${Math.round(ms)} ms`);
      if (visit === 'the first') assert.ok(ms < controllerWait, 'it does not wait for control that never comes');
      if (visit === 'the second' && kind === 'chromium') await visitor.stopWorkers();
      assert.equal((await visitor.fetch('/static/a.bin')).bytes, 7000);
    }
  });
}
