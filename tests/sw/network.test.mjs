// What the origin may answer, and what the page gets then: the file that the manifest names, or what the origin sent, as it
// is; or an error, when some was passed on already. Never a mixture.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  broken,
  chain,
  late,
  redirect,
  scene,
  someBytes,
  spoilt,
  stalled,
  status,
  unreachable,
  usualBut,
  whole,
  withHeaders,
} from './harness/index.mjs';

const MIB = 1 << 20;
const network = chain('ordered', 'network');
const url = '/static/a.bin';
const last = (list) => list.at(-1);

/** The whole body, or the error that it ends in, with the bytes before. */
async function readAll(clock, response) {
  const reader = response.body.getReader();
  const chunks = [];
  try {
    for (;;) {
      const { value, done } = await clock.until(reader.read());
      if (done) return { bytes: Buffer.concat(chunks), error: null };
      chunks.push(value);
    }
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error };
  }
}

/** Both sizes, and every chain that asks the origin. */
const everywhere = async (run) => {
  for (const bytes of [50_000, 300_000, 3 * MIB]) {
    for (const plugins of [['network'], ['cache', 'network'], ['cache', 'delegate', 'network']]) {
      for (const strategy of ['ordered', 'fastest']) {
        const place = await scene({ bytes, script: chain(strategy, ...plugins), page: true });
        await run(place, `${bytes} bytes, ${strategy}: ${plugins}`);
        assert.deepEqual(place.worker.thrown, []);
      }
    }
  }
};

test('a file of at most 1 MiB is one request without a Range', async () => {
  for (const bytes of [1, 65_536, 300_000, MIB]) {
    const { worker, origin, file } = await scene({ bytes, script: network });
    const response = await worker.fetch(url);
    assert.deepEqual(await response.bytes(), file.body);
    const [{ range, cache }, ...more] = origin.requests(url);
    assert.deepEqual([range, cache, more], [null, 'default', []]);
  }
});

test('a small range asks for the pieces that hold it, and no more', async () => {
  const { worker, origin, file } = await scene({ bytes: 3 * MIB, script: network });
  const response = await worker.fetch(url, { headers: { range: 'bytes=70000-140000' } });
  assert.equal(response.status, 206);
  assert.deepEqual(await response.bytes(), file.body.slice(70_000, 140_001));
  assert.deepEqual(
    origin.requests(url).map(({ range }) => range),
    ['bytes=65536-196607'],
  );
});

test('an error of the origin reaches the page with its status, its headers and its words', async () => {
  for (const code of [400, 403, 404, 410, 416, 429, 500, 503]) {
    await everywhere(async ({ worker, origin, page }, name) => {
      origin.always(url, status(code, { 'retry-after': '7', 'x-own': 'yes' }, 'sorry'));
      const response = await page.fetch(url);
      assert.equal(response.status, code, `${code}, ${name}`);
      assert.equal(response.headers.get('retry-after'), '7');
      assert.equal(response.headers.get('x-own'), 'yes');
      assert.equal(await response.text(), 'sorry');
      assert.deepEqual(
        worker.browser.caches.paths().filter((path) => path.includes('/store/')),
        [],
      );
    });
  }
});

test('an origin that cannot be reached fails as the network does', async () => {
  await everywhere(async ({ origin, page }, name) => {
    origin.always(url, unreachable);
    await assert.rejects(page.fetch(url), { name: 'TypeError', message: 'Failed to fetch' }, name);
  });
});

test('an origin that was away for one request gives its file', async () => {
  for (const step of [unreachable, broken(0), broken(1000)]) {
    await everywhere(async ({ origin, page, file }, name) => {
      origin.script(url, step);
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    });
  }
});

test('answers that are not for everybody pass through, and are never stored', async () => {
  const answers = {
    private: withHeaders({ 'cache-control': 'private, max-age=60' }),
    'no-store': withHeaders({ 'cache-control': 'No-Store' }),
    'varies by cookie': withHeaders({ vary: 'Cookie' }),
    'varies by all': withHeaders({ vary: 'Accept-Encoding, *' }),
    'cannot be read': withHeaders({ 'cache-control': 'max-age="5' }),
    'of a type that is not ours': usualBut({ type: 'cors' }),
  };
  for (const [what, answer] of Object.entries(answers)) {
    await everywhere(async ({ origin, page, file, clock, caches }, name) => {
      origin.always(url, answer);
      const response = await page.fetch(url);
      assert.deepEqual(await response.bytes(), file.body, `${what}, ${name}`);
      await clock.pass(3000);
      assert.deepEqual(caches.runs(file), [], `${what}, ${name}`);
    });
  }
});

