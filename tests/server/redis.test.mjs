// Two coordinators on one Redis, as their visitors and their operator see them.
import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'redis';
import { BUS_CHANNEL, SOCKET_PATH } from '../../build/border.js';
import { Apart } from '../../src/server/apart.js';
import { attach, serveCoordinator } from '../../src/server/index.js';
import { freePort, startRedis } from './debian.mjs';
import { rootOf, Visitor } from './visitor.mjs';

const origin = 'https://a.example';

async function open(t, options) {
  const warnings = [];
  let tell = () => {};
  const onWarning = (warning) => {
    warnings.push(warning.code);
    tell();
  };
  const served = await serveCoordinator({ port: 0, origins: [origin], onWarning, ...options });
  t.after(() => served.close());
  const url = `http://127.0.0.1:${served.port}`;
  const visit = (browser, again) => new Visitor(url + SOCKET_PATH, { browser, origin, again });
  const warned = async (code) => {
    while (!warnings.includes(code)) await new Promise((go) => (tell = go));
  };
  return { ...served, url, visit, warnings, warned };
}

/** Resolves when so many coordinators know each other. */
async function met(...coordinators) {
  while (!coordinators.every(({ coordinator }) => coordinator.stats().siblings === coordinators.length - 1)) {
    await new Promise((go) => setTimeout(go, 10));
  }
}

/** Resolves to an answer that names somebody: what others have is known a moment later. */
async function askUntilFound(visitor, root) {
  for (;;) {
    visitor.say({ type: 'ask', roots: [root] });
    const answer = await visitor.next('answer');
    if (answer.peers[0] > 0) return answer;
    await new Promise((go) => setTimeout(go, 20));
  }
}

/** A holder at one and an asker at the other, introduced. */
async function introduced(t, [one, other]) {
  const holder = one.visit('ann');
  const asker = other.visit('bob');
  const [{ peer: ann }, { peer: bob }] = await Promise.all([holder.next('welcome'), asker.next('welcome')]);
  holder.say({ type: 'have', add: [rootOf('film')], remove: [] });
  await askUntilFound(asker, rootOf('film'));
  assert.deepEqual(await holder.next('introduce'), { type: 'introduce', peer: bob, offer: true });
  t.after(() => [holder, asker].forEach(({ socket }) => socket.terminate()));
  return { holder, asker, ann, bob };
}

const redisFor = async (t) => (await startRedis(t)) ?? t.skip('there is no redis-server, nor a Debian to fetch it from');

/** What an operator says to a Redis. */
async function command({ url }, words) {
  const client = createClient({ url, socket: { reconnectStrategy: false } }).on('error', () => {});
  await client.connect();
  await client.sendCommand(words);
  client.destroy();
}

test('visitors of two processes meet, signal, and hear when the other goes', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const both = [await open(t, { redis: redis.url }), await open(t, { redis: redis.url })];
  await met(...both);
  const { holder, asker, ann, bob } = await introduced(t, both);
  const description = { type: 'offer', sdp: 'v=0\r\n\u00e9 "quoted"' };
  holder.say({ type: 'signal', peer: bob, description });
  assert.deepEqual(await asker.next('signal'), { type: 'signal', peer: ann, description });
  const candidate = { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 };
  asker.say({ type: 'signal', peer: ann, candidate });
  assert.deepEqual(await holder.next('signal'), { type: 'signal', peer: bob, candidate });
  holder.socket.close();
  assert.deepEqual(await asker.next('gone'), { type: 'gone', peer: ann });
  const text = await (await fetch(`${both[1].url}/metrics`)).text();
  assert.match(text, /^peer_cdn_redis_reached 1$/m);
  assert.match(text, /^peer_cdn_siblings 1$/m);
});

