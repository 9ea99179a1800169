// The life of a site, by chance: files are deployed, rolled back and deleted while they are read, workers are replaced, other
// code spoils the store, the disk fails, and plugins of the site's own are anywhere in the route. Whatever happens, each read
// ends; a body that ends is one version, whole and under its own tag; in the end all get what was deployed last, and nothing
// stays open.
//   SEED=45 SEEDS=1 node --test tests/sw/life.test.mjs     one seed again
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, broken, chance, late, Origin, startWorker, status, unreachable, usualBut } from './harness/index.mjs';

const { SEED = '1', SEEDS = '40' } = process.env;
const paths = ['/static/a.bin', '/static/b.bin'];
const never = () => new Promise(() => {});

/** Of a file, whichever part one looks at, its version can be told by. */
function bytesOf(version, length) {
  const words = new Uint32Array(Math.ceil(length / 4)).fill(version);
  for (let at = 1; at < words.length; at += 256) words[at] = at;
  return new Uint8Array(words.buffer, 0, length);
}

async function life(seed) {
  const random = chance(seed);
  const below = (most) => Math.floor(random() * most);
  const pick = (list) => list[below(list.length)];
  const origin = new Origin();
  const { clock } = origin;
  const browser = new Browser(clock);
  const { caches } = browser;

  // What lies under a path, what is listed there, and all that ever lay there.
  const live = new Map();
  const deployed = new Map(paths.map((path) => [path, []]));
  const listOf = (path) => `/peer-cdn/digests/${origin.manifest.resources[path]?.root}`;
  const put = (path, body) => {
    live.set(path, origin.add(path, body, { listed: false }));
    deployed.get(path).push(live.get(path));
  };
  const list = (path) => {
    if (random() < 0.5) origin.remove(listOf(path));
    const file = live.get(path);
    if (!file) return delete origin.manifest.resources[path];
    origin.manifest.resources[path] = file.entry;
    if (file.count > 1) origin.add(listOf(path), file.list, { listed: false });
  };
  const length = () => pick([40_000, 300_000, 1_300_000, 3 << 20, 9 << 20]);
  let versions = 0;
  for (const path of paths) {
    put(path, bytesOf(++versions, length()));
    list(path);
  }
  const deploy = async () => {
    const path = pick(paths);
    const before = live.get(path);
    const what = pick(['other', 'as long', 'first', 'none']);
    if (what === 'none') live.delete(path);
    else if (what === 'first') put(path, deployed.get(path)[0].body);
    else put(path, bytesOf(++versions, what === 'as long' && before ? before.bytes : length()));
    const steps = [
      () => (live.has(path) ? origin.add(path, live.get(path).body, { listed: false }) : origin.remove(path)),
      () => list(path),
    ];
    // The manifest is there first.
    if (random() < 0.3) {
      if (before) origin.add(path, before.body, { listed: false });
      steps.reverse();
    }
    for (const step of steps) {
      step();
      await clock.after(pick([0, 0, 50, 1000, 5000]));
    }
  };

  const wraps = (use) => (inner) => (event) => ({
    get: () => use(inner(event)),
    put: pick([undefined, never, (got) => got.text()]),
  });
  const gives = (get, put) => () => () => ({ get, put });
  const used = async () => {
    const response = new Response('x');
    return response.text().then(() => response);
  };
  const own = {
    none: gives(() => null),
    hangs: gives(never),
    throws: gives(() => Promise.reject(new Error('own'))),
    used: gives(used),
    puts: gives(() => null, pick([never, () => {}, (got) => got.text(), () => Promise.reject(new Error('put'))])),
    drops: wraps(({ get }) => get().then(() => null)),
    holds: wraps(({ get }) => get().then(never)),
    clones: wraps(({ get }) => get().then((got) => got?.clone())),
    copies: wraps(({ get }) => get().then((got) => got && new Response(got.body, got))),
    late: wraps(({ get }) => clock.after(pick([100, 4000, 29_000, 35_000])).then(get)),
    twice: wraps(({ get }) => Promise.all([get(), get()]).then(([one, other]) => one ?? other)),
  };
  const plugins = pick([['network'], ['cache', 'network'], ['cache', 'delegate', 'network']]);
  for (let i = Math.max(0, below(6) - 2); i > 0; i--) plugins.splice(below(plugins.length + 1), 0, pick(Object.keys(own)));
  const strategy = pick(['ordered', 'ordered', 'fastest']);
  const inner = pick(['cache', 'delegate', 'network', 'network']);
  const script = ({ PeerCDN, CachePlugin, DelegatePlugin, NetworkPlugin }) => {
    const ours = { cache: new CachePlugin(), delegate: new DelegatePlugin(), network: new NetworkPlugin() };
    const made = plugins.map((name) => ours[name]?.getMiddleware ?? own[name](ours[inner].getMiddleware));
    return new PeerCDN().GET('/static', strategy, ...made).register();
  };
  let worker = await startWorker({ origin, browser, script });
  // Peers have any version, and may go.
  const answers = async (ask) => {
    const { root, begin, end } = ask.ack().request;
    const file = [...deployed.values()].flat().find((each) => each.root === root);
    if (!file || random() < 0.5) return ask.none();
    await clock.after(pick([0, 200, 3000]));
    if (await ask.pending(random() < 0.5).pieces(file, { end: pick([end, begin + below(end - begin)]) })) ask.end('peer-gone');
  };
  const page = random() < 0.7 ? (await worker.page()).answers(answers) : null;
  const fetch = (...args) => (page ?? worker).fetch(...args);

  const got = [];
  const read = async () => {
    await clock.after(below(8000));
    const path = pick(paths);
    const at = below(live.get(path)?.bytes ?? 1000);
    const headers = random() < 0.3 ? { range: pick([`bytes=${at}-`, 'bytes=0-99', 'bytes=-10', `bytes=${at}-${2 * at}`]) } : {};
    const [pace, chunks] = [pick([0, 0, 0, 200]), pick([1e9, 1e9, below(20)])];
    const response = await fetch(path, { headers, cache: pick(['default', 'default', 'reload', 'no-store', 'no-cache']) });
    const reader = response.body.getReader();
    const body = [];
    for (let part; !(part = await reader.read()).done; body.push(part.value)) {
      if (body.length >= chunks) return reader.cancel();
      if (pace > 0) await clock.after(pace);
    }
    got.push({ path, response, body: Buffer.concat(body) });
  };

  const prefix = async (_request, serve) => {
    const { body, headers, ...answer } = await serve();
    if (answer.status !== 200) return { body, headers, ...answer };
    const end = 1 + below(body.length);
    const part = { 'content-length': `${end}`, 'content-range': `bytes 0-${end - 1}/${body.length}` };
    return { ...answer, status: 206, headers: { ...headers, ...part }, body: body.subarray(0, end) };
  };
  const full = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
  const fails = () => Promise.reject(new Error('disk'));
  const events = [
    deploy,
    deploy,
    deploy,
    () => {
      const entry = caches.entry(pick([...caches.paths(), '']));
      const bytes = Buffer.from(entry?.body ?? '');
      const spoilt = [
        bytes.subarray(0, below(bytes.length)),
        '',
        `${bytes}more`,
        bytes.map((byte, i) => byte ^ +(i % 777 === 5)),
        '1\u0001',
      ];
      if (entry)
        Object.assign(entry, { body: Uint8Array.from(Buffer.from(pick(spoilt))).buffer, headers: pick([entry.headers, []]) });
    },
    () => caches.take(pick(caches.paths())),
    () => caches.delete('peer-cdn-v1'),
    async () => {
      const name = pick(['put', 'match', 'keys', 'open']);
      caches.faults[name] = pick([full, fails, never, () => clock.after(500)]);
      await clock.after(pick([100, 3000, 20_000]));
      delete caches.faults[name];
    },
    // Another tab.
    () => {
      const file = live.get(pick(paths));
      const begin = below(file.count);
      const end = Math.min(file.count, 16 * Math.floor(begin / 16) + 16);
      caches.hold(file, begin, end);
      return browser.broadcast({ type: 'stored', root: file.root, begin, end });
    },
    () => {
      const steps = [broken(below(2e6)), status(pick([404, 429, 500, 503])), unreachable, usualBut({ pace: 100 })];
      origin.script(
        pick([...paths, '/peer-cdn.json']),
        pick([...steps, prefix, late(500, prefix), late(pick([100, 4000, 15_000]))]),
      );
    },
    // The one before lives on beside it, for what it has open.
    async () => {
      worker = await startWorker({ origin, browser, script });
      await page?.hello();
    },
    () => fetch('/', { mode: 'navigate' }),
    () => fetch(pick(paths), { method: 'HEAD' }),
    () => page?.tell({ type: pick(['bye', 'hello', 'company']), root: live.get(pick(paths))?.root }),
    () => page?.tell({ type: 'present', add: [live.get(pick(paths)).root.slice(0, 8)], remove: [] }),
    () => void (browser.clockSkew = (random() - 0.5) * 1e6),
  ];
  const happens = () => clock.after(below(8000)).then(() => pick(events)());
  const all = [...Array.from({ length: 1 + below(6) }, read), ...Array.from({ length: below(10) }, happens)];
  // An error is an end too, unless somebody waited in vain.
  const ends = await clock.until(Promise.allSettled(all), 'every reader');
  for (const { reason } of ends) assert.doesNotMatch(`${reason?.message} ${reason?.cause?.message}`, /waited for/);
  await clock.pass(400_000);

  for (const { path, response, body } of got.filter(({ response: { ok } }) => ok)) {
    const [, begin = 0, last = Infinity, total] =
      /^bytes (\d+)-(\d+)\/(\d+)/.exec(response.headers.get('content-range') ?? '') ?? [];
    const of = deployed
      .get(path)
      .filter((file) => body.equals(file.body.subarray(+begin, +last + 1)) && +(total ?? file.bytes) === file.bytes);
    assert.ok(of.length > 0, `${path}: ${response.status}, ${body.length} bytes of no version`);
    const tagged = deployed.get(path).filter(({ root }) => response.headers.get('etag') === `"${root.slice(0, 16)}"`);
    assert.ok(tagged.length === 0 || tagged.some((file) => of.includes(file)), `${path}: the tag of another version`);
  }
  for (const path of paths) {
    const file = live.get(path);
    // What the origin has yet to do wrong is done by the first few.
    for (let turn = 0; ; turn++) {
      const response = await fetch(path).catch(() => null);
      const body = Buffer.from((await response?.bytes().catch(() => null)) ?? []);
      if (file ? response?.status === 200 && body.equals(file.body) : response?.status === 404) break;
      assert.ok(turn < 9, `${path} in the end: ${response?.status}, ${body.length} of ${file?.bytes} bytes`);
      await clock.pass(61_000);
    }
  }
  await clock.pass(60_000);
  const open = paths
    .flatMap((path) => origin.requests(path))
    .filter(({ aborted, ended, status: code, method }) => !aborted && !ended && code === 200 && method === 'GET');
  assert.deepEqual([open, caches.openBodies, worker.thrown], [[], 0, []]);
  assert.equal(worker.told('busy').at(-1)?.open ?? 0, 0, 'the pages keep the worker awake');
  assert.deepEqual(
    worker.told('error').filter(({ code }) => code === 'engine-failed'),
    [],
  );
}

test('in the life of a site each body is one version, and in the end all get what was deployed last', async () => {
  for (let seed = Number(SEED); seed < Number(SEED) + Number(SEEDS); seed++) {
    await life(seed).catch((error) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
  }
});
