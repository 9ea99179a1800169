// A server that renders pages runs their modules too: there is no page, and nothing may break.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../scripts/run.mjs';
import { PeerPlugin, start } from '../../dist/browser/index.js';

test('where a server runs the page its start() resolves, finds nothing wrong with the options, and takes no part', async () => {
  const peers = await start({ worker: '/sw.js', socket: '/ws', report: '/report', warn: false });
  const codes = [];
  peers.addEventListener('error', ({ detail }) => codes.push(detail.code));
  assert.deepEqual([peers.active, peers.reason], [false, 'no-worker']);
  assert.deepEqual((await peers.diagnose()).missing, ['no-worker']);
  await new Promise(setImmediate);
  assert.deepEqual(codes, []);
  peers.close();
});

test("a server says nothing of the pages' business, and keeps nothing of a page that it has rendered", async () => {
  const url = new URL('../../dist/browser/index.js', import.meta.url);
  const script = `import { start } from '${url}';
    const pages = [];
    for (let i = 0; i < 3; i++) pages.push(new WeakRef(await start({ worker: '/sw.js' })));
    await new Promise((resolve) => setTimeout(resolve));
    gc();
    console.log(pages.filter((page) => page.deref()).length);`;
  const { code, output } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', script]);
  assert.deepEqual([code, output.trim()], [0, '0']);
});

test('where a server runs the page its PeerPlugin answers null', async () => {
  const plugin = new PeerPlugin({ warn: false });
  const request = new Request('https://site.example/static/a.bin');
  assert.equal(await plugin.getMiddleware({ request }).get(), null);
  plugin.close();
});
