// Everybody comes at once and nobody has it: the visitors share what each of them takes from the origin.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {randomBytes, scene, sha256, until} from './harness/index.mjs';

const url = '/static/premiere.bin';
const size = 8_000_001;
const originRate = 2_000_000;

/** Four visitors in two browser processes, ready, in front of an origin that is slow from now on. */
async function gather(t, bytes) {
  const {site, chromium, keep} = scene(t);
  const s = await site({[url]: bytes});
  const browsers = await Promise.all([chromium(), chromium()]);
  const visitors = [...browsers, ...await Promise.all(browsers.map((browser) => keep(browser.another())))];
  await Promise.all(visitors.map((visitor) => visitor.visit(s.url)));
  s.origin.pace(originRate);
  s.origin.reset();
  return {s, visitors};
}

const fetchAll = (visitors) => visitors.map((visitor) => visitor.fetch(url));

const copies = (s) => s.origin.sent(url) / size;

/** Resolves when this visitor was given so many bytes. */
const untilGiven = (visitor, bytes) => until(`a visitor was given ${bytes} bytes`, async () => {
  const [transfer] = await visitor.transfers(url);
  return transfer && transfer.fromPeers + transfer.fromOrigin >= bytes;
});

test('together they take about one copy, and each gets every byte', async (t) => {
  const bytes = randomBytes('premiere', size);
  const {s, visitors} = await gather(t, bytes);
  for (const got of await Promise.all(fetchAll(visitors))) {
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
  }
  t.diagnostic(`${copies(s).toFixed(2)} copies`);
  assert.ok(copies(s) <= 1.25, `${copies(s)} copies`);
  for (const visitor of visitors) {
    const from = await visitor.sources(url);
    assert.equal(from.fromPeers + from.fromOrigin, size, JSON.stringify(from));
    assert.ok(from.fromPeers >= size / 2, JSON.stringify(from));
  }
});

test('one of them goes in the middle: the others complete', async (t) => {
  const bytes = randomBytes('one goes', size);
  const {s, visitors: [leaver, ...others]} = await gather(t, bytes);
  const fetching = Promise.all(fetchAll(others));
  leaver.fetch(url).catch(() => {});
  await untilGiven(leaver, 1_500_000);
  await leaver.page.close();
  for (const got of await fetching) {
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
  }
  t.diagnostic(`${copies(s).toFixed(2)} copies`);
  assert.ok(copies(s) <= 2, `${copies(s)} copies`);
});

test('an origin that ignores Range: everybody gets exact bytes', async (t) => {
  const bytes = randomBytes('no ranges', size);
  const {s, visitors} = await gather(t, bytes);
  s.origin.rule(url, {ignoreRange: true});
  s.origin.pace(4 * originRate);
  for (const got of await Promise.all(fetchAll(visitors))) {
    assert.equal(got.error, null);
    assert.equal(got.status, 200);
    assert.equal(got.sha256, sha256(bytes));
  }
});

test('what a page had when it was reloaded is served after it', async (t) => {
  const bytes = randomBytes('reloaded', size);
  const {s, visitors: [first, second]} = await gather(t, bytes);
  first.fetch(url).catch(() => {});
  await untilGiven(first, 4_500_000);
  s.origin.reset();
  await first.visit(s.url);
  await s.origin.untilShared(await s.root(url));
  s.origin.requests = [];
  const got = await second.fetch(url);
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  const from = await second.sources(url);
  t.diagnostic(`${from.fromPeers} bytes from the page that was reloaded, ${copies(s).toFixed(2)} copies`);
  assert.ok(from.fromPeers >= 3_000_000, JSON.stringify(from));
  assert.ok(s.origin.sent(url) <= size - 3_000_000, `${s.origin.sent(url)} bytes`);
});

test('a deployment in the middle: the old version, the new one, or an error, and never a mixture', async (t) => {
  const old = randomBytes('old version', size);
  const {s, visitors} = await gather(t, old);
  const fetching = Promise.all(fetchAll(visitors));
  await untilGiven(visitors[0], 1_500_000);
  const fresh = randomBytes('new version', size);
  s.write(url, fresh);
  for (const got of await fetching) {
    const version = got.error === null && got.sha256 === sha256(fresh) ? fresh : old;
    assert.equal(got.sha256, sha256(version.subarray(0, got.bytes)), `${got.bytes} bytes, ${got.error}`);
    assert.ok(got.error !== null || got.bytes === size, 'never short without an error');
  }
});
