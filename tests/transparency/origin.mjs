// The suite's own origin. Each combination has a folder of its own (/c/<key>/), whose main file behaves as the combination says;
// what was asked of that folder is logged as the origin saw it. A second server on another host is the other site.
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import zlib from 'node:zlib';

import { documentedWorker } from '../e2e/harness/site.mjs';
import { fileOf, sizes } from './files.mjs';

/** How long an answer is held back for a page that never says it may go on. */
const holdMs = 6000;
/** How long a page waits at the most until its request is here: connections may be taken by those that are held. */
const arrivalMs = 4 * holdMs;
const sliceBytes = 16 * 1024;
const modified = 'Thu, 01 Oct 2026 10:00:00 GMT';

const types = {
  bin: 'application/octet-stream',
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  ttf: 'font/ttf',
  txt: 'text/plain; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
  wav: 'audio/wav',
  webm: 'video/webm',
};

/**
 * How an origin may be. A file is plain if it has a strong tag, a date, a length, ranges and ten minutes to live.
 * @typedef {object} Kind
 * @property {number} [status]
 * @property {Record<string, string | null>} [headers] null: not sent
 * @property {'strong' | 'weak' | 'none'} [tag]
 * @property {string} [redirect] a name in the folder; '//' before it: on the other site
 * @property {boolean} [isDeaf] to Range: 200 to everything
 * @property {boolean} [isChunked] without a length
 * @property {boolean} [isPacked] by gzip where the client takes it
 * @property {boolean} [isClosed] the other site lets nobody read it
 * @property {number} [capBytes] no part is longer
 * @property {boolean} [isTotalUnknown] Content-Range ends in an asterisk
 * @property {boolean} [isPart] 206 to everything
 * @property {(bytes: Buffer) => Buffer} [change]
 * @property {number} [cutAfter] the connection breaks there
 * @property {'head' | 'middle'} [hold] nothing goes out, or no more, until the page says so
 */

/** @type {Record<string, Kind>} */
export const kinds = {
  plain: {},
  'no-cache': { headers: { 'cache-control': 'no-cache' } },
  private: { headers: { 'cache-control': 'private, max-age=600' } },
  'no-store': { headers: { 'cache-control': 'no-store' } },
  bare: { tag: 'none', headers: { 'last-modified': null, 'cache-control': null } },
  'weak tag': { tag: 'weak' },
  'no tag': { tag: 'none' },
  'no date': { headers: { 'last-modified': null } },
  'no type': { headers: { 'content-type': null } },
  gzip: { isPacked: true },
  'no ranges': { isDeaf: true, headers: { 'accept-ranges': 'none' } },
  chunked: { isChunked: true, isDeaf: true, headers: { 'accept-ranges': null } },
  'capped ranges': { capBytes: 300_000 },
  'unknown total': { isTotalUnknown: true },
  'parts only': { isPart: true },
  changed: { change: (bytes) => Buffer.concat([Buffer.from([bytes[0] ^ 1]), bytes.subarray(1)]) },
  'changed late': {
    change: (bytes) => Buffer.concat([bytes.subarray(0, -9), Buffer.from([bytes.at(-9) ^ 1]), bytes.subarray(-8)]),
  },
  grown: { change: (bytes) => Buffer.concat([bytes, Buffer.from('a line more\n')]) },
  shrunk: { change: (bytes) => bytes.subarray(0, -100) },
  emptied: { change: () => Buffer.alloc(0) },
  'redirect here': { redirect: 'target' },
  'redirect to a listed file': { redirect: 'listed' },
  'redirect elsewhere': { redirect: '//target' },
  'redirect elsewhere, closed': { redirect: '//target', isClosed: true },
  403: { status: 403 },
  404: { status: 404 },
  410: { status: 410 },
  429: { status: 429, headers: { 'retry-after': '7' } },
  500: { status: 500 },
  503: { status: 503, headers: { 'retry-after': '7' } },
  204: { status: 204 },
  'varies by a header': { headers: { vary: 'X-Own' } },
  'varies by anything': { headers: { vary: '*' } },
  'many headers': {
    headers: {
      'content-disposition': 'inline; filename="given name.bin"',
      'content-language': 'pt-BR',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      expires: 'Thu, 01 Dec 2033 16:00:00 GMT',
      link: '</style.css>; rel=preload; as=style',
      'server-timing': 'cache;desc="hit"',
      'timing-allow-origin': '*',
      'x-own-header': 'one, two',
      'x-beyond-ascii': 'caf\xe9',
    },
  },
  'sets a cookie': { headers: { 'set-cookie': 'seen=once' } },
  'script by type': { headers: { 'content-type': 'text/javascript' } },
  'octets by type': { headers: { 'content-type': 'application/octet-stream' } },
  'text by type, nosniff': { headers: { 'content-type': 'text/plain', 'x-content-type-options': 'nosniff' } },
  'image by type': { headers: { 'content-type': 'image/webp' } },
  'cut off': { cutAfter: sliceBytes },
  'held before the head': { hold: 'head' },
  'held in the middle': { hold: 'middle' },
  // Found out by its last byte, and nothing of it stays in the HTTP cache.
  'changed, held in the middle': {
    change: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1) ^ 1)]),
    tag: 'none',
    headers: { 'last-modified': null, 'cache-control': 'no-cache' },
    hold: 'middle',
  },
};

