// A coordinator without a site: sockets, and what an operator's tools ask for.
import { createServer } from 'node:http';
import { attach } from './coordinator.js';

/**
 * @typedef {object} StandaloneExtras
 * @property {number} [port] default 8081; 0 for any that is free
 * @property {string} [host] the address to listen on; default 127.0.0.1
 * @typedef {import('./coordinator.js').AttachOptions & StandaloneExtras} StandaloneOptions
 */

/**
 * Opens a coordinator on a port of its own. Beside the sockets it answers `/health/live`, `/health/ready` (503 from the first
 * word of drain() on; `/health` is the same) and `/metrics`. Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {StandaloneOptions} [options]
 */
export async function serveCoordinator(options = {}) {
  const server = createServer((request, response) => {
    const path = String(request.url).split('?', 1)[0];
    const give = (/** @type {number} */ status, /** @type {string} */ text) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') give(405, 'method-not-allowed\n');
    else if (path === '/health/live') give(200, 'live\n');
    else if (path === '/health' || path === '/health/ready') {
      give(coordinator.isReady ? 200 : 503, coordinator.isReady ? 'ready\n' : 'shutting-down\n');
    } else if (path === '/metrics') give(200, coordinator.metrics());
    else give(404, 'not-found\n');
  });
  const coordinator = attach(server, options);
  const host = options.host ?? '127.0.0.1';
  try {
    await new Promise((done, failed) => {
      server.once('error', failed);
      server.listen(options.port ?? 8081, host, () => done(undefined));
    });
  } catch (error) {
    await coordinator.close();
    throw error;
  }
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const end = async () => {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  return {
    port,
    server,
    coordinator,
    /** At once. */
    close: () => coordinator.close().then(end),
    /** Without haste: AttachedCoordinator.drain(). @param {number} [ms] */
    drain: (ms) => coordinator.drain(ms).then(end),
  };
}
