#!/usr/bin/env node
// Builds everything that is built: three wasm modules (em++), their text form, the bundles (esbuild) and the types (tsc).
//   node scripts/build.mjs [--clean] [--only worker|page|coordinator|bundle|types]
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync,
  writeFileSync,
} from 'node:fs';
import {availableParallelism} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {encodeText, fillIn, textModule, wasmPlugin} from './encode.mjs';
import {innerProperties, trimGlue} from './glue.mjs';
import {setup} from './setup.mjs';
import {inParallel, root, run, say, seconds, which} from './run.mjs';

const build = join(root, 'build');
const dist = join(root, 'dist');

const compileFlags = [
  '-std=c++20', '-flto', '-fno-exceptions', '-fno-rtti', '-fno-c++-static-destructors',
  '-DEMSCRIPTEN_HAS_UNBOUND_TYPE_NAMES=0', '-DNDEBUG',
  '-DJSON_NOEXCEPTION', '-Isrc', '-Ibuild/include',
  // em++ -Oz says -fno-inline-functions, which forbids even an iterator's operator* to be inlined: a fifth of the wasm.
  '-finline-functions',
];
// DYNAMIC_EXECUTION=0: no `new Function`, so that a CSP of 'wasm-unsafe-eval' is enough. WASM_ASYNC_COMPILATION=0: ready
// when the factory returns. ENVIRONMENT without node: the same artefact runs in Node when it is given `wasmBinary`.
const linkFlags = [
  '-flto', '-fno-exceptions', '-fno-rtti', '-sMALLOC=emmalloc', '-sMODULARIZE', '-sEXPORT_ES6',
  '-sUSE_ES6_IMPORT_META=0',
  '-sENVIRONMENT=web,worker', '-sWASM_ASYNC_COMPILATION=0', '-sFILESYSTEM=0', '-sDYNAMIC_EXECUTION=0',
  '-sALLOW_MEMORY_GROWTH', '-sINITIAL_MEMORY=1MB', '-sTOTAL_STACK=128KB', '-sTEXTDECODER=2', '-sASSERTIONS=0',
  '-sSUPPORT_ERRNO=0', '-sERROR_ON_UNDEFINED_SYMBOLS=1',
];
// A module without Emscripten's JavaScript: sw/core.js gives its few imports. One that it does not know is found by
// the first test that loads it.
const bareFlags = [
  '-flto', '-fno-exceptions', '-fno-rtti', '-sSTANDALONE_WASM', '--no-entry', '-sMALLOC=emmalloc', '-sFILESYSTEM=0',
  '-sALLOW_MEMORY_GROWTH', '-sINITIAL_MEMORY=1MB', '-sTOTAL_STACK=128KB', '-sASSERTIONS=0', '-sSUPPORT_ERRNO=0',
  '-sERROR_ON_UNDEFINED_SYMBOLS=0', '-sWARN_ON_UNDEFINED_SYMBOLS=0',
];

// Debian's em++ is the one we tune for. `-lembind` links all of libembind, our own list of types (src/bind/types.cpp) only
// what crosses our borders; and a second run of wasm-opt finds another percent.
const embindScripts = ['embind', 'emval'].map((name) => `/usr/share/emscripten/src/embind/${name}.js`);
const isTuned = () => / 3\.1\.6[ ~]/.test(compiler()) && embindScripts.every((path) => existsSync(path));
const typeFlags = () => isTuned() ? ['-DPEER_CDN_OWN_TYPES'] : [];
const ownEmbind = [...embindScripts.flatMap((path) => ['--js-library', path]), '-sEXPORTED_FUNCTIONS=_malloc,_free'];
const embindFlags = () => isTuned() ? ownEmbind : ['-lembind'];

// The coordinator runs on a server, where speed is worth more than a few KB; the other two are downloaded by everybody.
const modules = {
  worker: {optimise: '-Oz', bare: true, bind: ['worker'], folders: ['base', 'http']},
  page: {
    optimise: '-Oz',
    bind: ['page', 'rtc', 'convert', 'types'],
    folders: ['base', 'swarm', 'peer'],
    files: ['src/signal/message.cpp', 'src/signal/client.cpp'],
  },
  coordinator: {optimise: '-O2', bind: ['coordinator', 'types'], folders: ['base', 'signal']},
};

