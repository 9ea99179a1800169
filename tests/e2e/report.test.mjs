// What pages report to the site's owner, where the site asks for it: the sums are those of what really happened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsInterval, progressWait, REPORT_PATH } from '../../build/border.js';
import { patientWorker, randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, engines, scene } from './harness/scene.mjs';

const url = '/static/data.bin';
const bytes = randomBytes('report', 3_000_000);
const page = (options) => `import { start } from '/peer-cdn/index.js';
window.peerCdn = await start({ worker: '/sw.js', ${options} });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;`;
// Chromium loses some of the beacons of a page that ends while a worker looks at them. By static routes they pass it by.
const worker = patientWorker().replace('cdn.register()', 'cdn.register({ staticRoutes: true })');
const reporting = page(`report: '${REPORT_PATH}'`);

const posts = (s) => s.origin.requests.filter(({ method }) => method === 'POST');
/**
 * So many responses are told of in the page, and what its engine made of them has reached it: for that there is no event, since
 * a page is told of sums only to report them. The wait is of a machine many times slower.
 */
const counted = async (visitor, responses, page) => {
  await until(`${responses} responses to be told of`, async () => {
    const all = await visitor.transfers(url, page);
    return all.length === responses && all.every(({ done }) => done);
  });
  await new Promise((resolve) => setTimeout(resolve, 4 * (progressWait + countsInterval)));
  return visitor.transfers(url, page);
};
/** The page ends, as by a link to elsewhere. */
const leave = (visitor) => visitor.page.goto('about:blank');
for (const { where, kind, options } of engines) {
  test(`${where}: two visitors report what they did, and the coordinator sums it`, async (t) => {
    const open = scene(t);
    const s = await open.site({ [url]: bytes, '/page.js': reporting, '/sw.js': worker });
    const [first, second] = [await open.chromium(), await open[kind](options)];
    await first.visit(s.url);
    assert.equal((await first.fetch(url)).sha256, sha256(bytes));
    await s.origin.untilShared(await s.root(url));
    await second.visit(s.url);
    assert.equal((await s.origin.away(() => second.fetch(url))).sha256, sha256(bytes));
    // From its own store, once it is there.
    await second.untilStored((await s.manifest()).resources[url]);
    assert.equal((await second.fetch(url)).sha256, sha256(bytes));
    const all = (await Promise.all([counted(first, 1), counted(second, 2)])).flat();
    const sent = s.origin.sent(url);
    for (const visitor of [first, second]) await leave(visitor);
    await until('both have reported', () => s.coordinator.stats().reports === 2);
    const { reportsRefused, fromPeers, fromOrigin, fromCache, wasted, ...stats } = s.coordinator.stats();
    const sum = (figure) => all.reduce((total, one) => total + one[figure], 0);
    assert.deepEqual(
      { reportsRefused, fromPeers, fromOrigin, fromCache, wasted },
      {
        reportsRefused: 0,
        fromPeers: sum('fromPeers'),
        fromOrigin: sent,
        fromCache: sum('fromCache'),
        wasted: sum('wasted'),
      },
    );
    // What was stored a moment ago may come from peers all the same.
    assert.equal(fromPeers + fromCache, 2 * bytes.length);
    assert.ok(fromPeers >= bytes.length && fromCache > 0, `${fromPeers} bytes from peers`);
    // Each of the two tells of the one connection, unless it leaves before its browser says by which way that goes. One that
    // cannot resolve the other's name (mDNS) takes it for direct.
    const opened = stats.localOpen + stats.directOpen;
    const said = JSON.stringify(stats);
    assert.equal(opened >= 1 && opened <= 2, true, said);
    assert.equal(stats.localTried <= 2 && stats.directTried <= 2 && stats.relayedTried === 0, true, said);
  });
}

test('a page reports once, when it is hidden first, and says nothing of anybody', async (t) => {
  const open = scene(t);
  const s = await open.site({ [url]: bytes, '/page.js': reporting, '/sw.js': worker });
  const visitor = await open.chromium();
  await visitor.visit(`${s.url}?secret`);
  // Nothing has happened yet that could be reported.
  const hide = () =>
    visitor.run(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
  await hide();
  await visitor.fetch(url);
  await counted(visitor, 1);
  await hide();
  await until('it has reported', () => s.coordinator.stats().reports === 1);
  await visitor.fetch(url);
  await counted(visitor, 2);
  await hide();
  await leave(visitor);
  // The next page of the same visitor is told of nothing that was before.
  await visitor.visit(s.url);
  await visitor.fetch(url);
  await counted(visitor, 1);
  await leave(visitor);
  await until('the other has reported', () => s.coordinator.stats().reports === 2);
  assert.equal(posts(s).length, 2);
  const { fromOrigin, fromCache, fromPeers } = s.coordinator.stats();
  assert.deepEqual([fromOrigin, fromCache, fromPeers], [bytes.length, bytes.length, 0]);
});

// Helmet sends it with everything. Browsers name no origin in a beacon then.
for (const kind of browsers) {
  test(`${kind}: pages of a site whose Referrer-Policy is no-referrer report`, async (t) => {
    const open = scene(t);
    const files = { [url]: bytes, '/page.js': reporting, '/sw.js': worker };
    const s = await open.site(files, { headers: { 'referrer-policy': 'no-referrer' } });
    const visitor = await open[kind]();
    await visitor.visit(s.url);
    await visitor.fetch(url);
    await counted(visitor, 1);
    await leave(visitor);
    await until('it has reported', () => posts(s).length === 1);
    const { reports, reportsRefused, fromOrigin } = s.coordinator.stats();
    assert.deepEqual([reports, reportsRefused, fromOrigin], [1, 0, bytes.length], posts(s)[0].headers.origin);
  });
}

test('of two tabs each response is counted once, whichever of them ends first', async (t) => {
  const open = scene(t);
  const s = await open.site({ [url]: bytes, '/page.js': reporting, '/sw.js': worker });
  const visitor = await open.chromium();
  await visitor.visit(s.url);
  const tab = await visitor.page.context().newPage();
  await visitor.visit(s.url, { page: tab });
  await visitor.fetch(url);
  await visitor.fetch(url, { page: tab });
  await counted(visitor, 2);
  await leave(visitor);
  await until('one has reported', () => s.coordinator.stats().reports === 1);
  await visitor.fetch(url, { page: tab });
  await counted(visitor, 3, tab);
  await tab.goto('about:blank');
  await until('both have reported', () => s.coordinator.stats().reports === 2);
  const { fromOrigin, fromCache } = s.coordinator.stats();
  assert.deepEqual([fromOrigin, fromCache], [bytes.length, 2 * bytes.length]);
});

for (const [what, script, end] of [
  ['that says nothing of it', page(''), leave],
  ['whose visitor took the consent back', reporting, (visitor) => visitor.run(() => window.peerCdn.close())],
]) {
  test(`a page ${what} reports nothing`, async (t) => {
    const open = scene(t);
    const s = await open.site({ [url]: bytes, '/page.js': script, '/sw.js': worker });
    const visitor = await open.chromium();
    await visitor.visit(s.url);
    await visitor.fetch(url);
    await counted(visitor, 1);
    await end(visitor);
    await leave(visitor);
    // A request that comes later than any that the page could have sent.
    await visitor.visit(`${s.url}/?again`);
    assert.deepEqual(posts(s), []);
    assert.equal(s.coordinator.stats().reports, 0);
  });
}
