#!/usr/bin/env node
// npm run bench: ours and the others side by side, in one go on one machine; every figure is a ratio of medians.
//   node scripts/bench.mjs [transfer] [latency] [crowd] [nobody] [small] [page] [lone] [readers] [worker] [routes]
//     [coordinator] [ladder] [--json] [--runs=N]
// None named: all but the ladder.
// Standard output gets the result (with --json one object and nothing else); progress and raw runs go to standard error.
import { buildAll } from './build.mjs';
import { say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

// A debugger that watches a worker keeps a copy of what the network brings it. No visitor has one.
process.env.PLAYWRIGHT_DISABLE_SERVICE_WORKER_NETWORK = '1';

const parts = ['transfer', 'latency', 'crowd', 'nobody', 'small', 'page', 'lone', 'readers', 'worker', 'routes', 'coordinator'];
// The ladder explains `transfer`, and runs only when it is named.
const known = [...parts, 'ladder'];
const usage = `usage: npm run bench [-- ${known.map((part) => `[${part}]`).join(' ')} [--json] [--runs N]]`;

/** `{ named, asJson, runs }`, or `{ wrong }` what was not understood. */
function read(args) {
  const out = { named: [], asJson: false, runs: undefined };
  for (let i = 0; i < args.length; ++i) {
    const runs = args[i] === '--runs' ? (args[++i] ?? '') : args[i].match(/^--runs=(.*)$/)?.[1];
    if (runs !== undefined) {
      if (!/^[1-9]\d{0,2}$/.test(runs)) return { wrong: `--runs takes a number, not "${runs}"` };
      out.runs = Number(runs);
    } else if (args[i] === '--json') {
      out.asJson = true;
    } else if (known.includes(args[i])) {
      out.named.push(args[i]);
      // What a worker costs a request begins with finding its route.
      if (args[i] === 'worker') out.named.push('routes');
    } else {
      return { wrong: args[i] === '--help' ? '' : `unknown argument ${args[i]}` };
    }
  }
  return out;
}

/** Runs the parts one after the other: what they measured, and whether all of them did. */
async function measureAll(names, runs) {
  const results = {};
  let isWhole = true;
  for (const name of names) {
    const started = performance.now();
    say(`\n${name}`);
    try {
      const { measure } = await import(`../tests/bench/${name}.mjs`);
      const { json, raw } = await measure({ say: (text) => say(`  ${text}`), runs });
      results[name] = json;
      say(`  raw ${JSON.stringify(raw)}\n  ${name} ${JSON.stringify(json)} (${seconds(started)})`);
    } catch (error) {
      isWhole = false;
      say(`  ${name} failed: ${error.stack ?? error}`);
    }
  }
  return { results, isWhole };
}

/** One figure a line: `transfer.vsRaw 0.93`. */
function figures(value, path = '') {
  if (typeof value !== 'object' || value === null) return [`${path} ${value}`];
  return Object.entries(value).flatMap(([key, inner]) => figures(inner, path ? `${path}.${key}` : key));
}

const { named, asJson, runs, wrong } = read(process.argv.slice(2));
if (wrong !== undefined) {
  say(`${wrong ? `${wrong}\n` : ''}${usage}`);
  process.exit(wrong ? 2 : 0);
}
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(code));
try {
  await setup();
  await buildAll();
  const { results, isWhole } = await measureAll(named.length > 0 ? known.filter((part) => named.includes(part)) : parts, runs);
  process.stdout.write(`${asJson ? JSON.stringify(results) : figures(results).join('\n')}\n`);
  process.exitCode = isWhole ? 0 : 1;
} catch (error) {
  say(`bench failed: ${error.stack ?? error}`);
  process.exitCode = 1;
}
// A browser that does not end must not keep the figures waiting.
process.stdout.write('', () => process.exit());
