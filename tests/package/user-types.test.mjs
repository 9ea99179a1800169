// Strict TypeScript as users write it, with lib dom, lib webworker or Node's types: the package's types alone, the snippets of
// the README, and what issues of users were about.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

/** Of other packages, what the snippets use. */
const around = `declare module 'helmet' { export default function helmet(options: { contentSecurityPolicy: object }): unknown }
declare module 'vite' { export function defineConfig(config: { plugins: object[] }): object }
interface ImportMeta { readonly env: { BASE_URL: string } }
`;

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peer-cdn-user-'));
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'around.d.ts'), around);
  await symlink(root, join(folder, 'node_modules/peer-cdn'));
  await symlink(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
});
after(() => rm(folder, { recursive: true, force: true }));

const places = {
  page: { lib: ['es2023', 'dom', 'dom.iterable'], types: [] },
  worker: { lib: ['es2023', 'webworker', 'webworker.iterable'], types: [] },
  // A project that has both in one: many do.
  both: { lib: ['es2023', 'dom', 'dom.iterable', 'webworker.importscripts'], types: [] },
  server: { lib: ['es2023'], types: ['node'] },
};
/** The type checker of the project, and an old one where the long run has installed it. */
const old = join(root, 'tests/integration/node_modules/typescript-5.6/bin/tsc');
const checkers = [join(root, 'node_modules/typescript/bin/tsc'), ...(existsSync(old) ? [old] : [])];

let names = 0;

/** What the type checkers say of a module there. @param {keyof typeof places} place @param {string} text */
async function compile(place, text, { moduleResolution = 'bundler', skipLibCheck = false } = {}) {
  const name = `case${++names}`;
  await writeFile(join(folder, `${name}.ts`), text);
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: 'es2022',
    module: moduleResolution === 'nodenext' ? 'nodenext' : 'esnext',
    moduleResolution,
    skipLibCheck,
    ...places[place],
  };
  await writeFile(join(folder, `${name}.json`), JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
  let said = '';
  for (const checker of checkers) {
    const { output } = await run(process.execPath, [checker, '-p', `${name}.json`], { cwd: folder });
    said += output;
  }
  return said;
}

