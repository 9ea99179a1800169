// Connections between pages: made before they are needed, used again, and kept through what networks do.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DIGESTS_PATH } from '../../build/border.js';
import { Relay, relayFlags } from '../bench/relay.mjs';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const [film, song, book] = ['/static/film.bin', '/static/song.bin', '/static/book.bin'];
const files = {
  [film]: randomBytes('film', 12_000_001),
  [song]: randomBytes('song', 3_000_001),
  [book]: randomBytes('book', 1_200_000),
};

/** Runs in the page before its scripts: keeps every connection that it makes, weakly. */
function keepConnections() {
  globalThis.made = [];
  const Real = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(configuration) {
      super(configuration);
      globalThis.made.push(new WeakRef(this));
    }
  };
}

const options = { init: keepConnections };
const made = (visitor) => visitor.run(() => globalThis.made.length);
const open = (visitor) => visitor.run(() => window.peerCdn.stats.peers);
const untilOpen = (visitor, count = 1) => until(`${count} pair(s) are open`, async () => (await open(visitor)) === count);
const same = async (visitor, url) => {
  const got = await visitor.fetch(url);
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(files[url]), url);
};

/** A visitor that has some of the files and shares them, and one that has only opened the page. */
async function two(t, { flags = [], before, urls = [film] } = {}) {
  const { site, chromium, keep } = scene(t);
  const s = await site(files);
  await before?.(s, keep);
  const [first, second] = [await chromium({ ...options, flags }), await chromium({ ...options, flags })];
  await first.visit(s.url);
  for (const url of urls) {
    await first.fetch(url);
    await s.origin.untilShared(await s.root(url));
  }
  await second.visit(s.url);
  return { s, first, second, chromium };
}

/** Runs in the page before its scripts: the engine is in the page, where a test can say what its Cache never reads. */
function readInPage() {
  delete globalThis.Worker;
  globalThis.unread = '-';
  const { match } = Cache.prototype;
  Cache.prototype.match = function (request, options) {
    const isUnread = String(request.url ?? request).includes(globalThis.unread);
    return isUnread ? new Promise(() => {}) : match.call(this, request, options);
  };
}

test('a visitor whose browser never reads one file of the store serves the others', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  const [first, second] = [await chromium({ init: readInPage }), await chromium()];
  await first.visit(s.url);
  const roots = [await s.root(song), await s.root(book)];
  for (const url of [song, book]) await first.fetch(url);
  for (const root of roots) await s.origin.untilShared(root);
  s.origin.reset();
  // The new page has nothing of them in memory.
  await first.visit(s.url);
  for (const root of roots) await s.origin.untilShared(root);
  await first.run((root) => (globalThis.unread = root), roots[0]);
  await second.visit(s.url);
  for (const root of roots) await s.origin.untilIntroducible(root);
  const got = await second.fetch(song);
  assert.equal(got.sha256, sha256(files[song]));
  await s.origin.away(() => same(second, book));
  assert.equal((await second.sources(book)).fromPeers, files[book].length);
  assert.equal(s.origin.sent(book), 0);
});

test('a page that was only opened has a pair, and its first fetch needs no other', async (t) => {
  const { s, first, second } = await two(t);
  await untilOpen(second);
  const began = await made(second);
  s.origin.recede();
  await same(second, film);
  const { fromPeers } = await second.sources(film);
  assert.equal(fromPeers, files[film].length);
  assert.equal(await made(second), began);
  assert.equal(await made(first), 1);
});

test('a hidden page, and one that is to save data, make no pair of their own accord', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  const first = await chromium(options);
  await first.visit(s.url);
  await first.fetch(film);
  await s.origin.untilShared(await s.root(film));
  const thrifty = await chromium({
    init: () => {
      Object.defineProperty(NetworkInformation.prototype, 'saveData', { get: () => true });
    },
  });
  const hidden = await chromium({ init: () => Object.defineProperty(Document.prototype, 'hidden', { get: () => true }) });
  for (const visitor of [thrifty, hidden]) await visitor.visit(s.url);
  const eager = await chromium(options);
  await eager.visit(s.url);
  await untilOpen(eager);
  for (const visitor of [thrifty, hidden]) assert.equal(await open(visitor), 0);
});

test('local network access is checked: nobody who has refused it is connected ahead, and everything still arrives', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  // The page counts as one of the public network, so that its peers are more private than it is.
  const flags = [
    '--enable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebRTC,LocalNetworkAccessChecksWebSockets',
    `--ip-address-space-overrides=127.0.0.1:${new URL(s.url).port}=public`,
  ];
  const come = async (setting) => {
    const visitor = await chromium({ ...options, flags });
    const session = await visitor.page.context().newCDPSession(visitor.page);
    for (const name of ['local-network', 'loopback-network'])
      await session.send('Browser.setPermission', { permission: { name }, setting, origin: s.url });
    await visitor.visit(s.url);
    return visitor;
  };
  const first = await come('granted');
  await first.fetch(film);
  await s.origin.untilShared(await s.root(film));
  const refusing = await come('denied');
  const allowing = await come('granted');
  await untilOpen(allowing);
  assert.equal(await made(refusing), 0);
  for (const visitor of [refusing, allowing]) await same(visitor, film);
  assert.ok((await allowing.sources(film)).fromPeers > 0);
});

