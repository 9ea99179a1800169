// Who else is at home in the worker: the site's own listeners and caches, Workbox among them. What is not ours is theirs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, documented, scene, unreachable, user } from './harness/index.mjs';

const offline = (origin, ...paths) => paths.forEach((path) => origin.always(path, unreachable));

/** The documented worker, and behind it a listener of the site that answers from its own cache first. */
const withOwnListener = (peerCdn) => {
  const cdn = documented(peerCdn);
  peerCdn.self.addEventListener('fetch', (event) => {
    event.respondWith((async () => (await peerCdn.self.caches.match(event.request)) ?? peerCdn.self.fetch(event.request))());
  });
  return cdn;
};

const html = () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: new TextEncoder().encode('<p>404') });

test("what the manifest does not list is left to the site's own listener, and what becomes a document too", async () => {
  const { worker, origin, caches } = await scene({ script: withOwnListener });
  origin.add('/static/app.js', 'network', { listed: false });
  const own = await caches.open('app');
  await own.put('https://site.test/static/app.js', new Response('precached'));
  await own.put('https://site.test/static/a.bin', new Response('page'));
  assert.equal(await (await worker.fetch('/static/app.js', { destination: 'script' })).text(), 'precached');
  offline(origin, '/static/app.js');
  assert.equal(await (await worker.fetch('/static/app.js', { destination: 'script' })).text(), 'precached');
  assert.equal(await (await worker.fetch('/static/a.bin', { destination: 'iframe' })).text(), 'page');
  assert.equal((await (await worker.fetch('/static/a.bin')).bytes()).length, 100_000, 'what is listed is ours');
});

test('without such a listener the browser asks by itself: once, with its own request', async () => {
  const { worker, origin } = await scene();
  origin.add('/static/other.bin', 5, { listed: false });
  const response = await worker.fetch('/static/other.bin');
  assert.equal(response.answered, false);
  assert.deepEqual(
    origin.requests('/static/other.bin').map(({ by }) => by),
    ['browser'],
  );
});

test('a middleware of the site in the route sees everything, as before', async () => {
  const own = user(() => new Response('own'));
  const { worker } = await scene({ script: chain('ordered', own, 'network') });
  for (const destination of ['', 'document']) {
    assert.equal(await (await worker.fetch('/static/unlisted', { destination })).text(), 'own');
  }
});

test('a worker that starts knows what is listed before the first page asks', async () => {
  const first = await scene({ script: withOwnListener });
  first.origin.add('/static/app.js', 'network', { listed: false });
  const own = await first.caches.open('app');
  await own.put('https://site.test/static/app.js', new Response('precached'));
  offline(first.origin, '/static/app.js', '/peer-cdn.json');
  const worker = await first.worker.restart();
  assert.equal(await (await worker.fetch('/static/app.js', { destination: 'script' })).text(), 'precached');
});

test("where no manifest is known yet, a request that fails is answered from the site's own caches", async () => {
  const cases = {
    offline: [unreachable, 'script'],
    'a server that has it no more': [() => ({ status: 404, headers: {}, body: new TextEncoder().encode('gone') }), ''],
    'a page in place of a script, after a deployment': [html, 'script'],
  };
  for (const [name, [step, destination]] of Object.entries(cases)) {
    for (const key of ['', '?__WB_REVISION__=77', '?q=a+b&__WB_REVISION__=77'].map((query) => `/static/app.1a2b.js${query}`)) {
      const asked = key.includes('q=') ? '/static/app.1a2b.js?q=a%20b' : '/static/app.1a2b.js';
      const { origin, caches, browser, worker: first } = await scene();
      await caches.delete('peer-cdn-v1');
      const own = await caches.open('workbox-precache-v2-https://site.test/');
      await own.put(`https://site.test${key}`, new Response('precached'));
      offline(origin, '/peer-cdn.json');
      origin.always(asked, step);
      const worker = await first.restart({ browser });
      const response = await worker.fetch(asked, { destination });
      assert.equal(response.answered, true);
      assert.equal(await response.text(), 'precached', `${name}, ${key}`);
      // Nothing of the site's stands for another query.
      await own.put('https://site.test/static/list.json?page=2', new Response('second page'));
      offline(origin, '/static/list.json?page=1');
      await assert.rejects(worker.fetch('/static/list.json?page=1'), /Failed to fetch/);
    }
  }
});

test("a worker that starts gives a page's own code the refusal of a server, not what a cache kept from before", async () => {
  for (const code of [401, 403]) {
    const { origin, caches, worker: first } = await scene();
    const own = await caches.open('workbox-runtime');
    await own.put('https://site.test/static/me.json', new Response('{"name":"before logging out"}'));
    origin.always('/static/me.json', () => ({ status: code, headers: {}, body: new TextEncoder().encode('who are you?') }));
    await caches.delete('peer-cdn-v1');
    offline(origin, '/peer-cdn.json');
    const response = await (await first.restart()).fetch('/static/me.json');
    assert.equal(response.answered, true);
    assert.deepEqual([response.status, await response.text()], [code, 'who are you?']);
  }
});

test("a listed file that cannot be had comes from the site's own caches before it fails", async () => {
  const { origin, caches, worker } = await scene({ bytes: 5000 });
  const own = await caches.open('app');
  await own.put('https://site.test/static/a.bin', new Response('precached'));
  offline(origin, '/static/a.bin');
  assert.equal(await (await worker.fetch('/static/a.bin')).text(), 'precached');
});

test("a site's own caches that are away leave the network's word as it is", async () => {
  const open = () => {
    throw new DOMException('', 'SecurityError');
  };
  const { origin, worker } = await scene({ isInstalled: true, faults: { open, match: open, names: open } });
  offline(origin, '/peer-cdn.json', '/static/b.bin');
  const error = await worker.fetch('/static/b.bin').catch((reason) => reason);
  assert.match(String(error.cause), /TypeError: Failed to fetch/, "the network's own error, not that of the caches");
});

test('an error status of a listed file is what the origin says, whatever the site keeps in its own caches', async () => {
  for (const bytes of [7000, 3_000_000]) {
    for (const code of [401, 403, 404, 503]) {
      const { origin, caches, page } = await scene({ bytes, page: true });
      const own = await caches.open('app');
      await own.put('https://site.test/static/a.bin', new Response('old'));
      origin.always('/static/a.bin', () => ({ status: code, headers: {}, body: new Uint8Array(3) }));
      for (let i = 0; i < 2; i++) assert.equal((await page.fetch('/static/a.bin')).status, code, `${bytes} bytes`);
    }
  }
});

test('a page that is open sees a new file of a deployment within the age of a manifest', async () => {
  const { origin, clock, page } = await scene({ page: true });
  const file = origin.add('/static/new.bin', 7000);
  assert.equal((await page.fetch('/static/new.bin')).answered, false);
  await clock.pass(61_000);
  assert.equal((await page.fetch('/static/new.bin')).answered, false);
  await clock.pass(1000);
  const response = await page.fetch('/static/new.bin');
  assert.equal(response.answered, true);
  assert.deepEqual(await response.bytes(), file.body);
});

test('a Cache Storage that does not answer holds up what is only passed on for some seconds, not for ever', async () => {
  for (const fault of ['match', 'names', 'keys']) {
    const { worker, origin, caches, clock } = await scene({ page: true });
    await caches.open('app');
    offline(origin, '/static/a.bin');
    caches.faults[fault] = () => clock.after(3_600_000);
    await assert.rejects(worker.fetch('/static/a.bin'), ({ cause }) => !/waited/.test(cause.message), fault);
  }
});
