// Origins as sites have them: files that grew or shrank behind the manifest, servers that send less than they are asked for,
// answers that are refusals. The page gets what it would get without us, once, and it is told why it was not shared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { broken, chain, scene, serving, spoilt, status, unreachable, usualBut, whole, withHeaders } from './harness/index.mjs';

const MIB = 1 << 20;
const url = '/static/a.bin';
const sizes = [7000, 300_000, 3 * MIB];

/** The origin's file is another one from now on; the manifest is as it was. */
function redeploy({ origin, file }, body) {
  const { manifest } = origin;
  origin.manifest = { ...manifest, resources: { ...manifest.resources } };
  origin.add(url, body, { listed: false, type: file.type });
  origin.log.length = 0;
}

const longer = (file) => Buffer.concat([file.body, Buffer.from('one more line\n')]);
const shorter = (file) => file.body.slice(0, file.bytes - 15);
/** How the server answers a range: as it should, not at all, or without saying how long the file is. */
const servers = {
  'with ranges': undefined,
  'without ranges': whole,
  'without ranges and lengths': (request, serve) => withHeaders({ 'content-length': '' })(request, () => whole(request, serve)),
};

for (const [name, change] of Object.entries({ longer, shorter })) {
  test(`a listed file that is ${name} at the origin comes whole and as it is, and that is told`, async () => {
    for (const bytes of sizes) {
      for (const [server, step] of Object.entries(servers)) {
        const what = `${bytes} bytes, ${server}`;
        const place = await scene({ bytes, page: true });
        const { page, origin, worker, clock } = place;
        const body = change(place.file);
        redeploy(place, body);
        if (step) origin.always(url, step);
        const response = await page.fetch(url);
        const isEnded = await response.bytes().then(
          (got) => Buffer.compare(got, body) === 0,
          () => false,
        );
        // Where the length is only known at the end some was passed on already: then the body breaks off, and is told.
        const mayBreak = server === 'without ranges and lengths' && bytes > 65536;
        assert.ok(isEnded || mayBreak, what);
        await clock.pass(1000);
        const told = worker.events.error.map(({ code, url: path }) => [code, path.endsWith(url)]);
        assert.deepEqual(told, [['origin-changed', true]], what);

        // From then on it passes through, in one request.
        for (const time of [1, 2, 3]) {
          origin.log.length = 0;
          const again = await page.fetch(url);
          assert.deepEqual(Buffer.from(await again.bytes()), Buffer.from(body), `${what}, time ${time}`);
          assert.equal(origin.requests(url).length, 1, `${what}, time ${time}`);
          await clock.pass(1000);
        }
        assert.equal(worker.events.error.length, 1, `${what}: told once`);
      }
    }
  });
}

test("a range of a listed file that grew, up to what it did not have, is the origin's", async () => {
  const place = await scene({ bytes: 3 * MIB, page: true });
  const body = longer(place.file);
  redeploy(place, body);
  for (const range of [`bytes=${3 * MIB}-`, 'bytes=-14']) {
    const response = await place.page.fetch(url, { headers: { range } });
    assert.equal(response.status, 206, range);
    assert.deepEqual(Buffer.from(await response.bytes()), body.subarray(3 * MIB), range);
  }
});

test('what peers have is theirs to give, also when the origin has another file now', async () => {
  const place = await scene({ bytes: 3 * MIB, page: true });
  redeploy(place, longer(place.file));
  place.page.answers(serving(place.file));
  const response = await place.page.fetch(url);
  assert.deepEqual(await response.bytes(), place.file.body);
});

test('a peer that breaks off leaves a file that grew at the origin as an error, never as the old length', async () => {
  for (const change of [longer, shorter]) {
    const place = await scene({ bytes: 3 * MIB, page: true });
    const { page, worker, file, clock } = place;
    const body = change(file);
    redeploy(place, body);
    page.answers(async (ask) => {
      ask.ack().pending(true);
      if (await ask.pieces(file, { end: 20 })) ask.end('peer-gone');
    });
    await assert.rejects(async () => (await page.fetch(url)).bytes(), /origin-changed/);
    await clock.pass(1000);
    assert.deepEqual(
      worker.events.error.map(({ code }) => code),
      ['origin-changed'],
    );
    const response = await page.fetch(url);
    assert.equal(response.type, 'basic');
    assert.deepEqual(Buffer.from(await response.bytes()), Buffer.from(body));
  }
});

