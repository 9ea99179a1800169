// A transfer between two browsers goes on while both of their coordinators end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, sha256 } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';
import { freePort, nginxTool, startRedis } from '../server/debian.mjs';
import { Visitor } from '../server/visitor.mjs';
import { startCoordinator, startNginx, until } from './cluster.mjs';

const film = '/static/film.bin';
const files = { [film]: randomBytes('film', 12_000_001) };
/** Slow enough that coordinators end while it comes. */
const uploadRate = 1_000_000;

const pageOf = (socket) => `import { start } from '/peer-cdn/index.js';
window.peerCdn = await start({ worker: '/sw.js', socket: '${socket}', upload: { bytesPerSecond: ${uploadRate} } });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;

/** In the page: begins to fetch, and keeps how far it is. */
function begin(url) {
  globalThis.got = { bytes: 0, sha256: null, error: null };
  const read = async () => {
    const chunks = [];
    for await (const chunk of (await fetch(url)).body) {
      chunks.push(chunk);
      globalThis.got.bytes += chunk.length;
    }
    const digest = await crypto.subtle.digest('SHA-256', await new Blob(chunks).arrayBuffer());
    globalThis.got.sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  };
  read().catch((error) => (globalThis.got.error = String(error)));
}

test('one coordinator is killed and one drained in mid-transfer, and no byte comes twice or from elsewhere', {
  timeout: 240_000,
}, async (t) => {
  const [redis, nginx] = [await startRedis(t), await nginxTool()];
  if (!redis || !nginx) return t.skip('there is no redis-server or nginx, nor a Debian to fetch them from');
  const { site, chromium } = scene(t);
  const s = await site(files);
  const { origin } = new URL(s.url);
  const ports = [await freePort(), await freePort(), await freePort()];
  const coordinators = await Promise.all(ports.map((port) => startCoordinator(t, { redis: redis.url, port, origin })));
  const url = await startNginx(t, nginx, ports);
  s.write('/page.js', pageOf(url.replace('http', 'ws')));
  await until(async () => (await Promise.all(coordinators.map(({ metric }) => metric('siblings')))).every((each) => each === 2));
  /** The coordinator that the next visitor came to. */
  const joined = async (visit) => {
    const count = () => Promise.all(coordinators.map(({ metric }) => metric('sockets')));
    const before = await count();
    await visit();
    const after = await count();
    return coordinators[after.findIndex((sockets, i) => sockets > before[i])];
  };

  const [first, second] = [await chromium(), await chromium()];
  const one = await joined(() => first.visit(s.url));
  await first.fetch(film);
  // The others' coordinators have heard that somebody has it.
  const watcher = new Visitor(url, { origin });
  const mark = (await s.root(film)).slice(0, 8);
  while (!(await watcher.next('present')).add.includes(mark));
  const two = await joined(() => second.visit(s.url));
  assert.notEqual(one, two);
  s.origin.recede();

  await second.run(begin, film);
  const got = () => second.run(() => globalThis.got);
  await until(async () => (await got()).bytes > 2_000_000);
  await one.kill('SIGKILL');
  two.child.kill('SIGTERM');
  await two.exited;
  const then = await got();
  assert.equal(then.bytes < files[film].length, true, 'the transfer was over before the coordinators were');
  await until(async () => (await got()).sha256 ?? (await got()).error);
  assert.deepEqual(await got(), { bytes: files[film].length, sha256: sha256(files[film]), error: null });
  const { fromPeers, wasted } = await second.sources(film);
  assert.deepEqual([fromPeers, wasted], [files[film].length, 0]);

  // Both are at the one that is left.
  const left = coordinators.find((each) => each !== one && each !== two);
  watcher.socket.terminate();
  await until(async () => (await left.metric('sockets')) === 2);
});
