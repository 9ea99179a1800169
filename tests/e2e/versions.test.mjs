// Versions that meet in browsers: pages and workers of the release before this one and of today, by a coordinator of either. The
// same with fakes of what a browser has, and with stores and manifests, is tests/package/versions.test.mjs.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { alpha } from '../../scripts/alpha.mjs';
import { root } from '../../scripts/run.mjs';
import { Origin, patientWorker, randomBytes, sha256 } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const large = '/static/large.bin';
const body = randomBytes('versions', 6_000_001);

/** By version, where a site has its page and its worker. */
const homes = { before: '/before', now: '/now' };

const pageOf = (home) => `<!doctype html><link rel="icon" href="data:,"><title>${home}</title><script type="module">
import { start } from '${home}/index.js';
window.peerCdn = await start({ worker: '${home}-sw.js' });
document.documentElement.dataset.state = 'ready';
</script>`;

/** By version: the scripts of a site, and serve(). @type {Record<string, { scripts: string, serve: Function }>} */
const versions = {};

before(async () => {
  const { folder } = await alpha();
  const of = async (scripts, server) => ({ scripts, serve: (await import(pathToFileURL(server).href)).serve });
  versions.before = await of(join(folder, 'dist'), join(folder, 'dist/server.js'));
  versions.now = await of(join(root, 'dist/browser'), join(root, 'dist/server.js'));
});

/** A site with the pages of both versions, served by one of them. */
async function openSite(server) {
  const dir = mkdtempSync(join(tmpdir(), 'peer-cdn-versions-'));
  mkdirSync(join(dir, 'static'));
  writeFileSync(join(dir, large), body);
  for (const [version, home] of Object.entries(homes)) {
    cpSync(versions[version].scripts, join(dir, home), { recursive: true });
    writeFileSync(join(dir, `${home}.html`), pageOf(home));
    writeFileSync(join(dir, `${home}-sw.js`), patientWorker().replace('/peer-cdn/sw.js', `${home}/sw.js`));
  }
  const { server: inner, close } = await versions[server].serve(dir, { port: 0 });
  const origin = await Origin.start({ server: inner, stop: close });
  return {
    origin,
    async close() {
      await origin.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

for (const [what, holder, asker, server] of [
  ['a page of before gets a file from a page of today, by a coordinator of today', 'now', 'before', 'now'],
  ['a page of today gets a file from a page of before, by a coordinator of today', 'before', 'now', 'now'],
  ['two pages of before share by a coordinator of today', 'before', 'before', 'now'],
  ['two pages of today share by a coordinator of before', 'now', 'now', 'before'],
]) {
  test(what, async (t) => {
    const { chromium, keep } = scene(t);
    const { origin } = await keep(openSite(server));
    const [first, second] = [await chromium(), await chromium()];
    await first.visit(`${origin.url}${homes[holder]}.html`);
    assert.equal((await first.fetch(large)).sha256, sha256(body));
    const { resources } = await (await fetch(`${origin.url}/peer-cdn.json`)).json();
    await origin.untilShared(resources[large].root);
    await second.visit(`${origin.url}${homes[asker]}.html`);
    origin.recede();
    const got = await second.fetch(large);
    assert.equal(got.error, null);
    assert.equal(got.sha256, sha256(body));
    const { fromPeers } = await second.sources(large);
    assert.equal(fromPeers, body.length);
  });
}
