// Three coordinators of the command line on a real Redis, behind a real nginx that sends each socket to the next of them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'redis';
import { SOCKET_PATH } from '../../build/border.js';
import { freePort, nginxTool, startRedis } from '../server/debian.mjs';
import { rootOf, Visitor } from '../server/visitor.mjs';
import { startCoordinator, startNginx, until } from './cluster.mjs';

const origin = 'https://a.example';
const film = rootOf('film');

/** A way to Redis that can be split: what comes is kept, and no connection is closed. */
async function lineTo(t, port) {
  const pairs = [];
  let isSplit = false;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    pairs.push([near, far]);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      from.pipe(to);
      if (isSplit) from.pause();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const split = (is) => {
    isSplit = is;
    for (const socket of pairs.flat()) is ? socket.unpipe() && socket.pause() : socket.destroy();
    if (!is) pairs.splice(0);
  };
  return { url: `redis://127.0.0.1:${server.address().port}`, split };
}

/** A page: it comes back under its number, with its pairs, as src/signal/client.cpp does. */
class Page {
  /** Those to whom signals go now. */
  introduced = new Set();
  /** Those with whom it has a connection, which no coordinator's end breaks. */
  pairs = new Set();
  number = 0;
  #heard = new Set();
  #isOver = false;

  constructor(url, browser) {
    this.url = url;
    this.browser = browser;
    this.#open();
  }

