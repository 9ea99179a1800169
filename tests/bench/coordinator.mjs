// The coordinator beside bittorrent-tracker and beside a bare `ws` relay: introductions for a second of the server's processor,
// relay times, and what a socket takes. Each server is a process of its own; this one is the load.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { crowdOf } from './coordinator/load.mjs';
import { lookUps } from './coordinator/look-ups.mjs';
import { execArgv } from './coordinator/node.mjs';
import { siblings } from './coordinator/siblings.mjs';
import { rivals } from './rivals.mjs';
import { interleave, median, percentile, ratio, rounded } from './stats.mjs';

const visitorsPath = fileURLToPath(new URL('coordinator/visitors.mjs', import.meta.url));
const serverPath = fileURLToPath(new URL('coordinator/server.mjs', import.meta.url));
const sockets = 1000;
const atOnce = 64;
/**
 * Rounds of a crowd, in each of which every socket asks once. Partners differ, because nobody is introduced twice. A first crowd
 * goes before what is measured is compiled.
 */
const [warmUp, timed] = [10, 9];
const settleMs = 1000;
/** The crowd that asks at half the full rate. A visitor is introduced to at most 30 others, and each round takes two of them. */
const half = { sockets: 3000, rounds: 14, niceness: 7 };
/** Those who see how long relaying takes meanwhile, and how many of them ask in a second. */
const watchers = { sockets: 200, perSecond: 200, rounds: 7 };
const idleMs = 31_000;
/** The heap's first growth is the server's own: what the sockets beyond take is weighed. A larger crowd's is told beside it. */
const weighed = { from: 1000, to: 3000 };
const crowd = { from: 3000, to: 5000 };
const contenders = { ours: 'ours', newcomers: 'ours', ours1: 'ours', tracker: 'tracker', relay: 'relay' };

async function openServer(kind, path) {
  const args = kind === 'tracker' ? [path('bittorrent-tracker/server.js')] : [];
  const child = fork(serverPath, [contenders[kind], ...args], { execArgv });
  const [{ port }] = await once(child, 'message');
  const use = async (what) => {
    child.send(what);
    return (await once(child, 'message'))[0];
  };
  return { port, use, close: () => child.kill() };
}

