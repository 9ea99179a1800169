// peer-cdn in a page: start() for most, PeerPlugin for those who answer the worker themselves.
import {CachePlugin, PeerPlugin} from './plugin.js';

export {CachePlugin, PeerPlugin};

/**
 * @typedef {object} StartOptions
 * @property {string} [worker] your service worker's script; registered unless you did it yourself
 * @property {string} [scope]
 * @property {WorkerType} [workerType] 'classic' or 'module'
 */

// The worker is active, and yet does not control this page, after a forced reload: there is nothing to wait for.
const CONTROLLER_WAIT_MS = 3000;

/** @param {ServiceWorkerContainer} container @param {ServiceWorkerRegistration} registration */
function controlled(container, registration) {
  return new Promise((resolve) => {
    if (container.controller) return resolve(true);
    container.addEventListener('controllerchange', () => resolve(true), {once: true});
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    const look = () => {
      if (worker?.state === 'activated') setTimeout(() => resolve(false), CONTROLLER_WAIT_MS);
      if (worker?.state === 'redundant') resolve(false);
    };
    worker?.addEventListener('statechange', look);
    look();
  });
}

/**
 * Starts sharing in this page. Resolves when the worker controls the page, and then what is fetched may come from
 * peers; or, `active` false and a `reason`, where that cannot be. Never rejects, never reloads.
 * @param {StartOptions & Omit<import('./plugin.js').PeerOptions, 'form'>} [options]
 * @returns {Promise<PeerPlugin>}
 */
export async function start({worker, scope, workerType = 'classic', ...options} = {}) {
  const plugin = new PeerPlugin({...options, form: 'stream'});
  try {
    const container = navigator.serviceWorker;
    const registration = worker ?
      await container.register(worker, {type: workerType, ...(scope && {scope})}) : await container.ready;
    await controlled(container, registration);
  } catch {
    // No service workers here, a private window, a script that does not load: the site works as without us.
  }
  return plugin;
}
