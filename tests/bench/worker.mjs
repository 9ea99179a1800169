// What a worker costs the requests of its page: none, a listener that looks at the URL and returns, a plain worker, Workbox and
// ours, each in a site of its own and all in one browser. Requests are interleaved in blocks, every answer is compared with the
// file. The origin's answers may be kept in the HTTP cache, so that what is passed on costs little but the worker.
import { buildSync } from 'esbuild';
import { MANIFEST_PATH, STORE_PATH } from '../../build/border.js';
import { documentedWorker, openChromium, openSite, randomBytes, sha256, until } from '../e2e/harness/index.mjs';
import { privateBytes } from '../e2e/harness/memory.mjs';
import { closing, unwatch } from './ours.mjs';
import { rivals } from './rivals.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';
import { pageThat, workerThat } from './visits.mjs';

const kib = 1024;
const mib = 1024 * kib;
/** Requests in a row of one contender; a round has a block of each. */
const block = 50;
const rounds = 40;
const coldRounds = 40;
const rangeBytes = 1e9;

// Cross-origin isolated pages have a clock of 5 microseconds, others one of 100.
const headers = {
  'cache-control': 'public, max-age=86400',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  // A site's own worker with a bundle in it.
  'content-security-policy': '',
};

/** Types that the manifest lists by default, and one that it does not. */
const listed = { hit1k: '/static/1k.bin', hit1m: '/static/1m.bin', asItIs1k: '/as-it-is/1k.bin', asItIs1m: '/as-it-is/1m.bin' };
const unlisted = { unrouted: '/plain/1k.js', pass: '/pass/1k.js', passFirst: '/pass-first/1k.js' };
const sizeOf = (url) => (url.includes('1m') ? mib : kib);
const files = Object.fromEntries(
  [...Object.values(listed), ...Object.values(unlisted)].map((url) => [url, randomBytes(url.split('/').at(-1), sizeOf(url))]),
);

// --- The workers -------------------------------------------------------------------------------------------------------

const listener = `addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  event.request.url;
});`;

// Cache first below /static, the network below /pass.
const plain = workerThat(
  `async (request) => {
  if (request.url.includes('/pass/')) return fetch(request);
  const cache = await (globalThis.opening ??= caches.open('plain'));
  const hit = await cache.match(request);
  if (hit) return hit;
  const response = await fetch(request);
  await cache.put(request, response.clone());
  return response;
}`,
  ['/static/', '/pass/'],
);

/** What a hit costs whoever digests what the Cache gives: to read all of it, to digest it, and to answer by a stream. */
const verifying = workerThat(
  `async (request) => {
  const cache = await (globalThis.opening ??= caches.open('verifying'));
  const hit = await cache.match(request);
  if (!hit) {
    const response = await fetch(request);
    await cache.put(request, response.clone());
    return response;
  }
  const bytes = new Uint8Array(await hit.arrayBuffer());
  await crypto.subtle.digest('SHA-256', bytes);
  const start = (sink) => {
    sink.enqueue(bytes);
    sink.close();
  };
  return new Response(new ReadableStream({ start }), { headers: hit.headers });
}`,
  ['/static/'],
);

/** The plain one beside our script, which it only loads: what of a cold start is not the request's. */
const loading = `importScripts('/peer-cdn/sw.js');\n${plain}`;

/** Passes on what comes, chunk by chunk: what each worker takes that looks at the bytes of a body. */
const copying = workerThat(
  `async (request) => {
  const { body, status, headers } = await fetch(request);
  const reader = body.getReader();
  const pull = async (sink) => {
    const { value, done } = await reader.read();
    if (done) sink.close();
    else sink.enqueue(value);
  };
  return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { status, headers });
}`,
  ['/static/'],
);

