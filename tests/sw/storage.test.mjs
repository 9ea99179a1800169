// What the worker stores, when it writes, and how it keeps the store within its quota.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWait } from '../../build/border.js';
import { chain, scene, serving, usualBut } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const [b, c, d] = ['/static/b.bin', '/static/c.bin', '/static/d.bin'];
const last = (list) => list.at(-1);
const isRun = (about) => about.includes('/peer-cdn/store/');
const full = () => {
  throw new DOMException('Quota exceeded.', 'QuotaExceededError');
};

/** The documented route, without peers, over a store of so many bytes. */
const within = (quotaBytes) => chain('ordered', ['cache', { quotaBytes }], 'network');

const fetchEach = async (at, ...paths) => {
  for (const path of paths) {
    const file = [at.file, ...at.others].find((each) => each.path === path);
    assert.deepEqual(await (await (at.page ?? at.worker).fetch(path)).bytes(), file.body, path);
    await at.clock.pass(3000);
  }
};

const droppedOf = (at) =>
  at.worker.told('dropped').map(({ root }) => [at.file, ...at.others].find((file) => file.root === root)?.path);

test('what comes from the origin is stored in whole segments, and told to the pages', async () => {
  const at = await scene({ bytes: 3 * MIB + 5, script: within(0), page: true });
  await fetchEach(at, url);
  const runs = at.caches
    .runs(at.file)
    .map((run) => run.split('-').map(Number))
    .sort((x, y) => x[0] - y[0]);
  let next = 0;
  for (const [begin, end] of runs) {
    assert.equal(begin, next);
    assert.equal(Math.floor(begin / 16), Math.floor((end - 1) / 16), 'inside one segment');
    next = end;
  }
  assert.equal(next, at.file.count);
  assert.deepEqual(
    at.worker
      .told('stored')
      .map(({ begin, end, root }) => [begin, end, root])
      .sort((x, y) => x[0] - y[0]),
    runs.map(([begin, end]) => [begin, end, at.file.root]),
  );
});

test("what came from peers is the page's to store", async () => {
  const at = await scene({ bytes: 3 * MIB, page: true });
  at.page.answers(serving(at.file));
  await fetchEach(at, url);
  assert.deepEqual(at.caches.runs(at.file), []);
  assert.deepEqual(at.worker.told('stored'), []);
});

/** How the worker finds out that a page is gone. */
const goings = {
  'says bye': (at) => at.page.tell({ type: 'bye' }),
  'is closed without a word, and another one says hello': async (at) => {
    at.page.close();
    await at.worker.page();
  },
};
for (const [how, go] of Object.entries(goings)) {
  test(`what a page handed over and did not store is stored when it ${how}, in runs of whole segments`, async () => {
    const at = await scene({ bytes: 3 * MIB, page: true, more: [b] });
    at.page.answers(serving(at.file));
    await fetchEach(at, url);
    // The page has stored a segment before it goes.
    await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 16, end: 32 });
    await go(at);
    await at.clock.settle();
    assert.deepEqual(at.caches.runs(at.file).sort(), ['0-16', '32-48']);
    assert.deepEqual(
      at.worker
        .told('stored')
        .filter(({ root }) => root === at.file.root)
        .map(({ begin, end }) => [begin, end]),
      [
        [0, 16],
        [32, 48],
      ],
    );
    // It is all held: nobody is asked for the two segments.
    const other = await at.worker.page();
    const range = 'bytes=0-1000';
    assert.deepEqual(await (await other.fetch(url, { headers: { range } })).bytes(), at.file.body.slice(0, 1001));
    assert.deepEqual([other.asks.length, at.origin.requests(url).length], [0, 0]);
  });
}

test('what a page could not store the worker stores, and makes room for it', async () => {
  const at = await scene({ bytes: 3 * MIB, page: true, more: [b, c] });
  at.caches.hold(at.file);
  at.caches.hold(at.others[0]);
  at.caches.quota = 8 * MIB;
  const { root } = at.others[1];
  at.page.answers(serving(at.others[1]));
  await fetchEach(at, c);
  for (const begin of [0, 16, 32]) await at.browser.broadcast({ type: 'unstored', root, begin, end: begin + 16 });
  await at.clock.pass(3000);
  assert.deepEqual(at.caches.runs(at.others[1]).sort(), ['0-16', '16-32', '32-48']);
  assert.deepEqual(droppedOf(at), [url]);
  assert.deepEqual(at.worker.told('stored').filter((each) => each.root === root).length, 3);
  assert.deepEqual(at.worker.events.error, []);
});

