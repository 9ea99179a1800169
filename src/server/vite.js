// The Vite plugin: `import peerCdn from 'peer-cdn/vite'`, `plugins: [peerCdn()]`.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { attach, handler } from 'peer-cdn/server';
import { MANIFEST_PATH } from '../../build/border.js';
import { build, workerPath, workerText } from './build.js';
import { buildNames, checkNames } from './names.js';
import { nothingListed } from './warnings.js';

/** @typedef {import('./build.js').BuildOptions} BuildOptions */
/** @typedef {Omit<BuildOptions, 'base' | 'onWarning' | 'onProgress' | 'cache' | 'digestsBase'>} PeerCdnOptions */
/** @typedef {import('./handler.js').Request} Request */
/** @typedef {import('./handler.js').Response} Response */

/**
 * What we use of Vite's own types, which its users have.
 * @typedef {object} Config
 * @property {string} base
 * @property {string} root
 * @property {string} publicDir '' if there is none
 * @property {{ outDir: string, ssr: boolean | string }} build
 * @property {{ info: (text: string) => void, warn: (text: string) => void }} logger
 */

/** @typedef {(request: Request, response: Response, next: () => void) => void} Middleware of Connect */

/**
 * @typedef {object} DevServer
 * @property {{ use: (path: string, middleware: Middleware) => unknown }} middlewares
 * @property {object | null} httpServer null if Vite is a middleware of another server
 */

/** The base as a path of the site. @param {Config} config */
function siteBase({ base, logger }) {
  // Relative: the folder may be anywhere.
  if (base === '' || base.startsWith('.')) {
    logger.warn(`peer-cdn: with base '${base}' the manifest is of a site at /: give the path where it will be`);
    return '/';
  }
  if (/^(?:https?:)?\/\//.test(base)) {
    logger.warn(`peer-cdn: base ${base} names a host: visitors share only what is of the page's own origin`);
  }
  return new URL(base, 'http://host').pathname;
}

/**
 * Vite sends `Vary: Origin` with everything, because of its CORS. To the page itself all is the same, and is shared.
 * @type {Middleware}
 */
function unvary(request, response, next) {
  if (!request.headers.origin) response.removeHeader('vary');
  next();
}

/** The coordinator for a server of Vite's. @param {DevServer} server @param {Config} config */
function coordinate({ httpServer }, { logger }) {
  if (!httpServer) return logger.warn("peer-cdn: Vite has no server of its own here: attach() the coordinator to the site's");
  const server = /** @type {import('node:http').Server} */ (httpServer);
  const coordinator = attach(server);
  server.once('close', () => void coordinator.close());
}

/**
 * In dev the manifest of the public folder, our scripts, a service worker and the coordinator are served by the dev server. In
 * build they are written beside the bundle; the coordinator is yours to run there.
 * @param {PeerCdnOptions} [options]
 */
export default function peerCdn(options = {}) {
  checkNames(options, [buildNames], 'peerCdn()');
  const { worker: named, ...listing } = options;
  const path = named === false ? null : workerPath(named ?? undefined);
  /** @type {Config} */
  let config;
  let isWritten = false;
  const onWarning = (/** @type {import('./warnings.js').ManifestWarning} */ { code, message }) =>
    config.logger.warn(`peer-cdn: ${code}: ${message}`);
  return {
    name: 'peer-cdn',
    // Before whoever else serves listed files.
    enforce: /** @type {const} */ ('pre'),
    // Its modules find each other, and the engine's script, by where they lie.
    config: () => ({ optimizeDeps: { exclude: ['peer-cdn'] } }),
    configResolved(/** @type {Config} */ resolved) {
      config = resolved;
    },
    configureServer(/** @type {DevServer} */ server) {
      const base = siteBase(config);
      const { publicDir } = config;
      const folder = existsSync(publicDir) ? publicDir : null;
      // What is imported is of no folder before it is built.
      const warn = (/** @type {Parameters<typeof onWarning>[0]} */ warning) =>
        warning.code !== nothingListed.code && onWarning(warning);
      const exclude = folder ? listing.exclude : ['**'];
      const handle = handler(folder ?? config.root, { ...listing, base, exclude, onWarning: warn });
      const text = path && workerText(base, path);
      const isOwn = path === null || (folder !== null && existsSync(join(folder, path)));
      server.middlewares.use(base.replace(/\/$/, '') || '/', (request, response, next) => {
        const asked = String(request.url).split('?', 1)[0];
        if (asked === MANIFEST_PATH || asked.startsWith('/peer-cdn/')) return handle(request, response);
        if (isOwn || asked !== path) return unvary(request, response, next);
        return response
          .writeHead(200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache' })
          .end(text);
      });
      coordinate(server, config);
    },
    configurePreviewServer(/** @type {DevServer} */ server) {
      server.middlewares.use('/', unvary);
      coordinate(server, config);
    },
    writeBundle() {
      isWritten = true;
    },
    closeBundle: {
      order: /** @type {const} */ ('post'),
      sequential: true,
      async handler() {
        // Not of what failed, nor of the server's half of a site.
        if (!isWritten || config.build.ssr) return;
        isWritten = false;
        const folder = resolve(config.root, config.build.outDir);
        const { files, bytes } = await build(folder, { ...listing, worker: named, base: siteBase(config), onWarning });
        config.logger.info(`peer-cdn: ${files} ${files === 1 ? 'file' : 'files'}, ${bytes} bytes in ${MANIFEST_PATH.slice(1)}`);
      },
    },
  };
}
