// Two visitors of a site in two browsers, one after the other, and an origin that counts.
import assert from 'node:assert/strict';
import { MANIFEST_PATH } from '../../build/border.js';
import { examine } from '../../src/server/doctor/index.js';
import { Origin } from '../e2e/harness/index.mjs';
import { scene } from '../e2e/harness/scene.mjs';

/**
 * Stands before a server of this machine at another port: it counts what the server sends, and is as far away as others'
 * servers are.
 * @param {import('node:test').TestContext} t
 * @param {number} port of the server
 * @param {number} outerPort
 */
export function inFront(t, port, outerPort) {
  const server = { address: () => ({ port }) };
  return scene(t).keep(Origin.start({ server, stop: () => {}, port: outerPort, bytesPerSecond: 20_000_000 }));
}

/** Doctor finds nothing wrong. @param {string} url of a site */
export async function isRight(url) {
  const { findings } = await examine(url);
  assert.deepEqual(
    findings.filter((each) => each.state === 'wrong'),
    [],
  );
}

/**
 * What the second visitor loads comes from the first, and not from the origin: all that the site's manifest lists.
 * @param {import('node:test').TestContext} t
 * @param {Origin} origin
 * @param {(visitor: any) => Promise<unknown>} load opens the site, and loads all of it
 * @param {{ visitors?: any[], flags?: string[], errors?: Error[] }} [options] `errors`: gets what the second one's page threw
 * @returns the visitors
 */
export async function share(t, origin, load, { visitors, flags = [], errors = [] } = {}) {
  const { resources } = await (await fetch(`${origin.url}${MANIFEST_PATH}`)).json();
  const paths = Object.keys(resources);
  const total = paths.reduce((sum, each) => sum + resources[each].bytes, 0);
  assert.ok(total > 0, 'the manifest lists heavy files');

  const { chromium } = scene(t);
  const [first, second] = visitors ?? [await chromium({ flags }), await chromium({ flags })];
  await load(first);
  for (const each of paths) await origin.untilShared(resources[each].root);

  second.page.on('pageerror', (error) => errors.push(error));
  origin.reset();
  const isHeavy = new RegExp(`^(?:${paths.map((each) => each.replace(/[.+]/g, '\\$&')).join('|')})$`);
  const loadAll = async () => {
    await load(second);
    const sources = [];
    for (const each of paths) sources.push(await second.sources(each));
    return sources;
  };
  const sources = await origin.away(loadAll, 30_000, isHeavy);
  const fromPeers = sources.reduce((sum, each) => sum + each.fromPeers, 0);
  const sent = origin.sent(...paths);
  t.diagnostic(`of ${total} bytes the second visitor got ${fromPeers} from the first, ${sent} from the origin`);
  assert.ok(fromPeers > 0.9 * total, JSON.stringify(sources));
  assert.ok(sent < 0.1 * total, `the origin sent ${sent} of ${total} bytes`);
  return [first, second];
}
