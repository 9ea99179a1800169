// What a page fetches from the origin beside its peers: exact stretches only, cut into pieces as they come.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { BYPASS_HEADER, PEER_FETCH_END, PEER_FETCHED, pieceBytesMin } from '../../build/border.js';
import { install } from './page-fakes.mjs';

install();
const { Core } = await import('../../web/core.js');
const { Fetches } = await import('../../web/fetches.js');
const { Pieces } = await import('../../web/pieces.js');

const pieceBytes = pieceBytesMin;
const body = randomBytes(5 * pieceBytes + 100);
const resource = { url: '/big.bin', root: 'ab', bytes: body.length, pieceBytes };

// Answers are judged by the core itself.
const judge = new Core(
  {},
  () => {},
  () => {},
);

let core;
let pieces;
let origin;
/** What the core was told. @type {any[]} */
let told;
let ended;
/** The pieces that the core has no use for. */
let refused;

beforeEach(() => {
  told = [];
  refused = new Set();
  let resolve;
  ended = new Promise((done) => (resolve = done));
  core = {
    call(event, id, _handle, piece) {
      assert.equal(event, PEER_FETCHED);
      told.push([id, piece]);
      return refused.has(piece) ? 0 : 1;
    },
    tell(event, code, id, isWhole) {
      assert.equal(event, PEER_FETCH_END);
      resolve([id, code, isWhole]);
    },
    drain() {},
    callText: (...asked) => judge.callText(...asked),
  };
  const resources = { get: () => resource };
  pieces = new Pieces(core, resources, Promise.resolve(null), () => {});
  origin = new Fetches(core, resources, pieces);
});

/** An answer of the origin's, as the browser gives it. */
function answer(begin, end, { status = 206, headers = {}, bytes = body.subarray(begin, end), cut = 1000, type = 'basic' } = {}) {
  let at = 0;
  const stream = new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, (at += cut))));
    },
  });
  const range = status === 206 ? { 'content-range': `bytes ${begin}-${end - 1}/${body.length}` } : {};
  return { status, statusText: '', type, redirected: false, headers: new Headers({ ...range, ...headers }), body: stream };
}

const same = (piece) => Buffer.from(pieces.give(7, piece)).equals(body.subarray(piece * pieceBytes, (piece + 1) * pieceBytes));

test('a stretch is asked for once, past every cache and the worker, and cut into its pieces', async () => {
  const asked = [];
  globalThis.fetch = async (url, { headers, cache, mode }) => {
    asked.push([url, headers.range, headers[BYPASS_HEADER], cache, mode]);
    return answer(4 * pieceBytes, body.length, { cut: 60001 });
  };
  origin.fetch(3, 7, 4, 6);
  assert.deepEqual(await ended, [3, '', false]);
  assert.deepEqual(asked, [['/big.bin', `bytes=${4 * pieceBytes}-${body.length - 1}`, 'bypass', 'no-store', 'same-origin']]);
  assert.deepEqual(told, [
    [3, 4],
    [3, 5],
  ]);
  assert.ok(same(4) && same(5));
  assert.equal(pieces.wasted, 0);
});

test('the whole resource may also come as a 200', async () => {
  globalThis.fetch = async () => answer(0, body.length, { status: 200 });
  origin.fetch(1, 7, 0, 6);
  assert.deepEqual(await ended, [1, '', true]);
  assert.deepEqual(
    told.map(([, piece]) => piece),
    [0, 1, 2, 3, 4, 5],
  );
  assert.ok(same(0) && same(5));
});

const [from, to] = [pieceBytes, 3 * pieceBytes];
const wrong = [
  ['a 200 for a part', () => answer(from, to, { status: 200, bytes: body }), 'origin-unusable'],
  [
    'another range',
    () => answer(from, to, { headers: { 'content-range': `bytes ${from + 1}-${to}/${body.length}` } }),
    'origin-unusable',
  ],
  [
    'another length',
    () => answer(from, to, { headers: { 'content-range': `bytes ${from}-${to - 1}/${body.length + 1}` } }),
    'origin-changed',
  ],
  ['an encoded part', () => answer(from, to, { headers: { 'content-encoding': 'gzip' } }), 'origin-unusable'],
  ['what is private', () => answer(from, to, { headers: { 'cache-control': 'private' } }), 'origin-unusable'],
  ['403', () => answer(from, to, { status: 403 }), 'origin-unusable'],
  ['429', () => answer(from, to, { status: 429 }), 'origin-unreachable'],
  ['404', () => answer(from, to, { status: 404 }), 'origin-changed'],
  ['503', () => answer(from, to, { status: 503 }), 'origin-unreachable'],
  ['no answer', () => Promise.reject(new TypeError('failed to fetch')), 'origin-unreachable'],
];
for (const [name, give, code] of wrong) {
  test(`${name} is not taken: ${code}`, async () => {
    globalThis.fetch = async () => give();
    origin.fetch(1, 7, 1, 3);
    assert.deepEqual(await ended, [1, code, false]);
    assert.deepEqual(told, []);
  });
}

