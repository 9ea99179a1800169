// A file that is read again and again, from the store for the most part, while its site deploys it anew: every read ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const url = '/static/app.bin';
const versions = [randomBytes('even', 3_000_000), randomBytes('odd', 3_000_001)];
const digests = versions.map(sha256);
const deployments = 6;
const readsEach = 25;

test('a file that is read again and again while its site deploys it anew comes each time', { timeout: 300_000 }, async (t) => {
  const { site, chromium } = scene(t);
  const s = await site({ [url]: versions[0] });
  const visitors = [await chromium(), await chromium()];
  for (const visitor of visitors) await visitor.visit(s.url);
  for (let deployment = 1; deployment <= deployments; deployment++) {
    await Promise.all(
      visitors.map(async (visitor) => {
        for (let read = 0; read < readsEach; read++) {
          const got = await visitor.fetch(url);
          // One that began before a deployment may break off: the bytes that it began with are gone.
          assert.ok(got.error !== null || digests.includes(got.sha256), 'bytes of one version');
          if (read === readsEach - 1) assert.equal(got.error, null, 'nothing is in the way of the last one');
        }
      }),
    );
    const before = await s.root(url);
    s.write(url, versions[deployment % 2]);
    await until('the live manifest has the new root', async () => (await s.root(url)) !== before);
    const tab = await visitors[deployment % 2].newTab();
    await visitors[deployment % 2].visit(`${s.url}/?${deployment}`, { page: tab });
    await tab.close();
  }
});