function sourcesOf({bind, folders, files = []}) {
  const named = [...bind.map((stem) => `src/bind/${stem}.cpp`), ...files];
  const found = named.filter((file) => existsSync(join(root, file)));
  for (const folder of folders) {
    for (const file of readdirSync(join(root, 'src', folder)).sort()) {
      if (file.endsWith('.cpp')) found.push(`src/${folder}/${file}`);
    }
  }
  return found;
}

function filesIn(folder) {
  const entries = readdirSync(join(root, folder), {recursive: true, withFileTypes: true});
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.path, entry.name));
}

const modified = (path) => statSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0;

function isNewerThan(target, inputs) {
  const time = modified(target);
  return time > 0 && inputs.every((input) => modified(input) > 0 && modified(input) <= time);
}

// A depfile names every header that the object was compiled from.
function inputsOf(depfile) {
  if (!existsSync(depfile)) return null;
  const text = readFileSync(depfile, 'utf8').replace(/\\\n/g, ' ');
  return text.slice(text.indexOf(':') + 1).split(/\s+/).filter(Boolean).map((path) => resolve(root, path));
}

function writeIfChanged(path, content) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return;
  mkdirSync(dirname(path), {recursive: true});
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

// Debian's em++ 3.1.6 looks for acorn where only Debian's own Node does.
const emEnvironment = {NODE_PATH: [process.env.NODE_PATH, '/usr/share/nodejs'].filter(Boolean).join(':')};

async function em(args) {
  const {code, output} = await run('em++', args, {env: emEnvironment});
  if (code !== 0) {
    const noise = /may need to be added to EXPORTED_FUNCTIONS|^em\+\+: error: '.*' failed/;
    throw new Error(`em++ failed\n${output.trim().split('\n').filter((line) => !noise.test(line)).join('\n')}`);
  }
  if (output.includes('warning:')) say(output.trim());
}

// -I/usr/include would let glibc's headers in, so nlohmann/json gets a folder that holds only a link to it.
function linkHeaders() {
  const include = join(build, 'include');
  mkdirSync(include, {recursive: true});
  const target = '/usr/include/nlohmann';
  if (!existsSync(join(include, 'nlohmann')) && existsSync(target)) symlinkSync(target, join(include, 'nlohmann'));
}

let compilerVersion;
function compiler() {
  compilerVersion ??= execFileSync('em++', ['--version'], {encoding: 'utf8'}).split('\n')[0];
  return compilerVersion;
}

const compiling = new Map();

async function compile(source, optimise, progress) {
  const flags = [optimise, ...compileFlags, ...typeFlags()];
  const key = createHash('sha256').update(flags.join(' ') + compiler()).digest('hex').slice(0, 8);
  const object = join(build, 'obj', key, `${source}.o`);
  const depfile = `${object}.d`;
  const inputs = inputsOf(depfile);
  if (inputs && isNewerThan(object, inputs)) return object;
  if (compiling.has(object)) return compiling.get(object);
  const work = (async () => {
    const started = performance.now();
    const begun = new Date();
    mkdirSync(dirname(object), {recursive: true});
    await em([source, '-c', ...flags, '-MMD', '-MF', depfile, '-o', object]);
    // A header edited meanwhile must be seen as newer.
    utimesSync(object, begun, begun);
    say(`  ${progress} ${source} ${seconds(started)}`);
    return object;
  })();
  compiling.set(object, work);
  return work;
}

const glueTypes = `/** Fills \`module\` and returns it: ready on return. */
declare const create: (module: any) => any;
export default create;
`;

