// The package's types: dist/*.d.ts and dist/types, by tsc from the JSDoc of the sources.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, writeIfChanged } from './run.mjs';

const build = join(root, 'build');
const dist = join(root, 'dist');

/**
 * dist/types mirrors the sources, as far as users see them; dist/<entry>.d.ts name its doors: what a module exports, and the
 * types that its signatures need.
 */
const doors = [
  [
    'index.d.ts',
    'web/index.js',
    {
      'web/plugin.js': ['PeerEvents', 'PeerOptions'],
      'web/diagnosis.js': ['Diagnosis'],
      'web/settings.js': ['Upload'],
      'sw/worker-types.js': ['Transfer'],
      'build/border.js': ['ErrorCode'],
    },
  ],
  [
    'sw.d.ts',
    'sw/index.js',
    {
      'sw/plugins.js': ['Middleware'],
      'sw/worker-types.js': ['CdnEvents', 'FetchEvent', 'Transfer'],
      'build/border.js': ['ErrorCode'],
    },
  ],
  [
    'server.d.ts',
    'src/server/index.js',
    {
      'src/server/handler.js': ['Handle', 'HandlerOptions'],
      'src/server/manifest.js': ['Made', 'Manifest', 'ManifestOptions', 'ManifestProgress', 'ManifestResource'],
      'src/server/metrics.js': ['CoordinatorStats'],
      'src/server/options.js': ['AttachOptions'],
      'src/server/serve.js': ['ListenOptions', 'Served', 'ServeOptions'],
      'src/server/warnings.js': ['ManifestWarning'],
    },
  ],
  ['build.d.ts', 'src/server/build.js', {}],
  ['vite.d.ts', 'src/server/vite.js', {}],
];

// A service worker's own types are in TypeScript's lib `webworker`, which excludes lib `dom`; a site compiles with one of
// them. So where they are not, ours are used, as much of them as our signatures need.
const workerTypes = `import type { ErrorCode } from '../build/border.js';
type Known<Name extends string, Else> =
  typeof globalThis extends { [Key in Name]: { prototype: infer Instance } } ? Instance : Else;
export type FetchEvent = Known<'FetchEvent', Event & {
  readonly request: Request;
  readonly clientId: string;
  readonly resultingClientId: string;
  respondWith(response: Response | PromiseLike<Response>): void;
  waitUntil(promise: Promise<any>): void;
}>;
export type Client = Known<'Client', {
  readonly id: string;
  readonly url: string;
  postMessage(message: any, transfer?: Transferable[]): void;
}>;
/**
 * What a response took from where, so far. It is told up to four times a second, and once more with done when the response is
 * over: to add up all responses, take those alone.
 */
export interface Transfer {
  /** the same in all events of one response */
  id: string;
  url: string;
  /** of the file: SHA-256 of its only piece, or of its digest list, 64 hex digits */
  root: string;
  /** the length of the response: of the file, or of the part that was asked for */
  bytes: number;
  /** bytes that this visitor had */
  fromCache: number;
  /** bytes that other visitors sent */
  fromPeers: number;
  /** bytes that the site's server sent, or the browser's HTTP cache */
  fromOrigin: number;
  /** bytes that came for nothing, because another source was sooner, or they were wrong */
  wasted: number;
  /** milliseconds since the response was asked for */
  ms: number;
  done: boolean;
  /** why it broke off; null if it did not */
  code: ErrorCode | null;
}
export interface CdnEvents {
  /** What keeps a file, or all, from being shared: url of the file or the manifest, '' of all; error what a middleware threw */
  error: CustomEvent<{ code: ErrorCode; url: string; error?: unknown }>;
  transfer: CustomEvent<Transfer>;
}
`;

