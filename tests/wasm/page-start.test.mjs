// start(), and what a page keeps of the visitor's choices, with a browser of fakes.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FakeSocket, install} from './page-fakes.mjs';

install();
Object.defineProperty(globalThis, 'navigator', {configurable: true, writable: true, value: {}});
const {start} = await import('../../web/index.js');

/** A service worker that controls the page at once, or none at all. */
function fakeContainer({controlled}) {
  const container = Object.assign(new EventTarget(), {
    controller: controlled ? {postMessage() {}} : null,
    ready: controlled ? Promise.resolve({active: {state: 'activated'}}) : new Promise(() => {}),
    register: async () => ({active: {state: 'activated'}}),
    getRegistration: async () => undefined,
    startMessages() {},
  });
  globalThis.navigator = {serviceWorker: container};
  return container;
}

test('start() resolves when the coordinator has said who has what', async (t) => {
  install();
  FakeSocket.reset();
  fakeContainer({controlled: true});
  const plugin = await start({worker: '/sw.js'});
  t.after(() => plugin.close());
  assert.ok(plugin.active);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(FakeSocket.messages[0].type, 'hello');
});

test('start() does not wait for a coordinator that does not answer, or is not there', async (t) => {
  fakeContainer({controlled: true});
  const began = performance.now();
  install();
  globalThis.WebSocket = class {
    close() {}
  };
  const silent = await start({worker: '/sw.js'});
  t.after(() => silent.close());
  const waited = performance.now() - began;
  assert.ok(waited > 450 && waited < 1000, `${waited} ms`);
  for (const gone of [undefined, class {
    constructor() {
      setTimeout(() => this.onclose());
    }
    close() {}
  }]) {
    globalThis.WebSocket = gone;
    const again = performance.now();
    const plugin = await start({worker: '/sw.js'});
    t.after(() => plugin.close());
    assert.ok(performance.now() - again < 300);
  }
});

test('start() without a worker, where the site registers none, resolves inactive', {timeout: 10_000}, async (t) => {
  install();
  fakeContainer({controlled: false});
  const plugin = await start();
  t.after(() => plugin.close());
  assert.equal(plugin.active, false);
  assert.equal(plugin.reason, 'no-worker');
});
