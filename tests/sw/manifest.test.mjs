// The manifest: when it is asked for, how long it is used, and what one that is late, wrong or gone does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  broken,
  chain,
  late,
  redirect,
  scene,
  silent,
  stalled,
  status,
  unreachable,
  usual,
  usualBut,
  withHeaders,
} from './harness/index.mjs';

const url = '/static/a.bin';
const path = '/peer-cdn.json';
const script = chain('ordered', 'cache', 'network');
const asked = ({ origin }) => origin.requests(path).length;
const rootOf = (number) => String(number).padStart(64, '0');
/** A response of ours, and not the origin's own: those have its tag. */
const isOurs = (response) => response.type !== 'basic';

test('a worker that becomes active asks for the manifest, past our own routes and revalidating', async () => {
  const at = await scene({ script });
  const [{ headers, cache }, ...more] = at.origin.requests(path);
  assert.deepEqual([headers['x-peer-cdn'], cache, more], ['bypass', 'no-cache', []]);
  await at.fetchAll();
  assert.equal(asked(at), 1, 'and does not ask again for the first request');
});

test('a worker becomes active before its manifest has come: the pages that it claims get nothing until then', async () => {
  const at = await scene({ script, isInstalled: true });
  at.origin.always(path, silent);
  const begun = at.clock.now;
  await at.worker.activate();
  assert.equal(asked(at), 1);
  assert.ok(at.clock.now - begun < 1000, `${at.clock.now - begun} ms`);
});

test('a worker that was started anew uses the manifest in the store', async () => {
  const at = await scene({ script });
  const next = await at.worker.restart();
  assert.equal(isOurs(await next.fetch(url)), true);
  assert.equal(asked(at), 1);
});

test('the first request of a worker without any waits for it', async () => {
  const at = await scene({ script, isInstalled: true });
  at.origin.always(path, late(1000));
  assert.equal(isOurs(await at.worker.fetch(url)), true);
  assert.ok(at.clock.now >= 1000);
});

test('a manifest is used for sixty seconds, and then asked for before the next answer', async () => {
  const at = await scene({ script });
  await at.clock.pass(59_000);
  await at.fetchAll();
  assert.equal(asked(at), 1);
  const changed = at.origin.add(url, 50_000);
  await at.clock.pass(1100);
  assert.deepEqual(await at.fetchAll(), changed.body);
  assert.equal(asked(at), 2);
  await at.fetchAll();
  assert.equal(asked(at), 2);
});

test('requests at once ask for it once', async () => {
  const at = await scene({ script });
  await at.clock.pass(61_000);
  await Promise.all([at.fetchAll(), at.fetchAll(), at.fetchAll()]);
  assert.equal(asked(at), 2);
});

test('a navigation asks for it, and is not held up', async () => {
  const at = await scene({ script });
  at.origin.add('/', '<!doctype html>', { listed: false, type: 'text/html' });
  at.origin.always(path, late(2000));
  const begun = at.clock.now;
  const page = await at.worker.fetch('/', { mode: 'navigate', destination: 'document' });
  assert.equal(page.answered, false);
  assert.ok(at.clock.now - begun < 1000);
  await at.clock.until(page.event.over());
  assert.equal(asked(at), 2);
});

test('a clock that was set back makes no manifest last for ever', async () => {
  const at = await scene({ script });
  at.browser.clockSkew = -3_600_000;
  await at.fetchAll();
  assert.equal(asked(at), 2);
});

test('a manifest that takes longer than three seconds is not waited for: the one before is used', async () => {
  const at = await scene({ script });
  await at.clock.pass(61_000);
  at.origin.always(path, late(10_000));
  const begun = at.clock.now;
  assert.equal(isOurs(await at.worker.fetch(url)), true);
  assert.ok(at.clock.now - begun >= 3000 && at.clock.now - begun < 4000, `${at.clock.now - begun} ms`);
});

test('whoever is offline waits once, and is asked again every three seconds while requests come', async () => {
  const at = await scene({ script });
  await at.fetchAll();
  await at.clock.pass(61_000);
  at.origin.always(path, silent);
  const times = [];
  for (let i = 0; i < 5; i++) {
    const begun = at.clock.now;
    await at.fetchAll();
    times.push(at.clock.now - begun);
  }
  assert.ok(times[0] >= 3000 && times[0] < 3200, `${times}`);
  // It is given up after twelve seconds, and then known to have failed.
  await at.clock.pass(20_000);
  at.origin.always(path, unreachable);
  const before = asked(at);
  for (let i = 0; i < 10; i++) {
    const begun = at.clock.now;
    await at.fetchAll();
    times.push(at.clock.now - begun);
    await at.clock.pass(1000);
  }
  assert.ok(
    times.slice(-9).every((ms) => ms < 100),
    `${times}`,
  );
  assert.ok(asked(at) - before >= 3 && asked(at) - before <= 5, `${asked(at) - before} times`);
});

