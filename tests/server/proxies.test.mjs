// The PROXY protocol: whose a connection is, as a balancer says it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { test } from 'node:test';
import { proxyHeaderBytes } from '../../build/border.js';
import { attach } from '../../src/server/index.js';
import { proxyHeaderMs } from '../../src/server/limits.js';
import { readProxies } from '../../src/server/proxies.js';
import { Visitor } from './visitor.mjs';

const line = 'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n';
/** Version 2, of IPv4. */
function binary(address, { command = 1, more = Buffer.alloc(0) } = {}) {
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\x11\0\0', 'latin1');
  head[12] |= command;
  head.writeUInt16BE(12 + more.length, 14);
  return Buffer.concat([
    head,
    Buffer.from(address.split('.').map(Number)),
    Buffer.from('\x0a\0\0\x01\x12\x34\x01\xbb', 'latin1'),
    more,
  ]);
}

/** A server that says whose a connection is, and whose coordinator is behind a balancer. */
async function open(t, options) {
  const warnings = [];
  const server = createServer((request, response) => response.end(String(request.socket.remoteAddress)));
  const coordinator = attach(server, { proxyProtocol: true, onWarning: (warning) => warnings.push(warning), ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    await coordinator.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  /** A connection that begins with these parts, each sent after the one before has arrived. */
  const say = async (...parts) => {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    const chunks = [];
    socket.on('data', (data) => chunks.push(data));
    const closed = new Promise((done) => socket.on('close', () => done(Buffer.concat(chunks).toString('latin1'))));
    await once(socket, 'connect');
    for (const part of parts) await new Promise((sent) => socket.write(part, () => setImmediate(sent)));
    return { socket, closed };
  };
  /** The answer to a request over such a connection. */
  const get = async (...parts) => {
    const { closed } = await say(...parts, 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
    return (await closed).split('\r\n\r\n')[1];
  };
  const visit = (header, headers) =>
    new Visitor(`http://localhost:${port}/peer-cdn/ws`, {
      headers,
      createConnection: () => {
        const socket = connect(port, '127.0.0.1');
        socket.write(header);
        return socket;
      },
    });
  return { server, coordinator, warnings, port, say, get, visit };
}

test('of several coordinators of a server each says whom it trusts, and one that is attached again says it anew', async (t) => {
  const { server, coordinator, get } = await open(t, { proxies: ['192.0.2.1'] });
  assert.equal(await get(line), undefined);
  const more = { proxyProtocol: true, path: '/other/ws', onWarning: () => {} };
  const other = attach(server, { ...more, proxies: ['127.0.0.1'] });
  assert.equal(await get(line), '203.0.113.7');
  await coordinator.close();
  await other.close();
  // The balancer goes on with its headers.
  assert.equal(await get(line), '203.0.113.7');
  const again = attach(server, { ...more, proxies: ['192.0.2.2'] });
  t.after(() => again.close());
  assert.equal(await get(line), undefined);
});

test('the visitor has the address that the balancer says, in both versions', async (t) => {
  const { get } = await open(t);
  assert.match(await get(line), /203\.0\.113\.7/);
  assert.match(await get(binary('198.51.100.9')), /198\.51\.100\.9/);
  assert.match(await get(binary('198.51.100.9', { more: Buffer.alloc(500, 4) })), /198\.51\.100\.9/);
  assert.match(await get('PROXY TCP6 2001:db8::7 ::1 1 2\r\n'), /2001:db8:0:0:0:0:0:7/);
  // It does not know, or the connection is its own.
  assert.match(await get('PROXY UNKNOWN\r\n'), /undefined/);
  assert.match(await get(binary('198.51.100.9', { command: 0 })), /undefined/);
});

test('a header may come byte by byte, and with the request behind it', async (t) => {
  const { get } = await open(t);
  assert.match(await get(...line), /203\.0\.113\.7/);
  assert.match(await get(...[...binary('198.51.100.9')].map((byte) => Buffer.of(byte))), /198\.51\.100\.9/);
  const { closed } = await (await open(t)).say(`${line}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  assert.match(await closed, /203\.0\.113\.7$/);
});

test('a connection that stays open asks again, and a long body follows the header whole', async (t) => {
  const { say, server } = await open(t);
  const bytes = [];
  server.prependListener('request', (request) => {
    request.on('data', (data) => bytes.push(data.length));
  });
  const body = Buffer.alloc(300_000, 'x');
  const post = `${line}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  const ended = new Promise((done) => server.prependListener('request', (request) => request.on('end', done)));
  const { socket } = await say(Buffer.concat([Buffer.from(post), body]));
  await ended;
  assert.equal(
    bytes.reduce((sum, each) => sum + each, 0),
    body.length,
  );
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(socket, 'data');
});

test('limits count the address that the balancer says, whatever the visitor writes into its request', async (t) => {
  const { visit, coordinator } = await open(t, { socketsPerAddress: 2 });
  for (let i = 0; i < 2; i++) await visit(line).next('welcome');
  await assert.rejects(visit(line).opened, {
    status: 429,
    body: 'rate-limited: this address has 2 sockets open, the most that one may have\n',
  });
  await visit(binary('198.51.100.9')).next('welcome');
  assert.equal(coordinator.stats().addressesRefused, 1);
});

test('a visitor that says who forwarded it hides no address', async (t) => {
  const { visit, coordinator } = await open(t, { socketsPerAddress: 1 });
  const headers = { 'x-forwarded-for': '198.51.100.1' };
  await visit(line, headers).next('welcome');
  await assert.rejects(visit(line, headers).opened, { status: 429 });
  assert.equal(coordinator.stats().addressesRefused, 1);
});

test('a connection that begins with anything else is closed without an answer, counted, and told once', async (t) => {
  const { say, warnings, coordinator, get } = await open(t);
  const wrong = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'PROXY TCP4 203.0.113.7\r\n',
    Buffer.alloc(proxyHeaderBytes * 2, 'x'),
    'PROXY UNKNOWN '.padEnd(200, 'x'),
    Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff', 'latin1'),
  ];
  for (const bytes of wrong) assert.equal(await (await say(bytes)).closed, '');
  assert.equal(coordinator.stats().proxyHeadersRefused, wrong.length);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['proxy-header-refused'],
  );
  assert.doesNotMatch(warnings[0].message, /203/);
  assert.match(coordinator.metrics(), new RegExp(`^peer_cdn_proxy_headers_refused_total ${wrong.length}$`, 'm'));
  assert.match(await get(line), /203/);
});

test('a header from anybody but a proxy is refused', async (t) => {
  const { say, warnings } = await open(t, { proxies: ['192.0.2.0/24'] });
  assert.equal(await (await say(line, 'GET / HTTP/1.1\r\n\r\n')).closed, '');
  assert.match(warnings[0].message, /no proxy that is trusted/);
  const { get } = await open(t, { proxies: ['127.0.0.0/8'] });
  assert.match(await get(line), /203/);
});

test('proxies are addresses and networks, by default this machine and private networks', () => {
  const usual = readProxies(undefined);
  for (const address of ['127.0.0.1', '::1', '10.9.8.7', 'fd00::1']) assert.equal(usual(address), true, address);
  for (const address of ['203.0.113.7', '2001:db8::1']) assert.equal(usual(address), false, address);
  const named = readProxies(['203.0.113.7', '2001:db8::/32']);
  for (const address of ['203.0.113.7', '2001:db8:1::1']) assert.equal(named(address), true, address);
  for (const address of ['203.0.113.8', '10.0.0.1', '2001:db9::1']) assert.equal(named(address), false, address);
  assert.equal(readProxies(['::ffff:203.0.113.7'])('203.0.113.7'), true);
  for (const wrong of ['', '::ffff:10.0.0.0/104', 'balancer', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '/8']) {
    assert.throws(() => readProxies([wrong]), { name: 'RangeError', code: 'bad-option', message: /proxies takes/ }, wrong);
  }
});

test('a header that does not come whole in time ends the connection', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { say, server, coordinator } = await open(t);
  const came = once(server, 'connection');
  const { closed } = await say('PROXY TCP4 ');
  const [socket] = await came;
  while (socket.bytesRead < 11) await new Promise((go) => setImmediate(go));
  await new Promise((go) => setImmediate(go));
  t.mock.timers.tick(proxyHeaderMs);
  assert.equal(await closed, '');
  assert.equal(coordinator.stats().proxyHeadersRefused, 1);
});

test('a balancer that only looks whether we are there is not counted', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { say, server, coordinator, warnings } = await open(t);
  const came = once(server, 'connection');
  const { closed } = await say();
  await came;
  t.mock.timers.tick(proxyHeaderMs);
  await closed;
  assert.deepEqual([coordinator.stats().proxyHeadersRefused, warnings], [0, []]);
});

test('two coordinators of a server read a header once, and a server speaks it also when they are closed', async (t) => {
  const { server, get, coordinator } = await open(t);
  const other = attach(server, { path: '/other', proxyProtocol: true });
  assert.match(await get(line), /203/);
  await Promise.all([other.close(), coordinator.close()]);
  assert.match(await get(line), /203/);
});

test('proxyProtocol takes an http server', () => {
  assert.throws(() => attach(null, { proxyProtocol: true }), { name: 'TypeError', code: 'bad-option' });
  assert.throws(() => attach(createTlsServer(), { proxyProtocol: true }), /TLS ends at the balancer/);
});
