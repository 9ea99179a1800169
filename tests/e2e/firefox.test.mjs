// Stock Firefox ESR, over WebDriver BiDi.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256 } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

test('a file goes from Chromium to Firefox, and another one back', { timeout: 300_000 }, async (t) => {
  const { site, chromium, firefox } = scene(t);
  const files = {
    '/static/there.bin': randomBytes('there', 6_000_000),
    '/static/back.bin': randomBytes('back', 5_000_000),
  };
  const s = await site(files);
  const [fox, chrome] = await Promise.all([firefox(), chromium()]);
  for (const [url, from, to] of [
    ['/static/there.bin', chrome, fox],
    ['/static/back.bin', fox, chrome],
  ]) {
    if (url === '/static/there.bin') await from.visit(s.url);
    const first = await from.fetch(url);
    assert.equal(first.error, null);
    assert.equal(first.sha256, sha256(files[url]), `${from.kind} has ${url}`);
    await s.origin.untilShared(await s.root(url));
    if (url === '/static/there.bin') {
      await to.visit(s.url);
      await s.origin.untilIntroducible(await s.root(url));
    } else {
      // Presence is pushed in batches to who is connected already.
      await s.origin.untilTold(await s.root(url));
    }
    s.origin.requests = [];
    const comeBack = s.origin.recede();
    const second = await to.fetch(url);
    assert.equal(second.error, null);
    assert.equal(second.sha256, sha256(files[url]), `${to.kind} has ${url}`);
    const sources = await to.sources(url);
    assert.equal(sources.fromPeers, files[url].length, `${from.kind} to ${to.kind}: ${JSON.stringify(sources)}`);
    assert.equal(s.origin.sent(url), 0);
    comeBack();
  }
});

test('a response that takes 90 s arrives whole in Firefox', { timeout: 200_000 }, async (t) => {
  const { site, firefox } = scene(t);
  const url = '/static/slow.bin';
  const bytes = randomBytes('slow in Firefox', 2_800_000);
  const s = await site({ [url]: bytes });
  const fox = await firefox();
  await fox.visit(s.url);
  s.origin.pace(30_000);
  const got = await fox.fetch(url, { withinMs: 150_000 });
  assert.equal(got.error, null);
  assert.equal(got.bytes, bytes.length);
  assert.equal(got.sha256, sha256(bytes));
  assert.ok(got.ms > 88_000, `it took only ${got.ms} ms`);
});
