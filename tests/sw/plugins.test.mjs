// Chains of plugins, of a site's own above all: who is asked, whose answer counts, what put() gets, and what a bad one does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, scene, startWorker, status, unreachable, user } from './harness/index.mjs';

const never = () => new Promise(() => {});
const text = (value) => new Response(value);
const nothing = () => null;

test('in an ordered route the first answer counts, and who comes after it is not asked', async () => {
  const [first, second, third] = [user(nothing), user(() => text('second')), user(() => text('third'))];
  const { worker } = await scene({ script: chain('ordered', first, second, third) });
  assert.equal(await (await worker.fetch('/static/a.bin')).text(), 'second');
  assert.deepEqual(
    [first, second, third].map(({ calls }) => calls.length),
    [1, 1, 0],
  );
});

test('a middleware is made for each request, with its event, and its get() may be async', async () => {
  const seen = [];
  const own = user(async ({ request }) => (seen.push(request.url), text(request.url)));
  const { worker } = await scene({ script: chain('ordered', own) });
  for (const path of ['/static/a.bin', '/static/b']) {
    assert.equal(await (await worker.fetch(path)).text(), `https://site.test${path}`);
  }
  assert.deepEqual(seen, ['https://site.test/static/a.bin', 'https://site.test/static/b']);
});

test('in a fastest route all are asked at once, and the first that has an answer counts', async () => {
  const world = {};
  const late = (ms, value) => user(async () => (await world.clock.after(ms), value()));
  const [none, slow, quick, hangs] = [late(5, nothing), late(50, () => text('slow')), late(20, () => text('quick')), user(never)];
  Object.assign(world, await scene({ script: chain('fastest', none, slow, quick, hangs) }));
  assert.equal(await (await world.worker.fetch('/static/a.bin')).text(), 'quick');
  assert.deepEqual(
    [none, slow, quick, hangs].map(({ calls }) => calls.length),
    [1, 1, 1, 1],
  );
  await world.clock.pass(100);
  assert.deepEqual(world.worker.events.error, []);
});

test('when nobody has an answer, the request goes to the network as the page made it', async () => {
  for (const strategy of ['ordered', 'fastest']) {
    const { worker, file, origin } = await scene({
      script: chain(
        strategy,
        user(nothing),
        user(() => undefined),
      ),
    });
    const response = await worker.fetch('/static/a.bin', { headers: { 'x-asked': 'yes' } });
    assert.deepEqual(await response.bytes(), file.body, strategy);
    assert.equal(origin.requests('/static/a.bin').length, 1);
    assert.equal(origin.requests('/static/a.bin')[0].headers['x-asked'], 'yes');
  }
});

test('what a plugin throws, in whatever way, is told with its error, and counts as no answer', async () => {
  const wrong = new Error('wrong');
  const ways = {
    'the factory throws': () => {
      throw wrong;
    },
    'get() throws': user(() => {
      throw wrong;
    }),
    'get() rejects': user(() => Promise.reject(wrong)),
    'get() rejects later': user(() => world.clock.after(30).then(() => Promise.reject(wrong))),
    'there is no middleware': () => null,
    'there is no get()': () => ({}),
  };
  const world = {};
  for (const [name, plugin] of Object.entries(ways)) {
    for (const strategy of ['ordered', 'fastest']) {
      const after = user(async () => (await world.clock.after(60), text('the next one')));
      Object.assign(world, await scene({ script: chain(strategy, plugin, after) }));
      assert.equal(await (await world.worker.fetch('/static/a.bin')).text(), 'the next one', name);
      const [{ code, url, error }, ...more] = world.worker.events.error;
      assert.deepEqual([code, url, more], ['plugin-failed', 'https://site.test/static/a.bin', []], name);
      assert.ok(error === wrong || error instanceof TypeError, name);
      const [{ error: _, ...told }] = world.worker.told('error').map(({ at, ...each }) => each);
      assert.deepEqual(told, { type: 'error', code: 'plugin-failed', url: 'https://site.test/static/a.bin' }, name);
    }
  }
});

