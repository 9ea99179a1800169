// Servers of Debian, with the libraries that they need, unpacked into build/tools: nothing is installed on anybody's machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { root, run, which } from '../../scripts/run.mjs';

const tools = join(root, 'build/tools');

/** @param {string} folder @param {string[]} packages */
async function unpack(folder, packages) {
  const { code } = await run('apt-get', ['download', ...packages], { cwd: folder });
  if (code !== 0) return false;
  for (const archive of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg', ['-x', archive, '.'], { cwd: folder });
    rmSync(join(folder, archive));
  }
  return true;
}

const libraryPath = (folder) =>
  ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu'].map((part) => join(folder, part)).join(':');

/**
 * A program of a package of Debian's: the machine's own, or one that is fetched once. Null where there is none.
 * @param {string} name of the package
 * @param {string} file the program's place in it
 * @param {string[]} [libraries] packages that it needs and few machines have
 * @returns {Promise<{ path: string, env: Record<string, string> } | null>}
 */
export async function debianTool(name, file, libraries = []) {
  const own = which(file.split('/').at(-1));
  if (own) return { path: own, env: {} };
  const folder = join(tools, name);
  const found = { path: join(folder, file), env: { LD_LIBRARY_PATH: libraryPath(folder) } };
  if (!existsSync(found.path)) {
    // Whole or not at all, whoever else fetches it now.
    const making = `${folder}.${process.pid}`;
    mkdirSync(making, { recursive: true });
    if (!which('apt-get') || !(await unpack(making, [name, ...libraries]))) return null;
    rmSync(folder, { recursive: true, force: true });
    renameSync(making, folder);
  }
  const { code, output } = await run('ldd', [found.path], { env: found.env });
  return code === 0 && !output.includes('not found') ? found : null;
}

/** The machine's own nginx, or Debian's. Null where there is none. */
export const nginxTool = () => debianTool('nginx', 'usr/sbin/nginx', ['libpcre2-8-0', 'libssl3', 'zlib1g']);

/** @returns {Promise<number>} */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Resolves when a site answers there. Vite listens at a port before it serves there, to see whether the port is free, and closes
 * that again: who only connects may meet nobody afterwards.
 * @param {number} port
 */
export async function answering(port) {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
    if (answer) return answer.body?.cancel();
    await new Promise((go) => setTimeout(go, 20));
  }
}

/** Resolves when something listens there. @param {number} port */
export async function listening(port) {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isThere = await new Promise((done) => socket.once('connect', () => done(true)).once('error', () => done(false)));
    socket.destroy();
    if (isThere) return;
    await new Promise((go) => setTimeout(go, 20));
  }
}

/**
 * A process that a test started, killed when the test ends. `exited` resolves when it is gone.
 * @param {import('node:test').TestContext} t
 * @param {{ path: string, env?: Record<string, string> }} tool
 * @param {string[]} args
 * @param {{ cwd?: string, asGroup?: boolean }} [options] `asGroup`: what it starts itself (npm, nginx) is killed with it
 */
export function start(t, { path, env = {} }, args, { cwd, asGroup = false } = {}) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn(path, args, { cwd, env: { ...process.env, ...env }, stdio, detached: asGroup });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const exited = once(child, 'exit');
  const kill = async (signal = 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) process.kill(asGroup ? -child.pid : child.pid, signal);
    await exited;
  };
  t.after(() => kill());
  return { child, exited, kill, output: () => output };
}

/**
 * A Redis on a free port, or null where there is none. It keeps nothing.
 * @param {import('node:test').TestContext} t
 * @param {string[]} [more] arguments
 */
export async function startRedis(t, more = []) {
  const tool = await debianTool('redis-server', 'usr/bin/redis-server', ['redis-tools', 'libjemalloc2', 'liblzf1']);
  if (!tool) return null;
  const port = await freePort();
  // What a replica copies is a file until it has read it.
  const nothingKept = ['--save', '', '--appendonly', 'no', '--rdb-del-sync-files', 'yes'];
  const open = async () => {
    const redis = start(t, tool, ['--port', String(port), '--bind', '127.0.0.1', ...nothingKept, ...more]);
    await listening(port);
    return redis;
  };
  return { url: `redis://127.0.0.1:${port}`, port, open, redis: await open() };
}