/** Links one module if anything that it is made of changed. False if its binding is not written yet. */
async function buildModule(name) {
  const module = modules[name];
  const main = `src/bind/${module.bind[0]}.cpp`;
  if (!existsSync(join(root, main))) {
    say(`  ${name}: skipped, there is no ${main}`);
    return false;
  }
  const sources = sourcesOf(module);
  const objects = [];
  let compiled = 0;
  await inParallel(sources, Math.max(2, availableParallelism()), async (source) => {
    objects.push(await compile(source, module.optimise, `${name} ${++compiled}/${sources.length}`));
  });
  objects.sort();
  const glue = join(build, `${name}.mjs`);
  const wasm = join(build, `${name}.wasm`);
  const stamp = join(build, `${name}.link`);
  const flags = module.bare ? [...bareFlags] : [...linkFlags, ...embindFlags()];
  const passes = [module.optimise, '--converge'];
  if (module.optimise === '-Oz' && isTuned()) {
    // Across files only what makes its caller smaller is inlined; and control flow is rebuilt, which -Oz does not do by
    // itself. Together another percent.
    flags.push('-Wl,-mllvm,-inline-threshold=-50');
    passes.unshift('--flatten', '--rereloop');
  }
  const recipe = [compiler(), module.optimise, ...flags, ...passes, ...objects].join('\n');
  const same = existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe;
  if (!same || !(module.bare || existsSync(glue)) || !isNewerThan(wasm, objects)) {
    const started = performance.now();
    const folder = join(build, 'link');
    mkdirSync(folder, {recursive: true});
    await em([...objects, module.optimise, ...flags, '-o', join(folder, `${name}.${module.bare ? 'wasm' : 'mjs'}`)]);
    if (!module.bare) writeIfChanged(glue, trimGlue(readFileSync(join(folder, `${name}.mjs`), 'utf8')));
    const linked = join(folder, `${name}.wasm`);
    if (isTuned() && which('wasm-opt')) await run('wasm-opt', [linked, ...passes, '-o', linked]);
    renameSync(linked, wasm);
    writeFileSync(stamp, recipe);
    say(`  ${name}: linked, ${statSync(wasm).size} bytes of wasm, ${seconds(started)}`);
  }
  writeIfChanged(`${wasm}.js`, textModule(encodeText(readFileSync(wasm))));
  if (!module.bare) writeIfChanged(join(build, `${name}.d.mts`), glueTypes);
  writeIfChanged(`${wasm}.d.ts`, 'declare const wasm: Uint8Array<ArrayBuffer>;\nexport default wasm;\n');
  return true;
}

const banner = '/*! peer-cdn, MIT licence */';

/** dist/: [entry, output, options]. Bundles are UTF-8: the text form of the wasm would double in ASCII. */
const bundles = [
  ['sw/classic.js', 'sw.js', {format: 'iife'}],
  ['sw/index.js', 'sw.mjs', {format: 'esm'}],
  ['web/index.js', 'index.js', {format: 'esm'}],
  ['src/server/index.js', 'server.js', {format: 'esm', platform: 'node', packages: 'external'}],
  ['src/server/cli.js', 'cli.js', {format: 'esm', platform: 'node', packages: 'external'}],
];

async function buildBundles() {
  const esbuild = await import('esbuild');
  const complete = [];
  const failures = [];
  for (const [entry, output, options] of bundles) {
    if (!existsSync(join(root, entry))) {
      say(`  dist/${output}: skipped, there is no ${entry}`);
      continue;
    }
    const forNode = options.platform === 'node';
    const result = await esbuild.build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      minify: true,
      charset: 'utf8',
      target: forNode ? 'node20' : 'es2022',
      legalComments: 'none',
      banner: {js: banner},
      plugins: [wasmPlugin],
      mangleProps: innerProperties,
      mangleQuoted: true,
      write: false,
      logLevel: 'silent',
      ...options,
    }).catch((error) => {
      failures.push(`esbuild: dist/${output}: ${error.message}`);
    });
    if (!result) continue;
    for (const warning of result.warnings) say(`  esbuild: ${entry}: ${warning.text}`);
    let text = fillIn(result.outputFiles[0].text, (name) => readFileSync(join(build, `${name}.wasm`)));
    if (output === 'cli.js') text = `#!/usr/bin/env node\n${text.replace(/^#!.*\n/, '')}`;
    writeIfChanged(join(dist, output), text);
    complete.push(output);
  }
  if (existsSync(join(dist, 'cli.js'))) chmodSync(join(dist, 'cli.js'), 0o755);
  if (failures.length > 0) throw new Error(failures.join('\n'));
  return complete.length === bundles.length;
}

/** dist/types mirrors the sources; dist/<entry>.d.ts name its doors. */
const doors = [
  ['index.d.ts', 'web/index.js'],
  ['sw.d.ts', 'sw/index.js'],
  ['server.d.ts', 'src/server/index.js'],
];

