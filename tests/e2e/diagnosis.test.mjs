// diagnose(): what a page says of itself when somebody asks why nothing is shared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MANIFEST_PATH } from '../../build/border.js';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const url = '/static/data.bin';
const bytes = randomBytes('diagnosis', 2_000_000);
const diagnosis = (visitor) => visitor.run(() => window.peerCdn.diagnose());

for (const browser of browsers) {
  test(`${browser}: a page that shares says who it reached, and where its responses came from`, async (t) => {
    const open = scene(t);
    const s = await open.site({ [url]: bytes });
    const [first, second] = [await open.chromium(), await open[browser]()];
    await first.visit(s.url);
    await first.fetch(url);
    await s.origin.untilShared(await s.root(url));
    await second.visit(s.url);
    assert.equal((await s.origin.away(() => second.fetch(url))).sha256, sha256(bytes));
    const told = await until('the response is told', async () => {
      const each = await diagnosis(second);
      return each.responses.length > 0 && each;
    });
    const { responses, peers, ...rest } = told;
    assert.deepEqual(rest, { active: true, missing: [], engine: 'worker' });
    assert.ok(peers.tried >= 1);
    assert.deepEqual(peers.paths, ['local']);
    const [{ fromPeers, fromCache, ...response }, ...more] = responses;
    assert.deepEqual([response, ...more], [{ url: new URL(url, s.url).href, bytes: bytes.length, fromOrigin: 0, code: null }]);
    // What came sooner than the page read it is stored, and read from there.
    assert.ok(fromPeers > 0 && fromPeers + fromCache === bytes.length, JSON.stringify(responses));
  });
}

test('a manifest that cannot be read is told once in a page, by its path, whoever read it first', async (t) => {
  const { site, chromium } = scene(t);
  const told = `import { start } from '/peer-cdn/index.js';
    window.errors = [];
    const peers = await start({ worker: '/sw.js', warn: false });
    window.peerCdn = peers;
    peers.addEventListener('error', ({ detail }) => window.errors.push([detail.code, detail.url]));
    document.documentElement.dataset.state = 'settled';`;
  const s = await site({ [url]: bytes, '/page.js': told });
  s.origin.rule(MANIFEST_PATH, { body: '{"version":2,"resources":{}}', headers: { 'content-type': 'application/json' } });
  const visitor = await chromium();
  // The first page hears it as it is found out, the second one when it comes.
  for (let i = 0; i < 2; i++) {
    await visitor.visit(s.url, { ready: 'settled' });
    await until('the page knows', async () => (await diagnosis(visitor)).missing.includes('malformed-manifest'));
    await visitor.fetch(url);
    assert.deepEqual(await visitor.run(() => window.errors), [['malformed-manifest', MANIFEST_PATH]]);
  }
});

const script = { 'content-type': 'text/javascript' };
const page = (socket) => `import { start } from '/peer-cdn/index.js';
const peers = await start({ worker: '/sw.js', socket: '${socket}' });
window.peerCdn = peers;
window.errors = [];
peers.addEventListener('error', ({ detail }) => window.errors.push(detail.code));
document.documentElement.dataset.state = 'settled';`;

/** What is broken, and what is then said to be missing. */
const broken = {
  'there is no manifest': [(origin) => origin.rule(MANIFEST_PATH, { status: 404, body: 'none' }), 'no-manifest'],
  'the manifest is of an unknown version': [
    (origin) =>
      origin.rule(MANIFEST_PATH, { body: '{"version":2,"resources":{}}', headers: { 'content-type': 'application/json' } }),
    'malformed-manifest',
  ],
  'the worker has no peer-cdn in it': [
    (origin) => origin.rule('/sw.js', { body: "addEventListener('fetch', () => {});", headers: script }),
    'no-worker',
  ],
  'the worker has no peer-cdn in it, and takes the page over': [
    (origin) => origin.rule('/sw.js', { body: 'onactivate = (event) => event.waitUntil(clients.claim());', headers: script }),
    'no-worker',
  ],
  'the worker never calls register()': [
    (origin) => origin.rule('/sw.js', { body: "importScripts('/peer-cdn/sw.js'); new PeerCDN();", headers: script }),
    'no-worker',
  ],
  'the worker is a page of the app': [
    (origin) => origin.rule('/sw.js', { body: '<!doctype html>', headers: { 'content-type': 'text/html' } }),
    'no-worker',
  ],
  'no coordinator answers': [(origin) => origin.rule('/page.js', { body: page('/nowhere'), headers: script }), 'no-coordinator'],
};
for (const [what, [change, code]] of Object.entries(broken)) {
  test(`${what}: the page says so, and the console too`, async (t) => {
    const { site, chromium } = scene(t);
    const s = await site({ [url]: bytes, '/page.js': page('/peer-cdn/ws') });
    change(s.origin);
    const visitor = await chromium();
    const warned = [];
    visitor.page.on('console', (message) => message.type() === 'warning' && warned.push(message.text()));
    await visitor.visit(s.url, { ready: 'settled' });
    await until(`${code} is missing`, async () => (await diagnosis(visitor)).missing.includes(code));
    await until('the console is told', () => warned.some((text) => text.startsWith(`peer-cdn: ${code}: `)));
    // It is said once, before start() resolves.
    assert.ok(await visitor.run((code) => window.errors.includes(code), code), 'whoever listens after start() hears it');
  });
}

test('a page that the coordinator does not serve hears so after start(), and of nothing else', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: bytes, '/page.js': page('/peer-cdn/ws') }, { serve: { origins: ['https://example.org'] } });
  const visitor = await chromium();
  await visitor.visit(s.url, { ready: 'settled' });
  await until('the page hears it', () => visitor.run(() => window.errors.includes('origin-refused')));
  await visitor.fetch(url);
  assert.deepEqual((await diagnosis(visitor)).missing, ['origin-refused']);
  assert.deepEqual(await visitor.run(() => [...new Set(window.errors)]), ['origin-refused']);
});