test('being offline is no fault of a plugin: nothing is told of it', async () => {
  const { worker, origin } = await scene({ script: chain('ordered', user(nothing), 'network') });
  origin.always('/static/b.bin', unreachable);
  await assert.rejects(worker.fetch('/static/b.bin'), { message: 'Failed to fetch' });
  assert.deepEqual(worker.events.error, []);
});

test('whoever fails in a fastest route after another one has answered changes nothing', async () => {
  const world = {};
  const fails = user(() => world.clock.after(50).then(() => Promise.reject(new Error('late'))));
  const answers = user(() => world.clock.after(50).then(() => text('late')));
  Object.assign(
    world,
    await scene({
      script: chain(
        'fastest',
        fails,
        answers,
        user(() => text('first')),
      ),
    }),
  );
  assert.equal(await (await world.worker.fetch('/static/a.bin')).text(), 'first');
  await world.clock.pass(100);
  assert.deepEqual(world.worker.told('transfer'), []);
});

test('put() runs for those that were asked before, nearest first, each with a response of its own', async () => {
  const puts = [];
  const keeps = (name, get) => user(get, async (response) => puts.push([name, await response.text()]));
  const plugins = [keeps('a', nothing), keeps('b', nothing), keeps('c', () => text('c')), keeps('d', () => text('d'))];
  const { worker, clock } = await scene({ script: chain('ordered', ...plugins) });
  assert.equal(await (await worker.fetch('/static/x')).text(), 'c');
  await clock.settle();
  assert.deepEqual(puts.map(([name]) => name).sort(), ['a', 'b', 'c']);
  assert.deepEqual(new Set(puts.map(([, value]) => value)), new Set(['c']));
  assert.deepEqual(
    plugins.map(({ calls }) => calls.at(-1)),
    ['put', 'put', 'put', undefined],
  );
});

test('the answer is copied for those that have a put(), and for nobody else', async () => {
  const answer = text('answer');
  let copies = 0;
  answer.clone = () => (copies++, Response.prototype.clone.call(answer));
  const bare = () => ({ get: nothing });
  const { worker, clock } = await scene({
    script: chain(
      'ordered',
      bare,
      user(nothing, () => {}),
      bare,
      () => ({ get: () => answer }),
    ),
  });
  assert.equal(await (await worker.fetch('/static/x')).text(), 'answer');
  await clock.settle();
  assert.equal(copies, 1);
});

test('in a fastest route put() runs for all', async () => {
  const puts = [];
  const keeps = (name, get) => user(get, async (response) => puts.push([name, await response.text()]));
  const { worker, clock } = await scene({
    script: chain(
      'fastest',
      keeps('a', never),
      keeps('b', () => text('b')),
    ),
  });
  await (await worker.fetch('/static/x')).text();
  await clock.settle();
  assert.deepEqual(puts.sort(), [
    ['a', 'b'],
    ['b', 'b'],
  ]);
});

test('put() gets a listed file when all of it has come: read back from the store, the range if one was asked', async () => {
  for (const [range, status, from, to] of [
    [undefined, 200, 0, 300_000],
    ['bytes=100-200099', 206, 100, 200_100],
  ]) {
    const puts = [];
    const own = user(nothing, async (response) => puts.push([response.status, new Uint8Array(await response.arrayBuffer())]));
    const { worker, file, clock, origin } = await scene({ bytes: 300_000, script: chain('ordered', own, 'cache', 'network') });
    const response = await worker.fetch('/static/a.bin', { headers: range ? { range } : {} });
    assert.deepEqual(puts, [], 'not before the page has it');
    await response.bytes();
    await clock.when(() => puts.length > 0);
    assert.equal(puts[0][0], status);
    assert.deepEqual(puts[0][1], file.body.subarray(from, to));
    assert.equal(puts.length, 1);
    assert.ok(origin.sentBytes('/static/a.bin') <= 300_000, 'asked for once');
  }
});

