// A deployment changes a file while pages are open: everybody gets the new bytes in time, and nobody a mixture.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/app.bin';
const [before, after] = [randomBytes('before', 3_000_000), randomBytes('after', 3_000_001)];

test('within the stated bound all open pages get the new bytes, never a mixture', { timeout: 120_000 }, async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const oldRoot = await s.root(url);
  const visitors = [await chromium(), await chromium()];
  for (const visitor of visitors) {
    await visitor.visit(s.url);
    assert.equal((await visitor.fetch(url)).sha256, sha256(before));
  }
  s.write(url, after);
  await until('the live manifest has the new root', async () => (await s.root(url)) !== oldRoot);
  const deployed = performance.now();
  const results = [];
  await Promise.all(
    visitors.map(async (visitor, i) => {
      for (;;) {
        // The bound is on looks that begin after it: how long one takes is the machine's.
        const began = performance.now() - deployed;
        const got = await visitor.fetch(url);
        const which = got.sha256 === sha256(before) ? 'old' : got.sha256 === sha256(after) ? 'new' : 'neither';
        results.push({ visitor: i, which, error: got.error, began: Math.round(began) });
        if (which === 'neither') assert.notEqual(got.error, null, 'a body that is neither must be an error');
        if (which === 'new') return;
        assert.ok(began < 60_000, 'still the old bytes after 60 s');
        await delay(500);
      }
    }),
  );
  t.diagnostic(
    results
      .filter(({ which }) => which !== 'old')
      .map((one) => JSON.stringify(one))
      .join(' '),
  );
});

test('a navigation sees the deployment at once; the new bytes travel between peers', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const oldRoot = await s.root(url);
  const [first, second] = [await chromium(), await chromium()];
  for (const visitor of [first, second]) {
    await visitor.visit(s.url);
    assert.equal((await visitor.fetch(url)).sha256, sha256(before));
  }
  s.write(url, after);
  const root = await until('the live manifest has the new root', async () => {
    const now = await s.root(url);
    return now !== oldRoot && now;
  });
  await first.visit(`${s.url}/?1`);
  await until('the first visitor has the new bytes', async () => (await first.fetch(url)).sha256 === sha256(after), {
    withinMs: 5000,
  });
  await s.origin.untilShared(root);
  s.origin.requests = [];
  s.origin.recede();
  await second.visit(`${s.url}/?2`);
  await s.origin.untilIntroducible(root);
  await until(
    'the second visitor has the new bytes',
    async () => {
      await second.forget();
      return (await second.fetch(url)).sha256 === sha256(after);
    },
    { withinMs: 5000 },
  );
  assert.equal((await second.sources(url)).fromPeers, after.length);
  assert.equal(s.origin.sent(url), 0);
});

test('offline: what is stored is served, and a deployment is noticed afterwards', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: before });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.fetch(url);
  const oldRoot = await s.root(url);
  s.origin.goDown();
  const got = await visitor.fetch(url);
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(before));
  s.write(url, after);
  assert.equal((await visitor.fetch(url)).sha256, sha256(before), 'still offline: what is stored');

  s.origin.isDown = false;
  await until('the live manifest has the new root', async () => (await s.root(url)) !== oldRoot);
  await visitor.visit(`${s.url}/?back`);
  await until('the new bytes', async () => {
    const { sha256: digest, error } = await visitor.fetch(url);
    if (error === null)
      assert.ok(
        [before, after].some((bytes) => sha256(bytes) === digest),
        'a mixture',
      );
    return digest === sha256(after);
  });
});