test('a file whose bytes differ in the middle breaks off once, and can be loaded from then on', async () => {
  const place = await scene({ bytes: 8 * MIB, page: true });
  const { page, worker, origin } = place;
  const body = place.file.body.slice();
  body[6_000_000] ^= 1;
  redeploy(place, body);
  await assert.rejects(async () => (await page.fetch(url)).bytes(), /origin-changed/);
  assert.deepEqual(
    worker.events.error.map(({ code }) => code),
    ['origin-changed'],
  );
  for (let i = 0; i < 2; i++) {
    const response = await page.fetch(url);
    assert.deepEqual(await response.bytes(), body);
  }
  // Another manifest, another chance.
  const now = origin.add(url, body);
  await worker.fetch('/', { mode: 'navigate', destination: 'document' });
  await place.clock.pass(1000);
  const response = await page.fetch(url);
  assert.equal(response.type, 'default');
  assert.deepEqual(await response.bytes(), now.body);
  assert.equal(worker.events.error.length, 1);
});

test('a page that gives up a file that is compared on the way gives it up at the origin', async () => {
  const place = await scene({ bytes: 3 * MIB, page: true });
  const { page, origin, clock } = place;
  const body = place.file.body.slice();
  body[body.length - 1] ^= 1;
  redeploy(place, body);
  await assert.rejects(async () => (await page.fetch(url)).bytes(), /origin-changed/);
  origin.log.length = 0;
  origin.always(url, usualBut({ stalls: 200_000 }));
  const { body: stream } = await page.fetch(url);
  const reader = stream.getReader();
  assert.ok((await reader.read()).value.length > 0);
  await reader.cancel();
  await clock.pass(1000);
  assert.deepEqual(
    origin.requests(url).map(({ aborted }) => aborted),
    [true],
  );
});

test('what an origin turned out to be outlives the worker, and no other manifest', async () => {
  for (const [bytes, at] of [
    [8 * MIB, 6_000_000],
    [7000, 5],
  ]) {
    const place = await scene({ bytes, page: true });
    const { origin, clock } = place;
    const body = place.file.body.slice();
    body[at] ^= 1;
    redeploy(place, body);
    await (await place.page.fetch(url)).bytes().catch(() => {});
    await clock.pass(1000);
    let worker = await place.worker.restart();
    let page = await worker.page();
    for (let i = 0; i < 2; i++) {
      origin.log.length = 0;
      assert.deepEqual(await (await page.fetch(url)).bytes(), body, `${bytes}`);
      assert.equal(origin.requests(url).length, 1);
      // A manifest that is looked at again, and is the same, changes nothing.
      await clock.pass(61_000);
    }
    assert.deepEqual(worker.events.error, [], 'told once');
    const now = origin.add(url, body);
    await worker.fetch('/', { mode: 'navigate', destination: 'document' });
    await clock.pass(1000);
    assert.equal((await page.fetch(url)).type, 'default');
    worker = await worker.restart();
    page = await worker.page();
    const response = await page.fetch(url);
    assert.equal(response.type, 'default');
    assert.deepEqual(await response.bytes(), now.body);
  }
});

test("other bytes before the first piece was passed on are the origin's own from the first byte on", async () => {
  for (const bytes of sizes) {
    const place = await scene({ bytes, page: true });
    const body = place.file.body.slice();
    body[5] ^= 1;
    redeploy(place, body);
    assert.deepEqual(await (await place.page.fetch(url)).bytes(), body, `${bytes}`);
    assert.deepEqual(await (await place.page.fetch(url)).bytes(), body, `${bytes}, again`);
    assert.deepEqual(
      place.worker.events.error.map(({ code }) => code),
      ['origin-changed'],
    );
  }
});

