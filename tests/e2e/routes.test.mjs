// Static routes (`InstallEvent.addRoutes`): the browser does what no route of ours takes, without asking the worker. Such a rule
// silences every `fetch` listener of the worker, so a site has to ask for it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { build } from 'esbuild';

import { documentedWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const { match: cases } = JSON.parse(readFileSync(new URL('../vectors/routes.json', import.meta.url)));
const listed = '/static/a.bin';
const files = { [listed]: randomBytes('routes', 100_000), '/other.txt': 'from the network', '/static/unlisted.txt': 'unlisted' };

const installs = "addEventListener('install', () => skipWaiting());";
/** A listener of the site's own, for all that reaches it. */
const ownListener = `${installs}
addEventListener('fetch', (event) => {
  if (/txt$/.test(event.request.url)) event.respondWith(new Response("the site's own"));
});`;

/** Workbox, as a site bundles it, for all that reaches it. */
async function workbox() {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { registerRoute } from 'workbox-routing';
        registerRoute(({ url }) => url.pathname.endsWith('.txt'), async () => new Response('Workbox'));`,
      resolveDir: new URL('.', import.meta.url).pathname,
    },
    bundle: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return installs + outputFiles[0].text;
}

const ways = {
  off: ['', ''],
  'asked of register()': ['cdn.register();', 'cdn.register({ staticRoutes: true });'],
  "in the site's own handler": [
    'cdn.register();',
    "cdn.register(); addEventListener('install', (event) => event.addRoutes(cdn.staticRoutes()));",
  ],
};
for (const [neighbour, script, answer] of [
  ["the site's own listener", async () => ownListener, "the site's own"],
  ['Workbox', workbox, 'Workbox'],
]) {
  for (const [way, [from, to]] of Object.entries(ways)) {
    test(`${neighbour} beside us, static routes ${way}`, async (t) => {
      const { site, chromium } = scene(t);
      const s = await site({ ...files, '/sw.js': `${documentedWorker().replace(from, to)}\n${await script()}` });
      const visitor = await chromium();
      await visitor.visit(s.url);
      const read = (url, init) => visitor.run(async ([path, how]) => (await fetch(path, how)).text(), [url, init]);
      const isOff = way === 'off';
      // What is listed is known from here on.
      assert.equal((await visitor.fetch(listed)).sha256, sha256(files[listed]));
      assert.equal((await visitor.sources(listed)).fromOrigin, files[listed].length, 'what is listed is ours');
      assert.equal(await read('/other.txt'), isOff ? answer : files['/other.txt']);
      assert.equal(await read('/static/unlisted.txt'), answer, 'below a route of ours, and not listed: it reaches the neighbour');
      assert.equal(await read('/static/unlisted.txt?as=.txt'), answer, 'and so it does with a query');
      assert.equal(await read('/x//other.txt'), answer, 'a path that the rules cannot say reaches the worker');
    });
  }
}

test('every path that a route takes reaches the worker, whatever the route is', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  const visitor = await chromium();
  const rules = (routes) => `
importScripts('/peer-cdn/sw.js');
const cdn = new PeerCDN();
const network = new PeerCDN.NetworkPlugin();
for (const route of ${JSON.stringify(routes)}) cdn.GET(route, 'ordered', network.getMiddleware);
addEventListener('message', ({ ports: [port] }) => port.postMessage(cdn.staticRoutes()));`;
  await visitor.visit(s.url);
  let wider = 0;
  for (const [i, { case: name, routes, paths }] of cases.entries()) {
    s.write(`/rules-${i}.js`, rules(routes));
    const matches = await visitor.run(
      async ([script, all]) => {
        const registration = await navigator.serviceWorker.register(script, { scope: script });
        const worker = registration.installing ?? registration.active;
        const { port1, port2 } = new MessageChannel();
        const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
        worker.postMessage(null, [port2]);
        const [{ condition }] = await answer;
        const patterns = condition.not.or.map(({ urlPattern }) => new URLPattern({ ...urlPattern, baseURL: location.href }));
        return all.map((path) => patterns.some((pattern) => pattern.test(location.origin + path)));
      },
      [`/rules-${i}.js`, Object.keys(paths)],
    );
    for (const [at, [path, route]] of Object.entries(paths).entries()) {
      if (route !== null) assert.ok(matches[at], `${name}: ${path} is of ${route}`);
      else if (matches[at]) wider++;
    }
  }
  t.diagnostic(`${wider} paths more reach the worker than its routes take`);
});

test('what no route takes does not start a worker that is stopped, and a write to a listed file does', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/sw.js': documentedWorker().replace(...ways['asked of register()']) });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.stopWorkers();
  await visitor.run(() => void (globalThis.e2e.said.length = 0));
  for (const [path, method] of [
    ['/other.txt', 'GET'],
    ['/other.txt', 'POST'],
    ['/', 'GET'],
  ]) {
    await visitor.run(async ([url, how]) => (await fetch(url, { method: how })).text(), [path, method]);
  }
  const saidWho = () => visitor.run(() => globalThis.e2e.said.some(({ type }) => type === 'who'));
  assert.equal(await saidWho(), false);
  await visitor.run(async (url) => (await fetch(url, { method: 'POST' })).text(), listed);
  await until('the worker runs', saidWho);
  assert.equal((await visitor.fetch(listed)).sha256, sha256(files[listed]));
});
