#!/usr/bin/env node
// npm run transparency: the same requests in a page with peer-cdn and in one without it, and what differs.
//   node scripts/transparency.mjs [--engine chromium|firefox|webkit]... [--only TEXT] [--times N] [--short] [--json]
import { parseArgs } from 'node:util';
import { engineNames } from '../tests/transparency/engines.mjs';
import { buildAll } from './build.mjs';
import { say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

const options = {
  engine: { type: 'string', multiple: true },
  only: { type: 'string' },
  times: { type: 'string' },
  short: { type: 'boolean' },
  json: { type: 'boolean' },
};
const usage =
  'usage: npm run transparency [-- [--engine chromium|firefox|webkit]... [--only TEXT] [--times N] [--short] [--json]]';

function refuse(why) {
  say(`${why}\n${usage}`);
  process.exit(2);
}

function read(args) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const { engine: engines = engineNames, only, times: howOften = '1', short: isShort, json: asJson } = read(process.argv.slice(2));
const unknown = engines.filter((name) => !engineNames.includes(name));
if (unknown.length > 0) refuse(`no engine is called ${unknown.join(', ')}`);
const times = Number(howOften);
if (!Number.isInteger(times) || times < 1) refuse(`--times takes a number from 1 on, not ${howOften}`);
const started = performance.now();
await setup(engines.includes('webkit') ? 'all' : 'test');
await buildAll();
const { transparency } = await import('../tests/transparency/index.mjs');
const { result, report } = await transparency({ engines, only, isShort, times, say });
if (result.compared + result.unstable === 0) say(`no combination has "${only}" in its name`);
say(report);
say(`${seconds(started)} in all`);
const { compared, same, documented, unstable, different } = result;
process.stdout.write(
  asJson
    ? `${JSON.stringify({ transparency: result })}\n`
    : `${compared} compared: ${same} the same, ${documented} documented, ${unstable} unstable; ${different.length} differences\n`,
);
process.exitCode = different.length > 0 || compared === 0 ? 1 : 0;