test('what varies by encoding only, or is public, is stored', async () => {
  const shared = [
    { vary: 'Accept-Encoding' },
    { vary: 'Origin, access-control-request-headers' },
    { 'cache-control': 'public, max-age=600' },
    { 'cache-control': 'no-cache' },
  ];
  for (const headers of shared) {
    const { fetchAll, origin, clock, caches, file } = await scene({ script: network });
    origin.always(url, withHeaders(headers));
    await fetchAll();
    await clock.pass(2000);
    assert.deepEqual(caches.runs(file), ['0-2'], JSON.stringify(headers));
  }
});

test('an origin without ranges gives the file, whole or in part', async () => {
  await everywhere(async ({ origin, page, file }, name) => {
    origin.always(url, whole);
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
    const at = file.bytes >> 1;
    const response = await page.fetch(url, { headers: { range: `bytes=${at}-${at + 99}` } });
    assert.equal(response.status, 206);
    assert.deepEqual(await response.bytes(), file.body.slice(at, at + 100), name);
  });
});

test('an origin without ranges is read no further than its reader, and four megabytes', async () => {
  const { origin, page, clock, file } = await scene({ bytes: 20 * MIB, script: network, page: true });
  origin.always(url, whole);
  const response = await page.fetch(url);
  await clock.pass(10_000);
  assert.ok(origin.sentBytes(url) <= 5 * MIB, `${origin.sentBytes(url)} bytes`);
  assert.deepEqual(await response.bytes(), file.body);
  assert.equal(origin.requests(url).length, 1);
});

test('a range that the origin encoded is given as the origin gives it', async () => {
  await everywhere(async ({ origin, page, file }, name) => {
    const gzip = withHeaders({ 'content-encoding': 'gzip' });
    origin.always(url, (request, serve) => (request.headers.has('range') ? gzip(request, serve) : serve()));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
  });
});

test('a redirect to the same origin is followed', async () => {
  await everywhere(async ({ origin, page, file }, name) => {
    origin.add('/moved/a.bin', file.body, { listed: false });
    origin.always(url, redirect('/moved/a.bin'));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
  });
});

test('a redirect to another origin is followed as for the page itself, and nothing of it is stored', async () => {
  await everywhere(async ({ origin, page, file, caches, clock }, name) => {
    origin.add('https://cdn.test/a.bin', file.body, { listed: false });
    origin.always(url, redirect('https://cdn.test/a.bin'));
    const response = await page.fetch(url);
    assert.equal(response.type, 'cors');
    assert.deepEqual(await response.bytes(), file.body, name);
    await clock.pass(2000);
    assert.deepEqual(caches.runs(file), []);
  });
});

test('a part that begins elsewhere than it was asked to is not taken for what was asked', async () => {
  await everywhere(async ({ origin, page, file }, name) => {
    const shifted = usualBut({
      status: 206,
      headers: { 'content-range': `bytes 10-99999/${file.bytes}` },
      body: file.body.slice(10, 100_000),
    });
    origin.always(url, (request, serve) => (request.headers.has('range') ? shifted(request, serve) : serve()));
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, name);
  });
});

test('bytes that an HTTP cache kept from before are its word until it has others', async () => {
  for (const plugins of [['network'], ['cache', 'network'], ['cache', 'delegate', 'network']]) {
    const script = chain('ordered', ...plugins);
    const { origin, page, file, worker, clock } = await scene({ bytes: 50_000, script, page: true });
    const old = spoilt(10);
    origin.always(url, old);
    assert.notDeepEqual(await (await page.fetch(url)).bytes(), file.body, 'as without us');
    assert.notDeepEqual(await (await page.fetch(url)).bytes(), file.body, 'as without us');
    origin.always(url, null);
    const healed = await page.fetch(url);
    assert.deepEqual(await healed.bytes(), file.body, plugins.join());
    await clock.pass(1000);
    const ours = await page.fetch(url);
    assert.deepEqual([ours.type, await ours.bytes()], ['default', file.body], plugins.join());
    assert.deepEqual(
      worker.events.error.map(({ code }) => code),
      ['origin-changed'],
    );
  }
});