test('what a server without ranges gives in place of a large file is what the page gets, in one request', async () => {
  const app = status(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' }, '<!doctype html><title>app</title>');
  const empty = status(200, { 'content-type': 'text/plain' }, '');
  const other = async (request, serve) => whole(request, async () => spoilt(5)(request, serve));
  for (const [name, step] of Object.entries({ 'the page of an app': app, nothing: empty, 'other bytes': other })) {
    const { page, origin, worker, clock } = await scene({ bytes: 9 * MIB, page: true });
    origin.always(url, step);
    const without = await clock.until(origin.fetch(url));
    const expected = new Uint8Array(await clock.until(without.arrayBuffer()));
    for (const time of [1, 2]) {
      origin.log.length = 0;
      const response = await page.fetch(url);
      const told = `${name}, time ${time}`;
      assert.equal(response.headers.get('content-type'), without.headers.get('content-type'), told);
      assert.equal(Buffer.compare(await response.bytes(), expected), 0, told);
      assert.equal(origin.requests(url).length, 1, told);
    }
    assert.deepEqual(
      worker.events.error.map(({ code }) => code),
      ['origin-changed'],
      name,
    );
  }
});

/** The usual tutorial on video: at most so many bytes at once, whatever was asked for. */
const atMost = (most, total) => async (request, serve) => {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '') ?? [];
  if (from === undefined) return serve();
  const answer = await serve();
  const size = +/\/(\d+)$/.exec(answer.headers['content-range'])[1];
  const end = Math.min(size, to ? +to + 1 : size, +from + most);
  const told = { 'content-range': `bytes ${from}-${end - 1}/${total ?? size}`, 'content-length': `${end - from}` };
  return { ...answer, headers: { ...answer.headers, ...told }, body: answer.body.slice(0, end - from) };
};

test('a server that sends less than it was asked for, or does not know the total, is taken for what it is', async () => {
  for (const [most, total] of [
    [1_000_000, undefined],
    [1_000_000, '*'],
    [Infinity, '*'],
    [100_000, undefined],
  ]) {
    for (const range of [undefined, 'bytes=0-', 'bytes=1000000-', 'bytes=5-2500000']) {
      const what = `${most} of ${total}, ${range}`;
      const { origin, page, file, worker, clock } = await scene({ bytes: 5_000_000, page: true });
      origin.always(url, atMost(most, total));
      const response = await page.fetch(url, { headers: range ? { range } : {} });
      const [from, to] = range ? /(\d+)-(\d*)/.exec(range).slice(1) : [0, ''];
      assert.equal(response.status, range ? 206 : 200, what);
      assert.deepEqual(await response.bytes(), file.body.slice(+from, to ? +to + 1 : undefined), what);
      await clock.pass(1000);
      assert.deepEqual(worker.events.error, [], what);
      // What is thrown away is less than a piece, once.
      assert.ok(origin.sentBytes(url) < file.bytes - from + 5 * 65536, what);
    }
  }
});

test('what cannot be used passes through untouched, range and all', async () => {
  const answers = {
    'less than a piece': atMost(60_000),
    'several parts': usualBut({ headers: { 'content-type': 'multipart/byteranges; boundary=x' } }),
    'no word on which part': async (_request, serve) => {
      const answer = await serve();
      delete answer.headers['content-range'];
      return answer;
    },
    'another part': async (_request, serve) => {
      const answer = await serve();
      return { ...answer, headers: { ...answer.headers, 'content-range': 'bytes 7-9/5000000' } };
    },
  };
  for (const [name, step] of Object.entries(answers)) {
    const { origin, page, worker, file } = await scene({ bytes: 5_000_000, page: true });
    origin.always(url, step);
    const response = await page.fetch(url, { headers: { range: 'bytes=2-' } });
    const [window, own, ...more] = origin.requests(url);
    assert.match(window.range, /^bytes=0-/, name);
    assert.equal(own.range, 'bytes=2-', name);
    assert.deepEqual(more, [], name);
    assert.equal(response.status, 206, name);
    assert.deepEqual(
      await response.bytes(),
      (
        await step(new Request('https://site.test/', { headers: { range: 'bytes=2-' } }), async () => ({
          body: file.body.slice(2),
          headers: { 'content-range': `bytes 2-${file.bytes - 1}/${file.bytes}` },
        }))
      ).body,
      name,
    );
    await (await page.fetch(url, { headers: { range: 'bytes=2-' } })).bytes();
    assert.equal(origin.requests(url).length, 3, `${name}: known by then`);
    assert.deepEqual(
      worker.events.error.map(({ code }) => code),
      ['origin-unusable'],
      name,
    );
  }
});

test('a server that answers 416 without a range: a film of it plays', async () => {
  for (const bytes of [300_000, 5_000_000]) {
    const { origin, page, file } = await scene({ bytes, page: true });
    origin.always(url, (request, serve) => (request.headers.has('range') ? atMost(1_000_000)(request, serve) : status(416)()));
    const response = await page.fetch(url, { headers: { range: 'bytes=0-' } });
    assert.equal(response.status, 206);
    const got = await response.bytes();
    assert.deepEqual(got, file.body.slice(0, got.length));
    assert.ok(got.length >= Math.min(bytes, 1_000_000));
  }
});

