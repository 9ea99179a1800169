// A worker that has just been activated, at a first visit or in the place of another one, holds nobody up.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { documentedWorker, within } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const plainPage = '<!doctype html><meta charset="utf-8"><title>site</title><link rel="icon" href="data:,">';

for (const kind of browsers) {
  test(`a site whose manifest is slow gives its files at a first visit all the same, in ${kind}`, async (t) => {
    const { site, [kind]: open } = scene(t);
    const s = await site({ '/index.html': plainPage, '/static/note.txt': 'a note', '/sw.js': documentedWorker() });
    const visitor = await open();
    let release;
    const released = new Promise((resolve) => (release = resolve));
    s.origin.rule('/peer-cdn.json', { before: () => released });
    await visitor.visit(s.url, { ready: false });
    const reading = visitor.run(async () => {
      const claimed = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
      await navigator.serviceWorker.register('/sw.js');
      await claimed;
      return (await fetch('/static/note.txt')).text();
    });
    // How long it is waited for is tested by the worker's own clock (tests/sw).
    assert.equal(await within('the note, without the manifest', 60_000, reading), 'a note');
    release();
  });
}