test('put() gets what came from the store, too', async () => {
  const puts = [];
  const own = user(nothing, async (response) => puts.push((await response.arrayBuffer()).byteLength));
  const { clock, fetchAll, origin } = await scene({ script: chain('ordered', own, 'cache', 'network') });
  await fetchAll();
  await clock.when(() => puts.length === 1);
  await fetchAll();
  await clock.when(() => puts.length === 2);
  assert.deepEqual(puts, [100_000, 100_000]);
  assert.equal(origin.requests('/static/a.bin').length, 1);
});

test('put() is not called where the page gave up, nor where nothing is stored', async () => {
  const own = user(nothing, () => {});
  const given = await scene({ bytes: 3_000_000, script: chain('ordered', own, 'cache', 'network'), page: true });
  const response = await given.page.fetch('/static/a.bin');
  const reader = response.body.getReader();
  await given.clock.until(reader.read());
  await reader.cancel();
  await given.clock.pass(10_000);
  assert.deepEqual(own.calls, ['get']);

  const second = user(nothing, () => {});
  const open = () => {
    throw new DOMException('', 'SecurityError');
  };
  const denied = await scene({ script: chain('ordered', second, 'network'), isInstalled: true, faults: { open } });
  assert.deepEqual(await denied.fetchAll(), denied.file.body);
  await denied.clock.pass(10_000);
  assert.deepEqual(second.calls, ['get']);
});

test('a put() that throws or rejects is told, and takes nothing from the page', async () => {
  const wrong = new Error('wrong');
  const fail = () => {
    throw wrong;
  };
  for (const put of [fail, async () => fail()]) {
    const { worker, fetchAll, file, clock } = await scene({ script: chain('ordered', user(nothing, put), 'cache', 'network') });
    assert.deepEqual(await fetchAll(), file.body);
    await clock.when(() => worker.events.error.length > 0);
    assert.deepEqual(worker.events.error, [{ code: 'plugin-failed', url: 'https://site.test/static/a.bin', error: wrong }]);
  }
});

test('what a put() leaves unread is taken back after two seconds', async () => {
  const kept = [];
  const own = user(
    () => text('x'),
    (response) => void kept.push(response),
  );
  const { worker, clock } = await scene({ script: chain('ordered', own) });
  assert.equal(await (await worker.fetch('/static/x')).text(), 'x');
  await clock.settle();
  assert.equal(kept[0].bodyUsed, false);
  await clock.pass(3000);
  await assert.rejects(async () => {
    const { done } = await kept[0].body.getReader().read();
    if (done) throw new Error('cancelled');
  });
  assert.deepEqual(worker.events.error, []);
});

test('what a put() reads is left to it, and so is one that never ends', async () => {
  const read = [];
  const puts = [async (response) => read.push(await response.text()), never];
  for (const put of puts) {
    const { worker, clock } = await scene({
      script: chain(
        'ordered',
        user(() => text('x'), put),
      ),
    });
    assert.equal(await (await worker.fetch('/static/x')).text(), 'x');
    await clock.pass(3000);
    assert.equal(await (await worker.fetch('/static/x')).text(), 'x');
    assert.deepEqual(worker.events.error, []);
  }
  assert.deepEqual(read, ['x', 'x']);
});

test('plugins of ours answer null to an event that is none of theirs', async () => {
  const made = {};
  const { worker } = await scene({
    script: ({ PeerCDN, CachePlugin, DelegatePlugin, NetworkPlugin }) => {
      Object.assign(made, { cache: new CachePlugin(), delegate: new DelegatePlugin(), network: new NetworkPlugin() });
      return new PeerCDN().register();
    },
  });
  const event = { request: new Request('https://site.test/static/a.bin') };
  assert.equal(await made.cache.getMiddleware(event).get(), null);
  assert.equal(await made.delegate.getMiddleware(event).get(), null);
  assert.equal(made.cache.getMiddleware(event).put(text('x')), undefined);
  const response = await worker.clock.until(made.network.getMiddleware(event).get());
  assert.equal(response.status, 200, 'the network has it');
});

