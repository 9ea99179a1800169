// peer-cdn in a page: start() for most, PeerPlugin for those who answer the worker themselves.
import { known, named } from './options.js';
import { CachePlugin, PeerPlugin } from './plugin.js';
import { usable } from './settings.js';
import { sharedHere } from './shared.js';

export { CachePlugin, PeerPlugin };

/** @typedef {import('./registration.js').ScriptUrl} ScriptUrl */

/**
 * @typedef {object} WorkerOptions
 * @property {ScriptUrl} [worker] your service worker's script; registered unless you did it yourself
 * @property {string} [scope] which pages it may control; default: those beside and below its script
 * @property {WorkerType} [workerType] 'classic' (the default) or 'module'
 * @typedef {WorkerOptions & Omit<import('./plugin.js').PeerOptions, 'form'>} StartOptions
 */

/**
 * Starts sharing in this page. Resolves when the worker controls the page and the coordinator has said who has what
 * (half a second at most): what is fetched then may come from peers. Or, `active` false and a `reason`, where that
 * cannot be, or the worker takes longer than ten seconds: when it comes, sharing begins, and `active` turns true.
 * Never rejects, never reloads. All instances in a page share one engine, and each is to be closed.
 * @param {StartOptions} [options]
 * @returns {Promise<PeerPlugin>}
 */
export async function start(options) {
  const given = named(options);
  const { worker, scope, workerType = 'classic' } = usable(given, known);
  const plugin = new PeerPlugin({ ...given, form: 'stream' });
  await sharedHere()?.control({ worker, scope, workerType });
  return plugin;
}
