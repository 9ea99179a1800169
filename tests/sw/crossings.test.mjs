// How often one listed file crosses the border between JavaScript and the core: calls in and out, all of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scene } from './harness/index.mjs';

async function count(t, name, most, options, prepare = async () => {}) {
  const at = await scene(options);
  await prepare(at);
  await at.clock.pass(2000);
  const { border } = at.worker;
  border.crossings = 0;
  border.calls.clear();
  assert.deepEqual(await at.fetchAll(), at.file.body);
  await at.clock.pass(2000);
  const calls = [...border.calls].sort((a, b) => b[1] - a[1]).map(([each, times]) => `${each} ${times}`);
  t.diagnostic(`${name}: ${border.crossings} crossings (${calls.join(', ')})`);
  assert.ok(border.crossings > 0 && border.crossings <= most, `${border.crossings} crossings, at most ${most}`);
}

test('the border is crossed for one small file of one piece', async (t) => {
  await count(t, 'from the origin', 15, { bytes: 20_000 });
  await count(t, 'from the store', 15, { bytes: 20_000 }, (at) => at.fetchAll());
});

test('the border is crossed for one small file of five pieces', async (t) => {
  // Of each piece more: its digest goes in, and its reader pulls.
  await count(t, 'from the origin', 15 + 5 * 3, { bytes: 300_000 });
  await count(t, 'from the store', 15 + 5 * 3, { bytes: 300_000 }, (at) => at.fetchAll());
});

test('the border is crossed for what is not listed', async (t) => {
  await count(t, 'passed through', 2, { bytes: 20_000, listed: false });
});
