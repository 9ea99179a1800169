// A coordinator that is started again under all its visitors, as many as the limit of open files bears, who come back as
// src/signal/client.cpp does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { reconnectMin, reconnectSpread, SOCKET_PATH } from '../../build/border.js';
import { root } from '../../scripts/run.mjs';
import { Load } from '../../src/server/load.js';
import { freePort, listening, start } from '../server/debian.mjs';

const origin = 'https://a.example';
/** A site has no more. */
const mostSockets = 10_000;
const filesBeside = 500;

test('ten thousand visitors of a coordinator that is started again all come back at the first try', {
  timeout: 240_000,
}, async (t) => {
  const files = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || mostSockets + filesBeside;
  const count = Math.min(mostSockets, files - filesBeside);
  const port = await freePort();
  const open = async () => {
    const args = [join(root, 'src/server/cli.js'), 'coordinator', '--port', String(port), '--origin', origin];
    const coordinator = start(t, { path: process.execPath }, args);
    await listening(port);
    return coordinator;
  };
  const coordinator = await open();
  const load = new Load({ url: `ws://127.0.0.1:${port}${SOCKET_PATH}`, origin });
  t.after(() => load.close());
  await load.open(count);
  assert.deepEqual([load.tally.opened, load.tally.failures], [count, {}]);

  await coordinator.kill();
  while ((load.tally.failures['1006'] ?? 0) < count) await pause(10);
  load.tally.failures = {};
  await open();
  await Promise.all(
    load.sockets.map(async (socket) => {
      await pause(reconnectMin / 2 + Math.random() * (reconnectSpread - reconnectMin / 2));
      await socket.open();
    }),
  );
  assert.deepEqual([load.tally.opened, load.tally.failures], [2 * count, {}]);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  assert.match(metrics, new RegExp(`^peer_cdn_sockets ${count}$`, 'm'));
  assert.match(metrics, /^peer_cdn_slow_total 0$/m);
});
