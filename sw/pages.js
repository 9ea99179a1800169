// The pages of this site: which ones said hello, what is told to all, and what one of them is asked for.
import { ackWait, busyAckWait, CHANNEL, heardMemory, protocolVersion, replyBytes } from '../build/border.js';
import { scope } from './scope.js';

/** @typedef {import('./body.js').Asked} Asked */
/** @typedef {import('./body.js').PageReader} PageReader */

/** @type {BroadcastChannel | undefined} */
let channel;
let asked = 0;

/**
 * The pages that said hello, by id, and the marks of what anybody has, once they told.
 * @type {Map<string, { client: Client, marks: Set<string> | null }>}
 */
const pages = new Map();

/** By client id: when it last said hello, or that it got a request. @type {Map<string, number>} */
const heard = new Map();

/** @type {(() => void)[]} */
let waiting = [];

/**
 * Tells all pages.
 * @param {string} type
 * @param {object} detail
 */
export function broadcast(type, detail = {}) {
  channel?.postMessage({ type, ...detail });
}

/**
 * A worker that was stopped has forgotten who is there, and asks once, as it starts.
 * @param {(root: string, begin: number, end: number) => void} onStored a page stored a run
 */
export function startPages(onStored) {
  if (typeof BroadcastChannel !== 'function') return;
  channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    if (data?.type === 'stored') onStored(String(data.root), +data.begin, +data.end);
  };
  asked = performance.now();
  broadcast('who');
}

/**
 * A message of a page. True if it is a hello, from a page that is to be told how things are.
 * @param {ExtendableMessageEvent} event
 */
export function handleMessage({ data, source }) {
  if (data?.peerCdn !== protocolVersion || !(source instanceof Client) || source.type !== 'window') return false;
  if (data.type === 'bye') pages.delete(source.id);
  if (data.type === 'present') handlePresent(source.id, data);
  if (data.type !== 'hello') return false;
  pages.set(source.id, { client: source, marks: null });
  heard.set(source.id, performance.now());
  for (const id of pages.keys()) void isThere(id); // forgets those that went
  for (const goOn of waiting) goOn();
  waiting = [];
  return true;
}

function handlePresent(/** @type {string} */ id, /** @type {{ add: string[], remove: string[] }} */ { add, remove }) {
  const page = pages.get(id);
  if (!page || !Array.isArray(add) || !Array.isArray(remove)) return;
  page.marks ??= new Set();
  for (const mark of add) page.marks.add(mark);
  for (const mark of remove) page.marks.delete(mark);
}

/** Whether somebody may have it, by all that the pages told. A mark is a root's first digits. */
export function mayBePresent(/** @type {string} */ root) {
  const mark = root.slice(0, 8);
  return [...pages.values()].some(({ marks }) => !marks || marks.has(mark));
}

async function isThere(/** @type {string} */ id) {
  const client = await scope.clients.get(id);
  if (client?.type === 'window') return client;
  pages.delete(id);
  heard.delete(id);
  return null;
}

/**
 * A page that said hello, the requester first; null if there is none. Waits only in the first moments of
 * the worker's life, when a hello may be on its way, and only if told to.
 * @param {string} clientId of the requester
 * @param {boolean} mayWait
 */
export async function choosePage(clientId, mayWait) {
  const left = asked + ackWait - performance.now();
  if (mayWait && pages.size === 0 && left > 0) {
    await new Promise((resolve) => {
      waiting.push(() => resolve(undefined));
      setTimeout(resolve, left);
    });
  }
  const requester = pages.get(clientId);
  if (requester) return requester.client;
  for (const id of pages.keys()) {
    const client = await isThere(id);
    if (client) return client;
  }
  return null;
}

/**
 * Asks a page for pieces.
 * @param {Client} page
 * @param {string} digests where digest lists are
 * @param {Asked} asked
 * @param {import('./body.js').Ask} ask
 * @param {PageReader} reader
 */
export function askPage(page, digests, { url, range, root, bytes, pieceBytes, contentType }, ask, reader) {
  const { port1: port, port2 } = new MessageChannel();
  let over = false;
  const finish = (/** @type {string} */ code) => {
    if (over) return;
    close();
    reader.end(code);
  };
  const close = () => {
    over = true;
    clearTimeout(timer);
    clearInterval(watch);
    port.postMessage({ type: 'close' });
    port.close();
  };
  // Both forms say at once that they got the request, the stream's again and again; the long form then answers whenever
  // it is ready.
  const wait = performance.now() - (heard.get(page.id) ?? -Infinity) < heardMemory ? busyAckWait : ackWait;
  const giveUp = () => {
    // It may be frozen: the next request does not wait as long.
    heard.delete(page.id);
    finish('no-page');
  };
  const timer = setTimeout(giveUp, wait);
  // Nothing tells that a tab was closed.
  const watch = setInterval(() => void isThere(page.id).then((client) => client || finish('no-page')), 1000);
  port.onmessage = ({ data }) => {
    clearTimeout(timer);
    if (over) return;
    switch (data?.type) {
      case 'piece':
        if (!(data.buffer instanceof ArrayBuffer)) return finish('malformed-message');
        return reader.piece(+data.piece, data.buffer, +data.from, +(data.wasted ?? 0));
      case 'pending':
        return reader.pending(data.warm === true);
      case 'none':
        return finish(data.code ?? 'nobody-has-it');
      case 'end':
        return finish(data.code ?? '');
      case 'ack':
        heard.set(page.id, performance.now());
        return reader.alive();
      default: {
        const { status, body } = data ?? {};
        if (status === 200 && body instanceof ArrayBuffer && body.byteLength <= replyBytes) return reader.reply(body);
        return finish('nobody-has-it');
      }
    }
  };
  const request = { url, range, root, bytes, pieceBytes, contentType, digests: digests + root, ...ask };
  page.postMessage({ peerCdn: protocolVersion, ...request }, [port2]);
  return {
    close,
    grant: (/** @type {number} */ bytes) => port.postMessage({ type: 'grant', bytes }),
  };
}
