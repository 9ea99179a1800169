// A misspelt option is refused by whoever takes it, with the name that was probably meant.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { attach, handler, makeManifest, serve, serveCoordinator } from '../../src/server/index.js';
import { meant } from '../../src/server/names.js';
import { build } from '../../src/server/build.js';
import peerCdn from '../../src/server/vite.js';
import { makeFolder } from './folder.mjs';

const folderOf = (t) => makeFolder(t, { 'a.png': 'a' });

/** What takes options: [its name, a call, a misspelt option, what was meant]. */
const calls = [
  ['attach()', (_, options) => attach(createServer(), options), 'orgins', 'origins'],
  ['attach()', (_, options) => attach(null, options), 'socketPerAddress', 'socketsPerAddress'],
  ['attach()', (_, options) => attach(createServer(), options), 'trust-proxy', 'trustProxy'],
  ['serveCoordinator()', (_, options) => serveCoordinator({ port: 0, ...options }), 'metricPort', 'metricsPort'],
  ['serve()', (t, options) => serve(folderOf(t), { port: 0, ...options }), 'pieceByte', 'pieceBytes'],
  ['handler()', (t, options) => handler(folderOf(t), options), 'onresponse', 'onResponse'],
  ['makeManifest()', (t, options) => makeManifest(folderOf(t), options), 'inclde', 'include'],
  ['build()', (t, options) => build(folderOf(t), options), 'worke', 'worker'],
  ['peerCdn()', (_, options) => peerCdn(options), 'worke', 'worker'],
];

for (const [who, call, misspelt, name] of calls) {
  test(`${who} refuses ${misspelt}, and names ${name}`, async (t) => {
    const expected = { code: 'bad-option', message: `${who} has no option '${misspelt}': did you mean ${name}?` };
    await assert.rejects(async () => call(t, { [misspelt]: 1 }), expected);
  });
}

test('an option that is like none is refused with all that there are', () => {
  assert.throws(() => attach(createServer(), { misspelt: 1 }), {
    code: 'bad-option',
    message: /'misspelt': there is path, origins, /,
  });
  assert.throws(() => attach(createServer(), { constructor: 1 }), { code: 'bad-option' });
  assert.throws(() => attach(createServer(), JSON.parse('{"__proto__": 1}')), { code: 'bad-option' });
});

test('an option that is undefined was not given', async (t) => {
  const coordinator = attach(createServer(), { misspelt: undefined, origins: undefined });
  t.after(() => coordinator.close());
});

test('what was meant is what differs in a letter, in two that are swapped, or in how words are joined', () => {
  const known = ['port', 'maxLifetime', 'origins'];
  for (const [name, said] of [
    ['prot', 'did you mean port?'],
    ['Port', 'did you mean port?'],
    ['max_lifetime', 'did you mean maxLifetime?'],
    ['origin', 'did you mean origins?'],
    ['zzz', 'there is port, maxLifetime, origins'],
    ['', 'there is port, maxLifetime, origins'],
    ['p'.repeat(100_000), 'there is port, maxLifetime, origins'],
  ]) {
    assert.equal(meant(name, known), said);
  }
});

/** What lists a folder: [its name, a call]. */
const listers = [
  ['makeManifest()', (t, options) => makeManifest(folderOf(t), options)],
  ['build()', (t, options) => build(folderOf(t), options)],
  ['handler()', (t, options) => handler(folderOf(t), options)],
  ['serve()', (t, options) => serve(folderOf(t), options)],
  ['peerCdn()', (_, options) => peerCdn(options)],
];
const globs = "a list of globs, as ['*.glb']";
const headers = "headers by glob, as { '*.glb': { 'x-a': 'b' } }";
/** What is not of an option's kind: [the options, what is said]. */
const unkind = [
  [{ include: '*.js' }, `include takes ${globs}, not '*.js'`],
  [{ include: 5 }, `include takes ${globs}, not 5`],
  [{ include: [5] }, `include takes ${globs}, not [ 5 ]`],
  [{ exclude: '*.map' }, `exclude takes ${globs}, not '*.map'`],
  [{ exclude: [''] }, `exclude takes ${globs}, not [ '' ]`],
  [{ anyQuery: true }, `anyQuery takes ${globs}, not true`],
  [{ headers: '*.glb a: b' }, `headers takes ${headers}, not '*.glb a: b'`],
  [{ headers: ['*.glb a: b'] }, `headers takes ${headers}, not [ '*.glb a: b' ]`],
  [{ headers: { 'x-a': 'b' } }, `headers takes ${headers}, not { 'x-a': 'b' }`],
  [{ headers: new Map([['*', {}]]) }, `headers takes ${headers}, not Map(1) { '*' => {} }`],
  [{ headers: { '*': { 'x-a': null } } }, `headers takes ${headers}, not { '*': { 'x-a': null } }`],
  [{ pieceBytes: '65536' }, "pieceBytes takes a power of two from 65536 to 16777216, not '65536'"],
  [{ base: 5 }, 'base takes a text, not 5'],
];
/** Vite tells warnings and keeps digests itself. */
const ofFolders = [
  [{ onWarning: 5 }, 'onWarning takes a function, not 5'],
  [{ cache: {} }, 'cache takes a Map, not {}'],
];
for (const [who, call] of listers) {
  test(`${who} refuses what is not of an option's kind when it is called, and says what is`, async (t) => {
    for (const [options, message] of who === 'peerCdn()' ? unkind : [...unkind, ...ofFolders])
      await assert.rejects(async () => call(t, options), { code: 'bad-option', message });
    for (const [options, said] of [
      [null, 'null'],
      [[], '[]'],
      ['x', "'x'"],
    ]) {
      const message = `${who} takes its options as an object, not ${said}`;
      await assert.rejects(async () => call(t, options), { code: 'bad-option', message });
    }
  });
}

