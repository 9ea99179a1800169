// From an empty folder with nothing but the README and docs/deploying.md: plain HTML behind nginx with the coordinator apart,
// and Express with helmet. Each ends with a second visitor's bytes from the first, and a doctor who finds nothing wrong.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/run.mjs';
import { examine } from '../../src/server/doctor/index.js';
import { randomBytes, sha256, until } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';
import { userFolder } from './folder.mjs';
import { debianTool } from './tools.mjs';

const readme = ['README.md', 'docs/deploying.md'].map((file) => fs.readFileSync(path.join(root, file), 'utf8')).join('\n');

/** A block of the README or the guide, by what is in it. */
function block(language, part) {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text);
  const found = blocks.find((text) => text.includes(part));
  assert.ok(found, `there is a block with ${part}`);
  return found;
}

const model = randomBytes('readme', 3_000_000);
const page = block('js', "worker: '/sw.js'").replace("'peer-cdn'", "'/peer-cdn/index.js'");
const state = "document.documentElement.dataset.state = peers.active ? 'ready' : 'off';";
const site = {
  'site/index.html': `<!doctype html><script type="module" src="/page.js"></script>`,
  // A STUN server that is an example answers nobody.
  'site/page.js': `${page.replace(/, servers: \{.*\}\] \}/, '')}${state}`,
  'site/sw.js': block('js', 'importScripts'),
  'site/static/model.bin': model,
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program that ends with the test. */
function start(t, command, args, options) {
  const child = spawn(command, args, options);
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said.text += data));
  t.after(() => child.kill('SIGTERM'));
  return said;
}

/** @param {string} url of the site */
async function works(t, url) {
  await until(`${url} answers`, () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const { findings } = await examine(url);
  assert.deepEqual(
    findings.filter((each) => each.state === 'wrong'),
    [],
  );
  const { chromium } = scene(t);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(url);
  assert.equal((await first.fetch('/static/model.bin')).sha256, sha256(model));
  await second.visit(url);
  assert.equal((await second.fetch('/static/model.bin')).sha256, sha256(model));
  const from = await second.sources('/static/model.bin');
  assert.ok(from.fromPeers > 0, JSON.stringify(from));
}

/** The scripts of a folder that is served as it is, and its manifest. */
async function prepare(folder) {
  fs.cpSync(path.join(folder, 'node_modules/peer-cdn/dist/browser'), path.join(folder, 'site/peer-cdn'), { recursive: true });
  const child = spawn(path.join(folder, 'node_modules/.bin/peer-cdn'), ['manifest', 'site'], { cwd: folder });
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
}

test('plain HTML behind nginx, the coordinator a process of its own', { timeout: 240_000 }, async (t) => {
  const nginx = await debianTool('nginx', 'usr/sbin/nginx');
  if (!nginx) return t.skip('nginx is not to be had here');
  const folder = await userFolder(t, site);
  await prepare(folder);
  const [port, socketPort] = [await freePort(), await freePort()];
  const url = `http://localhost:${port}/`;
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
  start(t, nginx, ['-p', folder, '-c', path.join(folder, 'nginx.conf')]);
  const command = path.join(folder, 'node_modules/.bin/peer-cdn');
  const said = start(t, command, ['coordinator', '--port', String(socketPort), '--origin', new URL(url).origin]);
  await until('the coordinator is there', () => said.text.includes('peer-cdn coordinator at'));
  await works(t, url);
  return undefined;
});

test('Express with helmet', { timeout: 240_000 }, async (t) => {
  const port = await freePort();
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
  const said = start(t, process.execPath, ['server.js'], { cwd: folder });
  await works(t, `http://localhost:${port}/`).catch((error) => {
    throw new Error(`${error.message}\n${said.text}`, { cause: error });
  });
});
