// `peer-cdn serve`: a folder as a site, with its manifest, digest lists, our scripts and the coordinator on one port.
import {createHash} from 'node:crypto';
import {realpath, stat} from 'node:fs/promises';
import {createServer} from 'node:http';
import {join, resolve} from 'node:path';
import send from 'send';
import {attach} from './coordinator.js';
import {isInside, packageFolder} from './files.js';
import * as limits from './limits.js';
import {makeManifest} from './manifest.js';

/**
 * @typedef {object} HandlerExtras
 * @property {(response: {method: string, path: string, status: number, bytes: number, request:
 *     import('node:http').IncomingMessage}) => void} [onResponse] told of every response when it is over; bytes is how much
 *     of its body was written
 * @typedef {import('./manifest.js').ManifestOptions & HandlerExtras} HandlerOptions
 */

/** @typedef {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => void} Handle */

/**
 * @typedef {object} ServeExtras
 * @property {number} [port] default 8080; 0 for any that is free
 * @property {string} [host] the address to listen on; default 127.0.0.1
 * @property {(handle: Handle) => Handle} [wrap] goes around the handler: to shape, count or add to it
 * @typedef {HandlerOptions & import('./coordinator.js').AttachOptions & ServeExtras} ServeOptions
 */

const scripts = new Map([
  ['/peer-cdn/sw.js', 'sw.js'],
  ['/peer-cdn/sw.mjs', 'sw.mjs'],
  ['/peer-cdn/index.js', 'index.js'],
]);

/** The manifest of a folder that changes: looked through again when asked for, at most once a second. */
export class LiveManifest {
  #folder;
  #options;
  #current = {text: '', etag: '', digests: new Map()};
  #earlier = new Map();
  /** @type {Promise<void> | null} */
  #scanning = null;
  #scannedAt = -Infinity;

  /**
   * @param {string} folder
   * @param {import('./manifest.js').ManifestOptions} options
   */
  constructor(folder, options) {
    this.#folder = folder;
    this.#options = {...options, cache: options.cache ?? new Map()};
  }

