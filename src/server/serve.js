// `peer-cdn serve`: a folder as a site, with its manifest, digest lists, our scripts and the coordinator on one port.
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { AttachedCoordinator } from './attach.js';
import { checkIsFolder, handlerOf, Site } from './handler.js';
import { closeServer, listen } from './listen.js';
import { attachNames, checkNames, kinds, manifestNames } from './names.js';

/** @typedef {import('./handler.js').Handle} Handle */

/**
 * @typedef {object} ListenOptions
 * @property {number} [port] default 8080; 0 for any that is free
 * @property {string} [host] the address to listen on; default 127.0.0.1
 */

/**
 * @typedef {object} Served
 * @property {string} url
 * @property {import('node:http').Server} server
 * @property {import('./attach.js').AttachedCoordinator} coordinator
 * @property {() => Promise<void>} close
 */

/**
 * @typedef {object} ServeExtras
 * @property {(handle: Handle) => Handle} [wrap] goes around the handler: to shape, count or add to it
 * @typedef {import('./handler.js').HandlerOptions & import('./options.js').AttachOptions & ListenOptions &
 *   ServeExtras} ServeOptions
 */

/**
 * A server with a coordinator, listening. Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {Handle} handle
 * @param {ListenOptions & import('./options.js').AttachOptions} options
 * @returns {Promise<Served>}
 */
async function listenWith(handle, options) {
  const server = createServer(handle);
  const host = options.host ?? '127.0.0.1';
  const coordinator = new AttachedCoordinator(server, options);
  const close = () => coordinator.close().then(() => closeServer(server));
  let port;
  try {
    port = await listen(server, options.port ?? 8080, host);
  } catch (error) {
    await close();
    throw error;
  }
  const isLocal = ['127.0.0.1', '::1', '::', '0.0.0.0'].includes(host);
  const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${port}/`, server, coordinator, close };
}

/**
 * Serves a folder. Resolves when the files are digested and the port is open; rejects with Node's own errors (`ENOENT`,
 * `ENOTDIR`, `EADDRINUSE`, ...).
 * @param {string} folder
 * @param {ServeOptions} [options]
 * @returns {Promise<Served>}
 */
export async function serve(folder, options = {}) {
  const { host, listener, port } = kinds;
  checkNames(options, [attachNames, manifestNames, { onResponse: listener, port, host, wrap: listener }], 'serve()');
  checkIsFolder(folder, 'serve()');
  if (!(await stat(folder)).isDirectory()) {
    throw Object.assign(new Error(`${folder} is not a folder`), { code: 'ENOTDIR', path: folder });
  }
  const site = new Site(folder, options);
  const handle = handlerOf(site, options);
  // The port first: whether it is free is known at once.
  const served = await listenWith(options.wrap ? options.wrap(handle) : handle, options);
  try {
    await site.live.current();
  } catch (error) {
    await served.close();
    throw error;
  }
  return served;
}
