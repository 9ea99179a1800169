// The site's own server, and the network in front of it. Files are listed in its manifest unless a test says otherwise;
// how it answers can be scripted, request by request, with the steps of answers.mjs.
import { createHash } from 'node:crypto';
import { Clock } from './clock.mjs';
import { fetched } from './platform.mjs';

export const ORIGIN = 'https://site.test';
const CHUNK = 65536;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** Bytes that differ from place to place and from file to file, the same in each run. */
export function someBytes(length, seed = 1) {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0, word = seed >>> 0; i < words.length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    words[i] = word;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** A file as the manifest cuts it. */
export class File {
  constructor(path, body, { type = 'application/octet-stream', pieceBytes = 65536, headers = {} } = {}) {
    Object.assign(this, { path, body, type, pieceBytes, headers });
    const digests = [];
    for (let at = 0; at < body.length; at += pieceBytes) digests.push(sha256(body.subarray(at, at + pieceBytes)));
    this.count = digests.length;
    this.list = Buffer.concat(digests);
    this.root = (this.count === 1 ? this.list : sha256(this.list)).toString('hex');
  }

  get bytes() {
    return this.body.length;
  }

  /** A copy of one piece. */
  piece(index) {
    return this.run(index, index + 1);
  }

  /** A copy of the pieces [begin, end). */
  run(begin, end) {
    return this.body.slice(begin * this.pieceBytes, end * this.pieceBytes).buffer;
  }

  get entry() {
    const { bytes, type, pieceBytes, root } = this;
    return { bytes, type, pieceBytes, root };
  }
}

export class Origin {
  clock = new Clock();
  /** Milliseconds from a request to the head of its answer. */
  latency = 20;
  /** What is served as the manifest. */
  manifest = { version: 1, resources: {} };
  /** Every request that arrived, oldest first. */
  log = [];
  #files = new Map();
  #steps = new Map();
  #always = new Map();

  /**
   * Adds a file and lists it.
   * @param {string} path with its query, if it has one
   * @param {number | Uint8Array | string} content a length: some bytes
   * @param {{ listed?: boolean, entry?: object, type?: string, pieceBytes?: number, headers?: object }} [options] `entry`: more
   *   of what the manifest says; `headers`: of the answers
   */
  add(path, content, { listed = true, entry = {}, ...options } = {}) {
    const body =
      typeof content === 'number'
        ? someBytes(content, this.#files.size + 1)
        : typeof content === 'string'
          ? new TextEncoder().encode(content)
          : Uint8Array.from(content);
    const file = new File(path, body, options);
    this.#files.set(path, file);
    if (!listed) return file;
    this.manifest.resources[path] = { ...file.entry, ...entry };
    if (file.count > 1) this.add(`/peer-cdn/digests/${file.root}`, file.list, { listed: false });
    return file;
  }

  /** Takes a file away; the manifest still lists it. */
  remove(path) {
    this.#files.delete(path);
  }

  /** How the next requests for this path are answered, one step each. */
  script(path, ...steps) {
    this.#steps.set(path, [...(this.#steps.get(path) ?? []), ...steps]);
  }

  /** How all requests for this path are answered that no script is for; null: as usual. */
  always(path, step) {
    this.#always.set(path, step);
  }

  /** The requests for one path, oldest first. */
  requests(path) {
    return this.log.filter((entry) => entry.path === path);
  }

  /** Bytes of the body of that path that went out, over all requests. */
  sentBytes(path) {
    return this.requests(path).reduce((sum, { sent }) => sum + sent, 0);
  }

  /**
   * fetch(), of a worker or of the browser itself.
   * @param {Request | string | URL} input
   * @param {RequestInit} [init]
   * @param {'worker' | 'browser'} [by]
   */
  async fetch(input, init, by = 'worker') {
    const request =
      input instanceof Request && !init ? input : new Request(input instanceof Request ? input : new URL(input, ORIGIN), init);
    const url = new URL(request.url);
    const isOurs = url.origin === ORIGIN;
    const entry = {
      path: isOurs ? url.pathname + url.search : url.href,
      by,
      at: this.clock.now,
      method: request.method,
      range: request.headers.get('range'),
      headers: Object.fromEntries(request.headers),
      cache: request.cache,
      mode: request.mode,
      credentials: request.credentials,
      referrer: request.referrer,
      referrerPolicy: request.referrerPolicy,
      redirect: request.redirect,
      status: 0,
      sent: 0,
      aborted: false,
      ended: false,
    };
    if (request.mode === 'same-origin' && !isOurs) throw new TypeError('Failed to fetch');
    if (request.cache === 'only-if-cached') throw new TypeError('Failed to fetch');
    if (request.signal.aborted) throw request.signal.reason;
    this.log.push(entry);
    // The signal that was given: a Request's own one follows it only as long as that Request is not collected.
    const signal = init?.signal ?? request.signal;
    signal.addEventListener('abort', () => (entry.aborted = !entry.ended));
    const answer = await abortable(this.#answer(request, entry.path), signal);
    const { status } = answer;
    entry.status = status;
    const location = status >= 300 && status < 400 && answer.headers.location;
    if (location) return this.#redirect(request, new URL(location, url), signal, by);
    const type = answer.type ?? (isOurs ? 'basic' : request.mode === 'no-cors' ? 'opaque' : 'cors');
    const body = request.method === 'HEAD' ? null : this.#stream(answer, entry, signal);
    return fetched(body, { status, headers: answer.headers, type, url: url.href, statusText: answer.statusText });
  }

  async #answer(request, path) {
    await this.clock.after(this.latency);
    const serve = () => this.#serve(request, path);
    const step = this.#steps.get(path)?.shift() ?? this.#always.get(path) ?? serve;
    return step(request, serve, this.clock);
  }

  async #redirect(request, target, signal, by) {
    if (request.redirect === 'manual') return fetched(null, { type: 'opaqueredirect', url: request.url });
    if (request.redirect === 'error' || (request.mode === 'same-origin' && target.origin !== ORIGIN)) {
      throw new TypeError('Failed to fetch');
    }
    const { headers, mode, cache } = request;
    const response = await this.fetch(target, { headers, mode: mode === 'navigate' ? 'cors' : mode, cache, signal }, by);
    Object.defineProperty(response, 'redirected', { value: true });
    return response;
  }

  // As a file server answers: ranges, their conditions, 304, 404, 416.
  #serve(request, path) {
    if (path === '/peer-cdn.json') {
      const body = new TextEncoder().encode(JSON.stringify(this.manifest));
      return { status: 200, headers: { 'content-type': 'application/json' }, body };
    }
    const file = this.#files.get(path) ?? this.#files.get(path.split('?')[0]);
    if (!file) return { status: 404, headers: { 'content-type': 'text/plain' }, body: new TextEncoder().encode('not found') };
    const tag = `"${file.root.slice(0, 16)}"`;
    const headers = { 'content-type': file.type, etag: tag, 'accept-ranges': 'bytes', ...file.headers };
    const { etag, 'last-modified': date } = headers;
    const header = (name) => request.headers.get(name);
    if (header('if-none-match') === etag) return { status: 304, headers, body: null };
    const range = /^bytes=(\d*)-(\d*)$/.exec(header('range') ?? '');
    if (!range || ![etag, date].includes(header('if-range') ?? etag)) {
      return { status: 200, headers: { ...headers, 'content-length': String(file.bytes) }, body: file.body };
    }
    const begin = range[1] ? +range[1] : Math.max(0, file.bytes - +range[2]);
    const end = range[1] && range[2] ? Math.min(file.bytes, +range[2] + 1) : file.bytes;
    if (begin >= end) return { status: 416, headers: { ...headers, 'content-range': `bytes */${file.bytes}` }, body: null };
    return {
      status: 206,
      headers: { ...headers, 'content-length': String(end - begin), 'content-range': `bytes ${begin}-${end - 1}/${file.bytes}` },
      body: file.body.subarray(begin, end),
    };
  }

  // The body of an answer, chunk by chunk as it is read. `ends` and `breaks`: after so many bytes, cleanly or not; `stalls`:
  // goes no further; `pace`: milliseconds before each chunk; `chunk`: bytes of it.
  #stream({ body, ends = Infinity, breaks = Infinity, stalls = Infinity, pace = 0, chunk = CHUNK }, entry, signal) {
    if (!body) return null;
    const last = Math.min(body.length, ends, breaks, stalls);
    return new ReadableStream(
      {
        start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
        pull: async (controller) => {
          if (pace > 0) await this.clock.after(pace);
          if (signal.aborted) return;
          if (entry.sent < last) {
            const next = body.slice(entry.sent, Math.min(last, entry.sent + chunk));
            entry.sent += next.length;
            return controller.enqueue(next);
          }
          if (stalls <= last) return new Promise(() => {});
          entry.ended = true;
          if (breaks <= last) return controller.error(new TypeError('network error'));
          return controller.close();
        },
        cancel: () => void (entry.aborted = !entry.ended),
      },
      { highWaterMark: 0 },
    );
  }
}

function abortable(promise, signal) {
  if (signal.aborted) return Promise.reject(signal.reason);
  return Promise.race([promise, new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))]);
}
