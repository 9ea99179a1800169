// The command as a user types it.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DIGESTS_PATH, MANIFEST_PATH, namedEntries, SOCKET_PATH } from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import { answering, freePort } from './debian.mjs';
import { asNobody, bytesOf, makeFolder } from './folder.mjs';
import { Visitor } from './visitor.mjs';

const cli = fileURLToPath(new URL('../../src/server/cli.js', import.meta.url));

function startAs(user, ...args) {
  const child = spawn(process.execPath, [cli, ...args], user);
  const result = { child, stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (result.stdout += data));
  child.stderr.on('data', (data) => (result.stderr += data));
  result.ended = new Promise((resolve) => child.once('close', (status) => resolve({ ...result, status })));
  return result;
}
const start = (...args) => startAs({}, ...args);
const run = (...args) => start(...args).ended;

const wrong = [
  [[], 2, 'bad-arguments'],
  [['dance'], 2, 'unknown-command'],
  [['serve'], 2, 'bad-arguments'],
  [['manifest', 'a', 'b'], 2, 'bad-arguments'],
  [['manifest', '.', '--check', '--watch'], 2, 'bad-arguments'],
  [['manifest', ''], 2, 'bad-arguments'],
  [['manifest', 'https://example.org'], 2, 'bad-arguments'],
  [['manifest', '.', '-o=a.json'], 2, 'bad-value'],
  [['manifest', '.', '-o', ''], 2, 'bad-value'],
  [['manifest', 'tests/vectors', '-o', '-'], 2, 'bad-value'],
  [['manifest', '.', '-o', '/nowhere/a.json', '--output', '/nowhere/b.json'], 2, 'bad-arguments'],
  [['manifest', '.', '--base', '/a/', '--base', '/b/'], 2, 'bad-arguments'],
  [['manifest', '.', '--include', ''], 2, 'bad-value'],
  [['manifest', '.', '--base', '/repo?x'], 2, 'bad-value'],
  [['manifest', '.', '--header', 'nonsense'], 2, 'bad-value'],
  [['manifest', '.', '--header', 'etag: "x"'], 2, 'bad-value'],
  [['manifest', 'tests/vectors', '--check', '-o', '/nowhere/at.json'], 1, 'not-found'],
  [['coordinator'], 2, 'bad-arguments'],
  [['coordinator', '.', '--origin', 'https://example.org'], 2, 'bad-arguments'],
  [['coordinator', '--port', '0', '--origin', 'example.com'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--redis', 'localhost:6379'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--proxy', 'balancer'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--proxy', '192.0.2.1'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--token-key', 'short'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--log', 'xml'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--host', 'fe80::1'], 2, 'bad-value'],
  [['coordinator', '--port', '0', '--origin', 'https://example.org', '--config', ''], 2, 'bad-value'],
  [['coordinator', '--config', '/nowhere/at.json'], 1, 'not-found'],
  [['coordinator', '--config', cli], 2, 'bad-value'],
  [['coordinator', '--config', '/dev/zero'], 2, 'bad-value'],
  [['manifest', 'tests/vectors', '--check', '-o', '/dev/zero'], 1, 'not-a-file'],
  [['serve', '.', '--metrics-port', '1'], 2, 'unknown-option'],
  [['doctor'], 2, 'bad-arguments'],
  [['doctor', 'ftp://example.org'], 2, 'bad-value'],
  [['doctor', 'https://'], 2, 'bad-value'],
  [['doctor', 'https://name:password@example.org'], 2, 'bad-value'],
  [['doctor', 'localhost:1', '--worker', 'https://['], 2, 'bad-value'],
  [['serve', '.', '--prot', '1'], 2, 'unknown-option'],
  [['manifest', '.', '--port', '1'], 2, 'unknown-option'],
  [['serve', '.', '--port'], 2, 'bad-arguments'],
  [['serve', '.', '--port', '0', '--origin', 'example.com'], 2, 'bad-value'],
  [['serve', '/nowhere/at/all'], 1, 'not-found'],
  [['manifest', '/nowhere/at/all'], 1, 'not-found'],
  [['manifest', cli], 1, 'not-a-folder'],
  [['serve', cli], 1, 'not-a-folder'],
];
for (const [args, status, code] of wrong) {
  test(`peer-cdn ${args.join(' ')} says ${code}`, async () => {
    const ended = await run(...args);
    assert.equal(ended.status, status, ended.stderr);
    assert.match(ended.stderr, new RegExp(`^peer-cdn: ${code}: `));
    assert.equal(ended.stdout, '');
  });
}

test('a coordinator takes its settings from a file and the environment, and says where it is', async (t) => {
  const folder = makeFolder(t, { 'config.json': JSON.stringify({ port: 0, origins: ['https://a.example'], trustProxy: 1 }) });
  const env = { ...process.env, PEER_CDN_CONFIG: join(folder, 'config.json'), PEER_CDN_ORIGINS: 'https://b.example' };
  const started = startAs({ env }, 'coordinator', '--json');
  t.after(() => started.child.kill());
  await until('it says where it is', () => started.stdout.includes('\n'));
  assert.deepEqual(JSON.parse(started.stdout).origins, ['https://b.example']);
});