test('a file that is another one now passes through whole, from its first byte, and nothing of it is stored', async () => {
  await everywhere(async ({ origin, page, file, clock, caches }, name) => {
    const body = someBytes(file.bytes, 99);
    const parts = (request) => {
      const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get('range') ?? '') ?? [];
      if (!begin) return { status: 200, headers: {}, body };
      const range = `bytes ${begin}-${end}/${body.length}`;
      return { status: 206, headers: { 'content-range': range }, body: body.slice(+begin, +end + 1) };
    };
    origin.always(url, parts);
    assert.deepEqual(await (await page.fetch(url)).bytes(), body, name);
    await clock.pass(2000);
    assert.deepEqual(caches.runs(file), []);
  });
});

test('wrong bytes after some were passed on end the body in an error, and the manifest is asked for anew', async () => {
  const { origin, page, file, clock, worker } = await scene({ bytes: 8 * MIB, script: network, page: true });
  origin.always(url, spoilt(6_000_000));
  const manifests = origin.requests('/peer-cdn.json').length;
  const { bytes, error } = await readAll(clock, await page.fetch(url));
  assert.equal(error?.message, 'peer-cdn: origin-changed');
  assert.deepEqual(new Uint8Array(bytes), file.body.slice(0, bytes.length), 'what came before is right');
  assert.ok(bytes.length <= 6_000_000);
  await clock.pass(1000);
  const { code, done, fromOrigin } = last(worker.events.transfer);
  assert.deepEqual([code, done, fromOrigin], ['origin-changed', true, bytes.length]);
  assert.equal(origin.requests('/peer-cdn.json').length, manifests + 1);
});

test('a connection that breaks in the middle is made again at that byte', async () => {
  for (const step of [broken(100_000), usualBut({ ends: 100_000 }), unreachable, status(500)]) {
    const { origin, page, file, worker, clock } = await scene({ bytes: 8 * MIB, script: network, page: true });
    let failures = 1;
    origin.script(url, broken(2 * MIB));
    origin.always(url, (request, serve) => {
      const isLater = /^bytes=[1-9]/.test(request.headers.get('range'));
      return isLater && failures-- > 0 ? step(request, serve) : serve();
    });
    const { bytes, error } = await readAll(clock, await page.fetch(url));
    assert.equal(error, null);
    assert.deepEqual(new Uint8Array(bytes), file.body);
    assert.ok(origin.sentBytes(url) < 9 * MIB, 'what came is not asked for again');
    await clock.pass(1000);
    assert.equal(last(worker.events.transfer).code, null);
  }
});

test('an origin that went away for good in the middle ends the body in an error, after three times', async () => {
  const { origin, page, file, worker, clock } = await scene({ bytes: 8 * MIB, script: network, page: true });
  origin.script(url, broken(2 * MIB));
  const response = await page.fetch(url);
  const failedAt = [];
  origin.always(url, () => {
    failedAt.push(clock.now);
    return unreachable();
  });
  const { bytes, error } = await readAll(clock, response);
  assert.equal(error?.message, 'peer-cdn: origin-unreachable');
  assert.deepEqual(new Uint8Array(bytes), file.body.slice(0, bytes.length));
  assert.ok(bytes.length > 0 && bytes.length < file.bytes);
  assert.equal(failedAt.length, 2, 'after the one that broke off');
  assert.ok(failedAt[1] - failedAt[0] >= 500, 'not all at once');
  await clock.pass(1000);
  assert.deepEqual([last(worker.events.transfer).code, last(worker.events.transfer).done], ['origin-unreachable', true]);
});