/** By its name: what it is given, and what is told of that. */
const unusable = {
  patience: ['DelegatePlugin', [-1, NaN, '1', {}].map((patience) => ({ patience }))],
  patiance: ['DelegatePlugin', [{ patiance: 1 }]],
  timeoutAfter: ['DelegatePlugin', [{ timeoutAfter: '5s' }]],
  quotaBytes: ['CachePlugin', [{ quotaBytes: '1 GB' }, { version: 2, quotaBytes: -1 }]],
  manfest: ['PeerCDN', [{ manfest: '/there.json' }]],
  0: ['PeerCDN', ['/there.json', [1]]],
};
const unusableRules = { staticRoute: { staticRoute: true }, staticRoutes: { staticRoutes: 'yes' } };

test('options that nobody reads, or of no use, are refused by code and name; null is as if nobody had said it', async () => {
  await scene({
    script: (all) => {
      for (const [name, [what, values]] of Object.entries(unusable)) {
        const told = { name: 'TypeError', message: `peer-cdn: bad-option: ${name}` };
        for (const value of values) assert.throws(() => new all[what](value), told, `${what} ${JSON.stringify(value)}`);
      }
      const { PeerCDN, CachePlugin, DelegatePlugin } = all;
      const cdn = new PeerCDN(null);
      for (const [name, value] of Object.entries(unusableRules)) {
        assert.throws(() => cdn.register(value), { name: 'TypeError', message: `peer-cdn: bad-option: ${name}` });
      }
      for (const value of [null, undefined, {}, { patience: null }]) assert.ok(new DelegatePlugin(value));
      for (const patience of [0, 0.2, 4, Infinity]) assert.ok(new DelegatePlugin({ patience }));
      for (const value of [null, { version: null, quotaBytes: undefined }]) assert.ok(new CachePlugin(value));
      assert.equal(CachePlugin.peerFetch + 1, 'peer-cdn-v1');
      return cdn.register(null);
    },
  });
});

test("a store of another version is dropped when a worker becomes active, and others' Caches are left alone", async () => {
  const { browser, caches, origin } = await scene();
  for (const name of ['peer-cdn-v0', 'site-v1']) await caches.open(name);
  await startWorker({
    origin,
    browser,
    script: ({ PeerCDN, CachePlugin }) => {
      new CachePlugin({ version: '2-beta' });
      return new PeerCDN().register();
    },
  });
  assert.deepEqual(await caches.keys(), ['site-v1', 'peer-cdn-v2-beta']);
});

test('plugins of ours that lose to one of the site at once ask nobody', async () => {
  const { worker, page, origin, clock } = await scene({
    page: true,
    bytes: 300_000,
    script: chain(
      'fastest',
      user(() => text('own')),
      'cache',
      'delegate',
      'network',
    ),
  });
  assert.equal(await (await worker.fetch('/static/a.bin')).text(), 'own');
  await clock.pass(1000);
  assert.ok(origin.requests('/static/a.bin').every(({ aborted }) => aborted));
  assert.ok(page.asks.every(({ isClosed }) => isClosed));
});

test('what is no response, or one that was read already, is told, and counts as no answer', async () => {
  const used = async () => {
    const response = text('read');
    await response.text();
    return response;
  };
  const locked = () => {
    const response = text('locked');
    response.body.getReader();
    return response;
  };
  for (const strategy of ['ordered', 'fastest']) {
    for (const garbage of [() => 42, () => 'text', () => ({}), () => [], () => true, used, locked]) {
      const own = user(garbage, () => {});
      const { worker, file, clock } = await scene({ script: chain(strategy, own, 'network') });
      assert.deepEqual(await (await worker.fetch('/static/a.bin')).bytes(), file.body, String(garbage));
      await clock.pass(5000);
      assert.deepEqual(
        worker.events.error.map(({ code }) => code),
        ['plugin-failed'],
      );
      assert.deepEqual(worker.thrown, []);
    }
  }
});

