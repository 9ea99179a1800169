// What a page makes of a manifest: all that is good of it, as the worker does.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import {
  digestsWait,
  manifestFetchWait,
  MANIFEST_PATH,
  manifestVersion,
  PEER_DIGESTS,
  pieceBytesMin,
} from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import { badEntries } from '../vectors/entries.mjs';
import { FakeSocket, fakeWorkerChannel, install, openPage } from './page-fakes.mjs';

install();
const { Store } = await import('../../sw/store.js');
const { Pieces } = await import('../../web/pieces.js');

const root = 'ab'.repeat(32);
const good = { bytes: 5, pieceBytes: pieceBytesMin, root, type: 'a/b' };

beforeEach(() => {
  install();
  FakeSocket.reset();
});

let visitors = 0;

/** A page whose worker has stored that manifest, and what it was told of. */
async function open(t, manifest) {
  const cacheName = `visitor-${++visitors}`;
  const store = await Store.open(cacheName);
  await store.putManifest(typeof manifest === 'string' ? manifest : JSON.stringify(manifest), Date.now());
  const reports = [];
  const page = await openPage(
    t,
    { cacheName },
    { report: (code, { url } = {}) => reports.push(url ? [code, url] : [code]), tell: (message) => reports.push(message) },
  );
  await page.head.ready();
  const isListed = (path) => page.head.listing.find(`https://site.test${path}`) !== null;
  return { page, store, reports, isListed };
}

for (const [what, entry] of badEntries) {
  test(`an entry with ${what} costs itself, and is named`, async (t) => {
    const manifest = { version: manifestVersion, resources: { '/first': good, '/bad': entry, '/last': good } };
    const { page, store, reports, isListed } = await open(t, manifest);
    assert.deepEqual(reports, [['malformed-manifest', '/bad']]);
    assert.deepEqual([isListed('/first'), isListed('/bad'), isListed('/last')], [true, false, true]);
    // What the store has of the good ones is offered.
    await store.putRun(root, 0, 1, [new Uint8Array(5)]);
    await page.head.manifest();
    assert(page.head.listing.isHeld(root));
    assert.equal(reports.length, 1);
  });
}

const { paths } = JSON.parse(readFileSync(new URL('../vectors/paths.json', import.meta.url), 'utf8'));

test('a path is found in every spelling that file servers take for it', async (t) => {
  const spelled = paths.filter(({ path }) => /^\/(?!\/)(?:[^?%]|%[\da-f]{2})+$/i.test(path));
  for (const { path, key } of spelled) {
    const { isListed } = await open(t, { version: manifestVersion, resources: { [path]: good } });
    assert(isListed(path) && isListed(key), path);
    assert(!isListed(`${key}x`), path);
  }
});

test('two spellings of a path are one entry, and any query is of every spelling', async (t) => {
  const resources = { '/%40a': good, '/@a': good, '/b': { ...good, anyQuery: true } };
  const { reports, isListed } = await open(t, { version: manifestVersion, resources });
  assert.deepEqual(reports, [['malformed-manifest', '/@a']]);
  assert.deepEqual([isListed('/%62?v=1'), isListed('/%40a?v=1')], [true, false]);
});

test('a bad entry is named once, whether worker or page comes first', async (t) => {
  const tell = fakeWorkerChannel(t);
  const { page, store, reports } = await open(t, { version: manifestVersion, resources: { '/a': null } });
  const ofWorker = (url) => ({ type: 'error', code: 'malformed-manifest', url });
  tell(ofWorker('/a'));
  assert.deepEqual(reports, [['malformed-manifest', '/a']]);
  tell(ofWorker('/b'));
  await store.putManifest(JSON.stringify({ version: manifestVersion, resources: { '/b': null, '/c': null } }), Date.now());
  tell({ type: 'manifest' });
  await page.head.ready();
  assert.deepEqual(
    reports.filter(Array.isArray).map(([, url]) => url),
    ['/a', '/b', '/c'],
  );
});

