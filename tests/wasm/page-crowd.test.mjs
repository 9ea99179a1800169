// A crowd in one process: pages that want the same file at once, which nobody has, and a slow origin that counts.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { manifestVersion, pieceBytesMin } from '../../build/border.js';
import { FakeConnection, FakeSocket, fakeWorkerChannel, hearHello, install, openPage, SITE } from './page-fakes.mjs';

install();
const { Store } = await import('../../sw/store.js');

const pieceBytes = pieceBytesMin;
const count = 40;
const bytes = (count - 1) * pieceBytes + 777;
const body = randomBytes(bytes);
const sha256 = (part) => createHash('sha256').update(part).digest();
const list = Buffer.concat(Array.from({ length: count }, (_, i) => sha256(body.subarray(i * pieceBytes, (i + 1) * pieceBytes))));
const root = sha256(list).toString('hex');
const resource = { url: 'https://site.test/big.bin', root, bytes, pieceBytes };

/** Answers Range requests, a piece every `ms` in all; keeps how often each piece was sent. */
class SlowOrigin {
  sent = new Uint32Array(count);
  broken = false;
  #free = 0;

  constructor(ms) {
    this.ms = ms;
  }

  fetch = async (_url, { headers, signal }) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(headers.range).map(Number);
    if (this.broken) return new Response(null, { status: 503 });
    let at = from;
    const stream = new ReadableStream(
      {
        pull: async (controller) => {
          if (at > to) return controller.close();
          this.#free = Math.max(performance.now(), this.#free) + this.ms;
          await new Promise((resolve) => setTimeout(resolve, this.#free - performance.now()));
          if (signal.aborted) return controller.error(signal.reason);
          const end = Math.min(at + pieceBytes, to + 1);
          this.sent[at / pieceBytes]++;
          controller.enqueue(new Uint8Array(body.subarray(at, end)));
          at = end;
        },
      },
      { highWaterMark: 0 },
    );
    return {
      status: 206,
      type: 'basic',
      redirected: false,
      body: stream,
      headers: new Headers({ 'content-range': `bytes ${from}-${to}/${bytes}` }),
    };
  };

  get copies() {
    return this.sent.reduce((sum, each) => sum + each, 0) / count;
  }
}

let names = 0;

async function openInformed(t) {
  const cacheName = `crowd-${++names}`;
  const store = await Store.open(cacheName);
  await store.putManifest(
    JSON.stringify({ version: manifestVersion, resources: { '/big.bin': { bytes, pieceBytes, root } } }),
    Date.now(),
  );
  await store.putDigests(root, list);
  const page = await openPage(t, { cacheName });
  await Promise.all([page.head.ready(), page.informed]);
  return page;
}

/** What one delegation of the worker's gives: all pieces, or the code it ended with. */
function read(page, { origin = true, begin = 0 } = {}) {
  const pieces = [];
  const from = { origin: 0, peers: 0 };
  let tell;
  const ended = new Promise((resolve) => (tell = resolve));
  const reader = page.head.readers.open(
    page.head.listing.handle(resource),
    begin,
    count,
    {
      pending() {},
      piece(_piece, buffer, isOrigins) {
        pieces.push(Buffer.from(buffer));
        ++from[isOrigins ? 'origin' : 'peers'];
        page.head.readers.grant(reader, buffer.byteLength);
      },
      end: (code) => tell(code),
    },
    origin,
    50,
  );
  page.head.readers.grant(reader, 16 * pieceBytes);
  return { ended, pieces, from };
}

let companies;

beforeEach(() => {
  install();
  FakeSocket.reset();
  FakeConnection.reset();
  companies = [];
  const serviceWorker = {
    controller: {
      postMessage({ type, root }) {
        hearHello({ type });
        if (type === 'company') companies.forEach((told) => told(root));
      },
    },
    getRegistration: async () => ({ scope: SITE.scope }),
    addEventListener() {},
    removeEventListener() {},
  };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { serviceWorker } });
});

const company = () => new Promise((resolve) => companies.push(resolve));

// What a page's worker says when it has some of it from the origin, which may be shared.
const begun = { type: 'transfer', root, done: false, fromOrigin: pieceBytes };

test('four pages share what they take from the origin: about one copy, and every byte', async (t) => {
  const tell = fakeWorkerChannel(t);
  const origin = new SlowOrigin(15);
  globalThis.fetch = origin.fetch;
  const pages = await Promise.all([1, 2, 3, 4].map(() => openInformed(t)));
  const told = company();
  const alone = pages.map((page) => read(page));
  for (const { ended } of alone) assert.equal(await ended, 'nobody-has-it');
  tell(begun);
  assert.equal(await told, root);
  const readers = pages.map((page) => read(page));
  for (const { ended, pieces } of readers) {
    assert.equal(await ended, null);
    assert.ok(Buffer.concat(pieces).equals(body));
  }
  t.diagnostic(`${origin.copies} copies; ${readers.map(({ from }) => `${from.origin}+${from.peers}`)}`);
  assert.ok(origin.copies <= 1.3, `${origin.copies} copies`);
});

test('without leave to use the origin a page asks peers only', async (t) => {
  const tell = fakeWorkerChannel(t);
  globalThis.fetch = () => assert.fail('asked the origin');
  const pages = await Promise.all([1, 2].map(() => openInformed(t)));
  const told = company();
  const readAll = () => Promise.all(pages.map((page) => read(page, { origin: false }).ended));
  for (const code of await readAll()) assert.match(code, /^(nobody-has-it|peer-gone)$/);
  tell(begun);
  await told;
  for (const code of await readAll()) assert.match(code, /^(nobody-has-it|peer-gone|peer-stalled)$/);
});

test('an origin that fails ends the readers with its code: the worker knows what to do', async (t) => {
  const tell = fakeWorkerChannel(t);
  const origin = new SlowOrigin(1);
  origin.broken = true;
  globalThis.fetch = origin.fetch;
  const pages = await Promise.all([1, 2].map(() => openInformed(t)));
  const told = company();
  for (const { ended } of pages.map((page) => read(page))) await ended;
  tell(begun);
  await told;
  for (const { ended } of pages.map((page) => read(page))) assert.match(await ended, /^(origin-unreachable|peer-gone)$/);
});
