#!/usr/bin/env node
// npm run transparency: the same requests in a page with peer-cdn and in one without it, and what differs.
//   node scripts/transparency.mjs [--engine chromium|firefox|webkit]... [--only TEXT] [--short] [--json]
import { parseArgs } from 'node:util';
import { buildAll } from './build.mjs';
import { say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

const options = {
  engine: { type: 'string', multiple: true },
  only: { type: 'string' },
  short: { type: 'boolean' },
  json: { type: 'boolean' },
};
const usage = 'usage: npm run transparency [-- [--engine chromium|firefox|webkit]... [--only TEXT] [--short] [--json]]';

function read(args) {
  try {
    return { ...parseArgs({ args, options }).values };
  } catch (error) {
    say(`${error.message}\n${usage}`);
    process.exit(2);
  }
}

const { engine: engines, only, short: isShort, json: asJson } = read(process.argv.slice(2));
const started = performance.now();
await setup();
await buildAll();
const { transparency, engineNames } = await import('../tests/transparency/index.mjs');
const chosen = engines ?? engineNames;
const unknown = chosen.filter((name) => !engineNames.includes(name));
if (unknown.length > 0) {
  say(`no engine is called ${unknown.join(', ')}\n${usage}`);
  process.exit(2);
}
const { result, report } = await transparency({ engines: chosen, only, isShort, say });
say(report);
say(`${seconds(started)} in all`);
const { compared, same, documented, unstable, different } = result;
process.stdout.write(
  asJson
    ? `${JSON.stringify({ transparency: result })}\n`
    : `${compared} compared: ${same} the same, ${documented} documented, ${unstable} unstable; ${different.length} differences\n`,
);
process.exitCode = different.length > 0 || compared === 0 ? 1 : 0;
