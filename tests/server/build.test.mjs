// `import { build } from 'peer-cdn/build'`: what a built folder gets beside its own files. It imports the package by its name.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { MANIFEST_PATH } from '../../build/border.js';
import { build, workerText } from '../../src/server/build.js';
import { handler } from '../../src/server/index.js';
import peerCdn from '../../src/server/vite.js';
import { bytesOf, makeFolder } from './folder.mjs';

test('a folder gets manifest, lists, scripts and a worker for its base', async (t) => {
  const folder = makeFolder(t, { 'static/a.bin': bytesOf('a', 600_000), 'app.js': 'js' });
  const { files, bytes, doubled, manifest } = await build(folder, { base: '/shop/' });
  assert.deepEqual([files, bytes, doubled], [1, 600_000, []]);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, MANIFEST_PATH), 'utf8')), manifest);
  assert.deepEqual(Object.keys(manifest.resources), ['/shop/static/a.bin']);
  for (const name of ['sw.js', 'index.js']) assert(existsSync(join(folder, 'peer-cdn', name)));
  assert.equal(readFileSync(join(folder, 'sw.js'), 'utf8'), workerText('/shop/'));
  // Once more, over what is there: the same.
  assert.deepEqual((await build(folder, { base: '/shop/' })).manifest, manifest);
});

test('the worker that is written takes what is below its base', () => {
  const calls = [];
  class Plugin {
    getMiddleware = this.constructor.name;
  }
  class CachePlugin extends Plugin {}
  class DelegatePlugin extends Plugin {}
  class NetworkPlugin extends Plugin {}
  class PeerCDN {
    constructor(options) {
      calls.push(JSON.stringify(options));
    }
    GET(...route) {
      calls.push(route.join(' '));
    }
    register() {
      calls.push('register');
    }
  }
  Object.assign(PeerCDN, { CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered: 'ordered' } });
  runInNewContext(workerText('/a "b"/'), { importScripts: (path) => calls.push(path), PeerCDN });
  assert.deepEqual(calls, [
    './peer-cdn/sw.js',
    '{"manifest":"/a \\"b\\"/peer-cdn.json"}',
    '/a "b"/ ordered CachePlugin DelegatePlugin NetworkPlugin',
    'register',
  ]);
});

test("a site's own worker stays, and none is written where it is to bring its own", async (t) => {
  const own = makeFolder(t, { 'sw.js': 'own' });
  await build(own);
  assert.equal(readFileSync(join(own, 'sw.js'), 'utf8'), 'own');
  const bundled = makeFolder(t, { 'a.bin': 'a' });
  await build(bundled, { worker: false });
  assert(!existsSync(join(bundled, 'sw.js')));
});

test('a worker that a build wrote for another base is written for this one', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  for (const base of ['/', '/a "b"/', '/shop/']) {
    await build(folder, { base });
    assert.equal(readFileSync(join(folder, 'sw.js'), 'utf8'), workerText(new URL(base, 'http://host').pathname));
  }
  const changed = `${workerText('/')}self.addEventListener('push', () => {});\n`;
  writeFileSync(join(folder, 'sw.js'), changed);
  await build(folder, { base: '/shop/' });
  assert.equal(readFileSync(join(folder, 'sw.js'), 'utf8'), changed);
});

test('a worker in a folder of its own finds our script, and its folder is made', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  for (const [worker, file, script] of [
    ['/sw.js', 'sw.js', './peer-cdn/sw.js'],
    ['./js/sw.js', 'js/sw.js', '../peer-cdn/sw.js'],
    ['js/a/sw.js', 'js/a/sw.js', '../../peer-cdn/sw.js'],
  ]) {
    await build(folder, { worker });
    const [line] = readFileSync(join(folder, file), 'utf8').split('\n');
    assert.equal(line, `importScripts('${script}');`);
  }
});

test("Vite's dev server answers for the worker however it is named", (t) => {
  const root = makeFolder(t, { 'a.bin': 'a' });
  const logger = { info() {}, warn() {} };
  for (const [worker, url, script] of [
    ['/sw.js', '/sw.js?v=1', './peer-cdn/sw.js'],
    ['./sw.js', '/sw.js', './peer-cdn/sw.js'],
    ['js/sw.js', '/js/sw.js', '../peer-cdn/sw.js'],
  ]) {
    const plugin = peerCdn({ worker });
    plugin.configResolved({ base: '/', root, publicDir: '', build: { outDir: 'dist', ssr: false }, logger });
    let middleware;
    plugin.configureServer({ middlewares: { use: (_, each) => (middleware = each) }, httpServer: null });
    const sent = [];
    const response = { writeHead: () => response, end: (text) => sent.push(text), removeHeader() {} };
    middleware({ url, headers: {} }, response, () => sent.push('next'));
    assert.equal(sent.join().split('\n', 1)[0], `importScripts('${script}');`);
  }
});