test('what neither page nor worker can store is told once, and no run is tried again', async () => {
  const at = await scene({ bytes: 3 * MIB, page: true });
  at.page.answers(serving(at.file));
  await fetchEach(at, url);
  at.caches.faults.put = (about) => isRun(about) && full();
  const { root } = at.file;
  for (const begin of [0, 16, 32]) {
    await at.browser.broadcast({ type: 'unstored', root, begin, end: begin + 16 });
    await at.clock.pass(3000);
  }
  assert.deepEqual(
    at.worker.events.error.map(({ code, url: of }) => [code, of]),
    [['storage-full', `https://site.test${url}`]],
  );
  assert.equal(at.caches.count('put', '/peer-cdn/store/'), 3, 'there is nothing to make room of');
});

test('what a page goes with is not stored where the request says no-store, or the visitor had it before', async () => {
  for (const [init, from] of [
    [{ cache: 'no-store' }, 1],
    [{}, 0],
  ]) {
    const at = await scene({ bytes: 3 * MIB, page: true });
    at.page.answers((ask) => {
      ask.ack().pending();
      for (let piece = 0; piece < 48; piece++) ask.piece(piece, at.file.piece(piece), { from });
      ask.end();
    });
    assert.deepEqual(await (await at.page.fetch(url, init)).bytes(), at.file.body);
    await at.page.tell({ type: 'bye' });
    await at.clock.pass(3000);
    assert.deepEqual(at.caches.runs(at.file), []);
  }
});

test('nothing is written while a response waits for its first byte, for a second at most', async () => {
  for (const [wait, least, most] of [
    [400, 400, 800],
    [5000, 900, 1300],
  ]) {
    const at = await scene({ bytes: 50_000, more: [b], script: within(0) });
    let wroteAt = 0;
    at.caches.faults.put = (about) => {
      if (isRun(about)) wroteAt ||= at.clock.now;
    };
    at.origin.always(b, async (_request, serve) => (await at.clock.after(wait), serve()));
    const waits = at.worker.fetch(b);
    const begun = at.clock.now;
    await (await at.worker.fetch(url)).bytes();
    await waits;
    await at.clock.pass(3000);
    assert.ok(wroteAt - begun >= least && wroteAt - begun <= most, `${wroteAt - begun} ms`);
  }
});

test('more than 32 megabytes do not wait to be written', async () => {
  const at = await scene({ bytes: 48 * MIB, more: [b], script: within(0), page: true });
  const written = [];
  at.caches.faults.put = (about) => {
    if (isRun(about)) written.push(at.clock.now);
  };
  at.origin.always(b, async (_request, serve) => (await at.clock.after(900), serve()));
  const waits = at.page.fetch(b, { headers: { range: 'bytes=0-9' } });
  const begun = at.clock.now;
  await (await at.page.fetch(url)).bytes();
  await waits;
  assert.ok(written.length > 0 && written[0] - begun < 900, `${written.length} runs`);
});

test('a file is written when its reader has all of it, or a second later', async () => {
  const at = await scene({ bytes: 4 * MIB, more: [b], script: within(0), page: true });
  const written = [];
  at.caches.faults.put = (about) => {
    if (isRun(about)) written.push(at.clock.now);
  };
  await (await at.page.fetch(url)).bytes();
  assert.deepEqual(written, []);
  await at.clock.pass(100);
  assert.ok(written.length >= 4, `${written.length} runs`);
  const begun = at.clock.now;
  written.length = 0;
  await at.page.fetch(b);
  await at.clock.pass(1500);
  assert.ok(written.length > 0 && written[0] - begun <= 1100, `${written.length} runs`);
});

test('beyond the quota of the site the oldest files go, and pages are told', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c, d], script: within(1_100_000) });
  await fetchEach(at, url, b);
  assert.deepEqual(droppedOf(at), []);
  await fetchEach(at, c);
  assert.deepEqual(droppedOf(at), [url]);
  await fetchEach(at, d);
  assert.deepEqual(droppedOf(at), [url, b]);
  assert.deepEqual(
    [at.file, ...at.others].map((file) => at.caches.runs(file).length),
    [0, 0, 1, 1],
  );
  assert.ok(!at.caches.paths().some((path) => path.endsWith(at.file.root)), 'nor is the digest list kept');
  await fetchEach(at, c);
  assert.equal(at.origin.requests(c).length, 1);
  assert.deepEqual(at.worker.events.error, []);
});

