// What has been done is let go: after many transfers, and many visitors that came and went, page, engine and service worker
// hold what they held before.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256, until } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';
import { lookable, lookInto } from './contexts.mjs';

const url = '/static/part.bin';
const bytes = randomBytes('growth', 700_001);
const transfers = 200;
const comings = 40;
// Compiled code, the browser's list of requests and our list of the last transfers fill once.
const slacks = { heap: 2 ** 19 };
const slack = 4;

/** What tests write down of what was said is not the product's. */
const lookAt = async (visitor) => {
  await visitor.run(() => (globalThis.e2e.said.length = 0));
  return lookInto(visitor);
};

/** Nothing of `before` is more, some time after `rounds` of the same; promises and ports of what was last go by and by. */
async function assertSame(t, reader, before, rounds) {
  let after;
  const grown = () =>
    Object.entries(after).flatMap(([context, held]) =>
      Object.entries(held)
        .map(([kind, count]) => ({ kind, more: count - before[context][kind] }))
        .filter(({ kind, more }) => more > (slacks[kind] ?? slack))
        .map(({ kind, more }) => `${context}: ${more} more of ${kind}`),
    );
  try {
    await until('nothing is held that was not before', async () => {
      after = await lookAt(reader);
      return grown().length === 0;
    });
  } catch (error) {
    assert.fail(`${error.message}: ${grown().join(', ')} after ${rounds} rounds`);
  } finally {
    for (const context in after)
      t.diagnostic(`${context}: ${JSON.stringify(before[context])} -> ${JSON.stringify(after[context])}`);
  }
}

/** The reader has it from a peer, and forgets it again. */
async function transfer(s, reader) {
  const got = await s.origin.away(() => reader.fetch(url));
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(bytes));
  await reader.drop(await s.root(url));
}

const peersOf = (visitor) => visitor.run(() => window.peerCdn.stats.peers);

// The engine in a worker of its own, and in the page.
for (const [where, init] of [
  ['in a worker', undefined],
  ['in the page', () => delete globalThis.Worker],
]) {
  test(`${transfers} transfers in a row leave nothing behind, engine ${where}`, { timeout: 600_000 }, async (t) => {
    const { site, chromium } = scene(t);
    const s = await site({ [url]: bytes });
    const [seeder, reader] = [await chromium({ init }), await chromium({ flags: [lookable], init })];
    await seeder.visit(s.url);
    await seeder.fetch(url);
    await s.origin.untilShared(await s.root(url));
    await reader.visit(s.url);
    await s.origin.untilIntroducible(await s.root(url));
    for (let i = 0; i < transfers / 5; ++i) await transfer(s, reader);
    const before = await lookAt(reader);
    const received = await reader.run(() => window.peerCdn.stats.received);
    for (let i = 0; i < transfers; ++i) await transfer(s, reader);
    await assertSame(t, reader, before, transfers);
    const more = (await reader.run(() => window.peerCdn.stats.received)) - received;
    assert.ok(more > 0.9 * transfers * bytes.length, `only ${more} bytes came from the peer`);
    assert.equal(await peersOf(reader), 1);
  });

  test(`${comings} visitors that come, serve and go leave nothing behind, engine ${where}`, { timeout: 600_000 }, async (t) => {
    const { site, chromium } = scene(t);
    const s = await site({ [url]: bytes });
    const [host, reader] = [await chromium({ init }), await chromium({ flags: [lookable], init })];
    await host.visit(s.url);
    await host.fetch(url);
    const root = await s.root(url);
    await s.origin.untilShared(root);
    await host.page.goto('about:blank');
    await reader.visit(s.url);
    const come = async () => {
      // One that comes before the last is gone is no news.
      await s.origin.untilUntold(root);
      s.origin.reset();
      const guest = await host.newTab();
      await host.visit(s.url, { page: guest });
      await s.origin.untilShared(root);
      await s.origin.untilTold(root);
      await transfer(s, reader);
      await guest.close();
      await reader.forget();
      await until('the guest is not counted any more', async () => (await peersOf(reader)) === 0);
    };
    for (let i = 0; i < comings / 4; ++i) await come();
    const before = await lookAt(reader);
    const received = await reader.run(() => window.peerCdn.stats.received);
    for (let i = 0; i < comings; ++i) await come();
    await assertSame(t, reader, before, comings);
    const more = (await reader.run(() => window.peerCdn.stats.received)) - received;
    assert.ok(more > 0.9 * comings * bytes.length, `only ${more} bytes came from guests`);
  });
}
