// The back/forward cache: a page that holds nothing yet may enter it, and a page in it leads nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './harness/index.mjs';
import { backForwardCache } from './harness/browsers.mjs';
import { scene } from './harness/scene.mjs';

const page = (files) => ({
  ...files,
  '/other.html': '<!doctype html><link rel="icon" href="data:,">',
  '/page.js': `import { start } from '/peer-cdn/index.js';
window.shown = [];
addEventListener('pageshow', ({ persisted }) => shown.push(persisted));
window.peerCdn = await start({ worker: '/sw.js' });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`,
});

/** Away and back. Whether the page came out of the back/forward cache. */
async function awayAndBack(visitor, url) {
  await visitor.page.goto(`${url}/other.html`);
  await visitor.page.goBack({ waitUntil: 'commit' }).catch(() => {});
  const shown = () => visitor.run(() => window.shown?.at(-1)).catch(() => undefined);
  await until('the page is shown again', async () => (await shown()) !== undefined);
  return shown();
}

for (const kind of ['chromium', 'firefox']) {
  test(`${kind}: a page where nothing is listed comes back as it was, and takes part`, async (t) => {
    const at = scene(t);
    const s = await at.site(page({}));
    const visitor = await at[kind]({ flags: [backForwardCache] });
    await visitor.visit(s.url);
    // The manifest is read, and lists nothing.
    await visitor.run(() => window.peerCdn.informed);
    const isKept = await awayAndBack(visitor, s.url);
    assert.equal(isKept, true);
    await until('it takes part', () => visitor.run(() => window.peerCdn.active));
  });
}