/** Asks round `from` to `to`, as many at once as are allowed. */
async function ask(crowd, from, to) {
  let next = from * sockets;
  const worker = async () => {
    while (next < to * sockets) {
      const [round, asker] = [Math.floor(next / sockets), next % sockets];
      next++;
      await crowd.introduce(asker, (asker + 7 * (round + 1)) % sockets);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A crowd in a process of its own. */
async function openVisitors(kind, port, count, first) {
  const child = fork(visitorsPath, [kind, port, count, first].map(String));
  const answer = async () => (await once(child, 'message'))[0];
  await answer();
  return {
    pid: child.pid,
    ask(what) {
      child.send(what);
      return answer();
    },
    close: () => child.kill(),
  };
}

/**
 * How long relaying takes, with nobody else there and at so many introductions a second, as a few visitors see it whose process
 * does nothing else: what holds up the process of the crowd is no wait of theirs.
 */
async function relayTimes(kind, server, perSecond) {
  const visitors = await openVisitors(kind, server.port, watchers.sockets, half.sockets);
  const crowd = await openVisitors(kind, server.port, half.sockets, 0);
  try {
    setPriority(crowd.pid, half.niceness);
    // What the joining of a crowd is told of is over.
    await new Promise((go) => setTimeout(go, settleMs));
    const count = half.rounds * half.sockets;
    const seconds = count / perSecond;
    const { perSecond: rate, rounds } = watchers;
    const watched = Math.min(rounds * watchers.sockets, Math.round(rate * (seconds - 1)));
    const watch = async (round) => (await visitors.ask({ count: watched, perSecond: rate, round })).relayMs;
    const idle = await watch(0);
    const before = await server.use('cpu');
    const loading = crowd.ask({ count, perSecond, round: 0 });
    await new Promise((go) => setTimeout(go, settleMs / 2));
    const busy = await watch(rounds);
    const load = await loading;
    const after = await server.use('cpu');
    return {
      p99Idle: percentile(idle, 0.99),
      p99Half: percentile(busy, 0.99),
      // Of a processor: half of it, or less where the machine has no time for the crowd.
      busy: (after.cpuMicros - before.cpuMicros) / 1000 / load.ms,
    };
  } finally {
    visitors.close();
    crowd.close();
  }
}

/** One run of one contender, in a process of its own. */
async function runOnce(kind, path) {
  const server = await openServer(kind, path);
  const first = crowdOf(kind, server.port);
  const crowd = crowdOf(kind, server.port);
  try {
    await first.open(sockets);
    await ask(first, 0, warmUp);
    first.close();
    await crowd.open(sockets);
    // What the joining of a crowd is told of is over.
    await new Promise((go) => setTimeout(go, settleMs));
    [crowd.messagesIn, crowd.messagesOut] = [0, 0];
    const before = await server.use('cpu');
    await ask(crowd, 0, timed);
    const after = await server.use('cpu');
    const introductions = timed * sockets;
    const perSecond = introductions / ((after.cpuMicros - before.cpuMicros) / 1e6);
    const [messagesIn, messagesOut] = [crowd.messagesIn / introductions, crowd.messagesOut / introductions];
    crowd.close();
    // The relay's tells what of the wait is the machine's.
    const relay = kind === 'ours' || kind === 'relay' ? await relayTimes(kind, server, perSecond / 2) : {};
    return { perSecond, messagesIn, messagesOut, ...relay };
  } finally {
    first.close();
    crowd.close();
    server.close();
  }
}

/** Bytes of a socket that holds so many of the pool's roots, and what it takes of the processor while it says nothing. */
async function weigh(kind, path, { from = weighed.from, to = weighed.to, held = 100, pool = 1000, isIdle = false } = {}) {
  const server = await openServer(kind, path);
  const crowd = crowdOf(kind, server.port, { held, pool });
  const collect = async () => {
    await new Promise((go) => setTimeout(go, 1000));
    await server.use('collect');
    return server.use('collect');
  };
  try {
    await crowd.open(from);
    const before = await collect();
    await crowd.open(to);
    const after = await collect();
    const bytes = (after.rss - before.rss) / (to - from);
    if (!isIdle) return { bytes };
    const began = performance.now();
    await new Promise((go) => setTimeout(go, idleMs));
    const { cpuMicros } = await server.use('cpu');
    return { bytes, idle: (cpuMicros - after.cpuMicros) / to / ((performance.now() - began) / 1000) };
  } finally {
    crowd.close();
    server.close();
  }
}

/** @param {{ say: (text: string) => void, runs?: number }} how */
export async function measure({ say, runs = 3 }) {
  const path = await rivals(say);
  const told = (name, { perSecond, messagesIn, messagesOut }) =>
    say(`${name}: ${Math.round(perSecond)} introductions a second, ${rounded(messagesIn)} in, ${rounded(messagesOut)} out`);
  const kinds = Object.fromEntries(Object.keys(contenders).map((kind) => [kind, () => runOnce(kind, path)]));
  const rates = await interleave(kinds, runs, told);
  const of = (kind, what) => rates[kind].map((run) => run[what]);
  const p99VsIdle = (kind) => rounded(median(of(kind, 'p99Half')) / median(of(kind, 'p99Idle')));
  const p99Of = (kind) => ({
    idle: of(kind, 'p99Idle').map(rounded),
    half: of(kind, 'p99Half').map(rounded),
    busy: of(kind, 'busy').map(rounded),
  });
  const [ours, tracker, relay] = await Promise.all(
    ['ours', 'tracker', 'relay'].map((kind) => weigh(kind, path, { isIdle: true, held: kind === 'ours' ? 100 : 0 })),
  );
  const bytes = { ours: ours.bytes, tracker: tracker.bytes, relay: relay.bytes };
  say(`bytes of a socket, ours with 100 roots, the others without any: ${JSON.stringify(bytes)}`);
  const more = {};
  for (const [held, pool, to] of [
    [0, 1, weighed.to],
    [1000, 2000, 900],
    [1999, 2000, 450],
  ]) {
    more[held] = Math.round((await weigh('ours', path, { held, pool, from: to / 3, to })).bytes);
  }
  const beyond = await weigh('ours', path, crowd);
  say(`of the fourth and fifth thousand, with 100 roots: ${Math.round(beyond.bytes)}`);
  say(`with so many roots: ${JSON.stringify(more)}`);
  const lookup = lookUps();
  const three = await siblings({ say, runs });
  return {
    json: {
      vsBittorrentTracker: ratio(of('ours', 'perSecond'), of('tracker', 'perSecond')),
      vsRelay: ratio(of('ours', 'perSecond'), of('relay', 'perSecond')),
      newcomersVsBittorrentTracker: ratio(of('newcomers', 'perSecond'), of('tracker', 'perSecond')),
      version1VsBittorrentTracker: ratio(of('ours1', 'perSecond'), of('tracker', 'perSecond')),
      messagesIn: rounded(median(of('ours', 'messagesIn'))),
      messagesOut: rounded(median(of('ours', 'messagesOut'))),
      p99VsIdle: p99VsIdle('ours'),
      p99VsIdleOfRelay: p99VsIdle('relay'),
      bytesPerSocket: Math.round(ours.bytes),
      idleMicrosPerSocketSecond: rounded(ours.idle),
      lookup1mVs100: rounded(lookup.million / lookup.hundred),
      redis3VsOne: three?.redis3VsOne ?? null,
    },
    raw: {
      perSecond: Object.fromEntries(Object.keys(rates).map((kind) => [kind, of(kind, 'perSecond').map(Math.round)])),
      p99Ms: { ours: p99Of('ours'), relay: p99Of('relay') },
      bytes,
      idleMicros: { ours: rounded(ours.idle), tracker: rounded(tracker.idle), relay: rounded(relay.idle) },
      bytesBeyond: Math.round(beyond.bytes),
      bytesByRoots: more,
      redis: three,
      askMicros: { hundred: rounded(lookup.hundred), million: rounded(lookup.million) },
    },
  };
}
