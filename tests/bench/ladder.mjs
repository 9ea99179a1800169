// Why a transfer of ours takes more than a raw one: the raw data channel, and on it, one after the other, what a verified
// response out of a store cannot do without, in the fewest lines that do it. What ours takes beyond `read` is ours; `store`
// is what it would take if the reader wrote all of it to its store meanwhile, as ours does with what has waited for two seconds.
import { openChromium, openSite } from '../e2e/harness/index.mjs';
import { withCpu } from './cpu.mjs';
import { asWatched, closing, fileUrl, openPair, transferOurs, unwatch } from './ours.mjs';
import { connectRaw } from './raw.mjs';
import { interleave, median, rounded } from './stats.mjs';

const bytes = 32 * 1024 * 1024;

/** Answers `/stream` with what a page posts, and every other request not at all. */
const worker = `
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  if (!event.request.url.includes('/stream')) return;
  const {port1, port2} = new MessageChannel();
  const stream = new ReadableStream({start(controller) {
    port1.onmessage = ({data}) => data ? controller.enqueue(new Uint8Array(data)) : controller.close();
  }}, {highWaterMark: 1 << 20, size: (chunk) => chunk.byteLength});
  event.respondWith(clients.get(event.clientId).then((page) => {
    page.postMessage('stream', [port2]);
    return new Response(stream);
  }));
});`;

const page = `await navigator.serviceWorker.register('/sw.js');
await navigator.serviceWorker.ready;
if (!navigator.serviceWorker.controller)
  await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, {once: true}));
document.documentElement.dataset.state = 'ready';`;

/** In the sender's page: answers a request with the bytes of the cache, a segment read ahead. */
async function serveStored({ bytes, segment, message, low, high }) {
  const cache = await caches.open('ladder');
  for (let at = 0; at < bytes; at += segment) {
    const part = new Uint8Array(segment);
    for (let i = 0; i < segment; i += 65536) crypto.getRandomValues(part.subarray(i, i + 65536));
    await cache.put(`/segment?${at}`, new Response(new Blob([part])));
  }
  const { channel } = globalThis.raw[1];
  const read = async (at) => (await cache.match(`/segment?${at}`)).arrayBuffer();
  channel.bufferedAmountLowThreshold = low;
  channel.onmessage = async () => {
    for (let at = 0, next = read(0); at < bytes; at += segment) {
      const buffer = await next;
      if (at + segment < bytes) next = read(at + segment);
      for (let from = 0; from < segment; from += message) {
        if (channel.bufferedAmount >= high) await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
        channel.send(new Uint8Array(buffer, from, message));
      }
    }
  };
}

/** In the reader's page: milliseconds until the last byte was there, and for steps that go on, had been dealt with. */
async function receive({ index, bytes, pieceBytes, segment, digest, respond, store }) {
  const { channel } = globalThis.raw[index];
  const began = performance.now();
  let port = null;
  let response = null;
  if (respond) {
    const asked = new Promise((resolve) => navigator.serviceWorker.addEventListener('message', resolve, { once: true }));
    navigator.serviceWorker.startMessages();
    const fetched = fetch('/stream');
    port = (await asked).ports[0];
    response = (async () => {
      const reader = (await fetched).body.getReader();
      for (let count = 0; count < bytes; ) count += (await reader.read()).value.length;
    })();
  }
  const cache = store ? await caches.open('ladder') : null;
  let [came, at, kept] = [0, 0, []];
  let piece = new Uint8Array(pieceBytes);
  let digests = Promise.resolve();
  const puts = [];
  const handle = async (whole) => {
    if (store) kept.push(whole);
    if (store && kept.length * pieceBytes === segment) {
      puts.push(cache.put(`/stored?${puts.length}`, new Response(new Blob(kept))));
      kept = [];
    }
    const { buffer } = store && respond ? whole.slice() : whole;
    port?.postMessage(buffer, [buffer]);
  };
  await new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      came += data.byteLength;
      if (digest || respond || store) {
        piece.set(new Uint8Array(data), at);
        at += data.byteLength;
        if (at === pieceBytes) {
          const whole = piece;
          const verified = digest ? crypto.subtle.digest('SHA-256', whole) : null;
          digests = Promise.all([digests, verified]).then(() => handle(whole));
          piece = new Uint8Array(pieceBytes);
          at = 0;
        }
      }
      if (came >= bytes) resolve();
    };
    channel.send(String(bytes));
  });
  await digests;
  await response;
  const ms = performance.now() - began;
  port?.postMessage(null);
  return ms;
}

const respond = { digest: true, respond: true };
/** Each with what is done beside the one before; 1 is the channel whose sender reads what it sends from its store. */
const steps = {
  raw: [0, {}],
  digest: [0, { digest: true }],
  respond: [0, respond],
  read: [1, respond],
  store: [1, { ...respond, store: true }],
};

/**
 * Two pages with the channels of the ladder: `step(name)` makes one timed run of that step, with the processor's time.
 * @param {<T>(opening: Promise<T>) => Promise<T>} keep
 */
export async function openLadder(keep, openReader = openChromium) {
  const site = await keep(openSite({ '/sw.js': worker, '/page.js': page }));
  const [seeder, reader] = [await keep(openChromium()), await keep(openReader())];
  for (const visitor of [seeder, reader]) await visitor.visit(`${site.url}/`);
  const sizes = { bytes, pieceBytes: 256 * 1024, segment: 1 << 20 };
  await connectRaw(seeder, reader);
  await connectRaw(seeder, reader, { index: 1 });
  await seeder.run(serveStored, { ...sizes, message: 65536, low: 1 << 20, high: 4 << 20 });
  await reader.run(receive, { index: 0, ...sizes });
  for (const visitor of [seeder, reader]) await unwatch(visitor);
  return {
    step: (name) => {
      const [index, options] = steps[name];
      return withCpu([seeder, reader], () => reader.run(receive, { index, ...sizes, ...options }));
    },
  };
}

export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const ladder = await openLadder(keep);
    const ours = await openPair(runs, bytes, keep);
    const contenders = {
      ...Object.fromEntries(Object.keys(steps).map((name) => [name, () => ladder.step(name)])),
      ours: async (run) => asWatched(await transferOurs(ours.reader, fileUrl(run), [ours.seeder, ours.reader])),
    };
    const results = await interleave(contenders, runs, (name, { result, cpuMs, threads }) => {
      say(`${name} ${rounded(bytes / 1000 / result)} MB/s; ${cpuMs} ms of processor: ${JSON.stringify(threads)}`);
    });
    const each = (take) => Object.fromEntries(Object.entries(results).map(([name, list]) => [name, median(list.map(take))]));
    return {
      json: { mbPerSecond: each(({ result }) => rounded(bytes / 1000 / result)), cpuMs: each(({ cpuMs }) => cpuMs) },
      raw: results,
    };
  });
}
