#!/usr/bin/env node
// Everything that guards the project, from nothing: installs what is missing, builds, and runs every kind of test. The
// last line is `N passed, N failed`. With --all what takes too long for that (npm run test:all).
//   node scripts/test.mjs [--all] [--only <step>[,<step>]]
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engineNames } from '../tests/transparency/engines.mjs';
import { inParallel, root, run, say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

const minute = 60_000;
// Whoever takes longer than this hangs, also on a machine that is four times slower: the longest file takes five and a half
// minutes, and waits for most of them.
const hangs = 20 * minute;
// Long enough to reach every branch that a corpus does not; the nightly run takes ten minutes a target.
const fuzzSeconds = 3;

const indent = (text) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
const tail = (text, lines) => text.trimEnd().split('\n').slice(-lines).join('\n');

// One fact: passed, or failed with what was said.
const fact = (name, ok, output = '') => {
  say(`  ${ok ? 'ok' : 'FAILED'} ${name}`);
  if (!ok && output) say(indent(output));
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
};

const sum = (counts) =>
  counts.reduce((all, { passed, failed }) => ({ passed: all.passed + passed, failed: all.failed + failed }), {
    passed: 0,
    failed: 0,
  });

async function tidyStep() {
  const { tidy, checkFormat } = await import('./tidy.mjs');
  const { findings, warnings, files } = tidy();
  for (const warning of warnings) say(`  warning: ${warning}`);
  const format = await checkFormat();
  return sum([
    fact(`the rules of scripts/tidy.mjs in ${files} files`, findings.length === 0, findings.join('\n')),
    fact('clang-format', format.length === 0, format.slice(0, 40).join('\n')),
  ]);
}

async function biomeStep() {
  const { checkBiome } = await import('./tidy.mjs');
  const [format, lint] = [await checkBiome('format'), await checkBiome('lint')];
  return sum([fact("Biome's format of all JavaScript", format === '', format), fact("Biome's linter", lint === '', lint)]);
}

async function buildStep() {
  const { buildAll } = await import('./build.mjs');
  let failure = '';
  const complete = await buildAll().catch((error) => {
    failure = error.message;
    return false;
  });
  return fact('wasm, bundles and types', complete, failure && 'see above');
}

// The type checker reads the bodies of these, each with the globals of the place where it runs: a misspelt call, field or
// code of the border fails here.
const projects = ['sw', 'web', 'src/server'];

async function checkStep() {
  const facts = [];
  for (const project of projects) {
    const { code, output } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project]);
    facts.push(fact(`the types of ${project}/ and of its calls over the border`, code === 0, output));
  }
  return sum(facts);
}

async function sizeStep() {
  const { measure, describe } = await import('./size.mjs');
  return sum(measure().map((size) => fact(describe(size), size.ok)));
}

