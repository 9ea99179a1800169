// The plugin in real Vite: a dev server and a build, each with two visitors in browsers; and beside vite-plugin-pwa.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build, createLogger, createServer, preview } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';
import { WebSocket } from 'ws';
import { root, run } from '../../scripts/run.mjs';
import { examine } from '../../src/server/doctor/index.js';
import { randomBytes, sha256 } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';
import { userFolder } from './folder.mjs';

const model = randomBytes('vite', 4_000_000);
const site = {
  'index.html': '<!doctype html><script type="module" src="/src/main.js"></script>',
  'src/main.js': `import { start } from 'peer-cdn';
    window.peerCdn = await start({ worker: \`\${import.meta.env.BASE_URL}sw.js\` });
    window.fromPeers = new Promise((resolve) => window.peerCdn.addEventListener('transfer', ({ detail }) => {
      if (detail.done) resolve(detail.fromPeers);
    }));
    document.documentElement.dataset.state = window.peerCdn.active ? 'ready' : 'off';`,
  'public/static/model.bin': model,
};

/** Sends the model at 4 MB/s, so that peers are sooner: where the origin is the same machine nobody needs them. */
function slowOrigin(base) {
  const use = ({ middlewares }) => {
    middlewares.use(`${base}static/model.bin`, async (request, response) => {
      const [, first = 0, last = model.length - 1] = request.headers.range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
      const [from, to] = [Number(first), Math.min(Number(last || model.length - 1), model.length - 1)];
      response.writeHead(request.headers.range ? 206 : 200, {
        'content-type': 'application/octet-stream',
        'content-length': to - from + 1,
        ...(request.headers.range && { 'content-range': `bytes ${from}-${to}/${model.length}` }),
      });
      for (let at = from; at <= to && !response.destroyed; at += 65_536) {
        response.write(model.subarray(at, Math.min(at + 65_536, to + 1)));
        await new Promise((resolve) => setTimeout(resolve, 16));
      }
      response.end();
    });
  };
  return { name: 'slow-origin', configureServer: use, configurePreviewServer: use };
}

/** The plugin as the user's folder has it. */
async function pluginOf(folder) {
  return (await import(pathToFileURL(path.join(folder, 'node_modules/peer-cdn/dist/vite.js')))).default;
}

/** The doctor finds nothing wrong, and the second visitor's bytes come from the first. */
async function share(t, url, file) {
  const { findings } = await examine(url);
  const wrong = findings.filter((each) => each.state === 'wrong');
  assert.deepEqual(wrong, []);
  for (const check of ['page script', 'worker', 'scope', 'routes', 'files', 'coordinator']) {
    assert.equal(findings.find((each) => each.check === check).state, 'right', check);
  }
  const { chromium } = scene(t);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(url);
  assert.equal((await first.fetch(file)).sha256, sha256(model));
  await second.visit(url);
  assert.equal((await second.fetch(file)).sha256, sha256(model));
  const fromPeers = await second.run(() => window.fromPeers);
  assert.ok(fromPeers > model.length / 2, `${fromPeers} bytes from peers`);
  // Vite has put the engine's script where ours finds it.
  assert.equal(await second.run(() => window.peerCdn.stats.engine), 'worker');
}

test('in dev all is served by the dev server', { timeout: 240_000 }, async (t) => {
  const folder = await userFolder(t, site);
  const peerCdn = await pluginOf(folder);
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'warn',
    plugins: [slowOrigin('/'), peerCdn()],
    server: { port: 0, host: '127.0.0.1' },
  });
  t.after(() => server.close());
  await server.listen();
  const { port } = server.httpServer.address();
  await share(t, `http://localhost:${port}/`, '/static/model.bin');
  // Vite's own socket is beside ours.
  const socket = new WebSocket(`ws://localhost:${port}/?token=${server.config.webSocketToken}`, 'vite-hmr');
  t.after(() => socket.close());
  await new Promise((resolve, reject) => {
    socket.onmessage = resolve;
    socket.onerror = () => reject(new Error("Vite's own socket does not open"));
  });
});