test('what another worker stored counts too', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c], script: within(1_100_000) });
  await fetchEach(at, url, b);
  at.worker = await at.worker.restart();
  await fetchEach(at, c);
  assert.deepEqual(droppedOf(at), [url]);
});

test('by default the store takes half of what the browser offers', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c], script: chain('ordered', 'cache', 'network'), isInstalled: true });
  at.browser.estimate = { quota: 2_200_000, usage: 0 };
  await fetchEach(at, url, b);
  assert.deepEqual(droppedOf(at), []);
  await fetchEach(at, c);
  assert.deepEqual(droppedOf(at), [url]);
});

test('what a page stored counts, and others go for it', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c], script: within(1_100_000) });
  await fetchEach(at, url, b);
  at.caches.hold(at.others[1]);
  await at.browser.broadcast({ type: 'stored', root: at.others[1].root, begin: 0, end: 8 });
  await at.clock.pass(1000);
  assert.deepEqual(droppedOf(at), [url]);
});

test('words of pages that make no sense are no runs', async () => {
  const at = await scene({ bytes: 500_000, script: within(0) });
  for (const message of [
    null,
    5,
    { type: 'stored' },
    { type: 'stored', root: 'x', begin: -1, end: 'y' },
    { type: 'wave' },
    { type: 'stored', root: at.file.root, begin: 99, end: 3 },
    { type: 'stored', root: at.file.root, begin: 0, end: 1e9 },
  ]) {
    await at.browser.broadcast(message);
  }
  await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 0, end: 8 }, 'another channel');
  await at.clock.pass(1000);
  assert.deepEqual(at.worker.thrown, []);
  assert.deepEqual(await at.fetchAll(), at.file.body);
});

test('a file that does not fit at all is passed on, not stored, told once, and nothing is dropped for it', async () => {
  const at = await scene({ bytes: 3 * MIB, script: within(500_000), page: true });
  await fetchEach(at, url);
  assert.deepEqual(
    at.worker.events.error.map(({ code, url: of }) => [code, of]),
    [['storage-full', `https://site.test${url}`]],
  );
  assert.deepEqual(droppedOf(at), []);
  assert.equal(last(at.worker.events.transfer).done, true);
});

test('what a response has open is never dropped', async () => {
  const at = await scene({ bytes: 3 * MIB, more: [b], script: within(4 * MIB), page: true });
  await fetchEach(at, url);
  const response = await at.page.fetch(url);
  const reader = response.body.getReader();
  await at.clock.until(reader.read());
  await fetchEach(at, b);
  // While a response is open each run waits for a second.
  await at.clock.pass(1000);
  assert.deepEqual(droppedOf(at), []);
  assert.equal(
    at.worker.events.error.some(({ code }) => code === 'storage-full'),
    true,
  );
  await reader.cancel();
});

for (const operation of ['keys', 'delete']) {
  test(`where room is to be made and ${operation} never ends, it is told, and what comes later is stored again`, async () => {
    const at = await scene({ bytes: 500_000, more: [b, c, d], script: within(1_100_000) });
    await fetchEach(at, url, b);
    at.caches.faults[operation] = () => new Promise(() => {});
    await fetchEach(at, c);
    await at.clock.pass(runWait);
    assert.deepEqual(
      at.worker.events.error.map(({ code, url: of }) => [code, of]),
      [['storage-full', `https://site.test${c}`]],
    );
    delete at.caches.faults[operation];
    await fetchEach(at, d);
    await at.clock.pass(runWait);
    assert.equal(at.caches.runs(at.others[2]).length, 1);
  });
}

test('a browser that is full gets room made for what comes, and is tried again', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c], script: within(0) });
  at.caches.quota = 1_200_000;
  await fetchEach(at, url, b, c);
  assert.deepEqual(droppedOf(at), [url]);
  assert.deepEqual(
    [at.file, ...at.others].map((file) => at.caches.runs(file).length),
    [0, 1, 1],
  );
  assert.deepEqual(at.worker.events.error, []);
});

