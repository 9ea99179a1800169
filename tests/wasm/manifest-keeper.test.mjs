// What the worker makes of a manifest that the site sends: all that is good of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ADD_ROUTE,
  DO_DROP_UNLISTED,
  DO_KEEP_MANIFEST,
  MANIFEST_PATH,
  manifestEntries,
  manifestVersion,
  OPEN_EXCHANGE,
  pieceBytesMin,
  PLUGIN_NETWORK,
  ROUTE_PLUGIN,
  STRATEGY_ORDERED,
} from '../../build/border.js';
import { call, drain, setPerformer } from '../../sw/engine.js';
import { ManifestKeeper } from '../../sw/manifest.js';
import { badEntries, badForTheWorker } from '../vectors/entries.mjs';

const root = 'ab'.repeat(32);
const good = { bytes: 5, pieceBytes: pieceBytesMin, root, type: 'a/b' };
call(ROUTE_PLUGIN, PLUGIN_NETWORK, 0, 0);
call(ADD_ROUTE, '/', STRATEGY_ORDERED);

/** Whether the core, which all tests here share, lists a path: of what it does not, the browser does all. */
const isListed = (path) => call(OPEN_EXCHANGE, `GET\nimage\nfollow\n\n${path}\n\n\n\n\n\n\nno-cors\ndefault`, true, 0, 0, 0) > 0;

/** A keeper whose site sends one text after another. `changes`: of each new manifest, whether it lists anything. */
function keeper() {
  const reports = [];
  const changes = [];
  const kept = new ManifestKeeper(MANIFEST_PATH, /** @type {any} */ ({ open: async () => null }), (code, url) =>
    reports.push([code, url]),
  );
  const read = async (manifest) => {
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    globalThis.fetch = async () => new Response(text);
    let lists = false;
    let notes = null;
    const performer = { [DO_DROP_UNLISTED]: () => (lists = true), [DO_KEEP_MANIFEST]: (command) => (notes = command) };
    setPerformer(new Proxy(performer, { get: (own, kind) => own[kind] ?? (() => {}) }));
    drain();
    lists = false;
    notes = null;
    kept.fetch();
    await kept.fetching;
    if (notes?.isNew) changes.push(lists);
    return notes !== null;
  };
  return { kept, reports, changes, read };
}

const named = (...paths) => paths.map((path) => ['malformed-manifest', path]);

for (const [what, entry, path = '/bad'] of [...badEntries, ...badForTheWorker]) {
  test(`an entry with ${what} costs itself, and is named`, async () => {
    const { reports, changes, read } = keeper();
    // By text: an object of JavaScript's has no member of the name __proto__.
    const members = [
      ['/first', good],
      [path, entry],
      ['/last', good],
    ];
    const text = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join();
    assert.equal(await read(`{"version":1,"resources":{${text}}}`), true);
    assert.deepEqual(reports, named(path));
    assert.deepEqual([isListed('/first'), isListed(path), isListed('/last')], [true, false, true]);
    assert.deepEqual(changes, [true]);
    // The same manifest is not read again.
    await read(`{"version":1,"resources":{${text}}}`);
    assert.equal(reports.length, 1);
  });
}

test('of many bad entries twenty are named, and what is good beyond them is used', async () => {
  const { reports, read } = keeper();
  const bad = Array.from({ length: 1000 }, (_, i) => [`/bad${i}`, null]);
  await read({ version: manifestVersion, resources: Object.fromEntries([...bad, ['/good', good]]) });
  assert.deepEqual(reports, named(...bad.slice(0, 20).map(([path]) => path)));
  assert(isListed('/good'));
});

test('the 10,001st entry is named, the others are used', async () => {
  const { reports, read } = keeper();
  const entries = Array.from({ length: manifestEntries + 1 }, (_, i) => [`/${i}`, good]);
  await read({ version: manifestVersion, resources: Object.fromEntries(entries) });
  assert.deepEqual(reports, named(`/${manifestEntries}`));
  assert.deepEqual([isListed(`/${manifestEntries - 1}`), isListed(`/${manifestEntries}`)], [true, false]);
});

test('a manifest of bad entries alone lists nothing: what is held is kept', async () => {
  const { changes, read } = keeper();
  await read({ version: manifestVersion, resources: { '/a': null } });
  assert.deepEqual(changes, [false]);
});

test('what is no manifest is refused whole, and the one before stays in use', async () => {
  const { kept, reports, changes, read } = keeper();
  await read({ version: manifestVersion, digests: '/lists/', resources: { '/a': good } });
  const none = [
    '',
    'no json',
    'null',
    '5',
    '"x"',
    '[]',
    '{}',
    { version: 2, resources: {} },
    { version: '1', resources: {} },
    ...[null, 5, '', 'lists/', 'https://cdn.example/', '//cdn.example/', '/\\cdn.example/', ['/lists/'], {}].map((digests) => ({
      version: manifestVersion,
      digests,
      resources: {},
    })),
    ...[null, 5, 'x', [], [good]].map((resources) => ({ version: manifestVersion, resources })),
  ];
  for (const manifest of none) {
    reports.length = 0;
    assert.equal(await read(manifest), false, JSON.stringify(manifest));
    // Of the manifest itself, no entry is named.
    assert.deepEqual(reports, named(undefined));
    assert(isListed('/a'));
    assert.equal(kept.digests, '/lists/');
  }
  assert.deepEqual(changes, [true]);
});

test('the switch that turns all off works whatever the entries are', async () => {
  for (const resources of [undefined, null, 5, { '/a': null }]) {
    const { reports, changes, read } = keeper();
    assert.equal(await read({ version: manifestVersion, disabled: true, resources }), true);
    assert.deepEqual([reports, changes], [[], [false]]);
    assert(!isListed('/a'));
  }
});

test('what a good entry may leave out it may leave out', async () => {
  const { reports, read } = keeper();
  const { type: _, ...bare } = good;
  await read({
    version: manifestVersion,
    resources: {
      '/a': bare,
      '/b?v=2': { ...good, headers: {} },
      '/c': { ...good, anyQuery: true },
      '/d': { ...good, headers: { age: 'x' } },
      '/e': { ...good, headers: { 'x-number': 5, empty: '' }, unknown: {} },
    },
  });
  assert.deepEqual(reports, named('/d'));
  assert.deepEqual(['/a', '/b?v=2', '/c?x', '/d', '/e'].map(isListed), [true, true, true, false, true]);
});
