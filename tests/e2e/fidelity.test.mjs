// What the origin is asked for a listed file, and what a page sees of its answer: as without a worker, in both engines.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { documentedWorker, randomBytes, sha256 } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

const files = {
  '/static/small.bin': randomBytes('small', 7000),
  '/static/large.bin': randomBytes('large', 3_000_000),
  '/sw.js': documentedWorker(),
};
const urls = Object.keys(files).slice(0, 2);

for (const kind of browsers) {
  test(`${kind}: cookies, the referrer and own headers reach the origin as the page says`, async (t) => {
    const at = scene(t);
    const s = await at.site(files, { headers: { 'set-cookie': 'who=me; Path=/' } });
    const visitor = await at[kind]();
    await visitor.visit(s.url);
    const cases = [
      [{}, { cookie: 'who=me', referer: `${s.url}/` }],
      [{ credentials: 'omit' }, { cookie: undefined, referer: `${s.url}/` }],
      [{ referrerPolicy: 'no-referrer' }, { cookie: 'who=me', referer: undefined }],
      [{ referrerPolicy: 'origin' }, { cookie: 'who=me', referer: `${s.url}/` }],
      [{ headers: { 'x-own': 'yes' } }, { cookie: 'who=me', 'x-own': 'yes' }],
    ];
    for (const url of urls) {
      for (const [init, expected] of cases) {
        s.origin.requests = [];
        const got = await visitor.fetch(url, { init: { ...init, cache: 'reload' } });
        assert.equal(got.sha256, sha256(files[url]));
        const asked = s.origin.requests.filter((request) => request.url === url);
        assert.ok(asked.length > 0);
        for (const { headers } of asked) {
          for (const [name, value] of Object.entries(expected)) {
            assert.equal(headers[name], value, `${JSON.stringify(init)} ${url} ${name}`);
          }
        }
      }
    }
  });

  test(`${kind}: a redirect is seen by the page as without us, and costs as many requests`, async (t) => {
    const at = scene(t);
    const s = await at.site({ ...files, '/moved/small.bin': files[urls[0]], '/moved/large.bin': files[urls[1]] });
    const visitor = await at[kind]();
    await visitor.visit(s.url);
    s.origin.rule(urls[0], { status: 302, headers: { location: '/moved/small.bin' } });
    const look = (init) =>
      visitor.run(
        async ([path, how]) => {
          try {
            const { type, status, redirected, url } = await fetch(path, how);
            return [type, status, redirected, new URL(url || location.href).pathname];
          } catch (error) {
            return error.name;
          }
        },
        [urls[0], init],
      );
    assert.deepEqual(await look({ redirect: 'manual' }), ['opaqueredirect', 0, false, urls[0]]);
    assert.deepEqual(await look({ redirect: 'error' }), 'TypeError');
    s.origin.requests = [];
    assert.deepEqual(await look({}), ['basic', 200, true, '/moved/small.bin']);
    assert.equal(s.origin.log(urls[0]).length, 1);
    assert.equal(s.origin.log('/moved/small.bin').length, 1);
    s.origin.rule(urls[1], { status: 302, headers: { location: '/moved/large.bin' } });
    for (const requests of [1, 2]) {
      const got = await visitor.fetch(urls[1]);
      assert.equal(got.sha256, sha256(files[urls[1]]));
      assert.equal(s.origin.log(urls[1]).length, requests);
      assert.equal(s.origin.log('/moved/large.bin').length, requests);
    }
  });
}

test('reload and no-store take nothing from the store, and the origin is asked; the rest comes from the store', async (t) => {
  const { site, chromium } = scene(t);
  const s = await site(files);
  const visitor = await chromium();
  await visitor.visit(s.url);
  for (const url of urls) {
    await visitor.fetch(url);
    await visitor.untilStored((await s.manifest()).resources[url]);
    for (const [cache, times] of Object.entries({ reload: 1, 'no-store': 1, 'no-cache': 0, 'force-cache': 0, default: 0 })) {
      s.origin.requests = [];
      const got = await visitor.fetch(url, { init: { cache } });
      assert.equal(got.sha256, sha256(files[url]), cache);
      assert.equal(s.origin.sent(url), times * files[url].length, `${cache} ${url}`);
    }
  }
});

test('what comes from peers to a request that says no-store is stored by nobody', async (t) => {
  const { site, chromium } = scene(t);
  const both = { '/static/kept.bin': randomBytes('kept', 2_000_000), '/static/not.bin': randomBytes('not', 2_000_000) };
  const s = await site(both);
  const [first, second] = await Promise.all([chromium(), chromium()]);
  await first.visit(s.url);
  const { resources } = await s.manifest();
  for (const url of Object.keys(both)) {
    await first.fetch(url);
    await s.origin.untilShared(resources[url].root);
  }
  await second.visit(s.url);
  for (const url of Object.keys(both)) await s.origin.untilIntroducible(resources[url].root);
  const comeBack = s.origin.recede();
  s.origin.requests = [];
  // What is asked for later is stored later.
  for (const [url, cache] of [
    ['/static/not.bin', 'no-store'],
    ['/static/kept.bin', 'default'],
  ]) {
    const got = await second.fetch(url, { init: { cache } });
    assert.equal(got.sha256, sha256(both[url]));
    assert.equal((await second.sources(url)).fromPeers, both[url].length, url);
  }
  comeBack();
  await second.untilStored(resources['/static/kept.bin']);
  const { root } = resources['/static/not.bin'];
  assert.deepEqual(
    (await second.stored()).filter((key) => key.includes(`/store/${root}`)),
    [],
  );
});

test('a listed module that is redirected takes the target for the base of its imports', async (t) => {
  const { site, chromium } = scene(t);
  const module = "import { name } from './name.mjs'; window.from_ = name;";
  const modules = {
    '/static/app.mjs': module,
    '/static/name.mjs': "export const name = 'asked';",
    '/moved/app.mjs': module,
    '/moved/name.mjs': "export const name = 'moved';",
  };
  const s = await site({ ...modules, '/sw.js': documentedWorker() }, { serve: { include: ['**/app.mjs'] } });
  assert.ok(await s.root('/static/app.mjs'));
  s.origin.rule('/static/app.mjs', { status: 302, headers: { location: '/moved/app.mjs' } });
  const visitor = await chromium();
  await visitor.visit(s.url);
  await visitor.run(() => import('/static/app.mjs').then(() => {}));
  assert.equal(await visitor.run(() => window.from_), 'moved');
});
