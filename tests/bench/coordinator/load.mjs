// A crowd of sockets, each contender's in its own words. An introduction is an offer and an answer that the server relayed.
import { createHash } from 'node:crypto';
import { protocolVersion, SOCKET_PATH } from '../../../build/border.js';
import { frameOf, Wire } from './wire.mjs';
import { answerBytes, askBytes, browserOf, candidates, introductionBytes, rootOf, sdp, sdpWithCandidates } from './words.mjs';

/** How many sockets are opened at a time. */
const openingAtOnce = 50;
/** What is due in so many milliseconds may be asked at once. */
const burstMs = 3;

/**
 * Calls `ask` so many times a second, whatever comes back. What this process missed while it was held up comes later, and not all
 * at once: no crowd asks so. Resolves when all that `ask` gave has resolved.
 * @param {number} count
 * @param {number} perSecond
 * @param {(i: number) => Promise<unknown>} ask
 */
export async function paced(count, perSecond, ask) {
  const asked = [];
  let last = performance.now();
  let due = 0;
  while (asked.length < count) {
    await new Promise((go) => setTimeout(go, 1));
    const now = performance.now();
    due += (Math.min(now - last, burstMs) * perSecond) / 1000;
    last = now;
    for (; due >= 1 && asked.length < count; due--) asked.push(ask(asked.length));
  }
  await Promise.all(asked);
}

/** Remembers what `make` made of a name. @template T @param {(name: any) => T} make */
function remembered(make) {
  const made = new Map();
  return (name) => {
    if (!made.has(name)) made.set(name, make(name));
    return made.get(name);
  };
}

/** The numbers below `count` in a random order, always the same one of a seed. @param {number} count @param {number} seed */
function shuffled(count, seed) {
  const order = Array.from({ length: count }, (_, i) => i);
  const sortBy = order.map((i) => createHash('sha256').update(`${seed} ${i}`).digest().readUInt32LE());
  return order.sort((a, b) => sortBy[a] - sortBy[b]);
}

class Crowd {
  path = '/';
  sockets = [];
  messagesIn = 0;
  messagesOut = 0;
  /** Milliseconds from a socket to another, of what was relayed. @type {number[]} */
  relayMs = [];
  #waiting = new Map();
  #sentAt = new Map();

  /**
   * @param {number | number[]} ports of servers that are one: the sockets go to them in turn
   * @param {{ first?: number }} [options]
   */
  constructor(ports, { first = 0 } = {}) {
    this.ports = [ports].flat();
    this.first = first;
  }

  async open(count) {
    for (let i = this.sockets.length; i < count; i += openingAtOnce) {
      await Promise.all(Array.from({ length: Math.min(openingAtOnce, count - i) }, (_, k) => this.#openOne(i + k)));
    }
  }

  async #openOne(id) {
    this.sockets[id] = await Wire.open(this.ports[id % this.ports.length], this.path, (data) => {
      this.messagesOut++;
      this.hear(id, data);
    });
    await this.join(id);
  }

  /** @param {number} id @param {string | Buffer} said a text, or a frame that frameOf() made of it */
  say(id, said) {
    this.messagesIn++;
    this.sockets[id].send(typeof said === 'string' ? frameOf(said) : said);
  }

  /** Resolves when the second of two descriptions has come to whom it is for. */
  introduce(asker, holder) {
    return new Promise((resolve) => {
      const before = this.#waiting.get(asker);
      if (before) before.push(resolve);
      else this.#waiting.set(asker, [resolve]);
      this.ask(asker, holder);
    });
  }

  left(from, to) {
    this.#sentAt.set(from * 1e5 + to, performance.now());
  }
  arrived(from, to) {
    const key = from * 1e5 + to;
    const at = this.#sentAt.get(key);
    if (at === undefined) return;
    this.#sentAt.delete(key);
    this.relayMs.push(performance.now() - at);
  }
  done(asker) {
    this.#waiting.get(asker)?.shift()?.();
  }

  close() {
    for (const socket of this.sockets) socket.terminate();
  }
}

const candidatesBeside = candidates.map((candidate) => ({ candidate, sdpMid: '0', sdpMLineIndex: 0 }));

/** Ours: `lean` as a page of this version speaks, else as one of version 2.0.0-alpha.1. */
class Ours extends Crowd {
  path = SOCKET_PATH;
  #numbers = [];
  #ids = new Map();
  #joined = new Map();

  constructor(port, { lean, held = 0, pool = 0, first }) {
    super(port, { first });
    this.lean = lean;
    this.held = held;
    this.pool = pool;
  }