test('an option before the command is told to stand behind it', async () => {
  const { stderr, status } = await run('--port', '8081', 'serve', 'site');
  assert.match(
    stderr,
    /^peer-cdn: unknown-command: there is no command '8081': the command goes first, as peer-cdn serve \.\.\.\n/,
  );
  assert.equal(status, 2);
});

test('help and version are asked for, and go to standard output', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const args of [['--version'], ['-v'], ['serve', '--version']]) {
    const { stdout, status } = await run(...args);
    assert.deepEqual([stdout, status], [`${version}\n`, 0]);
  }
  for (const args of [['--help'], ['-h'], ['manifest', '--help']]) {
    assert.match((await run(...args)).stdout, /peer-cdn serve <folder>/);
  }
});

test('manifest writes the manifest where it is told to', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 100_000), 'app.js': 'js', 'b.png': 'b' });
  const ended = await run('manifest', folder);
  assert.equal(ended.status, 0, ended.stderr);
  assert.match(ended.stdout, /2 files, 100001 bytes/);
  const output = join(folder, 'elsewhere.json');
  const globs = ['--include', '*.js', '--exclude', '*.png'];
  const other = await run('manifest', folder, '-o', output, '--base', '/static', ...globs, '--piece-bytes', '131072');
  assert.equal(other.status, 0, other.stderr);
  const { resources } = JSON.parse(readFileSync(output, 'utf8'));
  assert.deepEqual(Object.keys(resources), ['/static/a.bin', '/static/app.js']);
  assert.equal(resources['/static/a.bin'].pieceBytes, 131072);
  assert(existsSync(join(folder, DIGESTS_PATH)));
});

test('a file that cannot be listed costs itself and a line, the rest is listed', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a', 'line\nend.bin': 'b', 'shut/c.bin': 'c', 'd.png': 'd', 'app.js': 'e' });
  for (const path of ['a.bin', 'line\nend.bin', 'shut', 'app.js']) chmodSync(join(folder, path), 0);
  const output = join(folder, 'out');
  mkdirSync(output);
  chmodSync(output, 0o777);
  const ended = await startAs(asNobody(folder), 'manifest', folder, '-o', join(output, MANIFEST_PATH)).ended;
  assert.equal(ended.status, 0, ended.stderr);
  assert.deepEqual(ended.stderr.split('\n'), [
    'peer-cdn: not-readable: a.bin is not listed: it may not be read',
    'peer-cdn: not-readable: line\\u000aend.bin is not listed: it may not be read',
    'peer-cdn: not-readable: shut/ is not listed: it may not be read',
    '',
  ]);
  assert.match(ended.stdout, /: 1 file, 1 bytes; 0 digest lists in /);
});

test('a folder that cannot be read is an error', async (t) => {
  const folder = makeFolder(t, { 'shut/a.bin': 'a' });
  chmodSync(join(folder, 'shut'), 0);
  for (const command of ['manifest', 'serve']) {
    const ended = await startAs(asNobody(folder), command, join(folder, 'shut')).ended;
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, /^peer-cdn: not-readable: .*shut\n$/);
  }
});

test('serve says once of each file that it is not listed, and goes on', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a', 'b.bin': 'b' });
  chmodSync(join(folder, 'a.bin'), 0);
  const served = startAs(asNobody(folder), 'serve', folder, '--port', '0');
  await new Promise((resolve) => served.child.stdout.once('data', resolve));
  const [, url] = served.stdout.match(/at (http:\S+)\n$/);
  const paths = async () => Object.keys((await (await fetch(new URL(MANIFEST_PATH, url))).json()).resources);
  assert.deepEqual(await paths(), ['/b.bin']);
  chmodSync(join(folder, 'b.bin'), 0);
  writeFileSync(join(folder, 'c.bin'), 'c');
  await until('the folder was looked through again', async () => (await paths()).includes('/c.bin'));
  assert.deepEqual(await paths(), ['/c.bin']);
  served.child.kill('SIGTERM');
  const { status, stderr } = await served.ended;
  const lines = ['a', 'b'].map((name) => `peer-cdn: not-readable: ${name}.bin is not listed: it may not be read\n`);
  assert.deepEqual([status, stderr], [0, lines.join('')]);
});

const read = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));

test('an error is one object with --json', async () => {
  for (const args of [['manifest', '/nowhere/at/all', '--json'], ['--json'], ['dance', '--json']]) {
    const { stdout, stderr } = await run(...args);
    assert.equal(typeof JSON.parse(stdout).error.code, 'string');
    assert.equal(stderr, '');
  }
});

