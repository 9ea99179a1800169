// `peer-cdn doctor` on sites of the kinds that people have, and on what goes wrong around a site.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { WebSocketServer } from 'ws';
import { MANIFEST_PATH, SOCKET_PATH } from '../../build/border.js';
import { examine } from '../../src/server/doctor/index.js';
import { makeManifest } from '../../src/server/index.js';
import { certificateFor } from './certificate.mjs';
import { files, page, site, statesOf, worker } from './doctor-site.mjs';
import { makeFolder } from './folder.mjs';

const built = (contents, options = {}) => {
  const how = {
    bundle: true,
    minify: true,
    write: false,
    outdir: '.',
    entryNames: 'main',
    chunkNames: '[name]-[hash]',
    ...options,
  };
  return buildSync({ stdin: { contents, resolveDir: '.' }, ...how }).outputFiles.map(({ path, text }) => [
    path.split('/').pop(),
    text,
  ]);
};
const app = `import { start } from './dist/browser/index.js';
const options = { worker: '/sw.js', upload: { bytesPerSecond: 1e6 } };
document.querySelector('#app').innerHTML = '<p>...</p>';
start(options).then((peers) => peers.addEventListener('transfer', ({ detail }) => console.log(detail)));`;

/** What Vite makes of it. */
function viteSite() {
  const scripts = built(app, { format: 'esm', splitting: true });
  const [, main] = scripts.find(([name]) => name === 'main.js');
  const preload = `(function(){const e=document.createElement("link").relList;
if(e&&e.supports&&e.supports("modulepreload"))return;
for(const n of document.querySelectorAll('link[rel="modulepreload"]'))t(n);function t(n){n.ep||(n.ep=!0,fetch(n.href,{}))}})();`;
  const chunks = scripts.filter(([name]) => name !== 'main.js').map(([name, text]) => [`assets/${name}`, text]);
  const links = chunks.map(([path]) => `<link rel="modulepreload" crossorigin href="/${path}">`).join('\n');
  return {
    ...Object.fromEntries(chunks),
    'assets/index-DIFWgvQi.js': preload + main,
    'index.html': `<!doctype html><html lang="en"><head><meta charset="UTF-8"><link rel="icon" href="/vite.svg">
      <script type="module" crossorigin src="/assets/index-DIFWgvQi.js"></script>${links}</head>
      <body><div id="app"></div></body></html>`,
  };
}

/** What webpack makes of it, with a worker that is bundled too. */
function webpackSite() {
  const wrapped = (text) => `/*! For license information please see main.js.LICENSE.txt */
(()=>{var e={380:(e,t,r)=>{"use strict";r.d(t,{start:()=>n});var n=1}},t={};
function r(o){var n=t[o];if(void 0!==n)return n.exports;
var i=t[o]={exports:{}};return e[o](i,i.exports,r),i.exports}
r.d=(e,t)=>{for(var o in t)Object.defineProperty(e,o,{enumerable:!0,get:t[o]})},
r.p="/assets/",(self.webpackChunk=self.webpackChunk||[]).push([[792],{}]);${text}})();`;
  const [[, main]] = built(app.replace('start(options)', '(0, start)(options)'), {
    format: 'iife',
    define: { 'import.meta.url': '"https://site.example/assets/main.js"' },
  });
  const inLoop = worker
    .replace(/^.*/, '')
    .replace("cdn.GET('/static'", "for (const path of ['/static', '/models']) cdn.GET(path");
  const [[, sw]] = built(`import PeerCDN from './dist/browser/sw.mjs';${inLoop}`, { format: 'iife' });
  return {
    'assets/main.js': wrapped(main),
    'index.html':
      '<!doctype html><head><script defer="defer" src="/assets/main.js"></script></head><body><div id="app"></div></body>',
    'sw.js': wrapped(sw),
  };
}

