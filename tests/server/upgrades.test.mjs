// attach() beside whoever else listens for upgrades on the same server, in either order.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, ServerResponse } from 'node:http';
import { createSecureServer as createHttp2Server } from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { protocolVersion, SOCKET_PATH } from '../../build/border.js';
import { attach } from '../../src/server/index.js';
import { unansweredMs } from '../../src/server/limits.js';
import { certificateFor } from './certificate.mjs';
import { Visitor } from './visitor.mjs';

const say = (socket) => socket.send('chat');

/** What hosts do with upgrades: each takes /chat; others it answers, ends, or leaves. */
const others = {
  'ws with a path': (server) => new WebSocketServer({ server, path: '/chat' }).on('connection', say),
  'ws without a path': (server) => new WebSocketServer({ server }).on('connection', say),
  'ws without a server, as its documentation says': (server) => {
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => {});
      if (request.url === '/chat') sockets.handleUpgrade(request, socket, head, say);
      else socket.destroy();
    });
  },
  'a listener that leaves what is not its own': (server) => {
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (request.url === '/chat') sockets.handleUpgrade(request, socket, head, say);
    });
  },
  // As engine.io 6 does; its second is too long for a test.
  'socket.io, which ends what nobody has written to': (server) => {
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (request.url.startsWith('/chat')) return sockets.handleUpgrade(request, socket, head, say);
      socket.on('error', () => {});
      setTimeout(() => {
        if (socket.writable && socket.bytesWritten <= 0) socket.end();
      }, 10);
    });
  },
  // As @fastify/websocket 11 does: what has no route gets the site's 404, by way of hooks.
  'fastify, which answers all by its router': (server) => {
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => {});
      const response = new ServerResponse(request);
      response.assignSocket(socket);
      setImmediate(() => {
        if (request.url !== '/chat') return response.writeHead(404).end('no route');
        response.detachSocket(socket);
        sockets.handleUpgrade(request, socket, head, say);
      });
    });
  },
  'sockjs, which takes the place of all listeners, and calls them for what is not its own': (server) => {
    const sockets = new WebSocketServer({ noServer: true });
    const before = server.listeners('upgrade');
    server.removeAllListeners('upgrade');
    server.on('upgrade', (request, socket, head) => {
      if (request.url === '/chat') return sockets.handleUpgrade(request, socket, head, say);
      for (const each of before) each.call(server, request, socket, head);
    });
  },
};

async function listening(t, server = createServer((_request, response) => response.end('site'))) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  const origin = `http://localhost:${server.address().port}`;
  return { server, origin, url: origin + SOCKET_PATH };
}

function attached(t, ...args) {
  const coordinator = attach(...args);
  t.after(() => coordinator.close());
  return coordinator;
}

/** What a host's own WebSocket hears first. */
async function hear(url, options) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options);
  const [data] = await once(socket, 'message');
  socket.terminate();
  return data.toString();
}

/** An upgrade as it stands; resolves to all that was answered when the socket is closed. */
function upgrade(origin, path, { protocol = 'websocket', ...options } = {}) {
  const { hostname: host, port } = new URL(origin);
  const socket = connect({ host, port, ...options });
  let answer = '';
  socket.on('data', (data) => (answer += data));
  socket.on('error', () => {});
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  return { socket, closed: once(socket, 'close').then(() => answer) };
}

test('a visitor who resets an upgrade that nobody answers does not end the process of the host', async (t) => {
  const { server, origin } = await listening(t);
  const came = new Promise((go) => server.on('upgrade', (_request, socket) => go(socket)));
  attached(t, server);
  const { socket } = upgrade(origin, '/elsewhere');
  const taken = await came;
  // once() would listen for errors.
  const closed = new Promise((go) => taken.on('close', go));
  socket.resetAndDestroy();
  await closed;
});

