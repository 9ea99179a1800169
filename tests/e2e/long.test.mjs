// A response that takes longer than Chromium lets a worker live for one event (309 s): it arrives whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256 } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

test('a response that takes 320 s arrives whole in Chromium', { timeout: 400_000 }, async (t) => {
  const { site, chromium } = scene(t);
  const url = '/static/slow.bin';
  const bytes = randomBytes('slow', 3_200_000);
  const s = await site({ [url]: bytes }, { bytesPerSecond: Infinity });
  const visitor = await chromium();
  await visitor.visit(s.url);
  s.origin.pace(10_000);
  const got = await visitor.fetch(url, { withinMs: 390_000 });
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  assert.ok(got.ms > 315_000, `it took only ${got.ms} ms`);
});
