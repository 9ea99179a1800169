// The page's half, wasm and JavaScript, with a browser of fakes: two visitors in one process.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  BYPASS_HEADER,
  manifestVersion,
  messageBytes,
  OUT_CLOSE_PAIR,
  OUT_OPEN_SOCKET,
  PATH_FAILED,
  PEER_BLOCK,
  PEER_CONTROL,
  PEER_DIGEST,
  PEER_DIGESTS,
  PEER_HELD,
  PEER_IDLE,
  PEER_MANIFEST_ADD,
  PEER_MANIFEST_COMMIT,
  PEER_MESSAGE,
  PEER_OPEN_READER,
  PEER_PAIR,
  PEER_PATH,
  PEER_RESOURCE,
  PEER_START,
  pieceBytesMin,
  piecesPerResource,
  runWait,
} from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import {
  FakeConnection,
  FakeContainer,
  FakeSocket,
  fakeWorkerChannel,
  install,
  openPage as openFakePage,
} from './page-fakes.mjs';

install();
const { Connections } = await import('../../web/connections.js');
const { Channels } = await import('../../web/channels.js');
const { Core } = await import('../../web/core.js');
const { toObject, toText } = await import('../../web/fields.js');
const { stream } = await import('../../web/stream.js');
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

const openPage = (t, cacheName, { servers = {}, upload, listener } = {}) =>
  openFakePage(t, { cacheName, servers }, listener, upload);

/** As after start(): who has what is known. */
async function openInformed(...of) {
  const page = await openPage(...of);
  await Promise.all([page.head.ready(), page.informed]);
  return page;
}

const announced = (root) =>
  until('announced', () => FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes(root)));

let visitor = 0;
const nextName = () => `visitor-${++visitor}`;
const request = { url: 'https://site.test/big.bin', method: 'GET' };

/** The page of a visitor who has nothing of the file, and knows that another one has all of it; and its store. */
async function openAsker(t, file) {
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  const store = await fill(b, file, { held: false });
  await openPage(t, a);
  await announced(file.root);
  return { page: await openInformed(t, b), store };
}

/** Until the first piece: nothing that is expected to come takes as long, however busy the machine is. */
const withinMs = 30_000;

beforeEach(() => {
  install();
  FakeSocket.reset();
  FakeConnection.reset();
});

