// What a response is called: as the origin calls it wherever this browser has seen that, and nothing invented.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scene, serving } from './harness/index.mjs';

const url = '/static/a.bin';
const listedAs = (type) => ({ type: 'text/javascript', entry: { type } });
const typeOf = (response) => response.headers.get('content-type');

test('a response has no header that neither the origin nor the manifest has sent', async () => {
  for (const bytes of [7000, 3_000_000]) {
    const { page } = await scene({ bytes, page: true, type: 'image/png' });
    for (let i = 0; i < 2; i++) {
      const response = await page.fetch(url);
      assert.equal(response.headers.get('x-content-type-options'), null);
      assert.equal(typeOf(response), 'image/png');
      await response.bytes();
    }
  }
});

test("the type is the origin's when it comes from there, and also later, from the store, in another worker", async () => {
  for (const bytes of [7000, 3_000_000]) {
    const { page, clock, worker, browser, origin } = await scene({ bytes, page: true, ...listedAs('application/octet-stream') });
    for (let i = 0; i < 2; i++) {
      const response = await page.fetch(url);
      assert.equal(typeOf(response), 'text/javascript');
      await response.bytes();
      await clock.pass(2000);
    }
    const restarted = await worker.restart();
    const asked = origin.requests(url).length;
    const response = await (await restarted.page()).fetch(url);
    assert.equal(typeOf(response), 'text/javascript');
    await response.bytes();
    assert.equal(origin.requests(url).length, asked, 'it was stored');
    assert.ok(browser);
  }
});

test("what only peers have sent has the manifest's type", async () => {
  const { page, file } = await scene({ bytes: 3_000_000, page: true, ...listedAs('application/x-own') });
  page.answers(serving(file));
  assert.equal(typeOf(await page.fetch(url)), 'application/x-own');
});

test("a script or a style that is listed under a type that browsers block is the browser's own", async () => {
  const { page, worker } = await scene({ bytes: 7000, page: true, ...listedAs('application/octet-stream') });
  for (const destination of ['script', 'style']) assert.equal((await page.fetch(url, { destination })).answered, false);
  // Once the origin's type is known, scripts are ours too.
  await (await page.fetch(url)).bytes();
  assert.equal((await page.fetch(url, { destination: 'script' })).answered, true);
  assert.equal((await page.fetch(url, { destination: 'style' })).answered, false);
  assert.deepEqual(worker.events.error, []);
});

test('the same bytes have the type of the path that they were asked at', async () => {
  const { origin, page, worker, file } = await scene({ bytes: 7000, page: true, type: 'application/octet-stream' });
  const script = origin.add('/static/twin.js', file.body, { type: 'text/javascript' });
  await worker.fetch('/', { mode: 'navigate', destination: 'document' });
  await origin.clock.pass(1000);
  await (await page.fetch(url)).bytes();
  await origin.clock.pass(2000);
  for (const each of [worker, await worker.restart()]) {
    const response = await (await each.page()).fetch(script.path, { destination: 'script' });
    assert.equal(typeOf(response), 'text/javascript');
    assert.deepEqual(await response.bytes(), file.body);
  }
});

test('a type that the origin has mended is seen by the next script, also when the bytes are stored', async () => {
  const entry = { type: 'text/javascript' };
  const { origin, page, worker, file } = await scene({ bytes: 7000, page: true, type: 'text/plain', entry });
  await (await page.fetch(url)).bytes();
  await origin.clock.pass(2000);
  file.type = 'text/javascript';
  const again = await worker.restart();
  const response = await (await again.page()).fetch(url, { destination: 'script' });
  assert.equal(typeOf(response), 'text/javascript');
  assert.deepEqual(await response.bytes(), file.body);
});