test('an error that the origin sent is passed on, and not asked for again', async () => {
  for (const code of [429, 503]) {
    for (const bytes of sizes) {
      for (const range of [undefined, 'bytes=10-20']) {
        for (const plugins of [['network'], ['cache', 'network'], ['cache', 'delegate', 'network']]) {
          for (const strategy of ['ordered', 'fastest']) {
            const what = `${code}, ${bytes} bytes, ${range}, ${strategy} ${plugins}`;
            const { origin, page, worker, clock } = await scene({ bytes, page: true, script: chain(strategy, ...plugins) });
            origin.log.length = 0;
            origin.always(url, status(code, { 'retry-after': '7' }, 'come back later'));
            for (let i = 1; i <= 2; i++) {
              const response = await page.fetch(url, { headers: range ? { range } : {} });
              assert.deepEqual(
                [response.status, response.headers.get('retry-after'), await response.text()],
                [code, '7', 'come back later'],
                what,
              );
              await clock.pass(2000);
              assert.equal(origin.requests(url).length, i, what);
            }
            assert.deepEqual(
              worker.events.error.map(({ code: told }) => told),
              ['origin-unreachable'],
              what,
            );
            assert.deepEqual(worker.thrown, [], what);
          }
        }
      }
    }
  }
});

test('what a server gives for a part in place of a large file is no word on the whole', async () => {
  const { page, origin, file, clock } = await scene({ bytes: 9 * MIB, page: true });
  const app = status(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' }, '<!doctype html><title>app</title>');
  origin.always(url, (request, serve) => (request.headers.has('range') ? app() : serve()));
  await (await page.fetch(url)).bytes();
  for (const time of [2, 3, 4]) {
    await clock.pass(1000);
    const got = await (await page.fetch(url, { cache: 'reload' })).bytes();
    assert.equal(Buffer.compare(got, file.body), 0, `time ${time}`);
  }
});

test('a server that refuses ranges serves the file all the same, and the other way round', async () => {
  const totals = async (_request, serve) => {
    const { headers, ...answer } = await serve();
    if (answer.status === 200) return { ...answer, headers: { ...headers, 'content-length': '10' } };
    return { ...answer, headers: { ...headers, 'content-range': headers['content-range'].replace(/\d+$/, '99999999') } };
  };
  const refusals = {
    ...Object.fromEntries([204, 400, 401, 403, 405, 416, 500, 501, 502].map((code) => [code, status(code, {}, 'no')])),
    private: withHeaders({ 'cache-control': 'private' }),
    'another length': totals,
    'of another origin': usualBut({ type: 'cors' }),
  };
  for (const [name, refuses] of Object.entries(refusals)) {
    for (const [bytes, range] of [
      [7000, 'bytes=10-20'],
      [300_000, 'bytes=10-20'],
      [5_000_000, undefined],
      [9 * MIB, undefined],
    ]) {
      const what = `${name}, ${bytes} bytes, ${range}`;
      const { origin, page, file, worker, clock } = await scene({ bytes, page: true });
      const isRefused = (request) => request.headers.has('range') === !range;
      origin.always(url, (request, serve) => (isRefused(request) ? refuses(request, serve) : serve()));
      for (let i = 0; i < 4; i++) {
        origin.log.length = 0;
        const response = await page.fetch(url, { headers: range ? { range } : {} });
        await clock.pass(1000);
        const isWord = bytes === 7000 && i === 0 && [401, 403, 405, 500, 501, 502].includes(Number(name));
        if (isWord) {
          // Nothing says that a range would have changed it.
          assert.equal(response.status, Number(name), what);
        } else {
          assert.equal(response.status, range ? 206 : 200, what);
          assert.deepEqual(await response.bytes(), range ? file.body.slice(10, 21) : file.body, what);
        }
        assert.ok(origin.requests(url).length <= (i > 0 || isWord ? 1 : 2), `${what}: ${i}`);
        assert.ok(worker.events.error.length <= 1, what);
      }
    }
  }
});

test('a server that refuses the rest of a file whose beginning is held is asked for all of it', async () => {
  for (const code of [204, 400, 403, 404, 405, 416, 501]) {
    const { origin, page, file, worker, clock, caches } = await scene({ bytes: 9 * MIB, page: true });
    caches.hold(file, 0, 32);
    origin.always(url, (request, serve) => (request.headers.has('range') ? status(code)() : serve()));
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await (await page.fetch(url)).bytes(), file.body, `${code}`);
      await clock.pass(1000);
    }
    assert.ok(origin.requests(url).length <= 2, `${code}`);
    assert.deepEqual(worker.events.error, [], `${code}`);
  }
});

