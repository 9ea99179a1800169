// The coordinator on the servers that people have, with their own WebSockets beside it: the real packages.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { SOCKET_PATH } from '../../build/border.js';
import { attach } from '../../src/server/index.js';
import { Visitor } from '../server/visitor.mjs';

const require = createRequire(import.meta.url);
const { WebSocket, WebSocketServer } = require('ws');

async function listening(t, server) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}

/** The site's own page and socket work, and a visitor is welcomed. */
async function worksBeside(url, { chat } = {}) {
  assert.equal(await (await fetch(`${url}/hello`)).text(), 'hello');
  const visitor = new Visitor(url + SOCKET_PATH);
  await visitor.next('welcome');
  if (chat) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}${chat}`);
    const [message] = await once(socket, 'message');
    assert.equal(String(message), 'chat');
    socket.close();
  }
  visitor.socket.close();
}

test('Express, with ws beside it', async (t) => {
  const express = require('express');
  const app = express().get('/hello', (_, response) => response.send('hello'));
  const server = createServer(app);
  const sockets = new WebSocketServer({ server, path: '/chat' }).on('connection', (socket) => socket.send('chat'));
  const coordinator = attach(server);
  const url = await listening(t, server);
  await worksBeside(url, { chat: '/chat' });
  await coordinator.close();
  sockets.close();
});

test('Fastify, with @fastify/websocket', async (t) => {
  const app = require('fastify')();
  await app.register(require('@fastify/websocket'));
  await app.register(async (routes) => {
    routes.get('/chat', { websocket: true }, (socket) => socket.send('chat'));
    routes.get('/hello', async () => 'hello');
  });
  const coordinator = attach(app.server);
  t.after(async () => {
    await coordinator.close();
    await app.close();
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  await worksBeside(url.replace('127.0.0.1', 'localhost'), { chat: '/chat' });
});

test('Koa', async (t) => {
  const Koa = require('koa');
  const app = new Koa().use((context) => (context.body = 'hello'));
  const server = createServer(app.callback());
  const coordinator = attach(server);
  await worksBeside(await listening(t, server));
  await coordinator.close();
});

test('Hono on Node', async (t) => {
  const { Hono } = await import('hono');
  const { createAdaptorServer } = await import('@hono/node-server');
  const app = new Hono().get('/hello', (context) => context.text('hello'));
  const server = createAdaptorServer({ fetch: app.fetch });
  const coordinator = attach(server);
  await worksBeside(await listening(t, server));
  await coordinator.close();
});

for (const order of ['before', 'after']) {
  test(`socket.io that comes ${order} us`, async (t) => {
    const { Server } = require('socket.io');
    const server = createServer((_, response) => response.end('hello'));
    const first = order === 'before' ? new Server(server) : null;
    const coordinator = attach(server);
    const io = first ?? new Server(server);
    t.after(() => io.close());
    io.on('connection', (socket) => socket.emit('chat'));
    const url = await listening(t, server);
    await worksBeside(url);
    // Engine.IO's own handshake, without its client: its packet 0 opens.
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const [opened] = await once(socket, 'message');
    assert.match(String(opened), /^0\{/);
    socket.close();
    await coordinator.close();
  });
}

/** A site of Next beside the packages that it needs: it looks for them above its folder. */
function nextSite(t) {
  const made = path.join(import.meta.dirname, 'build');
  fs.mkdirSync(made, { recursive: true });
  const dir = fs.mkdtempSync(path.join(made, 'next-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.mkdirSync(path.join(dir, 'app/hello'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'app/hello/route.js'), "export const GET = () => new Response('hello');");
  return dir;
}

test("Next's custom server, which listens for upgrades from its first request on", { timeout: 120_000 }, async (t) => {
  process.env.NEXT_TELEMETRY_DISABLED = '1';
  const server = createServer((request, response) => answer(request, response));
  const url = await listening(t, server);
  const app = require('next')({ dev: true, quiet: true, dir: nextSite(t), hostname: 'localhost', port: server.address().port });
  t.after(() => app.close());
  await app.prepare();
  const answer = app.getRequestHandler();
  // Once before Next listens for upgrades, once after.
  for (let i = 0; i < 2; i++) {
    const coordinator = attach(server);
    await worksBeside(url);
    // Next's own socket, by which it tells pages of changed files.
    const socket = new WebSocket(`${url.replace('http', 'ws')}/_next/hmr?id=1`);
    await once(socket, 'message');
    socket.terminate();
    await coordinator.close();
  }
});

test('behind http-proxy-middleware that proxies WebSockets', async (t) => {
  const express = require('express');
  const { createProxyMiddleware } = require('http-proxy-middleware');
  const inner = createServer((_, response) => response.end('hello'));
  const coordinator = attach(inner, { trustProxy: true });
  const target = await listening(t, inner);
  const proxy = createProxyMiddleware({ target, ws: true, xfwd: true });
  const server = createServer(express().use(proxy));
  server.on('upgrade', proxy.upgrade);
  await worksBeside(await listening(t, server));
  await coordinator.close();
});

test('beside http-proxy-middleware on the same server', async (t) => {
  const express = require('express');
  const { createProxyMiddleware } = require('http-proxy-middleware');
  const chat = new WebSocketServer({ port: 0 }).on('connection', (socket) => socket.send('chat'));
  await once(chat, 'listening');
  t.after(() => chat.close());
  const proxy = createProxyMiddleware({ target: `http://localhost:${chat.address().port}`, ws: true, pathFilter: '/chat' });
  const server = createServer(
    express()
      .use(proxy)
      .get('/hello', (_, response) => response.send('hello')),
  );
  server.on('upgrade', proxy.upgrade);
  const coordinator = attach(server);
  await worksBeside(await listening(t, server), { chat: '/chat' });
  await coordinator.close();
});

test('a host that routes upgrades by itself hands ours over', async (t) => {
  const server = createServer((_, response) => response.end('hello'));
  const coordinator = attach(null);
  t.after(() => coordinator.close());
  const chat = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === SOCKET_PATH) coordinator.handleUpgrade(request, socket, head);
    else chat.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('chat'));
  });
  await worksBeside(await listening(t, server), { chat: '/chat' });
});
