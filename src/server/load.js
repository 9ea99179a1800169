// A crowd of sockets as pages have them, so that an operator can measure a coordinator: each announces a file and asks for
// others', and each introduction is an offer, which goes with the ask, and an answer that the coordinator relays.
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { protocolVersion } from '../../build/border.js';
import * as limits from './limits.js';

/** What Chromium says of one data channel, in length. */
const sdp = `v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n${'a=peer-cdn load\r\n'.repeat(30)}`;
const candidates = [1, 2, 3].map((i) => ({
  candidate: `candidate:84216304${i} 1 udp 212226022${i} 192.0.2.${i} 5000${i} typ host generation 0 ufrag 4ZcD network-id 1`,
  sdpMid: '0',
  sdpMLineIndex: 0,
}));

/** Counts and times, in milliseconds, of all sockets of a load. */
export class Tally {
  opened = 0;
  asked = 0;
  introductions = 0;
  /** Why sockets did not open, or were closed, and how often. @type {Record<string, number>} */
  failures = {};
  /** @type {Record<'welcome' | 'answer' | 'relay', number[]>} */
  ms = { welcome: [], answer: [], relay: [] };

  /** @param {string} code */
  fail(code) {
    this.failures[code] = (this.failures[code] ?? 0) + 1;
  }

  /** The times so far: half of them, and all but a hundredth, were no longer. */
  percentiles() {
    return Object.fromEntries(
      Object.entries(this.ms).map(([name, times]) => {
        const sorted = Float64Array.from(times).sort();
        const at = (/** @type {number} */ share) =>
          sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
        return [name, { p50: rounded(at(0.5)), p99: rounded(at(0.99)) }];
      }),
    );
  }
}

const rounded = (/** @type {number | null} */ ms) => (ms === null ? null : Math.round(ms * 100) / 100);

/**
 * @typedef {object} Target
 * @property {string} url of the socket, with `?token=` where the coordinator wants one
 * @property {string} origin of the pages that the sockets pretend to be
 */

/** What a coordinator says at once. Null of what none says. @param {string} text @returns {any[] | null} */
function messagesIn(text) {
  try {
    const said = [JSON.parse(text)].flat();
    return said.every((message) => typeof message?.type === 'string') ? said : null;
  } catch {
    return null;
  }
}

/** One page's socket. */
export class LoadSocket {
  #tally;
  #target;
  #browser = randomBytes(16).toString('hex');
  /** The file that it announces. */
  root = createHash('sha256').update(this.#browser).digest('hex');
  #number = 0;
  #askedAt = 0;
  /** When a description was sent to the sockets of this load, by sender and receiver. */
  #sentAt;
  /** @type {WebSocket | null} */
  #socket = null;

  /** @param {Target} target @param {Tally} tally @param {Map<string, number>} sentAt shared by the sockets of a load */
  constructor(target, tally, sentAt) {
    this.#target = target;
    this.#tally = tally;
    this.#sentAt = sentAt;
  }

  get isOpen() {
    return this.#number !== 0 && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Opens, says hello, and announces its file. Resolves when that was read, or when it failed; never rejects. */
  open() {
    const { url, origin } = this.#target;
    const began = performance.now();
    const socket = new WebSocket(url, { origin, perMessageDeflate: false, handshakeTimeout: limits.loadOpenMs });
    this.#socket = socket;
    return new Promise((done) => {
      const end = (/** @type {string} */ code) => {
        clearTimeout(timer);
        // One that we closed, or have another one for, did not fail.
        if (this.#socket === socket) this.#tally.fail(code);
        if (this.#socket === socket) this.#socket = null;
        socket.terminate();
        done(undefined);
      };
      /** @type {NodeJS.Timeout | undefined} */
      let timer;
      socket.on('open', () => {
        // What takes sockets and is no coordinator may say nothing for ever.
        timer = setTimeout(end, limits.loadAnswerMs, 'timed-out');
        const again = this.#number ? { peer: this.#number } : {};
        this.#say({ type: 'hello', version: protocolVersion, browser: this.#browser, lean: true, ...again });
      });
      socket.on('unexpected-response', (request, response) => {
        end(`${response.statusCode}`);
        request.destroy();
      });
      socket.on('error', (error) => end(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message));
      socket.on('close', (status, reason) => end(reason.length > 0 ? reason.toString() : `${status}`));
      socket.on('message', (data) => {
        const said = messagesIn(data.toString());
        if (!said) return end('malformed-message');
        for (const message of said) {
          if (message.type === 'welcome') {
            this.#number = message.peer;
            this.#tally.opened++;
            this.#tally.ms.welcome.push(performance.now() - began);
            this.#say({ type: 'have', add: [this.root], remove: [] });
            // Its answer says that the announcement was read.
            this.#say({ type: 'ask', roots: [] });
          } else if (message.type === 'answer' && message.roots?.length === 0) {
            clearTimeout(timer);
            done(undefined);
          } else {
            this.#take(message);
          }
        }
      });
    });
  }

  /** Asks who has a file. @param {string} root */
  ask(root) {
    this.#tally.asked++;
    this.#askedAt = performance.now();
    this.#say({ type: 'ask', roots: [root], description: { type: 'offer', sdp }, candidates });
  }

  close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
  }

  /** @param {object} message */
  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {number} peer @param {'offer' | 'answer'} type */
  #describe(peer, type) {
    this.#sentAt.set(`${this.#number} ${peer}`, performance.now());
    this.#say({ type: 'signal', peer, description: { type, sdp }, candidates });
  }

  /** @param {any} message */
  #take({ type, peer, offer, brought, description }) {
    if (type === 'answer') {
      this.#tally.ms.answer.push(performance.now() - this.#askedAt);
    } else if (type === 'introduce' && offer && !brought) {
      this.#describe(peer, 'offer');
    } else if (type === 'signal' && description) {
      const key = `${peer} ${this.#number}`;
      const sentAt = this.#sentAt.get(key);
      // Undefined: of another load at the same coordinator.
      if (sentAt !== undefined) this.#tally.ms.relay.push(performance.now() - sentAt);
      this.#sentAt.delete(key);
      if (description.type === 'offer') return this.#describe(peer, 'answer');
      this.#tally.introductions++;
      // The pair is over, so that there is room for others.
      this.#say({ type: 'decline', peer });
    }
  }
}

/** Sockets that ask each other. */
export class Load {
  #target;
  /** @type {Map<string, number>} */
  #sentAt = new Map();
  /** @type {LoadSocket[]} */
  sockets = [];
  tally = new Tally();