test('--json says what was written and what was left out', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 600_000), 'b.bin': 'b' });
  symlinkSync('nothing', join(folder, 'broken.png'));
  const { stdout, stderr, status } = await run('manifest', folder, '--json', '--base', 'https://u.example/repo/');
  assert.deepEqual([stderr, status], ['', 0]);
  const { warnings, ...written } = JSON.parse(stdout);
  assert.deepEqual(written, {
    output: join(folder, MANIFEST_PATH),
    manifest: '/repo/peer-cdn.json',
    digests: '/repo/peer-cdn/digests/',
    digestsFolder: join(folder, DIGESTS_PATH),
    files: 2,
    bytes: 600_001,
  });
  assert.deepEqual(
    warnings.map(({ path, code }) => [path, code]),
    [['broken.png', 'not-readable']],
  );
});

test('manifest and digest lists are looked for where they were written', async (t) => {
  const folder = makeFolder(t, { 'assets/a.bin': bytesOf('a', 600_000) });
  const cases = [
    [[], 'peer-cdn.json', '/', ''],
    [['-o', join(folder, 'assets/peer-cdn.json')], 'assets/peer-cdn.json', '/assets/', '/assets/peer-cdn.json'],
    [['-o', join(folder, 'x y/m.json'), '--base', '/r'], 'x y/m.json', '/r/x%20y/', '/r/x%20y/m.json'],
    [['-o', join(folder, '../m.json'), '--base', '/r'], '../m.json', '/r/', '/r/m.json'],
  ];
  for (const [args, file, base, pasted] of cases) {
    const { stdout, status, stderr } = await run('manifest', folder, ...args);
    assert.equal(status, 0, stderr);
    t.after(() => rmSync(join(folder, file), { force: true }));
    const { digests, resources } = read(folder, file);
    assert.equal(digests, `${base}peer-cdn/digests/`);
    const [{ root }] = Object.values(resources);
    assert.equal(Object.keys(resources).length, 1);
    assert(existsSync(join(folder, file, '..', DIGESTS_PATH, root)), file);
    assert.equal(stdout.includes(`new PeerCDN({ manifest: '${pasted}' })`), pasted !== '');
  }
  rmSync(join(folder, '../peer-cdn'), { recursive: true });
});

test('headers and any query are said by glob', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a', 'img/b c.png': 'b' });
  const headers = [
    '--header',
    'Cache-Control: max-age=600',
    '--header',
    'img/b c.png x-a: b: c',
    '--header',
    'x-empty:',
    '--header',
    'link: </a:b>; c: d',
  ];
  const { status, stderr } = await run('manifest', folder, ...headers, '--any-query', '*.png');
  assert.deepEqual([status, stderr], [0, '']);
  const [a, b] = Object.values(read(folder, MANIFEST_PATH).resources);
  assert.deepEqual([a.headers, a.anyQuery], [{ 'cache-control': 'max-age=600', 'x-empty': '', link: '</a:b>; c: d' }, undefined]);
  assert.deepEqual([b.headers['x-a'], b.headers['cache-control'], b.anyQuery], ['b: c', 'max-age=600', true]);
});

test('serve goes on when nobody reads its output any more', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'aaaaa' });
  const served = start('serve', folder, '--port', '0');
  t.after(() => served.child.kill());
  await new Promise((resolve) => served.child.stdout.once('data', resolve));
  const [, url] = served.stdout.match(/at (http:\S+)\n$/);
  served.child.stdout.destroy();
  served.child.stderr.destroy();
  // Each is told of on standard output.
  for (let i = 0; i < 3; i++) assert.equal(await (await fetch(`${url}a.bin`)).text(), 'aaaaa');
  served.child.kill('SIGTERM');
  assert.equal((await served.ended).status, 0);
});

test('a full disk under the output does not end a server, and fails a command that ends', {
  skip: !existsSync('/dev/full'),
}, async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'aaaaa' });
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const begin = (stdio, ...args) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', ...stdio] });
    t.after(() => child.kill());
    let stderr = '';
    child.stderr?.on('data', (data) => (stderr += data));
    const ended = new Promise((resolve) => child.once('close', (status) => resolve({ status, stderr })));
    return { child, ended };
  };

  const written = await begin([full, 'pipe'], 'manifest', folder).ended;
  assert.deepEqual(written, { status: 1, stderr: 'peer-cdn: disk-full: there is no room for the output\n' });

  const port = await freePort();
  const served = begin([full, full], 'serve', folder, '--port', String(port));
  await Promise.race([answering(port), served.ended]);
  for (let i = 0; i < 3; i++) assert.equal(await (await fetch(`http://127.0.0.1:${port}/a.bin`)).text(), 'aaaaa');
});

test('what servers usually compress is told in one line, and so is a manifest of nothing', async (t) => {
  const heavy = bytesOf('svg', 2000);
  const advice = "'peer-cdn doctor' says whether yours does, and what that costs";
  const folder = makeFolder(t, { 'a.svg': heavy, 'b.wasm': heavy, 'c.ttf': heavy, 'd.svg': heavy, 'e.png': heavy, 'f.svg': 'f' });
  assert.deepEqual((await run('manifest', folder)).stderr.split('\n'), [
    `peer-cdn: usually-compressed: servers usually compress /a.svg, /b.wasm, /c.ttf, ...: ${advice}`,
    '',
  ]);
  const empty = await run('manifest', makeFolder(t, { 'app.js': 'js' }));
  assert.equal(empty.status, 0);
  assert.match(empty.stderr, /^peer-cdn: nothing-listed: /);
});