for (const [name, register] of Object.entries(others)) {
  for (const order of ['before', 'after']) {
    test(`beside ${name}, registered ${order} us, both work`, async (t) => {
      const { server, origin, url } = await listening(t);
      if (order === 'before') register(server);
      const coordinator = attached(t, server);
      if (order === 'after') register(server);
      const visitors = [new Visitor(url, { browser: 'ann' }), new Visitor(`${url}?x=1`, { browser: 'bob' })];
      for (const visitor of visitors) await visitor.next('welcome');
      assert.equal(await hear(`${origin}/chat`), 'chat');
      // Nothing was written into the open sockets.
      for (const visitor of visitors) {
        visitor.say({ type: 'ask', roots: [] });
        await visitor.next('answer');
      }
      await new Visitor(url, { origin: 'https://evil.example' }).next('error');
      assert.equal(coordinator.stats().peers, 2);
    });
  }
}

const secureServers = {
  https: createSecureServer,
  'http2 that takes HTTP/1 too': (options) => createHttp2Server({ ...options, allowHTTP1: true }),
};
for (const [name, create] of Object.entries(secureServers))
  test(`both work over ${name}`, async (t) => {
    const server = create(certificateFor(t));
    const { origin } = await listening(t, server);
    const secure = origin.replace('http', 'https');
    const options = { rejectUnauthorized: false, origin: secure };
    new WebSocketServer({ server, path: '/early' }).on('connection', say);
    attached(t, server);
    assert.equal(await hear(`${secure}/early`, options), 'chat');
    const socket = new WebSocket(secure.replace('http', 'ws') + SOCKET_PATH, options);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'hello', version: protocolVersion, browser: 'ab'.repeat(16) }));
    const [welcome] = await once(socket, 'message');
    assert.equal(JSON.parse(welcome).type, 'welcome');
    socket.terminate();
  });

test('a second coordinator at the same path is an error at once, at another path it works', async (t) => {
  const { server, origin, url } = await listening(t);
  const first = attached(t, server);
  assert.throws(() => attach(server), {
    code: 'path-in-use',
    message: new RegExp(`has a coordinator at ${SOCKET_PATH} already`),
  });
  assert.throws(() => attach(server, { path: SOCKET_PATH }), { code: 'path-in-use' });
  const second = attached(t, server, { path: '/second' });
  for (const path of [SOCKET_PATH, '/second']) await new Visitor(origin + path).next('welcome');
  assert.deepEqual([first.stats().peers, second.stats().peers], [1, 1]);
  await first.close();
  await new Visitor(`${origin}/second`).next('welcome');
  await assert.rejects(new Visitor(url).opened, { status: 404 });
  // A path that was left is free.
  attached(t, server);
  await new Visitor(url).next('welcome');
});

test('a path that no request can have is an error at once', async (t) => {
  const { server } = await listening(t);
  for (const path of ['', SOCKET_PATH.slice(1), '/ws?a=b', '/ws#a', '//ws', '/a/../ws', '/a b', 5]) {
    assert.throws(() => attach(server, { path }), TypeError, String(path));
  }
  assert.throws(() => attach(server, { path: '/\u00e4' }), /not '\/\u00e4': browsers send '\/%C3%A4'/);
  assert.equal(server.listenerCount('upgrade'), 0);
});

test('closing leaves the server as it was, also where others have wrapped its emit', async (t) => {
  const { server, origin, url } = await listening(t);
  await attach(server).close();
  assert(!Object.hasOwn(server, 'emit'));
  assert.equal(server.emit, EventEmitter.prototype.emit);
  assert.equal(server.listenerCount('upgrade'), 0);

  const names = [];
  const own = function (name, ...args) {
    names.push(name);
    return EventEmitter.prototype.emit.call(this, name, ...args);
  };
  server.emit = own;
  await attach(server).close();
  assert.equal(server.emit, own);

  const coordinator = attach(server);
  const ours = server.emit;
  const above = (...args) => ours.apply(server, args);
  server.emit = above;
  await new Visitor(url).next('welcome');
  await coordinator.close();
  assert.equal(server.emit, above);
  assert.equal(await (await fetch(origin)).text(), 'site');
  others['ws without a path'](server);
  assert.equal(await hear(origin + SOCKET_PATH), 'chat');
  assert(names.includes('upgrade'));
  attached(t, server);
  await new Visitor(url).next('welcome');
});

