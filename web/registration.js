// The site's service worker, as a page waits for it.
import { controllerWait, registrationWait, workerWait } from '../build/border.js';
import { trusted } from './trusted.js';
import { within } from '../sw/within.js';

/** A TrustedScriptURL has such members too. @typedef {string | URL | { toJSON(): string, toString(): string }} ScriptUrl */

/**
 * @typedef {object} Registering
 * @property {ScriptUrl} [worker] the script; without it the site registers one itself
 * @property {string} [scope]
 * @property {WorkerType} workerType
 */

/**
 * Whether this page can take part: not over plain HTTP, nor in a frame whose sandbox has no origin, nor in one without a URL of
 * its own (`srcdoc`, `about:blank`, `blob:`), for which browsers find no registration. Its parent's worker serves that one.
 */
export const isPossible = () =>
  globalThis.isSecureContext && globalThis.origin !== 'null' && !/^(about|blob)/.test(location.protocol);

/**
 * Resolves when somebody sees the page. Until then Chromium holds back its registrations, workers and locks, so that all of
 * them would seem to fail.
 */
export const shown = async () =>
  /** @type {{ prerendering?: boolean }} */ (globalThis.document)?.prerendering &&
  new Promise((resolve) => document.addEventListener('prerenderingchange', resolve));

/**
 * Whether the worker controls this page, as soon as that is known; undefined after limits::worker_wait. A worker that comes
 * later is met by `controllerchange` (bridge.js). Rejects if none comes by this: there are no service workers here, or the
 * script is refused.
 * @param {Registering} registering
 */
export async function isControlled(registering) {
  const container = isPossible() && navigator.serviceWorker;
  if (!container) throw new Error('no service workers: plain HTTP, a sandbox, no URL');
  try {
    return await within(workerWait, comes(container, registering));
  } catch (error) {
    if (container.controller) return true;
    throw error;
  }
}

/** Whether anybody has registered a worker for this page. */
export const isRegistered = () => navigator.serviceWorker.getRegistration().then(Boolean, () => false);

/** @param {ServiceWorkerContainer} container @param {Registering} registering */
async function comes(container, { worker, scope, workerType }) {
  const registration = worker
    ? await container.register(trusted(worker), { type: workerType, ...(scope && { scope }) })
    : ((await within(registrationWait, container.ready)) ?? ((await container.getRegistration()) && (await container.ready)));
  if (container.controller) return true;
  // The worker claims the pages of its scope before it is activated. After a forced reload it does not have this one.
  if (!registration || registration.active?.state === 'activated') return false;
  return claims(container, registration);
}

/** @param {ServiceWorkerContainer} container @param {ServiceWorkerRegistration} registration @returns {Promise<boolean>} */
function claims(container, registration) {
  return new Promise((resolve) => {
    container.addEventListener('controllerchange', () => resolve(true));
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    const look = () => {
      if (worker?.state === 'activated') setTimeout(() => resolve(false), controllerWait);
      if (worker?.state === 'redundant') resolve(false);
    };
    worker?.addEventListener('statechange', look);
    look();
  });
}
