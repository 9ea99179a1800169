// The coordinator behind real sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { messageBytes, protocolVersion, SOCKET_PATH } from '../../build/border.js';
import { heartbeatMs } from '../../src/server/limits.js';
import { coordinatorFor, rootOf, Visitor } from './visitor.mjs';

/** A WebSocket that is open, and of which nothing is done by itself. */
async function rawSocket(server, url) {
  const socket = connect(server.address().port, '127.0.0.1');
  socket.on('error', () => {});
  const { host, pathname } = new URL(url);
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\nConnection: Upgrade\r\n` +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(socket, 'data');
  return socket;
}

test('two visitors are introduced, and what they signal is relayed', async (t) => {
  const { coordinator, url } = await coordinatorFor(t);
  const root = rootOf('file');
  const ann = new Visitor(url, { browser: 'ann' });
  const { peer: annId } = await ann.next('welcome');
  ann.say({ type: 'have', add: [root], remove: [] });
  const bob = new Visitor(url, { browser: 'bob' });
  const { peer: bobId } = await bob.next('welcome');
  // Told at once or, if the announcement came later, in a batch.
  while (!(await bob.next('present')).add.includes(root.slice(0, 8)));
  bob.say({ type: 'ask', roots: [root, rootOf('other')] });
  assert.deepEqual(await bob.next('introduce'), { type: 'introduce', peer: annId, offer: false });
  assert.deepEqual(await bob.next('answer'), { type: 'answer', roots: [root, rootOf('other')], peers: [1, 0] });
  assert.deepEqual(await ann.next('introduce'), { type: 'introduce', peer: bobId, offer: true });

  const description = { type: 'offer', sdp: 'v=0\r\ns=\u00e4"\\\r\n' };
  ann.say({ type: 'signal', peer: bobId, description });
  assert.deepEqual(await bob.next('signal'), { type: 'signal', peer: annId, description });
  const candidate = { candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 };
  bob.say({ type: 'signal', peer: annId, candidate });
  assert.deepEqual(await ann.next('signal'), { type: 'signal', peer: bobId, candidate });

  bob.socket.close();
  assert.deepEqual(await ann.next('gone'), { type: 'gone', peer: bobId });
  const stats = coordinator.stats();
  assert.equal(stats.introductions, 1);
  assert.equal(stats.relayed, 2);
  assert.equal(stats.peers, 1);
});

test('who comes back has its number again, also while its dead socket is open, and its pairs resume', async (t) => {
  const { coordinator, url } = await coordinatorFor(t);
  const root = rootOf('file');
  const ann = new Visitor(url, { browser: 'ann' });
  const { peer: annId } = await ann.next('welcome');
  ann.say({ type: 'have', add: [root] });
  ann.say({ type: 'ask', roots: [] });
  await ann.next('answer');
  const bob = new Visitor(url, { browser: 'bob' });
  const { peer: bobId } = await bob.next('welcome');
  bob.say({ type: 'ask', roots: [root] });
  await bob.next('introduce');
  for (let i = 0; i < 2; i++) {
    const again = new Visitor(url, { browser: 'bob', again: { peer: bobId, peers: [annId] } });
    assert.equal((await again.next('welcome')).peer, bobId);
    assert.deepEqual(await again.next('resume'), { type: 'resume', peer: annId });
    assert.deepEqual(await ann.next('resume'), { type: 'resume', peer: bobId });
    ann.say({ type: 'signal', peer: bobId, candidate: { candidate: 'c' } });
    assert.equal((await again.next('signal')).candidate.candidate, 'c');
    assert.equal(coordinator.stats().peers, 2);
  }
  assert.equal((await bob.closed).reason, 'timed-out');
});

test('a holder that declines is replaced', async (t) => {
  const { url } = await coordinatorFor(t);
  const root = rootOf('file');
  const holders = [];
  const asker = new Visitor(url, { browser: 'asker' });
  await asker.next('present');
  for (const browser of ['ann', 'bob', 'cat', 'dan', 'eve']) {
    const holder = new Visitor(url, { browser });
    holders.push(holder);
    holder.id = (await holder.next('welcome')).peer;
    holder.say({ type: 'have', add: [root] });
    // An answer to a later message proves that the announcement was read.
    holder.say({ type: 'ask', roots: [rootOf(browser)] });
    await holder.next('answer');
  }
  asker.say({ type: 'ask', roots: [root] });
  const named = [];
  for (let i = 0; i < 4; i++) named.push((await asker.next('introduce')).peer);
  const { peers } = await asker.next('answer');
  assert.deepEqual(peers, [4]);
  const first = holders.find((holder) => holder.id === named[0]);
  const { peer: askerId } = await first.next('introduce');
  first.say({ type: 'decline', peer: askerId });
  assert.deepEqual(await asker.next('gone'), { type: 'gone', peer: first.id });
  const { peer: fifth } = await asker.next('introduce');
  assert.equal(new Set([...named, fifth]).size, 5);
});

test('pages of other origins are refused, and told why', async (t) => {
  const { coordinator, url, origin } = await coordinatorFor(t);
  for (const other of ['https://evil.example', 'null', 'http://localhost:1', origin.replace('http', 'ftp'), '']) {
    const visitor = new Visitor(url, { origin: other });
    await assert.rejects(visitor.opened, { status: 403, body: 'origin-refused' }, other);
  }
  assert.equal(coordinator.stats().originsRefused, 5);
});

test('origins that are named may come, and only those', async (t) => {
  const { url, origin } = await coordinatorFor(t, { origins: ['https://a.example', 'https://b.example:443/'] });
  for (const origin of ['https://a.example', 'https://b.example']) await new Visitor(url, { origin }).next('welcome');
  for (const other of ['https://c.example', 'http://a.example', origin]) {
    await assert.rejects(new Visitor(url, { origin: other }).opened, { status: 403 });
  }
});

test('a forwarded host counts only when the proxy is trusted', async (t) => {
  const headers = { 'x-forwarded-host': 'site.example' };
  const visitor = { origin: 'https://site.example', headers };
  const trusting = await coordinatorFor(t, { trustProxy: true });
  await new Visitor(trusting.url, visitor).next('welcome');
  const careful = await coordinatorFor(t);
  await assert.rejects(new Visitor(careful.url, visitor).opened, { status: 403 });
});

test('sites are apart', async (t) => {
  const { coordinator, url } = await coordinatorFor(t, { origins: ['https://a.example', 'https://b.example'] });
  const root = rootOf('file');
  const ann = new Visitor(url, { browser: 'ann', origin: 'https://a.example' });
  await ann.next('welcome');
  ann.say({ type: 'have', add: [root] });
  ann.say({ type: 'ask', roots: [root] });
  await ann.next('answer');
  const bob = new Visitor(url, { browser: 'bob', origin: 'https://b.example' });
  assert.deepEqual((await bob.next('present')).add, []);
  bob.say({ type: 'ask', roots: [root] });
  assert.deepEqual((await bob.next('answer')).peers, [0]);
  assert.equal(coordinator.stats().sites, 2);
});

test('upgrades of other paths are left to others', async (t) => {
  const { server, origin, url } = await coordinatorFor(t);
  const others = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== '/chat') return;
    others.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('{"type":"chat"}'));
  });
  const chat = new Visitor(`${origin}/chat`, { isSilent: true, origin: 'https://elsewhere.example' });
  await chat.next('chat');
  await new Visitor(url).next('welcome');
  chat.socket.close();
});

test("an upgrade that is nobody's is answered", async (t) => {
  const { origin } = await coordinatorFor(t);
  await assert.rejects(new Visitor(`${origin}/chat`).opened, { status: 404 });
});

test("plain requests are the server's own", async (t) => {
  const { origin } = await coordinatorFor(t);
  assert.equal(await (await fetch(origin + SOCKET_PATH)).text(), 'site');
});

const hello = { type: 'hello', version: protocolVersion, browser: 'ab'.repeat(16) };
const rude = [
  ['garbage', ['no json'], 'malformed-message'],
  ['an array', ['[]'], 'malformed-message'],
  ['deep nesting', ['['.repeat(16000)], 'malformed-message'],
  ['a lone surrogate', ['{"type":"\\ud800"}'], 'malformed-message'],
  ['binary', [new Uint8Array([1, 2, 3])], 'malformed-message'],
  ['nothing', [''], 'malformed-message'],
  ['no hello', [{ type: 'ask', roots: [] }], 'malformed-message'],
  ['another version', [{ type: 'hello', version: 2 }], 'version-mismatch'],
  ['hello twice', [hello, hello], 'malformed-message'],
  ['an unknown message', [hello, { type: 'dance' }], 'unknown-message'],
  ['a prototype', [hello, '{"type":"have","__proto__":{"add":[]},"add":{"length":1}}', { type: 'x' }], 'unknown-message'],
  ['a root that is none', [hello, { type: 'have', add: ['x'] }], 'malformed-message'],
  ['too many roots', [hello, { type: 'ask', roots: Array(101).fill(rootOf('a')) }], 'message-too-long'],
  ['a flood', [hello, ...Array(600).fill({ type: 'have' })], 'rate-limited'],
];
for (const [what, messages, code] of rude) {
  test(`${what} is answered with ${code} and the end`, async (t) => {
    const { coordinator, url } = await coordinatorFor(t);
    const visitor = new Visitor(url, { isSilent: true });
    await visitor.opened;
    for (const message of messages) visitor.say(message);
    assert.deepEqual(await visitor.next('error'), { type: 'error', code });
    assert.deepEqual(await visitor.closed, { status: 1008, reason: code });
    assert.equal(coordinator.stats().peers, 0);
    assert.equal(coordinator.stats().refused, 1);
    // Nobody else is hurt.
    await new Visitor(url).next('welcome');
  });
}

test('a message of more than 16 KiB ends its socket', async (t) => {
  const { coordinator, url } = await coordinatorFor(t);
  const visitor = new Visitor(url, { isSilent: true });
  await visitor.opened;
  visitor.say(JSON.stringify({ ...hello, more: 'x'.repeat(messageBytes) }));
  assert.equal((await visitor.closed).status, 1009);
  assert.equal(coordinator.stats().peers, 0);
});

test('who breaks the protocol of WebSockets is no peer from then on, and is ended though it does not close', async (t) => {
  const { server, coordinator, url } = await coordinatorFor(t);
  const socket = await rawSocket(server, url);
  // A frame that says it is 65,535 bytes long.
  socket.write(Buffer.from([0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0]));
  const [frame] = await once(socket, 'data');
  assert.deepEqual([frame[0], frame.readUInt16BE(2)], [0x88, 1009]);
  assert.equal(coordinator.stats().peers, 0);
  await once(socket, 'close');
});

test('signals to strangers are ignored, and counted', async (t) => {
  const { coordinator, url } = await coordinatorFor(t);
  const ann = new Visitor(url, { browser: 'ann' });
  const { peer } = await ann.next('welcome');
  const bob = new Visitor(url, { browser: 'bob' });
  await bob.next('welcome');
  bob.say({ type: 'signal', peer, candidate: { candidate: '' } });
  bob.say({ type: 'ask', roots: [] });
  await bob.next('answer');
  assert.equal(coordinator.stats().notIntroduced, 1);
  assert.equal(coordinator.stats().relayed, 0);
});

test('closing says so to everybody, and leaves the server alone', async (t) => {
  const { server, coordinator, origin, url } = await coordinatorFor(t);
  const visitors = ['a', 'b'].map((browser) => new Visitor(url, { browser }));
  for (const visitor of visitors) await visitor.next('welcome');
  const closing = coordinator.close();
  for (const visitor of visitors) {
    assert.deepEqual(await visitor.next('error'), { type: 'error', code: 'shutting-down' });
    assert.deepEqual(await visitor.closed, { status: 1001, reason: 'shutting-down' });
  }
  await closing;
  assert.equal(coordinator.close(), coordinator.close());
  assert.equal(coordinator.stats().peers, 0);
  assert.equal(server.listenerCount('upgrade'), 0);
  assert.equal(await (await fetch(origin)).text(), 'site');
});

test('a socket that does not answer its close is ended', async (t) => {
  const { server, coordinator, url } = await coordinatorFor(t);
  const socket = await rawSocket(server, url);
  const closed = once(socket, 'close');
  socket.resume();
  await coordinator.close();
  await closed;
});

test('a socket that is silent when pinged is ended, one that answers is not', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { coordinator, url } = await coordinatorFor(t);
  const alive = new Visitor(url, { browser: 'alive' });
  await alive.next('welcome');
  const dead = new Visitor(url, { browser: 'dead' });
  await dead.next('welcome');
  dead.socket._socket.pause(); // reads nothing more: no pong
  const pinged = once(alive.socket, 'ping');
  t.mock.timers.tick(heartbeatMs);
  await pinged;
  alive.say({ type: 'ask', roots: [] });
  await alive.next('answer');
  t.mock.timers.tick(heartbeatMs);
  assert.equal(coordinator.stats().slow, 1);
  alive.say({ type: 'ask', roots: [] });
  await alive.next('answer');
  dead.socket.terminate();
});

test('an option that cannot be an origin is refused at once', async (t) => {
  await assert.rejects(coordinatorFor(t, { origins: ['example.com'] }), { code: 'ERR_INVALID_URL' });
});