  #open() {
    if (this.#isOver) return;
    this.introduced.clear();
    const again = this.number ? { peer: this.number, peers: [...this.pairs] } : {};
    const visitor = new Visitor(this.url, { origin, browser: this.browser, again });
    this.visitor = visitor;
    visitor.socket.on('message', (data) => this.#take(JSON.parse(data)));
    visitor.socket.on('error', () => {});
    visitor.socket.on('close', () => setTimeout(() => this.#open(), 200));
  }

  #take({ type, peer, roots, candidate }) {
    if (type === 'welcome') {
      this.number = peer;
      this.say({ type: 'have', add: [film], remove: [] });
    } else if (type === 'introduce' || type === 'resume') {
      this.introduced.add(peer);
      this.pairs.add(peer);
    } else if (type === 'gone') {
      this.introduced.delete(peer);
    } else if (type === 'signal') {
      this.#heard.add(candidate.candidate);
    } else if (type === 'answer' && roots.length > 0) {
      this.answers = (this.answers ?? 0) + 1;
    }
  }

  say(message) {
    if (this.visitor.socket.readyState === 1) this.visitor.say(message);
  }
  ask() {
    this.say({ type: 'ask', roots: [film] });
  }
  hears(text) {
    return this.#heard.has(text);
  }
  close() {
    this.#isOver = true;
    this.visitor.socket.terminate();
  }
}

test('coordinators at different nodes of a Redis Cluster are one', { timeout: 120_000 }, async (t) => {
  const nodes = [];
  for (const slots of [
    [0, 8000],
    [8001, 16383],
  ]) {
    const busPort = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-redis-'));
    const node = await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--dir', folder]);
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    if (!node) return t.skip('there is no redis-server, nor a Debian to fetch it from');
    const client = createClient({ url: node.url, socket: { reconnectStrategy: false } }).on('error', () => {});
    await client.connect();
    t.after(() => client.destroy());
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', ...slots.map(String)]);
    nodes.push({ ...node, busPort, client });
  }
  await nodes[0].client.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(nodes[1].port), String(nodes[1].busPort)]);
  await until(async () => String(await nodes[0].client.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok'));
  const ports = [await freePort(), await freePort()];
  const coordinators = await Promise.all(ports.map((port, i) => startCoordinator(t, { redis: nodes[i].url, port, origin })));
  await until(async () => (await Promise.all(coordinators.map(({ metric }) => metric('siblings')))).every((each) => each === 1));
  const pages = ports.map((port, i) => new Page(`http://127.0.0.1:${port}${SOCKET_PATH}`, `visitor ${i}`));
  t.after(() => pages.forEach((page) => page.close()));
  await until(() => {
    pages[0].ask();
    return pages.every((page) => page.introduced.size === 1);
  });
  assert.equal(await reachAll(pages), 2);
});

let texts = 0;
/** Resolves when each pair can signal both ways. */
async function reachAll(pages) {
  const byNumber = new Map(pages.map((page) => [page.number, page]));
  const ways = pages.flatMap((from) => [...from.pairs].map((number) => [from, byNumber.get(number)]));
  await Promise.all(
    ways.map(async ([from, to]) => {
      const text = `candidate:${texts++}`;
      await until(() => {
        const candidate = { candidate: text, sdpMid: '0', sdpMLineIndex: 0 };
        if (from.introduced.has(to.number)) from.say({ type: 'signal', peer: to.number, candidate });
        return to.hears(text);
      });
    }),
  );
  return ways.length;
}

test('whatever ends of three coordinators, Redis and the way to it, every pair can signal again', {
  timeout: 240_000,
}, async (t) => {
  const redis = await startRedis(t);
  const nginx = await nginxTool();
  if (!redis || !nginx) return t.skip('there is no redis-server or nginx, nor a Debian to fetch them from');
  const line = await lineTo(t, redis.port);
  const ports = [await freePort(), await freePort(), await freePort()];
  const urls = [redis.url, redis.url, line.url];
  const coordinators = await Promise.all(ports.map((port, i) => startCoordinator(t, { redis: urls[i], port, origin })));
  const siblings = (count) =>
    until(async () => (await Promise.all(coordinators.map(({ metric }) => metric('siblings')))).every((each) => each === count));
  await siblings(2);
  const url = await startNginx(t, nginx, ports);

  const pages = [];
  for (let i = 0; i < 9; i++) {
    pages.push(new Page(url, `visitor ${i}`));
    await pages[i].visitor.opened;
  }
  t.after(() => pages.forEach((page) => page.close()));
  for (const { metric } of coordinators) assert.equal(await metric('sockets'), 3);
  // Nobody has more than three at its own coordinator, and each asks for four.
  await until(() => {
    for (const page of pages) if (page.introduced.size < 4) page.ask();
    return pages.every((page) => page.introduced.size >= 4);
  });
  const numbers = pages.map(({ number }) => number);
  assert.equal((await reachAll(pages)) >= 36, true);

  await t.test('one is killed', async () => {
    await coordinators[1].kill('SIGKILL');
    assert.equal((await reachAll(pages)) >= 36, true);
    coordinators[1] = await startCoordinator(t, { redis: redis.url, port: ports[1], origin });
    await siblings(2);
  });

  await t.test('one is drained', async () => {
    coordinators[0].child.kill('SIGTERM');
    await coordinators[0].exited;
    assert.equal(coordinators[0].child.exitCode, 0);
    assert.equal((await reachAll(pages)) >= 36, true);
    coordinators[0] = await startCoordinator(t, { redis: redis.url, port: ports[0], origin });
    await siblings(2);
  });

  await t.test('Redis stops and starts', async () => {
    await redis.redis.kill();
    await siblings(0);
    await redis.open();
    await siblings(2);
    assert.equal((await reachAll(pages)) >= 36, true);
  });

  await t.test('one is split from Redis, and no connection says so', async () => {
    line.split(true);
    await until(async () => (await coordinators[2].metric('redis_reached')) === 0);
    await until(async () => (await coordinators[0].metric('siblings')) === 1);
    line.split(false);
    await siblings(2);
    assert.equal((await reachAll(pages)) >= 36, true);
  });

  await t.test('one is held up for longer than the others wait for it', async () => {
    coordinators[1].child.kill('SIGSTOP');
    await until(async () => (await coordinators[0].metric('siblings')) === 1);
    coordinators[1].child.kill('SIGCONT');
    await siblings(2);
    assert.equal((await reachAll(pages)) >= 36, true);
  });

  assert.deepEqual(
    pages.map(({ number }) => number),
    numbers,
  );
});
