// A server of our own, from its port on.

/**
 * Rejects with Node's own errors (`EADDRINUSE`, ...).
 * @param {import('node:http').Server} server
 * @param {number} port
 * @param {string} host
 * @returns {Promise<number>} its port
 */
export const listen = (server, port, host) =>
  new Promise((done, failed) => {
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