test('the visitors of a process that closes are gone at once, and one that comes back elsewhere keeps its pair', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const both = [await open(t, { redis: redis.url }), await open(t, { redis: redis.url })];
  await met(...both);
  const { holder, asker, ann, bob } = await introduced(t, both);
  await both[0].close();
  await holder.closed;
  assert.deepEqual(await asker.next('gone'), { type: 'gone', peer: ann });
  assert.equal(both[1].coordinator.stats().siblings, 0);
  const third = await open(t, { redis: redis.url });
  await met(third, both[1]);
  const back = third.visit('ann', { peer: ann, peers: [bob] });
  assert.equal((await back.next('welcome')).peer, ann);
  assert.deepEqual(await back.next('resume'), { type: 'resume', peer: bob });
  assert.deepEqual(await asker.next('resume'), { type: 'resume', peer: ann });
});

test('a user of Redis that may only publish and subscribe at our channels is enough', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  // As docs/coordinator.md says.
  const rights = 'on >password resetchannels &peer-cdn:coordinators* +publish +subscribe +client';
  await command(redis, ['ACL', 'SETUSER', 'coordinator', ...rights.split(' ')]);
  const url = redis.url.replace('//', '//coordinator:password@');
  await met(await open(t, { redis: url }), await open(t, { redis: url }));
});

test('while Redis is gone each serves its own, and both say so; when it is back they are one again', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const both = [await open(t, { redis: redis.url }), await open(t, { redis: redis.url })];
  await met(...both);
  const { holder, asker, ann, bob } = await introduced(t, both);
  await redis.redis.kill();
  await Promise.all(both.map(({ warned }) => warned('redis-lost')));
  const neighbour = both[1].visit('cat');
  await neighbour.next('welcome');
  neighbour.say({ type: 'have', add: [rootOf('song')], remove: [] });
  await askUntilFound(asker, rootOf('song'));
  await neighbour.next('introduce');
  assert.match(await (await fetch(`${both[1].url}/metrics`)).text(), /^peer_cdn_redis_reached 0$/m);
  assert.equal((await fetch(`${both[1].url}/health/ready`)).status, 200);
  await redis.open();
  await Promise.all(both.map(({ warned }) => warned('redis-back')));
  await met(...both);
  // What they signal reaches them again.
  const candidate = { candidate: 'candidate:2', sdpMid: '0', sdpMLineIndex: 0 };
  for (const [from, to, peer] of [
    [asker, holder, ann],
    [holder, asker, bob],
  ]) {
    const came = to.next('signal');
    let isThere = false;
    came.then(() => (isThere = true));
    while (!isThere) {
      from.say({ type: 'signal', peer, candidate });
      await new Promise((go) => setTimeout(go, 50));
    }
  }
  neighbour.socket.terminate();
});

test('a coordinator starts without Redis, and finds it later', async (t) => {
  const port = await freePort();
  const { warned, coordinator, visit } = await open(t, { redis: `redis://:secret@127.0.0.1:${port}` });
  await warned('redis-lost');
  const visitor = visit('ann');
  await visitor.next('welcome');
  assert.equal(coordinator.stats().isRedisReached, false);
  visitor.socket.terminate();
});

test('whatever is written to the channels harms nobody, and is told once', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const both = [await open(t, { redis: redis.url }), await open(t, { redis: redis.url })];
  await met(...both);
  const vandal = createClient({ url: redis.url, socket: { reconnectStrategy: false } }).on('error', () => {});
  await vandal.connect();
  t.after(() => vandal.destroy());
  const listener = vandal.duplicate().on('error', () => {});
  await listener.connect();
  t.after(() => listener.destroy());
  const seen = [];
  await listener.pSubscribe(`${BUS_CHANNEL}*`, (frame, channel) => seen.push([channel.toString(), frame]), true);
  const { holder, asker } = await introduced(t, both);
  const junk = [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(1e6, 1), Buffer.alloc(70_000, 255)];
  for (const frame of junk) await vandal.publish(BUS_CHANNEL, frame);
  // Frames of before, cut and changed, to whom they were for.
  for (const [channel, frame] of seen.slice(0)) {
    for (let i = 0; i < 40; i++) {
      const copy = Buffer.from(frame);
      copy[(i * 37) % copy.length] ^= 1 << (i % 8);
      await vandal.publish(channel, i % 2 ? copy : copy.subarray(0, (i * 31) % copy.length));
    }
  }
  await Promise.all(both.map(({ warned }) => warned('frame-refused')));
  await met(...both);
  await askUntilFound(asker, rootOf('film'));
  holder.say({ type: 'ask', roots: [] });
  await holder.next('answer');
  for (const { coordinator, warnings } of both) {
    assert.equal(coordinator.stats().framesRefused >= junk.length, true);
    assert.equal(warnings.filter((code) => code === 'frame-refused').length, 1);
  }
});

