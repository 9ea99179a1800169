// Cache Storage of one browser, in memory. It outlives workers.

const base = 'https://site.test/';

export class FakeCaches {
  /** Bytes that fit; what is put beyond is refused as browsers do. */
  quota = Infinity;
  /**
   * By operation ('open', 'names', 'match', 'put', 'delete', 'keys'): called before it with what it is about. It may throw, or
   * give a promise that is awaited, also one that never settles.
   * @type {Record<string, ((about: string) => unknown) | undefined>}
   */
  faults = {};
  /** What was done, as ['put', URL]. */
  log = [];
  /** Bodies that somebody got, and has neither read to their end nor given up. */
  openBodies = 0;
  #caches = new Map();

  async act(operation, about) {
    this.log.push([operation, about]);
    await this.faults[operation]?.(about);
  }

  get usedBytes() {
    return [...this.#caches.values()].reduce((sum, cache) => sum + cache.usedBytes, 0);
  }

  /** A body, in parts as a browser reads it from its disk. */
  bodyOf(buffer) {
    this.openBodies++;
    let at = 0;
    const end = () => void this.openBodies--;
    const pull = (controller) => {
      const part = buffer.slice(at, (at += 1 << 16));
      if (part.byteLength > 0) return controller.enqueue(new Uint8Array(part));
      end();
      controller.close();
    };
    return new ReadableStream({ pull, cancel: end }, { highWaterMark: 0 });
  }

  /** How often an operation was done about what contains `part`. */
  count(operation, part = '') {
    return this.log.filter(([done, about]) => done === operation && about.includes(part)).length;
  }

  /** The paths that a Cache holds, in its order; [] if there is none of that name. */
  paths(name = 'peer-cdn-v1') {
    return [...(this.#caches.get(name)?.entries.keys() ?? [])].map((url) => url.slice(base.length - 1));
  }

  /** One entry, to look at or to spoil: { status, headers, body }. */
  entry(path, name = 'peer-cdn-v1') {
    return this.#caches.get(name)?.entries.get(new URL(path, base).href);
  }

  /** Puts pieces of a file there, and its digest list, as another worker or a page has: in runs of a segment, 1 MiB. */
  hold(file, begin = 0, end = file.count, name = 'peer-cdn-v1') {
    if (!this.#caches.has(name)) this.#caches.set(name, new FakeCache(this));
    const { entries } = this.#caches.get(name);
    const put = (path, body) => entries.set(new URL(path, base).href, { status: 200, headers: [], body });
    if (file.count > 1) put(`/peer-cdn/digests/${file.root}`, Uint8Array.from(file.list).buffer);
    const segment = (1 << 20) / file.pieceBytes;
    for (let at = begin; at < end; ) {
      const next = Math.min(end, (Math.floor(at / segment) + 1) * segment);
      put(`/peer-cdn/store/${file.root}?${at}-${next}`, file.run(at, next));
      at = next;
    }
  }

  /** The browser takes an entry away, and tells nobody. */
  take(path, name = 'peer-cdn-v1') {
    return this.#caches.get(name).entries.delete(new URL(path, base).href);
  }

  /** The runs that are held of a file, as '0-16'. */
  runs(file, name) {
    const prefix = `/peer-cdn/store/${file.root}?`;
    return this.paths(name)
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  async keys() {
    await this.act('names', '');
    return [...this.#caches.keys()];
  }

  async has(name) {
    return this.#caches.has(name);
  }

  async open(name) {
    await this.act('open', name);
    if (!this.#caches.has(name)) this.#caches.set(name, new FakeCache(this));
    return this.#caches.get(name);
  }

  async delete(name) {
    await this.act('delete', name);
    return this.#caches.delete(name);
  }

  async match(request, { cacheName, ...options } = {}) {
    for (const [name, cache] of [...this.#caches]) {
      if (cacheName !== undefined && name !== cacheName) continue;
      const response = await cache.match(request, options);
      if (response) return response;
    }
    return undefined;
  }
}

class FakeCache {
  /** @type {Map<string, { status: number, headers: [string, string][], body: ArrayBuffer | null }>} */
  entries = new Map();
  #caches;

  constructor(caches) {
    this.#caches = caches;
  }

  get usedBytes() {
    return [...this.entries.values()].reduce((sum, { body }) => sum + (body?.byteLength ?? 0), 0);
  }

  async match(request, options) {
    const url = urlOf(request);
    await this.#caches.act('match', url);
    const entry = this.entries.get(this.#find(url, options)[0]);
    // As in Chromium: an entry without bytes has no body.
    const body = entry?.body?.byteLength ? this.#caches.bodyOf(entry.body) : null;
    return entry && new Response(body, { status: entry.status, headers: entry.headers });
  }

  async put(request, response) {
    const url = urlOf(request);
    if (response.status === 206 || response.bodyUsed) throw new TypeError("Failed to execute 'put' on 'Cache'");
    const body = await response.arrayBuffer();
    await this.#caches.act('put', url);
    if (this.#caches.usedBytes + body.byteLength > this.#caches.quota) {
      throw new DOMException('Quota exceeded.', 'QuotaExceededError');
    }
    this.entries.delete(url);
    this.entries.set(url, { status: response.status, headers: [...response.headers], body });
  }

  async delete(request, options) {
    const url = urlOf(request);
    // As in Chromium: to ignore a part of the name it looks at every entry.
    if (options?.ignoreSearch) await this.#caches.act('keys', '');
    await this.#caches.act('delete', url);
    const found = this.#find(url, options);
    for (const each of found) this.entries.delete(each);
    return found.length > 0;
  }

  async keys(request, options) {
    await this.#caches.act('keys', '');
    const urls = request ? this.#find(urlOf(request), options) : [...this.entries.keys()];
    return urls.map((url) => new Request(url));
  }

  #find(url, { ignoreSearch = false } = {}) {
    const bare = (each) => (ignoreSearch ? each.split('?')[0] : each);
    return [...this.entries.keys()].filter((each) => bare(each) === bare(url));
  }
}

const urlOf = (request) => new URL(request.url ?? request, base).href;