// What a test program said about itself: doctest's summary, the replay's count, or only its exit code.
function countsOf({ code, output }) {
  const doctest = output.match(/test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/);
  if (doctest) {
    const [passed, failed] = [Number(doctest[2]), Number(doctest[3])];
    // A sanitizer may end a program that had nothing else to complain of.
    return { passed, failed: code !== 0 && failed === 0 ? 1 : failed };
  }
  const inputs = Number(output.match(/^(\d+) inputs$/m)?.[1] ?? 0);
  return code === 0 ? { passed: inputs || 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function nativeStep() {
  const { buildPreset } = await import('./cmake.mjs');
  const failure = await buildPreset('native-asan').then(
    () => null,
    (error) => error.message,
  );
  // Targets that did build still run: a broken layer does not hide the others.
  const results = [fact('native build (clang, ASan, UBSan)', failure === null, failure ?? '')];
  const { output } = await run('ctest', ['--test-dir', 'build/native-asan', '--show-only=json-v1']);
  const tests = JSON.parse(output.slice(output.indexOf('{'))).tests;
  await inParallel(tests, availableParallelism(), async ({ name, command }) => {
    if (!command || !existsSync(command[0])) {
      results.push(fact(`${name}: not built`, false));
      return;
    }
    const started = performance.now();
    const result = await run(command[0], command.slice(1), { timeoutMs: hangs });
    const counts = countsOf(result);
    const word = counts.failed === 0 ? 'ok' : 'FAILED';
    say(`  ${word} ${name}: ${counts.passed} passed, ${counts.failed} failed, ${seconds(started)}`);
    if (counts.failed > 0) say(indent(tail(result.output, 80)));
    results.push(counts);
  });
  if (tests.length === 0) results.push(fact('there are native tests', false));
  return sum(results);
}

async function simStep() {
  // The program that the native step built, with its sanitizers; npm run sim builds one that is fast.
  const { code, output } = await run('build/native-asan/sim', ['--peers', '50', '--seed', '7'], { timeoutMs: hangs });
  const found = code === 0 ? JSON.parse(output.slice(output.indexOf('{'))) : null;
  // All at once, at a slow origin: 1.47 copies on average. The origin must not go on beside peers that bring it.
  const seeds = ['1', '2', '3', '4', '5', '6'];
  const crowd = '--over 0 --peers 30 --bytes 17825792 --origin-rate 1000000 --no-comparison'.split(' ');
  const copies = [];
  await inParallel(seeds, availableParallelism(), async (seed) => {
    const one = await run('build/native-asan/sim', [...crowd, '--seed', seed], { timeoutMs: hangs });
    copies.push(one.code === 0 ? JSON.parse(one.output.slice(one.output.indexOf('{'))).peers.originCopies : Infinity);
  });
  const mean = copies.reduce((all, each) => all + each, 0) / seeds.length;
  const unknown = await run(process.execPath, ['scripts/sim.mjs', '--pears', '50'], { timeoutMs: minute });
  return sum([
    fact('fifty visitors take more than half from each other', found?.peers.offload > 0.5, output),
    fact('without peers they take all from the origin', found?.alone.originCopies > 40, output),
    fact(`thirty visitors at once take no more than 1.53 copies from the origin: ${mean.toFixed(2)}`, mean <= 1.53),
    fact('an unknown option is refused', unknown.code === 2, unknown.output),
  ]);
}

// A layer at a time, as one text: what the standard library's headers cost would be paid for each file.
async function lintStep() {
  const results = [];
  await inParallel(['base', 'http', 'swarm', 'signal', 'peer'], availableParallelism(), async (layer) => {
    const files = readdirSync(join(root, 'src', layer))
      .filter((name) => name.endsWith('.cpp'))
      .map((name) => join(root, 'src', layer, name));
    const [last, ...others] = files.reverse();
    const flags = ['-std=c++20', `-I${root}/src`, ...others.flatMap((file) => ['-include', file])];
    // That a .cpp is included anywhere else is a finding of scripts/tidy.mjs.
    const checks = '--checks=-bugprone-suspicious-include';
    const { code, output } = await run('clang-tidy', ['--quiet', checks, last, '--', ...flags]);
    const problems = output.split('\n').filter((line) => /(error|warning):/.test(line));
    const said = problems.join('\n').replaceAll(`${root}/`, '');
    results.push(fact(`clang-tidy on ${files.length} files of src/${layer}`, code === 0, said));
  });
  return sum(results);
}

async function fuzzStep() {
  const { buildFuzzers, fuzzOne, fuzzStems } = await import('./fuzz.mjs');
  const failure = await buildFuzzers().then(
    () => null,
    (error) => error.message,
  );
  if (failure !== null) return fact('build of the fuzz targets', false, failure);
  const results = [];
  await inParallel(fuzzStems(), availableParallelism(), async (stem) => {
    const { ok, runs, output } = await fuzzOne(stem, fuzzSeconds);
    results.push(fact(`fuzz ${stem}: ${runs} runs`, ok, tail(output, 60)));
  });
  return sum(results);
}

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.test\.m?js$/.test(name) && !name.includes('node_modules'))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/**
 * `node --test`, a process a file, `width` at a time; files named in `first` begin first. All but those to `leave`, or `only`
 * some.
 * @param {{ node?: string, flags?: string[], env?: Record<string, string>, width?: number, first?: string[], leave?: string[],
 *   only?: string[] }} [options]
 */
async function nodeStep(folder, { node = process.execPath, flags = [], env = {}, width = 1, first = [], leave = [], only } = {}) {
  const isOneOf = (stems, file) => stems.some((stem) => file.includes(`/${stem}.`));
  const files = testFiles(folder).filter((file) => (only ? isOneOf(only, file) : !isOneOf(leave, file)));
  if (files.length === 0) return fact(`${folder} has tests`, false);
  const rank = (file) => (first.findIndex((stem) => file.includes(`/${stem}.`)) + first.length + 1) % (first.length + 1);
  files.sort((a, b) => rank(a) - rank(b));
  const results = [];
  await inParallel(files, width, async (file) => {
    const started = performance.now();
    const onLine = (line) => {
      const found = line.match(/^\s*(not ok|ok) \d+ - (.*)$/);
      if (found && !found[2].endsWith(file)) say(`  ${found[1] === 'ok' ? 'ok' : 'FAILED'} ${found[2]}`);
    };
    const { code, output } = await run(node, ['--test', '--test-concurrency=1', '--test-reporter=tap', ...flags, file], {
      env,
      timeoutMs: hangs,
      onLine,
    });
    const count = (name) => Number(output.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? 0);
    const passed = count('pass');
    const failed = Math.max(count('fail') + count('cancelled'), code === 0 ? 0 : 1);
    say(`  ${file}: ${passed} passed, ${failed} failed, ${seconds(started)}`);
    if (failed > 0)
      say(
        indent(
          tail(
            output
              .split('\n')
              .filter((line) => !/^\s*ok \d/.test(line))
              .join('\n'),
            120,
          ),
        ),
      );
    results.push({ passed, failed });
  });
  return sum(results);
}

// What a page and the origin see with us and without us, a fact for each combination of each engine.
async function transparencyStep(engines, isShort) {
  const { transparency } = await import('../tests/transparency/index.mjs');
  const results = [];
  for (const engine of engines) {
    const { result, report } = await transparency({ engines: [engine], isShort, say: (text) => say(`  ${text}`) });
    const { compared, same, documented, unstable } = result;
    const passed = same + documented;
    const word = compared === passed ? 'ok' : 'FAILED';
    say(`  ${word} ${engine}: of ${compared} combinations ${same} are the same, ${documented} differ as documented`);
    if (compared > passed) say(indent(report));
    results.push({ passed, failed: compared - passed });
    results.push(fact(`${engine}: at most 2 % are unstable`, compared > 0 && unstable <= compared / 50, report));
  }
  return sum(results);
}

/**
 * What needs a build of its own, which takes minutes: the release before this one beside this one, other compilers, and the
 * border's list in another order.
 */
const builds = ['versions', 'native', 'border'];

async function buildsStep() {
  return sum([await nodeStep('tests/package', { only: builds }), await nodeStep('tests/e2e', { only: builds })]);
}

// The packages that we are tried beside have a lock of their own, so that npm ci stays small.
async function installStep() {
  const { code, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: join(root, 'tests/integration') });
  return fact('npm ci in tests/integration', code === 0, output);
}

