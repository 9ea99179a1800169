// The digest list of a file of several pieces: from the origin or the store, and what happens where it cannot be had.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, late, scene, silent, spoilt, status, unreachable, usualBut, whole, withHeaders } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const listOf = (file) => `/peer-cdn/digests/${file.root}`;
const last = (list) => list.at(-1);

/** Small and large, with each plugin that needs the list. */
const everywhere = async (run) => {
  for (const bytes of [300_000, 3 * MIB]) {
    for (const plugins of [['network'], ['cache', 'delegate', 'network']]) {
      const place = await scene({ bytes, script: chain('ordered', ...plugins), page: true });
      await run({ ...place, list: listOf(place.file) }, `${bytes} bytes: ${plugins}`);
      assert.deepEqual(place.worker.thrown, []);
    }
  }
};

test('the list is asked for once, past our own routes, and kept in the store', async () => {
  await everywhere(async ({ origin, page, file, clock, worker, caches, list }, name) => {
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    assert.deepEqual(
      origin.requests(list).map(({ headers }) => headers['x-peer-cdn']),
      ['bypass'],
      name,
    );
    await clock.pass(2000);
    assert.ok(caches.paths().includes(list), name);
    const next = await worker.restart();
    assert.deepEqual(await (await next.fetch(url, { headers: { range: 'bytes=0-99' } })).bytes(), file.body.slice(0, 100));
    assert.equal(origin.requests(list).length, 1, name);
  });
});

test('a file of one piece has none', async () => {
  const { origin, fetchAll, file } = await scene({ bytes: 65_536 });
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.requests(listOf(file)).length, 0);
});

test('a list that the manifest has is fetched by nobody', async () => {
  await everywhere(async ({ origin, clock, page, file, worker, list }, name) => {
    origin.manifest.resources[url].pieces = file.list.toString('hex');
    await clock.pass(61_000);
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    await clock.pass(2000);
    const next = await worker.restart();
    assert.deepEqual(await (await next.fetch(url, { headers: { range: 'bytes=0-99' } })).bytes(), file.body.slice(0, 100));
    assert.equal(origin.requests(list).length, 0, name);
  });
});

test('a list that could not be had is no word on the digests that a later manifest has', async () => {
  await everywhere(async ({ origin, clock, page, file, list, caches }, name) => {
    origin.always(list, status(404));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    origin.manifest.resources[url].pieces = file.list.toString('hex');
    await clock.pass(61_000);
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    await clock.pass(2000);
    assert.deepEqual(caches.runs(file), file.count > 5 ? ['0-4', '4-16', '16-32', '32-48'] : ['0-5'], name);
  });
});

test('digests in the manifest that are not one for each piece cost that entry, and are named', async () => {
  for (const pieces of ['', 5, 'ab', 'g'.repeat(64 * 5), 'ab'.repeat(32 * 4)]) {
    const { origin, clock, file, fetchAll, worker } = await scene({ bytes: 300_000 });
    origin.manifest.resources[url].pieces = pieces;
    await clock.pass(61_000);
    assert.deepEqual(await fetchAll(), file.body);
    const isGood = pieces === '';
    const named = worker.events.error.filter(({ code }) => code === 'malformed-manifest').map((each) => each.url);
    assert.deepEqual(named, isGood ? [] : [url], `${pieces}`.slice(0, 9));
  }
});

test('bodies at once ask for it once', async () => {
  const { origin, page, file } = await scene({ bytes: 3 * MIB, script: chain('ordered', 'network'), page: true });
  origin.always(listOf(file), late(200));
  const all = await Promise.all([page.fetch(url), page.fetch(url), page.fetch(url, { headers: { range: 'bytes=9-' } })]);
  for (const [i, response] of all.entries()) assert.deepEqual(await response.bytes(), file.body.slice(i === 2 ? 9 : 0));
  assert.equal(origin.requests(listOf(file)).length, 1);
});

