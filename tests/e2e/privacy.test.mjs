// What the manifest does not list, or an answer forbids, is never stored for sharing and never offered: seen on the
// wire.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { MANIFEST_PATH, STORE_PATH } from '../../build/border.js';
import { randomBytes, sha256, until, within } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const listed = '/static/shared.bin';
const shared = randomBytes('shared', 400_000);

test('unlisted, not a GET, cross-origin, with Authorization: never stored, never offered, answered by the origin', async (t) => {
  const { site, chromium } = scene(t);
  const other = await site(
    { '/static/other.bin': randomBytes('other', 100_000) },
    { headers: { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' } },
  );
  const s = await site({
    [listed]: shared,
    '/static/page.html': '<p>unlisted',
    '/static/.hidden.bin': randomBytes('hidden', 1000),
    '/static/app.js.map': '{}',
    '/static/secret.bin': randomBytes('secret', 300_000),
  });
  const { resources } = await s.manifest();
  for (const url of ['/static/page.html', '/static/.hidden.bin', '/static/app.js.map'])
    assert.equal(resources[url], undefined, url);

  const visitor = await chromium();
  await visitor.visit(s.url);
  const page = await visitor.fetch('/static/page.html');
  assert.equal(page.sha256, sha256('<p>unlisted'));
  const posted = await visitor.fetch('/static/secret.bin', { init: { method: 'POST', body: 'x' } });
  assert.equal(posted.status, 405, 'the origin itself answered');
  const headed = await visitor.fetch('/static/secret.bin', { init: { method: 'HEAD' } });
  assert.equal(headed.status, 200);
  const authorized = await visitor.fetch('/static/secret.bin', { init: { headers: { authorization: 'Bearer x' } } });
  assert.equal(authorized.sha256, sha256(randomBytes('secret', 300_000)));
  assert.equal(s.origin.log('/static/secret.bin').at(-1).headers.authorization, 'Bearer x', 'passed on as it was');
  const cross = await visitor.fetch(`${other.url}/static/other.bin`);
  assert.equal(cross.sha256, sha256(randomBytes('other', 100_000)));

  // The listed one is stored and offered: by then everything else would have been.
  assert.equal((await visitor.fetch(listed)).sha256, sha256(shared));
  await s.origin.untilShared(resources[listed].root);
  const store = (await visitor.stored()).filter((key) => key.startsWith(STORE_PATH));
  assert.ok(store.length > 0);
  assert.ok(
    store.every((key) => key.includes(resources[listed].root)),
    store.join('\n'),
  );
  assert.deepEqual([...s.origin.offered], [resources[listed].root]);
  for (const { message } of other.origin.signals) assert.notEqual(message.type, 'have');
});

for (const [what, headers] of [
  ['private', { 'cache-control': 'private, max-age=60' }],
  ['no-store', { 'cache-control': 'no-store' }],
  ['Vary: Cookie', { vary: 'Cookie' }],
  ['Vary: *', { vary: 'Accept-Encoding, *' }],
]) {
  test(`a listed file that the origin answers with ${what} is delivered, and neither stored nor offered`, async (t) => {
    const { site, chromium } = scene(t);
    const bytes = randomBytes(what, 2_500_000);
    const s = await site({ [listed]: shared, '/static/mine.bin': bytes, '/static/small.bin': bytes.subarray(0, 20_000) });
    s.origin.rule('/static/mine.bin', { headers });
    s.origin.rule('/static/small.bin', { headers });
    const { resources } = await s.manifest();
    const visitor = await chromium();
    await visitor.visit(s.url);
    for (const [url, content] of [
      ['/static/mine.bin', bytes],
      ['/static/small.bin', bytes.subarray(0, 20_000)],
    ]) {
      const got = await visitor.fetch(url);
      assert.equal(got.error, null);
      assert.equal(got.sha256, sha256(content));
    }
    assert.equal((await visitor.fetch(listed)).sha256, sha256(shared));
    await s.origin.untilShared(resources[listed].root);
    const store = await visitor.stored();
    for (const url of ['/static/mine.bin', '/static/small.bin']) {
      assert.ok(
        store.every((key) => !key.startsWith(STORE_PATH) || !key.includes(resources[url].root)),
        `${url} is stored`,
      );
      assert.ok(!s.origin.offered.has(resources[url].root), `${url} was offered`);
    }
    // And again, from the origin.
    assert.equal((await visitor.fetch('/static/mine.bin')).sha256, sha256(bytes));
  });
}

test('an origin that answers with gzip: bytes and headers are right, listed and unlisted', async (t) => {
  const { site, chromium } = scene(t);
  const text = Buffer.from(
    Array.from({ length: 40_000 }, (_, i) => `line ${i} ${crypto.createHash('md5').update(String(i)).digest('hex')}\n`).join(''),
  );
  const s = await site({ '/static/table.csv': text, '/static/table.bin': text, '/static/page.html': text });
  for (const url of ['/static/table.csv', '/static/table.bin', '/static/page.html']) s.origin.rule(url, { gzip: true });
  const { resources } = await s.manifest();
  assert.ok(resources['/static/table.bin']);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  for (const url of ['/static/table.csv', '/static/table.bin', '/static/page.html']) {
    const got = await first.fetch(url);
    assert.equal(got.error, null, url);
    assert.equal(got.sha256, sha256(text), url);
    if (!resources[url]) continue;
    assert.equal(got.headers['content-encoding'], 'gzip', 'as the page would see it without us');
    const part = await first.fetch(url, { init: { headers: { range: 'bytes=100000-299999' } } });
    assert.equal(part.status, 206);
    assert.equal(part.sha256, sha256(text.subarray(100_000, 300_000)));
  }
  await s.origin.untilShared(resources['/static/table.bin'].root);
  await second.visit(s.url);
  await until('visitor 2 has it', async () => (await second.fetch('/static/table.bin')).sha256 === sha256(text));
});

test('uploads switched off: nothing is offered and nothing is served', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [listed]: shared });
  const root = await s.root(listed);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.run(() => {
    window.peerCdn.upload = { on: false };
  });
  await first.fetch(listed);
  await first.visit(`${s.url}/?again`);
  assert.equal(await first.run(() => window.peerCdn.upload.on), false, 'the choice is kept');
  await second.visit(s.url);
  assert.equal((await second.fetch(listed)).sha256, sha256(shared));
  assert.equal((await second.sources(listed)).fromPeers, 0);
  await s.origin.untilShared(root);
  const sockets = new Set(
    s.origin.signals.filter(({ from, message }) => from === 'client' && message.add?.includes(root)).map(({ socket }) => socket),
  );
  assert.equal(sockets.size, 1, 'only the second visitor offers it');
});