test('a file goes from one visitor to the next, is stored there, and is announced in turn', async (t) => {
  const file = makeFile(40 * pieceBytes + 777);
  const { page: second, store } = await openAsker(t, file);
  const answer = await second.read(request, withinMs);
  assert.ok(Buffer.from(answer.body).equals(file.body));
  assert.deepEqual(
    new Map(structuredClone(answer).headers),
    new Map(Object.entries({ 'content-type': 'application/wasm', 'content-length': String(file.bytes), etag: `"${file.root}"` })),
  );
  await until('all of it is counted', () => second.stats.received === file.bytes);
  assert.equal(second.stats.engine, 'page');
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

test('the offer goes with the ask, and its candidates follow it, though nobody is known yet', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const { page: second } = await openAsker(t, file);
  FakeSocket.messages = [];
  const answer = await second.read(request, withinMs);
  assert.ok(Buffer.from(answer.body).equals(file.body));
  assert.equal(FakeConnection.made.length, 2);
  const [asker] = FakeConnection.made;
  const offer = { type: 'offer', sdp: asker.localDescription.sdp };
  assert.deepEqual(
    FakeSocket.messages.find(({ type }) => type === 'ask'),
    { type: 'ask', roots: [file.root], description: offer },
  );
  assert.deepEqual(
    FakeSocket.messages.filter(({ description }) => description).map(({ description }) => description.type),
    ['offer', 'answer'],
  );
  // Each side has the other's address.
  await until('both have', () => FakeConnection.made.every(({ candidates }) => candidates.length === 1));
});

test('with a coordinator of version 1 it is the holder that offers', async (t) => {
  FakeSocket.lean = false;
  const file = makeFile(3 * pieceBytes);
  const { page: second } = await openAsker(t, file);
  FakeSocket.messages = [];
  const answer = await second.read(request, withinMs);
  assert.ok(Buffer.from(answer.body).equals(file.body));
  assert.deepEqual(
    FakeSocket.messages.find(({ type }) => type === 'ask'),
    { type: 'ask', roots: [file.root] },
  );
});

test('a delegation streams pieces in order, no further than its credit, and ends', async (t) => {
  const file = makeFile(20 * pieceBytes);
  const { page } = await openAsker(t, file);
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
  stream(page.head.readers, page.head.listing.handle(file), { begin: 3, end: 20 }, port2);
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
  await openPage(t, a, { listener: { report: (code) => reported.push(code) } });
  await announced(file.root);
  const answer = await (await openInformed(t, b)).read(request, withinMs);
  assert.ok(answer, reported.join());
  assert.ok(Buffer.from(answer.body).equals(file.body));
});

test('a piece that the store has lost is told, and the reader ends', async (t) => {
  const file = makeFile(4 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  const store = await fill(a, file);
  await fill(b, file, { held: false });
  await openPage(t, a);
  await announced(file.root);
  await store.dropRun(file.root, 0, 4);
  assert.equal(await (await openInformed(t, b)).read(request, withinMs), null);
});

test('what the browser does not store is told to the worker, and is not tried again after storage-full', async (t) => {
  const file = makeFile(40 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  await fill(b, file, { held: false });
  const open = new Set();
  const posted = [];
  globalThis.BroadcastChannel = class {
    constructor() {
      open.add(this);
    }
    postMessage(message) {
      if (message.type === 'unstored') posted.push([message.root, message.begin, message.end]);
    }
    close() {
      open.delete(this);
    }
  };
  t.after(() => (globalThis.BroadcastChannel = undefined));
  await openPage(t, a);
  await announced(file.root);
  const page = await openInformed(t, b);
  let puts = 0;
  (await caches.open(b)).put = async () => {
    puts++;
    throw new DOMException('full', 'QuotaExceededError');
  };
  const read = async () => assert.ok(Buffer.from((await page.read(request, withinMs)).body).equals(file.body));
  await read();
  await until('each run is told of', () => posted.length === 3);
  assert.deepEqual(
    posted.sort((x, y) => x[1] - y[1]),
    [
      [file.root, 0, 16],
      [file.root, 16, 32],
      [file.root, 32, 40],
    ],
  );
  assert.equal(puts, 3);
  for (const channel of open) channel.onmessage?.({ data: { type: 'error', code: 'storage-full', url: request.url } });
  await read();
  await page.stop();
  assert.deepEqual([puts, posted.length], [3, 3]);
});

test('nobody has it: none, at once', async (t) => {
  const file = makeFile(5 * pieceBytes);
  const name = nextName();
  await fill(name, file, { held: false });
  const page = await openPage(t, name);
  await until('connected', () => FakeSocket.messages.some(({ type }) => type === 'hello'));
  assert.equal(await page.read(request, withinMs), null);
  assert.equal(FakeSocket.messages.filter(({ type }) => type === 'ask').length, 0);
});

test('a read that has ended leaves no timer behind', async (t) => {
  const page = await openInformed(t, nextName());
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  t.after(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }));
  const running = new Set();
  globalThis.setTimeout = (ring, ms, ...args) => {
    const timer = set(ring, ms, ...args);
    if (ms === withinMs) running.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    running.delete(timer);
    clear(timer);
  };
  assert.equal(await page.read(request, withinMs), null);
  assert.equal(running.size, 0);
});

test('a flipped bit never reaches a reader or the store', async (t) => {
  const file = makeFile(4 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  const liar = { ...file, body: Buffer.from(file.body) };
  liar.body[2 * pieceBytes + 5] ^= 1;
  await fill(a, liar);
  const store = await fill(b, file, { held: false });
  await openPage(t, a);
  await announced(file.root);
  const reported = [];
  const page = await openInformed(t, b, { listener: { report: (code) => reported.push(code) } });
  const delivered = [];
  const code = await new Promise((resolve) => {
    const reader = page.head.readers.open(page.head.listing.handle(file), 0, 4, {
      pending() {},
      piece: (piece, buffer) => delivered.push([piece, sha256(Buffer.from(buffer)).toString('hex')]),
      end: resolve,
    });
    page.head.readers.grant(reader, file.bytes);
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
  [{ vary: 'Origin, Access-Control-Request-Method,Access-Control-Request-Headers' }, {}, true],
  [{ vary: 'Origin, X-Origin' }, {}, false],
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
    const page = await openPage(t, name);
    await page.head.ready();
    const asked = [];
    let isLeft = true;
    globalThis.fetch = async (url, init) => {
      asked.push([url, init.cache, init.headers[BYPASS_HEADER]]);
      return {
        status: 200,
        type: 'basic',
        redirected: false,
        headers: new Headers(headers),
        body: { cancel: async () => (isLeft = false) },
        arrayBuffer: async () => new Uint8Array(file.body).buffer,
        ...other,
      };
    };
    await page.head.loaded(['https://site.test/big.bin', 'blob:x']);
    assert.deepEqual(asked, [['https://site.test/big.bin', 'only-if-cached', 'bypass']]);
    assert.equal(isLeft, shared, 'what is not read is given up');
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

const bodies = [
  ['the file', 17 * pieceBytes - 5, (body) => body, true],
  ['a file of one piece', pieceBytes - 5, (body) => body, true],
  ['other bytes', 17 * pieceBytes, (body) => Buffer.concat([body.subarray(0, -1), Buffer.of(body.at(-1) ^ 1)]), false],
  ['a byte more', pieceBytes - 5, (body) => Buffer.concat([body, Buffer.alloc(1)]), false],
  ['a byte less', 17 * pieceBytes, (body) => body.subarray(1), false],
  ['a piece more', pieceBytes, (body) => Buffer.concat([body, body]), false],
  ['nothing', pieceBytes, () => Buffer.alloc(0), false],
];
for (const [what, bytes, change, isAdopted] of bodies) {
  const outcome = isAdopted ? 'adopted' : 'left';
  test(`what the page had loaded is ${what}: ${outcome}, and the origin is asked for nothing`, async (t) => {
    const file = makeFile(bytes);
    const name = nextName();
    const store = await fill(name, file, { held: false });
    await store.drop(file.root);
    const page = await openPage(t, name);
    await page.head.ready();
    const asked = [];
    globalThis.fetch = async (url, init) => {
      asked.push([url, init.cache]);
      const response = new Response(change(file.body));
      return Object.defineProperty(response, 'type', { value: 'basic' });
    };
    await page.head.loaded(['https://site.test/big.bin']);
    assert.deepEqual(asked, [['https://site.test/big.bin', 'only-if-cached']]);
    const runs = (await store.roots()).get(file.root) ?? [];
    assert.equal(Math.max(0, ...runs.map(([, end]) => end)), isAdopted ? file.count : 0);
    const list = await store.digests(file.root);
    assert.deepEqual(list && Buffer.from(list), isAdopted && file.count > 1 ? file.list : undefined);
  });
}

test('who has upload off announces nothing', async (t) => {
  const [file, later] = [makeFile(3 * pieceBytes), makeFile(2 * pieceBytes)];
  const [name, other] = [nextName(), nextName()];
  await fill(name, file);
  await fill(other, later);
  const page = await openInformed(t, name, { upload: { on: false, bytesPerSecond: 0, bytes: 0 } });
  // Who joins when it is connected waits as long before it announces, and so is later.
  await openPage(t, other);
  await announced(later.root);
  assert.ok(!FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes(file.root)));
  page.setUpload({ on: true, bytesPerSecond: 0, bytes: 0 });
  await announced(file.root);
});

test('a cap of less than a byte is a cap', async (t) => {
  const file = makeFile(4 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  await fill(b, file, { held: false });
  const reported = [];
  const listener = { report: (code) => reported.push(code) };
  await openPage(t, a, { upload: { on: true, bytesPerSecond: 0, bytes: 0.5 }, listener });
  await announced(file.root);
  assert.equal(await (await openInformed(t, b)).read(request, withinMs), null);
  assert.deepEqual(reported, ['upload-off']);
});

test("the cap on the sum of uploads is one of the page's life: what engines before have sent counts", async (t) => {
  const file = makeFile(3 * pieceBytes);
  const name = nextName();
  await fill(name, file);
  const reported = [];
  const options = { cacheName: name, counts: { sent: 5 * pieceBytes, received: 0 } };
  const listener = { report: (code) => reported.push(code) };
  const page = await openFakePage(t, options, listener, { on: true, bytesPerSecond: 0, bytes: 5 * pieceBytes });
  await page.head.ready();
  await until('connected', () => FakeSocket.messages.some(({ type }) => type === 'hello'));
  assert.deepEqual(reported, ['upload-off']);
  assert.equal(page.stats.sent, 5 * pieceBytes);
  page.setUpload({ on: true, bytesPerSecond: 0, bytes: 6 * pieceBytes });
  await announced(file.root);
});

test('a browser without WebRTC, or one that refuses our servers, answers none and lives on', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const [a, b, c] = [nextName(), nextName(), nextName()];
  for (const name of [a, b, c]) await fill(name, file, { held: name === a });
  await openPage(t, a);
  await announced(file.root);
  const refused = await openPage(t, b, { servers: { iceServers: 'refused' } });
  assert.equal(await refused.read(request, withinMs), null);
  delete globalThis.RTCPeerConnection;
  const without = await openPage(t, c);
  assert.equal(await without.read(request, withinMs), null);
});

/** What a blocker leaves where it does not take RTCPeerConnection away, and what the page says of that. */
const blockers = [
  ['has no channels', { createDataChannel() {} }, ['no-webrtc']],
  ['has channels that are none', { createDataChannel: () => ({ send() {}, close() {} }) }, ['no-webrtc']],
  ['describes nothing', { setLocalDescription() {} }, []],
  [
    'throws',
    {
      setLocalDescription() {
        throw new Error('blocked');
      },
    },
    [],
  ],
];
for (const [what, members, said] of blockers) {
  test(`where a connection ${what} nobody is connected, and the engine lives on`, async (t) => {
    const file = makeFile(3 * pieceBytes);
    const [a, b] = [nextName(), nextName()];
    for (const name of [a, b]) await fill(name, file, { held: name === a });
    await openPage(t, a);
    await announced(file.root);
    globalThis.RTCPeerConnection = class extends FakeConnection {
      constructor(configuration) {
        super(configuration);
        Object.assign(this, members);
      }
    };
    const told = [];
    const tell = (code) => () => told.push(code);
    const listener = { report: (code) => told.push(code), failed: tell('failed'), untransferable: tell('untransferable') };
    const page = await openInformed(t, b, { listener });
    assert.equal(await page.read(request, withinMs), null);
    assert.deepEqual(told, said);
    assert.equal(page.stats.engine, 'page');
  });
}

test('a page that was idle before it knew what is listed is connected as soon as it knows', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const [a, b] = [nextName(), nextName()];
  await fill(a, file);
  await openPage(t, a);
  await announced(file.root);
  const page = await openInformed(t, b);
  page.head.idle();
  assert.equal(FakeConnection.made.length, 0);
  await fill(b, file, { held: false });
  page.manifest();
  await until('a pair is open', () => page.stats.peers === 1);
});

test('nothing is connected ahead where the visitor would be asked, or the site says no; what is wanted is', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const query =
    (state) =>
    async ({ name }) => {
      if (name !== 'local-network' || !state) throw new TypeError(name);
      return { state };
    };
  for (const [platform, state, idle, isAhead] of [
    ['Linux x86_64', null, undefined, true],
    ['Win32', 'prompt', undefined, true],
    ['MacIntel', 'prompt', undefined, false],
    ['Win32', 'denied', undefined, false],
    ['MacIntel', null, undefined, false],
    ['MacIntel', 'granted', undefined, true],
    ['MacIntel', 'prompt', true, true],
    ['Linux x86_64', null, false, false],
  ]) {
    install();
    FakeSocket.reset();
    FakeConnection.reset();
    globalThis.navigator = { platform, permissions: { query: query(state) } };
    const [a, b] = [nextName(), nextName()];
    await fill(a, file);
    await fill(b, file, { held: false });
    const first = await openFakePage(t, { cacheName: a, idle: true });
    await announced(file.root);
    const page = await openFakePage(t, { cacheName: b, idle });
    await Promise.all([page.head.ready(), page.informed]);
    page.head.idle();
    if (isAhead) await until('a pair is open', () => page.stats.peers === 1);
    else assert.ok(!FakeSocket.messages.some(({ type }) => type === 'ask'), `${platform} ${state} ${idle}`);
    const answer = await page.read(request, withinMs);
    assert.ok(Buffer.from(answer.body).equals(file.body));
    for (const each of [page, first]) each.stop();
  }
});

test('what is not listed in the manifest is never offered', async (t) => {
  const [listed, unlisted] = [makeFile(2 * pieceBytes), makeFile(2 * pieceBytes)];
  const name = nextName();
  await fill(name, unlisted);
  await fill(name, listed);
  const page = await openPage(t, name);
  await page.head.ready();
  await announced(listed.root);
  assert.ok(!FakeSocket.messages.some(({ type, add }) => type === 'have' && add.includes(unlisted.root)));
});

/** A core whose host does nothing, or what `performer` does. */
function startCore(performer = {}, onFailure = () => assert.fail('trapped')) {
  const host = new Proxy(performer, { get: (own, kind) => own[kind] ?? (() => {}) });
  const core = new Core(host, () => {}, onFailure);
  core.tell(PEER_START, '0'.repeat(32), 1, true);
  return core;
}

test('messages that the coordinator cannot have meant are refused with a code, members of a wrong type as if absent', () => {
  const core = startCore();
  const refused = [
    null,
    7,
    'text',
    [],
    {},
    { type: 7 },
    { type: ['welcome'] },
    { type: 'welcome\0', version: 1, peer: 1 },
    { type: 'welcome' },
    { type: 'welcome', version: '1', peer: 1 },
    { type: 'welcome', version: 1, peer: 1.5 },
    { type: 'welcome', version: 1, peer: 2 ** 60 },
    { type: 'signal', peer: 1 },
    { type: 'signal', peer: 1, description: { type: 'offer', sdp: 5 } },
    { type: 'signal', peer: 1, description: ['offer', 'v=0'] },
    { type: 'introduce', peer: -1, offer: true },
    { type: 'introduce', peer: 1, offer: 1 },
    { type: 'answer', roots: ['00'], peers: [1] },
    { type: 'answer', roots: ['ab'.repeat(32)], peers: [null] },
  ];
  for (const message of refused) {
    const code = core.callText(PEER_MESSAGE, toText(message), performance.now());
    assert.match(code, /^(malformed-message|unknown-message)$/, JSON.stringify(message));
  }
  const taken = [
    { type: 'welcome', version: 1, peer: 1, more: { than: { we: 'know' } }, 'a.b': 1 },
    { type: 'present', add: [], remove: ['00000000', 'ffffffff'] },
    { type: 'present', add: ['00000000', 5], remove: {} },
    { type: 'answer', roots: ['ab'.repeat(32)], peers: [0] },
  ];
  for (const message of taken) assert.equal(core.callText(PEER_MESSAGE, toText(message), performance.now()), '');
  core.stop();
});

test('a message of lists that lie deep inside each other is refused as any other', () => {
  const core = startCore();
  const deep = '['.repeat(messageBytes / 2 - 20) + ']'.repeat(messageBytes / 2 - 20);
  const message = { type: 'welcome', version: 1, peer: JSON.parse(deep) };
  assert.equal(core.callText(PEER_MESSAGE, toText(message), performance.now()), 'malformed-message');
  core.stop();
});

test('what the core sends and takes is the same object at both sides of the border', () => {
  const sent = {
    type: 'signal',
    peer: 7,
    description: { type: 'offer', sdp: 'v=0\r\na="quoted" \u00e4\r\n' },
    roots: ['ab', 'cd'],
    peers: [1, 2],
    offer: false,
    add: [],
  };
  assert.deepEqual(toObject(toText(sent)), sent);
});

test('numbers that cannot be a resource get no handle', () => {
  const core = startCore();
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
    assert.equal(core.call(PEER_RESOURCE, hex, bytes, piece), 0, `${hex} ${bytes} ${piece}`);
  }
  const handle = core.call(PEER_RESOURCE, root, 5, pieceBytes);
  assert.ok(handle > 0);
  assert.equal(core.call(PEER_RESOURCE, root, 5, pieceBytes), handle);
  assert.equal(core.call(PEER_RESOURCE, root, 6, pieceBytes), 0);
  core.stop();
});

test('numbers that were never given are events of nothing', () => {
  const core = startCore({
    [OUT_CLOSE_PAIR]: () => assert.fail('there is no such pair'),
  });
  for (const isOpen of [true, false]) core.tell(PEER_PAIR, 5, isOpen);
  core.tell(PEER_PATH, 5, PATH_FAILED);
  core.tell(PEER_CONTROL, new ArrayBuffer(5), 5);
  core.tell(PEER_BLOCK, new ArrayBuffer(16), 5, 100);
  core.tell(PEER_HELD, 5, 0, 1);
  core.tell(PEER_DIGEST, new ArrayBuffer(32), 5, 0);
  assert.equal(core.tell(PEER_DIGESTS, new ArrayBuffer(64), 5, true), 0);
  core.tell(PEER_OPEN_READER, 1, 5, 0, 1, 0, 0);
  core.stop();
});

test('a host that throws ends the engine, once, and nothing after it throws', () => {
  let failed = 0;
  const core = startCore(
    {
      [OUT_OPEN_SOCKET]() {
        throw new Error('as a page might');
      },
    },
    () => failed++,
  );
  core.call(PEER_MANIFEST_ADD, 'ab'.repeat(32), 5, pieceBytes, 5, pieceBytes);
  core.tell(PEER_MANIFEST_COMMIT);
  assert.equal(failed, 1);
  assert.equal(core.tell(PEER_IDLE), 0);
  assert.equal(core.callText(PEER_MESSAGE, '', 0), '');
  assert.equal(failed, 1);
});

test('channels whose pair was given up while they were on their way are not held when they close', () => {
  const told = [];
  const core = { tell: (...event) => void told.push(event), call: () => 0, drain() {} };
  const channels = new Channels(core, () => {});
  const pair = () => [0, 1].map(() => ({ readyState: 'connecting', bufferedAmount: 0, send: () => assert.fail('it is over') }));
  const [early, late] = [pair(), pair()];
  channels.add(1, ...early);
  early[0].onclose();
  for (const channel of late) channel.readyState = 'closed';
  channels.add(2, ...late);
  assert.deepEqual(told, [
    [PEER_PAIR, 1, false],
    [PEER_PAIR, 2, false],
  ]);
  for (const channel of [...early, ...late]) assert.equal(channel.onmessage, null);
  for (const id of [1, 2]) channels.sendControl(id, new Uint8Array(1));
});

test('a read of what is no request, or of a URL that is none, ends', async (t) => {
  const page = await openInformed(t, nextName());
  for (const url of [undefined, 5, 'https://site.test/%', 'big.bin']) {
    assert.equal(await page.read({ url, method: 'GET' }, withinMs), null);
  }
});

/** A page that its worker has not told whose it is. */
async function openEarly(t) {
  fakeWorkerChannel(t, null);
  globalThis.navigator = { serviceWorker: new FakeContainer('controlling') };
  t.after(() => (globalThis.navigator = {}));
  return openPage(t, nextName());
}

/** A delegation, as the worker's port brings it to the engine, and what is answered. */
function delegate(page, file) {
  const { port1, port2 } = new MessageChannel();
  const answers = [];
  port1.onmessage = ({ data }) => answers.push(data);
  const { root, bytes, count } = file;
  page.head.delegate({ peerCdn: 1, url: request.url, root, bytes, pieceBytes, begin: 0, end: count }, port2);
  port1.postMessage({ type: 'grant', bytes });
  return { answers, close: () => port1.close() };
}

test('a page that is asked before it knows its site leads that site, and no other', async (t) => {
  const page = await openEarly(t);
  const names = [];
  navigator.locks = { request: (name, _options, begin) => Promise.resolve(names.push(name)).then(begin) };
  delegate(page, makeFile(3 * pieceBytes)).close();
  await until('there is a socket', () => FakeSocket.messages.some(({ type }) => type === 'hello'));
  page.head.join({ end: ' /shop/', cache: nextName(), manifest: '/shop/peer-cdn.json' });
  await page.head.ready();
  assert.deepEqual(
    names.filter((name) => !/\d$/.test(name)),
    ['peer-cdn /shop/'],
  );
});

test('an engine that is stopped before it knows its site waits for no store', async (t) => {
  const file = makeFile(1 * pieceBytes);
  const name = nextName();
  await fill(name, file);
  await openPage(t, name);
  await announced(file.root);
  const page = await openEarly(t);
  const { head } = page;
  const first = delegate(page, makeFile(1 * pieceBytes));
  await until('it knows who has what', () => FakeSocket.all.length === 2 && first.answers.some(({ type }) => type === 'none'));
  const { answers, close } = delegate(page, file);
  await until('it has come', () => answers.some(({ type }) => type === 'piece'));
  page.stop();
  await head.stop('cancelled');
  first.close();
  close();
});

test('a store that the browser never opens is waited for no longer than for a run', async (t) => {
  const name = nextName();
  globalThis.caches.open = () => new Promise(() => {});
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const page = await openPage(t, name);
  let isRead = false;
  void page.head.ready().then(() => (isRead = true));
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(isRead, false);
  t.mock.timers.tick(runWait);
  await page.head.ready();
});

test('a store that opens late is said to be lost, and shared from when it is there', async (t) => {
  const file = makeFile(3 * pieceBytes);
  const name = nextName();
  await fill(name, file);
  const { open } = globalThis.caches;
  let opens = () => {};
  const opening = new Promise((resolve) => (opens = () => resolve(undefined)));
  globalThis.caches.open = async (each) => (await opening, open.call(globalThis.caches, each));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const codes = [];
  const page = await openPage(t, name, { listener: { report: (code) => codes.push(code) } });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.mock.timers.tick(runWait);
  await page.head.ready();
  assert.deepEqual([codes, page.head.listing.isHeld(file.root)], [['storage-lost'], false]);
  t.mock.timers.reset();
  opens();
  await until('what it holds is known', () => page.head.listing.isHeld(file.root));
  assert.deepEqual(codes, ['storage-lost']);
});

test('a manifest that the browser never reads is waited for no longer than a run, and the one before stays in use', async (t) => {
  const name = nextName();
  await fill(name, makeFile(1 * pieceBytes));
  const page = await openInformed(t, name);
  globalThis.caches.match = () => new Promise(() => {});
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const reading = page.head.manifest();
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.mock.timers.tick(runWait);
  await reading;
  assert(page.head.listing.find(request.url));
});

test("what scripts of the site say on the site's channel ends no engine", async (t) => {
  const tell = fakeWorkerChannel(t, null);
  const page = await openPage(t, nextName(), { listener: { failed: () => assert.fail('the engine has ended') } });
  page.head.join({ end: '', cache: nextName(), manifest: '/peer-cdn.json' });
  for (const type of ['error', 'stored', 'dropped', 'transfer', 'emptied', 'manifest', 'busy', 'site', 'who']) {
    for (const more of [{}, { code: 'storage-full' }, { url: 5, root: {}, begin: 'x', id: null }]) tell({ type, ...more });
  }
  for (const message of [null, undefined, 5, 'manifest', []]) tell(message);
  await page.head.ready();
  assert.equal(page.stats.engine, 'page');
});

test('a channel that the other side opens beside the two of a pair is closed', () => {
  const connections = new Connections({}, () => {}, { failed: () => assert.fail('trapped'), refused() {}, untransferable() {} });
  connections.create(1, true);
  let closed = 0;
  FakeConnection.made.at(-1).ondatachannel({ channel: { close: () => closed++ } });
  assert.equal(closed, 1);
  connections.close(1);
});

test('nothing of a connection that was closed is held: Chromium counts it until it is collected', async () => {
  const told = [];
  const listener = { failed: () => assert.fail('trapped'), refused() {}, untransferable() {} };
  const connections = new Connections({}, (name, args) => told.push([name, ...args]), listener);
  for (let pair = 1; pair < 20; pair++) {
    connections.create(pair, pair % 2 > 0);
    connections.candidate(pair, 0, `0\ncandidate:${pair}`);
    connections.describe(pair, pair % 2 === 0, `v=0 ${FakeConnection.made.length - 1}`);
    await new Promise((resolve) => setTimeout(resolve));
    connections.restart(pair);
    await new Promise((resolve) => setTimeout(resolve));
    connections.close(pair);
    connections.close(pair);
  }
  assert.equal(told.filter(([name]) => name === 'channels').length, 19);
  assert.ok(told.some(([name]) => name === 'localDescription'));
  assert.ok(told.some(([name]) => name === 'localCandidate'));
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const left = FakeConnection.made.map((connection) => new WeakRef(connection));
  const of = (/** @type {(connection: any) => any} */ part) => FakeConnection.made.map((each) => new WeakRef(part(each)));
  left.push(...of(({ localDescription }) => localDescription), ...of(({ channels }) => channels[0]));
  told.length = 0;
  FakeConnection.reset();
  await until('all are collected', () => {
    collect();
    return left.every((reference) => !reference.deref());
  });
});
