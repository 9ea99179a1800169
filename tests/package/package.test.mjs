// The package as npm makes it: what is inside, that its types say what its modules export, and that it can be used from
// an empty folder. The browsers' half of that is in tests/e2e.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const doors = { 'peer-cdn': 'dist/browser/index.js', 'peer-cdn/sw': 'dist/browser/sw.mjs', 'peer-cdn/server': 'dist/server.js' };
const browserFiles = ['engine.js', 'index.js', 'page.js', 'sw.js', 'sw.mjs'].map((name) => `dist/browser/${name}`);
const nodeFiles = ['build.js', 'cli.js', 'server.js', 'vite.js'].map((name) => `dist/${name}`);

const npm = async (args, cwd = root) => {
  const { code, output } = await run('npm', [...args, '--loglevel=error', '--no-audit', '--no-fund'], { cwd });
  assert.equal(code, 0, output);
  return output;
};

const tool = (script, ...args) => run(process.execPath, [join(root, 'node_modules', script), ...args]);

// What a bundle exports, by its last statement: sw and index want a browser, so they are not imported here.
async function exportsOf(file) {
  const text = await readFile(join(root, file), 'utf8');
  const list = text.trimEnd().match(/export\s*\{([^}]*)\};?$/)?.[1];
  assert.ok(list, `${file} ends with its exports`);
  return list
    .split(',')
    .map((entry) =>
      entry
        .trim()
        .split(/\s+as\s+/)
        .pop(),
    )
    .sort();
}

