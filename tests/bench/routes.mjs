// Finding a request's route among 1,000: the worker's core as the worker calls it, text and border included, against
// find-my-way and Workbox's router. In Node, on one processor.
import { readFileSync } from 'node:fs';
import {
  ADD_ROUTE,
  MANIFEST_BEGIN,
  MANIFEST_COMMIT,
  OPEN_EXCHANGE,
  PLUGIN_NETWORK,
  ROUTE_PLUGIN,
  STRATEGY_ORDERED,
} from '../../build/border.js';
import { startCore } from '../../sw/core.js';
import { rivals } from './rivals.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';

const count = 1000;
const rounds = 40;
/** Look-ups of each route in a round. */
const laps = 5;
const site = 'https://example.org';
const sections = Array.from({ length: count }, (_, i) => `/section-${i}`);
/** What is asked for, in no order that a cache would like. */
const paths = sections.map((_, i) => `${sections[(i * 617) % count]}/page-${i}`);
const nowhere = '/elsewhere/page';

/** A core with the routes. Gives the number of the request that it answers, or 0. */
function openCore() {
  const core = startCore(readFileSync(new URL('../../build/worker.wasm', import.meta.url)), () => false);
  for (const each of sections) {
    core.call(ROUTE_PLUGIN, [PLUGIN_NETWORK, 0, 0]);
    core.call(ADD_ROUTE, [`${each}/:page`, STRATEGY_ORDERED]);
  }
  return {
    core,
    find: (path) => core.call(OPEN_EXCHANGE, [`GET\n\nfollow\n\n${path}\n\n\n\n\n\n\ncors\ndefault`, true, 0, 0, 0]),
  };
}

function ours() {
  // Before there is a manifest the core answers whatever a route takes.
  const { find: answer } = openCore();
  for (const path of paths) if (answer(path) === 0) throw new Error(`our router found nothing for ${path}`);
  if (answer(nowhere) !== 0) throw new Error(`our router found something for ${nowhere}`);
  // With one that lists nothing it finds the route, and leaves the request to the browser.
  const { core, find } = openCore();
  core.call(MANIFEST_BEGIN, []);
  core.call(MANIFEST_COMMIT, [false]);
  return find;
}

async function findMyWay(at) {
  const { default: create } = await import(at('find-my-way/index.js'));
  const router = create();
  for (const each of sections) router.on('GET', `${each}/:page`, () => {});
  const find = (path) => router.find('GET', path);
  for (const path of paths) if (!find(path)) throw new Error(`find-my-way found nothing for ${path}`);
  return find;
}

async function workbox(at) {
  const [{ Router }, { RegExpRoute }] = await Promise.all(
    ['Router', 'RegExpRoute'].map((name) => import(at(`workbox-routing/${name}.js`))),
  );
  const router = new Router();
  for (const each of sections)
    router.registerRoute(new RegExpRoute(new RegExp(`^${site}${each}/([^/]+)`), async () => new Response()));
  const request = { method: 'GET' };
  const find = (path) => router.findMatchingRoute({ url: new URL(site + path), sameOrigin: true, request });
  for (const path of paths) if (!find(path).route) throw new Error(`Workbox found nothing for ${path}`);
  return find;
}

/** Nanoseconds a look-up. */
function time(find) {
  const began = performance.now();
  for (let lap = 0; lap < laps; ++lap) for (const path of paths) find(path);
  return ((performance.now() - began) * 1e6) / (laps * paths.length);
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: { n1000VsFindMyWay: number, n1000VsWorkbox: number }, raw: object }>}
 */
export async function measure({ say, runs = rounds }) {
  process.env.NODE_ENV = 'production';
  globalThis.location ??= new URL(site); // Workbox looks at its worker's.
  const at = await rivals(say);
  const finders = { ours: ours(), findMyWay: await findMyWay(at), workbox: await workbox(at) };
  const contenders = Object.fromEntries(Object.entries(finders).map(([name, find]) => [name, async () => time(find)]));
  await interleave(contenders, 3); // compiled
  const times = await interleave(contenders, runs);
  const medians = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, rounded(median(list))]));
  say(`nanoseconds a look-up, medians of ${runs} rounds of ${laps * count}: ${JSON.stringify(medians)}`);
  return {
    json: { n1000VsFindMyWay: ratio(times.ours, times.findMyWay), n1000VsWorkbox: ratio(times.ours, times.workbox) },
    raw: medians,
  };
}