test('what a middleware got of ours, and neither read nor passed on, is let go of', async () => {
  const kinds = {
    'it is not good enough': async (get) => void (await get()),
    'it gives its own': async (get) => (await get(), text('own')),
    'it throws': async (get) => {
      await get();
      throw new Error('no');
    },
    'it does not wait for it': (get) => void get(),
  };
  for (const [name, own] of Object.entries(kinds)) {
    const script = ({ PeerCDN, NetworkPlugin }) => {
      const network = new NetworkPlugin().getMiddleware;
      const wrapper = (event) => ({ get: () => own(() => network(event).get()) });
      return new PeerCDN().GET('/static', 'ordered', wrapper, network).register();
    };
    const { worker, page, file, clock } = await scene({ bytes: 3 << 20, page: true, script });
    const body = await (await page.fetch('/static/a.bin')).bytes();
    assert.deepEqual(body, name === 'it gives its own' ? new TextEncoder().encode('own') : file.body, name);
    await clock.pass(5000);
    assert.equal(worker.told('busy').at(-1).open, 0, name);
  }
});

test('what a middleware or its put() got is let go of after half a minute, though that never ends', async () => {
  const middlewares = {
    'get() hangs': (network) => ({ get: () => network.get().then(never) }),
    'put() hangs': () => ({ get: nothing, put: never }),
    'put() hangs after its own answer': (network) => ({ get: () => network.get(), put: never }),
  };
  for (const [name, middleware] of Object.entries(middlewares)) {
    for (const strategy of ['ordered', 'fastest']) {
      const script = ({ PeerCDN, CachePlugin, NetworkPlugin }) => {
        const [cache, network] = [new CachePlugin(), new NetworkPlugin()].map(({ getMiddleware }) => getMiddleware);
        return new PeerCDN().GET('/static', strategy, (event) => middleware(network(event)), cache, network).register();
      };
      const { worker, page, file, clock } = await scene({ bytes: 3 << 20, page: true, script });
      assert.deepEqual(await (await page.fetch('/static/a.bin')).bytes(), file.body, name);
      await clock.pass(40_000);
      assert.equal(worker.told('busy').at(-1)?.open ?? 0, 0, `${name}, ${strategy}`);
    }
  }
});

test('what a middleware passes on in a response of its own is read to the end, however late the page begins', async () => {
  const script = ({ PeerCDN, NetworkPlugin }) => {
    const network = new NetworkPlugin().getMiddleware;
    const wrapper = (event) => ({
      get: async () => {
        const response = await network(event).get();
        await world.clock.after(10_000);
        return new Response(response.body, { headers: { 'x-own': 'yes' } });
      },
    });
    return new PeerCDN().GET('/static', 'ordered', wrapper, network).register();
  };
  const world = {};
  Object.assign(world, await scene({ bytes: 3 << 20, page: true, script }));
  const response = await world.page.fetch('/static/a.bin');
  assert.equal(response.headers.get('x-own'), 'yes');
  assert.deepEqual(await response.bytes(), world.file.body);
});

test('a get() that never settles is told after half a minute, and counts as no answer', async () => {
  for (const strategy of ['ordered', 'fastest']) {
    const { worker, clock, file, origin } = await scene({ script: chain(strategy, user(never)) });
    const fetching = worker.fetch('/static/a.bin');
    await clock.pass(29_000);
    assert.deepEqual(worker.events.error, [], strategy);
    assert.equal(origin.requests('/static/a.bin').length, 0);
    await clock.pass(1100);
    assert.deepEqual(await (await fetching).bytes(), file.body);
    assert.deepEqual(
      worker.events.error.map(({ code, url }) => [code, url]),
      [['plugin-failed', 'https://site.test/static/a.bin']],
    );
    assert.equal(worker.told('error').length, 1);
  }
});