describe('the package', () => {
  let folder;
  let packed;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'peer-cdn-package-'));
    // The build was made before the tests; `prepack` would only repeat it.
    const output = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder]);
    packed = JSON.parse(output.slice(output.indexOf('[')))[0];
    await mkdir(join(folder, 'user'));
    await writeFile(join(folder, 'user/package.json'), '{"name":"user","private":true,"type":"module"}');
    await npm(['install', '--prefer-offline', join(folder, packed.filename)], join(folder, 'user'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('every file that package.json names is inside', () => {
    const names = Object.values(manifest.exports)
      .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
      .concat(Object.values(manifest.bin), manifest.types)
      .map((path) => path.replace(/^\.\//, ''));
    const inside = new Set(packed.files.map(({ path }) => path));
    for (const name of [...names, 'README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(inside.has(name), name);
  });

  test('publint finds nothing wrong', async () => {
    const { code, output } = await tool('publint/src/cli.js', 'run', '--strict', join(folder, packed.filename));
    assert.equal(code, 0, output);
  });

  test('attw finds nothing wrong with the types', async () => {
    // sw.js is a script, for importScripts(). A CommonJS module gets ours by import(), or by require() of Node 22.
    const asIs = ['--ignore-rules', 'cjs-resolves-to-esm', '--exclude-entrypoints', './sw.js', './package.json'];
    const { code, output } = await tool(
      '@arethetypeswrong/cli/dist/index.js',
      join(folder, packed.filename),
      '--no-emoji',
      ...asIs,
    );
    assert.equal(code, 0, output);
  });

  test('nothing else is inside, but for the licences of what is', async () => {
    const built = /^(dist\/((browser\/)?[\w-]+\.(js|mjs|d\.ts)|types\/[\w/-]+\.d\.ts)|docs\/[\w-]+\.md|deploy\/[\w.@-]+)$/;
    const others = packed.files
      .map(({ path }) => path)
      .filter((path) => !built.test(path))
      .sort();
    assert.deepEqual(others, ['CHANGELOG.md', 'LICENSE', 'README.md', 'THIRD_PARTY_NOTICES', 'package.json']);
    const licences = await readFile(join(root, 'THIRD_PARTY_NOTICES'), 'utf8');
    for (const work of ['Emscripten', 'musl', 'libc++']) assert.ok(licences.includes(work), work);
  });

  test('what a browser needs is in a folder of its own, and nothing else is there', () => {
    const inside = packed.files.map(({ path }) => path).filter((path) => path.startsWith('dist/browser/'));
    assert.deepEqual(inside.sort(), browserFiles);
  });

  test('the scripts carry their wasm inside and need no file beside them, but for what a page loads later', async () => {
    for (const file of [...browserFiles, ...nodeFiles]) {
      const text = await readFile(join(root, file), 'utf8');
      assert.ok(!text.includes('@wasm '), `${file} has its wasm`);
      assert.doesNotMatch(text, /from\s*["']\.|import\s*["']\./, file);
      assert.ok(!text.includes(root), `${file} does not name this machine's folders`);
    }
  });

  test('what a build uses is one module with the server, so that a process has one coordinator', async () => {
    for (const file of ['dist/build.js', 'dist/vite.js']) {
      assert.match(await readFile(join(root, file), 'utf8'), /from\s*"peer-cdn\/server"/, file);
    }
  });

  test("the browsers' scripts need no eval, so that a CSP of wasm-unsafe-eval is enough", async () => {
    for (const file of browserFiles) {
      const text = await readFile(join(root, file), 'utf8');
      assert.doesNotMatch(text, /\beval\s*\(|new Function\s*\(/, file);
    }
  });

  test('dist/server.js exports what it is said to export when it is imported', async () => {
    const { code, output } = await run(
      process.execPath,
      ['--input-type=module', '-e', 'console.log(JSON.stringify(Object.keys(await import("peer-cdn/server")).sort()))'],
      { cwd: join(folder, 'user') },
    );
    assert.equal(code, 0, output);
    assert.deepEqual(JSON.parse(output), await exportsOf('dist/server.js'));
  });

  test('the command line runs from node_modules/.bin', async () => {
    const command = join(folder, 'user/node_modules/.bin/peer-cdn');
    const { code, output } = await run(command, ['--help'], { cwd: join(folder, 'user') });
    assert.equal(code, 0, output);
    assert.match(output, /manifest/);
    assert.match(output, /serve/);
  });

  for (const moduleResolution of ['nodenext', 'bundler']) {
    test(`the types agree with the exports under strict, ${moduleResolution}`, async () => {
      const user = join(folder, 'user');
      // A record with a key for every export of the module, and for no other, compiles only if types and module agree.
      for (const [index, [name, file]] of Object.entries(doors).entries()) {
        const keys = (await exportsOf(file)).map((key) => `${key}: true`).join(', ');
        await writeFile(
          join(user, `door${index}.ts`),
          `import * as door from '${name}';\nexport const names: Record<keyof typeof door, true> = { ${keys} };\n`,
        );
      }
      await writeFile(
        join(user, 'use.ts'),
        [
          "import { PeerPlugin, CachePlugin, start } from 'peer-cdn';",
          "import PeerCDN from 'peer-cdn/sw';",
          "import { attach } from 'peer-cdn/server';",
          "import { createServer } from 'node:http';",
          'const cdn = new PeerCDN();',
          'const cache = new PeerCDN.CachePlugin({ version: 1 });',
          'const network = new PeerCDN.NetworkPlugin();',
          "cdn.GET('/static', PeerCDN.strategies.ordered, cache.getMiddleware, network.getMiddleware);",
          'cdn.register();',
          "export const plugin: Promise<PeerPlugin> = start({ worker: '/sw.js' });",
          'plugin.then((peers) => {',
          "  peers.addEventListener('transfer', ({ detail }) => console.log(detail.url, detail.fromPeers));",
          "  peers.addEventListener('error', { handleEvent: (event) => console.log(event.detail.code) }, { once: true });",
          '  const onPeers = ({ detail }: CustomEvent<{ count: number }>) => console.log(detail.count);',
          "  peers.addEventListener('peers', onPeers);",
          "  peers.removeEventListener('peers', onPeers);",
          '  // @ts-expect-error: there is no such event',
          "  peers.addEventListener('transfers', () => {});",
          '  peers.upload = { on: false };',
          '  peers.upload = true;',
          '  const rate: number = peers.upload.bytesPerSecond + peers.stats.sent;',
          '  // @ts-expect-error: how much was sent is a number',
          '  const text: string = peers.stats.sent;',
          '  return [rate, text];',
          '});',
          'export const cacheName: string = CachePlugin.peerFetch + 1;',
          'attach(createServer());',
          '// @ts-expect-error: a path is text, which shows that the types are not all `any`',
          'cdn.GET(42, PeerCDN.strategies.ordered);',
        ].join('\n'),
      );
      const settings = {
        strict: true,
        noEmit: true,
        target: 'es2022',
        skipLibCheck: false,
        types: ['node'],
        lib: ['es2023', 'dom', 'dom.iterable'],
        moduleResolution,
        module: moduleResolution === 'nodenext' ? 'nodenext' : 'esnext',
      };
      await writeFile(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions: settings, include: ['*.ts'] }));
      // Users of the server have @types/node; it is the one thing that the package's types lean on.
      await mkdir(join(user, 'node_modules/@types'), { recursive: true });
      for (const types of ['node', 'ws']) {
        await symlink(join(root, 'node_modules/@types', types), join(user, 'node_modules/@types', types)).catch(() => {});
      }
      const { code, output } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
        cwd: user,
      });
      assert.equal(code, 0, output);
    });
  }
});