/** A worker of Workbox, with ours beside it. */
function workboxSite() {
  const [[, workbox]] = built(
    `import { NavigationRoute, registerRoute, setCatchHandler } from 'workbox-routing';
    self.workbox = { routing: { NavigationRoute, registerRoute, setCatchHandler } };`,
    { format: 'iife' },
  );
  const index = page.replace(
    'await start',
    "addEventListener('load', () => navigator.serviceWorker.register('/sw.js'));\nawait start",
  );
  return {
    'workbox/workbox-sw.js': workbox,
    'sw.js': `importScripts('/workbox/workbox-sw.js', '/peer-cdn/sw.js');
const { routing } = workbox, manifest = self.__WB_MANIFEST || [{ url: '/index.html', revision: '1' }];
const { CachePlugin, DelegatePlugin, NetworkPlugin } = PeerCDN;
const cdn = new PeerCDN();
const plugins = [new CachePlugin(), new DelegatePlugin({ patience: 1 }), new NetworkPlugin()].map((each) => each.getMiddleware);
cdn.GET('/static', 'ordered', ...plugins);
cdn.register();
addEventListener('install', (event) => event.waitUntil(caches.open('pre').then((c) => c.addAll(manifest.map(({ url }) => url)))));
routing.registerRoute(({ request }) => request.destination === 'font', ({ request }) => fetch(request));
routing.registerRoute(new routing.NavigationRoute(() => caches.match('/index.html')));
addEventListener('message', ({ data }) => data?.type === 'SKIP_WAITING' && skipWaiting());
addEventListener('fetch', (event) => { if (event.request.mode === 'navigate') event.respondWith(fetch(event.request)); });
`,
    'index.html': index,
  };
}

/** What TypeScript makes of an old project. */
const typeScriptSite = {
  'index.html': `<!doctype html><base href="/"><script>var exports = {}, module = { exports: exports };</script>
    <script type="module">import * as peer_cdn_1 from '/peer-cdn/index.js';
      var __assign = Object.assign, usual = { worker: 'sw.js' };
      exports.peers = (0, peer_cdn_1.start)(__assign(__assign({}, usual), { scope: '/' }));</script>`,
  'sw.js': `"use strict";
var __assign = (this && this.__assign) || function () {
    __assign = Object.assign || function(t) {
        for (var s, i = 1, n = arguments.length; i < n; i++) {
            s = arguments[i];
            for (var p in s) if (Object.prototype.hasOwnProperty.call(s, p)) t[p] = s[p];
        }
        return t;
    };
    return __assign.apply(this, arguments);
};
var exports = {};
Object.defineProperty(exports, "__esModule", { value: true });
exports.setup = void 0;
importScripts('/peer-cdn/sw.js');
var _a = PeerCDN, CachePlugin = _a.CachePlugin, DelegatePlugin = _a.DelegatePlugin, NetworkPlugin = _a.NetworkPlugin;
var base = { version: 1 };
var Setup = /** @class */ (function () {
    function Setup(options) {
        this.options = options;
        this.cdn = new PeerCDN();
    }
    Setup.prototype.run = function () {
        var cache = new CachePlugin(__assign(__assign({}, base), { quotaBytes: 1e9 }));
        var delegate = new DelegatePlugin(), network = new NetworkPlugin();
        this.cdn.GET('/static', PeerCDN.strategies.ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
        this.cdn.register();
    };
    return Setup;
}());
exports.setup = new Setup(base);
exports.setup.run();
self.addEventListener('fetch', function (event) { switch (event.request.mode) {
    case 'navigate':
        event.respondWith(fetch(event.request));
        break;
    default: return;
} });
`,
};