// A service worker's own types are in TypeScript's lib `webworker`, which excludes lib `dom`; a site compiles with one of
// them. So ours come along, as much of them as our signatures need.
const workerTypes = `export interface FetchEvent extends Event {
  readonly request: Request;
  readonly clientId: string;
  readonly resultingClientId: string;
  respondWith(response: Response | PromiseLike<Response>): void;
  waitUntil(promise: Promise<any>): void;
}
export interface Client {
  readonly id: string;
  readonly url: string;
  postMessage(message: any, transfer?: Transferable[]): void;
}
`;

function addWorkerTypes() {
  const folder = join(dist, 'types/sw');
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    const used = ['FetchEvent', 'Client'].filter((type) => new RegExp(`\\b${type}\\b`).test(text));
    if (used.length > 0) writeFileSync(path, `import type { ${used.join(', ')} } from './worker-types.js';\n${text}`);
  }
  writeFileSync(join(folder, 'worker-types.d.ts'), workerTypes);
}

async function buildTypes() {
  const inputs = ['sw', 'web', 'src/server'].flatMap((folder) => filesIn(folder).filter((file) => file.endsWith('.js')));
  inputs.push(join(root, 'tsconfig.json'));
  const stamp = join(build, 'types.stamp');
  const present = doors.filter(([, entry]) => existsSync(join(root, entry)));
  if (present.length === 0) return false;
  if (isNewerThan(stamp, inputs) && present.every(([door]) => existsSync(join(dist, door)))) return true;
  const started = performance.now();
  const begun = new Date();
  rmSync(join(dist, 'types'), {recursive: true, force: true});
  const {code, output} = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
  if (code !== 0) throw new Error(`tsc failed\n${output.trim()}`);
  if (existsSync(join(dist, 'types/sw'))) addWorkerTypes();
  for (const [door, entry] of present) {
    const path = `./types/${entry}`;
    const text = readFileSync(join(dist, 'types', entry.replace(/\.js$/, '.d.ts')), 'utf8');
    const hasDefault = /export default |export \{[^}]*\bdefault\b|as default/.test(text);
    writeIfChanged(join(dist, door), `export * from '${path}';\n${hasDefault ? `export { default } from '${path}';\n` : ''}`);
  }
  writeFileSync(stamp, '');
  utimesSync(stamp, begun, begun);
  say(`  types: ${seconds(started)}`);
  return present.length === doors.length;
}

// Several builds at once (an editor's, a test's) would write the same files, so one waits for the other.
async function takeLock() {
  const lock = join(build, '.lock');
  mkdirSync(build, {recursive: true});
  for (let told = false;; told = true) {
    try {
      writeFileSync(lock, String(process.pid), {flag: 'wx'});
      process.once('exit', () => rmSync(lock, {force: true}));
      for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
      return () => rmSync(lock, {force: true});
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : 0);
    try {
      if (holder > 0) process.kill(holder, 0);
    } catch {
      rmSync(lock, {force: true});
      continue;
    }
    if (!told) say(`  waiting for another build (process ${holder})`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Builds what is out of date. Resolves to true if everything that there is to build exists; rejects if a step fails. */
export async function buildAll({clean = false, only} = {}) {
  const started = performance.now();
  if (clean) {
    for (const folder of [build, dist]) rmSync(folder, {recursive: true, force: true});
  }
  const release = await takeLock();
  const failures = [];
  let complete = true;
  const step = async (name, work) => {
    if (only && only !== name) return;
    say(`build ${name}`);
    try {
      if (!(await work())) complete = false;
    } catch (error) {
      failures.push(error.message);
      say(error.message);
    }
  };
  try {
    linkHeaders();
    for (const name of Object.keys(modules)) await step(name, () => buildModule(name));
    await step('bundle', buildBundles);
    await step('types', buildTypes);
  } finally {
    release();
  }
  say(`build ${failures.length ? 'failed' : complete ? 'done' : 'done, but for what is skipped'} in ${seconds(started)}`);
  if (failures.length) throw new Error(failures.join('\n'));
  return complete;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const at = args.indexOf('--only');
  const only = at < 0 ? undefined : args[at + 1];
  const known = [...Object.keys(modules), 'bundle', 'types'];
  if (at >= 0 && !known.includes(only)) {
    say(`--only takes one of: ${known.join(', ')}`);
    process.exit(2);
  }
  await setup();
  buildAll({clean: args.includes('--clean'), only}).catch(() => process.exit(1));
}