const cases = {
  'a page listens to events, by their types': [
    'page',
    `import { start } from 'peer-cdn';
    import type { ErrorCode, PeerEvents, PeerOptions, StartOptions, Transfer, Upload } from 'peer-cdn';
    const options: StartOptions & PeerOptions = { worker: '/sw.js', socket: '/ws' };
    const whole: StartOptions = { worker: '/sw.js', warn: false, servers: { iceServers: [] }, upload: { on: false } };
    const peers = await start(whole.warn ? options : whole);
    peers.addEventListener('transfer', ({ detail }) => {
      const sums: Transfer = { ...detail, code: detail.code ?? null };
      const bytes: number = sums.fromPeers + sums.fromOrigin;
      return detail.done && bytes;
    });
    peers.addEventListener('error', ({ detail }) => {
      const code: ErrorCode = detail.code;
      console.log(code, detail.url);
    });
    const onPeers = ({ detail }: PeerEvents['peers']): void => console.log(detail.count);
    peers.addEventListener('peers', onPeers);
    peers.removeEventListener('peers', onPeers);
    const upload: Upload = peers.upload;
    peers.upload = { on: false };
    peers.upload = { bytesPerSecond: 1e6, bytes: 0 };
    peers.upload = false;
    if (peers.reason === 'no-worker') console.log(upload.on);`,
  ],
  'a page names its worker by a URL or a TrustedScriptURL': [
    'page',
    `import { start } from 'peer-cdn';
    declare const trusted: { toJSON(): string; toString(): string };
    await start({ worker: new URL('./sw.ts', import.meta.url), workerType: 'module' });
    await start({ worker: trusted });`,
  ],
  'a worker listens to events, and its middlewares are of its own lib': [
    'worker',
    `import PeerCDN, { CachePlugin, type CdnEvents, type ErrorCode, type Middleware, type MiddlewareFactory } from 'peer-cdn/sw';
    const cdn = new PeerCDN({ manifest: '/m.json' });
    const cached = (event: FetchEvent): Middleware => ({ get: () => caches.match(event.request), put: () => event.clientId });
    const none: MiddlewareFactory = () => ({ get: () => null });
    const handled: MiddlewareFactory = (event) => ({ get: async () => (await event.preloadResponse) as Response | undefined });
    cdn.GET('/static', PeerCDN.strategies.fastest, cached, none, handled, new CachePlugin({ version: 1 }).getMiddleware);
    cdn.addEventListener('error', ({ detail }) => { const code: ErrorCode = detail.code; console.log(code, detail.url); });
    cdn.addEventListener('transfer', ({ detail }) => console.log(detail.fromPeers, detail.done));
    const onError = (event: CdnEvents['error']) => console.log(event.detail.code);
    cdn.removeEventListener('error', onError);
    cdn.register();`,
  ],
  'a worker in a project with lib dom': [
    'both',
    `import PeerCDN, { type FetchEvent } from 'peer-cdn/sw';
    const cdn = new PeerCDN();
    const fresh = (event: FetchEvent) => ({ get: () => fetch(event.request) });
    cdn.GET('/static', PeerCDN.strategies.ordered, fresh, new PeerCDN.NetworkPlugin().getMiddleware);
    cdn.register();`,
  ],
  'the names of the files are typed too': [
    'page',
    `import { start } from 'peer-cdn/index.js';
    import PeerCDN from 'peer-cdn/sw.mjs';
    await start();
    export const version: string = PeerCDN.CachePlugin.peerFetch;`,
  ],
  'a host attaches to a server of HTTP/2, and to one that a framework types as any of them': [
    'server',
    `import { createServer } from 'node:http';
    import { createServer as createSecure } from 'node:https';
    import { createSecureServer, type Http2SecureServer, type Http2Server } from 'node:http2';
    import { attach } from 'peer-cdn/server';
    declare const ofHono: ReturnType<typeof createServer> | Http2Server | Http2SecureServer;
    for (const server of [createServer(), createSecure(), createSecureServer({ allowHTTP1: true }), ofHono]) attach(server);
    // @ts-expect-error an app is no server
    attach(() => {});`,
  ],
  'a server uses every option and result by name': [
    'server',
    `import { createServer } from 'node:http';
    import { attach, handler, makeManifest, serve, writeManifest } from 'peer-cdn/server';
    import type {
      AttachOptions, CoordinatorStats, Handle, HandlerOptions, ListenOptions, Made, Manifest, ManifestOptions, ManifestProgress,
      ManifestResource, ManifestWarning, Served, ServeOptions,
    } from 'peer-cdn/server';
    const onProgress = ({ path, bytes }: ManifestProgress) => console.log(path, bytes);
    const onWarning = ({ code, message }: ManifestWarning) => console.log(code, message);
    const options: ManifestOptions = { include: ['*.js'], anyQuery: ['*'], headers: { '*': { a: 'b' } }, onProgress, onWarning };
    const made: Made = await makeManifest('dist', options);
    const manifest: Manifest = made.manifest;
    const one: ManifestResource | undefined = manifest.resources['/a'];
    await writeManifest('dist/peer-cdn.json', made);
    const answers: HandlerOptions = { ...options, onResponse: ({ status }) => console.log(status) };
    const handle: Handle = handler('dist', answers);
    const site: AttachOptions = { origins: ['https://example.org'], trustProxy: true };
    const coordinator = attach(createServer(handle), site);
    const stats: CoordinatorStats = coordinator.stats();
    const listen: ListenOptions = { port: 0 };
    const serving: ServeOptions = { ...answers, ...site, ...listen, wrap: (each) => each };
    const served: Served = await serve('dist', serving);
    await served.close();
    await coordinator.close();
    export { one, stats };`,
  ],
  'a build calls the plugin or the function': [
    'server',
    `import { build, type BuildOptions, type Built } from 'peer-cdn/build';
    import peerCdn, { type PeerCdnOptions } from 'peer-cdn/vite';
    const options: BuildOptions = { base: '/', worker: false };
    const built: Built = await build('dist', options);
    const ofVite: PeerCdnOptions = { include: ['*.js'] };
    export const name: string = peerCdn(ofVite).name + built.files;`,
  ],
};
for (const [what, [place, text]] of Object.entries(cases)) {
  test(`compiles: ${what}`, async () => assert.equal(await compile(place, text), ''));
}

/** Whether options of a kind may be given as undefined, each of them. */
const loosely = (types) => `
    type Loose<Of> = { [Name in keyof Of]: {} extends Pick<Of, Name> ? Of[Name] | undefined : Of[Name] };
    ${types.map((type) => `export const of${type.replace(/\W/g, '')} = (_: Loose<${type}>): ${type} => _;`).join('\n    ')}`;
