// WebSockets over HTTP/2 (RFC 8441), which browsers that are connected by it use alone where a host says enableConnectProtocol.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createSecureServer } from 'node:http2';
import { test } from 'node:test';
import { Receiver, Sender } from 'ws';
import { protocolVersion, SOCKET_PATH } from '../../build/border.js';
import { attach } from '../../src/server/index.js';
import { certificateFor } from './certificate.mjs';

/** A server as such hosts have it, and a client that a browser would be. */
async function sceneFor(t, options) {
  const settings = { enableConnectProtocol: true };
  const server = createSecureServer({ ...certificateFor(t), allowHTTP1: true, settings }, (_request, response) =>
    response.end('site'),
  );
  const coordinator = attach(server, options);
  t.after(() => coordinator.close());
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${server.address().port}`;
  const session = connect(url, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  const open = async (headers, path = SOCKET_PATH) => {
    const asked = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', ...headers };
    const stream = session.request(asked);
    stream.on('error', () => {});
    const [answer] = await once(stream, 'response');
    return { stream, answer };
  };
  return { server, coordinator, url, open };
}

/** What comes, message by message. */
function heard(stream) {
  const receiver = new Receiver();
  stream.pipe(receiver);
  return {
    next: async () => JSON.parse((await once(receiver, 'message'))[0]),
    ended: once(receiver, 'conclude'),
  };
}

const say = (stream, message) => new Sender(stream, {}).send(JSON.stringify(message), { mask: true, fin: true }, () => {});

test('a page is welcomed, heard, and told of the end', async (t) => {
  const { coordinator, url, open } = await sceneFor(t);
  const { stream, answer } = await open({ origin: url });
  assert.equal(answer[':status'], 200);
  for (const name of ['connection', 'upgrade', 'sec-websocket-accept']) assert.equal(answer[name], undefined, name);
  const { next, ended } = heard(stream);
  const welcome = next();
  say(stream, { type: 'hello', version: protocolVersion, browser: 'ab'.repeat(16) });
  assert.equal((await welcome).type, 'welcome');
  assert.equal(coordinator.stats().peers, 1);
  const closed = coordinator.close();
  const [code, reason] = await ended;
  assert.deepEqual([code, String(reason)], [1001, 'shutting-down']);
  stream.end();
  await closed;
});

test('a visitor that goes is missed at once', async (t) => {
  const { coordinator, url, open } = await sceneFor(t);
  const { stream } = await open({ origin: url });
  const { next } = heard(stream);
  const welcome = next();
  say(stream, { type: 'hello', version: protocolVersion, browser: 'ab'.repeat(16) });
  await welcome;
  stream.close();
  while (coordinator.stats().peers > 0) await new Promise(setImmediate);
});

test('a page of another site hears why it may not come, and who is no page gets a status', async (t) => {
  const { coordinator, open } = await sceneFor(t);
  const { stream, answer } = await open({ origin: 'https://evil.example' });
  assert.equal(answer[':status'], 200);
  assert.deepEqual(await heard(stream).next(), { type: 'error', code: 'origin-refused' });
  stream.close();
  const refused = await open({});
  assert.equal(refused.answer[':status'], 403);
  assert.match(refused.answer['content-type'], /text\/plain/);
  let body = '';
  for await (const chunk of refused.stream) body += chunk;
  assert.match(body, /^origin-refused: /);
  assert.equal(coordinator.stats().originsRefused, 2);
});

test('other paths, and all of them after the end, are left to the host', async (t) => {
  const { server, coordinator, url, open } = await sceneFor(t);
  assert.equal((await open({ origin: url }, '/chat')).answer[':status'], 405, 'as Node answers where nobody listens');
  server.on('connect', (request, response) => response.writeHead(200).end(request.url));
  assert.equal((await open({ origin: url }, '/chat')).answer[':status'], 200);
  await coordinator.close();
  const { stream, answer } = await open({ origin: url });
  assert.equal(answer[':status'], 200);
  let body = '';
  for await (const chunk of stream) body += chunk;
  assert.equal(body, SOCKET_PATH);
});