// What the class has from EventTarget, under the types of its events: in the sources it would cost the worker bytes.
const listening = ['add', 'remove']
  .map(
    (verb) => `    ${verb}EventListener<Type extends keyof CdnEvents>(
        type: Type,
        listener: ((event: CdnEvents[Type]) => void) | { handleEvent: (event: CdnEvents[Type]) => void } | null,
        options?: boolean | ${verb === 'add' ? 'AddEventListenerOptions' : 'EventListenerOptions'},
    ): void;
`,
  )
  .join('');
const withListening = (text) => text.replace('declare class PeerCDN extends EventTarget {\n', (start) => start + listening);

// What a classic worker has after importScripts(), for its `/// <reference types="peer-cdn/sw.js" />`.
const globalTypes = "declare const PeerCDN: typeof import('./types/sw/index.js').default;\n";

function withWorkerTypes(text) {
  const used = ['FetchEvent', 'Client', 'CdnEvents'].filter((type) => new RegExp(`\\b${type}\\b`).test(text));
  return used.length > 0 ? `import type { ${used.join(', ')} } from './worker-types.js';\n${text}` : text;
}

// `start({ idle: isKiosk ? true : undefined })` is as if nobody had said it: under `exactOptionalPropertyTypes` the types have to
// say so.
const undefinable = (text) =>
  text.replace(
    /^( +\w+\?: )((?:[^;{}]|\{[^{}]*\})+);$/gm,
    (_, name, type) => `${name}${type.includes('=>') ? `(${type})` : type} | undefined;`,
  );

const typesOf = (module) => module.replace(/\.js$/, '.d.ts');

/** The files that whoever comes by these modules can see something of: the others would only be packed. */
function reachedFrom(modules, files) {
  const reached = new Set();
  const reach = (module) => {
    const path = typesOf(module);
    if (reached.has(path)) return;
    reached.add(path);
    for (const [, , next] of files.get(path).matchAll(/(from |import\()['"](\.[^'"]+)['"]/g)) reach(join(dirname(path), next));
  };
  for (const module of modules) reach(module);
  return reached;
}

export async function buildTypes() {
  const emitted = join(build, 'types');
  rmSync(emitted, { recursive: true, force: true });
  const { code, output } = await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.json',
    '--outDir',
    emitted,
  ]);
  if (code !== 0) throw new Error(`tsc failed\n${output.trim()}`);
  const typesIn = (folder) => readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.d.ts'));
  const files = new Map(typesIn(emitted).map((path) => [path, readFileSync(join(emitted, path), 'utf8')]));
  files.set('build/border.d.ts', readFileSync(join(build, 'border.d.ts'), 'utf8'));
  // Before TypeScript 5.7 views had no parameter.
  for (const [path, text] of files) {
    files.set(path, undefinable(text.replace(/\b(Uint8Array|Buffer)<ArrayBuffer(?:Like)?>/g, '$1')));
  }
  for (const [path, text] of files) {
    if (path.startsWith('sw/')) files.set(path, withWorkerTypes(withListening(text)));
  }
  files.set('sw/worker-types.d.ts', workerTypes);
  const types = join(dist, 'types');
  const reached = reachedFrom(
    doors.flatMap(([, entry, named]) => [entry, ...Object.keys(named)]),
    files,
  );
  for (const path of reached) writeIfChanged(join(types, path), files.get(path));
  for (const path of typesIn(types)) {
    if (!reached.has(path)) rmSync(join(types, path));
  }
  writeIfChanged(join(dist, 'sw-global.d.ts'), globalTypes);
  for (const [door, entry, named] of doors) {
    const path = `./types/${entry}`;
    const hasDefault = /export default |export \{[^}]*\bdefault\b|as default/.test(files.get(typesOf(entry)));
    const lines = [`export * from '${path}';`, ...(hasDefault ? [`export { default } from '${path}';`] : [])];
    for (const [file, names] of Object.entries(named)) lines.push(`export type { ${names.join(', ')} } from './types/${file}';`);
    writeIfChanged(join(dist, door), `${lines.join('\n')}\n`);
  }
}