const optionsOfServers = ['AttachOptions', 'HandlerOptions', 'ListenOptions', 'ManifestOptions', 'ServeOptions'];
const undefinable = {
  page: [
    'page',
    `import { start, type PeerOptions, type StartOptions, type PeerPlugin } from 'peer-cdn';
    declare const isKiosk: boolean;
    const upload = { on: false, bytes: isKiosk ? 1e9 : undefined };
    const peers = await start({ idle: isKiosk ? true : undefined, servers: undefined, upload });
    peers.upload = upload;${loosely(['PeerOptions', 'StartOptions'])}`,
  ],
  worker: [
    'worker',
    `import PeerCDN, { CachePlugin, DelegatePlugin, type Middleware } from 'peer-cdn/sw';
    type Given<Class extends abstract new (...args: any) => any> = NonNullable<ConstructorParameters<Class>[0]>;
    type Registering = NonNullable<Parameters<PeerCDN['register']>[0]>;
    type Cdn = Given<typeof PeerCDN>;
    ${loosely(['Given<typeof CachePlugin>', 'Given<typeof DelegatePlugin>', 'Cdn', 'Registering', 'Middleware'])}`,
  ],
  server: [
    'server',
    `import { mintToken, serveCoordinator, turnCredentials } from 'peer-cdn/server';
    import type { ${optionsOfServers} } from 'peer-cdn/server';
    import type { BuildOptions } from 'peer-cdn/build';
    import type { PeerCdnOptions } from 'peer-cdn/vite';
    type Minted = Parameters<typeof mintToken>[1];
    type Turn = Parameters<typeof turnCredentials>[1];
    type Alone = NonNullable<Parameters<typeof serveCoordinator>[0]>;
    ${loosely([...optionsOfServers, 'BuildOptions', 'PeerCdnOptions', 'Minted', 'Turn', 'Alone'])}`,
  ],
};
for (const [what, [place, text]] of Object.entries(undefinable)) {
  test(`under exactOptionalPropertyTypes each option of a ${what} may be undefined`, async () =>
    assert.equal(await compile(place, text), ''));
}

const ofPage = (text) => ['page', `import { start } from 'peer-cdn';\nexport const peers = await start();\n${text}`];
const ofWorker = (text) => ['worker', `import PeerCDN from 'peer-cdn/sw';\nconst cdn = new PeerCDN();\n${text}`];
const mistakes = {
  'a reason that is none': [...ofPage("export const x = peers.reason === 'no-wroker';"), /TS2367/],
  'an event that is none': [...ofWorker("cdn.addEventListener('transfers', () => {});"), /TS2345/],
  'a middleware that gives a text': [...ofWorker("cdn.GET('/', 'ordered', () => ({ get: () => 'x' }));"), /TS2322/],
  'a detail that is none': [...ofPage("peers.addEventListener('transfer', ({ detail }) => detail.peers);"), /TS2339/],
  'a worker that is a number': [...ofPage('await start({ worker: 5 });'), /TS2322/],
};
for (const [what, [place, text, code]] of Object.entries(mistakes)) {
  test(`does not compile: ${what}`, async () => assert.match(await compile(place, text), code));
}

for (const moduleResolution of ['nodenext', 'bundler']) {
  test(`every door has types under ${moduleResolution}`, async () => {
    const doors = ['peer-cdn', 'peer-cdn/sw', 'peer-cdn/sw.mjs', 'peer-cdn/index.js'];
    const text = doors
      .map((door, at) => `import * as door${at} from '${door}';\nexport const is${at}: object = door${at};`)
      .join('\n');
    assert.equal(await compile('page', text, { moduleResolution }), '');
  });
}

/** The blocks of code of a document. */
async function snippets(file) {
  const text = await readFile(join(root, file), 'utf8');
  return [...text.matchAll(/^```(js|ts)\n([\s\S]*?)^```/gm)].map(([, , code], at) => ({
    name: `${file}, block ${at + 1}`,
    code,
  }));
}

/** Where a block runs, by what it uses; and what a reader has around it. */
function aroundOf(code) {
  if (/importScripts\(/.test(code)) return ['worker', '/// <reference types="peer-cdn/sw.js" />\n'];
  if (/peer-cdn\/sw'|in your service worker/.test(code)) return ['worker', 'declare const self: ServiceWorkerGlobalScope;\n'];
  if (/peer-cdn\/(?:server|vite|build)'|node:|helmet/.test(code)) {
    return ['server', "declare const app: import('node:http').RequestListener & { use(middleware: unknown): void };\n"];
  }
  return ['page', code.includes("'peer-cdn'") ? '' : "declare const peers: import('peer-cdn').PeerPlugin;\n"];
}

const guides = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
for (const { name, code } of (await Promise.all(['README.md', ...guides].map(snippets))).flat()) {
  test(`${name} compiles`, async () => {
    const [place, ahead] = aroundOf(code);
    assert.equal(await compile(place, `/// <reference path="./around.d.ts" />\n${ahead}${code}export {};\n`), '', code);
  });
}
