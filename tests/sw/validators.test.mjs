// Validators and headers: a page gets those of its origin, the same ever after, and conditions mean what they meant.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { late, scene, serving, spoilt, status, withHeaders } from './harness/index.mjs';

const url = '/static/a.bin';
const own = {
  'cache-control': 'public, max-age=600',
  'content-disposition': 'attachment; filename="a.bin"',
  'cross-origin-resource-policy': 'cross-origin',
  etag: '"one"',
  'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT',
  link: '</b>; rel=preload',
  'x-own': 'a b',
};

const pick = (headers) => Object.fromEntries(Object.keys(own).map((name) => [name, headers.get(name)]));

/** A site whose origin has such headers. */
const site = (options = {}) => scene({ bytes: 300_000, page: true, headers: own, ...options });

test("headers are the origin's at first, and later from the store, in another worker too", async () => {
  const { page, worker, clock, origin } = await site();
  const first = await page.fetch(url);
  await first.bytes();
  await clock.pass(2000);
  const second = await page.fetch(url);
  await second.bytes();
  await clock.pass(2000);
  const next = await worker.restart();
  const third = await (await next.page()).fetch(url);
  await third.bytes();
  for (const { headers } of [first, second, third]) assert.deepEqual(pick(headers), own);
  assert.equal(origin.requests(url).length, 1);
});

test('headers are all there beside a policy of some kilobytes, at first and from the store', async () => {
  const policy = `connect-src ${Array.from({ length: 250 }, (_, i) => `https://host-${i}.test`).join(' ')}`;
  const headers = { 'content-security-policy': policy, 'content-disposition': 'attachment', 'cache-control': 'max-age=60' };
  const { worker, clock } = await scene({ bytes: 7000, headers });
  for (let i = 0; i < 2; i++) {
    const response = await worker.fetch('/static/a.bin');
    await response.bytes();
    for (const [name, value] of Object.entries(headers)) assert.equal(response.headers.get(name), value, `${name}, ${i}`);
    await clock.pass(2000);
  }
});

test('HEAD has the head that was seen, and asks the origin only for what was not', async () => {
  const { page, origin, clock } = await site();
  assert.deepEqual(pick((await page.fetch(url, { method: 'HEAD' })).headers), own);
  await (await page.fetch(url)).bytes();
  await clock.pass(1000);
  origin.log.length = 0;
  const head = await page.fetch(url, { method: 'HEAD' });
  assert.deepEqual([head.status, pick(head.headers), (await head.bytes()).length], [200, own, 0]);
  assert.deepEqual(origin.requests(url), []);
});

test("a range counts with every validator that the file ever had, and is the origin's to judge with another", async () => {
  const { page, worker, clock, file, origin } = await site();
  const part = async (from, ifRange) => {
    const response = await from.fetch(url, { headers: { range: 'bytes=0-99', 'if-range': ifRange } });
    return [response.status, (await response.bytes()).length];
  };
  // Of a HEAD, before anything was held.
  const seen = await page.fetch(url, { method: 'HEAD' });
  await clock.pass(1000);
  for (const name of ['etag', 'last-modified']) assert.deepEqual(await part(page, seen.headers.get(name)), [206, 100], name);
  await (await page.fetch(url)).bytes();
  origin.always(url, withHeaders({ ...own, etag: '"two"' }));
  await (await page.fetch(url, { cache: 'reload' })).bytes();
  await clock.pass(2000);
  const next = await (await worker.restart()).page();
  for (const validator of ['"one"', '"two"', own['last-modified']])
    assert.deepEqual(await part(next, validator), [206, 100], validator);
  assert.equal((await next.fetch(url)).headers.get('etag'), '"one"', 'given first, and ever after');
  origin.log.length = 0;
  await part(next, '"three"');
  assert.deepEqual(
    origin.requests(url).map(({ headers }) => headers['if-range']),
    ['"three"'],
  );
  assert.equal(file.bytes, 300_000);
});

test('the tag of the version before, which a cache still says, is never given for the new bytes', async () => {
  const { page, clock, file } = await site();
  // A manifest comes before the edge of a CDN has the file that it lists.
  file.headers = { ...own, etag: '"before"' };
  const head = async () => (await page.fetch(url, { method: 'HEAD' })).headers.get('etag');
  const part = async () => (await page.fetch(url, { headers: { range: 'bytes=0-99', 'if-range': '"before"' } })).bytes();
  assert.equal(await head(), '"before"');
  assert.equal((await part()).length, 100);
  file.headers = { ...own, etag: '"after"' };
  const response = await page.fetch(url);
  assert.equal(response.headers.get('etag'), '"after"');
  assert.deepEqual(await response.bytes(), file.body);
  await clock.pass(2000);
  assert.equal(await head(), '"after"');
  assert.equal((await part()).length, file.bytes, 'a range of the version before is the whole of this one');
});