test('a coordinator that restarts: pairs serve on, asks work again, and no pair is made twice', async (t) => {
  const { s, first, second } = await two(t, { urls: [film, song, book] });
  await untilOpen(second);
  // The server of the site's lists goes away with the coordinator: this one is kept from a first piece on.
  await second.fetch(song, { init: { headers: { range: 'bytes=0-99' } } });
  const { root, pieceBytes } = (await s.manifest()).resources[song];
  await until('its list is kept', async () => (await second.stored()).includes(DIGESTS_PATH + root));
  await second.sources(song);
  await second.forget();
  s.origin.reset();
  s.origin.recede();
  const restarting = s.restart();
  await same(second, song);
  const { fromPeers, fromOrigin } = await second.sources(song);
  assert.ok(fromPeers >= files[song].length - pieceBytes, 'the pair serves without a coordinator');
  assert.equal(fromOrigin, 0);
  await restarting;
  await until(
    'both are back',
    () => s.origin.signals.filter(({ from, message }) => from === 'server' && message.type === 'resume').length === 2,
  );
  await s.origin.untilTold(await s.root(book));
  s.origin.requests = [];
  await same(second, book);
  assert.equal(s.origin.sent(book), 0);
  assert.deepEqual([await made(first), await made(second)], [1, 1]);
  assert.ok(!s.origin.signals.some(({ message }) => message.type === 'introduce'), 'they know each other');
});

/** The second one is fetching from the first, who serves 3 MB/s over the relay, when every path is cut. The origin's
 *  signals are those since: a fetch that takes its time ends after ICE was started again. */
async function cutInTheMiddle(t) {
  let relay;
  const all = await two(t, {
    flags: relayFlags,
    before: async (s, keep) => {
      relay = await keep(Relay.start());
      s.origin.rewrite = (message) => relay.message(message);
    },
  });
  await untilOpen(all.second);
  await all.first.run(() => {
    window.peerCdn.upload = { bytesPerSecond: 3_000_000 };
  });
  const comeBack = all.s.origin.recede();
  const fetching = all.second.fetch(film);
  await until('3 MB came from the first visitor', async () => {
    const [transfer] = await all.second.transfers(film);
    return transfer?.fromPeers >= 3_000_000;
  });
  all.s.origin.signals = [];
  relay.cut();
  comeBack();
  return { ...all, fetching };
}

test('the path is cut and the network says so: the same fetch goes on over the same connection', async (t) => {
  const { s, first, second, fetching } = await cutInTheMiddle(t);
  // The origin goes on meanwhile, but must not be done before there is another path.
  s.origin.pace(500_000);
  await second.run(() => {
    globalThis.dispatchEvent(new Event('online'));
  });
  const got = await fetching;
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(files[film]));
  const from = await second.sources(film);
  t.diagnostic(JSON.stringify(from));
  assert.ok(from.fromPeers > 6_000_000, 'the peer went on serving');
  assert.deepEqual([await made(first), await made(second)], [1, 1]);
});

test('the path is cut and nobody says so: the fetch completes, and the connection finds another path', async (t) => {
  const { s, first, second, fetching } = await cutInTheMiddle(t);
  const got = await fetching;
  assert.equal(got.error, null);
  assert.equal(got.sha256, sha256(files[film]));
  await until('ICE was started again', () => s.origin.signals.some(({ message }) => message.description?.type === 'answer'));
  await until('the connection is there again', () =>
    second.run(() => globalThis.made[0].deref()?.connectionState === 'connected'),
  );
  // Who was silent counts again when it is heard.
  for (const visitor of [first, second]) await untilOpen(visitor);
  assert.deepEqual([await made(first), await made(second)], [1, 1]);
  await first.fetch(song);
  const { [song]: listed } = (await s.manifest()).resources;
  await s.origin.untilShared(listed.root);
  await s.origin.untilTold(listed.root);
  // Who was silent for long is not asked again at once (limits::peer_stall_pause): until then the origin serves. Who is silent
  // again, as on a busy machine, gets another pair (limits::peer_stalls_max).
  await until('the pair serves again', async () => {
    await second.drop(listed.root);
    await second.forget();
    await s.origin.away(() => same(second, song));
    const { fromPeers, fromOrigin } = await second.sources(song);
    t.diagnostic(`from peers ${fromPeers}, from the origin ${fromOrigin}`);
    await second.untilStored(listed);
    return fromPeers === files[song].length;
  });
});
