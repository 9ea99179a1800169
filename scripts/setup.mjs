#!/usr/bin/env node
// Installs what is missing, and nothing else: Debian packages by apt, npm packages by `npm ci`. Done in milliseconds when
// nothing is. Everything else that scripts/ does starts here, so this imports nothing from npm.
//   node scripts/setup.mjs [demo|test|all]
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, say, seconds, which } from './run.mjs';

const oldestEm = [3, 1, 6];

const atLeast = (version, wanted) => {
  for (let i = 0; i < wanted.length; i++) {
    if ((version[i] ?? 0) !== wanted[i]) return (version[i] ?? 0) > wanted[i];
  }
  return true;
};

function hasEm() {
  const path = which('em++');
  if (!path) return false;
  const debian = '/usr/share/emscripten/emscripten-version.txt';
  try {
    // Asking Debian's em++ itself takes a quarter of a second.
    const text =
      path.startsWith('/usr/bin') && existsSync(debian)
        ? readFileSync(debian, 'utf8')
        : execFileSync(path, ['--version'], { encoding: 'utf8' });
    return atLeast((text.match(/\d+\.\d+\.\d+/)?.[0] ?? '0').split('.').map(Number), oldestEm);
  } catch {
    return false;
  }
}

// The sanitizers and libFuzzer lie beside clang, in a package named by its version.
function missingRuntime() {
  const path = which('clang++');
  if (!path) return 'libclang-rt-dev';
  try {
    const folder = execFileSync(path, ['--print-resource-dir'], { encoding: 'utf8' }).trim();
    const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const places = [`lib/linux/libclang_rt.fuzzer-${arch}.a`, `lib/${arch}-pc-linux-gnu/libclang_rt.fuzzer.a`];
    if (places.some((place) => existsSync(join(folder, place)))) return null;
    return `libclang-rt-${folder.match(/clang\/(\d+)/)?.[1]}-dev`;
  } catch {
    return 'libclang-rt-dev';
  }
}

const program = (name) => () => which(name) !== null;
const file = (path) => () => existsSync(path);

/** What a machine is set up for. Each needs what those before it need. */
export const purposes = ['demo', 'test', 'all'];

/** By purpose, Debian package -> whether what we need of it is there, from Debian or not. */
const needs = {
  demo: [
    ['cmake', program('cmake')],
    ['ninja-build', program('ninja')],
    ['emscripten', hasEm],
    ['nlohmann-json3-dev', file('/usr/include/nlohmann/json.hpp')],
    ['chromium', program('chromium')],
    ['ffmpeg', program('ffmpeg')],
  ],
  test: [
    ['g++', program('g++')],
    ['clang', program('clang++')],
    ['clang-format', program('clang-format')],
    ['clang-tidy', program('clang-tidy')],
    ['lld', program('ld.lld')],
    ['doctest-dev', file('/usr/include/doctest/doctest.h')],
    ['firefox-esr', program('firefox-esr')],
  ],
  all: [
    ['webkit2gtk-driver', program('WebKitWebDriver')],
    ['xvfb', program('Xvfb')],
  ],
};

/** @param {string} purpose one of `purposes` */
export function missingPackages(purpose) {
  const wanted = purposes.slice(0, purposes.indexOf(purpose) + 1);
  const missing = wanted.flatMap((each) => needs[each].filter(([, isThere]) => !isThere()).map(([name]) => name));
  const runtime = wanted.includes('test') ? missingRuntime() : null;
  return runtime ? [...missing, runtime] : missing;
}

async function installPackages(packages) {
  const isRoot = process.getuid?.() === 0;
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  const byHand = `sudo ${command.join(' ')}`;
  if (!which('apt-get')) {
    throw new Error(`Missing: ${packages.join(', ')} (names of Debian packages). Install them and run this again.`);
  }
  if (!isRoot && (!which('sudo') || (await run('sudo', ['-n', 'true'])).code !== 0)) {
    throw new Error(`Missing: ${packages.join(', ')}. Run this, then try again:\n  ${byHand}`);
  }
  const apt = async (args) => {
    const env = ['DEBIAN_FRONTEND=noninteractive'];
    const words = isRoot ? ['env', ...env, ...args] : ['sudo', '-n', 'env', ...env, ...args];
    // A line per unpacked package is progress enough.
    const onLine = (line) => {
      if (/^(Get:|Fetched|Unpacking|Setting up)/.test(line)) say(`  ${line.slice(0, 100)}`);
    };
    const { code, output } = await run(words[0], words.slice(1), { onLine });
    if (code !== 0) throw new Error(`${args.join(' ')} failed:\n${output.split('\n').slice(-15).join('\n')}\nBy hand: ${byHand}`);
  };
  say(`setup: installing ${packages.join(', ')}`);
  await apt(['apt-get', 'update']);
  await apt(command);
}

/** Whether node_modules holds what package-lock.json says. npm notes in node_modules/.package-lock.json what it put there. */
export function hasModules() {
  const lockPath = join(root, 'package-lock.json');
  const notePath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(lockPath) || !existsSync(notePath)) return false;
  const wanted = JSON.parse(readFileSync(lockPath, 'utf8')).packages;
  const present = JSON.parse(readFileSync(notePath, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '' || (optional && !present[path])) return true;
    return present[path]?.version === version && existsSync(join(root, path));
  });
}

// `npm ci` refuses when package.json was edited without its lock; then `npm install` brings both together.
function lockAgrees() {
  const lockPath = join(root, 'package-lock.json');
  if (!existsSync(lockPath)) return false;
  const {
    packages: { '': locked },
  } = JSON.parse(readFileSync(lockPath, 'utf8'));
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const same = (kind) => {
    const [a, b] = [locked[kind] ?? {}, wanted[kind] ?? {}];
    return Object.keys({ ...a, ...b }).every((name) => a[name] === b[name]);
  };
  return same('dependencies') && same('devDependencies');
}

/**
 * Makes everything there that a purpose needs. Resolves when it is; rejects with what to do by hand.
 * @param {string} [purpose] one of `purposes`
 */
export async function setup(purpose = 'test') {
  const started = performance.now();
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Error(`Node 20 or newer is needed, this is ${process.version}.`);
  }
  const packages = missingPackages(purpose);
  if (packages.length > 0) await installPackages(packages);
  const agrees = lockAgrees();
  if (!agrees || !hasModules()) {
    const args = [agrees ? 'ci' : 'install', '--no-audit', '--no-fund', '--loglevel=error'];
    say(`setup: npm ${args[0]}`);
    // npm runs scripts with its own settings in the environment; a dry run (`npm pack --dry-run`) must not reach this one.
    const { code, output } = await run('npm', args, { echo: true, env: { npm_config_dry_run: 'false' } });
    if (code !== 0) throw new Error(`npm ${args[0]} failed:\n${output.split('\n').slice(-15).join('\n')}`);
  }
  const still = missingPackages(purpose);
  if (still.length > 0) throw new Error(`Still missing after the installation: ${still.join(', ')}`);
  say(`setup: everything is there (${seconds(started)})`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [purpose = 'test', ...more] = process.argv.slice(2);
  if (!purposes.includes(purpose) || more.length > 0) {
    say(`usage: node scripts/setup.mjs [${purposes.join('|')}]`);
    process.exit(2);
  }
  setup(purpose).catch((error) => {
    say(error.message);
    process.exit(1);
  });
}
