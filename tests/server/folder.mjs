// A site of files, made for a test and removed after it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** Bytes that follow from a name. */
export function bytesOf(name, length) {
  const bytes = Buffer.alloc(length);
  let block = sha256(name);
  for (let at = 0; at < length; at += block.copy(bytes, at)) block = sha256(block);
  return bytes;
}

/** Root may read everything: what must not be readable is tried as nobody. */
const isRoot = process.getuid?.() === 0;
const nobody = 65534;

/** @returns the folder's path */
export function makeFolder(test, files) {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-'));
  test.after(() => {
    if (isRoot) process.seteuid(0);
    else if (existsSync(folder)) execFileSync('chmod', ['-R', 'u+rwX', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

/** For a command that is to run as somebody who cannot read everything. @param {string} folder this it may read */
export function asNobody(folder) {
  if (isRoot) chmodSync(folder, 0o755);
  return isRoot ? { uid: nobody, gid: nobody } : {};
}

/** The same for what runs in this process, until the test ends. */
export function becomeNobody(folder) {
  if (!isRoot) return;
  chmodSync(folder, 0o755);
  process.seteuid(nobody);
}