test('a server that allows few requests a second is waited for: the file comes whole', async () => {
  for (const headers of [{}, { 'retry-after': '2' }]) {
    const { origin, page, file, clock, worker } = await scene({ bytes: 30 * MIB, page: true });
    const allowed = [];
    origin.always(url, (_request, serve) => {
      while (allowed.length > 0 && allowed[0] <= clock.now - 1000) allowed.shift();
      if (allowed.length >= 3) return status(429, headers)();
      allowed.push(clock.now);
      return serve();
    });
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
    assert.deepEqual(worker.events.error, []);
  }
});

test('a reader who leaves does not take the answer from another', async () => {
  for (const step of [status(403, {}, 'no'), withHeaders({ 'cache-control': 'private' })]) {
    for (const ranges of [
      [undefined, 'bytes=0-'],
      ['bytes=0-', undefined],
      [undefined, undefined],
    ]) {
      const { origin, page, file } = await scene({ bytes: 200_000, page: true });
      origin.always(url, step);
      const responses = await Promise.all(ranges.map((range) => page.fetch(url, { headers: range ? { range } : {} })));
      for (const response of responses) {
        const bytes = Buffer.from(await response.bytes());
        assert.ok(bytes.equals(Buffer.from(file.body)) || bytes.toString() === 'no', String(ranges));
      }
    }
  }
});

test('the same bytes at two paths: what one is refused is no word on the other', async () => {
  for (const bytes of [7000, 3 * MIB]) {
    const { origin, page, worker, file } = await scene({ bytes, page: true });
    const twin = origin.add('/static/twin.bin', file.body);
    await worker.fetch('/', { mode: 'navigate', destination: 'document' });
    await origin.clock.pass(1000);
    origin.always(url, status(404, {}, 'gone'));
    const [gone, there] = await Promise.all([page.fetch(url), page.fetch(twin.path)]);
    assert.equal(gone.status, 404);
    assert.deepEqual(await there.bytes(), file.body);
    assert.deepEqual(
      worker.events.error.map((each) => new URL(each.url).pathname),
      [url],
    );
  }
});

test('readers who wait for the same answer all get the error that came, in one request', async () => {
  const { origin, page } = await scene({ bytes: 7000, page: true });
  origin.log.length = 0;
  origin.always(url, status(429, {}, 'later'));
  const responses = await Promise.all([1, 2, 3].map(() => page.fetch(url)));
  for (const response of responses) assert.deepEqual([response.status, await response.text()], [429, 'later']);
  assert.equal(origin.requests(url).length, 1);
});

test('peers that bring it make an error of the origin no matter', async () => {
  const { origin, page, file } = await scene({ bytes: 3 * MIB, page: true });
  origin.always(url, status(503));
  page.answers(serving(file));
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
});

test('a lasting refusal is asked once more at the most, and then left to the browser', async () => {
  const refusals = {
    'origin-unusable': [status(403), withHeaders({ 'cache-control': 'private' }), withHeaders({ vary: 'cookie' })],
    'origin-changed': [status(404), status(410)],
  };
  for (const [code, steps] of Object.entries(refusals)) {
    for (const step of steps) {
      for (const bytes of [7000, 3 * MIB, 9 * MIB]) {
        const { origin, page, worker } = await scene({ bytes, page: true });
        origin.log.length = 0;
        origin.always(url, step);
        const expected = await step(new Request('https://site.test/'), async () => ({ status: 200, headers: {} }));
        for (let i = 0; i < 3; i++) {
          const response = await page.fetch(url);
          assert.equal(response.status, expected.status);
          await response.bytes();
        }
        // One for each fetch; of a large one the first has its window beside, unless the file is gone.
        const isGone = code === 'origin-changed';
        assert.equal(origin.requests(url).length, bytes > 8 * MIB && !isGone ? 4 : 3, `${code} ${bytes}`);
        assert.deepEqual(
          worker.events.error.map((each) => each.code),
          [code],
        );
      }
    }
  }
});

