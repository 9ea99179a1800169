// Processes of this machine that serve one site without Redis are worlds apart, and nothing else would tell their operator.
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as limits from './limits.js';

/** Each of them leaves a file with its number here, in a folder for each site. */
const place = join(tmpdir(), `peer-cdn-${process.getuid?.() ?? 'processes'}`);

/** Whether nobody else may write there. In a folder of somebody else's, files that we write or remove may be links. */
function isOurs() {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const about = lstatSync(place);
  return about.isDirectory() && about.uid === (process.getuid?.() ?? about.uid);
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** The sites that this process serves. */
export class Apart {
  /** @type {Map<string, string>} site -> our file */
  #files = new Map();

  /**
   * Notes that this process serves a site. Gives the numbers of others that do, the first time.
   * @param {string} site
   * @returns {number[]}
   */
  enter(site) {
    if (this.#files.has(site) || this.#files.size >= limits.sitesLookedAt) return [];
    const folder = join(place, createHash('sha256').update(site).digest('hex').slice(0, 32));
    const file = join(folder, String(process.pid));
    this.#files.set(site, file);
    try {
      if (!isOurs()) return [];
      mkdirSync(folder, { recursive: true });
      const others = readdirSync(folder).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
      const [alive, dead] = [others.filter((name) => isAlive(Number(name))), others.filter((name) => !isAlive(Number(name)))];
      for (const name of dead) rmSync(join(folder, name), { force: true });
      writeFileSync(file, '');
      return alive.map(Number);
    } catch {
      return []; // a machine without a folder to write to
    }
  }

  leave() {
    for (const file of this.#files.values()) {
      try {
        rmSync(file, { force: true });
        rmdirSync(dirname(file));
      } catch {
        // Others are there, or the next one to come finds that we are dead.
      }
    }
    this.#files.clear();
  }
}
