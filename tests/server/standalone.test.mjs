// A coordinator without a site, as an operator's tools see it, and its end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { SOCKET_PATH } from '../../build/border.js';
import { serveCoordinator } from '../../src/server/index.js';
import { until } from '../e2e/harness/until.mjs';
import { Visitor } from './visitor.mjs';

const origin = 'https://a.example';

async function open(t, options) {
  const served = await serveCoordinator({ port: 0, origins: [origin], ...options });
  t.after(() => served.close());
  const url = `http://127.0.0.1:${served.port}`;
  const visit = (browser) => new Visitor(url + SOCKET_PATH, { browser, origin });
  return { ...served, url, visit };
}

const statusOf = async (url, options) => (await fetch(url, options)).status;

test('live and ready are apart, and nothing else is answered', async (t) => {
  const { url } = await open(t);
  assert.equal(await (await fetch(`${url}/health/live`)).text(), 'live\n');
  for (const path of ['/health', '/health/ready', '/health?x']) assert.equal(await statusOf(url + path), 200, path);
  assert.equal(await statusOf(`${url}/`), 404);
  // What a proxy makes of a handshake whose upgrade it does not forward.
  const lost = await fetch(url + SOCKET_PATH);
  assert.equal(lost.status, 426);
  assert.match(await lost.text(), /^upgrade-required: .*Upgrade and Connection/);
  assert.equal(await statusOf(`${url}/metrics`, { method: 'POST' }), 405);
});

test('the metrics count what happened, and name nobody', async (t) => {
  const { url, visit } = await open(t);
  const visitor = visit('ann');
  await visitor.next('welcome');
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of text.trim().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[a-z]+"\})? [0-9.e+-]+)$/);
  assert.match(text, /^peer_cdn_sockets 1$/m);
  assert.match(text, /^peer_cdn_ready 1$/m);
  assert.doesNotMatch(text, /example|127\.0/);
});

