// A seeder dies in mid-transfer: the same fetch completes from the origin, exactly, and nothing is fetched twice.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/film.bin';
const size = 9_000_001;
const pieceBytes = 131_072;

/** The polite end: the tab is closed, and says so. */
const closeTab = (visitor) => visitor.page.close();

/** All processes of a visitor's browser die at once, as in a crash or when the power goes: nobody says anything. */
async function killBrowser(visitor) {
  const pids = fs
    .readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(visitor.profile);
      } catch {
        return false; // it ended meanwhile
      }
    });
  // The browser's process carries its profile's path. Its children follow it, or have it too.
  assert.ok(pids.length > 0, 'its processes are found by the folder of its profile');
  const groupOf = (pid) => Number(fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ')[2]);
  for (const group of new Set(pids.map(groupOf))) {
    if (group > 1 && group !== groupOf('self')) process.kill(-group, 'SIGKILL');
  }
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It went with its group.
    }
  }
}

/**
 * Two visitors; the second is fetching from the first, who serves 6 MB/s (faster than what an origin is taken for, so that it
 * is not asked meanwhile), when `onDeath` runs and the first one goes. Resolves to what the second one's fetch gave.
 */
async function dieInTheMiddle(t, { init, onDeath, die = closeTab } = {}) {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('death', size);
  const s = await site({ [url]: bytes });
  const root = await s.root(url);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  assert.equal((await first.fetch(url)).sha256, sha256(bytes));
  await s.origin.untilShared(root);
  await first.run(() => {
    window.peerCdn.upload = { bytesPerSecond: 6_000_000 };
  });
  await second.visit(s.url);
  await s.origin.untilIntroducible(root);
  s.origin.requests = [];
  const comeBack = s.origin.recede();
  const fetching = second.fetch(url, { init });
  await until('3 MB came from the first visitor', async () => {
    const [transfer] = await second.transfers(url);
    return transfer?.fromPeers >= 3_000_000;
  });
  comeBack();
  const dying = performance.now();
  await onDeath?.(s);
  await die(first);
  const died = performance.now();
  const got = await fetching;
  return { s, got, bytes, second, dying, goneMs: performance.now() - died };
}

const checkNothingTwice = async ({ s, second }, total) => {
  const from = await second.sources(url);
  assert.ok(from.fromPeers >= 3_000_000, JSON.stringify(from));
  assert.ok(from.fromPeers < total, 'the seeder died too late to be a test');
  const sent = s.origin.sent(url);
  assert.ok(
    sent <= total - from.fromPeers + pieceBytes,
    `the origin sent ${sent} bytes where ${total - from.fromPeers} were missing`,
  );
  assert.ok(
    s.origin.log(url).every(({ range, status }) => range && status === 206),
    'the rest is asked by Range',
  );
  // What peers brought ahead of the reader is stored when they go, and read from there.
  assert.equal(from.fromPeers + from.fromOrigin + from.fromCache, total);
};

test('the rest comes from the origin by Range, nothing twice beyond a piece', async (t) => {
  const all = await dieInTheMiddle(t);
  assert.equal(all.got.error, null);
  assert.equal(all.got.sha256, sha256(all.bytes));
  await checkNothingTwice(all, size);
  t.diagnostic(`over ${Math.round(all.goneMs)} ms after the tab was closed`);
});

test('a browser that is killed says nothing: the same, after one stall', async (t) => {
  const all = await dieInTheMiddle(t, { die: killBrowser });
  assert.equal(all.got.error, null);
  assert.equal(all.got.sha256, sha256(all.bytes));
  await checkNothingTwice(all, size);
  t.diagnostic(`over ${Math.round(all.goneMs)} ms after it was killed`);
});

test('the same when the page itself had asked for a range', async (t) => {
  const all = await dieInTheMiddle(t, { init: { headers: { range: 'bytes=1000003-8000006' } } });
  assert.equal(all.got.error, null);
  assert.equal(all.got.status, 206);
  assert.equal(all.got.headers['content-range'], `bytes 1000003-8000006/${size}`);
  assert.equal(all.got.sha256, sha256(all.bytes.subarray(1_000_003, 8_000_007)));
  const whole = (Math.ceil(8_000_007 / pieceBytes) - Math.floor(1_000_003 / pieceBytes)) * pieceBytes;
  const from = await all.second.sources(url);
  assert.ok(all.s.origin.sent(url) <= whole - from.fromPeers + pieceBytes, JSON.stringify([all.s.origin.sent(url), from]));
});

