// A site takes peer-cdn out again, as docs/caches.md says it: nothing of ours stays in a visitor's browser.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const guide = fs.readFileSync(fileURLToPath(new URL('../../docs/caches.md', import.meta.url)), 'utf8');
const blocks = [...guide.matchAll(/^```js\n([\s\S]*?)^```/gm)].map(([, text]) => text);
const block = (part) => blocks.find((text) => text.includes(part));

const url = '/static/a.bin';

for (const browser of browsers) {
  test(`${browser}: after the guide's last worker no cache, worker or key of ours is left, and the site works`, async (t) => {
    const s = scene(t);
    const bytes = randomBytes('leaving', 2_000_000);
    const site = await s.site({ [url]: bytes });
    const visitor = await s[browser]();
    await visitor.visit(site.url);
    await visitor.run(() => {
      window.peerCdn.upload = { bytes: 1e9 };
      localStorage.setItem('own', 'stays');
      return caches.open('own').then(() => true);
    });
    assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
    await visitor.untilStored((await site.manifest()).resources[url]);

    const script = (body) => ({ headers: { 'content-type': 'text/javascript' }, body });
    site.origin.rule('/sw.js', script(block('unregister')));
    site.origin.rule('/page.js', script(block('localStorage')));
    await visitor.run(() =>
      navigator.serviceWorker
        .getRegistration()
        .then((each) => each.update())
        .then(() => true),
    );
    const left = () =>
      visitor.run(async () => ({
        caches: await caches.keys(),
        workers: (await navigator.serviceWorker.getRegistrations()).length,
        keys: Object.keys(localStorage),
      }));
    await until('the last worker has done its work', async () => (await left()).workers === 0);
    await visitor.visit(site.url, { ready: false });
    assert.deepEqual(
      await until('the page has removed the keys', async () => {
        const now = await left();
        return now.keys.length === 1 && now;
      }),
      { caches: ['own'], workers: 0, keys: ['own'] },
    );
    assert.equal((await visitor.fetch(url)).sha256, sha256(bytes));
  });
}