  join(id) {
    const hello = { type: 'hello', version: protocolVersion, browser: browserOf(this.first + id) };
    this.say(id, JSON.stringify(this.lean ? { ...hello, lean: true } : hello));
    const joined = new Promise((resolve) => this.#joined.set(id, resolve));
    const add = [...this.holds(id), ...Array.from({ length: this.held }, (_, i) => rootOf(`pool ${(id * 7 + i) % this.pool}`))];
    for (let i = 0; i < add.length; i += 100)
      this.say(id, JSON.stringify({ type: 'have', add: add.slice(i, i + 100), remove: [] }));
    // Its answer says that all of it was read.
    this.say(id, JSON.stringify({ type: 'ask', roots: [] }));
    return joined;
  }

  holds(id) {
    return [rootOf(this.first + id)];
  }

  named() {}

  #askFor = remembered((holder) => frameOf(JSON.stringify({ type: 'ask', roots: [rootOf(this.first + holder)] })));
  ask(asker, holder) {
    this.say(asker, this.#askFor(holder));
  }

  #descriptions = {
    offer: remembered((to) => this.#description(to, 'offer')),
    answer: remembered((to) => this.#description(to, 'answer')),
  };
  #description(to, type) {
    const signal = { type: 'signal', peer: this.#numbers[to] };
    const description = { type, sdp: this.lean ? sdp : sdpWithCandidates };
    return frameOf(
      JSON.stringify(this.lean ? { ...signal, description, candidates: candidatesBeside } : { ...signal, description }),
    );
  }
  #describe(from, to, type) {
    this.left(from, to);
    this.say(from, this.#descriptions[type](to));
  }

  /** A description has come that answers one. @param {number} _holder who has it @param {number} asker */
  answered(_holder, asker) {
    this.done(asker);
  }

  hear(id, data) {
    const said = JSON.parse(data.toString());
    for (const message of Array.isArray(said) ? said : [said]) this.#take(id, message);
  }

  #take(id, message) {
    if (message.type === 'welcome') {
      this.#numbers[id] = message.peer;
      this.#ids.set(message.peer, id);
    } else if (message.type === 'answer') {
      this.#joined.get(id)?.();
      this.#joined.delete(id);
      this.named(id, message.introduced?.length ?? 0, message.roots.length > 0);
    } else if (message.type === 'introduce') {
      if (message.offer) this.#describe(id, this.#ids.get(message.peer), 'offer');
      else this.named(id, 1, false);
    } else if (message.type === 'signal') {
      const from = this.#ids.get(message.peer);
      this.arrived(from, id);
      // The candidates of an offer that came with its ask are a message of their own.
      if (message.description?.type === 'offer') this.#describe(id, from, 'answer');
      else if (message.description) this.answered(id, from);
    } else if (message.type === 'error') {
      throw new Error(`socket ${id}: ${message.code}`);
    }
  }
}

/** Ours, as a page without pairs asks: it brings its offer, as every ask of the tracker's does. */
class Newcomers extends Ours {
  #askFor = remembered((holder) =>
    frameOf(
      JSON.stringify({
        type: 'ask',
        roots: [rootOf(this.first + holder)],
        description: { type: 'offer', sdp },
        candidates: candidatesBeside,
      }),
    ),
  );
  ask(asker, holder) {
    this.left(asker, holder);
    this.say(asker, this.#askFor(holder));
  }

  answered(asker) {
    this.done(asker);
  }
}

/** Ours, where each root has several holders: an ask introduces all of them. */
class Shared extends Ours {
  #asks = new Map();
  #held;
  introductions = 0;

  constructor(ports, options) {
    super(ports, { lean: true, ...options });
    this.count = options.count;
    this.#held = Array.from({ length: options.holders }, (_, i) => shuffled(options.count, i + 1));
  }

  /** At random, so that a root's holders are at any of the servers. */
  holds(id) {
    return this.#held.map((order) => rootOf(order[id]));
  }

  /** Resolves when every holder that was named has got its answer. An asker asks one thing after another. */
  async introduce(asker, root) {
    while (this.#asks.has(asker)) await this.#asks.get(asker).over;
    let resolve = () => {};
    const over = new Promise((go) => (resolve = go));
    this.#asks.set(asker, { named: 0, done: 0, isAnswered: false, resolve, over });
    this.ask(asker, root);
    return over;
  }

  named(asker, count, isAnswered) {
    const ask = this.#asks.get(asker);
    if (!ask) return;
    ask.named += count;
    ask.isAnswered ||= isAnswered;
    this.#settle(asker, ask);
  }
  done(asker) {
    this.introductions++;
    const ask = this.#asks.get(asker);
    if (!ask) return;
    ask.done++;
    this.#settle(asker, ask);
  }
  #settle(asker, { named, done, isAnswered, resolve }) {
    if (!isAnswered || done < named) return;
    this.#asks.delete(asker);
    resolve();
  }
}

/** bittorrent-tracker in swarms of ten, as its published client speaks: who asks sends its offer along. */
class Tracker extends Crowd {
  #joined = new Map();
  #began = new Map();
  static #name = (text) => text.slice(0, 20);
  #hashOf = (id) => Tracker.#name(rootOf(Math.floor(id / 10)));
  #peerOf = (id) => Tracker.#name(`-WW0007-${browserOf(id)}`);
  #ids = new Map();

  constructor(port, { held = 0, pool = 0 }) {
    super(port);
    this.held = held;
    this.pool = pool;
  }

  #announce(id, more, hash = this.#hashOf(id)) {
    const common = { action: 'announce', info_hash: hash, peer_id: this.#peerOf(id), uploaded: 0, downloaded: 0 };
    this.say(id, JSON.stringify({ ...common, ...more }));
  }

  join(id) {
    this.#ids.set(this.#peerOf(id), id);
    const joined = new Promise((resolve) => this.#joined.set(id, resolve));
    const seed = { event: 'started', left: 0, numwant: 0, offers: [] };
    for (let i = 0; i < this.held; i++) this.#announce(id, seed, Tracker.#name(rootOf(`pool ${(id * 7 + i) % this.pool}`)));
    this.#announce(id, seed);
    return joined;
  }

  ask(asker) {
    const offer = { offer_id: Tracker.#name(browserOf(`offer ${asker}`)), offer: { type: 'offer', sdp: sdpWithCandidates } };
    this.#began.set(asker, performance.now());
    this.#announce(asker, { left: 1, numwant: 1, offers: [offer] });
  }

  hear(id, data) {
    const message = JSON.parse(data.toString());
    if (message.offer) {
      const from = this.#ids.get(message.peer_id);
      this.relayMs.push(performance.now() - this.#began.get(from));
      const answer = { type: 'answer', sdp: sdpWithCandidates };
      this.left(id, from);
      this.#announce(id, { to_peer_id: message.peer_id, answer, offer_id: message.offer_id }, message.info_hash);
    } else if (message.answer) {
      this.arrived(this.#ids.get(message.peer_id), id);
      this.done(id);
    } else if (message.info_hash === this.#hashOf(id)) {
      this.#joined.get(id)?.();
      this.#joined.delete(id);
    } else if (message['failure reason']) {
      throw new Error(`socket ${id}: ${message['failure reason']}`);
    }
  }
}

/** The bare relay, with as many messages as ours and of the same lengths. */
class Relay extends Crowd {
  #number = (id) => String(this.first + id).padStart(4, '0');
  static #rest = JSON.stringify({ type: 'signal', peer: 4294967295, description: { type: 'answer', sdp: sdpWithCandidates } });

  join(id) {
    this.sockets[id].send(frameOf(this.#number(id)));
  }

  ask(asker, holder) {
    this.say(asker, `${this.#number(asker)}${this.#number(holder)}`.padEnd(askBytes, '.'));
  }

  hear(id, data) {
    const [first, second] = [data.toString('latin1', 0, 4), data.toString('latin1', 4, 8)].map(
      (text) => Number(text) - this.first,
    );
    if (data.length === introductionBytes) return this.#describe(id, first, 'o');
    this.arrived(second, id);
    if (String.fromCharCode(data[8]) === 'o') this.#describe(id, second, 'a');
    else this.done(second);
  }

  #describe(from, to, kind) {
    this.left(from, to);
    // As ours, the answer to an ask comes with the offer.
    const answer = kind === 'o' ? '.'.repeat(answerBytes) : '';
    this.say(from, `${this.#number(to)}${this.#number(from)}${kind}${Relay.#rest}${answer}`);
  }
}

/**
 * @param {string} kind 'ours', 'newcomers', 'ours1' (as version 1 began), 'shared', 'tracker' or 'relay'
 * @param {number | number[]} port
 * @param {{ held?: number, pool?: number, count?: number, holders?: number, first?: number }} [options]
 *     `held`, `pool`: how many roots each socket holds beside its own, of how many there are; `count`, `holders` of 'shared': how
 *     many sockets there will be, and how many hold each root; `first` of 'ours' and 'relay': the number of the first socket, so
 *     that two crowds of a server are strangers
 */
export function crowdOf(kind, port, options = {}) {
  if (kind === 'tracker') return new Tracker(port, options);
  if (kind === 'shared') return new Shared(port, options);
  if (kind === 'relay') return new Relay(port, options);
  if (kind === 'newcomers') return new Newcomers(port, { lean: true, ...options });
  return new Ours(port, { lean: kind === 'ours', ...options });
}
