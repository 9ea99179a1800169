// A user's folder: the packed package installed, and the packages of tests/integration within reach.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const repository = path.resolve(import.meta.dirname, '../..');
const execute = promisify(execFile);
const npm = (args, cwd) => execute('npm', [...args, '--loglevel=error'], { cwd, timeout: 120_000, maxBuffer: 1 << 26 });

/** Packs the package as npm would publish it. The build is there. @param {string} folder for it @returns the archive's path */
export async function pack(folder) {
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], repository);
  return path.join(
    folder,
    fs.readdirSync(folder).find((name) => name.endsWith('.tgz')),
  );
}

/** @returns its path */
export async function userFolder(t, files) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-user-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const packed = await pack(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{"name": "a-site", "private": true, "type": "module"}');
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', packed], folder);
  // Not beside the site's own packages: npm would take them out.
  const beside = path.join(import.meta.dirname, 'node_modules');
  for (const name of fs.readdirSync(beside)) {
    if (name.startsWith('.') || fs.existsSync(path.join(folder, 'node_modules', name))) continue;
    fs.symlinkSync(path.join(beside, name), path.join(folder, 'node_modules', name));
  }
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
  return folder;
}
