// Answers http requests for a folder: its files, its manifest and digest lists, and our scripts.
import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import send from 'send';
import { DIGESTS_PATH, MANIFEST_PATH } from '../../build/border.js';
import { isInside, scriptFolder, scriptNames } from './files.js';
import { LiveManifest } from './live-manifest.js';
import { badOption, checkNames, kinds, manifestNames, shown } from './names.js';
import { pathOf } from './paths.js';
import { warnProcess } from './warnings.js';

/**
 * @typedef {object} HandlerExtras
 * @property {(response: {method: string, path: string, status: number, bytes: number, request:
 *     import('node:http').IncomingMessage}) => void} [onResponse] told of every response when it is over; bytes is how much
 *     of its body was written
 * @typedef {import('./manifest.js').ManifestOptions & HandlerExtras} HandlerOptions
 */

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */
/** @typedef {(request: Request, response: Response) => void} Handle */

const scripts = new Map(scriptNames.map((name) => [`/peer-cdn/${name}`, `/${name}`]));

/**
 * @param {Request} request
 * @param {Response} response
 * @param {number} status
 * @param {import('node:http').OutgoingHttpHeaders} headers
 * @param {string | Buffer} body
 */
function answer(request, response, status, headers, body) {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** @param {Request} request @param {Response} response @param {number} status @param {string} code */
function fail(request, response, status, code) {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  answer(request, response, status, headers, `${code}\n`);
}

/** @type {Record<number, string>} */
const failures = {
  400: 'bad-request',
  403: 'forbidden',
  404: 'not-found',
  412: 'precondition-failed',
  416: 'range-not-satisfiable',
};

/**
 * Hands over to `send`, which knows ranges, conditions and types; only the body of its refusals is ours.
 * @param {Request} request
 * @param {Response} response
 * @param {string} path
 * @param {string} root
 * @param {import('send').SendOptions} options
 * @param {Record<string, string>} [headers]
 */
function sendFile(request, response, path, root, options, headers = {}) {
  return new Promise((done) => {
    response.on('close', () => done(undefined));
    send(request, path, { root, dotfiles: 'deny', ...options })
      .on('headers', () => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      })
      .on('error', (error) => {
        if (error.status === 416) response.setHeader('content-range', error.headers?.['Content-Range'] ?? '');
        const { status = 500 } = error;
        fail(request, response, status, failures[status] ?? 'failed');
      })
      .pipe(response);
  });
}

/**
 * Links may lead elsewhere in the folder, never out of it. `send` itself follows all.
 * @param {string} folder
 * @param {string} path
 */
async function staysInside(folder, path) {
  try {
    const target = await realpath(resolve(folder, `.${decodeURIComponent(path)}`));
    if (!isInside(folder, target)) return false;
    if (!path.endsWith('/')) return true;
    return isInside(folder, await realpath(join(target, 'index.html')));
  } catch {
    return true; // not there, or no path at all: `send` says what
  }
}

/** One folder's answers. */
export class Site {
  #folder;
  #live;

  /** @param {string} folder @param {import('./manifest.js').ManifestOptions} options */
  constructor(folder, options) {
    this.#folder = folder;
    // `base` is where a router has mounted us: it takes that off each request's path.
    this.#live = new LiveManifest(folder, options);
  }

  get live() {
    return this.#live;
  }

  /** @param {Request} request @param {Response} response */
  async respond(request, response) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return fail(request, response, 405, 'method-not-allowed');
    }
    const path = pathOf(request);
    if (!path.startsWith('/')) return fail(request, response, 400, 'bad-request');
    if (path === MANIFEST_PATH) return this.#manifest(request, response);
    if (path.startsWith(DIGESTS_PATH)) return this.#digests(request, response, path.slice(DIGESTS_PATH.length));
    const script = scripts.get(path);
    if (script) {
      const headers = { 'service-worker-allowed': '/', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' };
      return sendFile(request, response, script, scriptFolder, {}, headers);
    }
    const top = await realpath(this.#folder);
    if (!(await staysInside(top, path))) return fail(request, response, 403, 'forbidden');
    return sendFile(request, response, path, top, { index: 'index.html' });
  }

  /** @param {Request} request @param {Response} response */
  async #manifest(request, response) {
    const { text, etag } = await this.#live.current();
    const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache', etag };
    if (
      String(request.headers['if-none-match'] ?? '')
        .split(/\s*,\s*/)
        .includes(etag)
    ) {
      response.writeHead(304, headers).end();
    } else {
      answer(request, response, 200, headers, text);
    }
  }

  /** @param {Request} request @param {Response} response @param {string} root */
  async #digests(request, response, root) {
    const list = await this.#live.digests(root);
    if (!list) return fail(request, response, 404, 'not-found');
    const headers = {
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    };
    return answer(request, response, 200, headers, list);
  }
}

/**
 * Counts a body as it is written; told when the response is over.
 * @param {Request} request
 * @param {Response} response
 * @param {NonNullable<HandlerExtras['onResponse']>} onResponse
 */
function observe(request, response, onResponse) {
  let bytes = 0;
  // Node's write() and end() take a chunk, an encoding and a callback, each of which may be left out.
  const counted =
    (/** @type {Function} */ write) =>
    (/** @type {unknown[]} */ ...args) => {
      const [chunk, encoding] = args;
      const isNamed = typeof encoding === 'string';
      if (typeof chunk === 'string')
        bytes += Buffer.byteLength(chunk, isNamed ? /** @type {BufferEncoding} */ (encoding) : 'utf8');
      else if (chunk instanceof Uint8Array) bytes += chunk.length;
      return write.apply(response, args);
    };
  response.write = counted(response.write);
  response.end = counted(response.end);
  response.once('close', () => {
    onResponse({ method: `${request.method}`, path: `${request.url}`, status: response.statusCode, bytes, request });
  });
}

/** @param {Site} site @param {HandlerOptions} options @returns {Handle} */
export function handlerOf(site, options) {
  let told = '';
  return (request, response) => {
    if (options.onResponse) observe(request, response, options.onResponse);
    site.respond(request, response).catch((error) => {
      fail(request, response, 500, 'failed');
      // The folder is gone, say: once, not at each request.
      if (error.message === told) return;
      told = error.message;
      (options.onWarning ?? warnProcess)({ path: '', code: 'failed', message: `answered 500: ${told}` });
    });
  };
}

/**
 * Throws of what is no folder's name. A folder may come later; what is none never does.
 * @param {unknown} folder
 * @param {string} call who takes it
 */
export function checkIsFolder(folder, call) {
  if (typeof folder !== 'string' || folder === '') throw badOption(`${call} takes a folder, as './site', not ${shown(folder)}`);
}

/**
 * Answers requests for a folder's files, its manifest, digest lists and our scripts: for an http server of your own. Add
 * the coordinator with attach().
 * @param {string} folder
 * @param {HandlerOptions} [options]
 * @returns {Handle}
 */
export function handler(folder, options = {}) {
  checkNames(options, [manifestNames, { onResponse: kinds.listener }], 'handler()');
  checkIsFolder(folder, 'handler()');
  return handlerOf(new Site(folder, options), options);
}
