// Visitors who reach each other by a TURN server only: a real coturn, and the credentials that turnCredentials() mints.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { turnCredentials } from '../../src/server/index.js';
import { randomBytes, sha256, until } from '../e2e/harness/index.mjs';
import { browsers, scene } from '../e2e/harness/scene.mjs';
import { freePort } from '../server/debian.mjs';
import { secret, startCoturn } from './coturn.mjs';

const [film, song] = ['/static/film.bin', '/static/song.bin'];
const files = { [film]: randomBytes('film', 6_000_001), [song]: randomBytes('song', 1_500_001) };

const pageOf = (servers) => `import { start } from '/peer-cdn/index.js';
window.servers = ${JSON.stringify(servers)};
window.peerCdn = await start({ worker: '/sw.js', servers });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;
`;

const paths = (visitor) => visitor.run(() => window.peerCdn.diagnose().then(({ peers }) => peers.paths));

/** A coturn, a site whose pages know no other way, and a visitor who has its files. */
async function relayed(t, seconds) {
  const port = await freePort();
  const coturn = await startCoturn(t, port);
  if (!coturn) return t.skip('there is no coturn, nor a Debian to fetch it from');
  const mint = (lasting) => [turnCredentials(secret, { urls: `turn:127.0.0.1:${port}`, seconds: lasting })];
  const deploy = (lasting) => pageOf({ iceServers: mint(lasting), iceTransportPolicy: 'relay' });
  const at = scene(t);
  const s = await at.site({ ...files, '/page.js': deploy(seconds) });
  const seeder = await at.chromium();
  await seeder.visit(s.url);
  for (const url of Object.keys(files)) {
    await seeder.fetch(url);
    await s.origin.untilShared(await s.root(url));
  }
  s.write('/page.js', deploy(600));
  const open = async (kind = 'chromium') => {
    // Firefox asks nobody at this machine's own address.
    const visitor = await at[kind]({ preferences: { 'media.peerconnection.ice.loopback': true } });
    await visitor.visit(s.url);
    await s.origin.untilIntroducible(await s.root(film));
    return visitor;
  };
  return { coturn, port, s, seeder, mint, open };
}

for (const kind of browsers) {
  test(`${kind}: a file comes by the relay; when that dies the origin gives the rest, and it serves when it is back`, {
    timeout: 240_000,
  }, async (t) => {
    const scened = await relayed(t, 600);
    if (!scened) return;
    const { coturn, port, s, open } = scened;
    const reader = await open(kind);
    const comeBack = s.origin.recede();
    const fetching = reader.fetch(film);
    await until('it comes by the relay', () => reader.run(() => window.peerCdn.stats.received > 0), { everyMs: 5 });
    assert.deepEqual(await paths(reader), ['relayed']);
    await coturn.kill();
    comeBack();
    const got = await fetching;
    assert.deepEqual([got.error, got.sha256], [null, sha256(files[film])]);
    await startCoturn(t, port);
    await until('they find each other again', () => reader.run(() => window.peerCdn.stats.peers > 0));
    assert.equal((await s.origin.away(() => reader.fetch(song))).sha256, sha256(files[song]));
    assert.equal((await reader.sources(song)).fromPeers, files[song].length);
  });
}

test('a page that is open for longer than its credentials last makes connections with those that it is given', {
  timeout: 240_000,
}, async (t) => {
  const seconds = 5;
  const scened = await relayed(t, seconds);
  if (!scened) return;
  const { s, seeder, mint, open } = scened;
  // It made no connection yet.
  assert.deepEqual(await paths(seeder), []);
  await delay(1000 * seconds);
  await seeder.run((fresh) => window.servers.iceServers.splice(0, 1, ...fresh), mint(600));
  const reader = await open();
  assert.equal((await s.origin.away(() => reader.fetch(film))).sha256, sha256(files[film]));
  assert.equal((await reader.sources(film)).fromPeers, files[film].length);
  assert.deepEqual(await paths(reader), ['relayed']);
});