test('a browser that is full of other things is told of, once a body', async () => {
  const at = await scene({ bytes: 3 * MIB, script: within(0), page: true });
  at.caches.faults.put = (about) => isRun(about) && full();
  await fetchEach(at, url);
  assert.deepEqual(
    at.worker.events.error.map(({ code }) => code),
    ['storage-full'],
  );
});

test('a put that fails for another reason is told of, and costs the page nothing', async () => {
  for (const way of [
    () => Promise.reject(new Error('disk')),
    () => {
      throw new TypeError('no');
    },
  ]) {
    const at = await scene({ bytes: 3 * MIB, script: within(0), page: true });
    at.caches.faults.put = (about) => (isRun(about) ? way() : null);
    await fetchEach(at, url);
    assert.deepEqual(
      at.worker.events.error.map(({ code }) => code),
      ['storage-full'],
    );
  }
});

test('a put that never ends is told of, and costs the page nothing', async () => {
  const at = await scene({ bytes: 3 * MIB, script: within(0), page: true });
  at.caches.faults.put = (about) => isRun(about) && new Promise(() => {});
  await fetchEach(at, url);
  await at.clock.pass(4 * runWait);
  assert.deepEqual(
    at.worker.events.error.map(({ code }) => code),
    ['storage-full'],
  );
});

test('an estimate that is absent, silent, refused or nonsense takes nothing from the page', async () => {
  const fails = () => {
    throw new TypeError('no');
  };
  const estimates = [
    undefined,
    {},
    { quota: NaN },
    { quota: -1 },
    { quota: 'much' },
    () => null,
    fails,
    () => Promise.reject(new Error('no')),
    () => new Promise(() => {}),
  ];
  for (const estimate of estimates) {
    for (const bytes of [50_000, 3 * MIB]) {
      const at = await scene({ bytes, script: chain('ordered', 'cache', 'delegate', 'network'), isInstalled: true });
      at.browser.estimate = estimate;
      at.worker = await at.worker.restart();
      at.page = await at.worker.page();
      await fetchEach(at, url);
      await fetchEach(at, url);
      assert.deepEqual(at.worker.thrown, []);
    }
  }
});

test('what a new manifest does not list any more is dropped, with its digest list', async () => {
  const at = await scene({ bytes: 300_000, more: [b], script: within(0) });
  await fetchEach(at, url, b);
  delete at.origin.manifest.resources[url];
  await at.clock.pass(61_000);
  await fetchEach(at, b);
  assert.deepEqual(droppedOf(at), [url]);
  assert.deepEqual(
    at.caches.paths().filter((path) => path.includes(at.file.root)),
    [],
  );
  assert.equal(at.caches.runs(at.others[0]).length, 1);
});

test('to drop many files the store is looked through as often as for one, and a reader waits for one entry at most', async () => {
  const looks = [];
  for (const count of [1, 30]) {
    const more = Array.from({ length: count }, (_, i) => `/static/old-${i}.bin`);
    const at = await scene({ bytes: 1000, more, script: within(0) });
    await fetchEach(at, ...more);
    for (const path of more) delete at.origin.manifest.resources[path];
    await at.clock.pass(61_000);
    const before = at.caches.count('keys');
    let [open, most] = [0, 0];
    at.caches.faults.delete = async () => {
      most = Math.max(most, ++open);
      await Promise.resolve();
      open--;
    };
    await fetchEach(at, url);
    assert.equal(droppedOf(at).length, count);
    assert.deepEqual(
      at.others.flatMap((file) => at.caches.paths().filter((path) => path.includes(file.root))),
      [],
    );
    assert.equal(most, 1);
    looks.push(at.caches.count('keys') - before);
  }
  assert.equal(looks[0], looks[1]);
});

test('at its quota the store is looked through once for each file that it gives up', async () => {
  const at = await scene({ bytes: 300_000, more: [b, c, d], script: within(700_000) });
  await fetchEach(at, url, b);
  const before = at.caches.count('keys');
  await fetchEach(at, c, d);
  assert.deepEqual(droppedOf(at), [url, b]);
  assert.equal(at.caches.count('keys') - before, 2);
});

test('what is open when a manifest without it comes is dropped when nothing is open any more', async () => {
  const at = await scene({ bytes: 300_000, more: [b], script: within(0) });
  await fetchEach(at, url);
  const response = await at.worker.fetch(url);
  delete at.origin.manifest.resources[url];
  await at.clock.pass(61_000);
  await fetchEach(at, b);
  assert.deepEqual(await response.bytes(), at.file.body, 'a response stays with the manifest that it began with');
  await at.clock.pass(1000);
  assert.deepEqual(at.caches.runs(at.file), []);
});