  /** @returns {Promise<{text: string, etag: string}>} */
  async current() {
    if (!this.#scanning && performance.now() - this.#scannedAt >= limits.rescanMs) {
      this.#scanning = this.#scan().finally(() => {
        this.#scannedAt = performance.now();
        this.#scanning = null;
      });
    }
    await this.#scanning;
    return this.#current;
  }

  /** A digest list of this manifest or of the one before, which visitors may still have. */
  async digests(root) {
    if (!this.#current.text) await this.current();
    return this.#current.digests.get(root) ?? this.#earlier.get(root);
  }

  async #scan() {
    const {manifest, digests} = await makeManifest(this.#folder, this.#options);
    const text = JSON.stringify(manifest);
    if (text === this.#current.text) return;
    this.#earlier = this.#current.digests;
    this.#current = {text, etag: `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`, digests};
  }
}

function answer(request, response, status, headers, body) {
  response.writeHead(status, {...headers, 'content-length': Buffer.byteLength(body)});
  response.end(request.method === 'HEAD' ? undefined : body);
}

function fail(request, response, status, code) {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  answer(request, response, status, {'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff'}, `${code}\n`);
}

const failures = {400: 'bad-request', 403: 'forbidden', 404: 'not-found', 412: 'precondition-failed', 416: 'range-not-satisfiable'};

/** Hands over to `send`, which knows ranges, conditions and types; only the body of its refusals is ours. */
function sendFile(request, response, path, root, options, headers = {}) {
  return new Promise((done) => {
    response.on('close', done);
    send(request, path, {root, dotfiles: 'deny', ...options})
        .on('headers', () => {
          for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        })
        .on('error', (error) => {
          if (error.status === 416) response.setHeader('content-range', error.headers?.['Content-Range'] ?? '');
          fail(request, response, error.status ?? 500, failures[error.status] ?? 'failed');
        })
        .pipe(response);
  });
}

/** Links may lead elsewhere in the folder, never out of it. `send` itself follows all. */
async function staysInside(folder, path) {
  try {
    const target = await realpath(resolve(folder, `.${decodeURIComponent(path)}`));
    if (!isInside(folder, target)) return false;
    if (!path.endsWith('/')) return true;
    return isInside(folder, await realpath(join(target, 'index.html')));
  } catch {
    return true;  // not there, or no path at all: `send` says what
  }
}

class Site {
  #folder;
  #live;

  constructor(folder, options) {
    this.#folder = folder;
    this.#live = new LiveManifest(folder, {...options, base: '/', digestsBase: '/peer-cdn/digests/'});
  }

  get live() {
    return this.#live;
  }

  async respond(request, response) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return fail(request, response, 405, 'method-not-allowed');
    }
    const path = request.url.split(/[?#]/, 1)[0];
    if (!path.startsWith('/')) return fail(request, response, 400, 'bad-request');
    if (path === '/peer-cdn.json') return this.#manifest(request, response);
    if (path.startsWith('/peer-cdn/digests/')) return this.#digests(request, response, path.slice('/peer-cdn/digests/'.length));
    const script = scripts.get(path);
    if (script) {
      const headers = {'service-worker-allowed': '/', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff'};
      return sendFile(request, response, `/${script}`, join(packageFolder, 'dist'), {}, headers);
    }
    const top = await realpath(this.#folder);
    if (!(await staysInside(top, path))) return fail(request, response, 403, 'forbidden');
    return sendFile(request, response, path, top, {index: 'index.html'});
  }

  async #manifest(request, response) {
    const {text, etag} = await this.#live.current();
    const headers = {'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache', etag};
    if (String(request.headers['if-none-match'] ?? '').split(/\s*,\s*/).includes(etag)) {
      response.writeHead(304, headers).end();
    } else {
      answer(request, response, 200, headers, text);
    }
  }

  async #digests(request, response, root) {
    const list = await this.#live.digests(root);
    if (!list) return fail(request, response, 404, 'not-found');
    const headers = {'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable', 'x-content-type-options': 'nosniff'};
    return answer(request, response, 200, headers, list);
  }
}

/** Counts a body as it is written; told when the response is over. */
function observe(request, response, onResponse) {
  let bytes = 0;
  const add = (chunk, encoding) => {
    if (typeof chunk === 'string') bytes += Buffer.byteLength(chunk, typeof encoding === 'string' ? encoding : 'utf8');
    else if (chunk && typeof chunk !== 'function') bytes += chunk.length;
  };
  const {write, end} = response;
  response.write = (chunk, encoding, done) => (add(chunk, encoding), write.call(response, chunk, encoding, done));
  response.end = (chunk, encoding, done) => (add(chunk, encoding), end.call(response, chunk, encoding, done));
  response.once('close', () => {
    onResponse({method: request.method, path: request.url, status: response.statusCode, bytes, request});
  });
}

function handlerOf(site, options) {
  return (request, response) => {
    if (options.onResponse) observe(request, response, options.onResponse);
    site.respond(request, response).catch(() => fail(request, response, 500, 'failed'));
  };
}

/**
 * Answers requests for a folder's files, its manifest, digest lists and our scripts: for an http server of your own. Add
 * the coordinator with attach().
 * @param {string} folder
 * @param {HandlerOptions} [options]
 * @returns {Handle}
 */
export function handler(folder, options = {}) {
  return handlerOf(new Site(folder, options), options);
}

const listen = (server, port, host) => new Promise((done, failed) => {
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
    throw Object.assign(new Error(`${folder} is not a folder`), {code: 'ENOTDIR', path: folder});
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
  const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
  const isLocal = ['127.0.0.1', '::1', '::', '0.0.0.0'].includes(host);
  const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return {url: `http://${name}:${port}/`, server, coordinator, close};
}
