// The command as a user types it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DIGESTS_PATH, MANIFEST_PATH } from '../../build/border.js';
import { until } from '../e2e/harness/until.mjs';
import { asNobody, bytesOf, makeFolder } from './folder.mjs';

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
  [['serve', '.', '--prot', '1'], 2, 'unknown-option'],
  [['manifest', '.', '--port', '1'], 2, 'unknown-option'],
  [['serve', '.', '--port'], 2, 'bad-arguments'],
  [['serve', '.', '--port', 'eighty'], 2, 'bad-value'],
  [['serve', '.', '--port', '65536'], 2, 'bad-value'],
  [['manifest', '.', '--piece-bytes', '1000'], 2, 'bad-value'],
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
  assert.match(ended.stdout, /: 1 files, 1 bytes\n$/);
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

test('an output that is a folder is refused', async (t) => {
  const folder = makeFolder(t, { 'a.png': 'a' });
  mkdirSync(join(folder, 'out'));
  const ended = await run('manifest', folder, '-o', join(folder, 'out'));
  assert.equal(ended.status, 1);
  assert.match(ended.stderr, /^peer-cdn: is-a-folder: /);
});

test('serve prints one line when it is ready, and ends when told to', async (t) => {
  const folder = makeFolder(t, { 'index.html': '<p>hi', 'a.png': 'a' });
  const served = start('serve', folder, '--port', '0');
  await new Promise((resolve) => served.child.stdout.once('data', resolve));
  const [, url] = served.stdout.match(/^peer-cdn serving .+ at (http:\/\/localhost:\d+\/)\n$/);
  assert.equal(await (await fetch(url)).text(), '<p>hi');
  assert.deepEqual(Object.keys((await (await fetch(new URL(MANIFEST_PATH, url))).json()).resources), ['/a.png']);
  served.child.kill('SIGTERM');
  const { status, stderr, stdout } = await served.ended;
  assert.deepEqual([status, stderr, stdout.split('\n').length], [0, '', 2]);
});

test('a port in use is said to be', async (t) => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const ended = await run('serve', makeFolder(t, {}), '--port', String(server.address().port));
  assert.equal(ended.status, 1);
  assert.match(ended.stderr, /^peer-cdn: port-in-use: /);
});
