// What pages report, as the coordinator's server takes, refuses and sums it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { connect } from 'node:net';
import { test } from 'node:test';
import { REPORT_PATH } from '../../build/border.js';
import { attach, serveCoordinator } from '../../src/server/index.js';
import { reportBytes } from '../../src/server/limits.js';
import { until } from '../e2e/harness/until.mjs';
import { certificateFor } from './certificate.mjs';
import { coordinatorFor } from './visitor.mjs';

const report = {
  version: 1,
  fromPeers: 5_000_000_000,
  fromOrigin: 2,
  fromCache: 3,
  wasted: 4,
  localTried: 3,
  localOpen: 2,
  directTried: 1,
  directOpen: 0,
  relayedTried: 1,
  relayedOpen: 1,
};

/** As a browser's beacon comes. */
const post = (origin, body, headers = {}) =>
  fetch(origin + REPORT_PATH, {
    method: 'POST',
    headers: { origin, 'content-type': 'text/plain;charset=UTF-8', ...headers },
    body: typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body,
  });

const sums = (coordinator) => {
  const stats = coordinator.stats();
  return Object.fromEntries(Object.keys(report).map((name) => [name, name === 'version' ? 1 : stats[name]]));
};

test('reports are summed in stats and in the metrics', async (t) => {
  const { coordinator, origin } = await coordinatorFor(t);
  for (let i = 0; i < 2; i++) {
    const answer = await post(origin, report);
    assert.deepEqual([answer.status, await answer.text()], [204, '']);
  }
  const twice = Object.fromEntries(Object.entries(report).map(([name, value]) => [name, name === 'version' ? 1 : 2 * value]));
  assert.deepEqual(sums(coordinator), twice);
  assert.deepEqual([coordinator.stats().reports, coordinator.stats().reportsRefused], [2, 0]);
  const metrics = coordinator.metrics();
  for (const line of [
    'peer_cdn_reports_total 2',
    'peer_cdn_reports_refused_total 0',
    'peer_cdn_reported_bytes_total{source="peers"} 10000000000',
    'peer_cdn_reported_bytes_total{source="origin"} 4',
    'peer_cdn_reported_bytes_total{source="cache"} 6',
    'peer_cdn_reported_wasted_bytes_total 8',
    'peer_cdn_reported_connections_tried_total{route="local"} 6',
    'peer_cdn_reported_connections_total{route="local"} 4',
    'peer_cdn_reported_connections_tried_total{route="direct"} 2',
    'peer_cdn_reported_connections_total{route="direct"} 0',
    'peer_cdn_reported_connections_tried_total{route="relayed"} 2',
    'peer_cdn_reported_connections_total{route="relayed"} 2',
  ]) {
    assert.equal(metrics.split('\n').includes(line), true, line);
  }
  // Prometheus takes one description of a name.
  const described = [...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assert.equal(new Set(described).size, described.length);
});

/** [what, body, status, code]. What follows one another in a table of the core is in tests/core/reports.test.cpp. */
const refused = [
  ['nothing', '', 400, 'malformed-message'],
  ['no JSON', 'fromPeers=1', 400, 'malformed-message'],
  ['a list', '[]', 400, 'malformed-message'],
  ['bytes that are no text', new Uint8Array([0xff, 0xfe, 0]), 400, 'malformed-message'],
  ['no version', { fromPeers: 1 }, 400, 'malformed-message'],
  ['another version', { version: 2 }, 400, 'version-mismatch'],
  ['a negative number', { version: 1, fromPeers: -1 }, 400, 'malformed-message'],
  ['a part of a byte', { version: 1, fromPeers: 0.5 }, 400, 'malformed-message'],
  ['a number of no page', { version: 1, fromPeers: 1e15 }, 400, 'malformed-message'],
  ['more open than tried', { version: 1, localTried: 1, localOpen: 2 }, 400, 'malformed-message'],
  ['a text for a number', { version: 1, fromPeers: '1' }, 400, 'malformed-message'],
  ['deep nesting', `{"version":${'['.repeat(500)}`, 400, 'malformed-message'],
  ['a prototype', '{"version":1,"__proto__":{"fromPeers":1}}', 400, 'malformed-message'],
  ['a byte too long', `{"version":1}${' '.repeat(reportBytes)}`, 413, 'message-too-long'],
  ['far too long', 'x'.repeat(1_000_000), 413, 'message-too-long'],
];
for (const [what, body, status, code] of refused) {
  test(`a report that is ${what} is refused with ${code}, and counted`, async (t) => {
    const { coordinator, origin } = await coordinatorFor(t);
    const answer = await post(origin, body);
    assert.equal(answer.status, status);
    assert.match(await answer.text(), new RegExp(`^${code}: .+\n$`));
    assert.deepEqual([coordinator.stats().reports, coordinator.stats().reportsRefused], [0, 1]);
    assert.equal(sums(coordinator).fromPeers, 0);
    assert.equal((await post(origin, report)).status, 204, 'nobody else is hurt');
  });
}

test('only pages of its sites report, and an operator is told of others once a minute', async (t) => {
  const told = [];
  const { coordinator, origin } = await coordinatorFor(t, { onWarning: ({ code }) => told.push(code) });
  for (const other of ['https://evil.example', 'null', 'http://localhost:1', 'https://evil.example']) {
    const answer = await post(origin, report, { origin: other });
    assert.equal(answer.status, 403);
    assert.match(await answer.text(), /^origin-refused: /);
  }
  assert.deepEqual(told, ['origin-refused']);
  const nobody = await fetch(origin + REPORT_PATH, { method: 'POST', body: JSON.stringify(report) });
  assert.equal(nobody.status, 403);
  assert.equal(coordinator.stats().reportsRefused, 5);
  assert.equal(sums(coordinator).fromPeers, 0);
});

test('a page whose Referrer-Policy hides its origin reports to its own host, and to no other', async (t) => {
  const told = [];
  const { coordinator, origin } = await coordinatorFor(t, { onWarning: ({ message }) => told.push(message) });
  const from = (relation) => post(origin, report, { origin: 'null', 'sec-fetch-site': relation });
  assert.equal((await from('same-origin')).status, 204);
  for (const relation of ['same-site', 'cross-site', 'none']) assert.equal((await from(relation)).status, 403);
  assert.deepEqual([coordinator.stats().reports, coordinator.stats().reportsRefused], [1, 3]);
  assert.equal(told.length, 1);
  assert.match(told[0], /Referrer-Policy/);
});

test('of one address only so many are taken in a minute', async (t) => {
  const { coordinator, origin } = await coordinatorFor(t, { trustProxy: true });
  const from = (address) => post(origin, { version: 1, wasted: 1 }, { 'x-forwarded-for': address });
  let answer;
  let taken = 0;
  while ((answer = await from('203.0.113.7')).status === 204) taken++;
  assert.equal(answer.status, 429);
  assert.match(await answer.text(), /^rate-limited: /);
  assert.equal(answer.headers.get('retry-after'), '60');
  assert.equal((await from('203.0.113.8')).status, 204);
  assert.deepEqual([coordinator.stats().wasted, coordinator.stats().reportsRefused], [taken + 1, 1]);
});

test('a private address is not one network: more of its reports are taken than of another address', async (t) => {
  const { coordinator, origin } = await coordinatorFor(t, { trustProxy: true });
  const from = (address) => post(origin, { version: 1, wasted: 1 }, { 'x-forwarded-for': address });
  let ofOne = 0;
  while ((await from('203.0.113.7')).status === 204) ofOne++;
  for (let i = 0; i <= ofOne; i++) assert.equal((await from('10.1.2.3')).status, 204);
  assert.equal(coordinator.stats().wasted, 2 * ofOne + 1);
});

test("other requests of the path, and other paths, are the host's own", async (t) => {
  const { origin } = await coordinatorFor(t);
  for (const [path, init] of [
    [REPORT_PATH, {}],
    [REPORT_PATH, { method: 'PUT', body: '{}' }],
    [`${REPORT_PATH}/x`, { method: 'POST', body: '{}' }],
    ['/', { method: 'POST', body: '{}' }],
  ]) {
    assert.equal(await (await fetch(origin + path, init)).text(), 'site', path);
  }
  assert.equal((await post(origin, report)).status, 204);
});

test("a coordinator that is closed leaves the path to the host, and the server's emit as it was", async (t) => {
  const { server, coordinator, origin } = await coordinatorFor(t);
  assert.equal(Object.hasOwn(server, 'emit'), true);
  await coordinator.close();
  assert.equal(Object.hasOwn(server, 'emit'), false);
  assert.equal(await (await post(origin, report)).text(), 'site');
});

test('of two coordinators of a server that one sums a report whose site the page is of', async (t) => {
  const { server, origin } = await coordinatorFor(t, { origins: ['https://a.example'], onWarning: () => {} });
  const other = attach(server, { path: '/other/ws', origins: ['https://b.example'] });
  t.after(() => other.close());
  assert.equal((await post(origin, report, { origin: 'https://b.example' })).status, 204);
  assert.equal(other.stats().reports, 1);
  assert.equal((await post(origin, report, { origin: 'https://c.example' })).status, 403);
});

test('a coordinator alone takes them, beside what its tools ask', async (t) => {
  const served = await serveCoordinator({ port: 0, origins: ['https://a.example'] });
  t.after(() => served.close());
  const url = `http://127.0.0.1:${served.port}`;
  assert.equal((await post(url, report, { origin: 'https://a.example' })).status, 204);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^peer_cdn_reports_total 1$/m);
  assert.equal((await fetch(url + REPORT_PATH)).status, 404);
});