const workboxWorker = (at) =>
  buildSync({
    stdin: {
      contents: `
        import { registerRoute } from '${at('workbox-routing/registerRoute.js')}';
        import { CacheFirst } from '${at('workbox-strategies/CacheFirst.js')}';
        import { NetworkFirst } from '${at('workbox-strategies/NetworkFirst.js')}';
        import { NetworkOnly } from '${at('workbox-strategies/NetworkOnly.js')}';
        addEventListener('install', () => skipWaiting());
        addEventListener('activate', (event) => event.waitUntil(clients.claim()));
        registerRoute(({ url }) => url.pathname.startsWith('/static/'), new CacheFirst());
        registerRoute(({ url }) => url.pathname.startsWith('/pass/'), new NetworkOnly());
        registerRoute(({ url }) => url.pathname.startsWith('/pass-first/'), new NetworkFirst());`,
      resolveDir: at(''),
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
  }).outputFiles[0].text;

// Ours as documented, and two middlewares of the site's own: one that has nothing, so that the worker passes the request on;
// and one that hands back a stored run as it is, which is what a hit would cost if it were not verified again.
const ours = `${documentedWorker().replace(/cdn.register\(\);\s*$/, '')}
cdn.GET('/pass', ordered, () => ({ get: () => null }), network.getMiddleware);
const held = new Map();
async function handBack({ url }) {
  const path = new URL(url).pathname;
  const store = await (globalThis.opening ??= caches.open('peer-cdn-v1'));
  if (!held.has(path)) {
    const { root } = (await (await store.match('${MANIFEST_PATH}')).json()).resources[path];
    held.set(path, (await store.keys()).find((key) => key.url.includes('${STORE_PATH}' + root + '?')));
  }
  const { body } = await store.match(held.get(path));
  return new Response(body, { headers: { 'content-type': 'application/octet-stream' } });
}
cdn.GET('/as-it-is', ordered, ({ request }) => ({ get: () => handBack(request) }));
cdn.register();`;

/** The files of each site beside those that are measured. */
const kindsOf = (at) => ({
  none: pageThat(),
  listener: pageThat(listener),
  plain: pageThat(plain),
  verifying: pageThat(verifying),
  loading: pageThat(loading),
  workbox: pageThat(workboxWorker(at)),
  ours: { '/sw.js': ours },
  oursEverywhere: { '/sw.js': documentedWorker('/') },
});

/** By what is measured: by contender, its site and what it is asked for. */
const contests = {
  unrouted: {
    none: ['none', unlisted.unrouted],
    listener: ['listener', unlisted.unrouted],
    workbox: ['workbox', unlisted.unrouted],
    ours: ['ours', unlisted.unrouted],
  },
  unlisted: {
    none: ['none', unlisted.unrouted],
    listener: ['listener', unlisted.unrouted],
    ours: ['oursEverywhere', unlisted.unrouted],
  },
  pass: {
    none: ['none', unlisted.pass],
    plain: ['plain', unlisted.pass],
    networkOnly: ['workbox', unlisted.pass],
    networkFirst: ['workbox', unlisted.passFirst],
    ours: ['ours', unlisted.pass],
  },
  hit1k: {
    plain: ['plain', listed.hit1k],
    verifying: ['verifying', listed.hit1k],
    workbox: ['workbox', listed.hit1k],
    ours: ['ours', listed.hit1k],
    asItIs: ['ours', listed.asItIs1k],
  },
  hit1m: {
    plain: ['plain', listed.hit1m],
    verifying: ['verifying', listed.hit1m],
    workbox: ['workbox', listed.hit1m],
    ours: ['ours', listed.hit1m],
    asItIs: ['ours', listed.asItIs1m],
  },
};

// --- In the page -------------------------------------------------------------------------------------------------------

/** Fetches so many times, one after another: milliseconds of each, to the last byte. Rejects if a byte is wrong. */
async function readInPage({ url, times, digest }) {
  const list = [];
  for (let i = 0; i < times; ++i) {
    const began = performance.now();
    const bytes = await (await fetch(url)).arrayBuffer();
    list.push(performance.now() - began);
    const actual = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    if ([...actual].map((byte) => byte.toString(16).padStart(2, '0')).join('') !== digest)
      throw new Error(`${url} is not the file`);
  }
  return list;
}

/**
 * Reads a range without keeping it, and into one buffer: what a page takes for chunks that nobody has collected yet would hide
 * what the worker takes. How many bytes came, and the sum of every 4,096th.
 */
async function readRange({ url, bytes }) {
  const response = await fetch(url, { headers: { range: `bytes=0-${bytes - 1}` } });
  const reader = response.body.getReader({ mode: 'byob' });
  let [got, sum, next] = [0, 0, 0];
  for (let view = new Uint8Array(1 << 20); ; ) {
    const { value, done } = await reader.read(view);
    if (done) return { got, sum };
    for (; next < got + value.length; next += 4096) sum += value[next - got];
    got += value.length;
    view = new Uint8Array(value.buffer);
  }
}

// --- The measurements --------------------------------------------------------------------------------------------------

const digests = Object.fromEntries(Object.entries(files).map(([url, bytes]) => [url, sha256(bytes)]));
const read = (visitor, url, times) => visitor.run(readInPage, { url, times, digest: digests[url] });

/** Milliseconds of each request, by contest and contender. */
async function compare(visitors, runs, say) {
  const all = {};
  for (const [contest, contenders] of Object.entries(contests)) {
    const times = await interleave(
      Object.fromEntries(Object.entries(contenders).map(([name, [kind, url]]) => [name, () => read(visitors[kind], url, block)])),
      runs,
    );
    all[contest] = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, list.flat()]));
    say(`${contest}: medians of ${runs * block} requests, ms: ${JSON.stringify(mediansOf(all[contest]))}`);
  }
  return all;
}

/** Milliseconds of a request that starts the worker, by contender: the file is in its store. */
async function compareCold(visitors, runs, say) {
  const cold = async (visitor) => {
    await visitor.stopWorkers();
    await untilStopped(visitor);
    return (await read(visitor, listed.hit1k, 1))[0];
  };
  const names = ['plain', 'loading', 'workbox', 'ours'];
  const times = await interleave(Object.fromEntries(names.map((name) => [name, () => cold(visitors[name])])), runs);
  say(`cold: medians of ${runs}, ms: ${JSON.stringify(mediansOf(times))}`);
  return times;
}

