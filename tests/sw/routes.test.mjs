// Which requests the worker answers, which it leaves to the browser, and which it leaves to the site's other code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chain, documented, Origin, scene, serving, startWorker, unreachable } from './harness/index.mjs';

const { refused: refusedPaths } = JSON.parse(readFileSync(new URL('../vectors/routes.json', import.meta.url)));

/** A worker whose one route is this path, answered by the network alone. */
const routed =
  (path) =>
  ({ PeerCDN, NetworkPlugin }) =>
    new PeerCDN().GET(path, 'ordered', new NetworkPlugin().getMiddleware).register();

test('a listed file below a route comes with the type, the length and the bytes of the manifest', async () => {
  const { worker, file } = await scene({ type: 'font/woff2' });
  const response = await worker.fetch('/static/a.bin');
  assert.equal(response.answered, true);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'font/woff2');
  assert.equal(response.headers.get('content-length'), '100000');
  assert.equal(response.headers.get('accept-ranges'), 'bytes');
  assert.deepEqual(await response.bytes(), file.body);
});

test('what is below no route is left to the browser, listed or not', async () => {
  const { worker, origin } = await scene();
  origin.add('/other/b.bin', 1000);
  const response = await worker.fetch('/other/b.bin');
  assert.equal(response.answered, false);
  assert.equal(origin.requests('/other/b.bin')[0].by, 'browser');
});

test('requests that carry what only the browser can say are never answered', async () => {
  const { worker, origin } = await scene({ script: routed('/') });
  const url = '/static/a.bin';
  origin.add('/api', 'x', { listed: false });
  const posted = await worker.fetch('/api', { method: 'POST', body: 'x' });
  assert.equal(posted.answered, false, 'a POST to what is not listed');
  const never = {
    'with Authorization': { headers: { authorization: 'Basic eDp5' } },
    "a page's own request to the origin": { headers: { 'x-peer-cdn': 'bypass' } },
    "a worker's script": { destination: 'worker' },
    "a shared worker's script": { destination: 'sharedworker' },
  };
  for (const [name, init] of Object.entries(never)) {
    const response = await worker.fetch(url, init);
    assert.equal(response.answered, false, name);
  }
  const stored = worker.fetch(url, { cache: 'only-if-cached' });
  assert.equal(await stored.catch(({ answered }) => answered), false, 'only-if-cached');
});

test('another origin, the manifest and what belongs to us are never answered', async () => {
  const { worker, origin } = await scene({ script: routed('/') });
  for (const path of ['/peer-cdn.json', '/peer-cdn/sw.js', '/peer-cdn/digests/x', 'https://other.test/static/a.bin']) {
    origin.add(path, 10, { listed: false });
    const response = await worker.fetch(path);
    assert.equal(response.answered, false, path);
  }
});

test('a manifest of another name is never answered by its routes', async () => {
  const origin = new Origin();
  origin.add('/files.json', JSON.stringify({ version: 1, resources: {} }), { listed: false });
  const script = ({ PeerCDN, NetworkPlugin }) =>
    new PeerCDN({ manifest: '/files.json' }).GET('/', 'ordered', new NetworkPlugin().getMiddleware).register();
  const worker = await startWorker({ origin, script });
  assert.equal((await worker.fetch('/files.json')).answered, false);
  assert.equal(origin.requests('/peer-cdn.json').length, 0);
});

test('a route with a name, and one with a regexp, take what they match', async () => {
  const origin = new Origin();
  const paths = { '/media/7/a.mp4': true, '/media/x/a.mp4': false, '/img/any/a.png': true, '/img/any/b.png': false };
  for (const path of Object.keys(paths)) origin.add(path, 100);
  const worker = await startWorker({
    origin,
    script: ({ PeerCDN, NetworkPlugin }) => {
      const network = new NetworkPlugin().getMiddleware;
      return new PeerCDN()
        .GET('/media/:number(\\d+)/a.mp4', 'ordered', network)
        .GET('/img/:size/a.png', 'fastest', network)
        .register();
    },
  });
  for (const [path, isAnswered] of Object.entries(paths)) {
    assert.equal((await worker.fetch(path)).answered, isAnswered, path);
  }
});

