#!/usr/bin/env node
// Builds everything that is built: the wasm modules (CMake's preset `wasm`), their text form, the bundles (esbuild) and the
// types (tsc).
//   node scripts/build.mjs [--clean] [--only worker|peer|rtc|coordinator|listing|bundle|types]
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { borderModule } from './border.mjs';
import { buildPreset } from './cmake.mjs';
import { encodeText, fillIn, textModule, wasmPlugin } from './encode.mjs';
import { notices } from './notices.mjs';
import { setup } from './setup.mjs';
import { root, run, say, seconds, writeIfChanged } from './run.mjs';
import { checkMembers, shortened } from './short-names.mjs';
import { buildTypes } from './types.mjs';

const build = join(root, 'build');
const dist = join(root, 'dist');

const modules = ['worker', 'peer', 'rtc', 'coordinator', 'listing'];

const glueTypes = `/** Fills \`module\` and returns it: ready on return. */
declare const create: (module: any) => any;
export default create;
`;

/** Builds modules, and beside each one its text form and the types of both. */
async function buildModules(names) {
  await buildPreset('wasm', [...names, 'border']);
  await buildBorder();
  for (const name of names) {
    const wasm = readFileSync(join(build, `${name}.wasm`));
    writeIfChanged(join(build, `${name}.wasm.js`), textModule(encodeText(wasm), wasm.length));
    writeIfChanged(join(build, `${name}.wasm.d.ts`), 'declare const wasm: Uint8Array<ArrayBuffer>;\nexport default wasm;\n');
    if (existsSync(join(build, `${name}.mjs`))) writeIfChanged(join(build, `${name}.d.mts`), glueTypes);
  }
}

// build/border.js: what border.def lists, with the compiler's numbers.
async function buildBorder() {
  const { code, output } = await run(process.execPath, [join(build, 'wasm/border.cjs')]);
  // What is wrong stands before the list.
  if (code !== 0) throw new Error(`border: ${output.match(/^error:.*$/gm)?.join('\n') ?? output.slice(-500)}`);
  const { module, types } = borderModule(JSON.parse(output));
  writeIfChanged(join(build, 'border.js'), module);
  writeIfChanged(join(build, 'border.d.ts'), types);
}

const banner = '/*! peer-cdn, MIT licence */';

/**
 * dist/, with a folder for what a site serves: [entry, output, options]. Bundles are UTF-8: the text form of the wasm would
 * double in ASCII. It is injected, so that it comes first: what stands before and behind it is too far apart for gzip to see that
 * it is alike.
 */
const bundles = [
  ['sw/classic.js', 'browser/sw.js', { format: 'iife', inject: ['build/worker.wasm.js'] }],
  ['sw/index.js', 'browser/sw.mjs', { format: 'esm', inject: ['build/worker.wasm.js'] }],
  // What a page loads: at once, for its first engine, and as the engine's worker (or in the page, where that cannot be).
  ['web/index.js', 'browser/index.js', { format: 'esm', external: ['./page.js'] }],
  ['web/page.js', 'browser/page.js', { format: 'esm', external: ['./engine.js'], inject: ['build/rtc.wasm.js'] }],
  ['web/engine.js', 'browser/engine.js', { format: 'esm', inject: ['build/peer.wasm.js'] }],
  ['src/server/index.js', 'server.js', { format: 'esm', platform: 'node', packages: 'external' }],
  ['src/server/cli.js', 'cli.js', { format: 'esm', platform: 'node', packages: 'external' }],
  ['src/server/build.js', 'build.js', { format: 'esm', platform: 'node', packages: 'external' }],
  ['src/server/vite.js', 'vite.js', { format: 'esm', platform: 'node', packages: 'external' }],
];

const terserOptions = { ecma: 2022, compress: { passes: 3 }, format: { comments: 'some' } };

