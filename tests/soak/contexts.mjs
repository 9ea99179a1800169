// Looks into a visitor's page and its workers by the debugger: what each holds, and what its heap takes. Chromium only.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';

/** With this flag a browser can be looked into. */
export const lookable = '--remote-debugging-port=0';

/** Kinds of objects whose number tells what is held: connections, ports, streams, and by promises who waits. */
const kinds = ['RTCPeerConnection', 'RTCDataChannel', 'WebSocket', 'MessagePort', 'ReadableStream', 'AbortSignal', 'Promise'];

/** A conversation with a browser's debugger, in the Chrome DevTools Protocol. */
class Debugger {
  #socket;
  #last = 0;
  #waiting = new Map();
  /** Of the snapshot that is being taken. @type {string[]} */
  #chunks = [];

  /** @param {string} profile the browser's folder, where it tells its port */
  static async open(profile) {
    const [port, path] = readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n');
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { maxPayload: 0 });
    await once(socket, 'open');
    return new Debugger(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (text) => {
      const { id, result, error, method, params } = JSON.parse(String(text));
      if (method === 'HeapProfiler.addHeapSnapshotChunk') this.#chunks.push(params.chunk);
      const { resolve, reject } = this.#waiting.get(id) ?? {};
      this.#waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    });
  }

  /** @returns {Promise<any>} */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** The heap of the target of this session, once garbage is collected. */
  async snapshot(sessionId) {
    this.#chunks = [];
    await this.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false }, sessionId);
    return JSON.parse(this.#chunks.join(''));
  }

  close() {
    this.#socket.close();
  }
}

/** By kind of object how many there are, and `heap`, bytes in use with what lies outside of the engine's own heap. */
function count({ nodes, strings, snapshot: { meta } }) {
  const fields = meta.node_fields;
  const [name, size] = [fields.indexOf('name'), fields.indexOf('self_size')];
  const counts = Object.fromEntries(kinds.map((kind) => [kind, 0]));
  let heap = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = strings[nodes[at + name]];
    if (Object.hasOwn(counts, kind)) counts[kind]++;
    heap += nodes[at + size];
  }
  return { ...counts, heap };
}

const names = { page: 'page', worker: 'engine', service_worker: 'worker' };

/**
 * What the pages of a browser, their engines' workers and its service worker hold now: one of each kind is looked for.
 * @param {import('../e2e/harness/browsers.mjs').Visitor} visitor opened with the flag `lookable`
 * @returns {Promise<Record<'page' | 'engine' | 'worker', Record<string, number>>>}
 */
export async function lookInto(visitor) {
  const there = await Debugger.open(visitor.profile);
  const looks = {};
  const filter = [{ type: 'page' }, { type: 'worker' }, { type: 'service_worker' }];
  const { targetInfos } = await there.send('Target.getTargets', { filter });
  for (const { targetId, type, url } of targetInfos) {
    if (!url.startsWith('http')) continue;
    const { sessionId } = await there.send('Target.attachToTarget', { targetId, flatten: true });
    looks[names[type]] = count(await there.snapshot(sessionId));
    await there.send('Target.detachFromTarget', { sessionId });
  }
  there.close();
  return looks;
}
