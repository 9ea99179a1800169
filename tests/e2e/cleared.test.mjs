// All that a site has in the browser is cleared while its pages are open: by itself (Clear-Site-Data, as at a logout), or by
// the visitor.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { engines, scene } from './harness/scene.mjs';

const [film, song] = ['/static/film.bin', '/static/song.bin'];
const files = { [film]: randomBytes('film', 8_000_001), [song]: randomBytes('song', 1_500_001) };

const ways = {
  'the site': (visitor) => visitor.run(() => fetch('/logout').then(() => {})),
  'the visitor': async ({ context, page }) => {
    const session = await context.newCDPSession(page);
    await session.send('Storage.clearDataForOrigin', { origin: new URL(page.url()).origin, storageTypes: 'all' });
    await session.detach();
  },
};

for (const { where, kind, options } of engines) {
  for (const [who, clear] of Object.entries(ways).slice(0, kind === 'chromium' ? 2 : 1)) {
    test(`${where}: ${who} clears its storage in a transfer: every byte comes, and both tabs share again`, async (t) => {
      const at = scene(t);
      const s = await at.site({ ...files, '/logout': 'bye' });
      s.origin.rule('/logout', { headers: { 'clear-site-data': '"storage"' } });
      const [seeder, reader] = [await at.chromium(), await at[kind](options)];
      await seeder.visit(s.url);
      await seeder.fetch(film);
      await s.origin.untilShared(await s.root(film));
      await reader.visit(s.url);
      const tab = await reader.newTab();
      await reader.visit(s.url, { page: tab });
      await s.origin.untilTold(await s.root(film));
      const received = () => reader.run(() => window.peerCdn.stats.received);
      const got = await s.origin.away(async () => {
        const fetching = reader.fetch(film);
        await until('it comes from the peer', async () => (await received()) > 0, { everyMs: 5 });
        await clear(reader);
        return fetching;
      });
      assert.deepEqual([got.error, got.sha256], [null, sha256(files[film])]);

      const workers = () => navigator.serviceWorker.getRegistrations().then(({ length }) => length);
      for (const page of [reader.page, tab]) {
        // Firefox lets the page keep the worker that is no longer registered.
        const takesPart = () => reader.run(() => window.peerCdn.active && !!navigator.serviceWorker.controller, undefined, page);
        if (kind === 'chromium') await until('it is registered again', () => reader.run(workers, undefined, page));
        await until('the page takes part again', takesPart);
      }
      for (const page of [reader.page, tab]) assert.equal((await reader.fetch(song, { page })).sha256, sha256(files[song]));
      await s.origin.untilShared(await s.root(song));
      await seeder.forget();
      await s.origin.untilIntroducible(await s.root(song));
      assert.equal((await s.origin.away(() => seeder.fetch(song))).sha256, sha256(files[song]));
      assert.equal((await seeder.sources(song)).fromPeers, files[song].length);
    });
  }
}
