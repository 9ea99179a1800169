#!/usr/bin/env node
// Runs every fuzz target for a while, from its corpus. What it finds is kept in build/fuzz/crashes.
//   node scripts/fuzz.mjs [--seconds 60] [--only <stem>]
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildPreset } from './cmake.mjs';
import { inParallel, root, run, say } from './run.mjs';
import { setup } from './setup.mjs';

const folder = join(root, 'build/fuzz');
const crashes = join(folder, 'crashes');

export function fuzzStems() {
  const tests = join(root, 'tests/fuzz');
  return readdirSync(tests)
    .filter((name) => name.endsWith('.fuzz.cpp'))
    .map((name) => name.slice(0, -'.fuzz.cpp'.length));
}

/** Builds the targets. Rejects with the compiler's words. */
export const buildFuzzers = () => buildPreset('native-asan', ['fuzzers']);

/** One target for `seconds`: { stem, ok, runs, output }. New inputs stay in build/, named cases go to tests/ by hand. */
export async function fuzzOne(stem, seconds) {
  const found = join(folder, 'corpus', stem);
  const corpus = join(root, 'tests/fuzz/corpus', stem);
  mkdirSync(found, { recursive: true });
  mkdirSync(crashes, { recursive: true });
  const { code, output } = await run(
    join(root, 'build/native-asan', `${stem}_fuzz`),
    [
      `-max_total_time=${seconds}`,
      '-timeout=20',
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
      `-artifact_prefix=${crashes}/${stem}-`,
      found,
      ...(existsSync(corpus) ? [corpus] : []),
    ],
    { timeoutMs: (seconds + 60) * 1000 },
  );
  const runs = Number(output.match(/stat::number_of_executed_units:\s*(\d+)/)?.[1] ?? 0);
  return { stem, ok: code === 0, runs, output };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (name) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const seconds = Number(option('--seconds') ?? 60);
  const only = option('--only');
  try {
    await setup();
    say('fuzz: building');
    await buildFuzzers();
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
  let failed = 0;
  const stems = fuzzStems().filter((stem) => !only || stem === only);
  await inParallel(stems, availableParallelism(), async (stem) => {
    const { ok, runs, output } = await fuzzOne(stem, seconds);
    say(`${ok ? 'ok' : 'FAILED'} ${stem}: ${runs} runs`);
    if (!ok) say(output.split('\n').slice(-60).join('\n'));
    failed += ok ? 0 : 1;
  });
  process.exit(failed > 0 || stems.length === 0 ? 1 : 0);
}
