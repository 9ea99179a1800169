// `peer-cdn load`, as an operator types it.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { describeLoad, loadOptions } from '../../src/server/cli-load.js';
import { serveCoordinator } from '../../src/server/index.js';
import { loadAnswerMs } from '../../src/server/limits.js';
import { Load } from '../../src/server/load.js';
import { freePort } from './debian.mjs';

const cli = fileURLToPath(new URL('../../src/server/cli.js', import.meta.url));

async function open(t, options) {
  const served = await serveCoordinator({ port: 0, origins: ['https://a.example'], onWarning: () => {}, ...options });
  t.after(() => served.close());
  return served;
}

const load = (port, ...more) =>
  new Promise((done) => {
    const args = [cli, 'load', `ws://127.0.0.1:${port}`, '--json', '--seconds', '2', ...more];
    execFile(process.execPath, args, (error, stdout) => done({ status: error?.code ?? 0, result: JSON.parse(stdout) }));
  });

test('sockets open, are introduced and signal, and the figures say how soon', async (t) => {
  const { port, coordinator } = await open(t);
  const metrics = `http://127.0.0.1:${port}/metrics`;
  const { status, result } = await load(port, '--origin', 'https://a.example', '--sockets', '20', '--metrics', metrics);
  assert.equal(status, 0, JSON.stringify(result));
  assert.equal(result.sockets, 20);
  assert.equal(result.introductions > 0 && result.introductions <= result.asked, true);
  assert.equal(result.introductions, coordinator.stats().introductions);
  assert.equal(result.perProcessorSecond > 0, true);
  for (const { p50, p99 } of Object.values(result.ms)) assert.equal(p50 > 0 && p99 >= p50, true);
  assert.match(
    describeLoad(result),
    /^20 sockets opened in .* s\n\d+ introductions of \d+ asked for in .* a second of its processor\n/,
  );
});

test('sockets that are refused are counted by their code, and fail the command', async (t) => {
  const { port } = await open(t, { tokenKeys: 'a key of sixteen characters' });
  const { status, result } = await load(port, '--origin', 'https://a.example', '--sockets', '3');
  assert.deepEqual([status, result.sockets, result.failures], [1, 0, { 401: 3 }]);
  assert.match(describeLoad(result), /3 sockets failed: 401 \(the coordinator wants a token of this site, and not too old/);
  const other = await load(port, '--sockets', '2');
  assert.deepEqual(other.result.failures, { 'origin-refused': 2 });
});

test('metrics that nobody gives are told in a sentence', async (t) => {
  const { port } = await open(t);
  const metrics = `http://127.0.0.1:${await freePort()}/metrics`;
  const { status, result } = await load(port, '--origin', 'https://a.example', '--sockets', '2', '--metrics', metrics);
  assert.equal(status, 2);
  assert.deepEqual(result.error, { code: 'bad-value', message: `--metrics: nobody answers at ${metrics}\nTry: peer-cdn --help` });
});

test('the figures of a coordinator that ended meanwhile are told, but for those of its processor', async (t) => {
  const { port, close } = await open(t);
  let asked = 0;
  const tools = createServer((request, response) => {
    if (asked++ > 0) return request.socket.destroy();
    response.end('process_cpu_seconds_total 1\n');
    void close();
  });
  await once(tools.listen(0, '127.0.0.1'), 'listening');
  t.after(() => tools.close());
  const metrics = `http://127.0.0.1:${tools.address().port}/metrics`;
  const { status, result } = await load(port, '--origin', 'https://a.example', '--sockets', '2', '--metrics', metrics);
  assert.deepEqual([status, result.sockets, result.failures], [1, 2, { 'shutting-down': 2 }]);
  assert.equal(result.perProcessorSecond, null);
});

test('a handshake whose upgrade a proxy does not forward is told so', async (t) => {
  const { port } = await open(t);
  const proxy = createServer().on('upgrade', async (request, socket) => {
    const answer = await fetch(`http://127.0.0.1:${port}${request.url}`);
    socket.end(`HTTP/1.1 ${answer.status} ${answer.statusText}\r\nConnection: close\r\n\r\n`);
  });
  await new Promise((listens) => proxy.listen(0, '127.0.0.1', listens));
  t.after(() => proxy.close());
  const { result } = await load(proxy.address().port, '--sockets', '2');
  assert.match(describeLoad(result), /2 sockets failed: 426 \(a proxy does not forward/);
});

const answered = { 200: /is no coordinator/, 301: /give the URL that it leads to/, 502: /reaches no coordinator/ };
for (const [code, advice] of Object.entries(answered)) {
  test(`a handshake that is answered with ${code} is told so, with what to do`, async (t) => {
    const server = createServer((_, response) => response.writeHead(Number(code), { location: '/' }).end());
    await new Promise((listens) => server.listen(0, '127.0.0.1', listens));
    t.after(() => server.close());
    const { status, result } = await load(server.address().port, '--sockets', '2');
    assert.deepEqual([status, result.failures], [1, { [code]: 2 }]);
    assert.match(describeLoad(result), advice);
  });
}

/** What takes sockets, and is no coordinator. */
async function openOther(t) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { server, url: `ws://127.0.0.1:${server.address().port}` };
}

test('what takes sockets and says nothing is given up, and is told so', async (t) => {
  const { server, url } = await openOther(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const load = new Load({ url, origin: 'https://a.example' });
  const opened = load.open(1);
  const [socket] = await once(server, 'connection');
  // It waits from its hello on.
  await once(socket, 'message');
  t.mock.timers.tick(loadAnswerMs);
  await opened;
  assert.deepEqual(load.tally.failures, { 'timed-out': 1 });
});

for (const said of ['hello', '7', 'null', '{"hello": 1}', '[{"type": "welcome"}, 7]']) {
  test(`what says ${said} is no coordinator, and is told so`, async (t) => {
    const { server, url } = await openOther(t);
    server.on('connection', (socket) => socket.send(said));
    const load = new Load({ url, origin: 'https://a.example' });
    await load.open(1);
    assert.deepEqual(load.tally.failures, { 'malformed-message': 1 });
    load.close();
  });
}

test('a load that is told to end while its sockets open ends', async (t) => {
  const { server, url } = await openOther(t);
  const child = spawn(process.execPath, [cli, 'load', url, '--json', '--sockets', '2']);
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await once(server, 'connection');
  child.kill('SIGINT');
  assert.deepEqual(await exited, [0, null]);
});

test('a URL may be without a path, and its own site is the usual one', () => {
  const options = loadOptions('wss://example.org:8443', {});
  assert.deepEqual(options, {
    url: 'wss://example.org:8443/peer-cdn/ws',
    origin: 'https://example.org:8443',
    sockets: 100,
    perSecond: 20,
    seconds: 10,
    metrics: undefined,
  });
  // A socket's URL has no fragment: one that was copied with it is taken without.
  assert.equal(loadOptions('https://example.org/ws?token=a#b', {}).url, 'wss://example.org/ws?token=a');
});

const wrong = [
  ['localhost:8081', {}],
  ['ftp://example.org', {}],
  ['ws://a', { sockets: '10', asks: '6' }],
  ['ws://a', { origin: 'a.example' }],
  ['ws://a', { metrics: 'file:///etc' }],
];
for (const [url, values] of wrong) {
  test(`${url} ${JSON.stringify(values)} is refused`, () => {
    assert.throws(() => loadOptions(url, values), { code: 'bad-value' });
  });
}