/** The versions of Node that are maintained, but for the machine's own, where npm has them for this machine. */
async function nodesStep() {
  const counts = [];
  for (const version of ['22', '24', '26']) {
    const node = join(root, `tests/integration/node_modules/node-${version}/bin/node`);
    if (process.versions.node.startsWith(`${version}.`)) continue;
    if (!existsSync(node)) {
      say(`  Node ${version}: not run, because npm has none for this machine`);
      continue;
    }
    say(`  Node ${version}`);
    for (const folder of ['tests/server', 'tests/wasm']) counts.push(await nodeStep(folder, { node }));
  }
  return sum(counts);
}

async function integrationStep() {
  return sum([
    // Next goes on watching its folder when it is closed, and its process would not end.
    await nodeStep('tests/integration', { flags: ['--test-force-exit'] }),
    // Again, now that an old TypeScript is there.
    await nodeStep('tests/package', { only: ['user-types'] }),
  ]);
}

// A response of 320 s, one of 90 s, a deployment that is seen within 60 s, pages that connect when they are idle, workers that
// come late and tabs that are frozen do nothing most of the time: they run beside all that follows the build. Of the others two
// at a time: browsers take all of two cores, and more of them only wait for each other.
const waiting = ['long', 'firefox', 'deployment', 'mounts', 'pairs', 'frozen'];
/** Those that go through several browsers, and the engine in a worker and in the page (tests/e2e/harness/scene.mjs). */
const manyEngines = [
  'cleared',
  'deleted',
  'diagnosis',
  'engine',
  'fidelity',
  'frozen',
  'history',
  'hostile',
  'late',
  'sites',
  'truth',
];

/** The same again and again, for leaks and rare turns. */
const often = ['hammer', 'memory'];

const setupStep = (purpose) => async () => fact('everything is there', true, await setup(purpose));

/** In order; `needs` names steps without whose success there is nothing to run. */
const usual = [
  { name: 'setup', run: setupStep('test') },
  { name: 'tidy', needs: ['setup'], run: tidyStep },
  { name: 'biome', needs: ['setup'], run: biomeStep },
  { name: 'build', needs: ['setup'], run: buildStep },
  { name: 'check', needs: ['build'], run: checkStep },
  { name: 'size', needs: ['build'], run: sizeStep },
  {
    name: 'waiting',
    needs: ['build'],
    beside: true,
    run: () => nodeStep('tests/e2e', { width: 2, first: waiting, only: waiting }),
  },
  { name: 'native', needs: ['setup'], run: nativeStep },
  { name: 'sim', needs: ['native'], run: simStep },
  { name: 'lint', needs: ['setup'], run: lintStep },
  { name: 'fuzz', needs: ['setup'], run: fuzzStep },
  // More at a time than processors: they wait for timers, and the longest begins first.
  {
    name: 'wasm',
    needs: ['build'],
    run: () => nodeStep('tests/wasm', { width: 4, first: ['page-mounts', 'page', 'page-crowd'] }),
  },
  { name: 'sw', needs: ['build'], run: () => nodeStep('tests/sw', { width: 2 }) },
  {
    name: 'server',
    needs: ['build'],
    run: () => nodeStep('tests/server', { width: 3, first: ['doctor', 'cli', 'redis'] }),
  },
  {
    name: 'package',
    needs: ['build'],
    run: () => nodeStep('tests/package', { width: 2, first: ['user-types'], leave: builds }),
  },
  {
    name: 'e2e',
    needs: ['build'],
    run: () => nodeStep('tests/e2e', { width: 2, leave: [...waiting, ...builds, ...often, 'webkit'] }),
  },
  { name: 'compare', needs: ['build'], run: () => nodeStep('tests/transparency') },
  { name: 'transparency', needs: ['build'], run: () => transparencyStep(['chromium'], true) },
];