test('a manifest that never comes is given up after twelve seconds', async () => {
  const at = await scene({ script });
  await at.clock.pass(61_000);
  at.origin.always(path, silent);
  await at.fetchAll();
  await at.clock.pass(13_000);
  assert.deepEqual(
    at.origin.requests(path).map(({ aborted }) => aborted),
    [false, true],
  );
});

test('a site that has no manifest shares nothing, and its files come as they are', async () => {
  for (const code of [404, 410]) {
    const at = await scene({ script, isInstalled: true });
    at.origin.always(path, status(code));
    assert.equal(isOurs(await at.worker.fetch(url)), false);
    await at.fetchAll();
    assert.equal(asked(at), 1, 'and that is believed for sixty seconds');
    assert.deepEqual(at.worker.events.error, []);
    at.origin.always(path, null);
    await at.clock.pass(61_000);
    await at.worker.fetch(url);
    await at.clock.pass(1000);
    assert.equal(isOurs(await at.worker.fetch(url)), true, 'the request before has looked');
  }
});

test('a server that is ill keeps the manifest in use that was there before', async () => {
  for (const step of [status(500), status(403), unreachable, broken(10), redirect('/nowhere.json', 302)]) {
    const at = await scene({ script });
    await at.clock.pass(61_000);
    at.origin.always(path, step);
    at.origin.always('/nowhere.json', status(500));
    assert.equal(isOurs(await at.worker.fetch(url)), true);
    assert.deepEqual(at.worker.events.error, []);
  }
});

test('a manifest that is not valid is told of, and the one before stays in use', async () => {
  const wrong = {
    'no JSON': '<!doctype html>',
    empty: '',
    null: 'null',
    'a number': '5',
    cut: '{"version":1,"resources":{"/static/a',
    'another version': JSON.stringify({ version: 2, resources: {} }),
    'no version': JSON.stringify({ resources: {} }),
    'digests elsewhere': JSON.stringify({ version: 1, digests: 'https://other.test/', resources: {} }),
    'digests of another host': JSON.stringify({ version: 1, digests: '//other.test/', resources: {} }),
  };
  for (const [name, text] of Object.entries(wrong)) {
    const at = await scene({ script });
    await at.fetchAll();
    await at.clock.pass(61_000);
    at.origin.always(path, usualBut({ body: new TextEncoder().encode(text) }));
    assert.equal(isOurs(await at.worker.fetch(url)), true, name);
    assert.deepEqual(
      at.worker.events.error.map(({ code, url: of }) => [code, of]),
      [['malformed-manifest', path]],
      name,
    );
    const next = await at.worker.restart();
    assert.equal(isOurs(await next.fetch(url)), true, `${name}: nor was it stored`);
  }
});

test('a manifest in the store that is not valid is not used, and the site is asked', async () => {
  const at = await scene({ script });
  at.caches.entry(path).body = new TextEncoder().encode('{').buffer;
  const next = await at.worker.restart();
  assert.equal(isOurs(await next.fetch(url)), true);
  assert.equal(asked(at), 2);
});

test('a manifest that is switched off answers nothing, for other pages too, and one that is on again does', async () => {
  const at = await scene({ script });
  at.origin.manifest.disabled = true;
  await at.clock.pass(61_000);
  await at.fetchAll();
  assert.equal((await at.worker.fetch(url)).answered, false);
  const next = await at.worker.restart();
  await (await next.fetch(url)).bytes();
  assert.equal((await next.fetch(url)).answered, false);
  at.origin.manifest.disabled = false;
  await at.clock.pass(61_000);
  // Nothing is routed, and a page that stays open navigates nowhere: what it fetches is the browser's, and asks all the same.
  const asking = await next.fetch(url);
  assert.equal(asking.answered, false);
  await at.clock.until(asking.event.over());
  assert.equal(isOurs(await next.fetch(url)), true);
});

test('pages are told of a manifest that changed, once it is stored, and not of one that did not', async () => {
  const at = await scene({ script });
  assert.equal(at.worker.told('manifest').length, 1);
  await at.clock.pass(61_000);
  await at.fetchAll();
  assert.equal(asked(at), 2);
  assert.equal(at.worker.told('manifest').length, 1);
  at.origin.add('/static/b.bin', 10);
  let storedBefore = 0;
  at.caches.faults.put = (about) => {
    if (about.endsWith(path)) storedBefore = at.worker.told('manifest').length;
  };
  await at.clock.pass(61_000);
  await at.fetchAll();
  await at.clock.settle();
  assert.deepEqual([storedBefore, at.worker.told('manifest').length], [1, 2]);
});

test('a manifest that cannot be stored is used all the same', async () => {
  for (const way of [() => new Promise(() => {}), () => Promise.reject(new DOMException('', 'QuotaExceededError'))]) {
    const at = await scene({ script, isInstalled: true });
    at.caches.faults.put = (about) => (about.endsWith(path) ? way() : null);
    assert.equal(isOurs(await at.worker.fetch(url)), true);
    assert.ok(at.clock.now < 8000);
  }
});

