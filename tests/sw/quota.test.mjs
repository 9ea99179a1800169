// What a browser does not say of its storage is not zero.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, Origin, startWorker } from './harness/index.mjs';

const url = '/static/a.bin';

async function browsed(estimate) {
  const origin = new Origin();
  const file = origin.add(url, 3_000_000);
  const browser = new Browser(origin.clock);
  browser.estimate = estimate;
  const worker = await startWorker({ origin, browser });
  const page = await worker.page();
  return { origin, file, browser, worker, page, clock: origin.clock };
}

test('a browser without estimate(), or where it throws, tells nothing or never answers, stores all the same', async () => {
  const throws = () => {
    throw new TypeError('not allowed');
  };
  for (const estimate of [undefined, throws, () => undefined, () => ({}), () => ({ quota: 0 }), () => new Promise(() => {})]) {
    const { origin, file, worker, page, clock } = await browsed(estimate);
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
    await clock.pass(10_000);
    const asked = origin.requests(url).length;
    assert.deepEqual(await (await page.fetch(url)).bytes(), file.body);
    assert.equal(origin.requests(url).length, asked, String(estimate));
    assert.deepEqual(worker.events.error, []);
  }
});

test('a browser that refuses to store is told of once, until it stores again', async () => {
  const { origin, browser, worker, page, clock } = await browsed(undefined);
  const more = [1, 2, 3].map((i) => origin.add(`/static/${i}.bin`, 3_000_000));
  const full = () => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  await worker.fetch('/', { mode: 'navigate', destination: 'document' });
  await clock.pass(1000);
  const told = () => worker.events.error.filter(({ code }) => code === 'storage-full').length;
  browser.caches.faults.put = full;
  for (const { path, body } of [{ path: url, body: null }, more[0]]) {
    const bytes = await (await page.fetch(path)).bytes();
    if (body) assert.deepEqual(bytes, body);
    await clock.pass(5000);
  }
  assert.equal(told(), 1);
  delete browser.caches.faults.put;
  await (await page.fetch(more[1].path)).bytes();
  await clock.pass(5000);
  browser.caches.faults.put = full;
  await (await page.fetch(more[2].path)).bytes();
  await clock.pass(5000);
  assert.equal(told(), 2);
});