test('the manifest says where lists are', async () => {
  const { origin, file, clock, worker, fetchAll } = await scene({ bytes: 300_000 });
  origin.manifest.digests = '/elsewhere/';
  origin.add(`/elsewhere/${file.root}`, file.list, { listed: false });
  origin.remove(listOf(file));
  await clock.pass(61_000);
  assert.deepEqual(await fetchAll(), file.body);
  assert.equal(origin.requests(`/elsewhere/${file.root}`).length, 1);
  await clock.pass(1000);
  assert.equal(last(worker.events.transfer)?.fromOrigin, 300_000);
});

test('without a good list the file passes through as it is, and nothing of it is stored', async () => {
  const ways = {
    missing: status(404),
    gone: status(410),
    refused: status(403),
    'the server is ill': status(500),
    'another one': spoilt(5),
    short: usualBut({ body: new Uint8Array(32) }),
    empty: usualBut({ body: new Uint8Array(0) }),
    'a page of the site': status(200, { 'content-type': 'text/html' }, '<!doctype html>'),
    unreachable: unreachable,
    'breaks off': usualBut({ breaks: 40 }),
  };
  for (const [what, way] of Object.entries(ways)) {
    await everywhere(async ({ origin, page, file, list, caches, clock }, name) => {
      origin.always(list, way);
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${what}, ${name}`);
      await clock.pass(3000);
      assert.deepEqual(
        caches.paths().filter((path) => path.includes(file.root) && !path.includes('/records/')),
        [],
        `${what}, ${name}`,
      );
    });
  }
});

test('a large file of a server without ranges comes as it is where its list cannot be had', async () => {
  const { origin, page, file } = await scene({ bytes: 9 * MIB, page: true });
  origin.always(url, whole);
  origin.always(listOf(file), status(404));
  assert.equal(Buffer.compare(await (await page.fetch(url)).bytes(), file.body), 0);
});

test('a list that never comes is waited for twelve seconds, and then the file passes through', async () => {
  await everywhere(async ({ origin, page, file, list, clock }, name) => {
    origin.always(list, silent);
    const begun = clock.now;
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    assert.ok(clock.now - begun < 30_000, `${name}: ${clock.now - begun} ms`);
    assert.ok(origin.requests(list).every(({ aborted }) => aborted));
  });
});

test('a list that is late is waited for, with the bytes that came before it', async () => {
  await everywhere(async ({ origin, page, file, list, clock, worker }, name) => {
    origin.always(list, late(3000));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    await clock.pass(1000);
    assert.equal(last(worker.events.transfer).bytes, file.bytes);
    assert.equal(origin.sentBytes(url), file.bytes, name);
  });
});

test('a list in the store that is not of that root is not believed', async () => {
  const { worker, origin, caches, file } = await scene({ bytes: 300_000, script: chain('ordered', 'cache', 'network') });
  caches.hold(file);
  caches.entry(listOf(file)).body = new ArrayBuffer(file.list.length);
  const next = await worker.restart();
  assert.deepEqual(await (await next.fetch(url)).bytes(), file.body);
  assert.equal(origin.requests(listOf(file)).length, 1);
  assert.equal(origin.requests(url).length, 0, 'the runs are good');
});

test('a list that could not be had for what is stored is tried again for the network', async () => {
  const { worker, origin, caches, file } = await scene({ bytes: 300_000, script: chain('ordered', 'cache', 'network') });
  caches.hold(file);
  caches.take(listOf(file));
  origin.script(listOf(file), unreachable);
  const next = await worker.restart();
  assert.deepEqual(await (await next.fetch(url)).bytes(), file.body);
});

test('a list that does not match its root makes the manifest old: it is asked for anew', async () => {
  for (const way of [spoilt(5), status(404)]) {
    const { origin, fetchAll, file, clock } = await scene({ bytes: 300_000 });
    origin.always(listOf(file), way);
    const before = origin.requests('/peer-cdn.json').length;
    await fetchAll();
    await clock.pass(100);
    assert.equal(origin.requests('/peer-cdn.json').length, before + 1);
  }
});

test('a server that has no time for a list is asked again a minute later, and the file is shared then', async () => {
  for (const code of [408, 429, 500, 503]) {
    const { page, origin, file, worker, clock, caches } = await scene({ bytes: 300_000, page: true });
    origin.script(listOf(file), status(code));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${code}`);
    assert.deepEqual(
      worker.events.error.map((each) => each.code),
      ['origin-unreachable'],
      `${code}`,
    );
    await clock.pass(61_000);
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${code}`);
    await clock.pass(1000);
    assert.notDeepEqual(caches.runs(file), [], `${code}`);
  }
});

test('a file whose list cannot be had passes through in the request that is on its way', async () => {
  const { origin, page, file } = await scene({ bytes: 8 << 20, page: true });
  origin.always(listOf(file), status(404));
  origin.always('/static/a.bin', usualBut({ pace: 50 }));
  const response = await page.fetch('/static/a.bin');
  assert.deepEqual(await response.bytes(), file.body);
  assert.deepEqual(
    origin.requests('/static/a.bin').map(({ aborted, range }) => [aborted, range]),
    [[false, null]],
  );
});

test('a list that could not be stored is used all the same', async () => {
  const { caches, fetchAll, file, clock, worker } = await scene({ bytes: 300_000 });
  caches.faults.put = (about) => {
    if (about.includes('/digests/')) throw new DOMException('', 'QuotaExceededError');
  };
  assert.deepEqual(await fetchAll(), file.body);
  await clock.pass(2000);
  assert.deepEqual(worker.events.error, []);
  assert.equal(last(worker.events.transfer).fromOrigin, 300_000);
});

test('a list may be cached, typed and encoded as the server likes', async () => {
  const { origin, fetchAll, file, worker, clock } = await scene({ bytes: 300_000 });
  const headers = { 'content-type': 'text/plain', 'cache-control': 'private', 'content-encoding': 'gzip' };
  origin.always(listOf(file), withHeaders(headers));
  assert.deepEqual(await fetchAll(), file.body);
  await clock.pass(1000);
  assert.equal(last(worker.events.transfer).done, true);
});

test('a list that is too long or too short for the file that the manifest names is of no use', async () => {
  for (const bytes of [200_000, 400_000]) {
    const { origin, fetchAll, file, caches, clock } = await scene({ bytes: 300_000, entry: { bytes } });
    assert.deepEqual(await fetchAll(), file.body);
    await clock.pass(2000);
    assert.deepEqual(caches.runs(file), []);
    assert.ok(origin.requests(listOf(file)).length >= 1);
  }
});

test('a file whose list cannot be had and whose body has broken off by then is an error, never a shorter file', async () => {
  await everywhere(async ({ origin, page, list }, name) => {
    origin.always(list, late(500, status(404)));
    origin.script(url, usualBut({ breaks: 150_000 }));
    const response = await page.fetch(url);
    await assert.rejects(response.bytes(), name);
  });
});

test('a digest that the browser refuses, whichever it is, costs the page nothing', async () => {
  const ways = {
    'from the origin': ['network'],
    'from the store': ['cache', 'network'],
    'from a page that replies': ['cache', ['delegate', { patience: 1 }], 'network'],
  };
  for (const [from, plugins] of Object.entries(ways)) {
    for (const bytes of [50_000, 300_000]) {
      for (const refused of [[0], [1], [2], [0, 1, 2, 3, 4, 5], [4]]) {
        const { worker: first, caches, file } = await scene({ bytes, script: chain('ordered', ...plugins) });
        if (from === 'from the store') caches.hold(file);
        const worker = await first.restart();
        const page = await worker.page({ form: 'reply' });
        page.answers((ask) => ask.ack().reply(file.run(0, file.count)));
        const { subtle } = worker.scope.crypto;
        const { digest } = subtle;
        let at = 0;
        subtle.digest = async (...args) => {
          if (refused.includes(at++)) throw new DOMException('', 'OperationError');
          return digest(...args);
        };
        const what = `${from}, ${bytes} bytes, digests ${refused}`;
        // Where all are refused an error is an end too.
        const got = await (await page.fetch(url)).bytes().catch((error) => error);
        if (refused.length === 1 || !/origin-unreachable/.test(got.message)) assert.deepEqual(got, file.body, what);
        assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${what}: once more`);
      }
    }
  }
});
