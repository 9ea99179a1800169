// What nobody, small, lone and readers share: one page in four sites on one origin's terms, with our worker, with none, and
// with the fewest lines that pass requests on, or verify what comes before they pass it on.
import { documentedWorker, openSite } from '../e2e/harness/index.mjs';

/**
 * A route as ours has it, and nothing else: what the platform itself takes for a worker on the way.
 * @param {string} answer a function of the request, as text
 * @param {string[]} [routes]
 */
export const workerThat = (answer, routes = ['/static/']) => `const answer = ${answer};
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url);
  if (${JSON.stringify(routes)}.some((route) => pathname.startsWith(route))) event.respondWith(answer(event.request));
});`;
// What verifying costs at the least: to read all of it, to digest it, and to answer with it.
const verify = `async (request) => {
  const response = await fetch(request);
  const bytes = await response.arrayBuffer();
  await crypto.subtle.digest('SHA-256', bytes);
  return new Response(bytes, { headers: response.headers });
}`;
const relayScript = `await navigator.serviceWorker.register('/sw.js');
if (!navigator.serviceWorker.controller) {
  await new Promise((go) => navigator.serviceWorker.addEventListener('controllerchange', go, { once: true }));
}
document.documentElement.dataset.state = 'ready';`;

/** The files of a site whose page has this worker, or none. @param {string} [worker] */
export const pageThat = (worker) =>
  worker === undefined
    ? { '/page.js': "document.documentElement.dataset.state = 'ready';" }
    : { '/page.js': relayScript, '/sw.js': worker };

/** The files of each site beside those that are measured. */
const kinds = {
  ours: { '/sw.js': documentedWorker() },
  relay: pageThat(workerThat('(request) => fetch(request)')),
  verifier: pageThat(workerThat(verify)),
  network: pageThat(),
};

/**
 * The same files in each of them, each behind an origin of its own.
 * @param {Record<string, Buffer>} files
 * @param {(opening: Promise<any>) => Promise<any>} keep what is to be closed
 * @param {object} [options] openSite()'s
 */
export async function openSites(files, keep, options) {
  const sites = {};
  for (const [kind, own] of Object.entries(kinds)) sites[kind] = await keep(openSite({ ...files, ...own }, options));
  return sites;
}

/**
 * Ours and the network alone, as openSites().
 * @param {Record<string, Buffer>} files
 * @param {(opening: Promise<any>) => Promise<any>} keep
 * @param {object} [options]
 */
export async function openTwo(files, keep, options) {
  const open = (kind) => keep(openSite({ ...files, ...kinds[kind] }, options));
  return { ours: await open('ours'), network: await open('network') };
}

/** Opens what is kept in `open`, and closes it all at the end, however it ends. */
export async function closing(work) {
  const open = [];
  try {
    return await work(async (opening) => {
      const one = await opening;
      open.push(one);
      return one;
    });
  } finally {
    await Promise.allSettled(open.reverse().map((one) => one.close()));
  }
}
