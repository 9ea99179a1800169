// The page knows what is the case: where nobody can ask it for anything it says so, and holds nothing; what the browser refuses
// is said once, in the browser's own words.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const film = '/static/film.bin';
const files = { [film]: randomBytes('truth', 1_500_001) };

/** Runs in every page and frame before its scripts: keeps what it opens. */
function keep() {
  globalThis.opened = [];
  for (const name of ['WebSocket', 'Worker']) {
    globalThis[name] = new Proxy(globalThis[name], {
      construct(Real, args) {
        const made = new Real(...args);
        globalThis.opened.push({ name, end: () => made.readyState === 3 });
        return made;
      },
    });
  }
}

const page = (options) => `import { start } from '/peer-cdn/index.js';
window.errors = [];
window.peerCdn = await start(${options});
peerCdn.addEventListener('error', ({ detail }) => errors.push(detail));
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;
const short = page(`{ worker: '/sw.js' }`);

async function checkIsOff(visitor, frame = visitor.page) {
  const { active, reason, engine } = await frame.evaluate(() => {
    const { active, reason, stats } = window.peerCdn;
    return { active, reason, engine: stats.engine };
  });
  assert.deepEqual({ active, reason, engine }, { active: false, reason: 'no-worker', engine: null });
}

const greetings = (s) => s.origin.signals.filter(({ message }) => message.type === 'hello').length;

test('a frame whose sandbox has no origin: no worker, and nothing is tried', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({
    ...files,
    '/page.js': short,
    '/outer.html': '<!doctype html><link rel="icon" href="data:,"><iframe sandbox="allow-scripts" src="/index.html"></iframe>',
  });
  s.origin.rule(/\.js$/, { headers: { 'access-control-allow-origin': '*' } });
  const visitor = await chromium({ init: keep });
  const lines = [];
  visitor.page.on('console', (line) => line.type() === 'error' && lines.push(line.text()));
  await visitor.visit(`${s.url}/outer.html`, { ready: false });
  const frame = await until('the frame', () => visitor.page.frames().find((each) => each.url().endsWith('/index.html')));
  await until('start() in the frame', () => frame.evaluate(() => document.documentElement.dataset.state));
  await checkIsOff(visitor, frame);
  assert.equal(await frame.evaluate(() => window.opened.length), 0);
  assert.equal(greetings(s), 0);
  assert.deepEqual(lines, []);
});

test('an insecure origin: no worker, and nothing is tried', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/page.js': short });
  const visitor = await chromium({ init: keep, flags: ['--host-resolver-rules=MAP plain.test 127.0.0.1'] });
  await visitor.visit(s.url.replace(/\/\/[^:/]+/, '//plain.test'), { ready: 'settled' });
  await checkIsOff(visitor);
  assert.equal(await visitor.run(() => window.opened.length), 0);
  assert.equal(greetings(s), 0);
});

test('a policy that forbids workers: said at once, and what was opened meanwhile is closed', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/page.js': short }, { headers: { 'content-security-policy': "worker-src 'none'" } });
  const visitor = await chromium({ init: keep });
  await visitor.visit(s.url, { ready: 'settled' });
  await checkIsOff(visitor);
  const sockets = () => visitor.run(() => window.opened.filter(({ name, end }) => name === 'WebSocket' && !end()).length);
  await until('no socket is open', async () => (await sockets()) === 0);
});

test('a server that no browser takes is said at once by every page, and the site works', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ ...files, '/page.js': page(`{ worker: '/sw.js', servers: { iceServers: [{ urls: 'nonsense' }] } }`) });
  for (const visitor of [await chromium(), await chromium()]) {
    const lines = [];
    visitor.page.on('console', (line) => lines.push(line.text()));
    await visitor.visit(s.url);
    const errors = await until('it is said', () => visitor.run(() => window.errors.length && window.errors));
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['bad-option'],
    );
    assert.equal(errors[0].message, 'servers.nonsense');
    assert.deepEqual((await visitor.run(() => window.peerCdn.diagnose())).missing, ['no-webrtc']);
    assert.equal(lines.filter((line) => /bad-option.*nonsense/.test(line)).length, 1, lines.join());
    assert.equal((await visitor.fetch(film)).sha256, sha256(files[film]));
  }
  assert.equal(greetings(s), 0, 'nobody is waited for');
});

test('servers of which only the browser says that it refuses them are said in its own words, and the site works', async (t) => {
  const { site, chromium } = scene(t);
  const servers = `{ iceServers: [{ urls: 'stun:127.0.0.1:99999' }] }`;
  const s = await site({ ...files, '/page.js': page(`{ worker: '/sw.js', servers: ${servers} }`) });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  await first.fetch(film);
  await s.origin.untilShared(await s.root(film));
  await second.visit(s.url);
  const said = await until('the refusal is said', async () => {
    const errors = (await Promise.all([first, second].map((visitor) => visitor.run(() => window.errors)))).flat();
    return errors.some(({ code }) => code === 'no-webrtc') && errors;
  });
  const refusals = said.filter(({ code }) => code === 'no-webrtc');
  assert.ok(refusals.length <= 2, 'once a page');
  assert.match(refusals[0].message, /port/);
  assert.equal((await second.fetch(film)).sha256, sha256(files[film]));
});

for (const kind of browsers) {
  test(`${kind}: a policy that forbids wasm in the worker alone is known to the page, also at the next visit`, async (t) => {
    const at = scene(t);
    const s = await at.site({ ...files, '/page.js': short });
    s.origin.rule('/sw.js', { headers: { 'content-security-policy': "script-src 'self'" } });
    const visitor = await at[kind]();
    for (const visit of ['the first', 'the second']) {
      await visitor.visit(s.url, { ready: 'settled' });
      await until('the worker has said it', () => visitor.run(() => window.peerCdn.reason === 'engine-failed'));
      assert.equal(await visitor.run(() => window.peerCdn.active), false, visit);
      assert.deepEqual(await visitor.run(() => window.errors.map(({ code }) => code)), ['engine-failed'], visit);
      assert.equal((await visitor.fetch(film)).sha256, sha256(files[film]));
    }
  });
}

for (const kind of browsers) {
  test(`${kind}: a worker without peer-cdn takes the place of ours and gives it back, and the page knows`, async (t) => {
    const at = scene(t);
    const s = await at.site({ ...files, '/page.js': short });
    const visitor = await at[kind]();
    await visitor.visit(s.url);
    const replace = async (script) => {
      s.write(
        '/sw.js',
        `${script}
