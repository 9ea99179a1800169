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
// Without `worker`: the site registers one by then, or never.
const REGISTRATION_WAIT_MS = 3000;

/** The site's own registration, once it is active; undefined if there is none. @param {ServiceWorkerContainer} container */
async function registered(container) {
  const late = new Promise((resolve) => {
    setTimeout(() => resolve(undefined), REGISTRATION_WAIT_MS);
  });
  return await Promise.race([container.ready, late]) ?? (await container.getRegistration() && container.ready);
}

/** @param {ServiceWorkerContainer} container @param {ServiceWorkerRegistration} registration */
function controlled(container, registration) {
  return new Promise((resolve) => {
    if (container.controller) return resolve(true);
    container.addEventListener('controllerchange', () => resolve(true), {once: true});
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    const look = () => {
      const active = registration.active || worker?.state === 'activated';
      if (active) setTimeout(() => resolve(false), CONTROLLER_WAIT_MS);
      if (worker?.state === 'redundant') resolve(false);
    };
    worker?.addEventListener('statechange', look);
    look();
  });
}

/**
 * Starts sharing in this page. Resolves when the worker controls the page and the coordinator has said who has what
 * (half a second at most): what is fetched then may come from peers. Or, `active` false and a `reason`, where that
 * cannot be. Never rejects, never reloads.
 * @param {StartOptions & Omit<import('./plugin.js').PeerOptions, 'form'>} [options]
 * @returns {Promise<PeerPlugin>}
 */
export async function start({worker, scope, workerType = 'classic', ...options} = {}) {
  const plugin = new PeerPlugin({...options, form: 'stream'});
  try {
    const container = navigator.serviceWorker;
    const registration = worker ?
      await container.register(worker, {type: workerType, ...(scope && {scope})}) : await registered(container);
    if (registration && await controlled(container, registration)) await plugin.informed;
  } catch {
    // No service workers here, a private window, a script that does not load: the site works as without us.
  }
  return plugin;
}