  /** @param {Target} target */
  constructor(target) {
    this.#target = target;
  }

  /** Opens so many sockets, some at a time. @param {number} count @param {AbortSignal} [signal] closes what is open by then */
  async open(count, signal) {
    const stop = () => this.close();
    signal?.addEventListener('abort', stop);
    while (this.sockets.length < count && !signal?.aborted) {
      const few = Array.from({ length: Math.min(limits.loadOpening, count - this.sockets.length) }, () => this.#make());
      this.sockets.push(...few);
      await Promise.all(few.map((socket) => socket.open()));
    }
    signal?.removeEventListener('abort', stop);
  }

  #make() {
    return new LoadSocket(this.#target, this.tally, this.#sentAt);
  }

  /**
   * Asks so often a second, each time another socket, for so long.
   * @param {{ perSecond: number, ms: number, signal?: AbortSignal }} how
   */
  async run({ perSecond, ms, signal }) {
    const began = performance.now();
    let asked = 0;
    for (let past = 0; past < ms && !signal?.aborted; past = performance.now() - began) {
      const open = this.sockets.filter((socket) => socket.isOpen);
      if (open.length < 2) return;
      for (; asked < (past * perSecond) / 1000; asked++) {
        const asker = open[asked % open.length];
        const other = open[(asked + 1 + Math.floor(Math.random() * (open.length - 1))) % open.length];
        asker.ask(other.root);
      }
      await pause(limits.loadStepMs);
    }
  }

  /** A socket goes without a word, and comes back under its number, or another visitor comes in its place. */
  async churn() {
    const at = Math.floor(Math.random() * this.sockets.length);
    const socket = this.sockets[at];
    socket.close();
    if (Math.random() < 0.5) this.sockets[at] = this.#make();
    await this.sockets[at].open();
  }

  close() {
    for (const socket of this.sockets) socket.close();
  }
}

/** Processor seconds of the coordinator, as its metrics say. @param {string} url */
async function cpuSeconds(url) {
  const ask = async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(limits.loadOpenMs) });
    return { isOk: response.ok, text: await response.text() };
  };
  const { isOk, text } = await ask().catch(() => {
    throw new RangeError(`--metrics: nobody answers at ${url}`);
  });
  const seconds = /^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1];
  if (!isOk || seconds === undefined) throw new RangeError(`--metrics: ${url} has no process_cpu_seconds_total`);
  return Number(seconds);
}

/**
 * Loads a coordinator and says what came of it.
 * @param {Target & { sockets: number, seconds: number, perSecond: number, metrics?: string, signal?: AbortSignal }} options
 */
export async function measureLoad({ sockets, seconds, perSecond, metrics, signal, ...target }) {
  const load = new Load(target);
  try {
    const began = performance.now();
    await load.open(sockets, signal);
    const openSeconds = (performance.now() - began) / 1000;
    const before = metrics === undefined ? 0 : await cpuSeconds(metrics);
    const started = performance.now();
    await load.run({ perSecond, ms: seconds * 1000, signal });
    // What is under way comes to its end.
    await pause(limits.loadEndMs);
    const took = (performance.now() - started - limits.loadEndMs) / 1000;
    const { tally } = load;
    // Unknown where the coordinator has ended, or another one began.
    const processor = metrics === undefined ? 0 : (await cpuSeconds(metrics).catch(() => 0)) - before;
    return {
      sockets: tally.opened,
      openSeconds: rounded(openSeconds),
      seconds: rounded(took),
      asked: tally.asked,
      introductions: tally.introductions,
      perSecond: rounded(tally.introductions / Math.max(took, 1)),
      perProcessorSecond: processor > 0 ? rounded(tally.introductions / processor) : null,
      ms: tally.percentiles(),
      failures: tally.failures,
    };
  } finally {
    load.close();
  }
}
