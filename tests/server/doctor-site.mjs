// A site that is right in all, for tests of `peer-cdn doctor`, and the same site with something changed.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after } from 'node:test';
import { SOCKET_PATH } from '../../build/border.js';
import { attach, handler } from '../../src/server/index.js';
import { bytesOf, makeFolder } from './folder.mjs';

export const worker = `importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered } } = PeerCDN;
const cache = new CachePlugin({ version: 1 });
const delegate = new DelegatePlugin();
const network = new NetworkPlugin();
const cdn = new PeerCDN();
cdn.GET('/static', ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
cdn.register();
`;
export const page = `<!doctype html><script type="module">
import { start } from '/peer-cdn/index.js';
await start({ worker: '/sw.js' });
</script>`;
export const files = {
  'index.html': page,
  'sw.js': worker,
  'static/large.bin': bytesOf('large', 600_000),
  'static/small.png': bytesOf('small', 5000),
};

/** Of all sites that want the usual one, because a coordinator takes 64 MB and some milliseconds. */
const coordinator = attach(null);
after(() => coordinator.close());

/** @returns what closes it */
function coordinatorFor(server, options) {
  if (Object.keys(options).length > 0) return attach(server, options);
  server.on('upgrade', (request, socket, head) => {
    if (request.url.split('?')[0] === SOCKET_PATH) coordinator.handleUpgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
  });
  return null;
}

/**
 * A site with all that is needed. `rules` answer first, by path; a function gets request, response and what goes on.
 * @returns its URL
 */
export async function site(t, { rules = {}, socket = {}, changed = {}, options = {} } = {}) {
  const folder = makeFolder(t, { ...files, ...changed });
  const handle = handler(folder, options);
  const server = createServer((request, response) => {
    const rule = rules[request.url];
    if (typeof rule === 'function') rule(request, response, () => handle(request, response));
    else if (rule) response.writeHead(rule.status ?? 200, rule.headers).end(rule.body);
    else handle(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const own = socket && coordinatorFor(server, socket);
  t.after(async () => {
    await own?.close();
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}/`;
}

export const statesOf = ({ findings }) => Object.fromEntries(findings.map(({ check, state }) => [check, state]));