test('a manifest that came while the stored one was being read is not put back', async () => {
  const at = await scene({ script });
  const changed = at.origin.add(url, 50_000);
  at.caches.faults.match = (about) => (about.endsWith(path) ? at.clock.after(5000) : null);
  const next = await at.worker.restart();
  assert.deepEqual(await (await next.fetch(url)).bytes(), changed.body);
  await at.clock.pass(10_000);
  assert.deepEqual(await (await next.fetch(url)).bytes(), changed.body);
});

test('entries may have any form that the contract allows', async () => {
  const at = await scene({ script, bytes: 300_000 });
  const { bytes, pieceBytes, root } = at.file;
  at.origin.manifest = { version: 1, more: 'to come', resources: { [url]: { bytes, pieceBytes, root, unknown: 1 } } };
  at.origin.always(path, withHeaders({ 'content-type': 'text/plain' }));
  await at.clock.pass(61_000);
  const response = await at.worker.fetch(url);
  assert.equal(isOurs(response), true);
  assert.deepEqual(await response.bytes(), at.file.body);
  assert.deepEqual(at.worker.events.error, []);
});

test('a manifest of thousands of files is used whole', async () => {
  const at = await scene({ script });
  for (let i = 0; i < 8000; i++) {
    at.origin.manifest.resources[`/static/many/${i}.bin`] = { bytes: 10, type: 'a/b', pieceBytes: 65_536, root: rootOf(i) };
  }
  await at.clock.pass(61_000);
  assert.equal(isOurs(await at.worker.fetch(url)), true);
  assert.deepEqual(at.worker.events.error, []);
});

test('pages are told of a site that has no manifest, or one that cannot be read, and of one that has got one', async () => {
  const html = status(200, { 'content-type': 'text/html' }, '<!doctype html>');
  const json = (text) => status(200, { 'content-type': 'application/json' }, text);
  for (const [answer, code] of [
    [status(404), 'no-manifest'],
    [html, 'malformed-manifest'],
    [json('{"version":2,"resources":{}}'), 'malformed-manifest'],
    [json('{"version":1}'), 'malformed-manifest'],
    [json('{"version":1,"resources":[]}'), 'malformed-manifest'],
    [json('{"version":1,"resources":{},"disabled":"true"}'), 'malformed-manifest'],
    [json('{"version":1,"resources":{},"disabled":1}'), 'malformed-manifest'],
  ]) {
    const at = await scene({ script, isInstalled: true });
    at.origin.always(path, answer);
    const codes = () => at.worker.told('busy').map(({ code }) => code);
    await at.worker.page();
    assert.deepEqual(codes(), [''], 'nothing is known before the site has answered');
    await at.worker.fetch(url);
    await at.clock.when(() => codes().length > 1);
    assert.deepEqual(codes(), ['', code]);
    at.browser.broadcasts.length = 0;
    const next = await at.worker.restart();
    await next.fetch(url);
    assert.equal(codes().at(-1), code, 'a worker that was started anew knows it too');
    at.origin.always(path, usual);
    await at.clock.pass(61_000);
    await next.fetch(url);
    await at.clock.pass(1000);
    assert.equal(codes().at(-1), '');
  }
});

test('a manifest that lists nothing is one, however it is written', async () => {
  for (const text of ['{"version":1,"resources":{}}', '{ "version": 1, "resources": {} }\n']) {
    const at = await scene({ script, isInstalled: true });
    at.origin.always(path, status(200, { 'content-type': 'application/json' }, text));
    await at.worker.page();
    await at.worker.fetch(url);
    await at.clock.pass(1000);
    assert.equal(at.worker.told('busy').at(-1).code, '', text);
  }
});

test('a page that comes while the manifest is on its way hears nothing of it', async () => {
  const at = await scene({ script, isInstalled: true });
  at.origin.always(path, stalled(10));
  const fetching = at.worker.fetch(url);
  await at.clock.when(() => at.origin.sentBytes(path) > 0);
  await at.worker.page();
  assert.deepEqual(
    at.worker.told('busy').map(({ code }) => code),
    [''],
  );
  await fetching;
});

test('where nothing is stored and the manifest does not come, there is none as far as is known', async () => {
  const at = await scene({ script, isInstalled: true });
  at.origin.always(path, unreachable);
  await at.worker.page();
  await at.worker.fetch(url);
  assert.equal(at.worker.told('busy').at(-1).code, 'no-manifest');
  at.origin.always(path, null);
  await at.clock.pass(4000);
  await at.worker.fetch(url);
  await at.clock.pass(1000);
  assert.equal(at.worker.told('busy').at(-1).code, '');
});

test('the manifest is looked for at the scope of the worker', async () => {
  const script = ({ PeerCDN, NetworkPlugin, self }) => {
    self.registration.scope = new URL('/shop/', self.location.href).href;
    return new PeerCDN().GET('/shop', 'ordered', new NetworkPlugin().getMiddleware).register();
  };
  const at = await scene({ script });
  assert.equal(at.origin.requests('/shop/peer-cdn.json').length, 1);
  assert.equal(asked(at), 0);
});