test('a host that routes by itself hands them over', async (t) => {
  const coordinator = attach(null, { origins: ['https://a.example'] });
  t.after(() => coordinator.close());
  const server = createServer((request, response) => coordinator.handleReport(request, response));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  assert.equal((await post(url, report, { origin: 'https://a.example' })).status, 204);
  assert.equal(coordinator.stats().fromOrigin, 2);
});

test('a report that the host has answered meanwhile, say because it took too long, ends nothing', async (t) => {
  const coordinator = attach(null, { origins: ['https://a.example'] });
  t.after(() => coordinator.close());
  const server = createServer((request, response) => {
    coordinator.handleReport(request, response);
    response.writeHead(503).end('the host');
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const body of [report, 'x'.repeat(100_000)]) {
    const before = coordinator.stats();
    const answer = await post(url, body, { origin: 'https://a.example' });
    assert.deepEqual([answer.status, await answer.text()], [503, 'the host']);
    await until('it was read', () => {
      const { reports, reportsRefused } = coordinator.stats();
      return reports + reportsRefused > before.reports + before.reportsRefused;
    });
  }
  // What nobody catches fails the test that runs.
  await new Promise(setImmediate);
});

test('a report over HTTP/2 is taken too', async (t) => {
  const server = createSecureServer({ allowHTTP1: true, ...certificateFor(t) }, (_request, response) => response.end('site'));
  const coordinator = attach(server, { origins: ['https://a.example'] });
  t.after(() => coordinator.close());
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const session = connectHttp2(`https://127.0.0.1:${server.address().port}`, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const ask = async (headers, body) => {
    const stream = session.request({ ':method': 'POST', ':path': REPORT_PATH, ...headers });
    stream.on('error', () => {});
    stream.end(body);
    const [answer] = await once(stream, 'response');
    stream.resume();
    return answer[':status'];
  };
  assert.equal(await ask({ origin: 'https://a.example' }, JSON.stringify(report)), 204);
  assert.equal(await ask({ origin: 'https://a.example' }, 'x'.repeat(100_000)), 413);
  assert.equal(await ask({}, JSON.stringify(report)), 403);
  assert.equal(coordinator.stats().fromPeers, report.fromPeers);
});

test('a page that came by HTTP/2 reports to the host that it came from', async (t) => {
  const server = createSecureServer({ ...certificateFor(t), allowHTTP1: true }, (_request, response) => response.end('site'));
  const coordinator = attach(server);
  t.after(() => coordinator.close());
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${server.address().port}`;
  const session = connectHttp2(url, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': REPORT_PATH, origin: url });
  stream.end(JSON.stringify(report));
  const [answer] = await once(stream, 'response');
  stream.resume();
  assert.equal(answer[':status'], 204);
  assert.equal(coordinator.stats().fromPeers, report.fromPeers);
});

test('whoever breaks off in a report, or goes on for ever, harms nothing', async (t) => {
  const { server, coordinator, origin } = await coordinatorFor(t);
  const { host } = new URL(origin);
  const head = `POST ${REPORT_PATH} HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\n`;
  const connected = once(server, 'connection');
  const broken = connect(server.address().port, '127.0.0.1');
  broken.write(`${head}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n{"version"`);
  const [serverSide] = await connected;
  await once(broken, 'data');
  const ended = new Promise((end) => serverSide.once('close', end));
  broken.destroy();
  await ended;
  assert.equal(coordinator.stats().reports, 0);
  const endless = connect(server.address().port, '127.0.0.1');
  endless.on('error', () => {});
  endless.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  const more = setInterval(() => endless.write(`400\r\n${'x'.repeat(0x400)}\r\n`), 5);
  t.after(() => clearInterval(more));
  const [answer] = await once(endless, 'data');
  assert.match(answer.toString(), /^HTTP\/1\.1 413 .*message-too-long: /s);
  // Its connection is ended, though it does not end by itself.
  await once(endless, 'close');
  assert.equal((await post(origin, report)).status, 204);
  assert.equal(coordinator.stats().reports, 1);
});