test("who kept the server's emit from before us does no harm: our path works where nobody else listens", async (t) => {
  const { server, origin } = await listening(t);
  // As fastify forwards the upgrades of ::1.
  const second = createServer();
  second.on('upgrade', server.emit.bind(server, 'upgrade'));
  const { url } = await listening(t, second);
  attached(t, server);
  await new Visitor(url).next('welcome');
  others['ws without a path'](server);
  assert.equal(await hear(url), 'chat');
  assert.equal(await hear(`${origin}/chat`), 'chat');
});

test('an upgrade that every listener leaves to the others is answered 404 after ten seconds', async (t) => {
  const { server, origin } = await listening(t);
  others['a listener that leaves what is not its own'](server);
  attached(t, server);
  others['a listener that leaves what is not its own'](server);
  const arrived = once(server, 'upgrade');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { closed } = upgrade(origin, '/nobody');
  await arrived;
  t.mock.timers.tick(unansweredMs);
  t.mock.timers.reset();
  const answer = await closed;
  assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n.*\r\n\r\nnot-found: nobody here takes an upgrade of this path\n$/s);
});

test("an upgrade that is nobody's is answered though its visitor never closes, and then ended", async (t) => {
  const { server, origin } = await listening(t);
  attached(t, server);
  const accepted = once(server, 'connection');
  const { socket } = upgrade(origin, '/nobody', { allowHalfOpen: true });
  const [ours] = await accepted;
  await once(socket, 'end');
  await once(ours, 'close');
});

const hasChoice = 'shouldUpgradeCallback' in createServer();
test('a host that chooses what is an upgrade need not know our path', {
  skip: !hasChoice && 'Node 24.9 and newer',
}, async (t) => {
  const isUpgrade = (request) => request.url === '/chat';
  const { server, origin, url } = await listening(
    t,
    createServer({ shouldUpgradeCallback: isUpgrade }, (_request, response) => {
      response.end('site');
    }),
  );
  others['ws with a path'](server);
  const coordinator = attach(server);
  await new Visitor(url).next('welcome');
  assert.equal(await hear(`${origin}/chat`), 'chat');
  assert.equal(await (await fetch(origin)).text(), 'site');
  await coordinator.close();
  assert.equal(server.shouldUpgradeCallback, isUpgrade);
});

test('who offers HTTP/2 with its request is answered by the site, as without us', async (t) => {
  const { server, origin } = await listening(t);
  attached(t, server);
  const answer = await upgrade(origin, '/page', { protocol: 'h2c' }).closed;
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n.*site/is);
  assert.match(await upgrade(origin, '/page', { protocol: 'h2c, WebSocket' }).closed, /^HTTP\/1\.1 404 /);
});

/** Who is slow, but has it: what it does with the socket before ten seconds are over, and after. */
const slow = {
  'has written something': [(socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), (socket) => socket.end('late')],
  'reads from it': [(socket) => socket.on('data', () => {}), (socket) => socket.end('late')],
  'has ended it': [(socket) => socket.end('late'), () => {}],
  'has destroyed it': [(socket) => socket.destroy(), () => {}],
};
for (const [name, [before, after]] of Object.entries(slow)) {
  test(`an upgrade is not answered by us when another listener ${name}`, async (t) => {
    const { server, origin } = await listening(t);
    attached(t, server);
    server.on('upgrade', () => {});
    const arrived = once(server, 'upgrade');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { closed } = upgrade(origin, '/slow');
    const [, socket] = await arrived;
    before(socket);
    t.mock.timers.tick(unansweredMs);
    t.mock.timers.reset();
    after(socket);
    assert.doesNotMatch(await closed, /404/);
  });
}

test('after removeAllListeners() a page is welcomed where Node asks us first, and else is told to come again', async (t) => {
  const { server, url } = await listening(t);
  const coordinator = attach(server);
  t.after(() => coordinator.close());
  server.removeAllListeners('upgrade');
  const first = new WebSocket(url, { origin: url.replace(SOCKET_PATH, '') });
  t.after(() => first.terminate());
  const told = await new Promise((resolve) => first.once('open', resolve).once('error', resolve));
  if ('shouldUpgradeCallback' in server) assert.equal(told, undefined);
  else assert.match(told.message, /503/);
  await new Visitor(url).next('welcome');
});