test('--check says what is not as the manifest says, and writes nothing', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 600_000), 'b.bin': 'b', 'c.bin': 'c' });
  await run('manifest', folder);
  const same = await run('manifest', folder, '--check');
  assert.deepEqual([same.status, same.stderr], [0, '']);
  const before = readFileSync(join(folder, MANIFEST_PATH), 'utf8');
  writeFileSync(join(folder, 'b.bin'), 'x');
  writeFileSync(join(folder, 'd.bin'), 'd');
  rmSync(join(folder, 'c.bin'));
  const { root } = read(folder, MANIFEST_PATH).resources['/a.bin'];
  writeFileSync(join(folder, DIGESTS_PATH, root), 'x');
  const check = async (...args) => {
    const { status, stdout } = await run('manifest', folder, '--check', '--json', ...args);
    return [
      status,
      JSON.parse(stdout)
        .differences.map(({ code, path }) => `${code} ${path}`)
        .sort(),
    ];
  };
  assert.deepEqual(await check(), [1, ['changed /b.bin', 'gone /c.bin', 'new /d.bin', 'no-list /a.bin']]);
  assert.equal(readFileSync(join(folder, MANIFEST_PATH), 'utf8'), before);
  const text = await run('manifest', folder, '--check');
  assert.match(text.stdout, /^changed: \/b\.bin is not as the manifest says$/m);
  const manifest = JSON.parse(before);
  manifest.resources['/b.bin'].root = 'none';
  writeFileSync(join(folder, MANIFEST_PATH), JSON.stringify(manifest));
  assert((await check())[1].includes('bad-entry /b.bin'));
  // More than a browser names.
  const many = Array.from({ length: namedEntries + 2 }, (_, i) => `/bad-${i}.bin`);
  for (const path of many) {
    writeFileSync(join(folder, path), path);
    manifest.resources[path] = { ...manifest.resources['/b.bin'] };
  }
  writeFileSync(join(folder, MANIFEST_PATH), JSON.stringify(manifest));
  const differences = (await check())[1];
  assert.deepEqual(
    differences.filter((each) => each.includes('/bad-')),
    many.map((path) => `bad-entry ${path}`).sort(),
  );
  writeFileSync(join(folder, MANIFEST_PATH), '{"version":1,"disabled":true}');
  assert.deepEqual(await check(), [1, ['disabled ']]);
  writeFileSync(join(folder, MANIFEST_PATH), '<!doctype html>');
  assert.deepEqual(await check(), [1, ['malformed-manifest ']]);
});

test('--watch writes again when the folder changes, and ends when told to', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const watching = start('manifest', folder, '--watch');
  const files = () => existsSync(join(folder, MANIFEST_PATH)) && Object.keys(read(folder, MANIFEST_PATH).resources);
  await until('it is written', () => watching.stdout.includes('1 file,'));
  writeFileSync(join(folder, 'b.bin'), 'b');
  await until('it is written again', () => watching.stdout.includes('2 files'));
  assert.deepEqual(files(), ['/a.bin', '/b.bin']);
  watching.child.kill('SIGTERM');
  const { status, stdout, stderr } = await watching.ended;
  assert.deepEqual([status, stdout.trim().split('\n').length, stderr], [0, 2, '']);
});

test('--watch --json tells a warning when it comes, though nothing is written for it', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const watching = start('manifest', folder, '--watch', '--json');
  t.after(() => watching.child.kill('SIGTERM'));
  const lines = () => watching.stdout.split('\n').slice(0, -1);
  await until('it is written', () => lines().length === 1);
  renameSync(folder, `${folder}-away`);
  t.after(() => rmSync(`${folder}-away`, { recursive: true }));
  await until('it is said that the folder is gone', () => lines().length === 2);
  const [, told] = lines().map((line) => JSON.parse(line));
  assert.deepEqual([Object.keys(told), told.warnings.map(({ code }) => code)], [['warnings'], ['manifest-kept']]);
});

test('--watch writes anew what a build has taken away with its folder', async (t) => {
  const folder = makeFolder(t, { 'dist/a.bin': bytesOf('a', 100_000) });
  const dist = join(folder, 'dist');
  const watching = start('manifest', dist, '--watch');
  t.after(() => watching.child.kill('SIGTERM'));
  const list = () => join(dist, 'peer-cdn/digests', read(dist, MANIFEST_PATH).resources['/a.bin'].root);
  const isWritten = () => existsSync(join(dist, MANIFEST_PATH)) && existsSync(list());
  await until('it is written', isWritten);
  rmSync(join(dist, MANIFEST_PATH));
  await until('the manifest is there again', isWritten);
  rmSync(join(dist, 'peer-cdn'), { recursive: true });
  await until('the digest lists are there again', isWritten);
  renameSync(dist, join(folder, 'old'));
  await until('it is said that there is no folder', () => watching.stderr.includes('manifest-kept'));
  assert(!existsSync(dist));
  mkdirSync(dist);
  copyFileSync(join(folder, 'old/a.bin'), join(dist, 'a.bin'));
  await until('all is there again', isWritten);
  // What cannot be written for a while ends nothing.
  rmSync(join(dist, 'peer-cdn'), { recursive: true });
  writeFileSync(join(dist, 'peer-cdn'), 'in the way');
  await until('it is said that nothing is written', () => /not-a-folder: nothing is written/.test(watching.stderr));
  rmSync(join(dist, 'peer-cdn'));
  await until('the lists are there again', isWritten);
  watching.child.kill('SIGTERM');
  const { status, stderr } = await watching.ended;
  assert.equal(status, 0);
  assert.doesNotMatch(stderr, /digesting/);
});