test('of two lengths, or piece sizes, of one root the first is used', async (t) => {
  const { page, reports, isListed } = await open(t, {
    version: manifestVersion,
    resources: {
      '/a': good,
      '/longer': { ...good, bytes: 70_000 },
      '/coarser': { ...good, pieceBytes: 2 * pieceBytesMin },
      '/b': good,
    },
  });
  assert.deepEqual(['/a', '/longer', '/coarser', '/b'].map(isListed), [true, false, false, true]);
  assert.deepEqual(
    reports.map(([, url]) => url),
    ['/longer', '/coarser'],
  );
  assert.equal(page.head.listing.get(page.head.listing.handle(good)).bytes, 5);
});

for (const text of ['', 'no json', 'null', '{}', '{"version":2}', '{"version":1,"digests":5}', '{"version":1,"resources":[]}']) {
  test(`what is no manifest is told once, and the one before stays in use: ${text}`, async (t) => {
    const { page, store, reports, isListed } = await open(t, { version: manifestVersion, resources: { '/a': good } });
    for (let i = 0; i < 2; i++) {
      await store.putManifest(text, Date.now());
      await page.head.manifest();
      assert.deepEqual(reports, [['malformed-manifest', MANIFEST_PATH]]);
      assert(isListed('/a'));
    }
  });
}

/** An origin that never answers: how long it is waited for, and the end of that. @param {import('node:test').TestContext} t */
function silentOrigin(t) {
  const waits = [];
  const late = new AbortController();
  t.mock.method(AbortSignal, 'timeout', (wait) => (waits.push(wait), late.signal));
  globalThis.fetch = (_url, { signal }) =>
    new Promise((_, failed) => signal?.addEventListener('abort', () => failed(signal.reason)));
  return { waits, end: () => late.abort(new DOMException('the time is over', 'TimeoutError')) };
}

test('a manifest that never comes is waited for only so long, and one that is stored then is found', async (t) => {
  const { waits, end } = silentOrigin(t);
  const cacheName = `visitor-${++visitors}`;
  const reports = [];
  const page = await openPage(t, { cacheName, orFetch: true }, { report: (...report) => reports.push(report) });
  const reading = page.head.manifest();
  await until('the origin is asked', () => waits.length > 0);
  const store = await Store.open(cacheName);
  await store.putManifest(JSON.stringify({ version: manifestVersion, resources: { '/a': good } }), Date.now());
  end();
  await reading;
  assert.deepEqual([waits, reports], [[manifestFetchWait], []]);
  assert(page.head.listing.find('https://site.test/a'));
});

test('an origin that never answers a digest list is waited for only so long, and then there is none', async (t) => {
  const { waits, end } = silentOrigin(t);
  const told = [];
  const resources = { get: () => ({ root, digests: `/lists/${root}` }), listOf: () => undefined };
  const pieces = new Pieces({ tell: (...all) => told.push(all) }, resources, Promise.resolve(null), () => {});
  const fetching = pieces.fetchDigests(7);
  await turn();
  end();
  await fetching;
  assert.deepEqual([waits, told], [[digestsWait], [[PEER_DIGESTS, '', 7, true]]]);
});

test('a store that cannot be read is told as that, and what is listed is listed', async (t) => {
  const { page, reports, isListed } = await open(t, { version: manifestVersion, resources: { '/a': good } });
  t.mock.method(Store.prototype, 'roots', () => Promise.reject(new DOMException('gone', 'UnknownError')));
  await page.head.manifest();
  assert.deepEqual(reports, [['storage-lost']]);
  assert(isListed('/a'));
});

test('without a manifest nothing is listed, and nothing is wrong', async (t) => {
  const reports = [];
  const page = await openPage(t, { cacheName: 'empty' }, { report: (...report) => reports.push(report) });
  await page.head.ready();
  assert.deepEqual(reports, []);
  assert.equal(page.head.listing.listed.size, 0);
});
