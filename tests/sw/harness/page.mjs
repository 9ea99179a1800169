// A page of the site, as the worker sees it: a Client that says hello and is asked for pieces.
import { channelOf, delivered } from './platform.mjs';

/** The scope's own Client, and what `instanceof` looks at. */
export class FakeClient {
  type = 'window';
  frameType = 'top-level';
  visibilityState = 'visible';
  #receive;

  constructor(id, url, receive) {
    Object.assign(this, { id, url });
    this.#receive = receive;
  }

  postMessage(message, transfer = []) {
    this.#receive(delivered(message, Array.isArray(transfer) ? transfer : (transfer.transfer ?? [])));
  }
}

export class FakePage {
  /** Everything that the worker asked this page for, oldest first. @type {Ask[]} */
  asks = [];
  /** @type {(ask: Ask) => unknown} */
  #answer = (ask) => ask.ack().none();
  #worker;
  #browser;

  constructor(worker, browser, id) {
    this.#worker = worker;
    this.#browser = browser;
    this.id = id;
    this.client = new FakeClient(id, 'https://site.test/', (message) =>
      browser.clock.task(() => browser.clients.has(id) && this.#hear(message)),
    );
    browser.clients.set(id, this.client);
  }

  /** What this page does with what it is asked for; `() => {}` says nothing at all. */
  answers(answer) {
    this.#answer = answer;
    return this;
  }

  #hear({ data, ports }) {
    const ask = new Ask(data, ports[0], this);
    this.asks.push(ask);
    void this.#answer(ask);
  }

  /** A message to the worker that runs now, as the bridge sends it. */
  async tell(message, ports) {
    this.#worker().message({ peerCdn: 1, ...message }, this.client, ports);
    await this.#browser.clock.settle();
  }

  /** A hello with a port to the page's engine. What is asked there is `asks` too, each with `byPort`. */
  helloWithPort() {
    const { port1, port2 } = new (channelOf(this.#browser.clock))();
    port1.onmessage = (message) => {
      this.#hear(message);
      this.asks.at(-1).byPort = true;
    };
    return this.tell({ type: 'hello', form: 'stream' }, [port2]);
  }

  hello(form = 'stream') {
    return this.tell({ type: 'hello', form });
  }

  /** A fetch of this page. */
  fetch(url, init = {}) {
    return this.#worker().fetch(url, { ...init, clientId: this.id });
  }

  /** The tab is closed: nobody is told. */
  close() {
    this.#browser.clients.delete(this.id);
  }

  /** Resolves to the next ask that has not been looked at by this call. */
  async nextAsk() {
    const at = this.#looked++;
    await this.#browser.clock.when(() => this.asks.length > at, 'the worker to ask this page');
    return this.asks[at];
  }

  #looked = 0;
}

/** One request of the worker to a page, and the port to answer on. */
export class Ask {
  /** Credit that is left, in bytes. */
  credit = 0;
  /** Grants as they came. */
  grants = [];
  isClosed = false;
  #port;
  #goOn = () => {};

  constructor(request, port, page) {
    Object.assign(this, { request, page });
    this.#port = port;
    port.onmessage = ({ data }) => {
      if (data.type === 'close') this.isClosed = true;
      if (data.type === 'grant') {
        this.grants.push(data.bytes);
        this.credit += data.bytes;
      }
      this.#goOn();
    };
  }

  /** Any message at all. */
  say(message, transfer = []) {
    this.#port.postMessage(message, transfer);
    return this;
  }

  ack() {
    return this.say({ type: 'ack' });
  }

  none(code = 'nobody-has-it') {
    return this.say({ type: 'none', code });
  }

  pending(warm = true) {
    return this.say({ type: 'pending', warm });
  }

  /** One piece; `from`: 0 the page had it, 1 peers, 2 the origin. */
  piece(piece, buffer, { from = 1, wasted = 0 } = {}) {
    this.credit -= buffer.byteLength;
    return this.say({ type: 'piece', piece, buffer, from, wasted }, [buffer]);
  }

  end(code) {
    return this.say(code === undefined ? { type: 'end' } : { type: 'end', code });
  }

  /** The long form's answer. */
  reply(body, { status = 200, headers = [] } = {}) {
    return this.say({ status, headers, body });
  }

  /** Pieces of a file within the credit: all that are asked for, or up to `end`. False if the worker closed the port. */
  async pieces(file, { end = this.request.end, begin = this.request.begin, ...options } = {}) {
    for (let piece = begin; piece < end; piece++) {
      while (this.credit <= 0 && !this.isClosed) await new Promise((resolve) => (this.#goOn = () => resolve()));
      if (this.isClosed) return false;
      this.piece(piece, file.piece(piece), options);
    }
    return true;
  }
}

/** A page that serves this file as peers would: at once, over a pair that is open. */
export const serving = (file, options) => async (ask) => {
  ask.ack().pending(true);
  if (await ask.pieces(file, options)) ask.end();
};
