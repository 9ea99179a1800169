// A minute of what `npm run soak` does for an hour.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, soak } from '../../scripts/soak.mjs';

test('memory stays flat while visitors come, ask and go', { timeout: 240_000 }, async () => {
  const result = await soak({ minutes: 1, sockets: 300, say: () => {} });
  assert.equal(result.isFlat, true, JSON.stringify(result));
  assert.deepEqual(result.failures, {});
  // More visitors than sockets, and they met.
  assert.equal(result.opened > 2 * 300 && result.introductions > 300, true, JSON.stringify(result));
});

test('memory that grows is not flat', () => {
  const mib = 1024 * 1024;
  assert.equal(judge(Array.from({ length: 30 }, (_, i) => (100 + i) * mib)).isFlat, false);
  assert.equal(judge(Array.from({ length: 30 }, (_, i) => (100 + (i % 5)) * mib)).isFlat, true);
});