test('a visitor meets those of its network at another process first, and Redis sees no address of theirs', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const spy = createClient({ url: redis.url }).on('error', () => {});
  await spy.connect();
  t.after(() => spy.destroy());
  const seen = [];
  await spy.pSubscribe(`${BUS_CHANNEL}*`, (frame) => seen.push(frame), true);
  const options = { redis: redis.url, trustProxy: 1, classify: () => 'AS64496' };
  const [one, other] = [await open(t, options), await open(t, options)];
  await met(one, other);
  const visitors = [];
  const come = async ({ url }, address, name) => {
    const headers = { 'x-forwarded-for': address };
    const visitor = new Visitor(url + SOCKET_PATH, { browser: name, origin, headers });
    visitors.push(visitor);
    return { visitor, peer: (await visitor.next('welcome')).peer };
  };
  t.after(() => visitors.forEach(({ socket }) => socket.terminate()));
  const near = [];
  for (let i = 0; i < 12; i++) {
    const isNear = i % 3 === 0;
    const { visitor, peer } = await come(one, isNear ? `2001:db8:7:7::${i}` : `203.0.113.${i + 1}`, `holder ${i}`);
    visitor.say({ type: 'have', add: [rootOf('film')], remove: [] });
    visitor.say({ type: 'ask', roots: [] });
    await visitor.next('answer');
    if (isNear) near.push(peer);
  }
  const { visitor: asker } = await come(other, '2001:db8:7:7::ffff', 'asker');
  // Its coordinator has heard that somebody has the film.
  while (!(await asker.next('present')).add.includes(rootOf('film').slice(0, 8)));
  asker.say({ type: 'ask', roots: [rootOf('film')] });
  const peers = [];
  for (let i = 0; i < 4; i++) peers.push((await asker.next('introduce')).peer);
  assert.deepEqual(peers.sort(), near.sort());
  const network = Buffer.from('20010db800070007', 'hex');
  const four = Buffer.from([203, 0, 113]);
  assert(seen.length > 0);
  for (const frame of seen) {
    assert.doesNotMatch(frame.toString('latin1'), /2001:db8|203\.0\.113|AS64496/);
    for (const bytes of [network, Buffer.from(network).reverse(), four]) assert.equal(frame.includes(bytes), false);
  }
});

/** Something in the place of Redis, which takes connections as `take` says. */
async function inPlaceOfRedis(t, take) {
  const sockets = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    server.emit('taken', sockets.length);
    take(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const taken = async (count) => {
    while (sockets.length < count) await once(server, 'taken');
  };
  return { url: `redis://:secret@127.0.0.1:${server.address().port}`, sockets, taken };
}

const passOn = (port) => (socket) => {
  const redis = connect(port, '127.0.0.1').on('error', () => {});
  socket.on('close', () => redis.destroy());
  socket.pipe(redis).pipe(socket);
};

test('a Redis that accepts and says nothing is no Redis: the coordinator serves, and finds the one that speaks', async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'secret']);
  if (!redis) return t.skip('there is no redis-server, nor a Debian to fetch it from');
  let take = () => {};
  const { url } = await inPlaceOfRedis(t, (socket) => take(socket));
  const { coordinator, visit, warned } = await open(t, { redis: url });
  const visitor = visit('ann');
  await visitor.next('welcome');
  assert.equal(coordinator.stats().isRedisReached, false);
  await warned('redis-lost');
  take = passOn(redis.port);
  await warned('redis-back');
  assert.equal(coordinator.stats().isRedisReached, true);
  visitor.socket.terminate();
});