test('the same when the origin ignores Range: exact bytes', async (t) => {
  const { got, bytes, s, dying } = await dieInTheMiddle(t, { onDeath: (s) => s.origin.rule(url, { ignoreRange: true }) });
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  // What was given up before an answer has no status.
  const since = s.origin.log(url).filter(({ at, status }) => at >= dying && status);
  assert.ok(since.length > 0 && since.every(({ status }) => status === 200), JSON.stringify(since.map(({ status }) => status)));
});

test('an origin that has a new version by then is an error, never a splice', async (t) => {
  const { got, bytes } = await dieInTheMiddle(t, { onDeath: (s) => s.write(url, randomBytes('another version', size)) });
  assert.notEqual(got.error, null, `the body ended with ${got.bytes} bytes and no error`);
  assert.ok(got.bytes >= 1_000_000 && got.bytes < size);
  assert.equal(got.sha256, sha256(bytes.subarray(0, got.bytes)), "what came before the error is the old version's");
});

test("all good bytes before such an error are the old version's", async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('prefix', 12_000_000);
  const s = await site({ [url]: bytes }, { bytesPerSecond: 4_000_000 });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const fetching = visitor.run(async (path) => {
    const parts = [];
    let error = null;
    try {
      const reader = (await fetch(path)).body.getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
    } catch (failure) {
      error = String(failure);
    }
    const blob = new Blob(parts);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
    return { error, bytes: blob.size, sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') };
  }, url);
  await until('1.5 MB were sent', () => s.origin.sent(url) > 1_500_000);
  s.write(url, randomBytes('a deployment', 12_000_000));
  const got = await fetching;
  assert.notEqual(got.error, null);
  assert.ok(got.bytes > 0 && got.bytes < 12_000_000);
  assert.equal(got.sha256, sha256(bytes.subarray(0, got.bytes)));
});

test('an origin that never answers: peers that come later give all of it', async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('hanging', 3_000_000);
  const s = await site({ '/static/hanging.bin': bytes });
  const [first, second] = [await chromium(), await chromium()];
  for (const visitor of [first, second]) await visitor.visit(s.url);
  const takeBack = s.origin.rule('/static/hanging.bin', { before: () => new Promise(() => {}) });
  const hung = first.fetch('/static/hanging.bin');
  await until('the origin is asked', () => s.origin.log('/static/hanging.bin').length > 0);
  takeBack();
  assert.equal((await second.fetch('/static/hanging.bin')).sha256, sha256(bytes));
  assert.equal((await hung).sha256, sha256(bytes));
  assert.ok((await first.sources('/static/hanging.bin')).fromPeers > 0);
});

// Such an origin gives all in one answer, which is not cut when others turn up. It falls silent for the first visitor however
// often it is asked, so that only the second one can give the rest.
test('an origin without ranges that falls silent in the middle: peers that come later give the rest', async (t) => {
  const { site, chromium } = scene(t);
  const path = '/static/silent.bin';
  const bytes = randomBytes('silent', 3_000_000);
  const s = await site({ [path]: bytes });
  const [first, second] = [await chromium(), await chromium()];
  for (const visitor of [first, second]) await visitor.visit(s.url);
  await first.run(() => globalThis.cookieStore.set('who', 'first'));
  const never = new Promise(() => {});
  const each = ({ headers, sent }) => (headers.cookie === 'who=first' && sent > 1_000_000 ? never : undefined);
  s.origin.rule(path, { ignoreRange: true, each });
  const hung = first.fetch(path);
  await until('the answer has begun', () => s.origin.sent(path) > 1_000_000);
  assert.equal((await second.fetch(path)).sha256, sha256(bytes));
  assert.equal((await hung).sha256, sha256(bytes));
  const { fromPeers, fromOrigin } = await first.sources(path);
  assert.ok(fromPeers > 1_500_000 && fromOrigin < 1_500_000, `${fromPeers} bytes from peers, ${fromOrigin} from the origin`);
});
