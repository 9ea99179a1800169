// The text form of wasm modules: what a script carries is the module that the compiler wrote.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeText, fillIn, sortedModule, sortedText, textModule, withoutSizes } from '../../scripts/encode.mjs';

const imported = async (script) => (await import(`data:text/javascript,${encodeURIComponent(script)}`)).default;
const decoded = (text) => imported(sortedModule(text));
const built = (name) => readFileSync(new URL(`../../build/${name}.wasm`, import.meta.url));
const hex = (digits) => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
const magic = hex('00 61 73 6d 01 00 00 00');

/** A module with one function: no parameters, no result, this body. */
function moduleOf(digits) {
  const body = hex(digits);
  const head = hex('01 04 01 60 00 00  03 02 01 00');
  return Uint8Array.from([...magic, ...head, 10, body.length + 2, 1, body.length, ...body]);
}

/** With a memory, which stands between its functions and their code. */
function withMemory(wasm) {
  const memory = hex('05 03 01 00 01');
  const at = wasm.indexOf(10, magic.length + 10);
  return Uint8Array.from([...wasm.subarray(0, at), ...memory, ...wasm.subarray(at)]);
}

/** The same module, but for sizes, which are of three bytes in the one that was made. */
function assertSame(made, wasm) {
  assert.ok(WebAssembly.validate(made));
  assert.ok(withoutSizes(made).equals(withoutSizes(wasm)));
}

for (const name of ['worker', 'peer', 'rtc', 'coordinator', 'listing']) {
  test(`what the text of ${name}.wasm stands for is the module, but for alignments`, async () => {
    const wasm = built(name);
    const text = encodeText(wasm);
    const made = await imported(textModule(text, wasm.length));
    assert.ok(WebAssembly.validate(made));
    assert.ok(sortedText(made) === sortedText(wasm));
  });
}

test('a load comes back with an alignment that any load may have', async () => {
  const load = (alignment) => moduleOf(`00 41 00 28 ${alignment} 05 1a 0b`);
  const [natural, least] = ['02', '00'].map((alignment) => sortedText(withMemory(load(alignment))));
  assert.equal(natural, least);
  assertSame(await decoded(natural), withMemory(load('00')));
});

test('every kind of operand comes back: tables of targets, constants of all types, blocks in blocks', async () => {
  const body = [
    '02 01 7f 03 7e', // locals: an i32, and three i64
    '02 40 03 40 20 00 04 40 0b 41 80 80 04 0e 02 00 01 01 0b 0b', // block, loop, if, br_table
    '43 0b 0b 0b 0b 1a', // f32.const: its bytes look like ends
    '44 02 03 04 0b 41 20 0e 28 1a', // f64.const
    '42 ff ff 0b 21 01 10 00 0b', // i64.const, local.set, call
  ];
  const wasm = moduleOf(body.join(' '));
  assert.ok(WebAssembly.validate(wasm));
  assertSame(await decoded(sortedText(wasm)), wasm);
});

test('all 256 bytes come back, from a string as it stands in a script', async () => {
  const every = Array.from({ length: 256 }, (_, byte) => byte);
  // A custom section that is named x.
  const wasm = Uint8Array.from([...magic, ...hex('00 82 02 01 78'), ...every]);
  for (const text of [encodeText(wasm), sortedText(wasm)]) assert.match(text, /^"[^\0\n\r"\\]*"$/);
  assert.deepEqual(await decoded(sortedText(wasm)), wasm);
  assert.deepEqual(await imported(textModule(encodeText(wasm), wasm.length)), wasm);
  assert.equal(
    fillIn('f(TEXT_OF_x)', (name) => name === 'x' && wasm),
    `f(${encodeText(wasm)})`,
  );
});

test('text that is no module, and a module that is cut, are refused', () => {
  const html = new TextEncoder().encode('<!doctype html>');
  for (const bytes of [new Uint8Array(), html, moduleOf('00 02 40 0b'), moduleOf('00 20')])
    assert.throws(() => sortedText(bytes), /does not know an operation/);
});

test('gzip makes at least 5 % less of the text than of the module', () => {
  for (const name of ['worker', 'peer']) {
    const wasm = built(name);
    const share = gzipSync(encodeText(wasm), { level: 9 }).length / gzipSync(wasm, { level: 9 }).length;
    assert.ok(share < 0.95, `${name}: ${share}`);
  }
});
