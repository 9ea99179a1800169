// Coordinators of the command line on one Redis, behind a real nginx that sends each socket to the next of them.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SOCKET_PATH } from '../../build/border.js';
import { root } from '../../scripts/run.mjs';
import { freePort, listening, start } from '../server/debian.mjs';

/** Resolves when it is so. The test's own time limits it. */
export async function until(isSo) {
  while (!(await isSo())) await new Promise((go) => setTimeout(go, 50));
}

export async function startCoordinator(t, { redis, port, origin }) {
  const args = ['coordinator', '--port', String(port), '--origin', origin, '--redis', redis];
  const process = start(t, { path: globalThis.process.execPath }, [join(root, 'src/server/cli.js'), ...args]);
  await listening(port);
  const metric = async (name) => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(text.match(new RegExp(`^peer_cdn_${name} (\\d+)$`, 'm'))[1]);
  };
  return { ...process, port, metric };
}

export async function startNginx(t, tool, ports) {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-nginx-'));
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  // One process: a worker of its own would outlive a master that is killed.
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
     http { access_log off; ${places}
       upstream coordinators { ${ports.map((each) => `server 127.0.0.1:${each} max_fails=1 fail_timeout=1s;`).join(' ')} }
       server { listen 127.0.0.1:${port}; location ${SOCKET_PATH} {
         proxy_pass http://coordinators; proxy_http_version 1.1; proxy_next_upstream error timeout http_503;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $http_host;
         proxy_read_timeout 120s; } } }`,
  );
  start(t, tool, ['-c', config, '-p', folder], { asGroup: true });
  await listening(port);
  return `http://127.0.0.1:${port}${SOCKET_PATH}`;
}