/** Vite builds an environment: what its plugin does there. */
async function buildIn(plugin, environment) {
  const hook = environment ? { environment: { config: environment } } : {};
  plugin.writeBundle.call(hook);
  await plugin.closeBundle.handler.call(hook);
}

test("of a framework's build with Vite only what browsers get is written to, wherever that is", async (t) => {
  const root = makeFolder(t, { 'out/client/a.bin': 'a', 'out/server/b.bin': 'b' });
  const logger = { info() {}, warn() {} };
  // SvelteKit writes no dist/, and Astro calls the whole of it the server's.
  for (const ssr of [false, true]) {
    const plugin = peerCdn();
    plugin.configResolved({ base: '/', root, publicDir: '', build: { outDir: 'dist', ssr }, logger });
    await buildIn(plugin, { consumer: 'server', build: { outDir: 'out/server', ssr: true } });
    assert(!existsSync(join(root, 'out/server', MANIFEST_PATH)));
    await buildIn(plugin, { consumer: 'client', build: { outDir: 'out/client', ssr: false } });
    const manifest = join(root, 'out/client', MANIFEST_PATH);
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(manifest, 'utf8')).resources), ['/a.bin']);
    rmSync(manifest);
  }
  // Before Vite 6 a build wrote one folder.
  for (const [outDir, ssr] of Object.entries({ 'out/client': false, 'out/server': true })) {
    const plugin = peerCdn();
    plugin.configResolved({ base: '/', root, publicDir: '', build: { outDir, ssr }, logger });
    await buildIn(plugin);
    assert.equal(existsSync(join(root, outDir, MANIFEST_PATH)), !ssr);
  }
});

test("the plugin's base goes before Vite's, and what it does not read is no option of it", async (t) => {
  const root = makeFolder(t, { 'dist/a.bin': 'a' });
  const warned = [];
  const logger = { info() {}, warn: (text) => warned.push(text) };
  const plugin = peerCdn({ base: '/shop' });
  plugin.configResolved({ base: './', root, publicDir: '', build: { outDir: 'dist', ssr: false }, logger });
  await buildIn(plugin);
  const { resources } = JSON.parse(readFileSync(join(root, 'dist', MANIFEST_PATH), 'utf8'));
  assert.deepEqual([Object.keys(resources), warned], [['/shop/a.bin'], []]);
  assert.throws(() => peerCdn({ onWarning() {} }), { code: 'bad-option' });
});

test('builds of one folder at once do not take away what the others write', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 600_000), 'b.bin': bytesOf('b', 600_000) });
  const all = await Promise.all(Array.from({ length: 8 }, () => build(folder)));
  assert.deepEqual(
    all.map(({ files }) => files),
    all.map(() => 2),
  );
  assert.deepEqual(
    readdirSync(join(folder, 'peer-cdn/digests')).sort(),
    Object.values(all[0].manifest.resources)
      .map(({ root }) => root)
      .sort(),
  );
});

test('a build of which nothing is listed says so', async (t) => {
  const told = [];
  const folder = makeFolder(t, { 'index.html': '<!doctype html>', 'assets/main.js': 'start();' });
  const { files } = await build(folder, { onWarning: ({ code }) => told.push(code) });
  assert.deepEqual([files, told], [0, ['nothing-listed']]);
});

test('what a precache list of Workbox has too is named', async (t) => {
  const precache =
    's.precacheAndRoute([{url:"a.png",revision:"1"},{"revision":null,"url":"/x/b.png"},{url:"index.html",revision:"2"}],{});';
  const folder = makeFolder(t, { 'sw.js': precache, 'a.png': 'a', 'b.png': 'b', 'c.png': 'c' });
  const warnings = [];
  const { doubled } = await build(folder, { base: '/x/', onWarning: (warning) => warnings.push(warning) });
  assert.deepEqual(doubled, ['/x/a.png', '/x/b.png']);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['precached-too'],
  );
});

test('a script with text that looks like an entry of a precache list is no reason to fail', async (t) => {
  const script = 'add({url:"https://"+host,revision:r});add({url:"https://[",revision:r})';
  const folder = makeFolder(t, { 'sw.js': script, 'a.png': 'a' });
  const { files, doubled } = await build(folder);
  assert.deepEqual([files, doubled], [1, []]);
});

test('a handler that a router has mounted answers below its base', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 600_000) });
  const handle = handler(folder, { base: '/shop/' });
  const server = createServer((request, response) => {
    request.url = request.url.replace(/^\/shop/, '');
    handle(request, response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const get = (path) => fetch(`http://localhost:${server.address().port}${path}`, { headers: { connection: 'close' } });
  const { digests, resources } = await (await get(`/shop${MANIFEST_PATH}`)).json();
  const [[path, { root }]] = Object.entries(resources);
  assert.deepEqual([path, digests], ['/shop/a.bin', '/shop/peer-cdn/digests/']);
  for (const each of [path, digests + root]) assert.equal((await get(each)).status, 200);
});