test("a file that changed under a stale manifest has the origin's tag at once, and the old bytes keep theirs", async () => {
  for (const bytes of [7000, 300_000, 1_200_000]) {
    const { page, worker, origin, clock, file } = await site({ bytes });
    await (await page.fetch(url)).bytes();
    await clock.pass(2000);
    const other = new Uint8Array(bytes).fill(7);
    origin.log.length = 0;
    origin.script(url, () => ({ status: 200, headers: { ...own, etag: '"two"' }, body: other }));
    const changed = await page.fetch(url, { cache: 'reload' });
    assert.equal(changed.headers.get('etag'), '"two"', `${bytes} bytes`);
    assert.deepEqual(await changed.bytes(), other);
    assert.equal(origin.requests(url).length, 1);
    // They are those of the manifest again.
    await (await page.fetch(url)).bytes();
    await clock.pass(2000);
    const back = await (await (await worker.restart()).page()).fetch(url);
    assert.equal(back.headers.get('etag'), '"one"');
    assert.deepEqual(await back.bytes(), file.body);
  }
});

test('conditions are answered where their validators are known, and asked of the origin where not', async () => {
  const { page, origin, clock } = await site();
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  origin.log.length = 0;
  const status = async (headers) => {
    const response = await page.fetch(url, { headers });
    await response.bytes();
    return response.status;
  };
  assert.equal(await status({ 'if-none-match': '"one"' }), 304);
  assert.equal(await status({ 'if-none-match': 'W/"one", "x"' }), 304);
  assert.equal(await status({ 'if-modified-since': own['last-modified'] }), 304);
  assert.equal(await status({ 'if-match': '"one"' }), 200);
  assert.equal(await status({ 'if-unmodified-since': own['last-modified'] }), 200);
  assert.deepEqual(origin.requests(url), []);
  await status({ 'if-match': '"other"' });
  assert.equal(origin.requests(url).length, 1);
});

test("what peers gave first has our own tag ever after, and the origin's counts too", async () => {
  const { page, origin, file, clock } = await site({ bytes: 3 << 20 });
  page.answers(serving(file));
  const tag = (await page.fetch(url)).headers.get('etag');
  assert.equal(tag, `"${file.root}"`);
  await clock.pass(2000);
  page.answers((ask) => ask.ack().none?.());
  const reloaded = await page.fetch(url, { cache: 'reload' });
  await reloaded.bytes();
  assert.equal(reloaded.headers.get('etag'), tag);
  assert.equal(reloaded.headers.get('x-own'), 'a b', "headers are the origin's where it was seen");
  for (const each of [tag, '"one"']) {
    const response = await page.fetch(url, { headers: { range: 'bytes=0-9', 'if-range': each } });
    assert.deepEqual([response.status, (await response.bytes()).length], [206, 10]);
  }
  assert.ok(origin.requests(url).length >= 1);
});

test('servers with a tag each for the same bytes: the head of one that is known does not wait for its body', async () => {
  const { page, origin } = await site();
  const tagged = (etag) => withHeaders({ ...own, etag });
  for (const etag of ['"one"', '"two"', '"one"']) {
    origin.script(url, tagged(etag));
    await (await page.fetch(url, { cache: 'reload' })).bytes();
  }
  origin.script(url, async (...args) => ({ ...(await tagged('"two"')(...args)), stalls: 0 }));
  const response = await page.fetch(url, { cache: 'reload' });
  assert.equal(response.headers.get('etag'), '"one"');
  await response.body.cancel();
});

test('the tag under which other bytes came in the middle of a file is none of its own', async () => {
  const { page, origin, clock, caches } = await site({ bytes: 12 << 20 });
  origin.script(url, withHeaders(own));
  origin.always(url, async (...args) => {
    const answer = await spoilt(9 << 20)(...args);
    return { ...answer, headers: { ...answer.headers, ...own, etag: '"two"' } };
  });
  await assert.rejects((await page.fetch(url)).bytes());
  await clock.pass(2000);
  const [path] = caches.paths().filter((each) => each.startsWith('/peer-cdn/records/'));
  const text = new TextDecoder().decode(caches.entry(path).body);
  assert.ok(text.includes('"one"'));
  assert.ok(!text.includes('"two"'), text);
});

test('of a file that is listed no more when its answer comes nothing is kept', async () => {
  const { page, origin, clock, caches, file } = await site();
  origin.script(url, late(5000, withHeaders(own)));
  const asked = page.fetch(url);
  delete origin.manifest.resources[url];
  await clock.pass(100);
  await page.fetch('/', { mode: 'navigate' });
  assert.deepEqual(await (await asked).bytes(), file.body);
  await clock.pass(3000);
  assert.deepEqual(
    caches.paths().filter((each) => each.startsWith('/peer-cdn/records/')),
    [],
  );
});

test('what was stored of how a file is sent is not taken for the file that a new manifest has in its place', async () => {
  const { page, worker, origin, clock, caches } = await site();
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  const next = await (await worker.restart()).page();
  const file = origin.add(url, 200_000);
  origin.always(url, late(1000, withHeaders({ ...own, etag: '"two"' })));
  caches.faults.match = (path) => path.includes('/records/') && clock.after(500);
  caches.faults.delete = () => clock.after(5000);
  const asked = next.fetch(url);
  await next.fetch('/', { mode: 'navigate' });
  const response = await asked;
  assert.equal(response.headers.get('etag'), '"two"');
  assert.deepEqual(await response.bytes(), file.body);
});

