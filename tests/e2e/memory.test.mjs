// A large file and a slow reader: what runs ahead of the reader goes to storage, not to memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { randomBytes, sha256 } from './harness/index.mjs';
import { privateBytes } from './harness/memory.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/world.bin';
// More than what it may take of memory at any time.
const size = 600_000_000;

/** In the page: opens the body and reads `bytes` of it, digesting every MiB in one buffer; the rest waits. */
async function readSome({ path, bytes }) {
  const mib = 1 << 20;
  if (!window.slow) {
    const reader = (await fetch(path)).body.getReader();
    window.slow = { reader, read: 0, buffer: new Uint8Array(mib), held: 0, digests: [] };
  }
  const state = window.slow;
  const flush = async () => {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', state.buffer.subarray(0, state.held)));
    state.digests.push([...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''));
    state.held = 0;
  };
  for (const end = state.read + bytes; state.read < end; ) {
    const { done, value } = await state.reader.read();
    if (done) {
      if (state.held > 0) await flush();
      return { done: true, read: state.read, digests: state.digests };
    }
    state.read += value.length;
    for (let at = 0; at < value.length; ) {
      const part = value.subarray(at, at + mib - state.held);
      state.buffer.set(part, state.held);
      state.held += part.length;
      at += part.length;
      if (state.held === mib) await flush();
    }
  }
  return { done: false, read: state.read, digests: state.digests };
}

/** The most that the browser takes more than `before` in five seconds in which its reader reads nothing. */
async function stall(visitor, before) {
  let most = 0;
  for (let i = 0; i < 10; ++i) {
    await delay(500);
    most = Math.max(most, privateBytes(visitor.profile) - before);
  }
  return most;
}

test('a reader of 600 MB that stops: memory is bounded, from the origin and from a peer, and every byte is right', {
  timeout: 600_000,
}, async (t) => {
  const { site, chromium } = scene(t);
  const bytes = randomBytes('world', size);
  const s = await site({ [url]: bytes });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const before = privateBytes(visitor.profile);
  await visitor.run(readSome, { path: url, bytes: 4_000_000 });
  // What would arrive in five seconds of an unshaped origin is all of it.
  let most = await stall(visitor, before);
  t.diagnostic(`origin, stalled: ${(most / 1e6).toFixed(0)} MB more, ${(s.origin.sent(url) / 1e6).toFixed(0)} MB sent`);
  assert.ok(most < 300_000_000, `${most} bytes more while the reader stalls`);

  let result = { read: 0, digests: [] };
  while (result.read < size / 2) {
    result = await visitor.run(readSome, { path: url, bytes: 40_000_000 });
    most = Math.max(most, privateBytes(visitor.profile) - before);
  }
  t.diagnostic(`origin, ${(result.read / 1e6).toFixed(0)} MB read: ${(most / 1e6).toFixed(0)} MB more at most`);
  assert.ok(result.digests.length > 250);
  for (let i = 0; i < result.digests.length; ++i) {
    assert.equal(result.digests[i], sha256(bytes.subarray(i * 1048576, (i + 1) * 1048576)), `MiB ${i}`);
  }
  assert.ok(most < 450_000_000, `${most} bytes more while reading half of it`);

  await s.origin.untilShared(await s.root(url));
  const second = await chromium();
  await second.visit(s.url);
  await s.origin.untilIntroducible(await s.root(url));
  s.origin.requests = [];
  s.origin.recede();
  const secondBefore = privateBytes(second.profile);
  await second.run(readSome, { path: url, bytes: 4_000_000 });
  const stalled = await stall(second, secondBefore);
  const { received } = await second.run(() => window.peerCdn.stats);
  t.diagnostic(`peer, stalled: ${(stalled / 1e6).toFixed(0)} MB more, ${(received / 1e6).toFixed(0)} MB received`);
  assert.ok(received > 4_000_000 && received < 150_000_000, `${received} bytes were received`);
  assert.ok(stalled < 300_000_000, `${stalled} bytes more while the reader stalls`);
  // And it goes on where it stopped.
  assert.ok((await second.run(readSome, { path: url, bytes: 40_000_000 })).read > 44_000_000);
  // A busy machine stalls the first visitor now and then, and the origin is asked for a piece: most is from the peer.
  const { received: inAll } = await second.run(() => window.peerCdn.stats);
  assert.ok(inAll > 10 * s.origin.sent(url), `${inAll} bytes from the peer, ${s.origin.sent(url)} from the origin`);
});
