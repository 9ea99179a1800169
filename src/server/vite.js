// The Vite plugin: `import peerCdn from 'peer-cdn/vite'`, `plugins: [peerCdn()]`.
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { attach, handler } from 'peer-cdn/server';
import { MANIFEST_PATH } from '../../build/border.js';
import { build, workerPath, workerText } from './build.js';
import { publicBase } from './files.js';
import { checkNames, pluginNames } from './names.js';
import { nothingListed } from './warnings.js';

/** @typedef {import('./build.js').BuildOptions} BuildOptions */
/** @typedef {Omit<BuildOptions, 'onWarning' | 'onProgress' | 'cache' | 'digestsBase'>} PeerCdnOptions `base`: default Vite's */
/** @typedef {import('./handler.js').Request} Request */
/** @typedef {import('./handler.js').Response} Response */

/**
 * What we use of Vite's own types, which its users have.
 * @typedef {{ outDir: string, ssr: boolean | string }} BuildConfig
 * @typedef {object} Config
 * @property {string} base
 * @property {string} root
 * @property {string} publicDir '' if there is none
 * @property {BuildConfig} build
 * @property {{ info: (text: string) => void, warn: (text: string) => void }} logger
 */

/** @typedef {(request: Request, response: Response, next: () => void) => void} Middleware of Connect */

/**
 * @typedef {object} DevServer
 * @property {{ use: (path: string, middleware: Middleware) => unknown }} middlewares
 * @property {object | null} httpServer null if Vite is a middleware of another server
 */

/**
 * Since Vite 6 one build may write several folders: a framework's browser half, and its server half.
 * @typedef {{ environment?: { config: { consumer: 'client' | 'server', build: BuildConfig } } }} Hook
 */

/** Where the build of a hook writes, or null if that is for no browser. @param {Hook} hook @param {Config} config */
function folderOf({ environment }, { root, build: whole }) {
  const { consumer = whole.ssr ? 'server' : 'client', build: own } = environment?.config ?? { build: whole };
  return consumer === 'client' ? resolve(root, own.outDir) : null;
}

/** The base as a path of the site. @param {Config} config */
function siteBase({ base, logger }) {
  // Relative: the folder may be anywhere.
  if (base === '' || base.startsWith('.')) {
    logger.warn(
      `peer-cdn: with base '${base}' the manifest is of a site at /: peerCdn({ base }) says where it will be. BASE_URL is then ` +
        "another folder on each page: name the worker by its whole path, as start({ worker: '/sw.js' })",
    );
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
  checkNames(options, [pluginNames], 'peerCdn()');
  const { worker: named, base: asked, ...listing } = options;
  const path = named === false ? null : workerPath(named ?? undefined);
  /** @type {Config} */
  let config;
  /** Folders that were written, and that nobody has shared yet. @type {Set<string | null>} */
  const written = new Set();
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
      const base = asked === undefined ? siteBase(config) : publicBase(asked);
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
    /** @this {Hook} */
    writeBundle() {
      written.add(folderOf(this, config));
    },
    closeBundle: {
      order: /** @type {const} */ ('post'),
      sequential: true,
      /** @this {Hook} */
      async handler() {
        const folder = folderOf(this, config);
        // Not of what failed, nor of the server's half of a site.
        if (!written.delete(folder) || folder === null) return;
        const base = asked ?? siteBase(config);
        const { files, bytes } = await build(folder, { ...listing, worker: named, base, onWarning });
        const manifest = join(relative(config.root, folder), MANIFEST_PATH);
        config.logger.info(`peer-cdn: ${files} ${files === 1 ? 'file' : 'files'}, ${bytes} bytes in ${manifest}`);
      },
    },
  };
}