test('a Redis that lets nobody publish is not reached, and that is told once, without the salt', async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'secret', '--rename-command', 'PUBLISH', '']);
  if (!redis) return t.skip('there is no redis-server, nor a Debian to fetch it from');
  const { url, taken } = await inPlaceOfRedis(t, passOn(redis.port));
  const told = [];
  await open(t, { redis: url, onWarning: (warning) => told.push(warning) });
  // Each try opens two.
  await taken(8);
  assert.deepEqual(
    told.map(({ code }) => code),
    ['redis-lost'],
  );
  assert.match(told[0].message, /unknown command 'PUBLISH'/);
  assert.doesNotMatch(told[0].message, /salt|born/);
});

test('a replica is not reached, because its primary hears nothing of it, until it is the primary', async (t) => {
  const primary = await startRedis(t);
  if (!primary) return t.skip('there is no redis-server, nor a Debian to fetch it from');
  const replica = await startRedis(t, ['--replicaof', `127.0.0.1 ${primary.port}`]);
  const told = [];
  const served = await open(t, { redis: replica.url, onWarning: (warning) => told.push(warning) });
  while (told.length === 0) await new Promise((go) => setTimeout(go, 20));
  const { code, message } = told[0];
  assert.equal(code, 'redis-lost');
  assert.match(message, new RegExp(`Redis at 127.0.0.1:${replica.port} is not reached \\(it is a replica: name the primary\\)`));
  assert.equal(served.coordinator.stats().isRedisReached, false);
  await command(replica, ['REPLICAOF', 'NO', 'ONE']);
  await met(served, await open(t, { redis: replica.url }));
  assert.deepEqual(
    told.map((each) => each.code),
    ['redis-lost', 'redis-back'],
  );
});

test('a primary that becomes a replica is left for the one to which its name leads by then', async (t) => {
  const redis = await redisFor(t);
  if (!redis) return;
  const promoted = await startRedis(t);
  let named = redis;
  const name = await inPlaceOfRedis(t, (socket) => passOn(named.port)(socket));
  const one = await open(t, { redis: name.url.replace(':secret@', '') });
  const other = await open(t, { redis: promoted.url });
  while (!one.coordinator.stats().isRedisReached) await new Promise((go) => setTimeout(go, 10));
  named = promoted;
  await command(redis, ['REPLICAOF', '127.0.0.1', String(promoted.port)]);
  await met(one, other);
  assert.deepEqual([...one.warnings, ...other.warnings], ['redis-lost', 'redis-back']);
});

test('an old Redis repeats the password in what it refuses, and the log does not', async (t) => {
  const said = '-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `secret`, \r\n';
  const { url } = await inPlaceOfRedis(t, (socket) => socket.on('data', () => socket.write(said)));
  const { code, message } = await new Promise((onWarning) => open(t, { redis: url, onWarning }));
  assert.equal(code, 'redis-lost');
  assert.match(message, /unknown command `HELLO`/);
  assert.doesNotMatch(message, /secret/);
});

test('a coordinator that closes while it connects to Redis leaves no connection', async (t) => {
  const { url, sockets, taken } = await inPlaceOfRedis(t, () => {});
  const { close } = await open(t, { redis: url });
  await close();
  await taken(2);
  await Promise.all(sockets.map((socket) => socket.resume().destroyed || once(socket, 'close')));
});

test('processes of one machine that serve one site without Redis say so, and those that are gone do not count', async (t) => {
  const site = `https://${randomUUID()}.example`;
  const other = async () => {
    const child = fork(new URL('lone-coordinator.mjs', import.meta.url), [site]);
    t.after(() => child.kill());
    const [port] = await once(child, 'message');
    const visitor = new Visitor(`http://127.0.0.1:${port}${SOCKET_PATH}`, { origin: site });
    await visitor.next('welcome');
    return { child, visitor };
  };
  const first = await other();
  const warned = new Promise((told) => {
    open(t, { origins: [site], onWarning: told }).then(({ url }) => new Visitor(url + SOCKET_PATH, { origin: site }));
  });
  const { code, message } = await warned;
  assert.equal(code, 'processes-apart');
  assert.match(message, new RegExp(`process ${first.child.pid} of this machine serves ${site} too.*redis`));
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  assert.deepEqual(new Apart().enter(site), []);
});

