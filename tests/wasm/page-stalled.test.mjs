// Where a script of ours never comes: its server took the request, and says nothing.
import assert from 'node:assert/strict';
import { register } from 'node:module';
import { test } from 'node:test';
import { readTimeout, workerWait } from '../../build/border.js';
import { FakeContainer, install } from './page-fakes.mjs';

const hooks = `export const load = (url, context, next) =>
  url.endsWith('/web/page.js') ? new Promise(() => {}) : next(url, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
install();
const { PeerPlugin, start } = await import('../../web/index.js');

const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
};

test('start() waits for scripts that never come no longer than for a worker', async (t) => {
  new FakeContainer('controlling');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let plugin = null;
  const starting = start({ worker: '/sw.js' }).then((started) => (plugin = started));
  await turns();
  t.mock.timers.tick(workerWait - 1);
  await turns();
  assert.equal(plugin, null);
  t.mock.timers.tick(1);
  await starting;
  t.after(() => plugin.close());
  assert.equal(plugin.active, false);
});

test('whoever asks such a page is answered all the same, get() in its own time', async (t) => {
  new FakeContainer('controlling');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const plugin = new PeerPlugin();
  t.after(() => plugin.close());
  const answered = [];
  const request = new Request('https://site.test/a.bin');
  const note = (/** @type {unknown} */ answer) => answered.push(answer);
  void plugin.informed.then(() => note('informed'));
  void plugin.diagnose().then(({ missing }) => note(...missing));
  void plugin.getMiddleware({ request }).get().then(note);
  await turns();
  t.mock.timers.tick(readTimeout);
  while (answered.length < 1) await turns();
  assert.deepEqual(answered, [null]);
  t.mock.timers.tick(workerWait - readTimeout);
  while (answered.length < 3) await turns();
  assert.deepEqual(answered.sort(), ['informed', 'no-worker', null]);
});
