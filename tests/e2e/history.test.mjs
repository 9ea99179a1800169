// The back/forward cache: a page that holds nothing yet may enter it, and a page in it leads nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANNEL } from '../../build/border.js';
import { randomBytes, until } from './harness/index.mjs';
import { backForwardCache } from './harness/browsers.mjs';
import { engines, scene } from './harness/scene.mjs';

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

/** In a worker: busy, longer than a page takes to leave. */
function spin() {
  for (const end = performance.now() + 2000; performance.now() < end; );
}

for (const { where, kind, options } of engines) {
  test(`${where}: a page where nothing is listed comes back as it was, and takes part`, async (t) => {
    const at = scene(t);
    const s = await at.site(page({}));
    const visitor = await at[kind]({ flags: [backForwardCache], ...options });
    await visitor.visit(s.url);
    // The manifest is read, and lists nothing.
    await visitor.run(() => window.peerCdn.informed);
    const isKept = await awayAndBack(visitor, s.url);
    assert.equal(isKept, true);
    await until('it takes part', () => visitor.run(() => window.peerCdn.active));
  });
}

for (const { where, options } of engines.filter(({ kind }) => kind === 'chromium')) {
  test(`${where}: a leader in the back/forward cache leads nobody, and leads again when it is back`, async (t) => {
    const at = scene(t);
    const film = '/static/film.bin';
    const s = await at.site(page({ [film]: randomBytes('history', 900_000) }));
    const visitor = await at.chromium({ flags: [backForwardCache], ...options });
    await visitor.visit(s.url);
    await visitor.fetch(film);
    const root = await s.root(film);
    await s.origin.untilShared(root);
    const announcing = () =>
      new Set(
        s.origin.signals
          .filter(({ from, message }) => from === 'client' && message.type === 'have' && message.add?.includes(root))
          .map(({ socket }) => socket),
      );
    const tab = await visitor.newTab();
    await visitor.visit(s.url, { page: tab });
    assert.equal(announcing().size, 1, 'one of two tabs leads');
    // The browser freezes the page's workers before they have heard of anything.
    for (const worker of visitor.page.workers()) worker.evaluate(spin).catch(() => {});
    await visitor.page.goto(`${s.url}/other.html`);
    await until('the other tab leads', () => announcing().size === 2);
    const locks = () => navigator.locks.query().then(({ held, pending }) => [held, pending].flat().map(({ name }) => name));
    const names = await visitor.run(locks, undefined, tab);
    // The other is by which the page knows that its engine lives.
    assert.equal(names.filter((name) => name === CHANNEL).length, 1);
    assert.equal(new Set(names).size, 2, 'what the page that went had is let go');
    await visitor.page.goBack({ waitUntil: 'commit' }).catch(() => {});
    await until('it takes part', () => visitor.run(() => window.peerCdn?.active).catch(() => false));
    assert.equal((await visitor.fetch(film)).bytes, 900_000);
  });
}
