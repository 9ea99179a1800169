// A coturn that believes the credentials which turnCredentials() mints, as docs/coordinator.md says.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianTool, listening, start } from '../server/debian.mjs';

export const realm = 'example.org';
export const secret = 'a secret that coturn shares with us';

/**
 * Null where there is none.
 * @param {import('node:test').TestContext} t
 * @param {number} port
 */
export async function startCoturn(t, port) {
  const libraries = ['core', 'extra', 'openssl', 'pthreads'].map((name) => `libevent-${name}-2.1-7`);
  const others = ['libhiredis0.14', 'libmariadb3', 'libpq5', 'libsqlite3-0', 'libssl3'];
  const tool = await debianTool('coturn', 'usr/bin/turnserver', [...libraries, ...others]);
  if (!tool) return null;
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-coturn-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = ['--log-file', 'stdout', '--pidfile', join(folder, 'pid'), '--userdb', join(folder, 'db'), '--no-cli'];
  const where = ['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--listening-port', String(port)];
  const trust = ['--use-auth-secret', '--static-auth-secret', secret, '--realm', realm];
  // Both sides of a connection have their relayed addresses at this one machine.
  const near = '--allow-loopback-peers';
  const server = start(t, tool, ['-n', ...files, ...where, ...trust, near, '--no-tls', '--no-dtls']);
  await Promise.race([listening(port), server.exited.then(() => assert.fail(server.output()))]);
  return server;
}
