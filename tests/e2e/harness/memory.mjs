// What a browser takes of memory: Linux only, where /proc says so.
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Memory that is this browser's own: the private pages of all processes that carry its profile, or descend from one.
 * @param {string} profile
 * @param {string} [type] only of processes of that type, as 'renderer'
 */
export function privateBytes(profile, type = '') {
  const processes = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1];
      processes.set(pid, { parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') });
    } catch {
      // Ended meanwhile.
    }
  }
  const isOurs = (pid) => {
    for (let at = processes.get(pid); at; at = processes.get(at.parent)) if (at.command.includes(profile)) return true;
    return false;
  };
  let sum = 0;
  for (const [pid, { command }] of processes) {
    if (!isOurs(pid) || !command.includes(type && `--type=${type}`)) continue;
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      for (const name of ['Private_Clean', 'Private_Dirty'])
        sum += 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    } catch {
      // Ended meanwhile.
    }
  }
  return sum;
}
