// The coordinator behind real sockets.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { connect, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { messageBytes, protocolVersion, SOCKET_PATH } from '../../build/border.js';
import { attach } from '../../src/server/index.js';
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

test('each visitor gets its own frames, also where the host writes to its sockets later', async (t) => {
  const { server, url } = await coordinatorFor(t);
  server.on('connection', (socket) => {
    const write = socket.write;
    socket.write = (...what) => {
      setTimeout(() => write.apply(socket, what), 5);
      return true;
    };
  });
  const visitors = Array.from({ length: 40 }, (_, i) => new Visitor(url, { browser: `visitor ${i}` }));
  t.after(() => visitors.forEach(({ socket }) => socket.terminate()));
  const numbers = await Promise.all(visitors.map(async (visitor) => (await visitor.next('welcome')).peer));
  assert.equal(new Set(numbers).size, visitors.length);
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

/** A page of another site gets the reason in words: no browser shows it the status of a handshake. */
async function isRefused(url, options) {
  const visitor = new Visitor(url, options);
  assert.deepEqual(await visitor.next('error'), { type: 'error', code: 'origin-refused' });
  assert.deepEqual(await visitor.closed, { status: 1008, reason: 'origin-refused' });
}

test('pages of other origins are refused, and told why', async (t) => {
  const { coordinator, url, origin } = await coordinatorFor(t, { onWarning: () => {} });
  for (const other of ['https://evil.example', 'null', 'http://localhost:1', origin.replace('http', 'ftp')]) {
    await isRefused(url, { origin: other });
  }
  assert.deepEqual([coordinator.stats().originsRefused, coordinator.stats().peers], [4, 0]);
});

test('who names no origin is no page, and gets a status', async (t) => {
  const { coordinator, url } = await coordinatorFor(t);
  await assert.rejects(new Visitor(url, { origin: '' }).opened, {
    status: 403,
    body: 'origin-refused: only pages may come, and they name their site in the header Origin\n',
  });
  assert.equal(coordinator.stats().originsRefused, 1);
});

test('origins that are named may come, and only those', async (t) => {
  const origins = ['https://a.example', 'https://b.example:443/', 'https://*.c.example', 'http://*.d.example:81'];
  const { url, origin } = await coordinatorFor(t, { origins, onWarning: () => {} });
  const good = [
    'https://a.example',
    'https://b.example',
    'https://x.c.example',
    'https://y.x.c.example',
    'http://x.d.example:81',
  ];
  for (const each of good) await new Visitor(url, { origin: each }).next('welcome');
  const others = [
    'https://e.example',
    'http://a.example',
    origin,
    'https://c.example',
    'https://xc.example',
    'http://x.d.example',
  ];
  // The last one is longer than any name of a host.
  const bad = [...others, `https://${'x'.repeat(600)}.c.example`];
  for (const each of bad) await isRefused(url, { origin: each });
});

/** What proxies make of a request of https://site.example:8443, which they forward to us by another name. */
const forwarded = {
  'nginx with $http_host, Caddy, Apache': { 'x-forwarded-host': 'site.example:8443' },
  'nginx with $host and the port apart': { host: 'site.example', 'x-forwarded-port': '8443' },
  'Traefik, a load balancer': { 'x-forwarded-host': 'site.example', 'x-forwarded-port': '8443', 'x-forwarded-proto': 'https' },
  'HAProxy, by RFC 7239': { forwarded: 'for=192.0.2.1;host="site.example:8443";proto=https' },
  'RFC 7239, the host first, of several proxies': {
    forwarded: 'Host="site.example:8443";for=192.0.2.1, for=10.0.0.1;host=inner',
  },
  'several proxies': { 'x-forwarded-host': 'site.example:8443, inner.example' },
};
for (const [name, headers] of Object.entries(forwarded)) {
  test(`a forwarded host counts only when the proxy is trusted: ${name}`, async (t) => {
    const visitor = { origin: 'https://site.example:8443', headers };
    const trusting = await coordinatorFor(t, { trustProxy: true });
    await new Visitor(trusting.url, visitor).next('welcome');
    const careful = await coordinatorFor(t, { onWarning: () => {} });
    await isRefused(careful.url, visitor);
  });
}

test('an operator is told of a refused origin with both values, once a minute at most', async (t) => {
  const told = [];
  const { url } = await coordinatorFor(t, { onWarning: ({ code, message }) => told.push([code, message]) });
  const visitor = { origin: 'http://site.example:8080', headers: { host: 'site.example' } };
  for (let i = 0; i < 3; i++) await isRefused(url, visitor);
  assert.equal(told.length, 1);
  assert.equal(told[0][0], 'origin-refused');
  assert.match(told[0][1], /a page of http:\/\/site\.example:8080 .* host site\.example: keep the Host header .*\$http_host/);
  const named = await coordinatorFor(t, { origins: ['https://a.example'], onWarning: ({ message }) => told.push(message) });
  await isRefused(named.url, visitor);
  assert.match(told[1], /a page of http:\/\/site\.example:8080 .*origins names https:\/\/a\.example/);
});

for (const [how, onWarning] of Object.entries({
  throws: () => {
    throw new Error('the log is full');
  },
  rejects: async () => {
    throw new Error('the log is full');
  },
})) {
  test(`a listener of warnings that ${how} harms neither visitors nor the process`, async (t) => {
    const { url } = await coordinatorFor(t, { onWarning });
    const warned = once(process, 'warning');
    await isRefused(url, { origin: 'https://evil.example' });
    const [{ code, message }] = await warned;
    assert.deepEqual([code, message], ['listener-failed', "a listener of the coordinator's threw: Error: the log is full"]);
    await new Visitor(url).next('welcome');
  });
}

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

test('who breaks WebSocket itself is counted among the refused, once', async (t) => {
  const { coordinator, server, url } = await coordinatorFor(t);
  const head = (first, length) => [first, 0x80 | length, 0, 0, 0, 0];
  const broken = {
    'a message that is too long': [0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0],
    'no UTF-8': [...head(0x81, 1), 0xff],
    'no mask': [0x81, 1, 65],
    'a kind of frame that nobody knows': head(0xf1, 0),
    'a close without a reason that may be given': [...head(0x88, 2), 0, 1],
  };
  let count = 0;
  for (const [name, frame] of Object.entries(broken)) {
    const socket = await rawSocket(server, url);
    socket.write(Buffer.from([...frame, ...frame]));
    socket.end();
    await once(socket.resume(), 'close');
    assert.equal(coordinator.stats().refused, ++count, name);
    assert.equal(coordinator.stats().peers, 0, name);
  }
});

/** Frames of the protocol itself, by the first byte. The engine does not see them. */
const controls = { pings: 0x89, pongs: 0x8a };
for (const [name, first] of Object.entries(controls)) {
  test(`a flood of ${name} is ended with rate-limited and counted once, and what an honest client sends is not`, async (t) => {
    const { coordinator, server, url } = await coordinatorFor(t);
    const honest = new Visitor(url, { browser: 'honest' });
    await honest.next('welcome');
    const answered = once(honest.socket, 'pong');
    for (let i = 0; i < 60; i++) honest.socket.ping('x');
    for (let i = 0; i < 60; i++) honest.socket.pong();
    assert.equal(String(await answered), 'x');
    const flood = await rawSocket(server, url);
    const frame = Buffer.from([first, 0x80, 0, 0, 0, 0]);
    flood.write(Buffer.concat(Array(2000).fill(frame)));
    let said = Buffer.alloc(0);
    for await (const data of flood) said = Buffer.concat([said, data]);
    assert.equal(said.toString('latin1').endsWith('rate-limited'), true);
    assert.equal(coordinator.stats().refused, 1);
    assert.equal(coordinator.stats().peers, 1);
    honest.say({ type: 'ask', roots: [] });
    await honest.next('answer');
  });
}

test('a message in more fragments than any client makes is refused', async (t) => {
  const { coordinator, server, url } = await coordinatorFor(t);
  const socket = await rawSocket(server, url);
  const [begin, more] = [0x01, 0x00].map((first) => Buffer.from([first, 0x80, 0, 0, 0, 0]));
  socket.write(Buffer.concat([begin, ...Array(1000).fill(more)]));
  const [frame] = await once(socket, 'data');
  assert.deepEqual([frame[0], frame.readUInt16BE(2)], [0x88, 1008]);
  assert.equal(coordinator.stats().refused, 1);
});

test('a handshake that is none is answered with a code, and counted', async (t) => {
  const { coordinator, server, url } = await coordinatorFor(t);
  const { host, pathname } = new URL(url);
  for (const wrong of ['Sec-WebSocket-Version: 99', 'Upgrade: h2c', 'Sec-WebSocket-Key: x']) {
    const socket = connect(server.address().port, '127.0.0.1');
    const right = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
    const fields = right.map((field) => (wrong.split(':')[0] === field.split(':')[0] ? wrong : field)).join('\r\n');
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\nConnection: Upgrade\r\n${fields}\r\n\r\n`,
    );
    let answer = '';
    for await (const data of socket) answer += data;
    assert.match(answer, /^HTTP\/1\.1 400 .*\r\n\r\nbad-handshake: .*(Upgrade|Sec-WebSocket)/s, wrong);
  }
  assert.equal(coordinator.stats().handshakesRefused, 3);
});

test('a process that has no room refuses, counts, and says so', async (t) => {
  const warnings = [];
  const onWarning = (warning) => warnings.push(warning);
  const { coordinator, url } = await coordinatorFor(t, { origins: ['https://*.example'], onWarning });
  const come = (i) => new Visitor(url, { origin: `https://site${i}.example`, isSilent: true });
  const sites = Array.from({ length: 1000 }, (_, i) => come(i));
  await Promise.all(sites.map(({ opened }) => opened));
  const late = come(1000);
  assert.deepEqual(await late.closed, { status: 1008, reason: 'too-many-peers' });
  assert.equal(coordinator.stats().refused, 1);
  assert.deepEqual(
    warnings.map(({ code, site }) => [code, site]).filter(([code]) => code !== 'processes-apart'),
    [['too-many-peers', 'https://site1000.example']],
  );
  for (const { socket } of sites) socket.terminate();
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

test('who comes back has announced what it had, by one sum', async (t) => {
  const { url } = await coordinatorFor(t);
  const roots = ['a', 'b', 'c'].map(rootOf);
  const ann = new Visitor(url, { browser: 'ann' });
  const { peer } = await ann.next('welcome');
  ann.say({ type: 'have', add: roots, remove: [] });
  ann.say({ type: 'ask', roots: [] });
  await ann.next('answer');
  const sum = roots.reduce((all, root) => (all + BigInt(`0x${root.slice(0, 16)}`)) & 0xffffffffffffffffn, 0n);
  const held = sum.toString(16).padStart(16, '0');
  ann.socket.terminate();
  await ann.closed;
  const again = new Visitor(url, { browser: 'ann', again: { peer, held } });
  assert.equal((await again.next('welcome')).kept, true);
  const bob = new Visitor(url, { browser: 'bob' });
  await bob.next('welcome');
  bob.say({ type: 'ask', roots: [roots[1]] });
  assert.deepEqual((await bob.next('answer')).peers, [1]);
  // Other roots, no session, and what is no sum.
  const other = new Visitor(url, { browser: 'cat', again: { peer: 7, held } });
  assert.equal((await other.next('welcome')).kept, undefined);
  const wrong = new Visitor(url, { browser: 'dan', again: { peer: 8, held: 'x' } });
  assert.equal((await wrong.next('error')).code, 'malformed-message');
});

test('a socket that has lived long enough is let go, and its visitor comes again under its number', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { coordinator, url } = await coordinatorFor(t, { maxLifetime: 4 * (heartbeatMs / 1000) });
  const ann = new Visitor(url, { browser: 'ann' });
  const { peer } = await ann.next('welcome');
  let beats = 0;
  const closed = ann.closed.then((why) => ({ why, beats }));
  let isClosed = false;
  closed.then(() => (isClosed = true));
  while (!isClosed) {
    t.mock.timers.tick(heartbeatMs);
    beats++;
    // Said again after each ping, so that nothing but its age ends it.
    if (ann.socket.readyState === 1) ann.say({ type: 'ask', roots: [] });
    await Promise.race([closed, ann.next('answer').catch(() => {})]);
  }
  assert.deepEqual((await closed).why, { status: 1001, reason: 'timed-out' });
  assert.equal((await closed).beats >= 2 && (await closed).beats <= 5, true);
  const again = new Visitor(url, { browser: 'ann', again: { peer } });
  assert.equal((await again.next('welcome')).peer, peer);
  assert.equal(coordinator.stats().slow, 0);
});

const noOrigins = {
  'example.com': 'https://example.com',
  'localhost:8080': 'https://localhost:8080',
  'https://example.com/app/': 'https://example.com',
  'https://a.example?x': 'https://a.example',
  'https://user@a.example': 'https://a.example',
  'https://a.example,b.example': 'https://example.org',
  'https://a.*.example': 'https://',
  'https://*': 'https://',
  'ftp://a.example': 'https://example.org',
  null: 'https://null',
  '*': 'https://example.org',
  '': 'https://example.org',
};
for (const [text, instead] of Object.entries(noOrigins)) {
  test(`'${text}' is no origin, and that is said at once`, () => {
    const refused = (error) =>
      error instanceof RangeError &&
      error.code === 'bad-option' &&
      error.message.includes(`as '${instead}`) &&
      error.message.includes(text);
    assert.throws(() => attach(null, { origins: [text] }), refused);
  });
}

const noOptions = {
  'a text for the list of origins': [
    { origins: 'https://a.example' },
    /origins takes a list of sites.*not 'https:\/\/a\.example'/,
  ],
  'an empty list of origins': [{ origins: [] }, /origins takes a list of sites/],
  'a listener that cannot be called': [{ onWarning: 'log' }, /onWarning takes a function, not 'log'/],
  'another one': [{ onError: {} }, /onError takes a function/],
  'a number of proxies that is a text': [
    { trustProxy: '1' },
    /trustProxy takes the number of proxies in front, up to 10, not '1'/,
  ],
  'a text for true or false': [{ proxyProtocol: 'yes' }, /proxyProtocol takes true or false, not 'yes'/],
  'a text for the list of proxies': [{ proxies: '192.0.2.1' }, /proxies takes a list of addresses, as \[/],
  'a list of proxies without their protocol': [{ proxies: ['192.0.2.1'] }, /say proxyProtocol: true too/],
  'no options': [null, /attach\(\) takes its options as an object, not null/],
  'a list': [[], /attach\(\) takes its options as an object, not \[\]/],
};
for (const [what, [options, said]] of Object.entries(noOptions)) {
  test(`${what} is refused at once`, () => {
    assert.throws(() => attach(createServer(), options), { name: 'TypeError', code: 'bad-option', message: said });
  });
}

test("an http server that is none of node:net's, as Bun has it, welcomes visitors", async (t) => {
  const bun = Object.assign(new EventEmitter(), { headersTimeout: 60_000 });
  const server = createServer().on('upgrade', (...upgrade) => bun.emit('upgrade', ...upgrade));
  const coordinator = attach(bun);
  t.after(() => coordinator.close().then(() => server.close()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  const socket = new WebSocket(`${origin}${SOCKET_PATH}`.replace('http', 'ws'), { origin });
  await once(socket, 'open');
  socket.close();
  await once(socket, 'close');
});

const noServers = {
  'an app of Express': [Object.assign(() => {}, { listen() {}, on() {} }), /createServer\(app\)/],
  'an app of Fastify': [{ server: createServer(), listen() {} }, /attach\(app\.server\)/],
  'an app of Koa': [{ listen() {}, callback() {} }, /createServer\(app\)/],
  nothing: [undefined, /createServer\(app\)/],
  'a server of HTTP/2 alone': [createSecureServer(), /allowHTTP1/],
  'a server of TCP': [createTcpServer(), /allowHTTP1/],
};
for (const [what, [server, said]] of Object.entries(noServers)) {
  test(`${what} is no http server, and that is said at once`, () => {
    assert.throws(() => attach(server), { name: 'TypeError', code: 'bad-option', message: said });
  });
}