test('the coordinator alone serves the sites that it is told of', async (t) => {
  const served = start('coordinator', '--port', '0', '--origin', 'https://example.org', '--json');
  t.after(() => served.child.kill('SIGTERM'));
  await until('it listens', () => served.stdout.includes('\n'));
  const { socket, origins } = JSON.parse(served.stdout);
  assert.deepEqual(origins, ['https://example.org']);
  await new Visitor(socket, { origin: 'https://example.org' }).next('welcome');
  await new Visitor(socket, { origin: 'https://other.example' }).next('error');
  served.child.kill('SIGTERM');
  assert.equal((await served.ended).status, 0);
});

test('a coordinator whose engine failed ends, so that its supervisor starts another one', async (t) => {
  // No visitor makes it fail.
  const failing = `
    const { Instance } = WebAssembly;
    WebAssembly.Instance = class {
      constructor(...args) {
        const { exports } = new Instance(...args);
        this.exports = { ...exports, take() { throw new WebAssembly.RuntimeError('unreachable'); } };
      }
    };`;
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(failing)}` };
  const served = startAs({ env }, 'coordinator', '--port', '0', '--origin', 'https://example.org', '--json');
  t.after(() => served.child.kill());
  await until('it listens', () => served.stdout.includes('\n'));
  const visitor = new Visitor(JSON.parse(served.stdout).socket, { origin: 'https://example.org' });
  assert.deepEqual(await visitor.closed, { status: 1011, reason: 'engine-failed' });
  const { status, stderr } = await served.ended;
  assert.equal(status, 1);
  assert.match(stderr, /engine-failed: the coordinator is closed: unreachable/);
});

const lines = ({ stderr }) =>
  stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('with --log json whatever a coordinator tells is an object a line, and names no visitor', async (t) => {
  // No other test's: processes that serve one site apart are told of it.
  const site = 'https://log.example';
  const served = start('coordinator', '--port', '0', '--origin', site, '--log', 'json');
  t.after(() => served.child.kill('SIGTERM'));
  await until('it listens', () => served.stderr.includes('\n'));
  const socket = `http://127.0.0.1:${lines(served)[0].port}${SOCKET_PATH}`;
  const headers = { 'x-forwarded-for': '203.0.113.7' };
  const visitor = new Visitor(socket, { origin: site, headers });
  const { peer } = await visitor.next('welcome');
  await new Visitor(socket, { origin: 'https://other.example', headers }).next('error');
  served.child.kill('SIGTERM');
  const { stderr, stdout } = await served.ended;
  assert.equal(stdout, '');
  assert.doesNotMatch(stderr, /203\.0|192\.168|"peer"/);
  const told = lines({ stderr }).map(({ time, message, port, ...rest }) => {
    assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.equal(typeof message, 'string');
    return rest;
  });
  assert.equal(peer > 0, true);
  assert.deepEqual(told, [
    { level: 'info', code: 'listening', origins: [site] },
    { level: 'warn', code: 'proxy-not-trusted' },
    { level: 'warn', code: 'origin-refused' },
    { level: 'info', code: 'draining', sockets: 1 },
    { level: 'info', code: 'ended' },
  ]);
});

test("with --log json Node's own warnings, and an error that nobody caught, are objects too", async () => {
  const failing = `let heard;
    process.on('warning', ({ message }) => (heard = message));
    process.on('SIGUSR2', () => {
      process.emitWarning('beware');
      setImmediate(() => { throw new Error('broken by ' + heard); });
    });`;
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(failing)}` };
  const served = startAs({ env }, 'coordinator', '--port', '0', '--origin', 'https://example.org', '--log', 'json');
  await until('it listens', () => served.stderr.includes('\n'));
  served.child.kill('SIGUSR2');
  const ended = await served.ended;
  assert.equal(ended.status, 1);
  const told = lines(ended).map(({ level, code, message }) => [level, code, message.split('\n', 1)[0]]);
  assert.deepEqual(told.slice(1), [
    ['warn', 'Warning', 'beware'],
    ['error', 'failed', 'Error: broken by beware'],
  ]);
});

test('a coordinator at the limit of open files says so, is watched, and takes visitors again', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const args = ['coordinator', '--port', '0', '--metrics-port', '0', '--origin', 'https://example.org', '--log', 'json'];
  const limited = ['-c', 'ulimit -n 80; exec "$0" "$@"', process.execPath, cli, ...args];
  const child = spawn('sh', limited);
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  await until('it listens', () => stderr.includes('\n'));
  const [{ port, metricsPort }] = lines({ stderr });
  const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await until('it says so', () => lines({ stderr }).some(({ code }) => code === 'too-many-connections'));
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  assert.match(metrics, /^peer_cdn_connections_refused_total [1-9]/m);
  for (const socket of sockets) socket.destroy();
  const socket = `http://127.0.0.1:${port}${SOCKET_PATH}`;
  const enter = () => new Visitor(socket, { origin: 'https://example.org' }).next('welcome').catch(() => null);
  await until('a visitor is welcomed', enter);
});