test("the guide's server of one's own ends when its requests and its sockets have", { timeout: 120_000 }, async (t) => {
  const guide = readFileSync(new URL('../../docs/coordinator.md', import.meta.url), 'utf8');
  const [, script] = /```js\n([^`]*process\.once\('SIGTERM'[^`]*)```/.exec(guide);
  const site = (_, response) => response.write('begun') && process.once('SIGUSR2', () => response.end(' and ended'));
  const changed = script
    .replace('peer-cdn/server', new URL('../../src/server/index.js', import.meta.url).href)
    .replace('createServer();', `createServer(${site}); server.on('listening', () => console.log(server.address().port));`)
    .replace('https://example.org', origin)
    .replace('listen(8080)', "listen(0, '127.0.0.1')");
  // When the coordinator has ended, and whoever waits for it has had his turn.
  const drained = "process.once('SIGTERM', () => coordinator.drain().then(() => setImmediate(() => console.log('drained'))));";
  const child = spawn(process.execPath, ['--input-type=module', '-e', changed + drained], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [port] = await once(child.stdout, 'data');
  const url = `http://127.0.0.1:${Number(port)}`;
  const visitor = new Visitor(url + SOCKET_PATH, { origin });
  await visitor.next('welcome');
  const response = await fetch(url);
  const body = response.text();
  const ended = Promise.race([once(child.stdout, 'data'), exited]);
  child.kill('SIGTERM');
  assert.deepEqual(await visitor.closed, { status: 1001, reason: 'shutting-down' });
  await assert.rejects(fetch(url));
  await ended;
  child.kill('SIGUSR2');
  assert.equal(await body, 'begun and ended');
  assert.deepEqual(await exited, [0, null]);
});

test('a coordinator that drains says so first, takes nobody in, and lets its visitors go one after another', async (t) => {
  const { url, coordinator, visit, drain } = await open(t);
  const visitors = ['ann', 'bob', 'cat'].map(visit);
  for (const visitor of visitors) await visitor.next('welcome');
  const order = [];
  const closed = visitors.map((visitor) => visitor.closed.then((why) => order.push(why) && why));
  const draining = drain(3000);
  assert.equal(await statusOf(`${url}/health`), 503);
  assert.equal(await statusOf(`${url}/health/live`), 200);
  await assert.rejects(visit('dan').opened, {
    status: 503,
    body: 'shutting-down: this coordinator ends\n',
    retryAfter: '60',
  });
  await Promise.race(closed);
  assert.equal(order.length < 3, true);
  await draining;
  for (const why of await Promise.all(closed)) assert.deepEqual(why, { status: 1001, reason: 'shutting-down' });
  assert.equal(coordinator.stats().peers, 0);
  assert.equal(coordinator.stats().handshakesRefused, 1);
});

for (const ms of [Number.NaN, Infinity, -1, '3000', null]) {
  test(`a coordinator does not drain over ${typeof ms} ${ms}, and says so`, { timeout: 120_000 }, async (t) => {
    const { coordinator, visit } = await open(t);
    await visit('ann').next('welcome');
    await assert.rejects(coordinator.drain(ms), { code: 'bad-option', message: /drain\(\) takes milliseconds/ });
    assert.equal(coordinator.isReady, true);
  });
}

test('a port of their own has the metrics, and health too, also where the other one speaks the PROXY protocol', async (t) => {
  const { url, metricsPort } = await open(t, { metricsPort: 0, proxyProtocol: true });
  const tools = `http://127.0.0.1:${metricsPort}`;
  assert.match(await (await fetch(`${tools}/metrics`)).text(), /^peer_cdn_sockets 0$/m);
  assert.equal(await statusOf(`${tools}/health/ready`), 200);
  await assert.rejects(fetch(`${url}/health`));
  const other = await open(t, { metricsPort: 0 });
  assert.equal(await statusOf(`${other.url}/metrics`), 404);
  assert.equal(await statusOf(`${other.url}/health`), 200);
});

test('connections beyond those that a server may have are refused, counted and told', async (t) => {
  const warnings = [];
  // Another coordinator of this machine may serve the site.
  const onWarning = (warning) => warning.code !== 'processes-apart' && warnings.push(warning);
  const { server, metricsPort, visit } = await open(t, { metricsPort: 0, onWarning });
  const ann = visit('ann');
  await ann.next('welcome');
  server.maxConnections = 1;
  await assert.rejects(visit('bob').opened);
  await assert.rejects(visit('cat').opened);
  const [{ code, message, connections }, ...more] = warnings;
  assert.deepEqual([code, connections, more], ['too-many-connections', 1, []]);
  assert.match(message, /LimitNOFILE/);
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  assert.match(metrics, /^peer_cdn_connections_refused_total 2$/m);
  ann.socket.close();
  await ann.closed;
  await until('there is room again', () =>
    visit('dan')
      .next('welcome')
      .catch(() => null),
  );
});

/** What is no request of HTTP, and the status that it gets. */
const broken = {
  'no HTTP': ['hello\r\n\r\n', 400, 'bad-handshake'],
  'a head that is too long': [`GET ${SOCKET_PATH} HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'bad-handshake'],
  'half a head': ['GET /peer-cdn/ws HTTP/1.1\r\nHo', 408, 'timed-out'],
};
for (const [name, [text, status, code]] of Object.entries(broken)) {
  test(`${name} is answered with ${status}, and counted`, async (t) => {
    const { port, server, coordinator } = await open(t);
    const [[connection], socket] = await Promise.all([once(server, 'connection'), connect(port, '127.0.0.1')]);
    socket.write(text);
    if (status === 408) {
      await until('the half has come', () => connection.bytesRead > 0);
      // Node looks only twice a minute.
      const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      server.emit('clientError', error, connection);
    }
    let answer = '';
    for await (const data of socket) answer += data;
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*\\r\\n\\r\\n${code}: `, 's'));
    assert.equal(coordinator.stats().handshakesRefused, 1);
  });
}

test('who connects and goes again without a word is not counted', async (t) => {
  const { port, server, coordinator } = await open(t);
  for (const code of ['ECONNRESET', 'ERR_HTTP_REQUEST_TIMEOUT']) {
    const [[connection], socket] = await Promise.all([once(server, 'connection'), connect(port, '127.0.0.1')]);
    server.emit('clientError', Object.assign(new Error(code), { code }), connection);
    await once(socket.resume(), 'close');
  }
  assert.equal(coordinator.stats().handshakesRefused, 0);
});

test('a port in use is an error of Node', async (t) => {
  const { port } = await open(t);
  await assert.rejects(serveCoordinator({ port }), { code: 'EADDRINUSE' });
  await assert.rejects(serveCoordinator({ port: 0, metricsPort: port }), { code: 'EADDRINUSE' });
  await assert.rejects(serveCoordinator({ port, metricsPort: port }), /metricsPort takes another port/);
});
