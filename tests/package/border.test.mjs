// The border's list at work: an enum, commands, calls and limits in another order, a limit of another length, a command
// with a field more. Nothing else of the project is touched, and everything still agrees; a misspelt call, field or
// constant does not pass.
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

/** Takes a text from where it is to beside another one. */
function move(file, text, anchor, side) {
  edit(file, text, '');
  edit(file, anchor, side === 'before' ? text + anchor : anchor + text);
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
  edit('src/base/limits.hpp', 'stream_bytes = 256 * kib', 'stream_bytes = 300 * kib');
  // A command's number is its place in the variant; the list has an order of its own.
  move('src/http/command.hpp', 'command::Enqueue,', 'std::variant<', 'after');
  move('src/bind/border.def', 'COMMAND(Finish, FIELD(body, it.body))\n', 'COMMAND(Busy,', 'before');
  move('src/bind/border.def', 'LIMIT(streamBytes, stream_bytes)\n', 'LIMIT(protocolVersion,', 'before');
  move('src/bind/border.def', 'FUNCTION(void, pages_start, (double now))\n', 'FUNCTION(unsigned, patterns,', 'before');
  edit(
    'src/bind/border.def',
    'COMMAND(Busy, FIELD(open, it.open))',
    'COMMAND(Busy, FIELD(open, it.open) FIELD(again, it.again))',
  );
  edit(
    'src/http/command.hpp',
    'struct Busy {\n  std::uint32_t open;\n',
    'struct Busy {\n  std::uint32_t open;\n  bool again = true;\n',
  );
  const { code, output } = await node('scripts/build.mjs', '--only', 'worker');
  assert.equal(code, 0, output.slice(-2000));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('the worker works as before with all of that in another order, and by the limit as it is now', async () => {
  const border = readFileSync(join(folder, 'build/border.js'), 'utf8');
  assert.match(border, /export const PLUGIN_NETWORK = 0;/);
  assert.match(border, /export const streamBytes = 307200;/);
  assert.match(border, /export const DO_ENQUEUE = 0;\nexport const DO_BEGIN = 1;/);
  for (const file of ['tests/sw/plugins.test.mjs', 'tests/sw/delegate.test.mjs', 'tests/wasm/worker.test.mjs']) {
    const { code, output } = await node('--test', file);
    assert.equal(code, 0, output.slice(-3000));
  }
});

test('a call, a field or a constant that the list has not is no type', async () => {
  assert.equal((await check()).code, 0);
  const wrong = [
    // Calls
    ['sw/body.js', 'tell(CANCEL, this.id)', 'tell(CANCEL)'],
    ['sw/body.js', 'tell(PULL, this.id, sink.desiredSize ?? 0)', 'tell(PULL, this.id, String(sink.desiredSize))'],
    ['sw/body.js', 'tell(CANCEL, this.id)', "tell('cancel', this.id)"],
    ['sw/exchange.js', 'tell(ANSWER, this.id, plugin, response !== null, id)', 'tell(ANSWER, this.id, plugin, id)'],
    // Commands
    ['sw/body.js', '[DO_GATHER]: (', '[DO_GATHERS]: ('],
    ['sw/body.js', '[DO_ENQUEUE]: ({ body: id, piece, ', '[DO_ENQUEUE]: ({ body: id, peice, '],
    ['sw/body.js', '[DO_CLOSE_STREAM]: ({ body, stream })', '[DO_CLOSE_STREAM]: ({ exchange: body, stream })'],
    ['sw/news.js', '[DO_BUSY]: ({ open })', '[DO_BUSY]: ({ open, more })'],
    ['sw/streams.js', 'const { begin, end, whole, own,', 'const { begin, end, hole, own,'],
    ['sw/news.js', '{ body: id, error, ...counts }', '{ body: id, errors, ...counts }'],
    ['sw/index.js', '[DO_LIST_STORE]: () => storage.list(),', ''],
    // Constants
    ['sw/plugins.js', '  PLUGIN_NETWORK,\n', '  PLUGIN_NETWORKS,\n'],
    ['sw/body.js', '  streamBytes,\n', '  streamByte,\n'],
  ];
  for (const [file, from, to] of wrong) {
    edit(file, from, to);
    const { code, output } = await check();
    assert.notEqual(code, 0, `${to} passes`);
    assert.match(output, /error TS/);
    edit(file, to, from);
  }
});

test("a field that an output of a page's engine has not is no type", async () => {
  edit('web/engine.js', '[OUT_SEND_CONTROL]: ({ pair, frame })', '[OUT_SEND_CONTROL]: ({ pair, frames: frame })');
  const { output } = await node('node_modules/typescript/bin/tsc', '-p', 'web');
  // The page's modules are not built here, so that is not the only one.
  assert.match(output, /engine\.js.*'frames' does not exist/);
});

/** One build says of each of these what is wrong with it. */
async function checkRefused(...wrong) {
  for (const [from, to] of wrong) edit('src/bind/border.def', from, to);
  const { code, output } = await node('scripts/build.mjs', '--only', 'worker');
  assert.notEqual(code, 0);
  const told = output.split('\n').filter((line) => /error:/.test(line));
  for (const [from, , said] of wrong)
    assert.ok(
      told.some((line) => said.test(line)),
      `${from}: ${told.join('\n')}`,
    );
  for (const [from, to] of wrong) edit('src/bind/border.def', to, from);
}

test('a command that the list lacks, or has with another field, does not compile, nor does an enum without a name', () =>
  checkRefused(
    ['COMMAND(DropUnlisted, )', '/* no command */', /the list has every command/],
    [
      'COMMAND(FallThrough, FIELD(exchange, it.exchange))',
      'COMMAND(FallThrough, FIELD(exchange, it.get))',
      /no member named 'get' in 'peer_cdn::command::FallThrough'/,
    ],
    [
      'FUNCTION(void, page_gone, (unsigned page, double now))',
      'FUNCTION(void, page_gone, (unsigned page))',
      /worker\.cpp.*page_gone/,
    ],
    ['VALUE(Strategy, ordered) ', '/* no value */ ', /'ordered' not handled/],
  ));

test('a command of which the list lacks a field is refused when the list is read', () =>
  checkRefused(['FIELD(copy, it.copy)', '/* no field */', /border\.def has not every member of command::Settle/]));