test('what another worker left unlisted is dropped when this one has answered its first', async () => {
  const at = await scene({ bytes: 300_000, more: [b], script: within(0) });
  const old = (await scene({ bytes: 200_000 })).file;
  at.caches.hold(old);
  at.worker = await at.worker.restart();
  await fetchEach(at, url);
  assert.deepEqual(at.caches.runs(old), []);
});

test('a manifest that lists nothing, or is off, drops nothing', async () => {
  for (const change of [{ disabled: true }, { resources: {} }]) {
    const at = await scene({ bytes: 300_000, script: within(0) });
    await fetchEach(at, url);
    const { manifest } = at.origin;
    at.origin.manifest = { ...manifest, ...change };
    await at.clock.pass(61_000);
    await (await at.worker.fetch(url)).bytes();
    await at.clock.pass(61_000);
    await (await at.worker.fetch(url)).bytes();
    assert.equal(at.caches.runs(at.file).length, 1);
    at.origin.manifest = manifest;
    await at.worker.clock.until(at.worker.dispatch('activate').over());
    await at.clock.pass(100);
    const before = at.origin.requests(url).length;
    await fetchEach(at, url);
    assert.equal(at.origin.requests(url).length, before, 'it is there again at once');
  }
});

test('two bodies of one file store what each has fetched, once', async () => {
  const at = await scene({ bytes: 900_000, script: within(0) });
  at.origin.always(url, usualBut({ pace: 20 }));
  const all = await Promise.all([at.worker.fetch(url), at.worker.fetch(url)]);
  for (const response of all) assert.deepEqual(await response.bytes(), at.file.body);
  await at.clock.pass(3000);
  assert.deepEqual(at.caches.runs(at.file), ['0-14']);
});

test('what pages store is nothing to a worker whose storage is denied', async () => {
  const at = await scene({ bytes: 3 * MIB, script: within(0), isInstalled: true });
  at.caches.faults.open = () => {
    throw new DOMException('', 'SecurityError');
  };
  at.page = await at.worker.page();
  const response = await at.page.fetch(url);
  await at.browser.broadcast({ type: 'stored', root: at.file.root, begin: 16, end: 32 });
  assert.deepEqual(await response.bytes(), at.file.body);
  await at.clock.pass(5000);
  assert.deepEqual(at.worker.thrown, []);
});

test('a browser that denies storage is told of once, and stores when it no longer does', async () => {
  const ways = {
    throws: () => {
      throw new DOMException('denied', 'SecurityError');
    },
    rejects: () => Promise.reject(new DOMException('denied', 'SecurityError')),
  };
  for (const open of Object.values(ways)) {
    const at = await scene({ isInstalled: true, faults: { open } });
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await at.fetchAll(), at.file.body);
      await at.clock.pass(10_000);
    }
    assert.deepEqual(
      at.worker.events.error.map((error) => [error.code, error.url]),
      [['storage-full', 'https://site.test/static/a.bin']],
    );
    at.caches.faults.open = undefined;
    await at.fetchAll();
    await at.clock.pass(10_000);
    assert.equal(at.caches.runs(at.file).length, 1);
  }
});

test('what comes is stored though the browser could not say what it holds', async () => {
  const at = await scene({ isInstalled: true, faults: { keys: () => Promise.reject(new Error('damaged')) } });
  await at.fetchAll();
  await at.clock.pass(10_000);
  assert.equal(at.caches.runs(at.file).length, 1);
  assert.deepEqual(at.worker.events.error, []);
});

test('several files that find the browser full at once share the room that is made', async () => {
  const at = await scene({ bytes: 500_000, more: [b, c, d], script: within(0) });
  at.caches.quota = 1_200_000;
  await fetchEach(at, url, b);
  const all = await Promise.all([at.worker.fetch(c), at.worker.fetch(d)]);
  for (const [i, response] of all.entries()) assert.deepEqual(await response.bytes(), at.others[i + 1].body);
  await at.clock.pass(3000);
  const [, , ...held] = [at.file, ...at.others].map((file) => at.caches.runs(file).length);
  assert.ok(held.includes(1));
  assert.equal(at.caches.runs(at.file).length, 0, 'the oldest went');
});
