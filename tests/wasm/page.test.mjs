// The page's half, wasm and JavaScript, with a browser of fakes: two visitors in one process.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { BYPASS_HEADER, manifestVersion, pieceBytesMin, piecesPerResource, SOCKET_PATH } from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import { FakeConnection, FakeSocket, install } from './page-fakes.mjs';

install();
const { Page } = await import('../../web/page.js');
const { adopt } = await import('../../web/adopt.js');
const { stream } = await import('../../web/bridge.js');
const { readWhole } = await import('../../web/whole.js');
const { createEngine } = await import('../../web/engine.js');
const { Pieces } = await import('../../web/pieces.js');
const { Store } = await import('../../sw/store.js');

const pieceBytes = pieceBytesMin;
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

function makeFile(bytes) {
  const body = randomBytes(bytes);
  const digests = [];
  for (let at = 0; at < bytes; at += pieceBytes) digests.push(sha256(body.subarray(at, at + pieceBytes)));
  const list = Buffer.concat(digests);
  const root = (digests.length === 1 ? digests[0] : sha256(list)).toString('hex');
  return { body, list, root, bytes, pieceBytes, count: digests.length, type: 'application/wasm' };
}

/** A store as the worker leaves it: the manifest, the digest list, and the runs of a segment each. */
async function fill(cacheName, file, { held = true } = {}) {
  const store = await Store.open(cacheName);
  const { root, bytes, type } = file;
  await store.putManifest(
    JSON.stringify({ version: manifestVersion, resources: { '/big.bin': { bytes, type, pieceBytes, root } } }),
    Date.now(),
  );
  await store.putDigests(root, file.list);
  for (let begin = 0; held && begin < file.count; begin += 16) {
    const end = Math.min(file.count, begin + 16);
    await store.putRun(root, begin, end, [file.body.subarray(begin * pieceBytes, end * pieceBytes)]);
  }
  return store;
}

function openPage(t, cacheName, { servers, upload, listener } = {}) {
  const page = new Page({ cacheName, form: 'stream', servers, socket: SOCKET_PATH }, upload, {
    report() {},
    peers() {},
    tell() {},
    failed() {},
    ...listener,
  });
  t.after(() => page.stop());
  return page;
}

/** As after start(): who has what is known. */
async function openInformed(...of) {
  const page = openPage(...of);
  await Promise.all([page.ready(), page.informed]);
  return page;
}

const announced = (root) =>
  until('announced', () => FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes(root)));

let visitor = 0;
const nextName = () => `visitor-${++visitor}`;
const request = { url: 'https://site.test/big.bin', method: 'GET' };
/** Until the first piece: nothing that is expected to come takes as long, however busy the machine is. */
const withinMs = 30_000;

beforeEach(() => {
  install();
  FakeSocket.reset();
  FakeConnection.reset();
});

test('a file goes from one visitor to the next, is stored there, and is announced in turn', async (t) => {
  const file = makeFile(40 * pieceBytes + 777);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  const store = await fill(b, file, { held: false });
  openPage(t, a);
  await announced(file.root);
  const second = await openInformed(t, b);
  const answer = await readWhole(second, request, withinMs);
  assert.ok(Buffer.from(answer.body).equals(file.body));
  assert.deepEqual(
    new Map(structuredClone(answer).headers),
    new Map(Object.entries({ 'content-type': 'application/wasm', 'content-length': String(file.bytes), etag: `"${file.root}"` })),
  );
  assert.equal(second.stats.received, file.bytes);
  // Segments are written as they are ready, in any order, and what is being written is listed before it is there.
  await until('every piece is stored', async () => {
    const body = Buffer.alloc(file.bytes);
    const held = new Set();
    for (const [begin, end] of (await store.roots()).get(file.root) ?? []) {
      body.set(new Uint8Array(await (await store.readRun(file.root, begin, end)).arrayBuffer()), begin * pieceBytes);
      for (let piece = begin; piece < end; piece++) held.add(piece);
    }
    return held.size === file.count && body.equals(file.body);
  });
  await until('announced twice', () => FakeSocket.all.filter(({ held }) => held.has(file.root)).length === 2);
});