test('an answer that breaks off gives its whole pieces; what is left over counts as wasted', async () => {
  globalThis.fetch = async () => answer(from, to, { bytes: body.subarray(from, from + pieceBytes + 10) });
  origin.fetch(1, 7, 1, 3);
  assert.deepEqual(await ended, [1, '', false]);
  assert.deepEqual(told, [[1, 1]]);
  assert.equal(pieces.wasted, 10);
});

test('a part that goes on behind what was asked for gives what was asked for, and it is told', async () => {
  globalThis.fetch = async () => answer(from, to, { bytes: body.subarray(from, to + 1) });
  origin.fetch(1, 7, 1, 3);
  assert.deepEqual(await ended, [1, 'wrong-length', false]);
  assert.deepEqual(told, [
    [1, 1],
    [1, 2],
  ]);
});

test('less than was asked for, and a total that is not known, are taken for what they are', async () => {
  const headers = { 'content-range': `bytes ${from}-${from + pieceBytes - 1}/*` };
  globalThis.fetch = async () => answer(from, to, { headers, bytes: body.subarray(from, from + pieceBytes) });
  origin.fetch(1, 7, 1, 3);
  assert.deepEqual(await ended, [1, '', false]);
  assert.deepEqual(told, [[1, 1]]);
});

test('a whole answer that goes on is another file, and its last piece is not taken', async () => {
  globalThis.fetch = async () => answer(0, body.length, { status: 200, bytes: Buffer.concat([body, Buffer.from('x')]) });
  origin.fetch(1, 7, 0, 6);
  assert.deepEqual(await ended, [1, 'wrong-length', true]);
  assert.equal(told.length, 5);
});

test('a piece that peers were faster with is dropped, and counts as wasted', async () => {
  refused.add(1);
  globalThis.fetch = async () => answer(from, to);
  origin.fetch(1, 7, 1, 3);
  assert.deepEqual(await ended, [1, '', false]);
  assert.equal(pieces.wasted, pieceBytes);
  assert.ok(same(2));
});

test('a fetch that is cancelled is aborted, and nothing more is told of it', async () => {
  let signal;
  let cancelled;
  const over = new Promise((resolve) => (cancelled = resolve));
  globalThis.fetch = async (_url, init) => {
    ({ signal } = init);
    signal.addEventListener('abort', cancelled);
    return answer(from, to);
  };
  core.drain = () => origin.cancel(1);
  origin.fetch(1, 7, 1, 3);
  await over;
  assert.ok(signal.aborted);
  // Another one that begins now comes to its end, which is the first that is told.
  core.drain = () => {};
  origin.fetch(2, 7, 1, 3);
  assert.deepEqual(await ended, [2, '', false]);
  assert.deepEqual(told, [
    [1, 1],
    [2, 1],
    [2, 2],
  ]);
});

test('what nobody got and nothing stored of a piece came for nothing', async () => {
  const message = new ArrayBuffer(1000);
  const take = (/** @type {number} */ piece) => pieces.take(7, piece, 0, 900, message);
  for (const piece of [0, 1, 2, 3]) take(piece);
  pieces.forget(7, 0);
  assert.equal(pieces.wasted, 900, 'dropped');
  pieces.give(7, 1);
  pieces.forget(7, 1);
  core.tell = () => {};
  pieces.storeRun(7, 2, 3);
  pieces.forget(7, 2);
  assert.equal(pieces.wasted, 900, 'read or written');
  pieces.put(7, 3, new Uint8Array(1000));
  assert.equal(pieces.wasted, 1800, 'the origin was sooner');
  pieces.forget(7, 4);
  await pieces.written();
  assert.equal(pieces.wasted, 1800);
});
