// A service worker that is not ours beside ours: which one the page has, and what it is told, on the first visit and later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const file = '/a/file.bin';
const body = randomBytes('two workers', 60_000);
const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
const other = 'onfetch = () => {}; oninstall = () => skipWaiting(); onactivate = (event) => event.waitUntil(clients.claim());';
const ours = `importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered } } = PeerCDN;
const cdn = new PeerCDN({ manifest: '/peer-cdn.json' });
const plugins = [new CachePlugin({ version: 1 }), new DelegatePlugin(), new NetworkPlugin()];
cdn.GET('/a', ordered, ...plugins.map(({ getMiddleware }) => getMiddleware));
cdn.register();`;
const page = (scope) => `import { start } from '/peer-cdn/index.js';
window.errors = [];
window.peerCdn = await start({ worker: '/ours.js', scope: '${scope}' });
peerCdn.addEventListener('error', ({ detail }) => errors.push(detail.code));
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;`;

const named = "new PeerCDN({ manifest: '/peer-cdn.json' })";
const cases = [
  { theirs: '/', scope: '/a/', made: named, reason: null },
  // Looked for at the scope, where there is none.
  { theirs: '/', scope: '/a/', made: 'new PeerCDN()', reason: 'no-manifest' },
  { theirs: '/a/', scope: '/', made: named, reason: 'no-worker' },
];
for (const { theirs, scope: own, made, reason } of cases) {
  test(`another worker controls ${theirs}, and ours is for ${own}, ${made}: the page says ${reason ?? 'nothing'}`, async (t) => {
    const { site, chromium } = scene(t);
    const s = await site({
      '/bare.html': '<!doctype html><link rel="icon" href="data:,">',
      '/a/bare.html': '<!doctype html><link rel="icon" href="data:,">',
      '/a/index.html': html,
      '/page.js': page(own),
      '/ours.js': ours.replace(named, made),
      '/a/other.js': other,
      '/other.js': other,
      [file]: body,
    });
    const visitor = await chromium();
    await visitor.page.goto(`${s.url}${theirs}bare.html`);
    await visitor.run(async (scope) => {
      await navigator.serviceWorker.register(`${scope}other.js`, { scope });
      if (!navigator.serviceWorker.controller) {
        await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
      }
    }, theirs);
    const seen = [];
    for (let visit = 0; visit < 2; visit++) {
      await visitor.visit(`${s.url}/a/`, { ready: 'settled' });
      const got = await visitor.fetch(file);
      assert.equal(got.sha256, sha256(body));
      const first = await visitor.run(() => window.peerCdn.reason);
      await until('the reason', () => visitor.run((expected) => window.peerCdn.reason === expected, reason)).catch(() => {});
      const said = await visitor.run(async () => ({
        reason: window.peerCdn.reason,
        active: window.peerCdn.active,
        errors: window.errors,
        controller: navigator.serviceWorker.controller?.scriptURL.split('/').at(-1),
        missing: (await window.peerCdn.diagnose()).missing,
      }));
      seen.push({ first, ...said });
    }
    t.diagnostic(JSON.stringify(seen));
    assert.deepEqual(
      seen.map((each) => each.reason),
      Array(2).fill(reason),
    );
  });
}