test('with --log json serve tells of requests and of its end in the same form', async (t) => {
  const folder = makeFolder(t, { 'index.html': '<p>hi', 'a.bin': 'a' });
  const served = start('serve', folder, '--port', '0', '--log', 'json');
  t.after(() => served.child.kill('SIGTERM'));
  await until('it listens', () => served.stderr.includes('\n'));
  const [{ level, code, url }] = lines(served);
  assert.deepEqual([level, code], ['info', 'listening']);
  await (await fetch(url)).text();
  await until('it tells of the request', () => lines(served).length === 2);
  const { time, message, ...request } = lines(served)[1];
  assert.deepEqual(request, { level: 'info', code: 'answered', method: 'GET', path: '/', status: 200, bytes: 5 });
  assert.equal(served.stdout, '');
});

test('with --log json an error that ends the process is an object too', async (t) => {
  const other = createServer();
  await new Promise((listening) => other.listen(0, '127.0.0.1', listening));
  t.after(() => other.close());
  const { port } = other.address();
  const ended = await run('coordinator', '--port', String(port), '--origin', 'https://a.example', '--log', 'json');
  const [{ level, code }] = lines(ended);
  assert.deepEqual([ended.status, ended.stdout, level, code], [1, '', 'error', 'port-in-use']);
});

test('with --log json an error of the settings themselves is an object too', async (t) => {
  const sites = ['--origin', 'https://a.example'];
  const files = { 'port.json': '{"log": "json", "port": "x"}', 'log.json': '{"log": "json"}', 'cut.json': '{"log": "json"' };
  const folder = makeFolder(t, files);
  const file = (name) => ['--config', join(folder, name)];
  const asked = [
    [['coordinator', ...sites, '--log', 'json', '--prot', '1'], 2, 'unknown-option'],
    [['coordinator', ...sites, '--prot', '1', '--log=json'], 2, 'unknown-option'],
    [['coordinator', ...sites, '--log', 'json', '--port'], 2, 'bad-arguments'],
    [['coordinator', ...sites, '--log', 'json', '--port', 'eighty'], 2, 'bad-value'],
    [['coordinator', '--log', 'json', ...file('none.json')], 1, 'not-found'],
    [['coordinator', '--log', 'json', ...file('cut.json')], 2, 'bad-value'],
    [['coordinator', '--log', 'json', '--log', 'json', ...sites], 2, 'bad-arguments'],
    [['coordinator', '--log', 'json', 'folder'], 2, 'bad-arguments'],
    [['coordinater', '--log', 'json'], 2, 'unknown-command'],
    [['serve', '--log', 'json'], 2, 'bad-arguments'],
    [['serve', '.', '--log', 'json', '--prot', '1'], 2, 'unknown-option'],
    [['coordinator', ...file('port.json')], 2, 'bad-value'],
    [['coordinator', ...file('log.json'), '--port', 'eighty'], 2, 'bad-value'],
    [['coordinator', ...file('log.json')], 2, 'bad-arguments'],
    [['coordinator', '--prot', '1'], 2, 'unknown-option', { PEER_CDN_LOG: 'json' }],
    [['coordinator', ...file('none.json')], 1, 'not-found', { PEER_CDN_LOG: 'json' }],
    [['coordinator', ...file('log.json')], 2, 'unknown-option', { PEER_CDN_PROT: '1' }],
  ];
  for (const [args, status, code, env = {}] of asked) {
    const ended = await startAs({ env: { ...process.env, ...env } }, ...args).ended;
    const what = `${args.join(' ')}\n${ended.stderr}`;
    assert.match(ended.stderr, /^{.*}\n$/, what);
    const [{ level, ...said }] = lines(ended);
    assert.deepEqual([ended.status, ended.stdout, level, said.code], [status, '', 'error', code], what);
  }
});

test('an error of the settings is a line for people where that form is asked for, or the command has no log', async (t) => {
  const folder = makeFolder(t, { 'log.json': '{"log": "json"}' });
  const config = ['--config', join(folder, 'log.json')];
  const env = { ...process.env, PEER_CDN_LOG: 'json' };
  for (const args of [
    ['coordinator', '--log', 'plain', '--prot', '1'],
    ['coordinator', '--log', 'plain', ...config, '--port', 'eighty'],
    ['manifest', '/nowhere/at/all'],
    ['manifest', '.', '--prot', '1'],
  ]) {
    const ended = await startAs({ env }, ...args).ended;
    assert.match(ended.stderr, /^peer-cdn: [a-z-]+: /, args.join(' '));
  }
});