test('a path that cannot be read is refused with its code, and what is no route with a sentence', () => {
  const origin = new Origin();
  return startWorker({
    origin,
    script: ({ PeerCDN, NetworkPlugin, strategies }) => {
      const cdn = new PeerCDN();
      const network = new NetworkPlugin().getMiddleware;
      const { ordered } = strategies;
      const refused = (error, ...args) => assert.throws(() => cdn.GET(...args), error, JSON.stringify(args));
      for (const path of refusedPaths) {
        refused({ name: 'TypeError', message: `peer-cdn: malformed-route: ${path}` }, path, ordered, network);
      }
      for (const path of [/\.bin$/, undefined, ['/a']]) {
        refused({ message: 'peer-cdn: bad-option: GET' }, path, ordered, network);
      }
      refused({ message: 'peer-cdn: malformed-route: /a' }, '/a', ordered);
      refused({ message: 'peer-cdn: malformed-route: /a' }, '/a', ordered, ...Array(17).fill(network));
      for (const strategy of ['slowest', 'toString', undefined]) {
        refused({ message: 'peer-cdn: bad-option: GET' }, '/a', strategy, network);
      }
      refused({ message: 'peer-cdn: bad-option: GET' }, '/a', ordered, { get() {} });
      return cdn;
    },
  });
});

test('a regexp that is none throws, takes nothing, and leaves the other routes as they are', async () => {
  const script = ({ PeerCDN, NetworkPlugin }) => {
    const cdn = new PeerCDN();
    const network = new NetworkPlugin().getMiddleware;
    assert.throws(() => cdn.GET('/static/:name([b-a])', 'ordered', network), { name: 'SyntaxError' });
    assert.throws(() => cdn.GET('/static', 'ordered', network), { name: 'SyntaxError' }, 'as long as it is there');
    return cdn.register();
  };
  const { worker, file, fetchAll } = await scene({ script });
  assert.deepEqual(await fetchAll(), file.body);
  assert.deepEqual(worker.events.error, []);
});

test('a listener of the site beside ours gets what is not ours', async () => {
  const own = [];
  const { worker } = await scene({
    script: (given) => {
      const cdn = documented(given);
      given.self.addEventListener('fetch', (event) => {
        own.push(event.request.url);
        event.respondWith(new Response("the site's own"));
      });
      return cdn;
    },
  });
  own.length = 0;
  assert.equal(await (await worker.fetch('/app.js')).text(), "the site's own");
  await worker.fetch('/static/a.bin');
  assert.deepEqual(own, ['https://site.test/app.js']);
  assert.deepEqual(worker.thrown, []);
});

test('what a route takes and the manifest does not list comes from the origin as the page asked for it', async () => {
  const { worker, origin } = await scene();
  origin.add('/static/new.bin', 1000, { listed: false, headers: { 'x-own': '1' } });
  const response = await worker.fetch('/static/new.bin', { headers: { 'x-asked': 'yes', range: 'bytes=0-9' } });
  assert.equal(response.status, 206);
  assert.equal(response.headers.get('x-own'), '1');
  assert.equal((await response.bytes()).length, 10);
  const [asked, ...more] = origin.requests('/static/new.bin');
  assert.equal(asked.headers['x-asked'], 'yes');
  assert.deepEqual(more, []);
});

test('what is not listed and cannot be reached fails as the network does', async () => {
  const { worker, origin } = await scene();
  origin.always('/static/new.bin', unreachable);
  await assert.rejects(worker.fetch('/static/new.bin'), { name: 'TypeError', message: 'Failed to fetch' });
  assert.deepEqual(worker.events.error, []);
});