/** What the usual steps have not: every combination in every engine, WebKit, several coordinators, hours, and the examples. */
const all = [
  { name: 'setup', run: setupStep('all') },
  { name: 'build', needs: ['setup'], run: buildStep },
  { name: 'siblings', needs: ['build'], run: () => nodeStep('tests/siblings') },
  { name: 'builds', needs: ['build'], run: buildsStep },
  { name: 'soak', needs: ['build'], run: () => nodeStep('tests/soak') },
  {
    name: 'engines',
    needs: ['build'],
    run: () => nodeStep('tests/e2e', { width: 2, only: manyEngines, env: { PEER_CDN_ENGINES: 'all' } }),
  },
  { name: 'often', needs: ['build'], run: () => nodeStep('tests/e2e', { only: often }) },
  { name: 'webkit', needs: ['build'], run: () => nodeStep('tests/e2e', { only: ['webkit'] }) },
  { name: 'transparency', needs: ['build'], run: () => transparencyStep(engineNames, false) },
  { name: 'install', needs: ['setup'], run: installStep },
  { name: 'nodes', needs: ['build', 'install'], run: nodesStep },
  { name: 'integration', needs: ['build', 'install'], run: integrationStep },
  { name: 'examples', needs: ['build'], run: () => nodeStep('tests/examples') },
];

const usage = `usage: npm test [-- --only <step>[,<step>]]      steps: ${usual.map(({ name }) => name).join(', ')}
       npm run test:all [-- --only ...]          steps: ${all.map(({ name }) => name).join(', ')}`;

/** Ends with what is wrong, or with what was asked for. @param {string} [wrong] @returns {never} */
function endWithUsage(wrong) {
  say(wrong ? `${wrong}\n${usage}` : usage);
  process.exit(wrong ? 2 : 0);
}

function readArguments() {
  try {
    const options = { all: { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean' } };
    return parseArgs({ options }).values;
  } catch (error) {
    return endWithUsage(error.message);
  }
}

function chosen() {
  const given = readArguments();
  if (given.help) endWithUsage();
  const steps = given.all ? all : usual;
  if (given.only === undefined) return steps;
  const names = given.only.split(',');
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0)
    endWithUsage(`there is no step '${unknown.join("', '")}' in npm ${given.all ? 'run test:all' : 'test'}`);
  const wanted = new Set(names);
  // What a chosen step needs runs with it.
  for (const { name, needs = [] } of [...steps].reverse()) {
    if (wanted.has(name)) needs.forEach((need) => wanted.add(need));
  }
  return steps.filter(({ name }) => wanted.has(name));
}

const began = performance.now();
const totals = { passed: 0, failed: 0 };
const broken = new Set();
const list = chosen();
const beside = [];

async function runStep({ name, needs = [], run: work }, number) {
  const started = performance.now();
  say(`\n[${number}/${list.length}] ${name}`);
  const missing = needs.filter((need) => broken.has(need));
  let counts;
  try {
    counts = missing.length > 0 ? fact(`${name}: not run, because ${missing.join(' and ')} failed`, false) : await work();
  } catch (error) {
    counts = fact(name, false, error.stack ?? String(error));
  }
  if (counts.failed > 0) broken.add(name);
  totals.passed += counts.passed;
  totals.failed += counts.failed;
  say(`  ${name}: ${counts.passed} passed, ${counts.failed} failed, ${seconds(started)}`);
}

for (const [index, step] of list.entries()) {
  const done = runStep(step, index + 1);
  if (step.beside) beside.push(done);
  else await done;
}
await Promise.all(beside);
say(`\n${broken.size > 0 ? `Failed: ${[...broken].join(', ')}. ` : ''}${seconds(began)} in all.`);
process.exitCode = totals.failed > 0 ? 1 : 0;
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
