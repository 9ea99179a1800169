// What a browser's processes take of the processors, by kind of process and thread: Linux only, where /proc says so.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended
  }
};

/** Of one thread: milliseconds on a processor since it began. */
const ranMs = (task) => Number(read(`${task}/schedstat`).split(' ')[0]) / 1e6;

/** The processes of a visitor: those that name its profile, and their children. */
function processesOf(profile) {
  const parents = new Map();
  const found = new Set();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    parents.set(
      pid,
      read(`/proc/${pid}/stat`)
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
    if (read(`/proc/${pid}/cmdline`).includes(profile)) found.add(pid);
  }
  // A child's number may be lower than its parent's.
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Milliseconds by `process/thread` since each began; empty where there is no /proc. */
function snapshot(profile) {
  const times = new Map();
  if (process.platform !== 'linux') return times;
  for (const pid of processesOf(profile)) {
    const kind = read(`/proc/${pid}/cmdline`).match(/--utility-sub-type=(\w+)|--type=([a-z-]+)/);
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const path = `/proc/${pid}/task/${task}`;
      times.set(task, { name: `${kind?.[1] ?? kind?.[2] ?? 'browser'}/${read(`${path}/comm`).trim()}`, ms: ranMs(path) });
    }
  }
  return times;
}

/** Of all processors of this machine: milliseconds idle and in all since it began. */
function processors() {
  const times = cpus().map((each) => each.times);
  const idle = times.reduce((sum, each) => sum + each.idle, 0);
  return { idle, all: times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0) };
}

/**
 * What visitors took while `work` ran: `{ result, cpuMs, threads }`, each sum rounded, and threads of 10 ms and more.
 * @param {import('../e2e/harness/browsers.mjs').Visitor[]} visitors
 * @param {() => Promise<unknown>} work
 */
export async function withCpu(visitors, work) {
  const before = visitors.map(({ profile }) => snapshot(profile));
  const result = await work();
  const sums = {};
  visitors.forEach(({ profile }, i) => {
    for (const [task, { name, ms }] of snapshot(profile)) {
      sums[name] = (sums[name] ?? 0) + ms - (before[i].get(task)?.ms ?? 0);
    }
  });
  const list = Object.entries(sums).sort((a, b) => b[1] - a[1]);
  const threads = Object.fromEntries(list.filter(([, ms]) => ms >= 10).map(([name, ms]) => [name, Math.round(ms)]));
  return { result, cpuMs: Math.round(list.reduce((sum, [, ms]) => sum + ms, 0)), threads };
}

/**
 * What came of `work`, and `idle`: the share of this machine's processors that nobody took meanwhile.
 * @template T
 * @param {() => Promise<T>} work
 */
export async function withIdle(work) {
  const began = processors();
  const result = await work();
  const ended = processors();
  return { result, idle: (ended.idle - began.idle) / (ended.all - began.all || 1) };
}