test('what processes leave for each other does not grow with forged sites, and goes with them', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-apart-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const script = `import { readdirSync } from 'node:fs';
    import { Apart } from ${JSON.stringify(new URL('../../src/server/apart.js', import.meta.url).href)};
    const apart = new Apart();
    for (let i = 0; i < 1000; i++) apart.enter('https://' + i + '.example');
    const [place] = readdirSync('.');
    const count = readdirSync(place).length;
    apart.leave();
    console.log(count, readdirSync(place).length);`;
  const args = ['--input-type=module', '-e', script];
  const said = execFileSync(process.execPath, args, { cwd: folder, env: { ...process.env, TMPDIR: folder } }).toString();
  const [count, left] = said.split(' ').map(Number);
  assert.equal(count > 0 && count <= 20, true, said);
  assert.equal(left, 0);
});

test('a folder of somebody else is not written to, because what is in it may lead elsewhere', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-apart-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const mine = join(folder, 'mine');
  mkdirSync(mine);
  // No process has this number.
  writeFileSync(join(mine, '99999999'), 'precious');
  const site = `https://${randomUUID()}.example`;
  const place = join(folder, `peer-cdn-${process.getuid?.() ?? 'processes'}`);
  const name = createHash('sha256').update(site).digest('hex').slice(0, 32);
  mkdirSync(join(folder, 'theirs'));
  symlinkSync(mine, join(folder, 'theirs', name));
  symlinkSync(join(folder, 'theirs'), place);
  const script = `import { Apart } from ${JSON.stringify(new URL('../../src/server/apart.js', import.meta.url).href)};
    new Apart().enter(${JSON.stringify(site)});`;
  const args = ['--input-type=module', '-e', script];
  execFileSync(process.execPath, args, { env: { ...process.env, TMPDIR: folder } });
  assert.deepEqual(readdirSync(mine), ['99999999']);
});

test('what is no URL of Redis is refused at once, and its password is not repeated', () => {
  const none = ['localhost:6379', 'http://:secret@localhost', '', 'redis://:secret@localhost/name', 'redis://:secret%@localhost'];
  const cut = ['redis://12:secret?@localhost', 'redis://user:12#secret@localhost', 'redis://user:12?secret@localhost'];
  const nowhere = ['redis://', 'redis:///0', 'redis:6379', 'redis://:secret@'];
  for (const redis of [...none, ...cut, ...nowhere, 'redis://:secret%ff@localhost']) {
    assert.throws(
      () => attach(null, { redis }),
      (error) => error instanceof TypeError && error.code === 'bad-redis-url' && !error.message.includes('secret'),
    );
  }
});

/** What stands in node_modules in place of the package `redis`, and what is told of that. */
const packages = {
  none: [null, /need the package redis in the same node_modules as peer-cdn: npm install redis@latest$/],
  'an older one': [
    { createClient: () => ({ connect() {}, disconnect() {} }) },
    /need version 5 or later of the package redis in the same node_modules as peer-cdn: npm install/,
  ],
};
for (const [name, [found, message]] of Object.entries(packages)) {
  test(`${name} in place of the package redis is told at once, by what helps`, (t) => {
    const load = Module._load;
    t.after(() => (Module._load = load));
    Module._load = (request, ...more) => {
      if (request !== 'redis') return load(request, ...more);
      if (found) return found;
      throw Object.assign(new Error("Cannot find module 'redis'"), { code: 'MODULE_NOT_FOUND' });
    };
    assert.throws(() => attach(null, { redis: 'redis://localhost' }), { code: 'redis-missing', message });
  });
}