test('what a page gives up is given up at the origin', async () => {
  const { origin, page, clock, worker } = await scene({ bytes: 8 * MIB, script: network, page: true });
  origin.always(url, usualBut({ pace: 100 }));
  const response = await page.fetch(url);
  const reader = response.body.getReader();
  await clock.until(reader.read());
  const sent = origin.sentBytes(url);
  await reader.cancel();
  await clock.pass(5000);
  assert.ok(origin.requests(url).every(({ aborted, ended }) => aborted || ended));
  assert.ok(origin.sentBytes(url) <= sent + 3 * 65_536);
  const { code, done } = last(worker.events.transfer);
  assert.deepEqual([code, done], ['cancelled', true]);
});

test('readers of one small file at once share one request, also who comes when half of it is there', async () => {
  const { origin, worker, file, clock } = await scene({ bytes: 500_000, script: network });
  origin.always(url, usualBut({ pace: 100 }));
  const first = [worker.fetch(url), worker.fetch(url)];
  await clock.pass(400);
  const all = await Promise.all([...first, worker.fetch(url)]);
  for (const response of all) assert.deepEqual(await response.bytes(), file.body);
  assert.equal(origin.requests(url).length, 1);
});

test('of readers that share a request one may give up, and the others get all', async () => {
  const { origin, worker, file, clock } = await scene({ bytes: 500_000, script: network });
  origin.always(url, usualBut({ pace: 100 }));
  const [one, other] = await Promise.all([worker.fetch(url), worker.fetch(url)]);
  await one.body.cancel();
  assert.deepEqual(await other.bytes(), file.body);
  assert.equal(origin.requests(url).length, 1);
  assert.equal(origin.requests(url)[0].aborted, false);
  const [third, fourth] = await Promise.all([worker.fetch(url), worker.fetch(url)]);
  await third.body.cancel();
  await fourth.body.cancel();
  await clock.pass(1000);
  assert.ok(origin.requests(url).at(-1).aborted || origin.requests(url).length === 1);
});

test('readers of one large file at once get it from an origin without ranges, too', async () => {
  const { origin, page, file } = await scene({ bytes: 3 * MIB, script: network, page: true });
  origin.always(url, whole);
  const all = await Promise.all([page.fetch(url), page.fetch(url), page.fetch(url)]);
  for (const bytes of await Promise.all(all.map((response) => response.bytes()))) assert.deepEqual(bytes, file.body);
});

test('readers of one file that fails all get what the origin says', async () => {
  for (const step of [unreachable, status(500)]) {
    const { origin, worker } = await scene({ bytes: 300_000, script: network });
    origin.always(url, late(50, step));
    const all = await Promise.allSettled([worker.fetch(url), worker.fetch(url)]);
    const expected = step === unreachable ? 'Failed to fetch' : 500;
    for (const { value, reason } of all) assert.equal(value?.status ?? reason.message, expected);
  }
});

test('the first byte does not wait for the last one', async () => {
  const { origin, worker, clock, file } = await scene({ bytes: 1_000_000, script: network });
  origin.always(url, stalled(200_000));
  const response = await worker.fetch(url);
  const reader = response.body.getReader();
  const { value } = await clock.until(reader.read());
  assert.deepEqual(value, file.body.slice(0, 65_536));
  await reader.cancel();
});

test('a reader that gives up while a failed request waits to be asked again is rid of it', async () => {
  const { origin, page, clock, worker } = await scene({ bytes: 8 * MIB, script: network, page: true });
  origin.script(url, broken(2 * MIB));
  const response = await page.fetch(url);
  origin.always(url, unreachable);
  const reader = response.body.getReader();
  const failing = (async () => {
    for (let done = false; !done; ) ({ done } = await clock.until(reader.read()));
  })().catch(() => {});
  await clock.when(() => origin.requests(url).length >= 2);
  await clock.pass(50);
  await reader.cancel();
  await failing;
  const before = origin.requests(url).length;
  await clock.pass(5000);
  assert.ok(origin.requests(url).length <= before + 1);
  assert.equal(last(worker.events.transfer).done, true);
});

test('a reader that gives up an origin without ranges, while it is paused, ends the request', async () => {
  const { origin, page, clock } = await scene({ bytes: 20 * MIB, script: network, page: true });
  origin.always(url, whole);
  const response = await page.fetch(url);
  await clock.pass(5000);
  await response.body.cancel();
  await clock.pass(1000);
  assert.equal(origin.requests(url)[0].aborted, true);
  assert.ok(origin.sentBytes(url) <= 6 * MIB);
});