test('an upgrade may name its whole URL', async (t) => {
  const { server, origin, url } = await listening(t);
  const coordinator = attach(server);
  t.after(() => coordinator.close());
  const socket = connect(server.address().port);
  t.after(() => socket.destroy());
  socket.write(
    `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nOrigin: ${origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 101 /);
});

test('who answers after our 404 harms nobody', async (t) => {
  const { server, origin } = await listening(t);
  attached(t, server);
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', () => {});
  const arrived = once(server, 'upgrade');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { closed } = upgrade(origin, '/slow');
  const [request, socket, head] = await arrived;
  t.mock.timers.tick(unansweredMs);
  t.mock.timers.reset();
  sockets.handleUpgrade(request, socket, head, say);
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  await closed;
  assert.equal(await (await fetch(origin)).text(), 'site');
});

test('what a visitor sends with its upgrade reaches whoever takes it', async (t) => {
  const { server, origin } = await listening(t);
  attached(t, server);
  const arrived = once(server, 'upgrade');
  server.on('upgrade', (_request, socket, head) => socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${head}`));
  const { hostname, port } = new URL(origin);
  const socket = connect(port, hostname);
  socket.write('GET /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nfirst bytes');
  await arrived;
  let answer = '';
  for await (const data of socket) answer += data;
  assert.match(answer, /\r\n\r\nfirst bytes$/);
});

/** A host that routes upgrades by itself, and what goes wrong there. Each welcomes a visitor of /peer-cdn/ws. */
const routers = {
  'hands an upgrade over twice': ({ coordinator, upgraded }) => {
    coordinator.handleUpgrade(...upgraded);
    coordinator.handleUpgrade(...upgraded);
  },
  'refuses an upgrade and hands it over once more': ({ coordinator, upgraded: [request, socket, head] }) => {
    const { origin, ...headers } = request.headers;
    if (request.url === SOCKET_PATH) return coordinator.handleUpgrade(request, socket, head);
    for (let i = 0; i < 2; i++) coordinator.handleUpgrade({ ...request, headers }, socket, head);
  },
  'hands over what ws has taken': ({ coordinator, upgraded, sockets }) => {
    if (upgraded[0].url !== SOCKET_PATH) sockets.handleUpgrade(...upgraded, say);
    coordinator.handleUpgrade(...upgraded);
  },
};
for (const [what, route] of Object.entries(routers)) {
  test(`a host that ${what} goes on, and is told once`, async (t) => {
    const { server, origin } = await listening(t);
    const told = [];
    const coordinator = attach(null, { origins: [origin], onWarning: ({ code }) => told.push(code) });
    t.after(() => coordinator.close());
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (...upgraded) => route({ coordinator, upgraded, sockets }));
    for (const path of [SOCKET_PATH, '/chat', '/chat']) {
      const socket = new WebSocket(`${origin}${path}`.replace('http', 'ws'), { origin });
      const [opened] = await Promise.race([once(socket, 'open').then(() => [true]), once(socket, 'unexpected-response')]);
      assert(opened);
      socket.terminate();
    }
    await new Visitor(`${origin}${SOCKET_PATH}`.replace('http', 'ws'), { origin }).next('welcome');
    assert.deepEqual(told, ['upgrade-taken']);
  });
}

test('handleUpgrade() without head welcomes, and says what it takes when it is given something else', async (t) => {
  const { server, origin } = await listening(t);
  const coordinator = attach(null, { origins: [origin] });
  t.after(() => coordinator.close());
  server.on('upgrade', (request, socket) => coordinator.handleUpgrade(request, socket));
  await new Visitor(`${origin}${SOCKET_PATH}`.replace('http', 'ws'), { origin }).next('welcome');
  for (const given of [[], [null, null], [{}, {}], [server], ['/peer-cdn/ws', {}, Buffer.alloc(0)]])
    assert.throws(() => coordinator.handleUpgrade(...given), /takes what listeners of 'upgrade' get: \(request, socket, head\)/);
});
