// From an empty folder with nothing but the README and docs/deploying.md: plain HTML, Express with helmet, Vite, plain HTML
// behind nginx with the coordinator apart, and a PWA plugin's app that goes offline and is deployed anew. Each is timed, and
// ends with a second visitor's bytes from the first and a doctor who finds nothing wrong.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, run, seconds } from '../../scripts/run.mjs';
import { randomBytes, sha256, until } from '../e2e/harness/index.mjs';
import { answering, freePort, listening, nginxTool, start } from '../server/debian.mjs';
import { userFolder } from './folder.mjs';
import { inFront, isRight, share } from './two-visitors.mjs';

/** What the README promises is a matter of minutes: with the package's installation and both browsers. */
const timeout = 5 * 60_000;
const readme = ['README.md', 'docs/deploying.md'].map((file) => fs.readFileSync(path.join(root, file), 'utf8')).join('\n');

/** A block of the README or the guide, by what is in it. */
function block(language, part) {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text);
  const found = blocks.find((text) => text.includes(part));
  assert.ok(found, `there is a block with ${part}`);
  return found;
}

/** A command of the README: `npx peer-cdn ...` with its arguments, without its comment. */
function command(begin) {
  const line = readme.split('\n').find((each) => each.startsWith(begin));
  assert.ok(line, `there is a line with ${begin}`);
  return line.replace(/\s+#.*$/, '').split(' ');
}

const model = randomBytes('readme', 3_000_000);
const modelPath = '/static/model.bin';
const state = "document.documentElement.dataset.state = peers.active ? 'ready' : 'off';";
// A STUN server that is an example answers nobody.
const page = block('js', "worker: '/sw.js'").replace(/, servers: \{.*\}\] \}/, '');
const site = {
  'site/index.html': `<!doctype html><script type="module" src="/page.js"></script>`,
  'site/page.js': `${page.replace("'peer-cdn'", "'/peer-cdn/index.js'")}${state}`,
  'site/sw.js': block('js', 'importScripts'),
  [`site${modelPath}`]: model,
};

/** @param {string} folder */
const commandIn = (folder) => path.join(folder, 'node_modules/.bin/peer-cdn');

/** The scripts of a folder that is served as it is, and its manifest: the README's two lines. */
async function prepare(folder) {
  const [copy, ...copied] = command('cp -r node_modules/peer-cdn');
  for (const [name, args] of [
    [copy, copied],
    [commandIn(folder), command('npx peer-cdn manifest site').slice(2)],
  ]) {
    const { code, output } = await run(name, args, { cwd: folder });
    assert.equal(code, 0, output);
  }
}

/** Loads the model as a page would. */
async function load(visitor, url, bytes = model) {
  await visitor.visit(url);
  assert.equal((await visitor.fetch(modelPath)).sha256, sha256(bytes));
}

/** Doctor and two visitors, at a server that answers at `port` or soon will. */
async function works(t, port, outerPort, began) {
  await answering(port);
  const origin = await inFront(t, port, outerPort);
  await isRight(origin.url);
  const visitors = await share(t, origin, (visitor) => load(visitor, origin.url));
  t.diagnostic(`${seconds(began)} from an empty folder to the second visitor's bytes`);
  return { origin, visitors };
}

test('plain HTML, by peer-cdn serve', { timeout }, async (t) => {
  const began = performance.now();
  const folder = await userFolder(t, site);
  const [port, outerPort] = [await freePort(), await freePort()];
  const args = command('npx peer-cdn serve').slice(2);
  start(t, { path: commandIn(folder) }, [...args, '--port', String(port)], { cwd: folder });
  await works(t, port, outerPort, began);
});

