// The pages of this site: tells the core who said hello and what they said, and asks the page that the core chose.
import { CHANNEL, COMPANY, PAGE_GONE, PAGE_HELLO, PAGE_PRESENT, PAGES_START, protocolVersion } from '../build/border.js';
import { call, tell } from './engine.js';
import { scope } from './scope.js';
import { scopeUrl, siteEnd } from './site.js';

/**
 * What a page tells.
 * @typedef {object} PageReader
 * @property {(piece: number, buffer: ArrayBuffer, from: number, wasted: number) => void} piece verified by the page; from: 0 it
 *   had it, 1 peers, 2 the origin; bytes that came twice since the last one
 * @property {(status: number, whole: ArrayBuffer) => void} reply the whole resource, not verified
 * @property {(warm: boolean) => void} pending somebody has it; whether the page is connected to one
 * @property {() => void} alive it is there, and at it
 * @property {(code: string) => void} end
 */

/** The site's own. @type {BroadcastChannel | undefined} */
let channel;
/** The origin's, where a worker says to pages who it is. @type {BroadcastChannel | undefined} */
let lobby;

/** Numbers of the pages that said hello, by client id. They are not used again. @type {Map<string, number>} */
const numbers = new Map();
/**
 * By number: the page's id, and how the page is asked: by a port of its engine's own, if it gave one.
 * @type {Map<number, { id: string, way: Client | MessagePort }>}
 */
const clients = new Map();
let count = 0;

/** The number of a page that said hello; 0 of another. */
export const numberOf = (/** @type {string} */ clientId) => numbers.get(clientId) ?? 0;

/**
 * Tells pages that may not know their site yet.
 * @param {{ cache: string, code: string, end: string | undefined, manifest: string, open: number }} detail
 */
export const introduce = (detail) => lobby?.postMessage({ type: 'site', scope: scopeUrl(), ...detail });

/**
 * Tells all pages of the site.
 * @param {string} type
 * @param {object} detail
 */
export function broadcast(type, detail = {}) {
  channel?.postMessage({ type, ...detail });
}

/**
 * A worker that was stopped has forgotten who is there, and asks once, as it starts.
 * @param {(isStored: boolean, root: string, begin: number, end: number) => void} onStored a page stored a run, or could not
 * @param {(cache: string) => void} onEmptied somebody found that the store of that name was gone
 */
export function startPages(onStored, onEmptied) {
  if (typeof BroadcastChannel !== 'function') return;
  const end = siteEnd();
  lobby = new BroadcastChannel(CHANNEL);
  if (end === undefined) return;
  channel = end ? new BroadcastChannel(CHANNEL + end) : lobby;
  channel.onmessage = ({ data }) => {
    const { type, root, begin, end: last, cache } = data ?? {};
    const isStored = type === 'stored';
    if (isStored || type === 'unstored') onStored(isStored, String(root), +begin, +last);
    if (type === 'emptied') onEmptied(String(cache));
  };
  tell(PAGES_START);
  broadcast('who');
}

/**
 * A message of a page.
 * @param {ExtendableMessageEvent} event
 */
export function handleMessage({ data, source, ports: [port] }) {
  if (data?.peerCdn !== protocolVersion) return;
  if (data.type === 'company') tell(COMPANY, String(data.root));
  if (!(source instanceof Client) || source.type !== 'window') return;
  const page = numberOf(source.id);
  if (data.type === 'bye') forget(source.id, page);
  if (data.type === 'present') handlePresent(page, data);
  if (data.type !== 'hello') return;
  const number = page || ++count;
  numbers.set(source.id, number);
  clients.set(number, { id: source.id, way: port ?? source });
  tell(PAGE_HELLO, number, data.end !== undefined);
}

function handlePresent(/** @type {number} */ page, /** @type {{ add: string[], remove: string[] }} */ { add, remove }) {
  if (![add, remove].every(Array.isArray)) return;
  const marks = Uint32Array.from([...add, ...remove], (mark) => +`0x${mark}`);
  call(PAGE_PRESENT, marks.buffer, page, add.length);
}

function forget(/** @type {string} */ id, /** @type {number} */ page) {
  numbers.delete(id);
  clients.delete(page);
  tell(PAGE_GONE, page);
}

/** Forgets a page whose tab was closed. */
export async function lookFor(/** @type {{ page: number }} */ { page }) {
  const id = clients.get(page)?.id ?? '';
  if ((await scope.clients.get(id))?.type === 'window') return;
  forget(id, page);
}

/**
 * Asks a page for pieces.
 * @param {number} page
 * @param {object} request as src/README.md has it
 * @param {PageReader} reader
 */
export function askPage(page, request, reader) {
  const { port1: port, port2 } = new MessageChannel();
  let isOver = false;
  const close = () => {
    isOver = true;
    port.postMessage({ type: 'close' });
    port.close();
  };
  const finish = (/** @type {string} */ code) => {
    close();
    reader.end(code);
  };
  // Both forms say at once that they got the request, the stream's again and again; the long form then answers whenever
  // it is ready.
  port.onmessage = ({ data }) => {
    if (isOver) return;
    switch (data?.type) {
      case 'piece':
        if (!(data.buffer instanceof ArrayBuffer)) return finish('malformed-message');
        return reader.piece(+data.piece, data.buffer, +data.from, +(data.wasted ?? 0));
      case 'pending':
        return reader.pending(data.warm === true);
      case 'none':
      case 'end':
        return finish(String(data.code ?? ''));
      case 'ack':
        return reader.alive();
      default:
        return data?.body instanceof ArrayBuffer ? reader.reply(+data.status, data.body) : finish('nobody-has-it');
    }
  };
  clients.get(page)?.way.postMessage({ peerCdn: protocolVersion, ...request }, [port2]);
  return { close, grant: (/** @type {number} */ bytes) => port.postMessage({ type: 'grant', bytes }) };
}
