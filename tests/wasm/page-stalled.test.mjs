// start() where a script of ours never comes: its server took the request, and says nothing.
import assert from 'node:assert/strict';
import { register } from 'node:module';
import { test } from 'node:test';
import { workerWait } from '../../build/border.js';
import { FakeContainer, install } from './page-fakes.mjs';

const hooks = `export const load = (url, context, next) =>
  url.endsWith('/web/page.js') ? new Promise(() => {}) : next(url, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
install();
const { start } = await import('../../web/index.js');

test('start() waits for scripts that never come no longer than for a worker', async (t) => {
  new FakeContainer('controlling');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let plugin = null;
  const starting = start({ worker: '/sw.js' }).then((started) => (plugin = started));
  const turns = async () => {
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  };
  await turns();
  t.mock.timers.tick(workerWait - 1);
  await turns();
  assert.equal(plugin, null);
  t.mock.timers.tick(1);
  await starting;
  t.after(() => plugin.close());
  assert.equal(plugin.active, false);
});