test('a plugin that answers slowly is waited for, and one that lost may take as long as it likes', async () => {
  const world = {};
  const slow = user(() => world.clock.after(25_000).then(() => text('slow')));
  Object.assign(world, await scene({ script: chain('ordered', slow) }));
  const fetching = world.worker.fetch('/static/a.bin');
  await world.clock.pass(25_100);
  assert.equal(await (await fetching).text(), 'slow');
  const answers = user(() => text('quick'));
  const { worker, clock } = await scene({ script: chain('fastest', user(never), answers) });
  assert.equal(await (await worker.fetch('/static/a.bin')).text(), 'quick');
  await clock.pass(40_000);
  for (const each of [worker, world.worker]) assert.deepEqual(each.events.error, []);
});

test('what comes after its time changes nothing, whatever it is', async () => {
  for (const later of [() => text('too late'), () => Promise.reject(new Error('too late')), () => 42]) {
    const world = {};
    const slow = user(() => world.clock.after(35_000).then(later));
    Object.assign(world, await scene({ script: chain('ordered', slow, 'network') }));
    const { worker, clock, file } = world;
    const fetching = worker.fetch('/static/a.bin');
    await clock.pass(31_000);
    assert.deepEqual(await (await fetching).bytes(), file.body);
    await clock.pass(10_000);
    assert.deepEqual(worker.thrown, []);
    assert.equal(worker.told('error').length, 1, 'told once');
    assert.equal(worker.told('busy').at(-1)?.open ?? 0, 0);
  }
});

test('promises and thenables of any kind settle once, as the first word of them says', async () => {
  const wrong = new Error('wrong');
  const fail = () => {
    throw wrong;
  };
  const thenable = (value) => Object.defineProperty({}, 'then', { value });
  const kinds = {
    'resolves twice': [thenable((resolve) => (resolve(text('first')), resolve(text('second')))), 'first'],
    'resolves, then rejects': [thenable((resolve, reject) => (resolve(text('first')), reject(wrong))), 'first'],
    'resolves, then throws': [thenable((resolve) => (resolve(text('first')), fail())), 'first'],
    'rejects, then resolves': [thenable((resolve, reject) => (reject(wrong), resolve(text('second')))), 'next'],
    'rejects with nothing': [thenable((_, reject) => reject()), 'next'],
    'throws as it is looked at': [Object.defineProperty({}, 'then', { get: fail }), 'next'],
  };
  for (const [name, [given, expected]] of Object.entries(kinds)) {
    const script = chain(
      'ordered',
      user(() => given),
      user(() => text('next')),
    );
    const { worker, clock } = await scene({ script });
    assert.equal(await (await worker.fetch('/static/a.bin')).text(), expected, name);
    await clock.settle();
    const codes = worker.events.error.map(({ code }) => code);
    assert.deepEqual(codes, expected === 'next' ? ['plugin-failed'] : [], name);
    assert.deepEqual(worker.thrown, []);
  }
});

test('a response is good for one request: given again, or a network error, it is no answer', async () => {
  const kept = text('kept');
  const { worker } = await scene({
    script: chain(
      'ordered',
      user(() => kept),
      user(() => text('next')),
    ),
  });
  const fetches = [worker.fetch('/static/a.bin'), worker.fetch('/static/b.bin')];
  const texts = await Promise.all(fetches.map(async (each) => (await each).text()));
  assert.deepEqual(texts.sort(), ['kept', 'next']);
  const failing = await scene({
    script: chain(
      'ordered',
      user(() => Response.error()),
      'network',
    ),
  });
  assert.deepEqual(await failing.fetchAll(), failing.file.body);
  for (const each of [worker, failing.worker]) {
    assert.deepEqual(
      each.events.error.map(({ code }) => code),
      ['plugin-failed'],
    );
  }
});

