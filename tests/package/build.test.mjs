// The build of the wasm: which em++ it takes, and that nothing that was made for one version is done to another.
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, test } from 'node:test';
import { trimGlue } from '../../scripts/glue.mjs';
import { root, run, which } from '../../scripts/run.mjs';

async function temporary(t) {
  const folder = await mkdtemp(join(tmpdir(), 'peer-cdn-build-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Configures the wasm build into a folder: cmake's code and words, and the rules for ninja. */
async function configure(folder, path) {
  const build = join(folder, 'build');
  const toolchain = join(root, 'cmake/emscripten.cmake');
  const args = ['-S', root, '-B', build, '-G', 'Ninja', '--toolchain', toolchain];
  const { code, output } = await run('cmake', args, { env: { PATH: path } });
  const files = code === 0 ? ['build.ninja', 'CMakeFiles/rules.ninja'] : [];
  const texts = await Promise.all(files.map((file) => readFile(join(build, file), 'utf8')));
  return { code, output, rules: texts.join('\n') };
}

/** A folder for PATH whose em++ says that it is of some version, and is the one that is here. */
async function pretend(folder, version) {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const name of ['em++', 'emcc']) {
    const real = which(name);
    const said = `${real} "$@" 2>&1 | sed -E 's/(GNU ld\\)) [0-9.]+/\\1 ${version}/'`;
    await writeFile(join(bin, name), `#!/bin/sh\n[ "$1" = -v ] || exec ${real} "$@"\n${said} >&2\n`);
    await chmod(join(bin, name), 0o755);
  }
  await symlink(which('em-config'), join(bin, 'em-config'));
  return bin;
}

// What cmake/wasm.cmake does for 3.1.6 alone.
const tuned = ['PEER_CDN_OWN_TYPES', 'embind-unused.js', 'embind-few.js', 'glue.mjs', 'wasm-opt', '-inline-threshold'];

describe('the build of the wasm', () => {
  test('takes the em++ that PATH finds first, and what a newer one writes as it is', async (t) => {
    const folder = await temporary(t);
    const bin = await pretend(folder, '4.0.1');
    const { code, output, rules } = await configure(folder, `${bin}${delimiter}${process.env.PATH}`);
    assert.equal(code, 0, output);
    assert.ok(rules.includes(join(bin, 'em++')), 'the first em++ compiles');
    assert.ok(rules.includes('-lembind'));
    for (const part of tuned) assert.ok(!rules.includes(part), part);
  });

  test('is tuned for 3.1.6', async (t) => {
    const folder = await temporary(t);
    const bin = await pretend(folder, '3.1.6');
    const { code, output, rules } = await configure(folder, `${bin}${delimiter}${process.env.PATH}`);
    assert.equal(code, 0, output);
    for (const part of tuned) assert.ok(rules.includes(part), part);
  });

  test('says where an em++ comes from when there is none', async (t) => {
    const folder = await temporary(t);
    for (const name of ['cmake', 'ninja']) await symlink(which(name), join(folder, name));
    const { code, output } = await configure(folder, folder);
    assert.notEqual(code, 0);
    assert.match(output, /no em\+\+ on PATH.*node scripts\/setup\.mjs/s);
  });

  test('compiles every source of the core', async () => {
    const commands = JSON.parse(await readFile(join(root, 'build/wasm/compile_commands.json'), 'utf8'));
    const compiled = new Set(commands.map(({ file }) => file));
    const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((path) => path.endsWith('.cpp'));
    assert.ok(sources.length > 0);
    for (const path of sources) assert.ok(compiled.has(join(root, 'src', path)), path);
  });

  test('refuses a part that it does not know, and names those that it does', async () => {
    const { code, output } = await run(process.execPath, ['scripts/build.mjs', '--only', 'pages']);
    assert.equal(code, 2);
    assert.match(output, /worker, peer, rtc, coordinator, listing, bundle, types/);
  });
});

describe('the JavaScript of em++ 3.1.6', () => {
  test("is refused where it is another version's", () => {
    assert.throws(
      () => trimGlue('var Module = (() => { var readyPromise; return (moduleArg = {}) => moduleArg; })();'),
      /not the JavaScript of em\+\+ 3\.1\.6/,
    );
  });

  test('is refused when it was trimmed already', async () => {
    const trimmed = await readFile(join(root, 'build/rtc.mjs'), 'utf8');
    assert.throws(() => trimGlue(trimmed), /not the JavaScript of em\+\+ 3\.1\.6/);
  });
});
