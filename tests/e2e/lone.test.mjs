// A visitor that is alone, in a real browser: what a file that nobody has costs its origin.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { documentedWorker, randomBytes, sha256 } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const mib = 1024 * 1024;
const url = '/static/large.bin';
const file = randomBytes('lone', 8 * mib);

async function alone(t) {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: file, '/sw.js': documentedWorker() });
  const visitor = await chromium();
  await visitor.visit(s.url);
  return { origin: s.origin, visitor };
}

test('a file that nobody has is one request, also for several readers at once', async (t) => {
  const { origin, visitor } = await alone(t);
  origin.pace(8e6);
  const got = await Promise.all(Array.from({ length: 4 }, () => visitor.fetch(url)));
  for (const { error, sha256: digest } of got) {
    assert.equal(error, null);
    assert.equal(digest, sha256(file));
  }
  assert.equal(origin.log(url).length, 1);
  assert.equal(origin.sent(url), file.length);
});