/** What an origin's log tells of a request. Names that begin with x-, and client hints, are told too. */
const told = new Set(
  [
    'accept accept-encoding accept-language authorization cache-control content-length content-type cookie if-match',
    'if-modified-since if-none-match if-range if-unmodified-since last-event-id origin pragma purpose range referer',
    'sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-storage-access sec-fetch-user sec-purpose',
    'service-worker upgrade-insecure-requests',
  ].flatMap((line) => line.split(' ')),
);

/**
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} name of the file, with its query
 * @property {'site' | 'other'} side
 * @property {string} method
 * @property {Record<string, string>} headers
 * @property {number} status
 * @property {number} sent bytes of the body
 * @property {boolean} isWhole it went out to its end
 * @property {boolean} [isHeld] the client was still there when its time was over
 * @property {[string, number][]} steps what happened when
 */

/** One of two events; the listeners for the other one go. */
async function either(emitter, ...events) {
  const over = new AbortController();
  await Promise.race(events.map((event) => once(emitter, event, over).catch(() => {})));
  over.abort();
}

const step = (entry, what) => void entry.steps.push([what, Date.now()]);

const strip = (tag) => tag.replace(/^\s*W\//, '').trim();
const inList = (list, tag, isWeak) =>
  list.trim() === '*' ||
  list.split(',').some((each) => (isWeak ? strip(each) === strip(tag) : each.trim() === tag && !tag.startsWith('W/')));

/** RFC 9110 section 13.2.2: 304, 412, or nothing. */
function precondition({ method, headers }, tag, date) {
  const after = (name) => date !== null && Date.parse(date) > Date.parse(headers[name]);
  if (headers['if-match'] !== undefined) {
    if (!inList(headers['if-match'], tag ?? '', false)) return 412;
  } else if (headers['if-unmodified-since'] !== undefined && after('if-unmodified-since')) return 412;
  const isRead = method === 'GET' || method === 'HEAD';
  if (headers['if-none-match'] !== undefined) {
    if (tag !== null && inList(headers['if-none-match'], tag, true)) return isRead ? 304 : 412;
  } else if (isRead && headers['if-modified-since'] !== undefined && date !== null && !after('if-modified-since')) return 304;
  return 0;
}

/** The one range that is asked for: [begin, end), null if the whole is due, or false if it cannot be satisfied. */
function rangeOf({ method, headers }, length, tag, date) {
  const found = method === 'GET' && headers.range?.match(/^bytes=(\d*)-(\d*)$/);
  if (!found || (found[1] === '' && found[2] === '')) return null;
  const condition = headers['if-range'];
  const isTag = condition?.includes('"');
  if (condition !== undefined && (isTag ? condition !== tag || condition.startsWith('W/') : condition !== date)) return null;
  if (found[1] === '') return Number(found[2]) === 0 ? false : [Math.max(0, length - Number(found[2])), length];
  const begin = Number(found[1]);
  const end = found[2] === '' ? length : Math.min(length, Number(found[2]) + 1);
  if (found[2] !== '' && Number(found[2]) < begin) return null;
  return begin < length ? [begin, end] : false;
}

/** The main file of a combination, as it was when the manifest was made. */
export const mainOf = ({ key, file }) =>
  Buffer.concat([Buffer.from(file.prefix ?? ''), fileOf(key, file.extension, file.bytes - (file.prefix ?? '').length)]);

/** What servers answer to several ranges, or null. */
function partsOf(range, bytes) {
  if (!/^bytes=\d+-\d+(,\d+-\d+)+$/.test(range ?? '')) return null;
  const parts = range.match(/\d+-\d+/g).map((part) => {
    const [begin, last] = part.split('-').map(Number);
    const head = `--part\r\nContent-Range: bytes ${part}/${bytes.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), bytes.subarray(begin, last + 1), Buffer.from('\r\n')]);
  });
  return Buffer.concat([...parts, Buffer.from('--part--\r\n')]);
}

/** Writes what is listed. @param {string} folder @param {import('./combinations.mjs').Combination[]} combinations */
export function writeListed(folder, combinations) {
  for (const combination of combinations) {
    const { key, file } = combination;
    const inFolder = (name, bytes) => {
      fs.mkdirSync(path.join(folder, 'c', key), { recursive: true });
      fs.writeFileSync(path.join(folder, 'c', key, name), bytes);
    };
    if (file.isListed) inFolder(`file.${file.extension}`, mainOf(combination));
    if (kinds[file.kind].redirect === 'listed') {
      inFolder(`listed.${file.extension}`, fileOf(`${key} listed`, file.extension, file.bytes));
    }
  }
}

const runnerPage = `<!doctype html><meta charset="utf-8"><title>runner</title><link rel="icon" href="data:,">
<script type="module" src="/runner.js"></script>`;
const controlScript = `import * as suite from '/transparency/page.mjs';
globalThis.suite = suite;
document.documentElement.dataset.state = 'ready';
`;
// The lines of the README: the page, and the worker with the route of everything.
const ourScript = `import { start } from '/peer-cdn/index.js';
import * as suite from '/transparency/page.mjs';
globalThis.suite = suite;
globalThis.peers = await start({ worker: '/sw.js' });
document.documentElement.dataset.state = navigator.serviceWorker.controller ? 'ready' : 'off: ' + peers.reason;
`;
// Listens before peer-cdn does: notes what the worker was asked, and whether it answered.
const watching = `
const began = Date.now();
const steps = [];
const note = (url, what) => steps.push([new URL(url).pathname, what, Date.now()]);
let asked = 0;
addEventListener('fetch', (event) => {
  const { request: { url } } = event;
  note(url, 'is asked, ' + (Date.now() - began) + ' ms after its start, as its request ' + ++asked);
  event.respondWith = (answer) => {
    note(url, 'answers');
    event.request.signal.addEventListener('abort', () => note(url, 'hears of an abort'));
    FetchEvent.prototype.respondWith.call(event, answer);
  };
});
`;
// Which of the worker's lives answers: a test that stops it sees that it was another one.
const life = `
const life = String(Math.random());
addEventListener('message', ({ data, ports }) => {
  if (data === 'life') ports[0].postMessage(life);
  if (data === 'steps') ports[0].postMessage(steps.splice(0));
});
cdn.addEventListener('error', ({ detail: { url, code } }) => note(url || location.href, 'says ' + code));
cdn.addEventListener('transfer', ({ detail: { url, ...more } }) => note(url, 'tells ' + JSON.stringify(more)));
`;

const documents = {
  '/blank.html': '<!doctype html><meta charset="utf-8"><title>blank</title><body>',
  '/inner.html':
    '<!doctype html><meta charset="utf-8"><title>inner</title><script type="module" src="/transparency/worker.mjs"></script>',
};

const scripts = {
  '/transparency/page.mjs': () => fs.readFileSync(new URL('page.mjs', import.meta.url)),
  '/transparency/worker.mjs': () => fs.readFileSync(new URL('worker.mjs', import.meta.url)),
  '/sw.js': () => watching + documentedWorker('/') + life,
};

export class Origin {
  /** @type {Entry[]} */
  log = [];
  #combinations;
  #isOurs;
  #servers = [];
  #close = [];
  #open = new Set();
  #releases = new Map();
  #arrivals = new Map();
  /** Requests of the measured phase begin here. @type {Map<string, number>} */
  #marks = new Map();

  /**
   * @param {import('./combinations.mjs').Combination[]} combinations
   * @param {string | null} folder of the listed files: the site with peer-cdn; null: the same site without it
   */
  static async start(combinations, folder) {
    const origin = new Origin(combinations, folder !== null);
    const wrap = (handle) => (request, response) => origin.#answer(request, response, 'site', handle);
    if (folder !== null) {
      const { serve } = await import('../../src/server/index.js');
      const { server, close } = await serve(folder, { port: 0, include: ['c/**'], wrap });
      origin.#add(server, close);
    } else {
      await origin.#listen(wrap((_, response) => response.writeHead(404).end()));
    }
    await origin.#listen((request, response) => origin.#answer(request, response, 'other'));
    return origin;
  }

  constructor(combinations, isOurs) {
    this.#combinations = new Map(combinations.map((each) => [each.key, each]));
    this.#isOurs = isOurs;
  }

  async #listen(handle) {
    const server = createServer(handle);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#add(server, async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    });
  }

  #add(server, close) {
    this.#servers.push(server);
    this.#close.push(close);
  }

  get url() {
    return `http://localhost:${this.#servers[0].address().port}`;
  }

  /** Another host, and so another site. */
  get other() {
    return `http://127.0.0.1:${this.#servers[1].address().port}`;
  }

  /** What is asked from now on belongs to what is measured. */
  mark(keys) {
    for (const key of keys) {
      this.#marks.set(key, this.log.length);
      this.#arrivals.delete(key);
    }
  }

  /** What was asked for a combination since it was marked. @returns {Entry[]} */
  entries(key) {
    const from = this.#marks.get(key) ?? 0;
    return this.log.filter((entry, index) => index >= from && entry.key === key);
  }

  get isIdle() {
    return this.#open.size === 0;
  }

  async close() {
    await Promise.all(this.#close.map((close) => close()));
  }

  #arrivalOf(key) {
    let arrival = this.#arrivals.get(key);
    if (!arrival) {
      let arrive;
      arrival = { promise: new Promise((resolve) => (arrive = resolve)), arrive };
      this.#arrivals.set(key, arrival);
    }
    return arrival;
  }

  #answer(request, response, side, handle) {
    const url = new URL(request.url, 'http://host');
    const found = url.pathname.match(/^\/c\/([0-9a-f]+)\/([^/]+)$/);
    const combination = found && this.#combinations.get(found[1]);
    response.on('error', () => {});
    const own = scripts[url.pathname];
    if (combination) this.#file(combination, found[2], url.search, request, response, side).catch(() => response.destroy());
    else if (side === 'other') this.#control(url, response).catch(() => response.destroy());
    else if (own) this.#text(response, types.js, own());
    else if (documents[url.pathname]) this.#text(response, types.html, documents[url.pathname]);
    else if (url.pathname === '/runner.js') this.#text(response, types.js, this.#isOurs ? ourScript : controlScript);
    else if (url.pathname === '/runner.html') {
      response.setHeader('set-cookie', 'visitor=suite; Path=/');
      this.#text(response, types.html, runnerPage);
    } else handle(request, response);
  }

  #text(response, type, text) {
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  }

  /** What a page asks of the suite itself: that a request has arrived, and that a held answer may go on. */
  async #control(url, response) {
    const [, word, key] = url.pathname.split('/');
    if (word === 'arrived') await Promise.race([this.#arrivalOf(key).promise, delay(arrivalMs, undefined, { ref: false })]);
    if (word === 'release') this.#releases.get(key)?.();
    response.writeHead(200, { 'access-control-allow-origin': '*', 'cache-control': 'no-store' }).end();
  }

  async #file(combination, name, search, request, response, side) {
    const { key, file } = combination;
    const headers = {};
    for (const [each, value] of Object.entries(request.headers)) {
      if (told.has(each) || /^(x|sec-ch)-/.test(each)) headers[each] = this.#neutral(value);
    }
    /** @type {Entry} */
    const entry = {
      key,
      name: name + search,
      side,
      method: request.method,
      headers,
      status: 0,
      sent: 0,
      isWhole: false,
      steps: [],
    };
    step(entry, `is asked for ${entry.name}`);
    this.log.push(entry);
    this.#open.add(entry);
    response.on('close', () => {
      step(entry, response.writableFinished ? 'has sent all' : 'is left by the client');
      this.#open.delete(entry);
    });
    const isMain = name === `file.${file.extension}`;
    if (isMain) this.#arrivalOf(key).arrive();
    const kind = isMain ? kinds[file.kind] : { isClosed: kinds[file.kind].isClosed };
    const out = { 'cache-control': 'public, max-age=600', 'accept-ranges': 'bytes', 'last-modified': modified };
    if (side === 'other' && !kind.isClosed) {
      out['access-control-allow-origin'] = request.headers.origin ?? this.url;
      out['access-control-allow-credentials'] = 'true';
      out['access-control-allow-headers'] = 'range, x-own, content-type, authorization, if-none-match, if-range';
      out['access-control-allow-methods'] = 'GET, HEAD, POST, PUT, DELETE, PATCH';
      out['access-control-expose-headers'] = 'etag, content-range, content-length';
    }
    await once(request.resume(), 'end');
    if (request.method === 'OPTIONS') return this.#end(entry, response, 204, out);
    if (kind.redirect) {
      const where = kind.redirect.startsWith('//') ? `${this.other}/c/${key}/${kind.redirect.slice(2)}` : kind.redirect;
      return this.#end(entry, response, 302, { location: `${where}.${file.extension}` });
    }
    await this.#send(combination, { entry, kind, isMain, name, out }, request, response);
  }

  #end(entry, response, status, headers, body = undefined) {
    entry.status = status;
    entry.sent = body?.length ?? 0;
    entry.isWhole = true;
    response.writeHead(status, headers).end(body);
  }

  async #send(combination, { entry, kind, isMain, name, out }, request, response) {
    const { key, file } = combination;
    const extension = name.slice(name.lastIndexOf('.') + 1);
    let bytes;
    if (isMain) bytes = mainOf(combination);
    else if (name.startsWith('listed.')) bytes = fileOf(`${key} listed`, extension, file.bytes);
    else bytes = fileOf(`${key} ${name}`, extension, Math.min(file.bytes, sizes.middle));
    bytes = kind.change?.(bytes) ?? bytes;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead) return this.#end(entry, response, 200, { ...out, 'content-type': types.txt }, Buffer.from(request.method));

    let tag = kind.tag === 'none' ? null : `${kind.tag === 'weak' ? 'W/' : ''}"${key}-${bytes.length}-${bytes[0]}"`;
    out['content-type'] = types[extension] ?? types.bin;
    const isPacked = kind.isPacked && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    if (kind.isPacked) out.vary = 'Accept-Encoding';
    if (isPacked) {
      // As nginx does: a packed answer has a weak tag, no length, and no ranges.
      bytes = zlib.gzipSync(bytes, { level: 1 });
      tag = tag && `W/${strip(tag)}`;
      out['content-encoding'] = 'gzip';
      delete out['accept-ranges'];
    }
    if (tag) out.etag = tag;
    for (const [each, value] of Object.entries(kind.headers ?? {})) {
      if (value === null) delete out[each];
      else out[each] = value;
    }
    if (kind.status) {
      const body = kind.status === 204 ? undefined : Buffer.from(`status ${kind.status}\n`);
      const head = { 'content-type': types.txt, ...kind.headers, ...(body && { 'content-length': body.length }) };
      return this.#end(entry, response, kind.status, head, request.method === 'HEAD' ? undefined : body);
    }
    const refused = precondition(request, tag, out['last-modified'] ?? null);
    if (refused) {
      for (const each of refused === 304 ? ['content-type', 'content-encoding'] : []) delete out[each];
      return this.#end(entry, response, refused, refused === 412 ? { ...out, 'content-length': 0 } : out);
    }
    const isWhole = kind.isDeaf || isPacked;
    const parts = isWhole || request.method !== 'GET' ? null : partsOf(request.headers.range, bytes);
    if (parts) {
      const head = { ...out, 'content-type': 'multipart/byteranges; boundary=part', 'content-length': parts.length };
      return this.#end(entry, response, 206, head, parts);
    }
    const whole = kind.isPart ? [0, bytes.length] : null;
    const range = isWhole ? null : (rangeOf(request, bytes.length, tag, out['last-modified'] ?? null) ?? whole);
    if (range === false) {
      return this.#end(entry, response, 416, { ...out, 'content-range': `bytes */${bytes.length}`, 'content-length': 0 });
    }
    const total = bytes.length;
    if (range) {
      const [begin, wanted] = range;
      const end = Math.min(wanted, begin + (kind.capBytes ?? Infinity));
      out['content-range'] = `bytes ${begin}-${end - 1}/${kind.isTotalUnknown ? '*' : total}`;
      bytes = bytes.subarray(begin, end);
    }
    if (!kind.isChunked && !isPacked) out['content-length'] = bytes.length;
    if (kind.hold === 'head') await this.#held(entry, response);
    if (response.destroyed) return;
    entry.status = range ? 206 : 200;
    response.writeHead(entry.status, out);
    if (request.method === 'HEAD') {
      entry.isWhole = true;
      response.end();
      return;
    }
    await this.#body(entry, kind, bytes, response);
  }

  async #body(entry, kind, bytes, response) {
    // What is left is more than a browser reads to the end for the sake of its connection.
    const middle = Math.min(bytes.length / 10, 100_000);
    // Small slices only for what stops on its way.
    const step = kind.cutAfter || kind.hold ? Math.min(sliceBytes, Math.max(1, middle)) : bytes.length;
    let isHeld = kind.hold === 'middle';
    for (let at = 0; at < bytes.length; at += step) {
      if (kind.cutAfter !== undefined && at >= kind.cutAfter) {
        // What was sent arrives before the connection ends.
        response.socket?.end();
        return;
      }
      if (isHeld && at >= middle) {
        isHeld = false;
        await this.#held(entry, response);
      }
      if (response.destroyed) return;
      const slice = bytes.subarray(at, at + step);
      entry.sent += slice.length;
      if (!response.write(slice)) await either(response, 'drain', 'close');
    }
    response.end();
    await either(response, 'finish', 'close');
    entry.isWhole = response.writableFinished;
  }

  async #held(entry, response) {
    // Who left while the last bytes went out says so no more.
    if (response.destroyed) return;
    step(entry, 'holds');
    const released = new Promise((resolve) => this.#releases.set(entry.key, resolve));
    const over = delay(holdMs, 'late', { ref: false });
    const word = await Promise.race([released, either(response, 'close'), over]);
    if (word === 'late') entry.isHeld = true;
    step(entry, 'goes on');
  }

  /** Texts without the ports of this run. */
  #neutral(text) {
    return String(text).replaceAll(this.url, '$site').replaceAll(this.other, '$other');
  }
}

/** A folder with all that is listed; `remove` it. @param {import('./combinations.mjs').Combination[]} combinations */
export function makeFolder(combinations) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-transparency-'));
  writeListed(folder, combinations);
  return { folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}
