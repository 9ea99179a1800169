// Three coordinators on one Redis beside one alone: introductions for a second of a processor.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../../server/debian.mjs';
import { interleave, median, rounded } from '../stats.mjs';
import { crowdOf } from './load.mjs';
import { execArgv } from './node.mjs';

const serverPath = fileURLToPath(new URL('server.mjs', import.meta.url));
/**
 * Of each process: as many as one load process bears for three. The load must be the same for each, because the busier a process
 * is, the more messages share a turn of its event loop, and the more of its code is compiled.
 */
const socketsEach = 1000;
const asksPerSecond = 600;
/** Of a socket's 30 introductions each round takes about six. A crowd that warms up goes before. */
const rounds = 4;
/** What siblings tell each other of a crowd that has joined. */
const settleMs = 3000;
const clockTicks = 100;

/** Seconds of the processor that a process has taken. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / clockTicks;
}

async function openServer(redis) {
  const child = fork(serverPath, ['ours', ...(redis ? [redis] : [])], { execArgv });
  const [{ port }] = await once(child, 'message');
  const cpu = async () => {
    child.send('cpu');
    return (await once(child, 'message'))[0].cpuMicros / 1e6;
  };
  return { port, cpu, close: () => child.kill() };
}

/** Every socket asks once a round. */
async function ask(crowd, sockets, perSecond) {
  const began = performance.now();
  const asked = [];
  while (asked.length < rounds * sockets) {
    await new Promise((go) => setTimeout(go, 1));
    const due = Math.min(rounds * sockets, ((performance.now() - began) * perSecond) / 1000);
    while (asked.length < due) {
      const [round, asker] = [Math.floor(asked.length / sockets), asked.length % sockets];
      asked.push(crowd.introduce(asker, (asker + 131 * (round + 1)) % sockets));
    }
  }
  await Promise.all(asked);
}

async function runOnce(count, holders, redis) {
  const servers = await Promise.all(Array.from({ length: count }, () => openServer(redis?.url)));
  const ports = servers.map(({ port }) => port);
  const sockets = count * socketsEach;
  const crowds = [0, 1].map(() => crowdOf('shared', ports, { count: sockets, holders }));
  try {
    for (const crowd of crowds) {
      await crowd.open(sockets);
      await new Promise((go) => setTimeout(go, settleMs));
      if (crowd === crowds[0]) {
        await ask(crowd, sockets, count * asksPerSecond);
        crowd.close();
        await new Promise((go) => setTimeout(go, settleMs));
      }
    }
    const sum = async () => (await Promise.all(servers.map(({ cpu }) => cpu()))).reduce((a, b) => a + b);
    const before = await sum();
    const redisBefore = redis ? cpuOf(redis.redis.child.pid) : 0;
    await ask(crowds[1], sockets, count * asksPerSecond);
    const cpu = (await sum()) - before;
    const { introductions } = crowds[1];
    // Each of the processes has a processor of its own where it counts.
    return {
      perSecond: (introductions / cpu) * count,
      introductions,
      redisCpuShare: redis ? (cpuOf(redis.redis.child.pid) - redisBefore) / cpu : 0,
    };
  } finally {
    for (const crowd of crowds) crowd.close();
    for (const server of servers) server.close();
  }
}

/** @param {{ say: (text: string) => void, runs: number }} how */
export async function siblings({ say, runs }) {
  const closing = [];
  const redis = await startRedis({ after: (end) => closing.push(end) });
  if (!redis) {
    say('there is no redis-server, nor a Debian to fetch it from: redis3VsOne is left out');
    return null;
  }
  try {
    const contenders = {
      one: () => runOnce(1, 3),
      three: () => runOnce(3, 3, redis),
      // Of a larger swarm most asks find somebody at their own process.
      oneOf9: () => runOnce(1, 9),
      threeOf9: () => runOnce(3, 9, redis),
    };
    const found = await interleave(contenders, runs, (name, run) =>
      say(
        `${name}: ${Math.round(run.perSecond)} a second, ${run.introductions} introductions, Redis ${rounded(run.redisCpuShare)}`,
      ),
    );
    const of = (name, what) => found[name].map((run) => run[what]);
    return {
      redis3VsOne: rounded(median(of('three', 'perSecond')) / median(of('one', 'perSecond'))),
      redis3VsOneOf9Holders: rounded(median(of('threeOf9', 'perSecond')) / median(of('oneOf9', 'perSecond'))),
      redisOfProcessors: rounded(median(of('three', 'redisCpuShare'))),
      perSecond: Object.fromEntries(Object.keys(found).map((name) => [name, of(name, 'perSecond').map(Math.round)])),
    };
  } finally {
    for (const end of closing) await end();
  }
}
