// A peer that sends wrong bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CACHE_PREFIX, pieceBytesMin, STORE_PATH } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/data.bin';

/** In the page: flips one bit of one stored run, in the middle of the file. */
async function flipOneBit({ cacheName, path, at, pieceBytes }) {
  const cache = await caches.open(cacheName);
  const keys = await cache.keys(path, { ignoreSearch: true });
  const spans = keys.map((key) => ({ key, span: new URL(key.url).search.slice(1).split('-').map(Number) }));
  const wanted = spans.find(({ span: [begin, end] }) => begin <= at && at < end);
  if (!wanted) throw new Error(`no run with piece ${at} among ${spans.map(({ span }) => span.join('-'))}`);
  const response = await cache.match(wanted.key);
  const bytes = new Uint8Array(await response.arrayBuffer());
  bytes[(at - wanted.span[0]) * pieceBytes + 1234] ^= 1;
  await cache.put(wanted.key, new Response(bytes, { headers: response.headers }));
  return wanted.span;
}

/** In the page: every stored run of a root, with its digest. */
async function storedRuns(path) {
  const runs = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const key of await cache.keys(path, { ignoreSearch: true })) {
      const [begin, end] = new URL(key.url).search.slice(1).split('-').map(Number);
      const bytes = await (await cache.match(key)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      runs.push({
        begin,
        end,
        bytes: bytes.byteLength,
        sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      });
    }
  }
  return runs;
}

for (const { what, size, at } of [
  { what: 'a piece in the middle of a large file', size: 6_000_000, at: 50 },
  { what: 'the only piece of a small file', size: 50_000, at: 0 },
]) {
  test(`one flipped bit in ${what}: the peer is dropped, no bad byte is passed on or stored`, async (t) => {
    const { site, chromium } = scene(t);
    const bytes = randomBytes('truth', size);
    const s = await site({ [url]: bytes });
    const root = await s.root(url);
    const [liar, second] = [await chromium(), await chromium()];
    await liar.visit(s.url);
    assert.equal((await liar.fetch(url)).sha256, sha256(bytes));
    await s.origin.untilShared(root);
    await liar.run(flipOneBit, { cacheName: `${CACHE_PREFIX}1`, path: STORE_PATH + root, at, pieceBytes: pieceBytesMin });

    await second.visit(s.url);
    await s.origin.untilIntroducible(root);
    await second.run(() => {
      window.seen = [];
      window.peerCdn.addEventListener('error', ({ detail }) => window.seen.push(detail.code));
    });
    s.origin.requests = [];
    // The origin is sooner than a peer that a busy machine holds up, and would bring the piece that is wrong.
    const comeBack = s.origin.recede();
    const fetching = second.fetch(url);
    await until('the page is told', () => second.run(() => window.seen.includes('wrong-digest')));
    comeBack();
    const got = await fetching;
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(bytes));
    assert.ok(s.origin.sent(url) > 0, 'the origin gave what the liar did not');
    assert.ok(s.origin.sent(url) <= size);
    await until('the liar is dropped', () => second.run(() => window.peerCdn.stats.peers === 0));

    const runs = await until('everything is stored', async () => {
      const all = await second.run(storedRuns, STORE_PATH + root);
      const held = new Set(all.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i)));
      return held.size === Math.ceil(size / 65_536) && all;
    });
    for (const run of runs) {
      const expected = bytes.subarray(run.begin * 65_536, Math.min(size, run.end * 65_536));
      assert.equal(run.sha256, sha256(expected), `run ${run.begin}-${run.end} is stored wrong`);
    }
  });
}

/** An offer that also has as many lines of media as a message to the coordinator bears. */
function withMedia(sdp) {
  const mids = ['0'];
  let offer = sdp;
  while (offer.length < 10_500) {
    const mid = mids.push(`${mids.length}`) - 1;
    offer += `m=audio 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=mid:${mid}\r\n`;
    offer += 'a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n';
  }
  return offer.replace(/a=group:BUNDLE .*/, `a=group:BUNDLE ${mids.join(' ')}`);
}

test('a peer that offers media is let go: the answer would be too long for the coordinator', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: randomBytes('media', 2_000_000) });
  const root = await s.root(url);
  s.origin.rewrite = async (message) => {
    const { type, sdp } = message.type === 'signal' ? (message.description ?? {}) : {};
    return type === 'offer' ? { ...message, description: { type, sdp: withMedia(sdp) } } : message;
  };
  const [liar, second] = [await chromium(), await chromium()];
  await liar.visit(s.url);
  await liar.fetch(url);
  await s.origin.untilShared(root);
  await second.visit(s.url);
  // The first offer goes with the ask, and as it is.
  await second.fetch(url);
  await until('a pair is open', () => second.run(() => window.peerCdn.stats.peers === 1));
  await second.run(() => {
    window.seen = [];
    window.peerCdn.addEventListener('error', ({ detail }) => window.seen.push(detail.code));
  });
  await liar.run(() => window.dispatchEvent(new Event('online')));
  await until('the liar is dropped', () => second.run(() => window.peerCdn.stats.peers === 0));
  assert.deepEqual(await second.run(() => window.seen), ['malformed-message']);
  const hellos = s.origin.signals.filter(({ message }) => message.type === 'hello');
  assert.equal(hellos.length, 2, 'nobody lost the coordinator');
});
