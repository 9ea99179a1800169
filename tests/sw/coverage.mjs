#!/usr/bin/env node
// Which lines and branches of sw/ the tests of this folder run.
//   node tests/sw/coverage.mjs [file...]     names tests of this folder; all of them if none is named
//
// node --test --experimental-test-coverage (Node 20) reads no source map, so what V8 counted in the bundle is mapped here.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './harness/worker.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = process.argv.length > 2 ? process.argv.slice(2) : ['tests/sw'];
const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-coverage-'));
const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=dot', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, NODE_V8_COVERAGE: folder },
});

const { script, map, path } = await bundle();
const url = pathToFileURL(path).href;

// A character is covered when any process ran it. Inside one process the innermost range that holds it counts.
const covered = new Uint8Array(script.length);
for (const name of readdirSync(folder)) {
  const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  for (const { functions } of result.filter((each) => each.url === url)) {
    const runs = new Uint8Array(script.length);
    const ranges = functions.flatMap((each) => each.ranges);
    ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    for (const { startOffset, endOffset, count } of ranges) runs.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    for (let i = 0; i < runs.length; i++) covered[i] |= runs[i];
  }
}
rmSync(folder, { recursive: true });

// By source: the lines that have code, and those of them of which some was not run, with the code that was not.
const sourceMap = new SourceMap(JSON.parse(map));
const sources = new Map();
let at = 0;
for (const [number, line] of script.split('\n').entries()) {
  for (let column = 0; column < line.length; column++) {
    if (/\s/.test(line[column]) || line.length > 10_000) continue; // the wasm is one line
    const { originalSource, originalLine } = sourceMap.findEntry(number, column);
    const source = /(?:^|\/)(sw\/[a-z]+\.js)$/.exec(originalSource ?? '')?.[1];
    if (!source || !existsSync(join(root, source))) continue;
    const lines = sources.get(source) ?? sources.set(source, new Map()).get(source);
    const told = lines.get(originalLine) ?? lines.set(originalLine, { all: 0, missed: '' }).get(originalLine);
    told.all++;
    if (!covered[at + column] && !/[{}();,]/.test(line[column])) told.missed += line[column];
  }
  at += line.length + 1;
}
let all = 0;
let missed = 0;
for (const [source, lines] of [...sources].sort()) {
  const gaps = [...lines].filter(([, told]) => told.missed).sort((a, b) => a[0] - b[0]);
  all += lines.size;
  missed += gaps.length;
  const share = (100 * (1 - gaps.length / lines.size)).toFixed(1);
  process.stdout.write(`${source}: ${share} % of ${lines.size} lines run whole\n`);
  for (const [line, told] of gaps) process.stdout.write(`  ${source}:${line + 1}: ${told.missed.slice(0, 90)}\n`);
}
process.stdout.write(`sw/: ${(100 * (1 - missed / all)).toFixed(1)} % of ${all} lines run whole\n`);
process.exitCode = status ?? 1;
