// What most tests begin with: a site with one listed file, and a worker for it.
import { Origin } from './origin.mjs';
import { Browser, startWorker } from './worker.mjs';

/**
 * A site with '/static/a.bin' of so many bytes, and more files of that length if they are named; and a worker, and a page if
 * it is asked for. `faults`: of the Cache Storage that the worker finds. Other options are those of Origin.add() and
 * startWorker().
 */
export async function scene({
  bytes = 100_000,
  more = [],
  page: hasPage = false,
  script,
  isInstalled,
  isWasmAllowed,
  faults = {},
  ...options
} = {}) {
  const origin = new Origin();
  const [file, ...others] = ['/static/a.bin', ...more].map((path) => origin.add(path, bytes, options));
  const browser = new Browser(origin.clock);
  Object.assign(browser.caches.faults, faults);
  const worker = await startWorker({ origin, browser, script, isInstalled, isWasmAllowed });
  const page = hasPage ? await worker.page() : null;
  const fetchAll = async (init) => (await worker.fetch('/static/a.bin', init)).bytes();
  return { origin, file, others, worker, page, clock: origin.clock, browser, caches: browser.caches, fetchAll };
}

/**
 * The script of a worker with one route, '/static'. Plugins of ours by name, 'cache', 'delegate' or 'network', or with
 * options as ['delegate', { patience: 1 }]; a site's own are factories, as user() makes them.
 */
export const chain =
  (strategy, ...plugins) =>
  ({ PeerCDN, CachePlugin, DelegatePlugin, NetworkPlugin }) => {
    const ours = { cache: CachePlugin, delegate: DelegatePlugin, network: NetworkPlugin };
    const factories = plugins.map((plugin) => {
      if (typeof plugin === 'function') return plugin;
      const [name, options] = [plugin].flat();
      return new ours[name](options).getMiddleware;
    });
    return new PeerCDN().GET('/static', strategy, ...factories).register();
  };

/** A plugin of the site. `calls` tells what was called, as 'get' and 'put'. */
export function user(get, put) {
  const calls = [];
  const factory = (event) => ({
    get: () => (calls.push('get'), get(event)),
    ...(put ? { put: (response) => (calls.push('put'), put(response)) } : {}),
  });
  return Object.assign(factory, { calls });
}