test('plain HTML behind nginx, the coordinator a process of its own', { timeout }, async (t) => {
  const nginx = await nginxTool();
  if (!nginx) return t.skip('nginx is not to be had here');
  const began = performance.now();
  const folder = await userFolder(t, site);
  await prepare(folder);
  const [port, outerPort, socketPort] = [await freePort(), await freePort(), await freePort()];
  const types = 'text/html html; text/javascript js mjs; application/json json;';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  fs.writeFileSync(
    path.join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log stderr; events {}
    http { types { ${types} } default_type application/octet-stream; access_log off; ${temporary.join(' ')}
      server { listen 127.0.0.1:${port}; root ${folder}/site;
        ${block('nginx', 'proxy_pass').replace('8081', String(socketPort))} } }`,
  );
  // Workers of nginx that root starts are somebody else.
  fs.chmodSync(folder, 0o755);
  start(t, nginx, ['-p', folder, '-c', path.join(folder, 'nginx.conf')], { asGroup: true });
  const args = command('npx peer-cdn coordinator').slice(2);
  const origin = `http://localhost:${outerPort}`;
  const ours = args.map((each) => each.replace('https://example.org', origin));
  start(t, { path: commandIn(folder) }, [...ours, '--port', String(socketPort)]);
  await listening(socketPort);
  await works(t, port, outerPort, began);
  return undefined;
});

test('Express with helmet', { timeout }, async (t) => {
  const began = performance.now();
  const [port, outerPort] = [await freePort(), await freePort()];
  const policy = block('js', 'helmet').replace("import helmet from 'helmet';\n", '');
  const folder = await userFolder(t, {
    ...site,
    'server.js': `import express from 'express';
      import helmet from 'helmet';
      const app = express();
      ${policy}
      app.use(express.static('site'));
      ${block('js', "from 'peer-cdn/server'").replace('8080', String(port))}`,
  });
  await prepare(folder);
  const { output } = start(t, { path: process.execPath }, ['server.js'], { cwd: folder });
  await works(t, port, outerPort, began).catch((error) => {
    throw new Error(`${error.message}\n${output()}`, { cause: error });
  });
});

const viteSite = {
  'index.html': '<!doctype html><script type="module" src="/src/main.js"></script>',
  'src/main.js': `${block('js', 'import.meta.env.BASE_URL')}${state}`,
  'vite.config.js': block('js', 'peer-cdn/vite'),
  [`public${modelPath}`]: model,
};

/** Vite of the folder, as `npx vite` would. */
const vite = (folder) => path.join(folder, 'node_modules/vite/bin/vite.js');
const hostOf = (port) => ['--host', '127.0.0.1', '--port', String(port), '--strictPort'];

test('Vite, its dev server', { timeout }, async (t) => {
  const began = performance.now();
  const folder = await userFolder(t, viteSite);
  const [port, outerPort] = [await freePort(), await freePort()];
  start(t, { path: process.execPath }, [vite(folder), ...hostOf(port)], { cwd: folder });
  await works(t, port, outerPort, began);
});

/** The README's worker, but for the lines that bring `PeerCDN`. */
const cdn = block('js', 'importScripts').split('\n').slice(2).join('\n');
const mainOf = (build) => `import { start } from 'peer-cdn';
  document.documentElement.dataset.build = '${build}';
  const peers = await start();
  ${state}`;

/** How the app's worker comes to be, by the README: the plugin's options, and the files that this needs. */
const pwaKinds = {
  'a worker that Workbox writes': [
    "{ registerType: 'autoUpdate', workbox: { importScripts: ['./peer-cdn/sw.js', './cdn.js'] } }",
    { 'public/cdn.js': cdn },
  ],
  "the app's own worker": [
    "{ registerType: 'autoUpdate', strategies: 'injectManifest', srcDir: 'src', filename: 'sw.js' }",
    {
      'src/sw.js': `import PeerCDN from 'peer-cdn/sw';
        import { precacheAndRoute } from 'workbox-precaching';
        ${cdn}
        precacheAndRoute(self.__WB_MANIFEST);
        self.skipWaiting();`,
    },
  ],
};

for (const [kind, [options, files]] of Object.entries(pwaKinds)) {
  test(`a PWA plugin's app shares, works offline, and is deployed anew: ${kind}`, { timeout }, async (t) => {
    const began = performance.now();
    const folder = await userFolder(t, {
      ...viteSite,
      ...files,
      // The plugin writes its own script before the end of the head.
      'index.html': '<!doctype html><html><head></head><body><script type="module" src="/src/main.js"></script></body></html>',
      'src/main.js': mainOf('first'),
      'vite.config.js': `import { defineConfig } from 'vite';
      import { VitePWA } from 'vite-plugin-pwa';
      import peerCdn from 'peer-cdn/vite';
      export default defineConfig({ plugins: [peerCdn({ worker: false }), VitePWA(${options})] });`,
    });
    const build = async () => {
      const { code, output } = await run(process.execPath, [vite(folder), 'build'], { cwd: folder });
      assert.equal(code, 0, output);
    };
    await build();
    const [port, outerPort] = [await freePort(), await freePort()];
    start(t, { path: process.execPath }, [vite(folder), 'preview', ...hostOf(port)], { cwd: folder });
    const { origin, visitors } = await works(t, port, outerPort, began);
    const [first, second] = visitors;
    const buildOf = (visitor) => visitor.run(() => document.documentElement.dataset.build);

    const { resources } = await (await fetch(`${origin.url}/peer-cdn.json`)).json();
    await second.untilStored(resources[modelPath]);
    origin.goDown();
    await second.visit(origin.url, { ready: 'settled' });
    assert.equal(await buildOf(second), 'first', 'the app runs offline');
    assert.equal((await second.fetch(modelPath)).sha256, sha256(model));
    origin.isDown = false;

    const anew = randomBytes('readme anew', model.length);
    fs.writeFileSync(path.join(folder, 'src/main.js'), mainOf('second'));
    fs.writeFileSync(path.join(folder, `public${modelPath}`), anew);
    await build();
    // As Workbox does it: the app is the old one until its new worker is there.
    for (const visitor of visitors) {
      const isNew = async () => {
        await visitor.visit(origin.url, { ready: false });
        const build = await until('the app runs', () => buildOf(visitor));
        // Chromium may keep the old worker for minutes, whoever's it is, where an event came as the new one was to take over.
        // It looks for a new one when a page has been quiet for a second: on a busy machine this one is loaded again before.
        const isWaiting = async () => {
          const registration = await navigator.serviceWorker.getRegistration();
          await registration.update().catch(() => {});
          return Boolean(registration.waiting);
        };
        if (await visitor.run(isWaiting)) await visitor.stopWorkers();
        return build === 'second';
      };
      await until('the app is the new one, and never blank', isNew, { everyMs: 3000 });
    }
    const fresh = async (visitor) => {
      await visitor.visit(origin.url);
      await until('the model is the new one', async () => (await visitor.fetch(modelPath)).sha256 === sha256(anew));
    };
    await share(t, origin, fresh, { visitors: [first, second] });
  });
}
