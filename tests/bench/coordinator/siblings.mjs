// Three coordinators on one Redis beside one alone: introductions for a second of a processor.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../../server/debian.mjs';
import { interleave, median, rounded } from '../stats.mjs';
import { crowdOf, paced } from './load.mjs';
import { execArgv } from './node.mjs';

const serverPath = fileURLToPath(new URL('server.mjs', import.meta.url));
const processes = 3;
/** The load of each process is the same, because the busier a process is, the more messages share a turn of its event loop. */
const socketsEach = 1000;
const asksPerSecond = 1200;
/** Of a socket's 30 introductions each round takes about six. */
const rounds = 4;
/** Crowds that go before, until what is measured is compiled: a process gets fewer frames of the bus than messages. */
const warmUps = 2;
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
  const use = async (what) => {
    child.send(what);
    return (await once(child, 'message'))[0].cpuMicros / 1e6;
  };
  return { port, use, close: () => child.kill() };
}

/** Every socket asks once a round, the crowds in turn. */
const ask = (crowds) =>
  paced(rounds * processes * socketsEach, processes * asksPerSecond, (i) => {
    const crowd = crowds[i % crowds.length];
    const turn = Math.floor(i / crowds.length);
    const [round, asker] = [Math.floor(turn / crowd.count), turn % crowd.count];
    return crowd.introduce(asker, (asker + 131 * (round + 1)) % crowd.count);
  });

/**
 * Three processes: one world on a Redis, or without it three that are alone. So both have the same machine and the same load.
 * @param {number} holders of each root
 * @param {Awaited<ReturnType<typeof startRedis>>} [redis]
 */
async function runOnce(holders, redis) {
  const servers = await Promise.all(Array.from({ length: processes }, () => openServer(redis?.url)));
  const ports = servers.map(({ port }) => port);
  const crowdsOf = () =>
    (redis ? [ports] : ports.map((port) => [port])).map((ports) =>
      crowdOf('shared', ports, { count: ports.length * socketsEach, holders }),
    );
  let crowds = [];
  const open = async () => {
    crowds = crowdsOf();
    for (const crowd of crowds) await crowd.open(crowd.count);
    await new Promise((go) => setTimeout(go, settleMs));
  };
  try {
    for (let i = 0; i < warmUps; i++) {
      await open();
      await ask(crowds);
      for (const crowd of crowds) crowd.close();
      await new Promise((go) => setTimeout(go, settleMs));
    }
    await open();
    const sum = async (what) => (await Promise.all(servers.map(({ use }) => use(what)))).reduce((a, b) => a + b);
    // What the crowds before have left is no work of this one.
    for (let i = 0; i < 2; i++) await sum('collect');
    const before = await sum('cpu');
    const redisBefore = redis ? cpuOf(redis.redis.child.pid) : 0;
    await ask(crowds);
    const cpu = (await sum('cpu')) - before;
    const introductions = crowds.reduce((all, crowd) => all + crowd.introductions, 0);
    return {
      // Where they are one, each of the processes has a processor of its own.
      perSecond: (introductions / cpu) * (redis ? processes : 1),
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
      one: () => runOnce(3),
      three: () => runOnce(3, redis),
      // Of a larger swarm more asks find enough at their own process.
      oneOf9: () => runOnce(9),
      threeOf9: () => runOnce(9, redis),
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
