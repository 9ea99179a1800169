// A site of files, made for a test and removed after it.
import {createHash} from 'node:crypto';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** Bytes that follow from a name. */
export function bytesOf(name, length) {
  const bytes = Buffer.alloc(length);
  let block = sha256(name);
  for (let at = 0; at < length; at += block.copy(bytes, at)) block = sha256(block);
  return bytes;
}

/** @returns the folder's path */
export function makeFolder(test, files) {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-'));
  test.after(() => rmSync(folder, {recursive: true, force: true}));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), {recursive: true});
    writeFileSync(join(folder, path), content);
  }
  return folder;
}
