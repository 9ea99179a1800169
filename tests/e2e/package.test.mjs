// The package as users get it: packed, installed into an empty folder, imported, typed, and serving two browsers.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { patientWorker, randomBytes, sha256, until, within } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const repository = path.resolve(import.meta.dirname, '../..');
const execute = promisify(execFile);
const npm = (args, cwd) => execute('npm', [...args, '--loglevel=error'], { cwd, timeout: 120_000, maxBuffer: 1 << 26 });

const program = `
import type { PeerPlugin } from 'peer-cdn';
import { start, CachePlugin } from 'peer-cdn';
import PeerCDN from 'peer-cdn/sw';
import { attach, serve, handler } from 'peer-cdn/server';
import { createServer } from 'node:http';
export async function page(): Promise<PeerPlugin> {
  const name: string = CachePlugin.peerFetch + 1;
  return start({ worker: '/sw.js', cacheName: name });
}
export function worker() {
  const cache = new PeerCDN.CachePlugin({ version: 1 });
  const cdn = new PeerCDN();
  cdn.GET('/static', PeerCDN.strategies.ordered, cache.getMiddleware);
  cdn.register();
}
export async function server() {
  const http = createServer(handler('site'));
  await attach(http).close();
  return (await serve('site', { port: 0 })).url;
}
`;

test('packed and installed: imports, types, the command, and two browsers that exchange a file', {
  timeout: 240_000,
}, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-package-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  // The build is there: `npm test` makes it first.
  const { stdout } = await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], repository);
  const [packed] = Object.values(JSON.parse(stdout));
  const names = packed.files.map((file) => file.path);
  for (const name of names)
    assert.match(
      name,
      /^(dist\/|docs\/|deploy\/|package\.json$|README\.md$|LICENSE$|THIRD_PARTY_NOTICES$|CHANGELOG\.md$)/,
      `${name} is of no use to a user`,
    );
  for (const name of [
    'dist/browser/sw.js',
    'dist/browser/sw.mjs',
    'dist/browser/index.js',
    'dist/browser/page.js',
    'dist/browser/engine.js',
    'dist/server.js',
    'dist/cli.js',
    'dist/index.d.ts',
    'dist/sw.d.ts',
    'dist/server.d.ts',
    'LICENSE',
    'README.md',
  ]) {
    assert.ok(names.includes(name), `${name} is missing`);
  }

  fs.writeFileSync(path.join(folder, 'package.json'), '{"name": "a-site", "private": true, "type": "module"}');
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', path.join(folder, packed.filename)], folder);

  // Importing never throws, not even where there is no browser.
  fs.writeFileSync(
    path.join(folder, 'imports.mjs'),
    `
    import * as page from 'peer-cdn';
    import PeerCDN from 'peer-cdn/sw';
    import * as server from 'peer-cdn/server';
    const names = (object) => Object.keys(object).sort();
    console.log(JSON.stringify([names(page), typeof PeerCDN, names(PeerCDN.strategies), typeof server.attach]));`,
  );
  const imported = await execute(process.execPath, ['imports.mjs'], { cwd: folder, timeout: 30_000 });
  const [page, worker, strategies, attach] = JSON.parse(imported.stdout);
  assert.ok(
    ['CachePlugin', 'PeerPlugin', 'start'].every((name) => page.includes(name)),
    page.join(),
  );
  assert.equal(worker, 'function');
  assert.ok(['fastest', 'ordered'].every((name) => strategies.includes(name)));
  assert.equal(attach, 'function');

  fs.writeFileSync(path.join(folder, 'program.ts'), program);
  fs.symlinkSync(path.join(repository, 'node_modules/@types'), path.join(folder, 'node_modules/@types'));
  await execute(
    process.execPath,
    [
      path.join(repository, 'node_modules/typescript/bin/tsc'),
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      'false',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2023,dom,dom.iterable,webworker.importscripts',
      '--types',
      'node',
      'program.ts',
    ],
    { cwd: folder, timeout: 120_000 },
  ).catch((error) => assert.fail(`types: ${error.stdout}${error.stderr}`));

  const bytes = randomBytes('package', 4_000_000);
  fs.mkdirSync(path.join(folder, 'site/static'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'site/static/model.bin'), bytes);
  fs.writeFileSync(path.join(folder, 'site/sw.js'), patientWorker());
  fs.writeFileSync(
    path.join(folder, 'site/page.js'),
    `import { start } from '/peer-cdn/index.js';
    window.peerCdn = await start({ worker: '/sw.js' });
    document.documentElement.dataset.state = window.peerCdn.active ? 'ready' : 'off';`,
  );
  fs.writeFileSync(path.join(folder, 'site/index.html'), '<!doctype html><script type="module" src="/page.js"></script>');
  const server = spawn(path.join(folder, 'node_modules/.bin/peer-cdn'), ['serve', 'site', '--port', '0'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => server.kill('SIGKILL'));
  let said = '';
  server.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  const url = await until('the server says where it is', () => /http:\/\/\S+/.exec(said)?.[0].replace(/\/$/, ''));
  assert.equal(said.trim().split('\n').length, 1, 'one line');

  const { chromium } = scene(t);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(url);
  assert.equal((await first.fetch('/static/model.bin')).sha256, sha256(bytes));
  await second.visit(url);
  const got = await until('the second visitor gets it from the first', async () => {
    const answer = await second.fetch('/static/model.bin');
    return answer.sha256 === sha256(bytes) && answer;
  });
  assert.equal(got.error, null);
  const from = await second.sources('/static/model.bin');
  // The origin is the command itself, on this machine: where peers are late, it may give a piece.
  assert.ok(from.fromPeers > 0, JSON.stringify(from));

  server.kill('SIGTERM');
  await within('a clean shutdown', 60_000, once(server, 'exit'));
  assert.equal(server.exitCode, 0);
});
