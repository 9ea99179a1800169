// A coordinator without a site.
import { createServer } from 'node:http';
import { attach } from './coordinator.js';

/**
 * @typedef {object} StandaloneExtras
 * @property {number} [port] default 8081; 0 for any that is free
 * @property {string} [host] the address to listen on; default 127.0.0.1
 * @typedef {import('./coordinator.js').AttachOptions & StandaloneExtras} StandaloneOptions
 */

/**
 * Opens a coordinator on a port of its own. Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {StandaloneOptions} [options]
 */
export async function serveCoordinator(options = {}) {
  const server = createServer((_, response) => {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('not-found\n');
  });
  const coordinator = attach(server, options);
  try {
    await new Promise((done, failed) => {
      server.once('error', failed);
      server.listen(options.port ?? 8081, options.host ?? '127.0.0.1', () => done(undefined));
    });
  } catch (error) {
    await coordinator.close();
    throw error;
  }
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = async () => {
    await coordinator.close();
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  return { port, server, coordinator, close };
}