test('the same response from two plugins of one route answers once, whole', async () => {
  const one = text('one');
  const { worker, clock } = await scene({
    script: chain(
      'fastest',
      user(() => one),
      user(() => one),
    ),
  });
  assert.equal(await (await worker.fetch('/static/a.bin')).text(), 'one');
  await clock.settle();
  assert.deepEqual(worker.thrown, []);
});

test('a middleware that reads the answer that it gave keeps no put() from being told', async () => {
  const own = user(
    () => {
      const response = text('x');
      void Promise.resolve().then(() => response.body.cancel());
      return response;
    },
    () => {
      throw new Error('no');
    },
  );
  const { worker, clock } = await scene({ script: chain('ordered', own) });
  await worker.fetch('/static/x').catch(() => {});
  await clock.settle();
  assert.deepEqual(
    worker.events.error.map(({ code }) => code),
    ['plugin-failed'],
  );
  assert.deepEqual(worker.thrown, []);
});

test('what a middleware got of ours for another request is an answer like any other', async () => {
  const given = [];
  const script = ({ PeerCDN, NetworkPlugin }) => {
    const network = new NetworkPlugin().getMiddleware;
    let kept;
    const own = (event) => ({
      get: async () => {
        if (event.request.url.endsWith('/b.bin')) return kept;
        kept = await network(event).get();
        return null;
      },
      put: async (response) => given.push(await response.text()),
    });
    return new PeerCDN().GET('/static', 'ordered', own, network).register();
  };
  const { worker, origin, file, clock, fetchAll } = await scene({ script, bytes: 1000 });
  origin.add('/static/b.bin', 'other', { listed: false });
  assert.deepEqual(await fetchAll(), file.body);
  assert.deepEqual(await (await worker.fetch('/static/b.bin')).bytes(), file.body);
  await clock.pass(5000);
  assert.deepEqual(given, [new TextDecoder().decode(file.body), new TextDecoder().decode(file.body)]);
  assert.deepEqual(worker.events.error, []);
  assert.deepEqual(await fetchAll(), file.body);
});

test('what comes after its time while another plugin is asked is let go of', async () => {
  const world = {};
  let isLeft = false;
  const body = () => new ReadableStream({ cancel: () => void (isLeft = true) });
  const slow = user(() => world.clock.after(35_000).then(() => new Response(body())));
  const next = user(() => world.clock.after(20_000).then(() => text('next')));
  Object.assign(world, await scene({ script: chain('ordered', slow, next) }));
  const fetching = world.worker.fetch('/static/a.bin');
  await world.clock.pass(36_000);
  assert.equal(isLeft, true);
  await world.clock.pass(20_000);
  assert.equal(await (await fetching).text(), 'next');
});

test('two get()s of one answer that only passes through have each a response of their own to read', async () => {
  const script = ({ PeerCDN, DelegatePlugin, NetworkPlugin }) => {
    const [delegate, network] = [new DelegatePlugin({ patience: 1 }), new NetworkPlugin()];
    const both = (event) => ({
      async get() {
        const [first, second] = await Promise.all([delegate, network].map(({ getMiddleware }) => getMiddleware(event).get()));
        const texts = await Promise.all([first.text(), second.text()]);
        return text(texts.join('|'));
      },
    });
    return new PeerCDN().GET('/static', 'ordered', both).register();
  };
  const { origin, page, clock } = await scene({ script, page: true });
  origin.always('/static/a.bin', status(403, {}, 'refused'));
  page.answers(async (ask) => (ask.ack(), await clock.after(500), ask.none()));
  assert.equal(await (await page.fetch('/static/a.bin')).text(), 'refused|refused');
  assert.equal(origin.requests('/static/a.bin').length, 1);
});