test('an output that is a folder is refused', async (t) => {
  const folder = makeFolder(t, { 'a.png': 'a' });
  mkdirSync(join(folder, 'out'));
  for (const output of [join(folder, 'out'), folder]) {
    const ended = await run('manifest', folder, '-o', output);
    assert.equal(ended.status, 1);
    assert.equal(ended.stderr, `peer-cdn: is-a-folder: ${output} is a folder\n`);
  }
  assert.deepEqual(readdirSync(folder), ['a.png', 'out']);
});

test("an output that is the site's own file, or would be shared, is refused and nothing is written", async (t) => {
  const files = { 'a.bin': bytesOf('a', 1000), 'app.json': '{"version": 1}', 'list.json': '{"version": "1", "resources": {}}' };
  const folder = makeFolder(t, { ...files, 'b.txt': 'b', 'bad.json': '{"version": 1, "resources": []}' });
  const before = readdirSync(folder);
  const cases = [
    ['a.bin', 2, 'bad-value'],
    ['new.bin', 2, 'bad-value'],
    ['new.json', 2, 'bad-value', '--include', '*.json'],
    ['a.bin', 1, 'not-a-manifest', '--exclude', '*.bin'],
    ...['app.json', 'list.json', 'bad.json', 'b.txt'].map((name) => [name, 1, 'not-a-manifest']),
  ];
  for (const [name, status, code, ...globs] of cases) {
    const ended = await run('manifest', folder, '-o', join(folder, name), ...globs);
    assert.deepEqual([ended.status, ended.stdout], [status, ''], name);
    assert.match(ended.stderr, new RegExp(`^peer-cdn: ${code}: .*${name}`));
  }
  assert.deepEqual(readdirSync(folder), before);
  for (const [name, content] of Object.entries(files)) assert.equal(`${readFileSync(join(folder, name))}`, `${content}`);
});

test('a manifest that an editor of Windows has written is one', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const output = join(folder, 'm.json');
  await run('manifest', folder, '-o', output);
  writeFileSync(output, `\ufeff${readFileSync(output, 'utf8').replaceAll('\n', '\r\n')}`);
  for (const more of [['--check'], []]) {
    const { status, stderr } = await run('manifest', folder, '-o', output, ...more);
    assert.deepEqual([status, stderr], [0, '']);
  }
});

test('an output that is a manifest is written again', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const output = join(folder, 'm.json');
  for (const count of [1, 2]) {
    const { status, stderr } = await run('manifest', folder, '-o', output);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(Object.keys(read(folder, 'm.json').resources).length, count);
    writeFileSync(join(folder, 'b.bin'), 'b');
  }
});

test('a name that is too long for a file is said to be', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const long = 'x'.repeat(300);
  for (const args of [[folder, '-o', join(folder, `${long}.json`)], [folder, '-o', join(folder, long, 'm.json')], [long]]) {
    const { status, stderr } = await run('manifest', ...args);
    assert.equal(status, 1);
    assert.match(stderr, /^peer-cdn: name-too-long: .*xxx.* is too long for a name of a file\n$/);
  }
  assert.deepEqual(readdirSync(folder), ['a.bin']);
});

test('an output that is no file, as a device, is refused and stays what it is', { timeout: 120_000 }, async (t) => {
  const folder = makeFolder(t, { 'a.png': 'a' });
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const ended = await run('manifest', folder, '-o', pipe);
  assert.deepEqual([ended.status, ended.stderr], [1, `peer-cdn: not-a-file: ${pipe} is a pipe, a socket or a device\n`]);
  assert.ok(lstatSync(pipe).isFIFO());
  assert.deepEqual(readdirSync(folder), ['a.png', 'pipe']);
});

test('an output that cannot be written ends the command with a line', { timeout: 120_000 }, async (t) => {
  const folder = makeFolder(t, { 'a.png': 'a', file: 'b' });
  const outputs = {
    '/proc/x.json': 'not-writable: /proc/peer-cdn cannot be made',
    '/proc/self/deep/er/x.json': 'not-writable: /proc/self/deep cannot be made',
    '/dev/full': 'not-a-file: /dev/full is a pipe, a socket or a device',
    [join(folder, 'file/x.json')]: `not-a-folder: ${join(folder, 'file/peer-cdn/digests')}/ is not a folder`,
    [join(folder, 'none/')]: `is-a-folder: ${join(folder, 'none/')} is a folder`,
  };
  for (const [output, line] of Object.entries(outputs)) {
    const { status, stderr } = await run('manifest', folder, '-o', output);
    assert.deepEqual([status, stderr], [1, `peer-cdn: ${line}\n`]);
  }
  assert.deepEqual(readdirSync(folder), ['a.png', 'file']);
});

