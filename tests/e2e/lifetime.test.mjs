// The browser stops the worker between and during requests.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/data.bin';

test('stopped between requests: the next one works, from the store and from the network', async (t) => {
  const { site, chromium } = scene(t);
  const [one, two] = [randomBytes('one', 3_000_000), randomBytes('two', 2_000_000)];
  const s = await site({ [url]: one, '/static/two.bin': two });
  const visitor = await chromium();
  await visitor.visit(s.url);
  assert.equal((await visitor.fetch(url)).sha256, sha256(one));
  await visitor.untilStored((await s.manifest()).resources[url]);
  await visitor.stopWorkers();
  s.origin.requests = [];
  assert.equal((await visitor.fetch(url)).sha256, sha256(one));
  assert.equal(s.origin.sent(url), 0, 'the restarted worker knows what is stored');
  await visitor.stopWorkers();
  assert.equal((await visitor.fetch('/static/two.bin')).sha256, sha256(two));
});

test('stopped while the second visitor has nothing: the restarted worker finds its page and the peers', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('three', 3_000_000);
  const s = await site({ [url]: bytes });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch(url);
  await s.origin.untilShared(await s.root(url));
  await second.visit(s.url);
  await s.origin.untilIntroducible(await s.root(url));
  await second.restartWorker();
  s.origin.requests = [];
  s.origin.recede();
  assert.equal((await second.fetch(url)).sha256, sha256(bytes));
  const from = await second.sources(url);
  t.diagnostic(JSON.stringify(from));
  assert.equal(from.fromPeers, bytes.length);
  assert.equal(from.fromOrigin, 0);
  assert.equal(s.origin.sent(url), 0);
});

test('stopped in the middle of a body: an error to the page, never a short body; the next request works', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('four', 8_000_000);
  const s = await site({ [url]: bytes }, { bytesPerSecond: 2_000_000 });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const fetching = visitor.fetch(url);
  await until('2 MB were sent', () => s.origin.sent(url) > 2_000_000);
  await visitor.stopWorkers();
  const got = await fetching;
  // A browser may also keep the worker until its body is over: then everything is there.
  if (got.error === null) assert.equal(got.sha256, sha256(bytes));
  else assert.ok(got.bytes < bytes.length);
  t.diagnostic(`${got.bytes} bytes, ${got.error}`);
  s.origin.pace(Infinity);
  const again = await visitor.fetch(url);
  assert.equal(again.error, null);
  assert.equal(again.sha256, sha256(bytes));
});

test('a tab that is closed in the middle of its body leaves the others whole', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('five', 6_000_000);
  const s = await site({ [url]: bytes }, { bytesPerSecond: 3_000_000 });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const tab = await visitor.newTab();
  await visitor.visit(s.url, { page: tab });
  const closing = visitor.fetch(url, { page: tab }).catch(() => {});
  const fetching = visitor.fetch(url);
  await until('1 MB was sent', () => s.origin.sent(url) > 1_000_000);
  await tab.close();
  const got = await fetching;
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  await closing;
  assert.ok(s.origin.sent(url) < 1.5 * bytes.length, 'two tabs share one download');
});