async function untilStopped({ context, page }) {
  const session = await context.newCDPSession(page);
  let states = [];
  session.on(
    'ServiceWorker.workerVersionUpdated',
    ({ versions }) => (states = versions.map(({ runningStatus }) => runningStatus)),
  );
  await session.send('ServiceWorker.enable');
  await until('the worker to stop', () => states.length > 0 && states.every((state) => state === 'stopped'));
  await session.detach();
}

/**
 * MB that a visitor's renderers take more (its worker is in one) while a range comes from the origin, and then from the store if
 * the worker is ours.
 */
async function growth(keep, say) {
  const url = '/static/1g.bin';
  const bytes = Buffer.concat(Array.from({ length: 10 }, () => randomBytes('1g', rangeBytes / 10)));
  let sum = 0;
  for (let at = 0; at < rangeBytes; at += 4096) sum += bytes[at];
  const most = { copying: 0, origin: 0, store: 0 };
  for (const [own, sources] of [
    [pageThat(copying), ['copying']],
    [{ '/sw.js': documentedWorker() }, ['origin', 'store']],
  ]) {
    const site = await keep(openSite({ [url]: bytes, ...files, ...own }));
    const visitor = await keep(openChromium());
    await visitor.visit(site.url);
    await unwatch(visitor);
    await read(visitor, listed.hit1m, 3);
    for (const source of sources) {
      const before = privateBytes(visitor.profile, 'renderer');
      let isOver = false;
      const reading = visitor.run(readRange, { url, bytes: rangeBytes }).finally(() => (isOver = true));
      while (!isOver) {
        most[source] = Math.max(most[source], privateBytes(visitor.profile, 'renderer') - before);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const got = await reading;
      if (got.got !== rangeBytes || got.sum !== sum) throw new Error(`${JSON.stringify(got)} of ${url}, ${source}`);
      const from = source === 'copying' ? '' : `; ${JSON.stringify(await visitor.sources(url))}`;
      say(`1 GB as one range, ${source}: ${rounded(most[source] / 1e6)} MB more at most${from}`);
      await visitor.forget();
    }
  }
  return Math.max(most.origin, most.store) / 1e6;
}

const mediansOf = (times) => Object.fromEntries(Object.entries(times).map(([name, list]) => [name, rounded(median(list))]));

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: Record<string, number>, raw: object }>}
 */
export function measure({ say, runs = rounds }) {
  return closing(async (keep) => {
    const kinds = kindsOf(await rivals(say));
    const browser = await keep(openChromium());
    const visitors = {};
    for (const [kind, own] of Object.entries(kinds)) {
      const site = await keep(openSite({ ...files, ...own }, { headers }));
      const visitor = (visitors[kind] = await keep(browser.another()));
      await visitor.visit(site.url);
      await unwatch(visitor);
      const isIsolated = await visitor.run(() => globalThis.crossOriginIsolated);
      if (!isIsolated) throw new Error(`the page of ${kind} has a coarse clock`);
    }
    for (const contenders of Object.values(contests)) {
      for (const [kind, url] of Object.values(contenders)) await read(visitors[kind], url, 3);
    }
    await until('our store to have all', async () => {
      const stored = await visitors.ours.stored();
      return (
        stored.filter((key) => key.startsWith(STORE_PATH)).length >=
        new Set(Object.values(listed).map((url) => digests[url])).size
      );
    });
    const times = await compare(visitors, runs, say);
    await visitors.ours.forget();
    await read(visitors.ours, listed.hit1m, 1);
    const { fromCache } = await visitors.ours.sources(listed.hit1m);
    if (fromCache !== mib) throw new Error(`${fromCache} bytes came from the store`);
    const cold = await compareCold(visitors, Math.min(runs, coldRounds), say);
    const rangeMemoryMB = rounded(await growth(keep, say));
    const vs = (contest, rival, own = 'ours') => ratio(times[contest][own], times[contest][rival]);
    const [asItIs1k, asItIs1m] = ['hit1k', 'hit1m'].map((contest) => vs(contest, 'workbox', 'asItIs'));
    say(`hits handed back as they are, against Workbox: 1 KB ${asItIs1k}, 1 MB ${asItIs1m}`);
    const [verified1k, verified1m] = ['hit1k', 'hit1m'].map((contest) => vs(contest, 'workbox', 'verifying'));
    say(`hits that a plain worker digests, against Workbox: 1 KB ${verified1k}, 1 MB ${verified1m}`);
    return {
      json: {
        unroutedVsListener: vs('unrouted', 'listener'),
        unlistedVsListener: vs('unlisted', 'listener'),
        passVsWorkbox: Math.max(vs('pass', 'networkOnly'), vs('pass', 'networkFirst')),
        hit1kVsWorkbox: vs('hit1k', 'workbox'),
        hit1mVsWorkbox: vs('hit1m', 'workbox'),
        coldVsPlain: ratio(cold.ours, cold.plain),
        rangeMemoryMB,
      },
      raw: {
        ...Object.fromEntries(Object.entries(times).map(([contest, list]) => [contest, mediansOf(list)])),
        cold: mediansOf(cold),
      },
    };
  });
}