test("what a page writes to is asked of the origin next, and the write is the browser's own", async () => {
  const seen = [];
  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']) {
    const at = await site();
    await (await at.page.fetch(url)).bytes();
    await at.clock.pass(2000);
    at.origin.script(url, status(204));
    const { answered } = await at.worker.fetch(url, { method });
    assert.equal(answered, false, method);
    at.origin.log.length = 0;
    await (await at.page.fetch(url)).bytes();
    seen.push(`${method}: ${at.origin.requests(url).length > 0 ? 'origin' : 'store'}`);
  }
  assert.deepEqual(seen, ['PUT: origin', 'POST: origin', 'DELETE: origin', 'PATCH: origin', 'OPTIONS: store']);
});

test('a read while a write is on its way does not make the file before good again', async () => {
  const { page, origin, clock, file } = await site();
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  origin.script(
    url,
    late(1000, () => ({ status: 204, headers: {}, body: null })),
  );
  const writing = page.fetch(url, { method: 'PUT', body: 'sent' });
  assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
  assert.equal((await writing).status, 204);
  const other = new Uint8Array(file.bytes).fill(7);
  origin.always(url, () => ({ status: 200, headers: { ...own, etag: '"two"' }, body: other }));
  assert.deepEqual(await (await page.fetch(url)).bytes(), other);
});

/** A worker after this one, which has not run yet: what comes first starts it. */
function successorOf(worker) {
  worker.stop();
  const next = new worker.constructor(worker.options);
  next.browser.worker = next;
  return next;
}

test('a write that starts the worker counts too', async () => {
  const { page, origin, clock, worker } = await site();
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  origin.script(url, status(204));
  const next = successorOf(worker);
  const { answered } = await next.fetch(url, { method: 'PUT', body: 'sent' });
  assert.equal(answered, false);
  origin.log.length = 0;
  await (await (await next.page()).fetch(url)).bytes();
  assert.equal(origin.requests(url).length, 1);
});

test('a read while a write that started the worker is on its way does not make the file before good again', async () => {
  const { page, origin, clock, worker, file } = await site();
  await (await page.fetch(url)).bytes();
  await clock.pass(2000);
  origin.script(
    url,
    late(1000, () => ({ status: 204, headers: {}, body: null })),
  );
  const next = successorOf(worker);
  const writing = next.fetch(url, { method: 'PUT', body: 'sent' });
  const reader = await next.page();
  assert.deepEqual(await (await reader.fetch(url)).bytes(), file.body);
  assert.equal((await writing).status, 204);
  const other = new Uint8Array(file.bytes).fill(7);
  origin.always(url, () => ({ status: 200, headers: { ...own, etag: '"two"' }, body: other }));
  assert.deepEqual(await (await reader.fetch(url)).bytes(), other);
});

test('a phrase that no script may give a response costs itself, also of bytes that pass as they are', async () => {
  const { page, origin, worker } = await site();
  const strange = async (...args) => ({ ...(await spoilt(0)(...args)), statusText: 'O\u0001K' });
  origin.always(url, strange);
  // Spilt, then compared on the way.
  for (let i = 0; i < 2; i++) {
    const response = await page.fetch(url);
    assert.deepEqual([response.status, response.statusText, (await response.bytes()).length], [200, '', 300_000]);
  }
  assert.deepEqual([...new Set(worker.events.error.map(({ code }) => code))], ['origin-changed']);
});

test('a record that other code has spoilt costs its bad headers or its phrase, and nothing else', async () => {
  const records = {
    'no header': '11\n"one"\n\n\nbad name\nvalue\nx-own\na b',
    'a value that no header has': '11\n"one"\n\n\nx\na\u0000b\nx-own\na b',
    'other characters': '11\n"one"\n\n\nx\n\u0142\nx-own\na b',
    'a phrase that no status has': '1\u0142\n"one"\n\n\nx-own\na b',
    'a phrase of two lines': '1O\rK\n"one"\n\n\nx-own\na b',
    'a name alone': '11\n"one"\n\n\nx-own\na b\nx',
  };
  for (const [what, text] of Object.entries(records)) {
    const { page, worker, origin, clock, caches, file } = await site();
    await (await page.fetch(url)).bytes();
    await clock.pass(2000);
    const [path] = caches.paths().filter((each) => each.includes('/records/'));
    caches.entry(path).body = new TextEncoder().encode(text).buffer;
    const next = await worker.restart();
    const head = await (await next.page()).fetch(url, { method: 'HEAD' });
    const held = await (await next.page()).fetch(url);
    for (const response of [head, held]) assert.deepEqual([response.status, response.headers.get('x-own')], [200, 'a b'], what);
    assert.deepEqual(await held.bytes(), file.body, what);
    assert.deepEqual(next.events.error, [], what);
    assert.equal(origin.requests(url).length, 1, what);
  }
});
