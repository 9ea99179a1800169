#!/usr/bin/env node
// npm run soak: a coordinator under a crowd that comes, asks and goes, for an hour, and whether its memory stays flat.
//   node scripts/soak.mjs [--minutes 60] [--sockets 500] [--json]
// Standard output gets the result; each sample goes to standard error.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root, say } from './run.mjs';

/** Memory is looked at so often in a run, whatever its length. */
const samplesPerRun = 30;
/** Of all sockets, how many ask in a second, and how many go and come. */
const [askShare, churnShare] = [0.2, 0.05];
/** A third of a run is for caches to fill. What the last third has beyond the second may be no more than this. */
const growth = 1.05;
const slackBytes = 4 * 1024 * 1024;

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/**
 * Whether memory is flat: its median in the last third of the samples against the second third.
 * @param {number[]} bytes
 */
export function judge(bytes) {
  const third = Math.floor(bytes.length / 3);
  const [middle, last] = [median(bytes.slice(third, 2 * third)), median(bytes.slice(2 * third))];
  return { middle, last, isFlat: last <= middle * growth + slackBytes };
}

/** @param {{ minutes: number, sockets: number, say: (text: string) => void }} how */
export async function soak({ minutes, sockets, say }) {
  const { Load } = await import('../src/server/load.js');
  const server = fork(join(root, 'tests/bench/coordinator/server.mjs'), ['ours'], { execArgv: ['--expose-gc'] });
  const [{ port }] = await once(server, 'message');
  const memory = async () => {
    server.send('collect');
    await once(server, 'message');
    server.send('collect');
    return (await once(server, 'message'))[0];
  };
  const load = new Load({ url: `ws://127.0.0.1:${port}/peer-cdn/ws`, origin: 'http://a.example' });
  const over = new AbortController();
  try {
    await load.open(sockets);
    const samples = [];
    const ms = minutes * 60_000;
    const asking = load.run({ perSecond: sockets * askShare, ms: Infinity, signal: over.signal });
    const churning = (async () => {
      while (!over.signal.aborted) {
        await load.churn();
        await pause(1000 / (sockets * churnShare));
      }
    })();
    for (let i = 0; i < samplesPerRun; i++) {
      await pause(ms / samplesPerRun);
      const { rss, heapUsed, external } = await memory();
      samples.push({ rss, heap: heapUsed + external });
      say(`${i + 1}/${samplesPerRun}: resident ${mib(rss)} MiB, heap ${mib(heapUsed + external)} MiB`);
      // The load's own, which is not judged.
      for (const times of Object.values(load.tally.ms)) times.length = 0;
    }
    over.abort();
    await Promise.all([asking, churning]);
    const { opened, introductions, failures } = load.tally;
    const resident = judge(samples.map(({ rss }) => rss));
    const heap = judge(samples.map((sample) => sample.heap));
    const isFlat = resident.isFlat && heap.isFlat;
    return { minutes, sockets, opened, introductions, failures, resident, heap, isFlat };
  } finally {
    over.abort();
    load.close();
    server.kill();
  }
}

const mib = (bytes) => (bytes / 1024 / 1024).toFixed(1);

/** @returns {Promise<number>} the status of the process */
async function main() {
  const options = { minutes: { type: 'string' }, sockets: { type: 'string' }, json: { type: 'boolean' } };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    say(error.message);
    return 2;
  }
  const [minutes, sockets] = [Number(values.minutes ?? 60), Number(values.sockets ?? 500)];
  if (!(minutes > 0) || !(sockets >= 20) || !Number.isInteger(sockets)) {
    say('usage: npm run soak [-- [--minutes 60] [--sockets 500] [--json]]: minutes above 0, at least 20 sockets');
    return 2;
  }
  const result = await soak({ minutes, sockets, say });
  const { resident, heap, opened, introductions, isFlat } = result;
  const text =
    `${opened} visitors, ${introductions} introductions in ${minutes} minutes; from the second third to the last: resident ` +
    `${mib(resident.middle)} to ${mib(resident.last)} MiB, heap ${mib(heap.middle)} to ${mib(heap.last)} MiB: ` +
    `${isFlat ? 'flat' : 'it grows'}`;
  process.stdout.write(`${values.json ? JSON.stringify(result) : text}\n`);
  return isFlat ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = await main();