test('a delegation streams pieces in order, no further than its credit, and ends', async (t) => {
  const file = makeFile(20 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  await fill(b, file, { held: false });
  openPage(t, a);
  await announced(file.root);
  const page = await openInformed(t, b);
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const got = [];
  const ended = new Promise((resolve) => {
    port1.on('message', (message) => {
      if (message.type === 'piece') got.push(message);
      if (message.type === 'piece' && got.length === 4) port1.postMessage({ type: 'grant', bytes: 100 * pieceBytes });
      if (message.type === 'end' || message.type === 'none') resolve(message);
    });
  });
  stream(page.readers, page.resources.handle(file), { begin: 3, end: 20 }, port2);
  port1.postMessage({ type: 'grant', bytes: 4 * pieceBytes });
  const end = await ended;
  assert.equal(end.type, 'end');
  assert.equal(end.code, undefined);
  assert.deepEqual(
    got.map(({ piece }) => piece),
    Array.from({ length: 17 }, (_, i) => i + 3),
  );
  assert.ok(Buffer.concat(got.map(({ buffer }) => Buffer.from(buffer))).equals(file.body.subarray(3 * pieceBytes)));
});

test('runs that overlap or end inside a segment are all served', async (t) => {
  const file = makeFile(18 * pieceBytes + 1);
  const [a, b] = [nextName(), nextName()];
  const store = await fill(a, file, { held: false });
  for (const [begin, end] of [
    [0, 3],
    [2, 5],
    [5, 16],
    [16, 19],
  ]) {
    await store.putRun(file.root, begin, end, [file.body.subarray(begin * pieceBytes, end * pieceBytes)]);
  }
  await fill(b, file, { held: false });
  const reported = [];
  openPage(t, a, { listener: { report: (code) => reported.push(code) } });
  await announced(file.root);
  const answer = await readWhole(await openInformed(t, b), request, withinMs);
  assert.ok(answer, reported.join());
  assert.ok(Buffer.from(answer.body).equals(file.body));
});

test('a piece that the store has lost is told, and the reader ends', async (t) => {
  const file = makeFile(4 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  const store = await fill(a, file);
  await fill(b, file, { held: false });
  openPage(t, a);
  await announced(file.root);
  await store.dropRun(file.root, 0, 4);
  assert.equal(await readWhole(await openInformed(t, b), request, withinMs), null);
});

test('nobody has it: none, at once', async (t) => {
  const file = makeFile(5 * pieceBytes);
  const name = nextName();
  await fill(name, file, { held: false });
  const page = openPage(t, name);
  await until('connected', () => FakeSocket.messages.some(({ type }) => type === 'hello'));
  assert.equal(await readWhole(page, request, withinMs), null);
  assert.equal(FakeSocket.messages.filter(({ type }) => type === 'ask').length, 0);
});

test('a flipped bit never reaches a reader or the store', async (t) => {
  const file = makeFile(4 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  const liar = { ...file, body: Buffer.from(file.body) };
  liar.body[2 * pieceBytes + 5] ^= 1;
  await fill(a, liar);
  const store = await fill(b, file, { held: false });
  openPage(t, a);
  await announced(file.root);
  const reported = [];
  const page = await openInformed(t, b, { listener: { report: (code) => reported.push(code) } });
  const delivered = [];
  const code = await new Promise((resolve) => {
    const reader = page.readers.open(page.resources.handle(file), 0, 4, {
      pending() {},
      piece: (piece, buffer) => delivered.push([piece, sha256(Buffer.from(buffer)).toString('hex')]),
      end: resolve,
    });
    page.readers.grant(reader, file.bytes);
  });
  assert.notEqual(code, null);
  assert.ok(reported.includes('wrong-digest'), reported.join());
  for (const [piece, digest] of delivered) assert.equal(digest, file.list.subarray(piece * 32, piece * 32 + 32).toString('hex'));
  for (const [begin, end] of (await store.roots()).get(file.root) ?? []) {
    const run = Buffer.from(await (await store.readRun(file.root, begin, end)).arrayBuffer());
    assert.ok(run.equals(file.body.subarray(begin * pieceBytes, end * pieceBytes)));
  }
});

const adoptions = [
  [{ 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }, {}, true],
  [{}, {}, true],
  [{ vary: ' accept-encoding ,' }, {}, true],
  [{ 'cache-control': 'private, max-age=60' }, {}, false],
  [{ 'cache-control': 'max-age=60, PRIVATE="x-name"' }, {}, false],
  [{ 'cache-control': 'No-Store' }, {}, false],
  [{ vary: 'Accept-Encoding, Cookie' }, {}, false],
  [{ vary: '*' }, {}, false],
  [{}, { status: 206 }, false],
  [{}, { type: 'opaque' }, false],
  [{}, { redirected: true }, false],
];
for (const [headers, other, shared] of adoptions) {
  const said = JSON.stringify({ ...headers, ...other });
  test(`what the page had loaded before the worker came is ${shared ? 'adopted' : 'not adopted'}: ${said}`, async (t) => {
    const file = makeFile(17 * pieceBytes);
    const name = nextName();
    const store = await fill(name, file, { held: false });
    const page = openPage(t, name);
    await page.ready();
    const asked = [];
    t.mock.method(performance, 'getEntriesByType', () => [{ name: 'https://site.test/big.bin' }, { name: 'blob:x' }]);
    globalThis.fetch = async (url, init) => {
      asked.push([url, init.cache, init.headers[BYPASS_HEADER]]);
      return {
        status: 200,
        type: 'basic',
        redirected: false,
        headers: new Headers(headers),
        arrayBuffer: async () => new Uint8Array(file.body).buffer,
        ...other,
      };
    };
    globalThis.requestIdleCallback = (call) => setTimeout(call);
    t.after(() => delete globalThis.requestIdleCallback);
    const pieces = new Pieces(page.engine, page.resources, Promise.resolve(store), () => {});
    await adopt(page.resources, pieces, () => false);
    assert.deepEqual(asked, [['https://site.test/big.bin', 'only-if-cached', 'bypass']]);
    assert.deepEqual(
      (await store.roots()).get(file.root) ?? [],
      shared
        ? [
            [0, 16],
            [16, 17],
          ]
        : [],
    );
  });
}

test('who has upload off announces nothing', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const name = nextName();
  await fill(name, file);
  const page = openPage(t, name, { upload: false });
  await page.ready();
  await until('connected', () => FakeSocket.messages.some(({ type }) => type === 'hello'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(!FakeSocket.messages.some(({ type }) => type === 'have'));
  page.setUpload({ ...page.upload, on: true });
  await announced(file.root);
});

test('a browser without WebRTC, or one that refuses our servers, answers none and lives on', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const [a, b, c] = [nextName(), nextName(), nextName()];
  for (const name of [a, b, c]) await fill(name, file, { held: name === a });
  openPage(t, a);
  await announced(file.root);
  const refused = openPage(t, b, { servers: { iceServers: 'refused' } });
  assert.equal(await readWhole(refused, request, withinMs), null);
  delete globalThis.RTCPeerConnection;
  const without = openPage(t, c);
  assert.equal(await readWhole(without, request, withinMs), null);
});

test('what is not listed in the manifest is never offered', async (t) => {
  const [listed, unlisted] = [makeFile(2 * pieceBytes), makeFile(2 * pieceBytes)];
  const name = nextName();
  await fill(name, unlisted);
  await fill(name, listed);
  const page = openPage(t, name);
  await page.ready();
  await announced(listed.root);
  assert.ok(!FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes(unlisted.root)));
});

test('messages that the coordinator cannot have meant are refused with a code, members of a wrong type as if absent', () => {
  const { engine, guardHost } = createEngine(() => assert.fail('trapped'));
  const nothing = new Proxy({}, { get: () => () => {}, ownKeys: () => [] });
  assert.deepEqual(Object.keys(guardHost(nothing)), []);
  engine.start(nothing, '0'.repeat(32), 1, {});
  const refused = [
    null,
    7,
    'text',
    [],
    {},
    { type: 7 },
    { type: 'welcome' },
    { type: 'welcome', version: '1', peer: 1 },
    { type: 'signal', peer: 1 },
    { type: 'signal', peer: 1, description: { type: 'offer', sdp: 5 } },
    { type: 'introduce', peer: -1, offer: true },
    { type: 'answer', roots: ['00'], peers: [1] },
  ];
  for (const message of refused) {
    assert.match(String(engine.message(message)), /^(malformed-message|unknown-message)$/, JSON.stringify(message));
  }
  engine.stop();
});

test('numbers that cannot be a resource get no handle', () => {
  const { engine } = createEngine(() => assert.fail('trapped'));
  engine.start(new Proxy({}, { get: () => () => {} }), '0'.repeat(32), 1, {});
  const root = 'ab'.repeat(32);
  for (const [hex, bytes, piece] of [
    [root, 0, pieceBytes],
    [root, NaN, pieceBytes],
    [root, 1, 65535],
    [root, 1, 1],
    [root, -5, pieceBytes],
    ['xy'.repeat(32), 1, pieceBytes],
    ['', 1, pieceBytes],
    [root, 1e18, pieceBytes],
    [root, pieceBytes * (piecesPerResource + 1), pieceBytes],
    [root, 1, NaN],
  ]) {
    assert.equal(engine.resource(hex, bytes, piece), 0, `${hex} ${bytes} ${piece}`);
  }
  const handle = engine.resource(root, 5, pieceBytes);
  assert.ok(handle > 0);
  assert.equal(engine.resource(root, 5, pieceBytes), handle);
  assert.equal(engine.resource(root, 6, pieceBytes), 0);
  engine.stop();
});

test('a host that throws ends the engine, once, and nothing after it throws', () => {
  let failed = 0;
  const { engine, guardHost } = createEngine(() => failed++);
  engine.start(
    guardHost({
      openSocket() {
        throw new Error('as a page might');
      },
      setTimer() {},
    }),
    '0'.repeat(32),
    1,
    {},
  );
  assert.equal(failed, 1);
  assert.equal(engine.timeout(), undefined);
  assert.equal(failed, 1);
});

test('no handle of a JavaScript value is left behind by a transfer', async (t) => {
  const file = makeFile(33 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  await fill(b, file, { held: false });
  const first = openPage(t, a);
  await announced(file.root);
  const second = await openInformed(t, b);
  const count = () => first.engine.count_emval_handles() + second.engine.count_emval_handles();
  const small = () =>
    new Promise((resolve) => {
      const reader = second.readers.open(second.resources.handle(file), 0, 1, { pending() {}, piece() {}, end: resolve });
      second.readers.grant(reader, pieceBytes);
    });
  await small();
  const before = await until('a count', count);
  await readWhole(second, request, withinMs);
  await until('as many as before', () => count() <= before);
});
