// The others that we are compared with: a package of their own, installed when a benchmark first needs it.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../scripts/run.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'rivals');

/** Whether what lies in node_modules is what the lock says. */
function isInstalled() {
  const note = join(folder, 'node_modules/.package-lock.json');
  if (!existsSync(note)) return false;
  const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(note, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
  );
}

/** Installs them; resolves to a function that says where a file of theirs lies. @param {(text: string) => void} say */
export async function rivals(say) {
  if (!isInstalled()) {
    say('npm ci of tests/bench/rivals');
    // Neither needs a script or a native addition in a browser, nor for a tracker.
    const args = ['ci', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    const { code, output } = await run('npm', args, { cwd: folder });
    if (code !== 0) throw new Error(`npm ci of tests/bench/rivals failed:\n${output}`);
  }
  return (file) => join(folder, 'node_modules', file);
}
