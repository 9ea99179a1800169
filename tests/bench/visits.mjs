// What nobody and small share: one page in three sites on one origin's terms, with our worker, with a worker that only
// passes requests on, and with none.
import {documentedWorker, openSite} from '../e2e/harness/index.mjs';

// A route as ours has it, and nothing else: what the platform itself takes for a worker on the way.
const relayWorker = `addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  if (new URL(event.request.url).pathname.startsWith('/static/')) event.respondWith(fetch(event.request));
});`;
const relayScript = `await navigator.serviceWorker.register('/sw.js');
if (!navigator.serviceWorker.controller) {
  await new Promise((go) => navigator.serviceWorker.addEventListener('controllerchange', go, { once: true }));
}
document.documentElement.dataset.state = 'ready';`;

/** The files of each site beside those that are measured. */
const kinds = {
  ours: {'/sw.js': documentedWorker()},
  relay: {'/page.js': relayScript, '/sw.js': relayWorker},
  network: {'/page.js': 'document.documentElement.dataset.state = \'ready\';'},
};

/**
 * The same files three times, each behind an origin of its own.
 * @param {Record<string, Buffer>} files
 * @param {(opening: Promise<any>) => Promise<any>} keep what is to be closed
 * @param {object} [options] openSite()'s
 */
export async function openSites(files, keep, options) {
  const sites = {};
  for (const [kind, own] of Object.entries(kinds)) sites[kind] = await keep(openSite({...files, ...own}, options));
  return sites;
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