test('a build has all that is needed, below its base', { timeout: 240_000 }, async (t) => {
  const folder = await userFolder(t, site);
  const peerCdn = await pluginOf(folder);
  const config = {
    root: folder,
    base: '/shop/',
    configFile: false,
    logLevel: 'warn',
    plugins: [slowOrigin('/shop/'), peerCdn()],
    preview: { port: 0, host: '127.0.0.1' },
  };
  await build(config);
  const { digests, resources } = JSON.parse(fs.readFileSync(path.join(folder, 'dist/peer-cdn.json'), 'utf8'));
  assert.deepEqual([digests, Object.keys(resources)], ['/shop/peer-cdn/digests/', ['/shop/static/model.bin']]);
  const server = await preview(config);
  t.after(() => server.close());
  const { port } = server.httpServer.address();
  await share(t, `http://localhost:${port}/shop/`, '/shop/static/model.bin');
});

const icon = '<svg xmlns="http://www.w3.org/2000/svg"/>';

test("beside vite-plugin-pwa's injectManifest one import in the user's own worker is enough", { timeout: 240_000 }, async (t) => {
  const own = `import PeerCDN from 'peer-cdn/sw';
    const network = new PeerCDN.NetworkPlugin();
    new PeerCDN().GET('/static', PeerCDN.strategies.ordered, network.getMiddleware).register();
    console.log(self.__WB_MANIFEST);`;
  const folder = await userFolder(t, { ...site, 'src/sw.js': own, 'public/static/icon.svg': icon });
  const peerCdn = await pluginOf(folder);
  const { warned, customLogger } = logger();
  const pwa = VitePWA({
    strategies: 'injectManifest',
    srcDir: 'src',
    filename: 'sw.js',
    injectManifest: { globPatterns: ['**/*.{js,html,svg}'] },
  });
  await build({ root: folder, configFile: false, customLogger, plugins: [peerCdn({ worker: false }), pwa] });
  const worker = fs.readFileSync(path.join(folder, 'dist/sw.js'), 'utf8');
  assert.match(worker, /x-peer-cdn/);
  assert.equal(warned.length, 1, warned.join('\n'));
  assert.match(warned[0], /precached-too: 1 listed files .*\/static\/icon\.svg/);
});

test('beside generateSW the worker of Workbox stays as it is', { timeout: 240_000 }, async (t) => {
  const folder = await userFolder(t, site);
  const peerCdn = await pluginOf(folder);
  const { warned, customLogger } = logger();
  const pwa = VitePWA({ workbox: { importScripts: ['/peer-cdn/sw.js', '/cdn.js'] } });
  await build({ root: folder, configFile: false, customLogger, plugins: [peerCdn(), pwa] });
  assert.match(fs.readFileSync(path.join(folder, 'dist/sw.js'), 'utf8'), /workbox/);
  assert.ok(fs.existsSync(path.join(folder, 'dist/peer-cdn/sw.js')));
  assert.deepEqual(warned, []);
});

test("the plugin fits Vite's own types", { timeout: 120_000 }, async (t) => {
  const config = `import { defineConfig } from 'vite';
    import peerCdn from 'peer-cdn/vite';
    export default defineConfig({ plugins: [peerCdn({ include: ['*.js'], worker: false })] });`;
  const folder = await userFolder(t, { 'vite.config.ts': config });
  fs.rmSync(path.join(folder, 'node_modules/@types'), { force: true });
  fs.symlinkSync(path.join(root, 'node_modules/@types'), path.join(folder, 'node_modules/@types'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  const { code, output } = await run(
    process.execPath,
    [path.join(root, 'node_modules/typescript/bin/tsc'), ...options, 'vite.config.ts'],
    { cwd: folder },
  );
  assert.equal(code, 0, output);
});

/** What the plugin warns of in Vite's log. */
function logger() {
  const warned = [];
  const warn = (text) => text.startsWith('peer-cdn: ') && warned.push(text);
  return { warned, customLogger: { ...createLogger('silent'), warn } };
}

test('what the plugin cannot do is said', { timeout: 120_000 }, async (t) => {
  const folder = await userFolder(t, { 'index.html': '<!doctype html>' });
  const peerCdn = await pluginOf(folder);
  const said = async (work, config) => {
    const { warned, customLogger } = logger();
    await work({ root: folder, configFile: false, customLogger, plugins: [peerCdn()], ...config });
    return warned.join('\n');
  };
  const develop = async (config) => (await createServer({ server: { middlewareMode: true, ws: false }, ...config })).close();
  assert.match(await said(develop, {}), /no server of its own/);
  assert.match(await said(build, { base: './' }), /with base '\.\/'.*start\(\{ worker: '\/sw\.js' \}\)/);
  assert.match(await said(build, { base: 'https://cdn.example/x/' }), /names a host/);
});
