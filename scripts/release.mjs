#!/usr/bin/env node
// npm run release: publishes the package with what owner.json says of its home, and with provenance, as
// .github/workflows/release.yml does for a tag. Nothing is invented: while a field is empty, or the version is not the newest of
// CHANGELOG.md, it refuses.
//   node scripts/release.mjs [--dry-run]
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, say } from './run.mjs';

const read = (name) => readFileSync(join(root, name), 'utf8');

/** Why a release is refused: a line each. */
export function refusals({ owner, version, changelog }) {
  const fields = ['repository', 'homepage', 'bugs'];
  const empty = fields.filter((name) => !/^https:\/\/[^/]+\/?/.test(owner[name] ?? ''));
  const found = changelog.match(/^## (\S+)( \(unreleased\))?/m);
  return [
    ...empty.map((name) => `owner.json: ${name} takes the https URL of the project's own`),
    ...(found?.[1] === version ? [] : [`CHANGELOG.md begins with ${found?.[1]}, package.json has ${version}`]),
    ...(found?.[2] ? [`CHANGELOG.md calls ${version} unreleased`] : []),
  ];
}

/** package.json as it is published. */
export function published(text, { repository, homepage, bugs }) {
  const home = { repository: { type: 'git', url: `git+${repository}` }, homepage, bugs: { url: bugs } };
  return `${JSON.stringify({ ...JSON.parse(text), ...home }, null, 2)}\n`;
}

async function release(options) {
  const text = read('package.json');
  const owner = JSON.parse(read('owner.json'));
  const reasons = refusals({ owner, version: JSON.parse(text).version, changelog: read('CHANGELOG.md') });
  const changed = await run('git', ['status', '--porcelain']);
  if (changed.output.trim()) reasons.push('the working tree has changes that are not committed');
  for (const reason of reasons) say(`release: ${reason}`);
  if (reasons.length > 0) return 1;
  const built = await run(process.execPath, ['scripts/build.mjs', '--clean'], { echo: true });
  if (built.code !== 0) return built.code;
  // Published from a copy, so that the fields are in the package and not in the sources.
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-release-'));
  try {
    const packed = [...JSON.parse(text).files, 'README.md', 'LICENSE'];
    for (const name of packed) cpSync(join(root, name), join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'package.json'), published(text, owner));
    const tag = JSON.parse(text).version.includes('-') ? 'next' : 'latest';
    const args = ['publish', '--ignore-scripts', '--provenance', '--tag', tag, ...options];
    return (await run('npm', args, { cwd: folder, echo: true })).code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const options = process.argv.slice(2);
  if (options.some((each) => each !== '--dry-run')) {
    say('usage: npm run release [-- --dry-run]');
    process.exit(2);
  }
  process.exitCode = await release(options);
}
