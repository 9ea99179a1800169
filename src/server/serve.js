// `peer-cdn serve`: a folder as a site, with its manifest, digest lists, our scripts and the coordinator on one port.
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { attach } from './coordinator.js';
import { handlerOf, Site } from './handler.js';

/** @typedef {import('./handler.js').Handle} Handle */

/**
 * @typedef {object} ServeExtras
 * @property {number} [port] default 8080; 0 for any that is free
 * @property {string} [host] the address to listen on; default 127.0.0.1
 * @property {(handle: Handle) => Handle} [wrap] goes around the handler: to shape, count or add to it
 * @typedef {import('./handler.js').HandlerOptions & import('./coordinator.js').AttachOptions & ServeExtras} ServeOptions
 */

/** @param {import('node:http').Server} server @param {number} port @param {string} host */
const listen = (server, port, host) =>
  new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      done(undefined);
    });
  });

/**
 * Serves a folder. Resolves when the files are digested and the port is open; rejects with Node's own errors (`ENOENT`,
 * `ENOTDIR`, `EADDRINUSE`, ...).
 * @param {string} folder
 * @param {ServeOptions} [options]
 * @returns {Promise<{url: string, server: import('node:http').Server, coordinator:
 *     import('./coordinator.js').AttachedCoordinator, close: () => Promise<void>}>}
 */
export async function serve(folder, options = {}) {
  if (!(await stat(folder)).isDirectory()) {
    throw Object.assign(new Error(`${folder} is not a folder`), { code: 'ENOTDIR', path: folder });
  }
  const site = new Site(folder, options);
  const handle = handlerOf(site, options);
  const server = createServer(options.wrap ? options.wrap(handle) : handle);
  const host = options.host ?? '127.0.0.1';
  const coordinator = attach(server, options);
  const close = async () => {
    await coordinator.close();
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  try {
    // The port first: whether it is free is known at once.
    await listen(server, options.port ?? 8080, host);
    await site.live.current();
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const isLocal = ['127.0.0.1', '::1', '::', '0.0.0.0'].includes(host);
  const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${port}/`, server, coordinator, close };
}