test('what is never listed gets one line for each reason', async (t) => {
  const folder = makeFolder(t, {
    'a.png': 'a',
    'empty.png': '',
    'below/empty.bin': '',
    'empty.js': '',
    '.hidden.png': 'b',
    '.git/index': 'c',
    '.DS_Store': 'd',
    'node_modules/package/large.png': 'e',
    'peer-cdn/mine.png': 'f',
  });
  // The second run finds what the first one wrote, and does not tell of it.
  await run('manifest', folder);
  const { status, stderr } = await run('manifest', folder);
  assert.equal(status, 0);
  assert.deepEqual(stderr.trimEnd().split('\n').sort(), [
    'peer-cdn: empty: below/empty.bin, empty.png are not listed: an empty file has nothing to share',
    'peer-cdn: hidden: .git/, .hidden.png are not listed: names that begin with a dot are not for visitors',
    'peer-cdn: node-modules: node_modules/ is not listed: node_modules is not for visitors',
    'peer-cdn: own-folder: peer-cdn/mine.png is not listed: folders named peer-cdn have only what peer-cdn writes',
  ]);
  const excluded = ['.*', 'empty.*', 'node_modules', 'peer-cdn/**'].flatMap((glob) => ['--exclude', glob]);
  assert.equal((await run('manifest', folder, ...excluded)).stderr, '');
});

/** The kernel gives the first process of its own only the signals that it listens for. */
const isolating = ['--pid', '--fork', '--kill-child'];
const mayIsolate = process.platform === 'linux' && spawnSync('unshare', [...isolating, 'true']).status === 0;

for (const [signals, code] of [
  [['SIGTERM', 'SIGTERM'], 143],
  [['SIGHUP'], 129],
]) {
  const title = `a coordinator that is the first process of a container ends at once at ${signals.join(' and ')}`;
  test(title, { skip: !mayIsolate }, async (t) => {
    const site = 'https://first.example';
    const ours = [process.execPath, cli, 'coordinator', '--port', '0', '--origin', site, '--log', 'json'];
    const unshare = spawn('unshare', [...isolating, ...ours]);
    t.after(() => unshare.kill('SIGKILL'));
    let stderr = '';
    unshare.stderr.on('data', (data) => (stderr += data));
    await until('it listens', () => stderr.includes('\n'));
    const [{ port }] = lines({ stderr });
    const visitors = Array.from({ length: 20 }, () => new Visitor(`http://127.0.0.1:${port}${SOCKET_PATH}`, { origin: site }));
    await Promise.all(visitors.map((visitor) => visitor.next('welcome')));
    const ended = new Promise((resolve) => unshare.once('exit', resolve));
    const first = Number(readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8'));
    for (const [i, signal] of signals.entries()) {
      if (i > 0) await until('it drains', () => stderr.includes('"draining"'));
      process.kill(first, signal);
    }
    assert.equal(await ended, code);
  });
}

test('serve prints one line when it is ready and one for each request, and ends when told to', async (t) => {
  const folder = makeFolder(t, { 'index.html': '<p>hi', 'a.png': 'a' });
  const served = start('serve', folder, '--port', '0');
  await new Promise((resolve) => served.child.stdout.once('data', resolve));
  const [, url] = served.stdout.match(/^peer-cdn serving .+ at (http:\/\/localhost:\d+\/)\n$/);
  assert.equal(await (await fetch(url)).text(), '<p>hi');
  const manifest = await (await fetch(new URL(MANIFEST_PATH, url))).text();
  const bytes = manifest.length;
  assert.deepEqual(Object.keys(JSON.parse(manifest).resources), ['/a.png']);
  await until('both requests are told', () => served.stdout.trim().split('\n').length === 3);
  served.child.kill('SIGTERM');
  const { status, stderr, stdout } = await served.ended;
  assert.deepEqual([status, stderr], [0, '']);
  assert.deepEqual(stdout.trim().split('\n').slice(1).sort(), ['GET / 200 5 bytes', `GET ${MANIFEST_PATH} 200 ${bytes} bytes`]);
  const quiet = start('serve', folder, '--port', '0', '--quiet');
  await new Promise((resolve) => quiet.child.stdout.once('data', resolve));
  await (await fetch(quiet.stdout.match(/http:\S+/)[0])).text();
  quiet.child.kill('SIGTERM');
  assert.equal((await quiet.ended).stdout.split('\n').length, 2);
});

test('a port in use is said to be', async (t) => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const ended = await run('serve', makeFolder(t, {}), '--port', String(server.address().port));
  assert.equal(ended.status, 1);
  assert.match(ended.stderr, /^peer-cdn: port-in-use: .* --port$/m);
  const { port } = server.address();
  const metrics = await run('coordinator', '--port', '0', '--metrics-port', String(port), '--origin', 'https://example.org');
  assert.match(
    metrics.stderr,
    new RegExp(`^peer-cdn: port-in-use: port ${port} is in use: give another by --metrics-port$`, 'm'),
  );
});
