// A coordinator without a site: sockets, and what an operator's tools ask for.
import { createServer } from 'node:http';
import { SOCKET_PATH } from '../../build/border.js';
import { AttachedCoordinator } from './attach.js';
import { closeServer, listen } from './listen.js';
import { attachNames, checkNames, kinds, outOfRange } from './names.js';
import { pathOf } from './paths.js';

/**
 * @typedef {object} StandaloneExtras
 * @property {number} [port] default 8081; 0 for any that is free
 * @property {number} [metricsPort] a port for `/metrics` alone, and for what is asked of our health; then the other port does not
 *     answer `/metrics`. 0 for any that is free; default: one port for all
 * @property {string} [host] the address to listen on; default 127.0.0.1
 * @typedef {import('./options.js').AttachOptions & StandaloneExtras} StandaloneOptions
 */

/**
 * Answers what an operator's tools ask for.
 * @param {() => import('./attach.js').AttachedCoordinator} coordinatorOf
 * @param {boolean} hasMetrics
 * @param {string} [socketPath] where its sockets are, if they are on this server
 */
const toolsServer = (coordinatorOf, hasMetrics, socketPath = '') =>
  createServer((request, response) => {
    const coordinator = coordinatorOf();
    const path = pathOf(request);
    const give = (/** @type {number} */ status, /** @type {string} */ text) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') give(405, 'method-not-allowed\n');
    else if (path === '/health/live') give(200, 'live\n');
    else if (path === '/health' || path === '/health/ready') {
      give(coordinator.isReady ? 200 : 503, coordinator.isReady ? 'ready\n' : 'shutting-down\n');
    } else if (path === '/metrics' && hasMetrics) give(200, coordinator.metrics());
    else if (path === socketPath) {
      response.setHeader('upgrade', 'websocket');
      give(426, 'upgrade-required: this path takes WebSockets: let the proxy forward the headers Upgrade and Connection\n');
    } else give(404, 'not-found\n');
  });

/**
 * Opens a coordinator on a port of its own. Beside the sockets it answers `/health/live`, `/health/ready` (503 from the first
 * word of drain() on; `/health` is the same) and `/metrics`. Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {StandaloneOptions} [options]
 */
export async function serveCoordinator(options = {}) {
  const { host: address, port: number } = kinds;
  checkNames(options, [attachNames, { port: number, metricsPort: number, host: address }], 'serveCoordinator()');
  const host = options.host ?? '127.0.0.1';
  const port = Number(options.port ?? 8081);
  const metricsPort = Number(options.metricsPort ?? port);
  const isApart = (options.metricsPort ?? undefined) !== undefined;
  if (isApart && metricsPort === port && port !== 0) throw outOfRange(`metricsPort takes another port than ${port}`);
  const server = toolsServer(() => coordinator, !isApart, options.path ?? SOCKET_PATH);
  const coordinator = new AttachedCoordinator(server, options, true);
  const servers = isApart ? [server, toolsServer(() => coordinator, true)] : [server];
  const end = () => Promise.all(servers.map(closeServer));
  try {
    const [main, metrics] = await Promise.all(servers.map((each, i) => listen(each, i === 0 ? port : metricsPort, host)));
    return {
      port: main,
      /** The same port, where none was given. */
      metricsPort: metrics ?? main,
      server,
      coordinator,
      /** At once. */
      close: () => coordinator.close().then(end),
      /** Without haste: AttachedCoordinator.drain(). @param {number} [ms] */
      drain: (/** @type {number | undefined} */ ms) => coordinator.drain(ms).then(end),
    };
  } catch (error) {
    await coordinator.close();
    await end();
    throw error;
  }
}