test('a port is a number, as a text too; another text would be a socket of that name in the folder', async (t) => {
  const calls = { 'serve()': (options) => serve(folderOf(t), options), 'serveCoordinator()': serveCoordinator };
  for (const [who, call] of Object.entries(calls)) {
    for (const port of ['x', 65536, -1, 1.5, '']) {
      const message = `port takes a port, from 0 to 65535, not ${inspect(port)}`;
      await assert.rejects(async () => call({ port }), { code: 'bad-option', message }, who);
    }
    const { close } = await call({ port: '0' });
    await close();
  }
  await assert.rejects(serveCoordinator({ port: 0, metricsPort: 'x' }), { code: 'bad-option' });
  await assert.rejects(serveCoordinator({ port: 0, host: '' }), { code: 'bad-option' });
  const served = await serveCoordinator({ port: 0, metricsPort: null, host: null });
  await served.close();
  assert.equal(served.metricsPort, served.port, 'null is as if nobody had said it');
});

test('a number of proxies behind a space is told as what it is', () => {
  const args = [cli, 'coordinator', '--origin', 'https://a.example', '--trust-proxy', '2'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const line = 'peer-cdn: bad-arguments: --trust-proxy takes its number without a space: --trust-proxy=2';
  assert.deepEqual([status, stderr.split('\n')[0]], [2, line]);
});

test('handler() and serve() take a folder, and attach() says of a text that it is one', async () => {
  for (const [folder, said] of [
    [undefined, 'undefined'],
    [5, '5'],
    ['', "''"],
    [Symbol('x'), 'Symbol(x)'],
  ]) {
    assert.throws(() => handler(folder), { code: 'bad-option', message: `handler() takes a folder, as './site', not ${said}` });
    await assert.rejects(serve(folder), { code: 'bad-option', message: `serve() takes a folder, as './site', not ${said}` });
  }
  assert.throws(() => attach(null, { origins: new Set(['https://a.example']) }), {
    message: /not Set\(1\) \{ 'https:\/\/a\.example' \}$/,
  });
});

test('a service worker is named, or there is none', async (t) => {
  for (const worker of [5, '', true, '../sw.js', 'a/../../sw.js', 'a\\..\\sw.js', '..', '.', 'a/', '/']) {
    const expected = { code: 'bad-option', message: /^worker takes a file of the folder, as 'sw.js', or false, not / };
    assert.throws(() => peerCdn({ worker }), expected);
    await assert.rejects(build(folderOf(t), { worker }), expected);
  }
});

test('an option that is null was not given', async (t) => {
  const none = { include: null, exclude: null, anyQuery: null, headers: null, base: null, onWarning: null };
  assert.equal(Object.keys((await makeManifest(folderOf(t), none)).manifest.resources).length, 1);
  assert.equal((await build(folderOf(t), { ...none, worker: null })).files, 1);
  const coordinator = attach(createServer(), { origins: null, trustProxy: null, proxyProtocol: null, proxies: null });
  await coordinator.close();
});

const cli = fileURLToPath(new URL('../../src/server/cli.js', import.meta.url));

for (const [args, line] of [
  [['serve', '.', '--prot', '1'], "unknown-option: Unknown option '--prot': did you mean --port?"],
  [['manifst', '.'], "unknown-command: there is no command 'manifst': did you mean manifest?"],
]) {
  test(`peer-cdn ${args.join(' ')} says what was probably meant`, () => {
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
    assert.deepEqual([status, stderr.split('\n')[0]], [2, `peer-cdn: ${line}`]);
  });
}

test('a file of settings with a misspelt one is refused with the one that was meant', (t) => {
  const folder = makeFolder(t, { 'c.json': '{"orgins": ["https://a.example"]}' });
  const { status, stderr } = spawnSync(process.execPath, [cli, 'coordinator', '--config', `${folder}/c.json`], {
    encoding: 'utf8',
  });
  assert.equal(status, 2);
  assert.match(stderr, /unknown-option: there is no setting 'orgins' in .*c\.json: did you mean origins\?/);
});
