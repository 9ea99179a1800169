// A server that renders pages runs their modules too: there is no page, and nothing may break.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerPlugin, start } from '../../dist/browser/index.js';

test('where a server runs the page its start() resolves, finds nothing wrong with the options, and takes no part', async () => {
  const peers = await start({ worker: '/sw.js', socket: '/ws', report: '/report', warn: false });
  const codes = [];
  peers.addEventListener('error', ({ detail }) => codes.push(detail.code));
  assert.deepEqual([peers.active, peers.reason], [false, 'no-worker']);
  assert.deepEqual((await peers.diagnose()).missing, ['no-worker']);
  assert.deepEqual(codes, ['no-worker']);
  peers.close();
});

test('where a server runs the page its PeerPlugin answers null', async () => {
  const plugin = new PeerPlugin({ warn: false });
  const request = new Request('https://site.example/static/a.bin');
  assert.equal(await plugin.getMiddleware({ request }).get(), null);
  plugin.close();
});
