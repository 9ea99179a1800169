#!/usr/bin/env node
// Simulates the visitors of a heavy file: real peers and a real coordinator (the core, native) on a virtual network.
//   npm run sim -- --peers 10000 --seed 7
import { parseArgs } from 'node:util';
import { buildPreset } from './cmake.mjs';
import { root, run, say } from './run.mjs';

const usage = `npm run sim -- [options]

  --peers <n>         visitors, 1000; they come at random, fetch one file, stay a while and leave
  --seed <n>          what is random, 1: the same seed is the same run
  --bytes <n>         of the file, 8388608
  --files <n>         of so many bytes each, fetched all at once, 1
  --origin-rate <n>   bytes a second that the origin sends in all, 12500000
  --over <seconds>    in which the visitors come, 600
  --idle <seconds>    how long they look around before they fetch, and make connections meanwhile, 0
  --stay <seconds>    how long they stay once they have it, on average, 60
  --presence <n>      instead: what it costs to tell so many visitors what anybody has, while n files a second come and go;
                      --files are listed, 10000
  --crowd             all at once, and nobody has it: --over 0
  --no-comparison     without the run of the same visitors without peers
  --json              one object for machines
  --help              this`;

const numbers = {
  peers: '1000',
  seed: '1',
  bytes: String(8 << 20),
  files: '1',
  'origin-rate': '12500000',
  over: '600',
  idle: '0',
  stay: '60',
};
/** Listed, where presence is asked for. */
const presenceFiles = '10000';
const flags = ['crowd', 'no-comparison', 'json', 'help'];

function refuse(text) {
  say(`${text}\n\n${usage}`);
  process.exit(2);
}

function options() {
  const known = Object.fromEntries([
    ...Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }]),
    ...flags.map((name) => [name, { type: 'boolean', default: false }]),
    ['presence', { type: 'string' }],
    ['files', { type: 'string' }],
  ]);
  try {
    const { values } = parseArgs({ options: known, strict: true, allowPositionals: false });
    values.files ??= values.presence === undefined ? numbers.files : presenceFiles;
    if (values.presence !== undefined && !/^\d+$/.test(values.presence)) refuse('--presence takes a number');
    const bad = Object.keys(numbers).find((name) => !/^\d+(\.\d+)?$/.test(values[name]));
    if (bad) refuse(`--${bad} takes a number`);
    if (values.presence !== undefined && Number(values.peers) < 200) refuse('--presence is for 200 visitors or more');
    const few = ['peers', 'bytes', 'files'].find((name) => Number(values[name]) < 1);
    if (few) refuse(`--${few} is at least 1`);
    return values;
  } catch (error) {
    return refuse(error.message);
  }
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const time = (ms) => (ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`);

function describe({ peers, alone }, values) {
  const rows = [
    ['visitors', values.peers, `${peers.finished} answers came whole, ${peers.failed} not; at most ${peers.together} at a time`],
    ['origin copies', peers.originCopies.toFixed(2), alone ? `without peers ${alone.originCopies.toFixed(2)}` : ''],
    ['offload', percent(peers.offload), 'of the bytes that visitors received'],
    ['median time', time(peers.medianMs), alone ? `without peers ${time(alone.medianMs)}` : ''],
    ['95th percentile', time(peers.p95Ms), alone ? `without peers ${time(alone.p95Ms)}` : ''],
    ['to the first byte', time(peers.firstByteMs), alone ? `without peers ${time(alone.firstByteMs)}` : ''],
    ['coordinator', peers.messages.toFixed(1), `messages a visitor, ${peers.coordinatorUs.toFixed(0)} us of a processor`],
    ['fairness of upload', peers.jain.toFixed(3), `Jain; the most generous tenth sent ${percent(peers.topTenth)}`],
    ['memory of a page', `${(peers.memoryMax / (1 << 20)).toFixed(1)} MiB`, 'of pieces, at the most'],
    [
      'processor time',
      `${(peers.processorS + (alone?.processorS ?? 0)).toFixed(1)} s`,
      `${((peers.events + (alone?.events ?? 0)) / 1e6).toFixed(1)} M events, ${peers.processMiB.toFixed(0)} MiB`,
    ],
  ];
  return rows.map(([name, value, note]) => `${name.padEnd(20)}${value.padStart(12)}  ${note}`.trimEnd()).join('\n');
}

function describePresence({ presence, version1 }) {
  const rows = [
    ['processes', ({ processes }) => processes],
    ['bytes that a newcomer is told', ({ joinBytes }) => joinBytes],
    ['bytes a second to a visitor, of changes', ({ visitorBytes }) => visitorBytes],
    ['messages a second to a visitor', ({ visitorMessages }) => visitorMessages],
    ['seconds between two batches', ({ batchSeconds }) => batchSeconds],
    ['writes a second of a process', ({ processWrites }) => processWrites],
    ['bytes a second of a process', ({ processBytes }) => processBytes],
    ['microseconds a second of the core, in a process', ({ processUs }) => processUs],
    ['bytes a second to each other process', ({ busBytes }) => busBytes],
  ];
  const line = (name, one, other) => `${name.padEnd(50)}${String(one).padStart(12)}${String(other).padStart(14)}`;
  return [line('', 'this version', "version 1's"), ...rows.map(([name, of]) => line(name, of(presence), of(version1)))].join(
    '\n',
  );
}

const values = options();
if (values.help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
await buildPreset('sim');
if (values.crowd) values.over = '0';
const args = Object.keys(numbers).flatMap((name) => [`--${name}`, values[name]]);
if (values.presence !== undefined) args.push('--presence', values.presence);
if (values['no-comparison']) args.push('--no-comparison');
const { code, output } = await run(`${root}/build/sim/sim`, args);
if (code !== 0) {
  say(output);
  process.exit(1);
}
const told = JSON.parse(output);
const text = () => (values.presence === undefined ? describe(told, values) : describePresence(told));
process.stdout.write(values.json ? output : `${text()}\n`);