/** Runs in a page before its scripts: asks, over a pair that it has, what the peer has of a root (swarm/wire.hpp). */
function askByHand() {
  // So that the channels stay in the page.
  delete globalThis.Worker;
  const [want, have, not] = [1, 2, 3];
  const controls = [];
  const asked = new Map();
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    const channel = create.call(this, label, options);
    if (options?.id !== 0) return channel;
    controls.push(channel);
    // Before the page's own: an answer to us is not its business.
    channel.addEventListener('message', (event) => {
      const view = new DataView(event.data);
      const answered = view.byteLength >= 5 && asked.get(view.getUint32(1, true));
      if (!answered) return;
      event.stopImmediatePropagation();
      answered({ [have]: 'have', [not]: 'not' }[view.getUint8(0)] ?? `type ${view.getUint8(0)}`);
    });
    return channel;
  };
  let handle = 0x7e000000;
  globalThis.askPeers = (root) =>
    Promise.all(
      controls
        .filter(({ readyState }) => readyState === 'open')
        .map((channel) => {
          const frame = new Uint8Array(37);
          const view = new DataView(frame.buffer);
          view.setUint8(0, want);
          view.setUint32(1, ++handle, true);
          frame.set(
            root.match(/../g).map((pair) => parseInt(pair, 16)),
            5,
          );
          const answer = new Promise((resolve) => asked.set(handle, resolve));
          channel.send(frame);
          return answer;
        }),
    );
}

test('a peer that asks over an open pair for what is not shared is refused, on the wire', async (t) => {
  const { site, chromium } = scene(t);
  const files = {
    [listed]: shared,
    '/static/mine.bin': randomBytes('mine', 300_000),
    '/static/old.bin': randomBytes('old', 200_000),
  };
  const s = await site(files);
  s.origin.rule('/static/mine.bin', { headers: { 'cache-control': 'private, max-age=60' } });
  const { resources } = await s.manifest();
  const [first, second] = await Promise.all([chromium(), chromium({ init: askByHand })]);
  await first.visit(s.url);
  for (const [url, bytes] of Object.entries(files)) assert.equal((await first.fetch(url)).sha256, sha256(bytes));
  for (const url of [listed, '/static/old.bin']) await s.origin.untilShared(resources[url].root);
  await second.visit(s.url);
  await s.origin.untilIntroducible(resources[listed].root);
  s.origin.recede(listed);
  assert.equal((await second.fetch(listed)).sha256, sha256(shared));
  assert.equal((await second.sources(listed)).fromPeers, shared.length);
  const sent = await until('what was sent is counted', async () => {
    const counted = await first.run(() => window.peerCdn.stats.sent);
    return counted >= shared.length && counted;
  });

  const ask = (url) =>
    within(
      `the peer's answer about ${url}`,
      10_000,
      second.run((root) => globalThis.askPeers(root), resources[url].root),
    );
  assert.deepEqual(await ask(listed), ['have'], 'the question is one that is answered');
  assert.deepEqual(await ask('/static/old.bin'), ['have']);
  assert.deepEqual(await ask('/static/mine.bin'), ['not'], 'what the origin calls private');

  // A deployment without the old file, which the first visitor's browser sees as another tab of it navigates.
  const without = { ...resources };
  delete without['/static/old.bin'];
  s.origin.rule(MANIFEST_PATH, { body: JSON.stringify({ ...(await s.manifest()), resources: without }) });
  const tab = await first.newTab();
  await first.visit(`${s.url}/?deployed`, { page: tab, ready: 'settled' });
  await until('what is listed no more is refused', async () => (await ask('/static/old.bin'))[0] === 'not');
  assert.deepEqual(await ask(listed), ['have'], 'the pair is the same, and open');
  assert.equal(await first.run(() => window.peerCdn.stats.sent), sent, 'not a byte more');
});
