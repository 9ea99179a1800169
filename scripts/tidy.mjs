#!/usr/bin/env node
// The rules that no compiler keeps: who may include what, what the core never calls, ASCII, lengths; and the style, which
// clang-format keeps in C++ and Biome (biome.jsonc) in JavaScript.
//   node scripts/tidy.mjs [--fix]     --fix formats in place, and mends what Biome can mend safely
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { scriptCodes } from './border.mjs';
import { root, run, say } from './run.mjs';

const core = ['base', 'http', 'swarm', 'signal', 'peer'];

// A layer sees those below it and itself (src/README.md's picture).
const layers = {
  base: ['base'],
  http: ['base', 'http'],
  swarm: ['base', 'swarm'],
  signal: ['base', 'signal'],
  peer: ['base', 'swarm', 'signal', 'peer'],
};

const isCore = (path) => core.some((layer) => path.startsWith(`src/${layer}/`));
const isCpp = (path) => /\.[ch]pp$/.test(path);
const isJs = (path) => /\.m?js$/.test(path);
const isProduct = (path) => /^(src|sw|web)\//.test(path) && !path.startsWith('web/demo/');

/** Each rule: which files, what must not stand in a line of theirs, and why. */
const rules = [
  [(path) => isCpp(path) && !path.startsWith('src/bind/'), /#include <emscripten/, 'only src/bind includes emscripten'],
  [isCore, /::now\(\)/, 'the core is told the time'],
  [isCore, /\brandom_device\b/, 'the core is given its seed'],
  [isCore, /std::(thread|mutex|async|condition_variable)\b/, 'the core has no threads'],
  [isCore, /#include <(iostream|fstream|sstream|thread|random)>/, 'the core does no I/O and brings no randomness'],
  [isCore, /\b(throw|try|catch)\b\s*[({]?(?!.*")/, 'no exceptions: a refusal is a value', 'code'],
  [(path) => isCore(path) && path !== 'src/base/bytes.hpp', /\breinterpret_cast\b/, 'bytes are read in base/bytes.hpp'],
  [
    (path) => isProduct(path) && isJs(path) && !['src/server/cli.js', 'web/advice.js'].includes(path),
    /\bconsole\./,
    'errors go to the engine or to the caller',
  ],
  [() => true, /\b(FIXME|TODO|XXX)\b/, 'finish it, or write down why not'],
  [(path) => isCpp(path) || isJs(path), /[^\t\x20-\x7e]/, 'sources are ASCII'],
];

// C++ is clang-format's (100). Biome breaks JavaScript at 130, but no text and no comment. A table in Markdown cannot be broken.
const columns = (path) => (path.endsWith('.md') || isCpp(path) ? Infinity : 130);
// Ceilings, not goals: over them is a warning, because a cut in the wrong place is worse than a long file.
const ceiling = (path) => (isCore(path) ? 400 : isProduct(path) ? 200 : Infinity);

const skipped = new Set(['.git', 'node_modules', 'build', 'dist', 'corpus', 'vectors']);

function filesOf(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return filesOf(path);
    return entry.isFile() && /\.([ch]pp|m?js|md|ya?ml)$/.test(entry.name) ? [path] : [];
  });
}

// Comments may name what the code must not do.
const withoutComment = (line) =>
  line
    .replace(/(^|\s)\/\/.*$/, '')
    .replace(/^\s*\*.*$/, '')
    .replace(/"(\\.|[^"\\])*"/g, '""');

function findingsIn(path) {
  // This file and the skill of writing rules would find themselves.
  if (path === 'scripts/tidy.mjs') return [];
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  const findings = [];
  const layer = isCore(path) ? path.split('/')[1] : null;
  lines.forEach((line, index) => {
    const report = (why) => findings.push(`${path}:${index + 1}: ${why}`);
    const code = withoutComment(line);
    for (const [applies, pattern, why] of rules) {
      if (!applies(path)) continue;
      const commentsToo = why.startsWith('finish') || why.startsWith('sources');
      if (pattern.test(commentsToo ? line : code)) report(why);
    }
    const included = line.match(/^#include "([^"/]+)\//)?.[1];
    if (layer && included && !layers[layer].includes(included)) report(`src/${layer} does not include ${included}/`);
    if (/^#include ".*\.cpp"/.test(line)) report('a .cpp is compiled, not included');
    if (line.length > columns(path) && !/https?:\/\/|^\s*\/\/ \S+$/.test(line)) report(`${line.length} columns`);
  });
  return findings;
}

// An error code is part of the interface: the table of docs/errors.md names each of them, and no other.
function codeFindings() {
  const known = [...readFileSync(join(root, 'src/base/error.cpp'), 'utf8').matchAll(/^ +"([a-z-]+)(?:\\n)?"/gm)]
    .map(([, code]) => code)
    .filter((code) => code !== 'none')
    .concat(scriptCodes);
  const table = readFileSync(join(root, 'docs/errors.md'), 'utf8').split('| code | meaning |')[1].split('\n\n')[0];
  const told = table
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, code]) => code));
  return [
    ...known.filter((code) => !told.includes(code)).map((code) => `docs/errors.md: the error code ${code} is not explained`),
    ...told.filter((code) => !known.includes(code)).map((code) => `docs/errors.md: there is no error code ${code}`),
  ];
}

// The map says where each decision is: a name that is gone sends its reader nowhere.
function mapFindings() {
  const sources = filesOf('src')
    .filter(isCpp)
    .map((path) => readFileSync(join(root, path), 'utf8'));
  const isThere = (owner, member) =>
    sources.some((text) => new RegExp(`\\b${owner}\\b`).test(text) && new RegExp(`\\b${member}\\b`).test(text));
  const named = readFileSync(join(root, 'src/README.md'), 'utf8').matchAll(/`(\w+)::(\w+)/g);
  return [...named]
    .filter(([, owner, member]) => !isThere(owner, member))
    .map(([, owner, member]) => `src/README.md: there is no ${owner}::${member}`);
}

/** { findings, warnings }: lines of text. */
export function tidy() {
  const paths = filesOf('').filter((path) => existsSync(join(root, path)));
  const findings = [...paths.flatMap(findingsIn), ...codeFindings(), ...mapFindings()];
  const warnings = paths.flatMap((path) => {
    const length = readFileSync(join(root, path), 'utf8').split('\n').length - 1;
    return length > ceiling(path) ? [`${path}: ${length} lines, the ceiling is ${ceiling(path)}`] : [];
  });
  return { findings, warnings, files: paths.length };
}

const cppFiles = () => filesOf('').filter(isCpp);

/** Lines that clang-format would change, as `path:line: message`. */
export async function checkFormat({ fix = false } = {}) {
  const files = cppFiles();
  const { code, output } = await run('clang-format', [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...files]);
  const lines = output
    .split('\n')
    .filter((line) => /: (error|warning):/.test(line))
    .map((line) => line.replace(`${root}/`, ''));
  return code === 0 ? [] : lines.length > 0 ? lines : [output.trim()];
}

const biome = (command, ...options) =>
  run(process.execPath, [join(root, 'node_modules/@biomejs/biome/bin/biome'), command, '--colors=off', ...options]);

/** What Biome's formatter, or its linter, says of the whole repository; '' if all is well. @param {'format' | 'lint'} command */
export async function checkBiome(command) {
  const options = command === 'lint' ? ['--error-on-warnings', '--max-diagnostics=100'] : ['--max-diagnostics=20'];
  const { code, output } = await biome(command, ...options);
  return code === 0 ? '' : output.trim();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const fix = process.argv.includes('--fix');
  const { findings, warnings, files } = tidy();
  for (const warning of warnings) say(`warning: ${warning}`);
  const format = await checkFormat({ fix });
  for (const finding of [...findings, ...format]) process.stdout.write(`${finding}\n`);
  if (fix) await biome('check', '--write');
  const style = (await Promise.all(['format', 'lint'].map(checkBiome))).filter(Boolean);
  for (const said of style) process.stdout.write(`${said}\n`);
  say(`tidy: ${files} files, ${findings.length + format.length} findings${style.length > 0 ? ', and those of Biome' : ''}`);
  if (findings.length + format.length + style.length > 0) process.exit(1);
}
