#!/usr/bin/env node
// Packs the release before this one as npm would, for tests of versions that meet. Done in milliseconds when it is there.
//   node scripts/alpha.mjs     prints the path of the tarball
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

const version = '2.0.0-alpha.1';
const commit = '34c33857c4da231d992f0a7c993c790d9cb87c0f';
// The name carries the commit: a tarball of another commit is another file.
const name = `peer-cdn-${version}-${commit.slice(0, 7)}`;
const fixtures = join(root, 'build/fixtures');

async function must(what, command, args, cwd) {
  const { code, output } = await run(command, args, { cwd });
  if (code !== 0) throw new Error(`${version}: ${what} failed\n${output.trim()}`);
  return output;
}

// No worktree: it would stay registered in .git when this process is killed.
async function checkOut(folder) {
  const { code, output } = await run('git', ['cat-file', '-e', `${commit}^{commit}`]);
  if (code !== 0) {
    throw new Error(
      `${version} is commit ${commit}, which this clone does not have. A shallow clone gets it by ` +
        `\`git fetch --unshallow\`.\n${output.trim()}`,
    );
  }
  const archive = join(folder, 'source.tar');
  const source = join(folder, 'source');
  mkdirSync(source);
  await must('git archive', 'git', ['archive', '--format=tar', '-o', archive, commit]);
  await must('tar', 'tar', ['-xf', archive, '-C', source]);
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
  return source;
}

async function pack(folder) {
  const source = await checkOut(folder);
  // Its command would run its own setup, and `npm ci` would empty the node_modules that are linked here. It also reads a
  // `path` of directory entries that Node 24 took away.
  const build = `const {Dirent} = require("fs");
    const property = {get() { return this.parentPath; }};
    if (parseInt(process.versions.node) >= 24) Object.defineProperty(Dirent.prototype, "path", property);
    import("./scripts/build.mjs").then(({buildAll}) => buildAll()).catch(() => process.exit(1));`;
  await must('the build', process.execPath, ['-e', build], source);
  const output = await must(
    'npm pack',
    'npm',
    ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder],
    source,
  );
  const tarball = join(folder, JSON.parse(output.slice(output.indexOf('[')))[0].filename);
  const unpacked = join(folder, 'unpacked');
  mkdirSync(unpacked);
  await must('tar', 'tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1']);
  return { tarball, unpacked };
}

/**
 * The release before this one: { version, tarball, folder }. `folder` holds the package unpacked; what it imports is found
 * in the repository's node_modules.
 */
export async function alpha() {
  const made = { version, tarball: join(fixtures, `${name}.tgz`), folder: join(fixtures, name) };
  if (existsSync(made.tarball) && existsSync(made.folder)) return made;
  const started = performance.now();
  say(`alpha: packing ${version} of ${commit.slice(0, 7)}`);
  mkdirSync(fixtures, { recursive: true });
  const folder = mkdtempSync(join(fixtures, 'packing-'));
  try {
    const { tarball, unpacked } = await pack(folder);
    // Two that pack at once make the same: the first one's folder stays.
    if (!existsSync(made.folder)) renameSync(unpacked, made.folder);
    renameSync(tarball, made.tarball);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`alpha: packed (${seconds(started)})`);
  return made;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await setup();
    process.stdout.write(`${(await alpha()).tarball}\n`);
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
}
