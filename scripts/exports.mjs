#!/usr/bin/env node
// Takes from a module the exports that em++ gives every module and nobody calls, so that wasm-opt finds their functions unused.
//   node scripts/exports.mjs <file.wasm>
import { readFileSync, writeFileSync } from 'node:fs';

const unused = ['stackSave', 'stackRestore', 'stackAlloc', '__indirect_function_table'];
const exportSection = 7;

/** LEB128: the number at a place, and the place behind it. */
function numberAt(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

function numberOf(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

function withoutUnused(section) {
  const kept = [];
  const [count, first] = numberAt(section, 0);
  for (let i = 0, at = first; i < count; i++) {
    const begin = at;
    const [length, name] = numberAt(section, at);
    // Behind the name a kind of one byte, and a number.
    [, at] = numberAt(section, name + length + 1);
    if (!unused.includes(section.toString('latin1', name, name + length))) kept.push(section.subarray(begin, at));
  }
  return Buffer.concat([numberOf(kept.length), ...kept]);
}

const [, , path] = process.argv;
const wasm = readFileSync(path);
const sections = [wasm.subarray(0, 8)];
for (let at = 8; at < wasm.length; ) {
  const [size, begin] = numberAt(wasm, at + 1);
  const end = begin + size;
  if (wasm[at] === exportSection) {
    const body = withoutUnused(wasm.subarray(begin, end));
    sections.push(Buffer.from([exportSection]), numberOf(body.length), body);
  } else {
    sections.push(wasm.subarray(at, end));
  }
  at = end;
}
writeFileSync(path, Buffer.concat(sections));