const thirdParties = [
  'www.googletagmanager.com/gtag/js?id=G-1',
  'connect.facebook.net/en_US/fbevents.js',
  'static.hotjar.com/c/hotjar-1.js',
];
const others = [
  'js.stripe.com/v3/',
  'cdn.onesignal.com/sdks/OneSignalSDK.js',
  'www.google.com/recaptcha/api.js',
  'snap.licdn.com/li.js',
];
/** A page of a CMS, with a consent manager, and with a worker for pushed messages. */
const cmsSite = {
  'index.html': `<!DOCTYPE html><!--[if IE 8]><html class="ie8"><![endif]--><html lang="de"><head><meta charset="utf-8">
    <base href="/"><meta name="generator" content="WordPress 6.8">
    <script>window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); }
      gtag('consent', 'default', {});</script>
    <script id="Cookiebot" src="https://consent.cookiebot.com/uc.js" data-cbid="1" type="text/javascript" async></script>
    ${[...thirdParties, ...others].map((url) => `<script async src="https://${url}"></script>`).join('\n')}
    <script type="text/plain" data-cookieconsent="marketing" src="https://ads.example/a.js"></script>
    <script type="text/plain" data-cookieconsent="statistics">this is no script until somebody agrees</script>
    <script type="application/ld+json">{ "@context": "https://schema.org", "@type": "WebSite" }</script>
    <script>(function (w, d, s) { var f = d.getElementsByTagName(s)[0], j = d.createElement(s); j.async = true;
      j.src = 'https://www.googletagmanager.com/gtm.js'; f.parentNode.insertBefore(j, f); })(window, document, 'script');</script>
    <script src="wp-includes/js/jquery/jquery.min.js?ver=3.7.1" id="jquery-core-js"></script>
    <script src="/wp-content/gone.js"></script></head>
    <body class="home" onload="init()"><noscript><iframe src="https://www.googletagmanager.com/ns.html"></iframe></noscript>
    <script>navigator.serviceWorker.register('/push/worker.js', { scope: '/push/' });
      var OneSignal = window.OneSignal || [];
      OneSignal.push(function () { OneSignal.init({ appId: '1', worker: '/push/worker.js' }); });</script>
    ${page.replace('<!doctype html>', '')}</body></html>`,
  'wp-includes/js/jquery/jquery.min.js':
    '!function(e,t){"use strict";e.jQuery=e.$=function(n){return t.querySelectorAll(n)}}(window,document);',
  'push/worker.js': "importScripts('https://cdn.onesignal.com/sdks/OneSignalSDKWorker.js');",
};

const good = {
  'a site that Vite has bundled': viteSite(),
  'a site that webpack has bundled, and its worker': webpackSite(),
  'a worker of Workbox': workboxSite(),
  'a site of what TypeScript writes for old browsers': typeScriptSite,
  'a page of a CMS with scripts of ten others and a consent manager': cmsSite,
};
for (const [what, changed] of Object.entries(good)) {
  test(`doctor finds nothing wrong: ${what}`, async (t) => {
    const { findings } = await examine(await site(t, { changed }));
    assert.deepEqual(
      findings.filter(({ state }) => state === 'wrong'),
      [],
    );
    const { worker: ofWorker, routes, manifest, files: listed, 'page script': ofPage } = statesOf({ findings });
    assert.deepEqual([ofWorker, routes === 'wrong', manifest, listed, ofPage], ['right', false, 'right', 'right', 'right']);
  });
}

