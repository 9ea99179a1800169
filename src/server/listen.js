// A server of our own, from its port on.
import { readFileSync } from 'node:fs';
import * as limits from './limits.js';

/**
 * How many connections the process may have. At its limit of open files it would take no more, and could neither tell that nor
 * come back to Redis: so a server refuses before. Undefined where nobody knows the limit.
 */
function connectionsMost() {
  try {
    const files = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
    return files > 0 ? Math.max(Math.floor(files / 2), files - limits.otherFiles) : undefined;
  } catch {
    return undefined; // not Linux
  }
}

/**
 * Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {import('node:http').Server} server
 * @param {number} port
 * @param {string} host
 * @returns {Promise<number>} its port
 */
export const listen = (server, port, host) =>
  new Promise((done, failed) => {
    const most = connectionsMost();
    if (most !== undefined) server.maxConnections = most;
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      done(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
    });
  });

/** With all that is open there. @param {import('node:http').Server} server */
export async function closeServer(server) {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}
