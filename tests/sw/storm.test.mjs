// A storm: readers, an odd origin, pages that come and go, a store that fails, and a core that may trap, all by chance. Whatever
// happens, each read ends, what is said to be a listed file is one, nothing stays open, and pages do not keep the worker awake.
//   SEED=45 SEEDS=1 node --test tests/sw/storm.test.mjs     one seed again
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as harness from './harness/index.mjs';

const { chain, chance, late, scene, serving, spoilt, status, unreachable, user, usual, usualBut, whole, withHeaders } = harness;
const url = '/static/a.bin';
const { SEED = '1', SEEDS = '40' } = process.env;

const routes = [
  ['network'],
  ['cache', 'network'],
  ['cache', 'delegate', 'network'],
  ['cache', ['delegate', { patience: 1 }], 'network'],
  [user(() => null), 'cache', 'delegate', 'network'],
];

async function storm(seed) {
  const random = chance(seed);
  const below = (most) => Math.floor(random() * most);
  const pick = (list) => list[below(list.length)];
  const bytes = pick([50_000, 300_000, 1_300_000, 3 << 20, 9 << 20]);
  const script = chain(pick(['ordered', 'ordered', 'fastest']), ...pick(routes));
  const at = await scene({ bytes, script, page: random() < 0.8 });
  const { origin, clock, caches, file, browser, worker, page } = at;

  const longer = () => {
    const body = new Uint8Array(bytes + 70_000);
    body.set(file.body);
    return { status: 200, headers: {}, body };
  };
  const step = () => {
    const steps = [whole, longer, unreachable, usualBut({ pace: 3 }), withHeaders({ 'cache-control': 'private' })];
    steps.push(harness.broken(below(bytes)), spoilt(below(bytes)), withHeaders({ etag: `"${below(3)}"` }));
    steps.push(status(pick([403, 404, 416, 429, 500, 503])), late(pick([100, 3000])));
    return pick(steps);
  };
  origin.always(url, random() < 0.5 ? usual : step());
  origin.script(url, ...Array.from({ length: below(5) }, step));
  const list = pick([usual, usual, usual, status(404), late(500, status(404)), late(1000), unreachable, spoilt(5)]);
  origin.script(`/peer-cdn/digests/${file.root}`, list);
  if (random() < 0.3) caches.hold(file, 0, 1 + below(file.count));
  if (random() < 0.15) caches.faults[pick(['put', 'match', 'keys'])] = () => clock.after(500);
  const asked = async (ask) => {
    ask.ack();
    if (random() < 0.2) await clock.after(2000);
    ask.pending(random() < 0.5);
    await ask.pieces(file, { end: ask.request.begin + below(ask.request.end - ask.request.begin) });
    ask.end('peer-gone');
  };
  page?.answers(pick([serving(file), serving(file), asked, asked, (ask) => ask.ack().none(), () => {}]));

  const got = [];
  const read = async () => {
    await clock.after(below(300));
    const headers = random() < 0.4 ? { range: pick([`bytes=${below(bytes)}-`, 'bytes=0-99', 'bytes=-10']) } : {};
    if (random() < 0.2) headers['x-own'] = `${below(3)}`;
    const cache = pick(['default', 'default', 'reload', 'no-store', 'no-cache']);
    const abort = new AbortController();
    if (random() < 0.2) clock.setTimeout(() => abort.abort(), below(1000));
    const leaves = random() < 0.2;
    try {
      const response = await (page ?? worker).fetch(url, { headers, cache, signal: abort.signal });
      if (leaves) return await response.body?.cancel();
      if (random() < 0.2) await clock.after(1500);
      got.push({ response, body: await response.bytes() });
    } catch {
      // An error is an end too.
    }
  };
  const root = { root: file.root, begin: 0, end: 1 + below(20) };
  const events = [
    () => page?.close(),
    () => page?.tell({ type: 'bye' }),
    () => page?.tell({ type: 'company', root: file.root }),
    () => page?.hello(),
    () => worker.page(),
    () => browser.broadcast({ type: pick(['stored', 'unstored']), ...root }),
    () => caches.delete('peer-cdn-v1'),
    () => void (browser.clockSkew = (random() - 0.5) * 1e7),
    () => worker.fetch(url, { method: 'PUT', body: 'x' }).then((response) => response.bytes()),
    () => delete origin.manifest.resources[url] && worker.fetch('/', { mode: 'navigate' }),
    () => random() < 0.3 && worker.trap(below(50)),
  ];
  const happens = async () => {
    await clock.after(below(1500));
    await Promise.resolve(pick(events)()).catch(() => {});
  };
  const all = [...Array.from({ length: 1 + below(6) }, read), ...Array.from({ length: below(4) }, happens)];
  await clock.until(Promise.all(all), 'every reader');
  await clock.pass(400_000);

  let listed = 0;
  for (const { response, body } of got) {
    const range = /^bytes (\d+)-(\d+)/.exec(response.headers.get('content-range') ?? '');
    if (response.status === 206 && range) assert.equal(body.length, range[2] - range[1] + 1);
    if (response.headers.get('etag') !== `"${file.root}"`) continue;
    const [begin, end] = range ? [Number(range[1]), Number(range[2]) + 1] : [0, bytes];
    assert.deepEqual(body, file.body.slice(begin, end));
    listed++;
  }
  const open = origin.requests(url).filter(({ aborted, ended, status: code }) => !aborted && !ended && code === 200);
  assert.deepEqual(open, []);
  assert.equal(caches.openBodies, 0);
  assert.deepEqual(worker.thrown, []);
  assert.equal(worker.told('busy').at(-1)?.open ?? 0, 0);
  return listed;
}

test('in a storm each read ends, nothing stays open, and no page keeps the worker awake', async () => {
  let listed = 0;
  for (let seed = Number(SEED); seed < Number(SEED) + Number(SEEDS); seed++) {
    listed += await storm(seed).catch((error) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
  }
  assert.ok(listed > 0 || SEEDS === '1', 'some responses were of the listed file');
});
