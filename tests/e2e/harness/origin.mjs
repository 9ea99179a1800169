// The origin as the world sees it: a reverse proxy in front of peer-cdn's own server. It counts what it really sends,
// shapes it, keeps a log of requests and of the coordinator's messages, and can misbehave on demand.
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import zlib from 'node:zlib';

import { clientFrame, FrameReader } from './signals.mjs';
import { Told } from './told.mjs';
import { until } from './until.mjs';

const sliceBytes = 16 * 1024;
// A timer that is late does not make the line slower: what was missed meanwhile is made up for.
const lateMs = 20;
// Longer than any test's transfer, however busy the machine is.
const farMs = 60_000;

/** Hands out permission to send at a total rate. One queue for all, so that concurrent answers share it. */
class Pacer {
  #free = 0;

  /** @param {number} bytesPerSecond */
  constructor(bytesPerSecond) {
    this.bytesPerSecond = bytesPerSecond;
  }

  get isOn() {
    return Number.isFinite(this.bytesPerSecond);
  }

  /** @param {number} bytes */
  async take(bytes) {
    if (!this.isOn) return;
    const now = performance.now();
    this.#free = Math.max(now - lateMs, this.#free) + (bytes / this.bytesPerSecond) * 1000;
    if (this.#free - now > 1) await delay(this.#free - now);
  }
}

/**
 * What an origin may be told to do with the answers for one URL.
 * @typedef {object} Rule
 * @property {boolean} [ignoreRange] Answers 200 with everything, whatever was asked.
 * @property {boolean | 'always'} [gzip] Encodes the answer (and so ignores Range, as nginx does); 'always': also for who does not
 *   take it, as a store does whose files are packed.
 * @property {Record<string, string>} [headers] Set on the answer.
 * @property {number} [bytesPerSecond] A rate for each answer, besides the total.
 * @property {number} [latencyMs] Waits before the answer.
 * @property {number} [cutAfter] Drops the connection after so many bytes of the body.
 * @property {number} [status] Answers with this one, whatever the site's own server says.
 * @property {Buffer | string} [body] Answers with these bytes instead of the file's.
 * @property {(entry: Entry) => Promise<void>} [before] Awaited before the answer begins.
 * @property {(entry: Entry) => Promise<void>} [each] Awaited before each slice of the body.
 */

/**
 * One request in the log. `sent` counts bytes of the body that went out.
 * @typedef {object} Entry
 * @property {string} method
 * @property {string} url
 * @property {http.IncomingHttpHeaders} headers
 * @property {string | undefined} range
 * @property {number} at
 * @property {number} status
 * @property {number} sent
 * @property {boolean} done all of the body went out
 * @property {boolean} isOpen the answer has neither ended nor been given up
 */

/** Takes a client's bytes and writes its frames to `target`, in order, with the text messages changed. */
function rewriter(rewrite, target) {
  let turn = Promise.resolve();
  const then = (work) => {
    turn = turn.then(work).catch(() => target.destroy());
  };
  const frames = new FrameReader(
    (text) =>
      then(async () => {
        const message = await rewrite(JSON.parse(text));
        if (message) target.write(clientFrame(JSON.stringify(message)));
      }),
    (frame) => then(() => target.write(frame)),
  );
  return (bytes) => frames.push(bytes);
}

export class Origin {
  /** @type {Entry[]} */
  requests = [];
  /** Coordinator messages in order. @type {{ from: 'client' | 'server', socket: number, message: any }[]} */
  signals = [];
  /** What the pages of the coordinator's sockets were told that anybody has. @type {Map<number, Told>} */
  #told = new Map();
  latencyMs = 0;
  isDown = false;
  isCoordinatorDown = false;
  /** New sockets are accepted, and never answered. */
  isCoordinatorHanging = false;
  /**
   * Changes what clients tell the coordinator, on sockets that are opened from now on; null keeps a message back. The
   * log has them as they were. @type {((message: any) => Promise<any>) | undefined}
   */
  rewrite;

