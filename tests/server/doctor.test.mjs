// `peer-cdn doctor` on a site that is right, and on the same site with one thing wrong at a time.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { MANIFEST_PATH, SOCKET_PATH } from '../../build/border.js';
import { optionsOf, registerOptions } from '../../src/server/doctor/calls.js';
import { examine } from '../../src/server/doctor/index.js';
import { factsOf } from '../../src/server/doctor/script.js';
import { startOptions } from '../../src/server/doctor/starts.js';
import { known } from '../../web/options.js';
import { files, page, site, statesOf, worker } from './doctor-site.mjs';
import { bytesOf, makeFolder } from './folder.mjs';

const ours = readFileSync('dist/browser/sw.js', 'utf8');

test('a site that is right is right in all that can be seen', async (t) => {
  const result = await examine(await site(t));
  assert.deepEqual(statesOf(result), {
    page: 'right',
    'page script': 'right',
    worker: 'right',
    scope: 'right',
    CSP: 'right',
    manifest: 'right',
    'manifest is fresh': 'right',
    routes: 'right',
    'digest lists': 'right',
    files: 'right',
    coordinator: 'right',
    'ICE servers': 'not checked',
  });
  assert(result.ok);
});

const html = { headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<!doctype html><title>App</title>' };
const withHeader = (name, value) => (_request, response, go) => {
  response.setHeader(name, value);
  go();
};
/** A file of the folder, in another form. */
const answers = (headers, body) => ({ headers: { 'content-type': 'application/octet-stream', ...headers }, body });
const large = files['static/large.bin'];
const changedByte = Buffer.from(large);
changedByte[300_000] ^= 1;
const csp = (policy) => withHeader('content-security-policy', policy);
const manifestOf = (text) => ({ headers: { 'content-type': 'application/json' }, body: text });
const entry = { bytes: 5, pieceBytes: 65536, root: 'ab'.repeat(32), type: 'a/b' };

/** Sends a head, and never the end of the body. */
const hangs = (headers) => (_request, response) => response.writeHead(200, headers).write('{');
const script = (body) => ({ headers: { 'content-type': 'text/javascript' }, body });
const noPeerCdn = /has no peer-cdn in it/;
const moduleWorker = worker.replace("importScripts('/peer-cdn/sw.js')", "import PeerCDN from '/peer-cdn/sw.mjs'");
const plugins = 'cache.getMiddleware, delegate.getMiddleware, network.getMiddleware';
/** The worker with other plugins in its route, or with its last line in another place. */
const routed = (given) => ({ changed: { 'sw.js': worker.replace(plugins, given) } });
const registering = (text) => ({ changed: { 'sw.js': worker.replace('cdn.register();', text) } });
const asModule = page.replace("worker: '/sw.js'", "worker: '/sw.js', workerType: 'module'");

/** The strategy of the worker's route. */
const route = (given) => ["'/static', ordered", `'/static', ${given}`];

/** What is broken: [the check that finds it, what it says, the site]. */
const broken = {
  'the page is not there': ['page', /answers 404/, { rules: { '/': { status: 404 } } }],
  'the page has a type that browsers download': [
    'page',
    /of type application\/octet-stream, which browsers do not open/,
    { rules: { '/': { headers: { 'content-type': 'application/octet-stream' }, body: page } } },
  ],
  'the page is an attachment': [
    'page',
    /is an attachment/,
    { rules: { '/': { headers: { ...html.headers, 'content-disposition': 'attachment' }, body: page } } },
  ],
  'the worker was not deployed': ['worker', /answers 404/, { rules: { '/sw.js': { status: 404 } } }],
  'an app answers with its page for the worker': ['worker', /is a page/, { rules: { '/sw.js': html } }],
  'the worker has a type that browsers refuse': [
    'worker',
    /of type text\/plain/,
    { rules: { '/sw.js': { headers: { 'content-type': 'text/plain' }, body: worker } } },
  ],
  'the worker is a redirect': [
    'worker',
    /redirect/,
    { rules: { '/sw.js': { status: 302, headers: { location: '/other.js' } } } },
  ],
  'our script was not copied': [
    'worker',
    /sw\.js, which the worker imports, answers 404/,
    { rules: { '/peer-cdn/sw.js': { status: 404 } } },
  ],
  'an app answers with its page for our script': ['worker', /is a page/, { rules: { '/peer-cdn/sw.js': html } }],
  'the worker is another one': ['worker', /no peer-cdn/, { changed: { 'sw.js': 'self.onfetch = () => {};' } }],
  'the worker answers 500': ['worker', /answers 500/, { rules: { '/sw.js': { status: 500 } } }],
  'the worker never comes': ['worker', /did not answer in time/, { rules: { '/sw.js': () => {} }, timeoutMs: 15_000 }],
  'the worker is cut off in the middle': [
    'worker',
    /sw\.js has a syntax error: .*\(3:8\)/,
    { changed: { 'sw.js': "importScripts('/peer-cdn/sw.js');\nconst cdn = new PeerCDN();\ncdn.GET('/sta" } },
  ],
  'our script is cut off in the middle': [
    'worker',
    /peer-cdn\/sw\.js, which the worker imports, has a syntax error/,
    { rules: { '/peer-cdn/sw.js': script('(() => {') } },
  ],
  'our script is imported in a comment only': [
    'worker',
    noPeerCdn,
    { changed: { 'sw.js': "// importScripts('/peer-cdn/sw.js');\nself.onfetch = () => {};" } },
  ],
  'our script is imported in a block comment only': [
    'worker',
    noPeerCdn,
    { changed: { 'sw.js': `/*\n${worker}*/\nself.onfetch = () => {};` } },
  ],
  'our script is imported in a text only': [
    'worker',
    noPeerCdn,
    { changed: { 'sw.js': `console.log("importScripts('/peer-cdn/sw.js')");` } },
  ],
  'the worker never calls register': [
    'worker',
    /never calls register/,
    { changed: { 'sw.js': worker.replace('cdn.register();', '') } },
  ],
  'the worker calls register in a comment only': [
    'worker',
    /never calls register/,
    { changed: { 'sw.js': worker.replace('cdn.register', '// cdn.register') } },
  ],
  'the worker calls register after an await': [
    'worker',
    /register\(\) too late \(registered-late\)/,
    registering("(async () => { await fetch('/x'); cdn.register(); })();"),
  ],
  'the worker calls register in a listener': [
    'worker',
    /registered-late/,
    registering("addEventListener('install', () => cdn.register());"),
  ],
  'the worker calls register when a promise is settled': [
    'worker',
    /registered-late/,
    registering("fetch('/x').then(() => { cdn.register(); });"),
  ],
  'the worker calls register in a function that nobody calls': [
    'worker',
    /never calls register/,
    registering('function go() { cdn.register(); }'),
  ],
  "the worker misspells peer-cdn's class": [
    'worker',
    /new PeerCND\(\), which nothing defines/,
    { changed: { 'sw.js': worker.replace('new PeerCDN', 'new PeerCND') } },
  ],
  'the worker misspells an option': [
    'worker',
    /new CachePlugin\(\) the option 'versoin', which nobody reads/,
    { changed: { 'sw.js': worker.replace('version', 'versoin') } },
  ],
  ...Object.fromEntries(
    [
      ["new CachePlugin({ version: 1, quotaBytes: '1 GB' })", /gives new CachePlugin\(\) as quotaBytes the value '1 GB'/],
      ['new CachePlugin({ version: true })', /gives new CachePlugin\(\) as version the value true/],
      ["new CachePlugin('1')", /gives new CachePlugin\(\) the value '1' in place of its options/],
    ].map(([text, said]) => [
      `the worker gives what its class cannot use: ${text}`,
      ['worker', said, { changed: { 'sw.js': worker.replace('new CachePlugin({ version: 1 })', text) } }],
    ]),
  ),
  'the worker names a manifest of another origin': [
    'worker',
    /as manifest the value 'https:\/\/cdn\.example\/peer-cdn\.json'/,
    { changed: { 'sw.js': worker.replace('new PeerCDN()', "new PeerCDN({ manifest: 'https://cdn.example/peer-cdn.json' })") } },
  ],
  'the worker gives the network options': [
    'worker',
    /new NetworkPlugin\(\) the option 'timeout', which nobody reads/,
    { changed: { 'sw.js': worker.replace('new NetworkPlugin()', "new NetworkPlugin({ 'timeout': 5 })") } },
  ],
  'the worker takes a plugin that it has not named': [
    'worker',
    /new DelegatePlugin\(\), which nothing defines/,
    { changed: { 'sw.js': worker.replace('DelegatePlugin, ', '') } },
  ],
  'a script of the site that the worker imports is not there': [
    'worker',
    /gone\.js, which the worker imports, answers 404/,
    { changed: { 'sw.js': `importScripts('/gone.js');\n${worker}` } },
  ],
  ...Object.fromEntries(
    [
      "addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
      "self.addEventListener('fetch', function (event) { console.log(event); event.respondWith(answer(event)); });",
      'self.onfetch = (event) => { event.respondWith(fetch(event.request)); };',
      "const all = (event) => event.respondWith(fetch(event.request));\nself.addEventListener('fetch', all);",
      "self.addEventListener('fetch', all);\nfunction all(event) { event.respondWith(fetch(event.request)); }",
      'self.onfetch = null; self.onfetch = (event) => event.respondWith(fetch(event.request));',
      'self.onfetch = (event) => {}; self.onfetch = (event) => event.respondWith(fetch(event.request));',
      `const on = (type, listener) => addEventListener(type, listener); on('install', () => {});
        on('fetch', (event) => event.respondWith(fetch(event.request)));`.replaceAll('\n', ''),
      "for (const type of ['install', 'fetch']) addEventListener(type, (event) => event.respondWith(fetch('/')));",
      "['install', 'fetch'].forEach((type) => addEventListener(type, (event) => event.respondWith(fetch('/'))));",
      "const type = 'fetch', all = (event) => event.respondWith(fetch('/')), same = all; addEventListener(type, same, false);",
      "function add() { addEventListener('fetch', (event) => event.respondWith(fetch('/'))); } add();",
      "addEventListener('fetch', (e) => answer(1, e)); function answer(one, event) { event.respondWith(fetch('/')); }",
      `addEventListener('fetch', (event) => { switch (event.request.mode) { case 'cors': console.log(1); break; }
        for (const a of [1]) { if (a) break; } try { throw 1; } catch {} event.respondWith(fetch('/')); });`.replaceAll('\n', ''),
      "addEventListener('fetch', { handleEvent(event) { event.respondWith(fetch(event.request)); } });",
      "addEventListener('fetch', (e) => { if (isPage(e)) e.respondWith(1); else { e.respondWith(fetch(e.request)); } });",
      "addEventListener('fetch', (e) => { if (isPage(e)) { e.respondWith(fetch('/')); return; } e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (isPage(e)) return go(e); return go(e); }); const go = (e) => e.respondWith(1);",
      "addEventListener('fetch', (e) => { isPage(e) ? e.respondWith(1) : answer(e); function answer(e) { e.respondWith(1); } });",
      "addEventListener('fetch', (e) => { (() => { function no() { return; } e.respondWith(fetch('/')); })(); });",
      "{ const event = 1; } addEventListener('fetch', (event) => event.respondWith(fetch('/')), { passive: true });",
      "const one = () => {}; removeEventListener('fetch', one); addEventListener('fetch', (e) => e.respondWith(fetch('/')));",
      "addEventListener('fetch', (e) => { if (e.request.method === 'GET') e.respondWith(fetch(e.request)); });",
      "addEventListener('fetch', (e) => { if (e.request.method !== 'GET') return; e.respondWith(fetch(e.request)); });",
      "addEventListener('fetch', ((e) => { const { request } = e; if ('GET' != request.method) return; e.respondWith(1); }));",
      `addEventListener('fetch', (e) => { const url = new URL(e.request.url);
        if (e.request.method !== 'GET' || url.origin !== self.location.origin) return; e.respondWith(1); });`.replaceAll(
        '\n',
        '',
      ),
      `addEventListener('fetch', (e) => { const isOwn = e.request.url.startsWith(self.location.origin);
        if (isOwn && e.request.method == 'GET') { e.respondWith(fetch(e.request)); } else return; });`.replaceAll('\n', ''),
      "addEventListener('fetch', e => { if (!(new URL(e.request.url).origin === location.origin)) return; e.respondWith(1); });",
      "addEventListener('fetch', (e) => { if (e.request.method === 'POST' && isForm(e)) return; e.respondWith(fetch('/')); });",
    ].map((text, i) => [
      `a listener of the worker's own answers everything before ours is there (${i})`,
      ['worker', /fetch listener at \/sw\.js:[12] answers every request/, { changed: { 'sw.js': `${text}\n${worker}` } }],
    ]),
  ),
  "a bundled worker's own listener answers everything before ours is there": [
    'worker',
    /answers every request/,
    { changed: { 'sw.js': `${ours};onfetch = (event) => event.respondWith(fetch('/'));${worker.replace(/^.*/, '')}` } },
  ],
  ...Object.fromEntries(
    [
      ['new CachePlugin', ['new CachePlugin({ version: 1 })', 'new CachePlugin(options)'], 'versoin'],
      ['new CachePlugin', ['new CachePlugin({ version: 1 })', 'new PeerCDN.CachePlugin(options)'], 'versoin'],
      ['new CachePlugin', ['new CachePlugin({ version: 1 })', 'new CachePlugin({ version: 1, ...options })'], 'versoin'],
      ['new CachePlugin', ['new CachePlugin({ version: 1 })', 'new CachePlugin(Object.assign({}, options))'], 'versoin'],
      ['new DelegatePlugin', ['new DelegatePlugin()', 'new DelegatePlugin(options)'], 'timeout'],
      ['new NetworkPlugin', ['new NetworkPlugin()', 'new NetworkPlugin(Object.freeze(options))'], 'timeout'],
      ['new PeerCDN', ['new PeerCDN()', 'new PeerCDN(options)'], 'manifst'],
      ['register', ['register()', 'register(options)'], 'staticRoute'],
      ['register', ['cdn.register()', "cdn.GET('/a', ordered).register({ staticRoute: true })"], 'staticRoute'],
    ].flatMap(([name, [before, after], option]) =>
      [
        `const options = { ${option}: 5 };`,
        `var options; options = { ...{ '${option}': 5 } };`,
        `let options = {}; options.${option} = 5;`,
      ].map((text) => [
        `an option that nobody reads: ${text} ${after}`,
        [
          'worker',
          new RegExp(`${name}\\(\\) the option '${option}', which nobody reads`),
          { changed: { 'sw.js': worker.replace(before, after).replace('\n', `\n${text}\n`) } },
        ],
      ]),
    ),
  ),
  'a listener of a script that the worker imports first answers everything': [
    'worker',
    /fetch listener at \/old\.js:2 answers every request/,
    {
      changed: {
        'sw.js': `importScripts('/old.js');\n${worker}`,
        'old.js': "// As it was.\nself.addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
      },
    },
  ],
  'the worker calls register in a handler': ['worker', /registered-late/, registering('self.oninstall = () => cdn.register();')],
  'the worker calls our class without new': [
    'worker',
    /PeerCDN\(\) without new/,
    { changed: { 'sw.js': worker.replace('new PeerCDN', 'PeerCDN') } },
  ],
  'the worker misspells a strategy': [
    'worker',
    /no strategy 'orderd'/,
    { changed: { 'sw.js': worker.replace("'/static', ordered", "'/static', 'orderd'") } },
  ],
  'the worker calls getMiddleware itself': [
    'worker',
    /what getMiddleware\(\) makes/,
    routed(plugins.replace('cache.getMiddleware', '$&()')),
  ],
  'a module worker imports the script for others': [
    'worker',
    /peer-cdn\/sw\.js, of which \/sw\.js imports something, exports nothing/,
    { changed: { 'sw.js': moduleWorker.replace('.mjs', '.js'), 'index.html': asModule } },
  ],
  'the page misspells an option, behind an import map': [
    'page script',
    /the option 'wroker'/,
    {
      changed: {
        'index.html': page
          .replace('<script', '<script type="importmap">{ "imports": { "peer-cdn": "/peer-cdn/index.js" } }</script><script')
          .replace("'/peer-cdn/index.js'", "'peer-cdn'")
          .replace('worker:', 'wroker:'),
      },
    },
  ],
  'the page misspells an option': [
    'page script',
    /gives start\(\) the option 'wroker', which nobody reads/,
    { changed: { 'index.html': page.replace('worker:', 'wroker:') } },
  ],
  'the page misspells an option in a variable, of start() under another name': [
    'page script',
    /gives start\(\) the option 'sokcet'/,
    {
      changed: {
        'index.html': page
          .replace('{ start }', '{ start as go }')
          .replace(/await start.*/, "const options = { worker: '/sw.js' };\noptions.sokcet = '/x';\ngo(options);"),
      },
    },
  ],
  'the page misspells an option of the long form': [
    'page script',
    /gives new PeerPlugin\(\) the option 'uplaod'/,
    {
      changed: {
        'index.html': page.replace('{ start }', '* as cdn').replace(/await start.*/, 'new cdn.PeerPlugin({ uplaod: false });'),
      },
    },
  ],
  ...Object.fromEntries(
    [
      // Of GET().
      [route('cache.getMiddleware'), /given no strategy after the path/, /PeerCDN\.strategies\.ordered/],
      [route('[ordered]'), /given no strategy/, /strategies\.ordered/],
      [route('PeerCDN.strategies.orderd'), /no strategy 'orderd'/, /did you mean ordered/],
      [route('PeerCDN.ordered'), /PeerCDN has no ordered/, /PeerCDN\.strategies\.ordered/],
      [['strategies: { ordered }', 'ordered'], /PeerCDN has no ordered/, /PeerCDN\.strategies\.ordered/],
      [['strategies: { ordered }', 'strategies: { orderd: ordered }'], /no strategy 'orderd'/, /did you mean ordered/],
      [[`'/static', ordered, ${plugins}`, "'/static'"], /given no strategy/, /strategies\.ordered/],
      [['delegate.getMiddleware', 'delegate.getmiddleware'], /DelegatePlugin has no getmiddleware/, /its getMiddleware/],
      [['delegate.getMiddleware', 'delegate.middleware'], /DelegatePlugin has no middleware/, /its getMiddleware/],
      [['delegate.getMiddleware', 'delegate'], /given a DelegatePlugin, and no middleware/, /getMiddleware of the plugin/],
      [['delegate.getMiddleware', 'new DelegatePlugin()'], /given a DelegatePlugin/, /getMiddleware of the plugin/],
      [[plugins, `[${plugins}]`], /a middleware that is no function/, /each plugin/],
      [["'/static'", "'/static/**'"], /cannot read the path '\/static\/\*\*'/, /Name the folder/],
      [["'/static'", "'/static/*.bin'"], /cannot read the path/, /whole segment/],
      [["'/static'", "'/static/:id([0-9]+'"], /cannot read the path/, /Name the folder/],
      [["'/static'", "'/static?v=1'"], /cannot read the path/, /Name the folder/],
      [["'/static'", "'https://a.example/static'"], /cannot read the path 'https:/, /Name the folder/],
      [["'/static'", '/\\.bin$/'], /is given a path that is no text/, /Name the folder/],
      [['cdn.GET', 'cdn.get'], /a PeerCDN has no get\(\)/, /did you mean GET/],
      [['cdn.register();', "cdn.on('error', console.log);\ncdn.register();"], /a PeerCDN has no on\(\)/, /addEventListener/],
      // Of names.
      [['new DelegatePlugin()', 'new PeerCDN.DelegatPlugin()'], /PeerCDN has no DelegatPlugin/, /did you mean DelegatePlugin/],
      [['DelegatePlugin, ', 'DelegatPlugin: DelegatePlugin, '], /PeerCDN has no DelegatPlugin/, /did you mean DelegatePlugin/],
      [[', strategies: { ordered }', ''], /uses ordered \(\/sw\.js:7\), which nothing defines/, /strategies: \{ ordered \} \}/],
      [['cache.getMiddleware', 'cach.getMiddleware'], /uses cach /, /Did you mean cache\?/],
      [['cdn.register', 'cnd.register'], /uses cnd /, /Did you mean cdn\?/],
      [['= PeerCDN;', '= PeerCND;'], /uses PeerCND /, /Did you mean PeerCDN\?/],
      [["'/static'", 'window.location.pathname'], /uses window \(\/sw\.js:7\)/, /write self/],
      [["'/static'", "localStorage.getItem('path')"], /uses localStorage /, /Only pages have localStorage/],
      [['cdn.register();', "require('./more');\ncdn.register();"], /uses require /, /bundle the worker/i],
      [['cdn.register();', 'const go = () => setUp(cdn);\ngo();\ncdn.register();'], /uses setUp /, /look at its spelling/],
      [['const cdn = new PeerCDN();\n', ''], /uses cdn /, /look at its spelling/],
      // Of order.
      [[/(const cdn.*\n)([\s\S]*)/, '$2$1'], /uses cdn \(\/sw\.js:6\) before it has a value/, /Move the line that makes cdn up/],
      [
        [/(importScripts.*\n)([\s\S]*)/, '$2$1'],
        /uses PeerCDN \(\/sw\.js:1\) before importScripts\(\) loads it/,
        /Move importScripts/,
      ],
      // Of modules.
      [['/peer-cdn/sw.js', '/peer-cdn/sw.mjs'], /sw\.mjs, .*importScripts\(\) loads no modules/, /\/peer-cdn\/sw\.js/],
    ].map(([[before, after], said, todo], i) => [
      `a worker that throws as it starts (${i}: ${after})`,
      ['worker', said, { changed: { 'sw.js': worker.replace(before, after) }, todo }],
    ]),
  ),
  ...Object.fromEntries(
    [
      ["'/peer-cdn/sw.mjs'", "'peer-cdn/sw'", /imports 'peer-cdn\/sw', which is no address/, /'\/peer-cdn\/sw\.mjs'/],
      [
        'import PeerCDN',
        'import { PeerCnd as PeerCDN }',
        /sw\.mjs exports no PeerCnd, which \/sw\.js imports/,
        /did you mean PeerCDN/,
      ],
      [
        'cdn.register();',
        "cdn.register();\nawait fetch('/x');",
        /awaits something outside of functions/,
        /into an async function/,
      ],
      ['import PeerCDN from', 'import', /uses PeerCDN /, /import PeerCDN from/],
    ].map(([before, after, said, todo]) => [
      `a module worker that browsers refuse: ${after}`,
      ['worker', said, { changed: { 'sw.js': moduleWorker.replace(before, after), 'index.html': asModule }, todo }],
    ]),
  ),
  ...Object.fromEntries(
    [
      [
        "{ iceServers: [{ urls: 'stun.example.org' }] }",
        /the ICE server 'stun\.example\.org', which browsers refuse/,
        /stun:host/,
      ],
      ["{ iceServers: [{ urls: ['stun://a.example'] }] }", /'stun:\/\/a\.example'/, /stun:host/],
      ["{ iceServers: [{ urls: 'stun:a.example:0' }] }", /'stun:a\.example:0'/, /stun:host/],
      ["{ iceServers: [{ urls: 'turn:a.example', username: 'u', credential: '' }] }", /without username/, /TURN needs them/],
      ["{ iceServers: [{ urls: 'turn:a.example' }] }", /without username and credential/, /TURN needs them/],
      ["{ iceServers: [{ uri: 'stun:a.example' }] }", /without the member 'urls'/, /urls: 'stun/],
      ['{ iceServers: [{ urls: [] }] }', /whose 'urls' are none/, /urls: 'stun/],
      ["{ iceServers: ['stun:a.example'] }", /the ICE server stun:a\.example, which is no object/, /urls: 'stun/],
      ["{ iceServers: { urls: 'stun:a.example' } }", /iceServers that are no list/, /iceServers: \[/],
      ["[{ urls: 'stun:a.example' }]", /as servers a list, which is no RTCConfiguration/, /iceServers: \[/],
      ["{ urls: 'stun:a.example' }", /servers without the member 'iceServers'/, /iceServers: \[/],
      ["{ iceTransportPolicy: 'none' }", /iceTransportPolicy 'none'/, /'relay'/],
    ].flatMap(([servers, said, todo]) => [
      [
        `a page gives start() servers that no browser takes: ${servers}`,
        ['page script', said, { changed: { 'index.html': page.replace("'/sw.js'", `'/sw.js', servers: ${servers}`) }, todo }],
      ],
    ]),
  ),
  "a minified worker's own listener answers everything before ours is there": [
    'worker',
    /answers every request/,
    {
      changed: {
        'sw.js': buildSync({
          stdin: {
            contents: `import PeerCDN from './dist/browser/sw.mjs';
              addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));${worker.replace(/^.*/, '')}`,
            resolveDir: '.',
          },
          bundle: true,
          minify: true,
          format: 'iife',
          write: false,
        }).outputFiles[0].text,
      },
    },
  ],
  'no route asks peers': ['routes', /DelegatePlugin/, routed('cache.getMiddleware, network.getMiddleware')],
  'a route has no plugin': ['routes', /DelegatePlugin/, { changed: { 'sw.js': worker.replace(`, ${plugins}`, '') } }],
  'a route asks the network before peers': [
    'routes',
    /NetworkPlugin before/,
    routed('network.getMiddleware, cache.getMiddleware, new PeerCDN.DelegatePlugin().getMiddleware'),
  ],
  'the worker has no route': ['routes', /no route/, { changed: { 'sw.js': worker.replace(/cdn\.GET.*/, '') } }],
  'the worker has its route in a comment only': [
    'routes',
    /no route/,
    { changed: { 'sw.js': worker.replace('cdn.GET', '// cdn.GET') } },
  ],
  'a bundled worker never calls register': [
    'worker',
    /never calls register/,
    { changed: { 'sw.js': `${ours};new PeerCDN().GET('/static', 'ordered');` } },
  ],
  'a module worker is registered as a classic one': [
    'worker',
    /registered as a classic script/,
    { changed: { 'sw.js': moduleWorker } },
  ],
  'a classic worker is registered as a module': [
    'worker',
    /importScripts\(\), which a module may not/,
    { changed: { 'index.html': asModule } },
  ],
  'page.js was not copied': [
    'page script',
    /page\.js, which .*index\.js imports, answers 404/,
    { rules: { '/peer-cdn/page.js': { status: 404 } } },
  ],
  'engine.js was not copied': [
    'page script',
    /engine\.js, which .*page\.js imports, answers 404/,
    { rules: { '/peer-cdn/engine.js': { status: 404 } } },
  ],
  'an app answers with its page for engine.js': [
    'page script',
    /engine\.js.* is a page/,
    { rules: { '/peer-cdn/engine.js': html } },
  ],
  'engine.js has a type that browsers refuse': [
    'page script',
    /engine\.js.* of type text\/plain/,
    { rules: { '/peer-cdn/engine.js': { headers: { 'content-type': 'text/plain' }, body: '' } } },
  ],
  'index.js is empty': ['page script', /index\.js is empty/, { rules: { '/peer-cdn/index.js': script('') } }],
  'page.js is empty': ['page script', /page\.js is empty/, { rules: { '/peer-cdn/page.js': script('') } }],
  'engine.js is empty': ['page script', /engine\.js is empty/, { rules: { '/peer-cdn/engine.js': script('') } }],
  'index.js has a syntax error': [
    'page script',
    /index\.js has a syntax error/,
    { rules: { '/peer-cdn/index.js': script('export const start = ;') } },
  ],
  'index.js was not copied': ['page script', /index\.js, .*answers 404/, { rules: { '/peer-cdn/index.js': { status: 404 } } }],
  'index.js never comes': [
    'page script',
    /index\.js, .*did not answer in time/,
    { rules: { '/peer-cdn/index.js': () => {} }, timeoutMs: 15_000 },
  ],
  'a script of the page is not there': [
    'page script',
    /main\.js answers 404/,
    { changed: { 'index.html': '<!doctype html><script type="module" src="/main.js"></script>' } },
  ],
  "the page's script has a syntax error": [
    'page script',
    /syntax error/,
    { changed: { 'index.html': page.replace('await start(', 'await start(((') } },
  ],
  'the worker may not control the page': [
    'scope',
    /below \/js\//,
    { changed: { 'index.html': page.replace('/sw.js', '/js/sw.js'), 'js/sw.js': worker } },
  ],
  'a scope that is more than the worker may have': [
    'scope',
    /is more than/,
    {
      changed: {
        'index.html': page.replace("worker: '/sw.js'", "worker: '/js/sw.js', scope: '/'"),
        'js/sw.js': worker,
      },
    },
  ],
  'what the worker may have is no path': [
    'scope',
    /Service-Worker-Allowed: \/\/`/,
    { rules: { '/sw.js': withHeader('service-worker-allowed', '//') } },
  ],
  'what the worker may have is of another site': [
    'scope',
    /Service-Worker-Allowed: https:\/\/other/,
    { rules: { '/sw.js': withHeader('service-worker-allowed', 'https://other.example/') } },
  ],
  'the CSP of the page forbids wasm': ['CSP', /page may not compile/, { rules: { '/': csp("script-src 'self'") } }],
  "helmet's CSP forbids wasm": ['CSP', /page may not compile/, { rules: { '/': csp("default-src 'self';base-uri 'self'") } }],
  'a meta element forbids wasm': [
    'CSP',
    /page may not compile/,
    {
      changed: { 'index.html': `<meta http-equiv="Content-Security-Policy" content="script-src 'self' 'unsafe-inline'">${page}` },
    },
  ],
  'the CSP of the worker forbids wasm': ['CSP', /worker may not compile/, { rules: { '/sw.js': csp("default-src 'self'") } }],
  'the CSP of the worker forbids its fetches': [
    'CSP',
    /worker may not fetch/,
    { rules: { '/sw.js': csp("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self'") } },
  ],
  'the CSP forbids the worker': ['CSP', /may not use the worker/, { rules: { '/': csp("worker-src 'none'") } }],
  'the CSP of all scripts and pages forbids the socket': [
    'CSP',
    /engine\.js, which opens the socket, may not connect/,
    { rules: { '/': csp('connect-src https://api.example'), '/peer-cdn/engine.js': csp('connect-src https://api.example') } },
  ],
  'the CSP of the engine alone forbids the socket': [
    'CSP',
    /engine\.js, which opens the socket, may not connect/,
    { rules: { '/peer-cdn/engine.js': csp("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'") } },
  ],
  'the CSP forbids the socket to a page whose engine runs in it': [
    'CSP',
    /the page may not connect/,
    { rules: { '/': csp("connect-src 'none'"), '/peer-cdn/engine.js': csp("script-src 'self'") } },
  ],
  'the CSP forbids WebRTC': ['CSP', /WebRTC/, { rules: { '/': csp("webrtc 'block'") } }],
  'the page is in a sandbox': ['CSP', /in a sandbox without an origin/, { rules: { '/': csp('sandbox allow-scripts') } }],
  'the page requires Trusted Types, and allows other policies only': [
    'CSP',
    /does not allow the policy `peer-cdn`/,
    { rules: { '/': csp("require-trusted-types-for 'script'; trusted-types react") } },
  ],
  'the worker requires Trusted Types': [
    'CSP',
    /the worker requires Trusted Types, and gives importScripts\(\) a text/,
    { rules: { '/sw.js': csp("require-trusted-types-for 'script'") } },
  ],
  'there is no manifest': [
    'manifest',
    /answers 404/,
    { rules: { [MANIFEST_PATH]: { status: 404 } }, todo: /^Run `peer-cdn manifest/ },
  ],
  'the manifest is refused': [
    'manifest',
    /answers 403/,
    { rules: { [MANIFEST_PATH]: { status: 403 } }, todo: /^Let the server/ },
  ],
  'an app answers with its page for the manifest': ['manifest', /is a page/, { rules: { [MANIFEST_PATH]: html } }],
  'the manifest is of an unknown version': [
    'manifest',
    /no manifest of version 1, but of 2 \(malformed-manifest\)/,
    { rules: { [MANIFEST_PATH]: manifestOf('{"version":2}') } },
  ],
  'the manifest has no version': ['manifest', /but of none/, { rules: { [MANIFEST_PATH]: manifestOf('[]') } }],
  'the manifest is null': ['manifest', /but of none/, { rules: { [MANIFEST_PATH]: manifestOf('null') } }],
  'the manifest is cut off': ['manifest', /is no JSON/, { rules: { [MANIFEST_PATH]: manifestOf('{"version":1,') } }],
  'the manifest has no list of files': [
    'manifest',
    /is no manifest \(malformed/,
    { rules: { [MANIFEST_PATH]: manifestOf('{"version":1,"resources":[]}') } },
  ],
  'the manifest never comes': ['manifest', /did not answer in time/, { rules: { [MANIFEST_PATH]: () => {} }, timeoutMs: 15_000 }],
  'the manifest never ends': [
    'manifest',
    /not to its end/,
    { rules: { [MANIFEST_PATH]: hangs({ 'content-type': 'application/json' }) }, timeoutMs: 15_000 },
  ],
  'a listed file never comes': [
    'files',
    /did not answer in time/,
    { rules: { '/static/large.bin': () => {} }, timeoutMs: 15_000 },
  ],
  'a listed file never ends': [
    'files',
    /not to its end/,
    { rules: { '/static/large.bin': hangs({ 'content-length': 600_000 }) }, timeoutMs: 15_000 },
  ],
  'the page never ends': [
    'page',
    /not to its end/,
    { rules: { '/': hangs({ 'content-type': 'text/html' }) }, timeoutMs: 15_000 },
  ],
  'sharing is switched off': [
    'manifest',
    /turns sharing off/,
    { rules: { [MANIFEST_PATH]: manifestOf('{"version":1,"disabled":true}') } },
  ],
  'the manifest lists nothing': [
    'manifest',
    /lists no file/,
    { rules: { [MANIFEST_PATH]: manifestOf('{"version":1,"resources":{}}') } },
  ],
  'an entry is bad': [
    'manifest',
    /skip 1 entries: \/b/,
    { rules: { [MANIFEST_PATH]: manifestOf(JSON.stringify({ version: 1, resources: { '/static/a': entry, '/b': {} } })) } },
  ],
  'the manifest is kept for a day': [
    'manifest is fresh',
    /86400 s/,
    {
      rules: {
        [MANIFEST_PATH]: {
          headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=86400' },
          body: JSON.stringify({ version: 1, resources: { '/static/a': entry } }),
        },
      },
    },
  ],
  'no listed file is where a route with a name has its folder': [
    'routes',
    /no listed file/,
    { changed: { 'sw.js': worker.replace('/static', '/:language/static') } },
  ],
  'no listed file is below a route': ['routes', /no listed file/, { changed: { 'sw.js': worker.replace('/static', '/assets') } }],
  'a listed file is not there': ['files', /answers 404/, { rules: { '/static/small.png': { status: 404 } } }],
  'a listed file is a redirect': [
    'files',
    /redirect to/,
    { rules: { '/static/small.png': { status: 301, headers: { location: 'https://cdn.example/small.png' } } } },
  ],
  'an app answers with its page for a listed file': ['files', /is a page/, { rules: { '/static/small.png': html } }],
  'a listed file has other bytes': [
    'files',
    /other bytes than the manifest says, from 262144/,
    { rules: { '/static/large.bin': answers({}, changedByte) } },
  ],
  'a listed file has grown': [
    'files',
    /600001 bytes/,
    { rules: { '/static/large.bin': answers({}, Buffer.concat([large, Buffer.alloc(1)])) } },
  ],
  'a listed file is private': ['files', /private/, { rules: { '/static/large.bin': withHeader('cache-control', 'private') } }],
  'a listed file varies by visitor': [
    'files',
    /because of vary: Cookie$/,
    { rules: { '/static/large.bin': withHeader('vary', 'Cookie') } },
  ],
  'a listed file sets a cookie': ['files', /cookie/, { rules: { '/static/large.bin': withHeader('set-cookie', 'a=b') } }],
  'ranges are of other bytes': [
    'files',
    /Range request with 206/,
    {
      rules: {
        '/static/large.bin': (request, response, go) => {
          if (!request.headers.range) return go();
          const headers = { 'content-range': `bytes 300000-599999/${large.length}`, 'content-length': 300_000 };
          return response.writeHead(206, headers).end(large.subarray(0, 300_000));
        },
      },
    },
  ],
  'there is no coordinator': ['coordinator', /with 404|with 200/, { socket: null, todo: /socket: 'wss:/ }],
  'the coordinator does not know the site': ['coordinator', /origin-refused/, { socket: { origins: ['https://other.example'] } }],
  'the coordinator is elsewhere, and not there': [
    'coordinator',
    /ECONNREFUSED/,
    { changed: { 'index.html': page.replace("worker: '/sw.js'", "worker: '/sw.js', socket: 'ws://127.0.0.1:1/peer-cdn/ws'") } },
  ],
  'the coordinator has no URL of a socket': [
    'coordinator',
    /ftp:\/\/a\.example\/ is no URL of a WebSocket/,
    { changed: { 'index.html': page.replace("worker: '/sw.js'", "worker: '/sw.js', socket: 'ftp://a.example/'") } },
  ],
  "the coordinator's URL has a fragment": [
    'coordinator',
    /#a is no URL of a WebSocket/,
    { changed: { 'index.html': page.replace("worker: '/sw.js'", `worker: '/sw.js', socket: '${SOCKET_PATH}#a'`) } },
  ],
  'the token of the page is of another key': [
    'coordinator',
    /with 401/,
    {
      socket: { tokenKeys: 'a key of sixteen characters' },
      changed: { 'index.html': page.replace("worker: '/sw.js'", `worker: '/sw.js', socket: '${SOCKET_PATH}?token=a'`) },
      todo: /token .* too old, or of another key/,
    },
  ],
  'no digest list was deployed': ['digest lists', /answers 404/, { digests: { status: 404 } }],
  'a digest list is another': ['digest lists', /other bytes/, { digests: { body: 'x' } }],
};

/** Tests of sites that have to be waited for: they wait all at once. */
const waiting = [];
const add = (isWaiting, name, run) => (isWaiting ? waiting.push([name, run]) : test(name, run));

test('a port that a scheme has anyway may be named in a CSP', async (t) => {
  const socket = 'wss://localhost/peer-cdn/ws';
  const url = await site(t, {
    changed: { 'index.html': page.replace("worker: '/sw.js'", `worker: '/sw.js', socket: '${socket}'`) },
    rules: { '/': csp("connect-src 'self' wss://localhost:443") },
  });
  assert.equal(statesOf(await examine(url)).CSP, 'right');
});

test("a page with a Cross-Origin-Embedder-Policy whose engine's script has none is told of it, and only that", async (t) => {
  const policy = { 'cross-origin-embedder-policy': 'require-corp; report-to="x"' };
  const withPolicy = (_request, response, next) => {
    for (const [name, value] of Object.entries(policy)) response.setHeader(name, value);
    next();
  };
  for (const [rules, notes] of [
    [{ '/': withPolicy }, [/engine\.js has no Cross-Origin-Embedder-Policy/]],
    [{ '/': withPolicy, '/peer-cdn/engine.js': withPolicy }, []],
    [{ '/peer-cdn/engine.js': withPolicy }, []],
  ]) {
    const { ok, findings } = await examine(await site(t, { rules }));
    assert.ok(ok);
    const said = findings.filter(({ check, state }) => check === 'page script' && state === 'note').map(({ what }) => what);
    assert.equal(said.length, notes.length, said.join());
    for (const [index, note] of notes.entries()) assert.match(said[index], note);
  }
});

for (const [what, [check, said, { digests, timeoutMs, todo: helps, ...rest }]] of Object.entries(broken)) {
  add(timeoutMs, `doctor finds: ${what}`, async (t) => {
    const rules = { ...rest.rules };
    if (digests) {
      const { makeManifest } = await import('../../src/server/index.js');
      const { manifest } = await makeManifest(makeFolder(t, files));
      rules[`/peer-cdn/digests/${manifest.resources['/static/large.bin'].root}`] = digests;
    }
    const { ok, findings } = await examine(await site(t, { ...rest, rules }), { timeoutMs });
    const wrong = findings.filter(({ state }) => state === 'wrong');
    assert(!ok && wrong.some((each) => each.check === check && said.test(each.what)), JSON.stringify(wrong, null, 1));
    for (const { todo } of wrong) assert(todo);
    if (helps)
      assert(
        wrong.some(({ todo }) => helps.test(todo)),
        JSON.stringify(wrong, null, 1),
      );
  });
}

/** The worker without its first line. */
const calls = worker.slice(worker.indexOf('\n') + 1);
/** Another path of the site. */
const isAt = (path) => (request, _response, go) => {
  request.url = path;
  go();
};
const fine = {
  'a page without a type': { rules: { '/': { body: page } } },
  'a page of XHTML': { rules: { '/': { headers: { 'content-type': 'application/xhtml+xml; charset=utf-8' }, body: page } } },
  'a CSP that allows what is needed': { rules: { '/': csp("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'") } },
  'a CSP that says the same twice, of which the first holds': {
    rules: { '/': csp("script-src 'self' 'wasm-unsafe-eval'; SCRIPT-SRC 'self'") },
  },
  'helmet with the line of the README': {
    rules: { '/': csp("default-src 'self';script-src 'self' 'wasm-unsafe-eval';object-src 'none';upgrade-insecure-requests") },
  },
  'a page in a sandbox that keeps its origin': { rules: { '/': csp('sandbox allow-scripts allow-same-origin') } },
  'Trusted Types, whose policies are not limited': { rules: { '/': csp("require-trusted-types-for 'script'") } },
  'Trusted Types, and our policy is allowed': {
    rules: { '/': csp("require-trusted-types-for 'script'; trusted-types react peer-cdn") },
  },
  'a module worker that requires Trusted Types': {
    changed: { 'index.html': asModule, 'sw.js': moduleWorker },
    rules: { '/sw.js': csp("require-trusted-types-for 'script'") },
  },
  'a file that comes compressed': {
    rules: {
      '/static/large.bin': (request, response, go) => {
        if (request.headers.range) return go();
        const headers = { 'content-encoding': 'gzip', vary: 'accept-encoding', 'content-type': 'application/octet-stream' };
        return response.writeHead(200, headers).end(gzipSync(large));
      },
    },
  },
  'a server without ranges': { rules: { '/static/large.bin': answers({}, large) } },
  'a worker that is bundled': {
    changed: { 'sw.js': `${ours};${calls}` },
  },
  'a worker whose build has shortened all names': {
    changed: {
      'sw.js': `${ours.replace(/\b(?:GET|register)(?=\()/g, '_$&')};${worker.split('\n').slice(1).join('\n')}`.replace(
        /cdn\.(?:GET|register)/g,
        'cdn._',
      ),
    },
  },
  'a worker that goes on without a script that is not there': {
    changed: { 'sw.js': `try { importScripts('/optional.js'); } catch {}\n${worker}` },
  },
  'a worker that imports a script in some cases': {
    changed: { 'sw.js': `if (self.DEBUG) importScripts('/debug.js');\nself.TRACE && importScripts('/trace.js');\n${worker}` },
  },
  'a worker that imports a script when it is told to': {
    changed: { 'sw.js': `addEventListener('message', () => importScripts('/late.js'));\n${worker}` },
  },
  'a worker that goes on without our script': {
    changed: { 'sw.js': worker.replace(/^.*/, "try { importScripts('/gone/sw.js'); } catch {}") },
  },
  'a worker that calls register in a function': registering('function go() { cdn.register(); }\ngo();'),
  'a worker that calls register in a function by the text of its name': registering(
    "function go() { cdn.register(); }\nself['go']();",
  ),
  'a module worker that calls register in what another script exports': {
    changed: {
      'sw.js': "import boot from '/boot.js';\nboot();",
      'boot.js': moduleWorker.replace('cdn.register();', 'export default function go() { cdn.register(); }'),
      'index.html': asModule,
    },
  },
  'a module worker that passes on what another script exports': {
    changed: {
      'sw.js': `${moduleWorker}export { one, two as three } from '/more.js';\nexport { later };\nconst later = 1;`,
      'more.js': 'export const { one, two } = { one: 1, two: 2 };',
      'index.html': asModule,
    },
  },
  'a worker that imports a script where a browser has something': {
    changed: { 'sw.js': `self.scheduler?.run(importScripts('/optional.js'));\n${worker}` },
  },
  ...Object.fromEntries(
    [
      "addEventListener('fetch', (event) => { if (event.request.mode === 'navigate') event.respondWith(fetch('/')); });",
      "addEventListener('fetch', (event) => { if (isListed(event)) return; event.respondWith(fetch(event.request)); });",
      "addEventListener('fetch', (event) => event.request.mode === 'navigate' && event.respondWith(fetch('/')));",
      "addEventListener('fetch', (event) => { try { JSON.parse(''); event.respondWith(fetch('/')); } catch {} });",
      "addEventListener('fetch', (event) => { later(() => event.respondWith(fetch('/'))); });",
      "addEventListener('fetch', ({ request }) => request.respondWith(fetch('/')));",
      "const other = new EventTarget(); other.addEventListener('fetch', (event) => event.respondWith(fetch('/')));",
      "addEventListener('fetch', (event) => { const all = (event) => event.respondWith(fetch('/')); });",
      "function add() { addEventListener('fetch', (event) => event.respondWith(fetch('/'))); }",
      "if (self.DEBUG) addEventListener('fetch', (event) => event.respondWith(fetch('/')));",
      "addEventListener('message', (event) => event.respondWith(fetch('/')));",
      'self.onfetch = null;',
      'self.onfetch = (event) => event.respondWith(fetch(event.request)); self.onfetch = null;',
      'onfetch = (event) => event.respondWith(fetch(event.request)); self.onfetch = (event) => console.log(event);',
      'onfetch = (event) => event.respondWith(fetch(event.request)); if (self.DEBUG) onfetch = undefined;',
      "onfetch = (event) => event.respondWith(fetch('/')); addEventListener('activate', () => { onfetch = null; });",
      'self.onfetch ??= (event) => event.respondWith(fetch(event.request));',
      "const all = (e) => e.respondWith(fetch('/')); addEventListener('fetch', all); removeEventListener('fetch', all);",
      "const f = (e) => e.respondWith(x); addEventListener('fetch', f); setTimeout(() => removeEventListener('fetch', f));",
      "addEventListener('fetch', (event) => event.respondWith(fetch('/')), { once: true });",
      "addEventListener('fetch', (event) => event.respondWith(fetch('/')), { signal: AbortSignal.timeout(1) });",
      "addEventListener('fetch', (event) => { if (isListed(event)) throw new Error(); event.respondWith(fetch('/')); });",
      "addEventListener('fetch', (event) => { out: { if (isListed(event)) break out; event.respondWith(fetch('/')); } });",
      "addEventListener('fetch', (e) => { out: for (const a of [1]) { if (a) continue out; e.respondWith(fetch('/')); } });",
      "addEventListener('fetch', (e) => { if (isPage(e)) { e.respondWith(1); return; } if (x) return; e.respondWith(1); });",
      "addEventListener('fetch', (e) => { if (isPage(e)) e.respondWith(fetch('/')); else if (isOther(e)) e.respondWith(1); });",
      "addEventListener('fetch', (e) => { isPage(e) ? e.respondWith(fetch('/')) : isListed(e) || e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { (() => { if (isListed(e)) return; e.respondWith(fetch('/')); })(); });",
      "addEventListener('fetch', { handleEvent(e) { if (isPage(e)) e.respondWith(fetch('/')); } });",
      "addEventListener('fetch', async (e) => { const answer = await find(e); e.respondWith(answer); });",
      "addEventListener('fetch', (event) => { do { if (isListed(event)) break; event.respondWith(fetch('/')); } while (0); });",
      "addEventListener('fetch', (e) => { switch (e.request.mode) { case 'navigate': e.respondWith(fetch('/')); } });",
      "addEventListener('fetch', (e) => { switch (1) { default: if (isListed(e)) break; e.respondWith(fetch('/')); } });",
      "addEventListener('fetch', (e) => { switch (e.request.mode) { case 'cors': return; } e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (event) => { let done = isListed(event); done ||= event.respondWith(fetch('/')); });",
      "addEventListener('fetch', function* (event) { event.respondWith(fetch('/')); });",
      "addEventListener('fetch', async (event) => { if (await isListed(event)) return; event.respondWith(fetch('/')); });",
      "addEventListener('fetch', (event) => { { const event = { respondWith() {} }; event.respondWith(fetch('/')); } });",
      "addEventListener('fetch', (event) => { event = { respondWith() {} }; event.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => answer(e)); function answer(e) { if (isListed(e)) return; e.respondWith(fetch('/')); }",
      "addEventListener('fetch', (e) => { if (isPage(e)) answer(e); }); function answer(e) { e.respondWith(fetch('/')); }",
      "const on = (type, f) => addEventListener(type, f); on('message', (event) => event.respondWith(fetch('/')));",
      "for (const type of ['install', 'message']) addEventListener(type, (event) => event.respondWith(fetch('/')));",
      "for (const type of ['fetch']) { if (!self.DEBUG) continue; addEventListener(type, (e) => e.respondWith(fetch('/'))); }",
      "function add() { addEventListener('fetch', (e) => e.respondWith(fetch('/'))); } addEventListener('install', add);",
      "const f = (event) => event.respondWith(fetch('/')); { const f = () => {}; addEventListener('fetch', f); }",
      "function hear(f) { addEventListener('fetch', f); } const f = (e) => e.respondWith(fetch('/')); hear(() => {}); f;",
      "addEventListener('fetch', (e) => { if (e.request.method !== 'GET' || isListed(e)) return; e.respondWith(1); });",
      "addEventListener('fetch', (e) => { if (e.request.method === 'GET' && isPage(e)) e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (e.request.method === 'POST') e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (e.request.method === verb) e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (new URL(e.request.url).origin !== location.origin) e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (new URL(e.request.url).origin === cdn.origin) e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if (e.request.url.startsWith('https://a.example')) e.respondWith(fetch('/')); });",
      "addEventListener('fetch', (e) => { if ((e.request.method === 'GET') ?? isPage(e)) return; e.respondWith(fetch('/')); });",
    ].map((text, i) => [
      `a worker whose own listener does not answer everything (${i})`,
      { changed: { 'sw.js': `${text}\n${worker}` } },
    ]),
  ),
  ...Object.fromEntries(
    [
      "if (typeof window !== 'undefined') window.x = 1;",
      'self.window = self; window.x = 1;',
      'var window = self, document = null; window.x = document;',
      'try { localStorage.x = 1; } catch {}',
      'const root = typeof window === "undefined" ? self : window; root.x = 1;',
      "addEventListener('message', () => window.x());",
      'self.helper = () => {}; helper();',
      'Object.assign(self, { helper() {} }); helper();',
      "eval('var helper = 1'); console.log(helper);",
      "importScripts('/lib.js'); helper(); another; third;",
      'late(); function late() { return later; } var later = 1;',
      'const one = () => two; const two = 1; one();',
      'class A { static { A.x = 1; } static y = A; }',
      'a = 1; console.log(a);',
      'const path = self.registration.scope; onfetch; oninstall; console.log(name, origin, path);',
      'const cdn2 = { get() {}, on() {} }; cdn2.get(); cdn2.on();',
      'PeerCDN.prototype.get = function () { return this; }; new PeerCDN().get();',
      "const way = PeerCDN.strategies; new PeerCDN().GET('/a', way['ordered'], new PeerCDN.DelegatePlugin().getMiddleware);",
      "const { strategies: { ordered: o }, DelegatePlugin: D } = PeerCDN; new PeerCDN().GET('/a', o, new D().getMiddleware);",
      "const api = { GET() {} }; api.GET('/a', {}, []); api.GET('/b*');",
      "new PeerCDN().GET('/:id', 'ordered', delegate.getMiddleware).GET('/:id(a|b*)', 'ordered', () => ({}));",
      "const given = ['/a', 'ordered']; new PeerCDN().GET(...given, () => ({ get() {} }));",
      'with ({ helper: 1 }) { helper; }',
    ].map((text, i) => [
      `a worker that does not throw as it starts (${i}: ${text})`,
      {
        changed: {
          'sw.js': worker.replace(
            /(?=const cdn)/,
            `{\n${text.replaceAll('PeerCDN', 'self.PeerCDN').replaceAll('self.self', 'self')}\n}\n`,
          ),
          'lib.js': 'function helper() {}\nlet another = 1;\nself["third"] = 1;',
        },
      },
    ]),
  ),
  ...Object.fromEntries(
    [
      "{ iceServers: [{ urls: ['stun:a.example', ' stuns:[::1]:5349'] }, { urls: 'turn:a:1?transport=tcp', ...secret }] }",
      "{ iceServers: [{ urls: 'turns:a.example', username: 'u', credential: 'c' }], iceTransportPolicy: 'relay' }",
      '{ iceServers: [...secret.list], bundlePolicy: secret.policy }',
      '{ iceServers: secret.list }',
      "{ iceServers: [{ url: 'stun:a.example' }] }",
      'secret.servers',
      'null',
    ].map((servers) => [
      `a page with servers that browsers take: ${servers}`,
      {
        changed: {
          'index.html': page
            .replace("'/sw.js'", `'/sw.js', servers: ${servers}`)
            .replace('await', 'const secret = self.x;\nawait'),
        },
      },
    ]),
  ),
  'a worker whose own listener, which answers everything, comes after ours': registering(
    "cdn.register();\naddEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
  ),
  'a worker that calls register in a function before its own listener answers everything': registering(
    "go();\naddEventListener('fetch', (event) => event.respondWith(fetch('/')));\nfunction go() { cdn.register(); }",
  ),
  'a worker that imports a script with a listener of everything behind ours': {
    changed: {
      'sw.js': `${worker}importScripts('/old.js');`,
      'old.js': "self.addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
    },
  },
  'a worker that imports a script whose listener leaves files alone': {
    changed: {
      'sw.js': `importScripts('/old.js');\n${worker}`,
      'old.js': "onfetch = (event) => { if (event.request.mode === 'navigate') event.respondWith(fetch('/')); };",
    },
  },
  'a worker with a listener in a class that nobody makes': {
    changed: { 'sw.js': `class Old { heard = addEventListener('fetch', (e) => e.respondWith(fetch('/'))); }\n${worker}` },
  },
  'a worker with an expression that is too long to be read': {
    changed: { 'sw.js': `${worker}const a = ${"'a'+".repeat(40_000)}'a';` },
  },
  'a worker whose functions call each other in too many ways to be followed': {
    changed: {
      'sw.js': `${worker}${Array.from({ length: 9 }, (_, i) => `function f${i}() { ${`f${i + 1}();`.repeat(30)} }`).join('\n')}
        function f9() { addEventListener('fetch', (event) => event.respondWith(fetch('/'))); } ${'f0();'.repeat(30)}`,
    },
  },
  'a page with other things that start': {
    changed: {
      'index.html': page.replace(
        'await start',
        'const a = { start() {} };\n{ const start = () => {}; start({ verbose: 1 }); }\na.start({ quiet: 1 });\nawait start',
      ),
    },
  },
  'a worker that calls register in a loop': registering('for (const each of [cdn]) each.register();'),
  'a worker whose listener is added by a helper after ours': {
    changed: {
      'sw.js': `const on = (type, f) => addEventListener(type, f);\n${worker}on('fetch', (e) => e.respondWith(fetch('/')));`,
    },
  },
  'a worker whose options are taken back, or are of another variable': {
    changed: {
      'sw.js': `const options = { versoin: 1 }; delete options.versoin;
        const make = (options) => new PeerCDN.CachePlugin(options);
        ${worker.replace('{ version: 1 }', 'options')} make({ version: 2 }); { const options = { version: 3 }; make(options); }`,
    },
  },
  'a worker whose own things have a register() too': registering(
    "cdn.register({ staticRoutes: true }); ({ register() {} }).register({ name: 'x' });",
  ),
  'a worker that waits in some cases only': registering(
    "(async () => { if (self.DEBUG) await fetch('/x'); cdn.register(); })();",
  ),
  'a worker that waits for what register gives': registering('(async () => { await cdn.register(); })();'),
  'a worker whose middleware asks peers itself': routed(
    'cache.getMiddleware, (event) => delegate.getMiddleware(event), network.getMiddleware',
  ),
  'a worker of which one route asks peers': registering("cdn.GET('/api', ordered, network.getMiddleware);\ncdn.register();"),
  'a worker that asks all at once': {
    changed: {
      'sw.js': worker
        .replace('strategies: { ordered }', 'strategies: { fastest }')
        .replace(`ordered, ${plugins}`, 'fastest, network.getMiddleware, delegate.getMiddleware'),
    },
  },
  'a worker that imports what only a browser can tell': { changed: { 'sw.js': `importScripts(self.name + '/cdn.js');` } },
  'a worker whose calls are in a script that it imports': {
    changed: { 'sw.js': "importScripts('/peer-cdn/sw.js', './cdn.js');", 'cdn.js': calls },
  },
  'a worker of Workbox': {
    changed: {
      'sw.js': `if (!self.define) self.define = (names, run) => run({});
        define(['./workbox'], (w) => { importScripts("/peer-cdn/sw.js", "cdn.js"); });`,
      'cdn.js': calls,
    },
  },
  'a worker that imports our script by a redirect': {
    rules: { '/our.js': { status: 302, headers: { location: '/peer-cdn/sw.js' } } },
    changed: { 'sw.js': worker.replace('/peer-cdn/sw.js', '/our.js') },
  },
  'a page that has another worker too': {
    changed: { 'index.html': page.replace('await start', "const pdf = { worker: '/pdf.worker.js' };\nawait start") },
  },
  'a page that has another worker too, further down': {
    changed: { 'index.html': page.replace('</script>', "const pdf = { worker: '/pdf.worker.js' };\n</script>") },
  },
  'a page that has other things with a scope': {
    changed: {
      'index.html': page.replace('await start', "const auth = { client_id: 'x', scope: 'openid profile' };\nawait start"),
    },
  },
  'a class of the site with the name of one of ours': {
    changed: {
      'sw.js': `${worker}{ class CachePlugin { constructor({ ttl }) { this.ttl = ttl; } } new CachePlugin({ ttl: 5 }); }`,
    },
  },
  'a module worker': { changed: { 'sw.js': moduleWorker, 'index.html': asModule } },
  'a worker that names its methods by texts': {
    changed: { 'sw.js': worker.replace('.GET', "['GET']").replace('.register', "['register']") },
  },
  'a page with scripts of others that are broken, and one that is commented out': {
    changed: {
      'index.html': `<!-- <script src="/old.js"></script> --><script type="application/json">{</script>
        <script src="/gone.js"></script><script>(</script>${page}`,
    },
  },
  'an engine at the usual place, and none beside the bundle': {
    rules: {
      '/assets/index.js': isAt('/peer-cdn/index.js'),
      '/assets/page.js': isAt('/peer-cdn/page.js'),
      '/assets/engine.js': { status: 404 },
    },
    changed: { 'index.html': page.replace('/peer-cdn/index.js', '/assets/index.js') },
  },
  'a large file that takes longer than one answer may': {
    rules: {
      '/static/large.bin': async (request, response, go) => {
        if (request.headers.range) return go();
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': large.length });
        for (let at = 0; at < large.length; at += 70_000) {
          response.write(large.subarray(at, at + 70_000));
          await new Promise((resolve) => setTimeout(resolve, 650));
        }
        response.end();
      },
    },
    timeoutMs: 20_000,
  },
  'a worker of a folder that may control more': {
    changed: { 'index.html': page.replace('/sw.js', '/js/sw.js'), 'js/sw.js': worker },
    rules: { '/js/sw.js': withHeader('service-worker-allowed', '/') },
  },
};
fine['a worker of a folder that may control more'].changed['index.html'] = page.replace("'/sw.js'", "'/js/sw.js', scope: '/'");

for (const [how, options] of Object.entries({
  'in one script': {},
  'in parts': { splitting: true },
  minified: { minify: true },
})) {
  const built = buildSync({
    stdin: { contents: `import { start } from './dist/browser/index.js'; start({ worker: '/sw.js' });`, resolveDir: '.' },
    bundle: true,
    format: 'esm',
    outdir: '.',
    entryNames: 'main',
    write: false,
    ...options,
  });
  const scripts = built.outputFiles.map(({ path, text }) => [`assets/${basename(path)}`, text]);
  const index = '<!doctype html><script type="module" src="/assets/main.js"></script>';
  fine[`a page that is bundled ${how}`] = { changed: { ...Object.fromEntries(scripts), 'index.html': index } };
}

for (const [what, { timeoutMs, ...given }] of Object.entries(fine)) {
  add(timeoutMs, `doctor finds nothing wrong: ${what}`, async (t) => {
    const { ok, findings } = await examine(await site(t, given), { timeoutMs });
    assert(ok, JSON.stringify(findings.filter(({ state }) => state === 'wrong')));
  });
}

test('of a worker that does not control the page, the manifest is looked for where it will be', async (t) => {
  const changed = { 'index.html': page.replace('/sw.js', '/js/sw.js'), 'js/sw.js': worker };
  const { findings } = await examine(await site(t, { changed }));
  assert.deepEqual(
    findings.filter(({ state }) => state === 'wrong').map(({ check }) => check),
    ['scope'],
  );
});

test('a policy of the page alone that forbids the socket is no fault where the engine is a worker', async (t) => {
  for (const given of [{}, fine['a page that is bundled in one script'], fine['a page that is bundled in parts']]) {
    const { ok, findings } = await examine(await site(t, { ...given, rules: { '/': csp("connect-src 'none'") } }));
    const { state, what } = findings.find(({ check }) => check === 'CSP');
    assert.deepEqual([ok, state], [true, 'note'], JSON.stringify(findings));
    assert.match(what, /the page may not connect to ws:.*, where a browser runs the engine in it/);
  }
});

test("the policy of an engine's script that a build has named holds", async (t) => {
  const parts = fine['a page that is bundled in parts'];
  const engine = Object.keys(parts.changed).find((name) => /engine-/.test(name));
  const { findings } = await examine(await site(t, { ...parts, rules: { [`/${engine}`]: csp("connect-src 'none'") } }));
  assert.match(findings.find(({ check }) => check === 'CSP').what, /engine-\w+\.js, which opens the socket, may not connect/);
});

const module = (text) => `<!doctype html><script type="module">${text}</script>`;
const ourScript = "'/peer-cdn/index.js'";
/** Pages that load peer-cdn, and never start it. */
const unstarted = {
  'our script alone': '<!doctype html><script type="module" src="/peer-cdn/index.js"></script>',
  'an import for nothing': module(`import ${ourScript};`),
  'an import of what is not used': module(`import { start } from ${ourScript};`),
  'an import by another name': module(`import { start as go, PeerPlugin } from ${ourScript};`),
  'an import of everything': module(`import * as peerCdn from ${ourScript};`),
  'a call in a comment': module(`import { start } from ${ourScript};\n// await start({ worker: '/sw.js' });`),
  'an import() of which nothing is called': module(`const peerCdn = await import(${ourScript}); console.log(peerCdn);`),
};
for (const [what, index] of Object.entries(unstarted)) {
  test(`doctor hints at a page that never calls start(): ${what}`, async (t) => {
    const { ok, findings } = await examine(await site(t, { changed: { 'index.html': index } }), { worker: '/sw.js' });
    const { state, what: said, todo } = findings.find(({ check }) => check === 'page script');
    assert.deepEqual([ok, state], [true, 'note']);
    assert.match(said, /none of its scripts is seen to call start\(\)/);
    assert.match(todo, /start\(\{ worker: '\/sw\.js' \}\)/);
  });
}

test('doctor hints at a page whose scripts are all seen, and do not load peer-cdn', async (t) => {
  const { ok, findings } = await examine(await site(t, { changed: { 'index.html': module('console.log(1);') } }));
  const { state, what } = findings.find(({ check }) => check === 'page script');
  assert.deepEqual([ok, state, what], [true, 'note', 'none of the 1 scripts of / loads peer-cdn']);
});

/** Pages that start peer-cdn, or of which that is not seen. */
const started = {
  'by another name': module(`import { start as go } from ${ourScript};\ngo({ worker: '/sw.js' });`),
  'of everything': module(`import * as peerCdn from ${ourScript};\npeerCdn.start({ worker: '/sw.js' });`),
  'by the long form': module(`import { PeerPlugin } from ${ourScript};\nnew PeerPlugin();`),
  'when import() is done': module(`import(${ourScript}).then(({ start }) => start({ worker: '/sw.js' }));`),
  'by what another script passes on': module("import { start } from '/on.js';\nstart({ worker: '/sw.js' });"),
  'by what is global': `${module(`import { start } from ${ourScript};\nwindow.go = start;`)}<p>`,
  'by an attribute': `${module(`import * as peerCdn from ${ourScript};`)}<button onclick="go()">`,
  'by a script of another origin': `${module(`import ${ourScript};`)}<script src="https://tags.example/a.js"></script>`,
  'by a script that is made': module(`import ${ourScript};\ndocument.head.append(document.createElement('script'));`),
  'by a module that only a run could tell': module(`import ${ourScript};\nimport('/' + location.hash.slice(1));`),
  'by a module that an import map names': module(`import ${ourScript};\nimport 'app';`),
  'by a text that is run': module(`import ${ourScript};\neval(await (await fetch('/app.txt')).text());`),
  'in a frame': `${module(`import ${ourScript};`)}<iframe src="/app.html"></iframe>`,
  'in an old frame': `<frameset><frame src="/app.html"></frameset>${module(`import ${ourScript};`)}`,
  'in an object': `${module(`import ${ourScript};`)}<object data="/app.html"></object>`,
  'on a page that it goes on to': `<meta http-equiv="Refresh" content="0; url=/app.html">${module(`import ${ourScript};`)}`,
  'on a page that a script goes on to': module(`import ${ourScript};\nlocation.replace('/app.html');`),
  'on a page that a header goes on to': module(`import ${ourScript};`),
  'in a frame that is made': module(`import ${ourScript};\ndocument.body.append(document.createElement('iframe'));`),
  'in an element whose name only a run could tell': module(`import ${ourScript};\ndocument.createElement(location.hash);`),
  'by HTML that is set': module(`import ${ourScript};\ndocument.body.innerHTML = '<img src=x onerror=go()>';`),
  'by HTML that is put beside': module(`import ${ourScript};\ndocument.body.insertAdjacentHTML('beforeend', await text());`),
  'by HTML that is written': `${module(`import ${ourScript};`)}<script>document.write('<b onclick="go()">');</script>`,
  'by an attribute that is set': module(`import ${ourScript};\ndocument.body.setAttribute('onclick', 'go()');`),
  'by a text that is run later': module(`import ${ourScript};\nsetTimeout('go()', 100);`),
  'by a module of which a variable has the name': module(`import ${ourScript};\nconst name = await which();\nimport(name);`),
  'by a style that is a script': `${module(`import ${ourScript};`)}<svg><script href="/app.js"></script></svg>`,
  'by a script of another language': `${module(`import ${ourScript};`)}<script type="text/typescript">go()</script>`,
};
for (const [what, index] of Object.entries(started)) {
  test(`doctor finds nothing wrong: a page that starts peer-cdn ${what}`, async (t) => {
    const changed = { 'index.html': index, 'on.js': `export { start } from ${ourScript};` };
    const rules = what.includes('a header') ? { '/': withHeader('refresh', '0; url=/app.html') } : {};
    const { findings } = await examine(await site(t, { changed, rules }), { worker: '/sw.js' });
    assert.deepEqual(
      findings.filter(({ state }) => state === 'wrong' || state === 'note'),
      [],
    );
  });
}

/** Bundles of a page, and what is said of it. */
const bundled = {
  'a call of start() that is seen under another name': ["start({ worker: '/sw.js' });", 'right', /^the page loads peer-cdn$/],
  'a call of which nothing is seen': ['start();', 'not checked', /only a browser can tell whether it calls start\(\)/],
};
for (const [what, [text, state, said]] of Object.entries(bundled)) {
  test(`of a minified bundle with ${what} the page script is ${state}`, async (t) => {
    const contents = `import { start } from './dist/browser/index.js';\n${text}`;
    const built = buildSync({
      stdin: { contents, resolveDir: '.' },
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
      outdir: '.',
    });
    const scripts = built.outputFiles.map(({ path, text: each }) => [`assets/${basename(path).replace('stdin', 'main')}`, each]);
    const index = '<!doctype html><script type="module" src="/assets/main.js"></script>';
    const { findings } = await examine(await site(t, { changed: { ...Object.fromEntries(scripts), 'index.html': index } }));
    const found = findings.find(({ check }) => check === 'page script');
    assert.deepEqual([found.state, said.test(found.what)], [state, true], found.what);
  });
}

test('the page script is right where an import map names it, and what only others run is none of the page', async (t) => {
  const map = '<script type="importmap">{ "imports": { "cdn/": "./peer-cdn/" } }</script>';
  const others = ['noscript', 'template', 'textarea']
    .map((name) => `<${name}><script src="/gone.js"></script></${name}>`)
    .join('');
  const index = `${map}${others}${module("'<template>'; import { start } from 'cdn/index.js'; start({ worker: '/sw.js' });")}`;
  const { findings } = await examine(await site(t, { changed: { 'index.html': index } }));
  const said = findings.filter(({ check }) => check === 'page script').map(({ state, what }) => [state, what]);
  assert.deepEqual(said, [['right', 'the page loads peer-cdn']]);
});

test('a script that is read again says what it said, whatever a page with an import map made of it', async (t) => {
  const text = "import { start } from 'mapped';\nawait start({ worker: '/sw.js' });";
  const map = '<script type="importmap">{"imports":{"mapped":"/peer-cdn/index.js"}}</script>';
  const read = () => factsOf(text, 'module');
  const { steps } = read();
  const [imports, bindings] = structuredClone([read().imports, read().bindings]);
  for (const html of [map, '']) {
    const url = await site(t, { changed: { 'index.html': `${html}<script type="module">${text}</script>` } });
    assert.equal(statesOf(await examine(url))['page script'] === 'right', html === map);
    assert.deepEqual([read().imports, read().bindings, read().steps], [imports, bindings, steps]);
  }
});

test('nothing is said of start() where a build has shortened what our script exports', async (t) => {
  const text = readFileSync('dist/browser/index.js', 'utf8').replace(/ as start\b/, ' as a');
  const index = module(`import(${ourScript}).then(({ a }) => a({ worker: '/sw.js' }));`);
  const { findings } = await examine(
    await site(t, { changed: { 'index.html': index }, rules: { '/peer-cdn/index.js': script(text) } }),
  );
  assert.equal(statesOf({ findings })['page script'], 'not checked');
});

describe('what has to be waited for', { concurrency: true }, () => {
  for (const [name, run] of waiting) test(name, run);
});

test('scripts that caches keep beyond the next release are told of, and are no fault', async (t) => {
  const kept = { 'content-type': 'text/javascript', 'cache-control': 'public, max-age=31536000, immutable' };
  const rule = (name) => ({ headers: kept, body: readFileSync(`dist/browser/${name}`) });
  const rules = Object.fromEntries(['index.js', 'page.js', 'sw.js'].map((name) => [`/peer-cdn/${name}`, rule(name)]));
  const result = await examine(await site(t, { rules: { ...rules, '/sw.js': { headers: kept, body: worker } } }));
  const notes = result.findings.filter(({ state }) => state === 'note');
  assert.deepEqual(
    notes.map(({ check, what }) => [check, what.split(' for 31536000 s')[0]]),
    [
      ['page script', 'caches may keep /peer-cdn/index.js, /peer-cdn/page.js'],
      ['worker', 'caches may keep /sw.js, /peer-cdn/sw.js'],
    ],
  );
  assert(result.ok);

  const hour = { ...kept, 'cache-control': 'max-age=3600' };
  const page = { headers: hour, body: readFileSync('dist/browser/index.js') };
  const { findings } = await examine(await site(t, { rules: { '/peer-cdn/index.js': page } }));
  assert.deepEqual(
    findings.filter(({ state }) => state === 'note'),
    [],
  );
});

test('a connection that a server ends as it is asked there again is no fault', async (t) => {
  let asked = 0;
  const rule = (request, _response, go) => (++asked === 1 ? request.socket.destroy() : go());
  const result = await examine(await site(t, { rules: { '/sw.js': rule } }));
  assert(result.ok, JSON.stringify(result.findings));
});

test('a worker that no script is seen to name is looked for by the usual name, and that is said', async (t) => {
  const index = page.replace("{ worker: '/sw.js' }", '');
  const { findings } = await examine(await site(t, { changed: { 'index.html': index }, rules: { '/sw.js': { status: 404 } } }));
  assert.equal(findings.find(({ check }) => check === 'worker').what, '/sw.js (the usual name) answers 404');
});

test('what is not reached within the time is not checked', async (t) => {
  const url = await site(t, { rules: { '/': () => {} } });
  const { ok, findings } = await examine(url, { timeoutMs: 1 });
  assert.equal(ok, true);
  assert.deepEqual(new Set(findings.map(({ state }) => state)), new Set(['not checked']));
  const gone = await examine('http://127.0.0.1:1/');
  assert.equal(statesOf(gone).page, 'wrong');
  assert.match(gone.findings[0].what, /^http:\/\/127\.0\.0\.1:1\/: ./);
});

test('a check that was not reached names what did not answer until the time was over', async (t) => {
  // The page has no script, so that a busy machine too asks for the worker within the time.
  const url = await site(t, { rules: { '/sw.js': () => {} }, changed: { 'index.html': '<!doctype html>' } });
  const { findings } = await examine(url, { worker: '/sw.js', timeoutMs: 1500 });
  const { state, what } = findings.find(({ check }) => check === 'worker');
  assert.deepEqual([state, what], ['not checked', `the time was over (--timeout) before ${url}sw.js had answered`]);
});

test('an ICE server that answers is told from one that does not', async (t) => {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  server.on('message', (question, { port, address }) => {
    const answer = Buffer.concat([Buffer.from([1, 1, 0, 0]), question.subarray(4, 20)]);
    server.send(answer, port, address);
  });
  const url = await site(t);
  const iceOf = async (ice) => (await examine(url, { ice: [ice] })).findings.find(({ check }) => check === 'ICE servers');
  assert.equal((await iceOf(`stun:127.0.0.1:${server.address().port}`)).state, 'right');
  assert.equal((await iceOf('turn:127.0.0.1:1?transport=tcp')).state, 'wrong');
  assert.equal((await iceOf('stun.example.org')).state, 'wrong');
  const { port } = new URL(url);
  assert.equal((await iceOf(`turn:127.0.0.1:${port}?transport=tcp`)).state, 'right');
});

const cli = fileURLToPath(new URL('../../src/server/cli.js', import.meta.url));

async function run(...args) {
  const child = spawn(process.execPath, [cli, 'doctor', ...args]);
  let stdout = '';
  child.stdout.on('data', (data) => (stdout += data));
  const [status] = await once(child, 'close');
  return { status, stdout };
}

test('the command prints a table, or one object, and its status says whether something is wrong', async (t) => {
  const good = await site(t);
  const table = await run(good);
  assert.equal(table.status, 0, table.stdout);
  assert.match(table.stdout, /^ok {4}manifest .*lists 2 files$/m);
  assert.match(table.stdout, /^- {5}ICE servers .*not checked/m);
  const bad = await site(t, { socket: null });
  const json = await run(bad, '--json');
  assert.equal(json.status, 1);
  const { ok, url, findings } = JSON.parse(json.stdout);
  assert.deepEqual([ok, url], [false, bad]);
  assert(findings.some(({ check, todo }) => check === 'coordinator' && todo));
  assert.equal(JSON.parse((await run('http://127.0.0.1:1/', '--json')).stdout).ok, false);
});

test('the command asks this machine by http where nothing else is said', async (t) => {
  const { host } = new URL(await site(t));
  const { status, stdout } = await run(host);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^http:\/\/localhost:\d+\/\n/);
  assert.match((await run('http://127.0.0.1:9')).stdout, /browsers open no connection to that port/);
});

test('manifest --check of a URL reads every listed file', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`static/${i}.bin`, bytesOf(`${i}`, 70_000 + i)]));
  const options = (rules) => ({ changed: many, rules });
  const check = async (url) => {
    const child = spawn(process.execPath, [cli, 'manifest', url, '--check']);
    let stdout = '';
    child.stdout.on('data', (data) => (stdout += data));
    return [(await once(child, 'close'))[0], stdout];
  };
  const [good, goodText] = await check(await site(t, options({})));
  assert.equal(good, 0, goodText);
  assert.match(goodText, /11 of 11 were read whole/);
  const url = await site(t, options({ '/static/5.bin': answers({}, bytesOf('6', 70_005)) }));
  const [bad, badText] = await check(`${url}peer-cdn.json`);
  assert.equal(bad, 1);
  assert.match(badText, /^WRONG files +\/static\/5\.bin has other bytes/m);
});

test('of a server that does not run, or has no address, the advice is not about the manifest', async () => {
  // A port of the own machine where nothing listens, and a name that never has an address (RFC 6761).
  for (const [url, advice] of [
    ['http://127.0.0.1:10', /-> Start the server there/],
    ['http://site.invalid', /-> Look at how its name is spelt/],
  ]) {
    for (const args of [
      ['manifest', url, '--check'],
      ['doctor', url],
    ]) {
      const child = spawn(process.execPath, [cli, ...args]);
      let stdout = '';
      child.stdout.on('data', (data) => (stdout += data));
      await once(child, 'close');
      assert.match(stdout, advice, stdout);
    }
  }
});

test('a coordinator that wants a token is not checked where no script has one, and that is no fault', async (t) => {
  const result = await examine(await site(t, { socket: { tokenKeys: 'a key of sixteen characters' } }));
  assert.equal(statesOf(result).coordinator, 'not checked');
  assert(result.ok);
});

const refusing = {
  'rate-limited: this address has 500 sockets open': [429, /trustProxy/],
  'shutting-down: this coordinator ends': [503, /another one has taken its place/],
  '<h1>502 Bad Gateway</h1>': [502, /reaches no coordinator/],
  '<h1>504 Gateway Time-out</h1>': [504, /reaches no coordinator/],
};
for (const [body, [status, todo]] of Object.entries(refusing)) {
  test(`a handshake that is answered ${status} is no matter of forwarding`, async (t) => {
    const url = await site(t, { socket: null, rules: { [SOCKET_PATH]: { status, body } } });
    const { findings } = await examine(url);
    const { state, what, todo: said } = findings.find(({ check }) => check === 'coordinator');
    assert.equal(state, 'wrong');
    assert.match(what, new RegExp(`with ${status}`));
    assert.match(said, todo);
  });
}

test('the socket and the manifest are looked for where the scripts say', async (t) => {
  const url = await site(t, {
    changed: {
      'sw.js': worker.replace('new PeerCDN()', "new PeerCDN({ manifest: '/assets/m.json' })"),
      'index.html': page.replace("worker: '/sw.js'", `worker: '/sw.js', socket: '/other${SOCKET_PATH}'`),
    },
    socket: { path: `/other${SOCKET_PATH}` },
  });
  const { findings } = await examine(url);
  assert.equal(statesOf({ findings }).coordinator, 'right');
  assert.match(findings.find(({ check }) => check === 'manifest').what, /^\/assets\/m\.json/);
});

/** Where a page may have its options: [its script, but for the import]. */
const optionsElsewhere = {
  'in a variable': "const options = { worker: '/w.js', socket: '/s/peer-cdn/ws' };\nstart(options);",
  'in a variable that is filled later':
    "const options = {};\noptions.worker = '/w.js';\noptions.socket = '/s/peer-cdn/ws';\nstart(options);",
  'in a variable of an old script': "var options;\noptions = { worker: '/w.js', socket: '/s/peer-cdn/ws' };\nstart(options);",
  'in part in another object': "const all = { socket: '/s/peer-cdn/ws' };\nstart({ ...all, worker: '/w.js' });",
  'in another object': "const all = { worker: '/w.js', socket: '/s/peer-cdn/ws' };\nstart({ ...all });",
  'put together': "start(Object.assign({ worker: '/w.js' }, { socket: '/s/peer-cdn/ws' }));",
  'by names': "const worker = '/w.js', socket = '/s/peer-cdn/ws';\nstart({ worker, socket });",
  'beside other options':
    "const options = { worker: '/w.js', socket: '/s/peer-cdn/ws' };\n{ const options = { worker: '/pdf.js' }; }\nstart(options);",
  'beside register()':
    "const w = '/w.js', how = { scope: '/' };\nnavigator.serviceWorker.register(w, how);\nstart({ socket: '/s/peer-cdn/ws' });",
  'by a policy of Trusted Types':
    "const policy = trustedTypes.createPolicy('a', { createScriptURL: (url) => url });\n" +
    "start({ worker: policy.createScriptURL('/w.js'), socket: '/s/peer-cdn/ws' });",
  'by a policy where there is one, as SvelteKit writes it':
    "const name = './w.js', policy = globalThis?.window?.trustedTypes?.createPolicy('a', { createScriptURL: (url) => url });\n" +
    'const safe = policy?.createScriptURL(name) ?? name;\n' +
    "navigator.serviceWorker.register(safe, { scope: '/' });\nstart({ socket: '/s/peer-cdn/ws' });",
  'by a policy or without':
    "const policy = window.policy;\nconst safe = policy ? policy.createScriptURL('/w.js') : '/w.js';\n" +
    "start({ worker: safe, socket: '/s/peer-cdn/ws' });",
};
for (const [how, text] of Object.entries(optionsElsewhere)) {
  test(`the worker and the socket are looked for where a page says it: ${how}`, async (t) => {
    const index = page.replace(/await start.*/, text);
    const changed = { 'index.html': index, 'w.js': worker, 'sw.js': 'self.onfetch = () => {};' };
    const result = await examine(await site(t, { changed, socket: { path: '/s/peer-cdn/ws' } }));
    assert(result.ok, JSON.stringify(result.findings.filter(({ state }) => state === 'wrong')));
    assert.match(result.findings.find(({ check }) => check === 'worker').what, /^\/w\.js \(the page's scripts\)/);
  });
}

test('the kind of a worker is known where its options are in a variable', async (t) => {
  const index = page.replace(/await start.*/, "const options = { worker: '/sw.js', workerType: 'module' };\nstart(options);");
  const { findings } = await examine(await site(t, { changed: { 'index.html': index } }));
  assert.match(findings.find(({ check }) => check === 'worker').what, /importScripts\(\), which a module may not/);
});

test('the manifest is looked for where the options of the worker say it, in a variable too', async (t) => {
  for (const text of ["const options = { manifest: '/m.json' };", "const options = {};\noptions.manifest = '/m.json';"]) {
    const changed = { 'sw.js': `${text}\n${worker.replace('new PeerCDN()', 'new PeerCDN(options)')}` };
    const { findings } = await examine(await site(t, { changed }));
    assert.match(findings.find(({ check }) => check === 'manifest').what, /^\/m\.json answers 404/, text);
  }
});

test('the manifest is looked for at the scope of the worker', async (t) => {
  const url = await site(t, {
    changed: { 'shop/index.html': page.replace('/sw.js', '/shop/sw.js'), 'shop/sw.js': worker.replace("'/static'", "'/shop'") },
  });
  const { findings } = await examine(`${url}shop/`);
  assert.match(findings.find(({ check }) => check === 'manifest').what, /^\/shop\/peer-cdn\.json answers 404/);
});

test("a worker's name that begins with a base of Vite is looked for beside the page", async (t) => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a script
  for (const name of ['${import.meta.env.BASE_URL}sw.js', '${base}/sw.js', '${base}${name}.js']) {
    const url = await site(t, { changed: { 'index.html': page.replace("'/sw.js'", `\`${name}\``) } });
    assert.equal(statesOf(await examine(url)).worker, 'right', name);
  }
});

test('where the worker says it by an expression, the place of the manifest is not checked', async (t) => {
  const options = ['{ manifest: self.base.concat("m.json") }', '{ ...self.options }', 'self.options'];
  for (const given of options) {
    const rules = { [MANIFEST_PATH]: { status: 404 } };
    const url = await site(t, { rules, changed: { 'sw.js': worker.replace('new PeerCDN()', `new PeerCDN(${given})`) } });
    const result = await examine(url);
    const { manifest, 'manifest is fresh': fresh, files: listed } = statesOf(result);
    assert.deepEqual([result.ok, manifest, fresh, listed], [true, 'not checked', 'not checked', 'not checked'], given);
  }
  const named = worker.replace('const cdn = new PeerCDN()', "const manifest = '/m.json';\nconst cdn = new PeerCDN({ manifest })");
  const { findings } = await examine(await site(t, { changed: { 'sw.js': named } }));
  assert.match(findings.find(({ check }) => check === 'manifest').what, /^\/m\.json answers 404/);
});

test('a script that the worker may do without is named as not checked', async (t) => {
  const url = await site(t, { changed: { 'sw.js': `try { importScripts('/optional.js'); } catch {}\n${worker}` } });
  const { findings } = await examine(url);
  const states = findings.filter(({ check }) => check === 'worker').map(({ state, what }) => `${state}: ${what}`);
  assert.match(states.join('\n'), /^not checked: .*optional\.js, .*in some cases.* answers 404$\n?^right: /m);
});

test('only for a script of ours the advice is to copy it', async (t) => {
  const todoOf = async (name) => {
    const url = await site(t, {
      rules: { [name]: { status: 404 } },
      changed: { 'sw.js': `importScripts('${name}');\n${worker}` },
    });
    return (await examine(url)).findings.find(({ check }) => check === 'worker').todo;
  };
  assert.match(await todoOf('/peer-cdn/sw.js'), /^Copy node_modules/);
  assert.doesNotMatch(await todoOf('/gone.js'), /Copy node_modules/);
});

test('a server that is slow with each answer is not taken for one that does not answer', async (t) => {
  const slow = (_request, _response, go) => setTimeout(go, 700);
  const url = await site(t, { rules: { '/': slow, '/sw.js': slow } });
  const { ok, findings } = await examine(url, { timeoutMs: 4000 });
  assert(ok, JSON.stringify(findings.filter(({ state }) => state === 'wrong')));
});

test('the doctor knows the options of our classes', () => {
  const sources = ['sw/index.js', 'sw/plugins.js'].map((path) => readFileSync(path, 'utf8')).join('\n');
  const found = {};
  const namesIn = (/** @type {string} */ body) => {
    const [, usual = ''] = body.match(/said\(options, \{ (.*) \}\)/) ?? [];
    return [...usual.matchAll(/(\w+): /g)].map(([, option]) => option);
  };
  for (const [, name, body] of sources.matchAll(/^(?:export )?class (\w+)[^{]* \{(.*?)^\}/gms)) {
    found[name] = namesIn(body);
  }
  assert.deepEqual(found, Object.fromEntries(Object.entries(optionsOf).map(([name, kinds]) => [name, Object.keys(kinds)])));
  assert.deepEqual([...startOptions].sort(), Object.keys(known).sort());
  assert.deepEqual(namesIn(sources.slice(sources.indexOf('register(options) {'))), Object.keys(registerOptions));
});
