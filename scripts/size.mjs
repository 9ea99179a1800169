#!/usr/bin/env node
// What a visitor downloads, against its budget. The budgets' one home.
//   node scripts/size.mjs [--json]     --json builds what is out of date, and prints one line
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { buildAll } from './build.mjs';
import { root } from './run.mjs';

const kib = 1024;

/** Bytes after gzip, everything inside. `files`: each is a download of its own. */
export const budgets = [
  // The goal is 32 KiB. Records, validators, conditions, and what is learned of origins took the rest (CHANGELOG.md).
  { name: 'worker', files: ['dist/browser/sw.js'], bytes: 37 * kib },
  { name: 'workerModule', files: ['dist/browser/sw.mjs'], bytes: 37 * kib },
  // Before start() is called; then on the main thread; then all of it.
  { name: 'pageInitial', files: ['dist/browser/index.js'], bytes: 5 * kib },
  { name: 'pageMain', files: ['dist/browser/index.js', 'dist/browser/page.js'], bytes: 14 * kib },
  // 54 KiB, which is the goal, a KiB of room, and one for what a page reports to its owner. The engine's core is 33 of it, Embind
  // and what it binds 5.
  { name: 'pageAll', files: ['dist/browser/index.js', 'dist/browser/page.js', 'dist/browser/engine.js'], bytes: 57 * kib },
];

const gzipped = (content) => gzipSync(content, { level: 9 }).length;
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);

/** [{ name, files, bytes (the budget), raw, gzip, brotli, ok }]; with a missing file it is not ok. */
export function measure() {
  return budgets.map(({ name, files, bytes }) => {
    const paths = files.map((file) => join(root, file));
    if (!paths.every((path) => existsSync(path))) return { name, files, bytes, raw: 0, gzip: 0, brotli: 0, ok: false };
    const contents = paths.map((path) => readFileSync(path));
    const gzip = sum(contents.map(gzipped));
    const brotli = sum(contents.map((content) => brotliCompressSync(content).length));
    return { name, files, bytes, raw: sum(contents.map(({ length }) => length)), gzip, brotli, ok: gzip <= bytes };
  });
}

export function describe({ name, files, bytes, raw, gzip, brotli, ok }) {
  const of = `${name} (${files.map((file) => file.replace('dist/browser/', '')).join(', ')})`;
  if (raw === 0) return `${of}: missing`;
  const share = Math.round((100 * gzip) / bytes);
  return `${of}: ${gzip} bytes gzip, ${share} % of ${bytes} (raw ${raw}, brotli ${brotli})${ok ? '' : ': over the budget'}`;
}

// What the modules and their glue weigh on their own, to see what costs how much.
function parts() {
  return ['worker.wasm', 'peer.wasm', 'rtc.wasm', 'rtc.mjs', 'coordinator.wasm', 'coordinator.mjs']
    .map((name) => `build/${name}`)
    .filter((file) => existsSync(join(root, file)))
    .map((file) => {
      const content = readFileSync(join(root, file));
      return `${file}: ${gzipped(content)} bytes gzip (raw ${content.length})`;
    });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const isJson = process.argv.includes('--json');
  if (isJson) await buildAll();
  const sizes = measure();
  if (isJson) {
    const files = Object.fromEntries(sizes.map(({ name, files: each }) => [name, each]));
    const all = Object.fromEntries(sizes.map(({ name, gzip }) => [name, gzip]));
    process.stdout.write(`${JSON.stringify({ size: { ...all, files } })}\n`);
  } else {
    for (const size of sizes) process.stdout.write(`${describe(size)}\n`);
    for (const line of parts()) process.stdout.write(`${line}\n`);
  }
  if (!sizes.every(({ ok }) => ok)) process.exit(1);
}