  #server;
  #upstream;
  #stop;
  #agent = new http.Agent({ keepAlive: true });
  #pacer = new Pacer(Infinity);
  #sockets = new Set();
  /** @type {{ test: (url: string) => boolean, rule: Rule }[]} */
  #rules = [];
  #socketCount = 0;

  /**
   * @param {{ server: http.Server, stop: () => Promise<void> | void, port?: number, bytesPerSecond?: number,
   *     latencyMs?: number, headers?: Record<string, string> }} options `server` is the site's own server, listening.
   */
  static async start({ server, stop, port = 0, bytesPerSecond = Infinity, latencyMs = 0, headers = {} }) {
    const origin = new Origin(server, stop);
    origin.#pacer = new Pacer(bytesPerSecond);
    origin.latencyMs = latencyMs;
    origin.headers = headers;
    origin.#server.listen(port, '127.0.0.1');
    await once(origin.#server, 'listening');
    return origin;
  }

  constructor(server, stop) {
    this.#upstream = server.address().port;
    this.#stop = stop;
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    });
  }

  get url() {
    return `http://localhost:${this.#server.address().port}`;
  }

  /**
   * Answers for `url` (a string, or a test of the path and query) follow `rule` from now on; the newest rule wins.
   * @param {string | RegExp} url
   * @param {Rule} rule
   * @returns {() => void} Takes the rule back.
   */
  rule(url, rule) {
    const entry = { test: typeof url === 'string' ? (u) => u === url : (u) => url.test(u), rule };
    this.#rules.unshift(entry);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== entry);
    };
  }

  /**
   * The files are far away from now on: what peers have is sooner had from them, however busy this machine is.
   * @returns {() => void} Brings them back, for those too who have asked already.
   */
  recede(files = /^\/static\//) {
    let comeNear;
    const near = new Promise((resolve) => (comeNear = resolve));
    const takeBack = this.rule(files, { before: () => Promise.race([near, delay(farMs, undefined, { ref: false })]) });
    return () => {
      takeBack();
      comeNear();
    };
  }

  /**
   * What `work` gives while the files are far away, for so long at the most: on a busy machine peers may have been given up
   * by then, and the origin is right to come.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async away(work, withinMs = 20_000, files = undefined) {
    const comeBack = this.recede(files);
    const working = work();
    await Promise.race([working.catch(() => {}), delay(withinMs, undefined, { ref: false })]);
    comeBack();
    return working;
  }

  /** Changes the total rate. @param {number} bytesPerSecond */
  pace(bytesPerSecond) {
    this.#pacer.bytesPerSecond = bytesPerSecond;
  }

  /** Bytes of bodies sent for these URLs (all if none is given), since the start or the last `reset()`. */
  sent(...urls) {
    return this.requests
      .filter((entry) => urls.length === 0 || urls.includes(entry.url))
      .reduce((sum, entry) => sum + entry.sent, 0);
  }

  /** The log of one URL. @param {string} url */
  log(url) {
    return this.requests.filter((entry) => entry.url === url);
  }

  reset() {
    this.requests = [];
    this.signals = [];
    for (const told of this.#told.values()) told.forget();
  }

  /** Breaks every connection and refuses new ones. */
  goDown() {
    this.isDown = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks the coordinator's sockets and refuses new ones. */
  dropCoordinator() {
    this.isCoordinatorDown = true;
    for (const socket of this.#sockets) if (socket.isWebSocket) socket.destroy();
  }

  /** A condition, with the last that the coordinator's sockets and the origin were asked. @param {string} what */
  #saying(what) {
    return () => {
      const said = this.signals.slice(-20).map(({ from, socket, message }) => `${from} ${socket}: ${JSON.stringify(message)}`);
      const asked = this.requests.slice(-20).map(({ method, url, status }) => `${method} ${url} ${status}`);
      return [what, ...said.map((each) => each.slice(0, 200)), ...asked].join('\n');
    };
  }

  /** Resolves when some client has told the coordinator that it serves `root`. */
  untilShared(root, count = 1) {
    return until(this.#saying(`${count} client(s) share ${root.slice(0, 8)}`), () => {
      const sockets = new Set();
      for (const { from, socket, message } of this.signals) {
        if (from !== 'client' || message.type !== 'have') continue;
        if (message.add?.includes(root)) sockets.add(socket);
        if (message.remove?.includes(root)) sockets.delete(socket);
      }
      return sockets.size >= count;
    });
  }

  /** The sockets whose clients have offered `root`. */
  #ownersOf(root) {
    const offers = this.signals.filter(({ from, message }) => from === 'client' && message.add?.includes(root));
    return new Set(offers.map(({ socket }) => socket));
  }

  #log(from, socket, message) {
    this.signals.push({ from, socket, message });
    if (!this.#told.has(socket)) this.#told.set(socket, new Told());
    this.#told.get(socket).hear(from, message);
  }

  #isTold(root, test) {
    return [...this.#told].some(([socket, told]) => test(socket) && told.has(root));
  }

  /** Resolves when the newest visitor of those who have not got it has been told that somebody has `root`. */
  untilIntroducible(root) {
    return until(this.#saying(`the newest visitor knows that ${root.slice(0, 8)} can be had`), () => {
      const owners = this.#ownersOf(root);
      let newest = this.#socketCount;
      while (owners.has(newest)) newest--;
      return this.#isTold(root, (socket) => socket === newest);
    });
  }

  /** Resolves when somebody has been told that somebody else has `root`. */
  untilTold(root) {
    return until(this.#saying(`a visitor knows that ${root.slice(0, 8)} can be had`), () => this.#isOthersTold(root));
  }

  /** Resolves when those who were told that somebody else has `root` know that nobody has it any more. */
  untilUntold(root) {
    return until(this.#saying(`visitors know that ${root.slice(0, 8)} is gone`), () => !this.#isOthersTold(root));
  }

  #isOthersTold(root) {
    const owners = this.#ownersOf(root);
    return this.#isTold(root, (socket) => !owners.has(socket));
  }

  /** Every root that any client ever offered. */
  get offered() {
    return new Set(
      this.signals
        .filter(({ from, message }) => from === 'client' && message.type === 'have')
        .flatMap(({ message }) => message.add ?? []),
    );
  }

  async close() {
    this.goDown();
    await new Promise((done) => this.#server.close(done));
    this.#agent.destroy();
    await this.#stop();
  }

  async #answer(request, response) {
    if (this.isDown) return request.socket.destroy();
    const url = request.url;
    const rule = this.#rules.find(({ test }) => test(url))?.rule ?? {};
    /** @type {Entry} */
    const entry = {
      method: request.method,
      url,
      headers: request.headers,
      range: request.headers.range,
      at: performance.now(),
      status: 0,
      sent: 0,
      done: false,
      isOpen: true,
    };
    this.requests.push(entry);
    response.on('error', () => {});
    response.on('close', () => {
      entry.isOpen = false;
    });
    await rule.before?.(entry);
    const latencyMs = rule.latencyMs ?? this.latencyMs;
    if (latencyMs > 0) await delay(latencyMs);
    if (response.destroyed) return;

    const headers = { ...request.headers };
    if (rule.ignoreRange || rule.gzip || rule.body !== undefined) {
      delete headers.range;
      delete headers['if-range'];
    }
    // Other bytes are another version: neither has the one the other's ETag.
    if (rule.body !== undefined) {
      delete headers['if-none-match'];
      delete headers['if-modified-since'];
    }
    const upstream = http.request({
      host: '127.0.0.1',
      port: this.#upstream,
      method: request.method,
      path: url,
      headers,
      agent: this.#agent,
    });
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
    const [answer] = await once(upstream, 'response');
    answer.on('error', () => {});

    entry.status = rule.status ?? answer.statusCode;
    const out = { ...answer.headers, ...this.headers, ...rule.headers };
    for (const name of ['connection', 'keep-alive', 'transfer-encoding']) delete out[name];
    let body = answer;
    if (rule.body !== undefined) {
      const bytes = Buffer.from(rule.body);
      answer.resume();
      out['content-length'] = String(bytes.length);
      delete out.etag;
      delete out['last-modified'];
      body = [bytes];
    }
    if (rule.ignoreRange || rule.gzip) delete out['accept-ranges'];
    const isTaken = rule.gzip === 'always' || /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    if (rule.gzip && isTaken && answer.statusCode === 200) {
      out['content-encoding'] = 'gzip';
      out.vary = 'Accept-Encoding';
      delete out['content-length'];
      body = answer.pipe(zlib.createGzip({ level: 1 }));
    }
    response.writeHead(entry.status, rule.status ? '' : answer.statusMessage, out);
    await this.#send(body, response, entry, rule);
  }

  /** Sends a body at the agreed pace, and counts each slice as it goes out. */
  async #send(body, response, entry, rule) {
    const own = new Pacer(rule.bytesPerSecond ?? Infinity);
    for await (const chunk of body) {
      // Small slices are for what is shaped, watched or cut: each costs a system call.
      const isShaped = [this.#pacer, own].some((pacer) => pacer.isOn) || rule.each || rule.cutAfter !== undefined;
      const step = isShaped ? sliceBytes : chunk.length;
      for (let at = 0; at < chunk.length; at += step) {
        const slice = chunk.subarray(at, at + step);
        await rule.each?.(entry);
        await this.#pacer.take(slice.length);
        await own.take(slice.length);
        if (response.destroyed) return;
        if (rule.cutAfter !== undefined && entry.sent + slice.length > rule.cutAfter) {
          response.socket?.destroy();
          return;
        }
        entry.sent += slice.length;
        if (!response.write(slice)) {
          const over = new AbortController();
          const either = ['drain', 'close'].map((name) => once(response, name, over).catch(() => {}));
          await Promise.race(either);
          over.abort();
        }
      }
    }
    entry.done = true;
    response.end();
  }

  #upgrade(request, socket, head) {
    if (this.isDown || this.isCoordinatorDown) return socket.destroy();
    if (this.isCoordinatorHanging) return;
    const id = ++this.#socketCount;
    socket.isWebSocket = true;
    const upstream = http.request({ host: '127.0.0.1', port: this.#upstream, path: request.url, headers: request.headers });
    upstream.on('error', () => socket.destroy());
    upstream.on('response', (answer) => {
      socket.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nconnection: close\r\n\r\n`);
      answer.resume();
    });
    upstream.on('upgrade', (answer, inner, innerHead) => {
      const lines = [`HTTP/1.1 101 ${answer.statusMessage}`];
      for (let i = 0; i < answer.rawHeaders.length; i += 2) {
        lines.push(`${answer.rawHeaders[i]}: ${answer.rawHeaders[i + 1]}`);
      }
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      const reader = (from) =>
        new FrameReader((text) => {
          try {
            // What a lean page gets in one turn is a list.
            for (const message of [JSON.parse(text)].flat()) this.#log(from, id, message);
          } catch {
            this.signals.push({ from, socket: id, message: { type: 'not-json', text } });
          }
        });
      const join = (source, target, frames, first, pass = (bytes) => target.write(bytes)) => {
        const take = (bytes) => {
          frames.push(bytes);
          pass(bytes);
        };
        if (first.length > 0) take(first);
        source.on('data', take);
        source.on('error', () => target.destroy());
        source.on('close', () => target.destroy());
      };
      join(socket, inner, reader('client'), head, this.rewrite && rewriter(this.rewrite, inner));
      join(inner, socket, reader('server'), innerHead);
    });
    upstream.end();
  }
}
