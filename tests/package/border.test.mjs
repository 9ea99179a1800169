// The border's list at work: an enum in another order, a limit of another length, an output with other fields. Nothing
// else of the project is touched, and everything still agrees; a misspelt call, field or constant does not pass.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

let folder;

function edit(file, from, to) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  assert.ok(text.includes(from), `${file} has ${from}`);
  writeFileSync(path, text.replace(from, to));
}

const node = (...args) => run(process.execPath, args, { cwd: folder });
const check = () => node('node_modules/typescript/bin/tsc', '-p', 'sw');

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'peer-cdn-border-'));
  for (const name of [
    'src',
    'sw',
    'web',
    'scripts',
    'cmake',
    'CMakeLists.txt',
    'CMakePresets.json',
    'package.json',
    'package-lock.json',
    'README.md',
  ]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  mkdirSync(join(folder, 'tests'));
  for (const name of ['sw', 'vectors', 'wasm', 'bench/relay']) {
    cpSync(join(root, 'tests', name), join(folder, 'tests', name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  edit('src/http/chain.hpp', '{ user, cache, delegate, network }', '{ network, user, delegate, cache }');
  edit('src/base/limits.hpp', 'unattended_bytes = 1 * mib', 'unattended_bytes = 2 * mib');
  edit('src/bind/border.def', 'OUTPUT(Body, Grant, FIELD(job, it.job.value) FIELD(bytes, it.bytes))', '');
  edit(
    'src/bind/border.def',
    'OUTPUT(Body, Drop,',
    'OUTPUT(Body, Grant, FIELD(job, it.job.value) FIELD(bytes, it.bytes))\nOUTPUT(Body, Drop,',
  );
  const { code, output } = await node('scripts/build.mjs', '--only', 'worker');
  assert.equal(code, 0, output.slice(-2000));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('the worker works as before with an enum in another order, and by the limit as it is now', async () => {
  const border = readFileSync(join(folder, 'build/border.js'), 'utf8');
  assert.match(border, /export const PLUGIN_NETWORK = 0;/);
  assert.match(border, /export const unattendedBytes = 2097152;/);
  for (const file of ['tests/sw/plugins.test.mjs', 'tests/sw/delegate.test.mjs', 'tests/wasm/worker.test.mjs']) {
    const { code, output } = await node('--test', file);
    assert.equal(code, 0, output.slice(-3000));
  }
});

test('a call, a field or a constant that the list has not is no type', async () => {
  assert.equal((await check()).code, 0);
  const wrong = [
    ['sw/body.js', 'note(BODY_WASTED, this.#id, bytes)', 'note(BODY_WASTED, this.#id)'],
    ['sw/body.js', 'call(BODY_COUNTS, this.#id)', "call('body_counts', this.#id)"],
    ['sw/body.js', 'openPeers: (job, begin, end) =>', 'openPeer: (job, begin, end) =>'],
    ['sw/exchange.js', 'PLUGIN_DELEGATE,', 'PLUGIN_DELEGATES,'],
  ];
  for (const [file, from, to] of wrong) {
    edit(file, from, to);
    const { code, output } = await check();
    assert.notEqual(code, 0, `${to} passes`);
    assert.match(output, /error TS/);
    edit(file, to, from);
  }
});

test('an output that the list has not does not compile, nor does an enum that it lacks a name of', async () => {
  const wrong = [
    ['src/bind/border.def', 'OUTPUT(Body, Pass, FIELD(job, it.job.value))', ''],
    ['src/bind/border.def', 'VALUE(Strategy, ordered) ', ''],
  ];
  for (const [file, from, to] of wrong) {
    edit(file, from, to || '/* gone */');
    const { code, output } = await node('scripts/build.mjs', '--only', 'worker');
    assert.notEqual(code, 0, `without ${from}`);
    assert.match(output, /error:/);
    edit(file, to || '/* gone */', from);
  }
});