const html = { headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<!doctype html><title>App</title>' };
const json = (body) => ({ headers: { 'content-type': 'application/json' }, body });
const redirect = (location) => ({ status: 302, headers: { location } });
const large = files['static/large.bin'];
const isLarge = (headers, body) => ({ headers: { 'content-type': 'application/octet-stream', ...headers }, body });
const manifestOf = async (t, options) => (await makeManifest(makeFolder(t, files), options)).manifest;

/** A server of its own for a test. @returns its port */
async function listen(t, server) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

/** A site whose page names a socket that somebody else answers. */
const socketOf = (answer) => async (t) => {
  const server = createServer((_request, response) => response.writeHead(404).end());
  answer(server);
  const socket = `ws://127.0.0.1:${await listen(t, server)}${SOCKET_PATH}`;
  const index = page.replace("worker: '/sw.js'", `worker: '/sw.js', socket: '${socket}'`);
  return { socket: null, changed: { 'index.html': index } };
};
const upgrades = (head) =>
  socketOf((server) =>
    server.on('upgrade', ({ headers }, socket) => {
      const accept = createHash('sha1').update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      socket.end(head(accept.digest('base64')));
    }),
  );
const withProtocol = (accept) =>
  ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
    .concat('Sec-WebSocket-Protocol: graphql-ws', '', '')
    .join('\r\n');

/** What is broken: [the check that finds it, what it says, what is to be done, the site]. */
const broken = {
  'a manifest that redirects to another origin': [
    'manifest',
    /redirects to http:\/\/127\.0\.0\.1:\d+, which lets no page of http:\/\/localhost:\d+ read it/,
    /Serve the manifest itself there/,
    async (t) => {
      const text = JSON.stringify(await manifestOf(t));
      const port = await listen(
        t,
        createServer((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)),
      );
      return { rules: { [MANIFEST_PATH]: redirect(`http://127.0.0.1:${port}/m.json`) } };
    },
  ],
  'a manifest that redirects to itself': [
    'manifest',
    /redirects in a circle/,
    /Answer there/,
    () => ({ rules: { [MANIFEST_PATH]: redirect(MANIFEST_PATH) } }),
  ],
  'a manifest that redirects to where one signs in': [
    'manifest',
    /is a page, no manifest/,
    /deploy/,
    () => ({ rules: { [MANIFEST_PATH]: redirect('/login'), '/login': html } }),
  ],
  'a manifest in UTF-16': [
    'manifest',
    /in UTF-16/,
    /Write it anew/,
    async (t) => ({ rules: { [MANIFEST_PATH]: json(Buffer.from(`\uFEFF${JSON.stringify(await manifestOf(t))}`, 'utf16le')) } }),
  ],
  'a manifest of another base': [
    'files',
    /\/shop\/static\/large\.bin answers 404/,
    /--base/,
    async (t) => ({ rules: { [MANIFEST_PATH]: json(JSON.stringify(await manifestOf(t, { base: '/shop' }))) } }),
  ],
  'a manifest of files on a CDN': [
    'manifest',
    /skip 2 entries: https:\/\/cdn\.example\/static/,
    /begin with \//,
    async (t) => {
      const text = JSON.stringify(await manifestOf(t)).replaceAll('"/static/', '"https://cdn.example/static/');
      return { rules: { [MANIFEST_PATH]: json(text) } };
    },
  ],
  'a listed file that redirects to a CDN': [
    'files',
    /is a redirect to https:\/\/cdn\.example/,
    /from the origin of the page/,
    () => ({ rules: { '/static/large.bin': redirect('https://cdn.example/large.bin') } }),
  ],
  'a worker without a type': ['worker', /is of no type/, /text\/javascript/, () => ({ rules: { '/sw.js': { body: worker } } })],
  "a worker that the policy forbids by 'none'": [
    'CSP',
    /may not use the worker/,
    /'self' for 'none'/,
    () => ({
      rules: {
        '/': (_request, response, go) => {
          response.setHeader('content-security-policy', "worker-src 'none'");
          go();
        },
      },
    }),
  ],
  'a compressed file with the length of more bytes': [
    'files',
    /the connection ended before the answer did/,
    /compressed length/,
    () => ({
      rules: {
        '/static/large.bin': (_request, response) => {
          const body = gzipSync(large);
          response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length + 5 });
          response.write(body, () => response.destroy());
        },
      },
    }),
  ],
  'a compressed file with the length of fewer bytes': [
    'files',
    /bytes behind its Content-Encoding gzip, and the manifest says 600000/,
    /Content-Length/,
    () => ({
      rules: {
        '/static/large.bin': (_request, response) => {
          response.strictContentLength = false;
          response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 1000 }).end(gzipSync(large));
        },
      },
    }),
  ],
  'a file that is said to be compressed, and is not': [
    'files',
    /not what its Content-Encoding says/,
    /a server and its proxy may both do it/,
    () => ({ rules: { '/static/large.bin': isLarge({ 'content-encoding': 'gzip' }, large) } }),
  ],
  'a file that is compressed without a word': [
    'files',
    /comes compressed, and nothing says so/,
    /Content-Encoding: gzip/,
    () => ({ rules: { '/static/large.bin': isLarge({}, gzipSync(large)) } }),
  ],
  'an app that answers with its page for digest lists': [
    'digest lists',
    /is a page \(of an app/,
    /Deploy the folder of digest lists/,
    async (t) => ({ rules: { [`/peer-cdn/digests/${(await manifestOf(t)).resources['/static/large.bin'].root}`]: html } }),
  ],
  'a socket of a protocol of its own': ['coordinator', /subprotocol/, /Something else answers there/, upgrades(withProtocol)],
  'a socket of somebody else': [
    'coordinator',
    /it says hello/,
    /Something else answers there/,
    socketOf((server) => new WebSocketServer({ server }).on('connection', (socket) => socket.send('hello'))),
  ],
  'a coordinator that has no room': [
    'coordinator',
    /closes the connection \(1008 too-many-peers\)/,
    /start others/,
    socketOf((server) => new WebSocketServer({ server }).on('connection', (socket) => socket.close(1008, 'too-many-peers'))),
  ],
  'a coordinator of another version': [
    'coordinator',
    /version-mismatch/,
    /of another version/,
    socketOf((server) =>
      new WebSocketServer({ server }).on('connection', (socket) => socket.send('{"type":"error","code":"version-mismatch"}')),
    ),
  ],
  'a socket that nobody upgrades': [
    'coordinator',
    /answers an upgrade with 200/,
    /Upgrade \$http_upgrade/,
    upgrades(() => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  ],
  'a socket that redirects': [
    'coordinator',
    /answers an upgrade with 301/,
    /follow no redirect/,
    upgrades(() => 'HTTP/1.1 301 Moved Permanently\r\nLocation: /ws/\r\nContent-Length: 0\r\n\r\n'),
  ],
  'a proxy that hangs up': [
    'coordinator',
    /the connection ended/,
    /Forward WebSocket upgrades/,
    socketOf((server) => server.on('upgrade', (_request, socket) => socket.destroy())),
  ],
  'a proxy that takes Upgrade out': [
    'coordinator',
    /answers an upgrade with \d+/,
    /Forward WebSocket upgrades/,
    // Node's server takes it for a usual request, as one behind such a proxy does.
    socketOf((server) =>
      server.on('upgrade', (request, socket) =>
        socket.end(`HTTP/1.1 ${request.method === 'GET' ? 404 : 500} Gone\r\nContent-Length: 0\r\n\r\n`),
      ),
    ),
  ],
};
for (const [what, [check, said, todo, of]] of Object.entries(broken)) {
  test(`doctor finds, and says what to do: ${what}`, async (t) => {
    const { ok, findings } = await examine(await site(t, await of(t)));
    const wrong = findings.filter(({ state }) => state === 'wrong');
    const isFound = wrong.some((each) => each.check === check && said.test(each.what) && todo.test(each.todo));
    assert(!ok && isFound, JSON.stringify(wrong, null, 1));
  });
}

test('a certificate that nobody knows is told, and what to do about it', async (t) => {
  const port = await listen(
    t,
    createSecureServer(certificateFor(t), (_request, response) => response.end()),
  );
  const { findings } = await examine(`https://localhost:${port}/`);
  const { state, what, todo } = findings.find(({ check }) => check === 'page');
  assert.equal(state, 'wrong');
  assert.match(what, /browsers do not trust its certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
  assert.match(todo, /public authority/);
});

test('a page of http is told where its host is no name of this machine', async (t) => {
  const url = new URL(await site(t));
  url.hostname = '0.0.0.0';
  const { state, what, todo } = (await examine(url.href)).findings.find(({ check }) => check === 'page');
  assert.deepEqual([state, what], ['wrong', 'it is not secure (http)']);
  assert.match(todo, /Serve it by https/);
});

/** What browsers take as it is. */
const fine = {
  'a manifest with the mark of UTF-8 before it': async (t) => ({
    rules: { [MANIFEST_PATH]: json(`\uFEFF${JSON.stringify(await manifestOf(t))}`) },
  }),
  'scripts with that mark': () => ({ changed: { 'index.html': `\uFEFF${page}`, 'sw.js': `\uFEFF${worker}` } }),
  'a manifest that redirects within the site': async (t) => ({
    rules: { [MANIFEST_PATH]: redirect('/m.json'), '/m.json': json(JSON.stringify(await manifestOf(t))) },
  }),
  'a manifest that redirects to an origin that lets everybody read it': async (t) => {
    const headers = { 'content-type': 'application/json', 'access-control-allow-origin': '*' };
    const text = JSON.stringify(await manifestOf(t));
    const port = await listen(
      t,
      createServer((_request, response) => response.writeHead(200, headers).end(text)),
    );
    return { rules: { [MANIFEST_PATH]: redirect(`http://127.0.0.1:${port}/m.json`) } };
  },
};
for (const [what, of] of Object.entries(fine)) {
  test(`doctor finds nothing wrong: ${what}`, async (t) => {
    const { findings } = await examine(await site(t, await of(t)));
    assert.deepEqual(
      findings.filter(({ state }) => state === 'wrong'),
      [],
    );
  });
}

test('names in a page are relative to its base element', async (t) => {
  const index = page
    .replace('<!doctype html>', '<!doctype html><base href="/app/"><base href="/gone/"><script src="main.js"></script>')
    .replace("'/sw.js'", "'../sw.js'");
  const changed = { 'deep/er/index.html': index, 'app/main.js': 'console.log(1);' };
  const { findings } = await examine(`${await site(t, { changed })}deep/er/`);
  assert.deepEqual(
    findings.filter(({ state }) => state === 'wrong' || state === 'note'),
    [],
  );
});