async function buildBundles() {
  checkMembers();
  const esbuild = await import('esbuild');
  const terser = await import('terser');
  const failures = [];
  for (const [entry, output, options] of bundles) {
    const forNode = options.platform === 'node';
    const result = await esbuild
      .build({
        absWorkingDir: root,
        entryPoints: [entry],
        bundle: true,
        minify: true,
        charset: 'utf8',
        target: forNode ? 'node22' : 'es2022',
        legalComments: 'none',
        banner: { js: banner },
        plugins: [wasmPlugin],
        // What tsconfig.json says is for the type checker: 'peer-cdn/server' stays a module of its own.
        tsconfigRaw: '{}',
        // On a server nobody waits for bytes, and the names of others' modules are among ours.
        ...(!forNode && { mangleProps: shortened, mangleQuoted: true }),
        write: false,
        logLevel: 'silent',
        ...options,
      })
      .catch((error) => {
        failures.push(`esbuild: dist/${output}: ${error.message}`);
      });
    if (!result) continue;
    for (const warning of result.warnings) say(`  esbuild: ${entry}: ${warning.text}`);
    let { text } = result.outputFiles[0];
    // Terser finds 5 % of the JavaScript (after gzip) that esbuild leaves.
    if (!forNode) ({ code: text } = await terser.minify(text, { ...terserOptions, module: options.format === 'esm' }));
    text = fillIn(text, (name) => readFileSync(join(build, `${name}.wasm`)));
    if (output === 'cli.js') text = `#!/usr/bin/env node\n${text.replace(/^#!.*\n/, '')}`;
    writeIfChanged(join(dist, output), text);
  }
  if (failures.length > 0) throw new Error(failures.join('\n'));
  // What an earlier build made and this one does not would be packed with it.
  const outputs = new Set(bundles.map(([, output]) => join(dist, output)));
  for (const folder of [dist, join(dist, 'browser')]) {
    const made = readdirSync(folder).filter((name) => /\.m?js$/.test(name));
    for (const file of made.map((name) => join(folder, name))) if (!outputs.has(file)) rmSync(file);
  }
  chmodSync(join(dist, 'cli.js'), 0o755);
  writeIfChanged(join(root, 'THIRD_PARTY_NOTICES'), notices());
}

// Several builds at once (an editor's, a test's) would write the same files, so one waits for the other.
async function takeLock() {
  const lock = join(build, '.lock');
  mkdirSync(build, { recursive: true });
  for (let told = false; ; told = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      process.once('exit', () => rmSync(lock, { force: true }));
      for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : 0);
    try {
      if (holder > 0) process.kill(holder, 0);
    } catch {
      rmSync(lock, { force: true });
      continue;
    }
    if (!told) say(`  waiting for another build (process ${holder})`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Builds what is out of date, all of it or `only` one part. Resolves to true; rejects if a step fails. */
export async function buildAll({ clean = false, only } = {}) {
  const started = performance.now();
  if (clean) {
    for (const folder of [build, dist]) rmSync(folder, { recursive: true, force: true });
  }
  const release = await takeLock();
  const failures = [];
  const step = async (name, work) => {
    say(`build ${name}`);
    try {
      await work();
    } catch (error) {
      failures.push(error.message);
      say(error.message);
    }
  };
  try {
    const names = only ? modules.filter((name) => name === only) : modules;
    if (names.length > 0) await step(names.join(', '), () => buildModules(names));
    if (!only || only === 'bundle') await step('bundle', buildBundles);
    if (!only || only === 'types') await step('types', buildTypes);
  } finally {
    release();
  }
  say(`build ${failures.length ? 'failed' : 'done'} in ${seconds(started)}`);
  if (failures.length) throw new Error(failures.join('\n'));
  return true;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const at = args.indexOf('--only');
  const only = at < 0 ? undefined : args[at + 1];
  const known = [...modules, 'bundle', 'types'];
  if (at >= 0 && !known.includes(only)) {
    say(`--only takes one of: ${known.join(', ')}`);
    process.exit(2);
  }
  await setup().catch((error) => {
    say(error.message);
    process.exit(1);
  });
  buildAll({ clean: args.includes('--clean'), only }).catch(() => process.exit(1));
}