test('a part that goes on behind what it says is cut off there, and its connection is let go of', async () => {
  for (const bytes of sizes.slice(1)) {
    const { page, origin, file, clock } = await scene({ bytes, page: true });
    origin.always(url, async (_request, serve) => {
      const answer = await serve();
      return { ...answer, body: Buffer.concat([answer.body, Buffer.alloc(4 * MIB)]) };
    });
    for (const range of ['bytes=0-199999', `bytes=100000-${bytes - 1}`]) {
      const [from, to] = range.slice(6).split('-').map(Number);
      const response = await page.fetch(url, { headers: { range } });
      assert.deepEqual(await response.bytes(), file.body.slice(from, to + 1), `${bytes}, ${range}`);
    }
    await clock.pass(1000);
    assert.ok(
      origin.requests(url).every(({ aborted, ended }) => aborted || ended),
      `${bytes}`,
    );
  }
});

test('a reader of the manifest before this one that finds another file says nothing of what this one lists', async () => {
  const place = await scene({ bytes: 24 * MIB, page: true });
  const { page, origin, clock, worker } = place;
  origin.always(url, usualBut({ pace: 5 }));
  const reader = (await page.fetch(url)).body.getReader();
  await clock.until(reader.read());
  const body = place.file.body.map((byte) => byte ^ 1);
  redeploy(place, body);
  const now = origin.add(url, body);
  await worker.fetch('/', { mode: 'navigate', destination: 'document' });
  await clock.pass(1000);
  await assert.rejects(async () => {
    while (!(await clock.until(reader.read())).done);
  }, /origin-changed/);
  await clock.pass(2000);
  assert.deepEqual(worker.events.error, [], 'the manifest and the origin agree');
  const next = await worker.restart();
  const response = await (await next.page()).fetch(url);
  assert.equal(response.answered, true);
  assert.deepEqual(await response.bytes(), now.body);
});

/** Answers that no reader can use and whose heads do not say so: a browser without us asks once for each fetch. */
const unreadable = {
  'an encoding that its bytes do not have': async (request, serve) => {
    const answer = await whole(request, serve);
    return { ...answer, headers: { ...answer.headers, 'content-encoding': 'br' }, breaks: 0 };
  },
  'a body that breaks off at once': broken(0),
  'a redirect to another origin without CORS': (request) => {
    if (request.redirect === 'manual') return { status: 302, headers: { location: 'https://cdn.test/a.bin' }, body: null };
    return unreachable();
  },
  'an HTML page without a length': () => ({
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: new TextEncoder().encode('<!doctype html><title>app</title>'),
  }),
};

for (const [name, step] of Object.entries(unreadable)) {
  test(`${name} is asked for once a fetch, from the second fetch on`, async () => {
    for (const bytes of sizes) {
      for (const range of [undefined, 'bytes=0-99', 'bytes=100-', 'bytes=-50']) {
        const { origin, page, clock } = await scene({ bytes, page: true });
        origin.always(url, step);
        const requests = [];
        for (let turn = 0; turn < 3; turn++) {
          origin.log.length = 0;
          await page.fetch(url, { headers: range ? { range } : {} }).then(
            (response) => response.bytes().catch(() => {}),
            () => {},
          );
          requests.push(origin.requests(url).length);
          await clock.pass(1000);
        }
        assert.deepEqual(requests.slice(1), [1, 1], `${bytes} bytes, ${range}: ${requests}`);
      }
    }
  });
}

test('what could not be read a minute ago is shared again when it can', async () => {
  for (const step of [unreadable['an encoding that its bytes do not have'], unreachable]) {
    const { origin, page, file, clock } = await scene({ bytes: 300_000, page: true });
    origin.always(url, step);
    await assert.rejects(async () => (await page.fetch(url)).bytes());
    origin.always(url, null);
    await clock.pass(61_000);
    const response = await page.fetch(url);
    assert.equal(response.type, 'default');
    assert.deepEqual(await response.bytes(), file.body);
  }
});

test('an answer that goes on behind the end of the file is let go of, though its reader has most of it', async () => {
  for (const more of [10, 3 * MIB]) {
    const { origin, file, page, clock } = await scene({ bytes: 1_300_000, page: true });
    const body = new Uint8Array(file.bytes + more);
    body.set(file.body);
    origin.always('/static/a.bin', () => ({ status: 200, headers: {}, body }));
    await assert.rejects((await page.fetch('/static/a.bin')).bytes(), /origin-changed/);
    await clock.pass(1000);
    const open = origin.requests('/static/a.bin').filter(({ aborted, ended }) => !aborted && !ended);
    assert.deepEqual(open, [], `${more} bytes more`);
  }
});