addEventListener('install', (event) => event.waitUntil(skipWaiting()));
addEventListener('activate', (event) => event.waitUntil(clients.claim()));`,
      );
      await visitor.run(async () => (await navigator.serviceWorker.getRegistration()).update());
    };
    const ours = s.read('/sw.js');
    await replace('');
    await until('the page knows', () => visitor.run(() => !window.peerCdn.active && window.peerCdn.reason === 'no-worker'));
    assert.equal((await visitor.fetch(film)).sha256, sha256(files[film]));
    await replace(ours);
    await until('the page knows again', () => visitor.run(() => window.peerCdn.active));
    assert.deepEqual(await visitor.run(() => window.errors.map(({ code }) => code)), ['no-worker']);
    await visitor.fetch(film);
    assert.equal((await visitor.sources(film)).count, 1, 'ours answers');
  });
}

// The browser gives such frames their parent's worker, and refuses them what they would need beside it.
for (const kind of browsers) {
  test(`${kind}: frames without a URL of their own take no part and say so, and their parent's worker serves them`, async (t) => {
    const at = scene(t);
    const s = await at.site({ ...files, '/page.js': short, '/frame.js': short });
    const visitor = await at[kind]({ init: keep });
    await visitor.visit(s.url);
    const before = greetings(s);
    const open = (how) =>
      visitor.run(async (how) => {
        const frame = document.createElement('iframe');
        if (how === 'srcdoc') frame.srcdoc = '<script type="module" src="/frame.js"></script>';
        document.body.append(frame);
        if (how === 'about:blank') {
          const script = frame.contentDocument.createElement('script');
          script.type = 'module';
          script.src = '/frame.js';
          frame.contentDocument.head.append(script);
        }
        const view = () => frame.contentWindow;
        while (!frame.contentDocument.documentElement.dataset.state) await new Promise((resolve) => setTimeout(resolve, 20));
        const { active, reason, stats } = view().peerCdn;
        const body = await (await view().fetch(`${location.origin}/static/film.bin`)).arrayBuffer();
        const errors = view().errors.map(({ code }) => code);
        return { active, reason, engine: stats.engine, errors, bytes: body.byteLength, opened: view().opened?.length ?? 0 };
      }, how);
    for (const how of ['srcdoc', 'about:blank']) {
      const said = {
        active: false,
        reason: 'no-worker',
        engine: null,
        errors: ['no-worker'],
        bytes: files[film].length,
        opened: 0,
      };
      assert.deepEqual(await open(how), said, how);
    }
    assert.equal(greetings(s), before, 'no socket of theirs');
    assert.equal(await visitor.run(() => window.peerCdn.active), true);
  });
}
