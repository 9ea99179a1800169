// A site that webpack bundles, as a script and as a module: page and engine are found, and two visitors share.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import webpack from 'webpack';
import { randomBytes, sha256 } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';
import { userFolder } from './folder.mjs';

const film = randomBytes('webpack', 3_000_000);
const main = `import { start } from 'peer-cdn';
start({ worker: '/sw.js' }).then((peers) => {
  window.peerCdn = peers;
  document.documentElement.dataset.state = peers.active ? 'ready' : 'off: ' + peers.reason;
});
`;

/** What webpack makes of it, by path below the site. */
async function bundle(folder, { output, ...options }) {
  const out = path.join(folder, 'dist');
  const stats = await new Promise((resolve, reject) => {
    const configuration = {
      mode: 'production',
      context: folder,
      entry: './main.js',
      output: { path: out, ...output },
      ...options,
    };
    webpack(configuration, (error, result) => (error ? reject(error) : resolve(result)));
  });
  const { errors, warnings } = stats.toJson();
  assert.deepEqual(errors, []);
  // It finds 55 KB of scripts large.
  const others = warnings.filter(({ message }) => !/size limit|performance/.test(message));
  assert.deepEqual(others, []);
  return Object.fromEntries(fs.readdirSync(out).map((name) => [`/assets/${name}`, fs.readFileSync(path.join(out, name))]));
}

const kinds = {
  script: { html: '<script defer src="/assets/main.js"></script>', options: {} },
  module: {
    html: '<script type="module" src="/assets/main.mjs"></script>',
    options: { experiments: { outputModule: true }, output: { module: true } },
  },
};
for (const [kind, { html, options }] of Object.entries(kinds)) {
  test(`as a ${kind}`, { timeout: 240_000 }, async (t) => {
    const folder = await userFolder(t, { 'main.js': main });
    const files = await bundle(folder, options);
    const { site, chromium } = scene(t);
    const s = await site({
      ...files,
      '/static/film.bin': film,
      '/index.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${html}`,
    });
    // Only what webpack has put there is there.
    s.origin.rule(/^\/peer-cdn\/(index|page|engine)\.js/, { status: 404, body: 'not here' });
    const [first, second] = [await chromium(), await chromium()];
    await first.visit(s.url);
    await first.fetch('/static/film.bin');
    await s.origin.untilShared(await s.root('/static/film.bin'));
    await second.visit(s.url);
    await s.origin.untilIntroducible(await s.root('/static/film.bin'));
    assert.equal((await s.origin.away(() => second.fetch('/static/film.bin'))).sha256, sha256(film));
    assert.equal((await second.sources('/static/film.bin')).fromPeers, film.length);
    assert.equal(await second.run(() => window.peerCdn.stats.engine), 'worker');
  });
}