test('a listed file that becomes a document comes from the origin, with the headers of the origin', async () => {
  const origin = new Origin();
  origin.add('/static/a.svg', 1000, { type: 'image/svg+xml', headers: { 'content-security-policy': "default-src 'none'" } });
  const worker = await startWorker({ origin });
  for (const destination of ['document', 'iframe', 'embed', 'object']) {
    const response = await worker.fetch('/static/a.svg', { destination, mode: 'navigate' });
    assert.equal(response.headers.get('content-security-policy'), "default-src 'none'", destination);
  }
  const image = await worker.fetch('/static/a.svg', { destination: 'image' });
  assert.equal(image.answered, true);
});

test('a query names another file, unless the manifest says that any query does', async () => {
  const origin = new Origin();
  const file = origin.add('/static/a.bin', 1000);
  const second = origin.add('/static/a.bin?v=2', 1000);
  const any = origin.add('/static/any.bin', 1000, { entry: { anyQuery: true } });
  const worker = await startWorker({ origin });
  const bytes = async (url) => (await worker.fetch(url)).bytes();
  assert.deepEqual(await bytes('/static/a.bin'), file.body);
  assert.deepEqual(await bytes('/static/a.bin?v=2'), second.body);
  assert.deepEqual(await bytes('/static/any.bin?token=1'), any.body);
  await worker.clock.pass(2000);
  await bytes('/static/any.bin?token=2');
  assert.equal(origin.requests('/static/any.bin?token=2').length, 0, 'the second one is in the store');
  await bytes('/static/a.bin?v=3');
  await worker.clock.pass(2000);
  await bytes('/static/a.bin?v=3');
  assert.equal(origin.requests('/static/a.bin?v=3').length, 2, 'not listed, and so not stored');
});

test('the headers that the manifest gives a file come with it where the origin is not asked', async () => {
  const entry = { headers: { 'cache-control': 'max-age=600', 'x-own': 'a' } };
  const at = await scene({ bytes: 1000, entry, script: chain('ordered', 'delegate', 'network'), page: true });
  at.page.answers(serving(at.file));
  const { headers } = await at.page.fetch('/static/a.bin');
  assert.equal(headers.get('cache-control'), 'max-age=600');
  assert.equal(headers.get('x-own'), 'a');
});

test('a page that was closed, and one that is no window, are not asked', async () => {
  const { worker, file } = await scene();
  const closed = (await worker.page()).answers(serving(file));
  const other = (await worker.page({ hello: false })).answers(serving(file));
  other.client.type = 'worker';
  await other.hello();
  closed.close();
  await (await worker.fetch('/static/a.bin')).bytes();
  assert.equal(closed.asks.length + other.asks.length, 0);
});

/** Installs a worker whose install event has this addRoutes(). */
async function installing(addRoutes, options) {
  const origin = new Origin();
  const script = ({ PeerCDN, NetworkPlugin }) => {
    const cdn = new PeerCDN();
    for (const path of ['/static', '/img/:id([0-9]+)/large', '/a(1)/*/:b', '/']) {
      cdn.GET(path, 'ordered', new NetworkPlugin().getMiddleware);
    }
    return cdn.register(options);
  };
  const worker = await startWorker({ origin, script, isInstalled: true });
  const event = worker.dispatch('install', addRoutes ? { addRoutes } : {});
  const work = await worker.clock.until(event.over());
  assert.deepEqual(new Set(work.map(({ status }) => status)), new Set(options ? ['fulfilled'] : []));
  assert.deepEqual(worker.thrown, []);
}

test('static routes are given to the browser where the site asks for them, and only there', async () => {
  const given = [];
  const addRoutes = async (rules) => void given.push(rules);
  await installing(addRoutes);
  assert.deepEqual(given, []);
  await installing(addRoutes, { staticRoutes: true });
  const paths = ['{/*}?', '/static{/*}?', '/img{/*}?', '/a\\(1\\)/:s6/:s7{/*}?', '*//*'];
  assert.deepEqual(given, [
    [{ condition: { not: { or: paths.map((pathname) => ({ urlPattern: { pathname } })) } }, source: 'network' }],
  ]);
});

test('a browser without static routes, or one that cannot read ours, does without them', async () => {
  await installing(undefined, { staticRoutes: true });
  await installing(async () => Promise.reject(new TypeError('no such condition')), { staticRoutes: true });
});
