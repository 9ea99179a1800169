// The worker's border: what routes, ranges, chains and bodies say through the wasm, against the vectors of the core.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import wasm from '../../build/worker.wasm.js';
import * as border from '../../build/border.js';
import { startCore } from '../../sw/core.js';

const vectors = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url)));
const KINDS = ['user', 'cache', 'delegate', 'network'];
/** The names of outputs by their numbers. */
const namesOf = (outputs) => outputs(new Proxy({}, { get: (_, name) => name }));
const [chain, body] = [namesOf(border.chainOutputs), namesOf(border.bodyOutputs)];
const root = 'ab'.repeat(32);

function start() {
  const regexps = [];
  const core = startCore(wasm, (pattern, text) => regexps[pattern].test(text));
  const { fields, size } = core;
  const call = (name, ...args) => core.call(border[name.toUpperCase()], args);
  const callText = (name, ...args) => core.callText(border[name.toUpperCase()], args);
  const addRoute = (path, strategy = 0, kinds = '3') => {
    const id = call('add_route', `${kinds}\n${path}`, strategy);
    regexps.length = 0;
    for (const pattern of callText('patterns').split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return id;
  };
  const list = (path, bytes, { pieceBytes = border.pieceBytesMin, headers = '', type = 'a/b', anyQuery = false } = {}) =>
    call('manifest_add', [path, root, type].join('\n') + headers, bytes, pieceBytes, anyQuery);
  const route = (path, { method = 'GET', destination = '', cache = 'default', flags = 1 } = {}) =>
    call('route', [method, destination, cache, path].join('\n'), flags);
  const drain = (poll, id) => {
    const outputs = [];
    for (let kind; (kind = call(poll, id)) >= 0; ) outputs.push([kind, ...fields()]);
    return outputs;
  };
  return { call, callText, fields, size, addRoute, list, route, drain };
}

test('every route of the vectors is found, and no other', () => {
  for (const { case: name, routes, paths } of vectors('routes').match) {
    const { addRoute, route } = start();
    const byId = [];
    for (const path of routes) byId[addRoute(path)] = path;
    for (const [path, expected] of Object.entries(paths)) {
      const id = route(path);
      assert.equal(id < 0 ? null : byId[id], expected, `${name}: ${path}`);
    }
  }
});

test('a path that cannot be read is refused with a code', () => {
  for (const path of vectors('routes').refused) {
    const { callText, addRoute } = start();
    const id = addRoute(path);
    assert.ok(id < 0, path);
    assert.equal(callText('error_code', -id), 'malformed-route');
  }
});

test('requests that are never ours have no route', () => {
  const { addRoute, route } = start();
  addRoute('/');
  assert.equal(route('/a'), 0);
  const never = [
    { method: 'POST' },
    { method: 'HEAD' },
    { flags: 0 },
    { flags: 1 | 2 },
    { flags: 1 | 4 },
    { flags: 1 | 8 },
    { destination: 'worker' },
    { cache: 'only-if-cached' },
  ];
  for (const request of never) {
    assert.equal(route('/a', request), -1, JSON.stringify(request));
  }
  for (const path of [border.MANIFEST_PATH, '/peer-cdn/sw.js', `${border.DIGESTS_PATH}x`]) assert.equal(route(path), -1, path);
});

test('a disabled manifest routes nothing, and a later one does again', () => {
  const { call, addRoute, list, route } = start();
  addRoute('/');
  call('manifest_begin');
  call('manifest_commit', true);
  assert.equal(route('/a'), -1);
  call('manifest_begin');
  list('/a', 5);
  call('manifest_commit', false);
  assert.equal(route('/a'), 0);
  assert.equal(route('/b'), -2, 'not listed: the browser does it');
});

test('every Range header of the vectors gets its status, its Content-Range and its length', () => {
  for (const { case: name, header, bytes, status, contentRange } of vectors('ranges').range) {
    const { call, callText, fields, addRoute, list } = start();
    addRoute('/');
    call('manifest_begin');
    if (list('/f', bytes) !== 0) continue; // lengths that a manifest cannot have
    call('manifest_commit', false);
    const id = call('open_exchange', 0, `/f\n${header}\n`);
    const [listed] = fields();
    assert.equal(listed === 1, status !== 416, name);
    if (!listed) continue; // the origin answers
    const [, , ...pairs] = callText('head', id).split('\n');
    assert.equal(fields()[0], status, name);
    const head = Object.fromEntries(pairs.flatMap((each, i) => (i % 2 ? [] : [[each, pairs[i + 1]]])));
    if (status === 206) assert.equal(head['content-range'], contentRange, name);
    if (status === 200) assert.equal(head['content-length'], String(bytes), name);
  }
});

test("a head is the manifest's, and an If-Range that does not match makes the answer whole", () => {
  const { call, callText, fields, addRoute, list } = start();
  addRoute('/');
  call('manifest_begin');
  assert.equal(list('/f', 100000, { headers: '\ncache-control\nmax-age=5' }), 0);
  call('manifest_commit', false);
  const head = (range, ifRange) => {
    const id = call('open_exchange', 0, ['/f', range, ifRange].join('\n'));
    return [callText('head', id).split('\n'), fields()[0]];
  };
  const [texts, status] = head('bytes=0-1', `"${root}"`);
  assert.equal(status, 206);
  assert.deepEqual(texts, [
    root,
    'a/b',
    'cache-control',
    'max-age=5',
    'content-length',
    '2',
    'content-type',
    'a/b',
    'accept-ranges',
    'bytes',
    'etag',
    `"${root}"`,
    'content-range',
    'bytes 0-1/100000',
  ]);
  assert.equal(head('bytes=0-1', '"other"')[1], 200);
  assert.equal(head('bytes=0-1', 'W/"x"')[1], 200);
});

test('a listed file that becomes a document is taken as not listed', () => {
  const { call, fields, addRoute, list } = start();
  addRoute('/');
  call('manifest_begin');
  list('/f.svg', 5);
  call('manifest_commit', false);
  const listed = (destination) => {
    call('open_exchange', 0, ['/f.svg', '', '', destination].join('\n'));
    return fields()[0];
  };
  assert.deepEqual(['document', 'iframe', 'embed', 'object', 'image', ''].map(listed), [0, 0, 0, 0, 1, 1]);
});

test('bad entries of a manifest are refused with a code', () => {
  const { call, callText, list } = start();
  call('manifest_begin');
  const codes = [
    list('relative', 5),
    list('/a', 0),
    list('/a', 1.5),
    list('/a', -1),
    list('/a', NaN),
    list('/a', 5, { pieceBytes: 1000 }),
    list('/a', 5, { headers: '\nset-cookie\nx' }),
    call('manifest_add', ['/a', 'xyz', ''].join('\n'), 5, border.pieceBytesMin, false),
  ];
  for (const code of codes) {
    assert.equal(callText('error_code', code), 'malformed-manifest');
  }
  assert.equal(list('/a', 5), 0);
  assert.equal(callText('error_code', list('/a', 5)), 'malformed-manifest');
});

test('every chain of the vectors gives its outputs in order', () => {
  const EVENTS = {
    start: border.EVENT_START,
    null: border.EVENT_NULL,
    response: border.EVENT_RESPONSE,
    stored: border.EVENT_STORED_RESPONSE,
    stored_response: border.EVENT_STORED_RESPONSE,
    error: border.EVENT_ERROR,
    pending: border.EVENT_PENDING,
    timeout: border.EVENT_TIMEOUT,
    cancel: border.EVENT_CANCEL,
  };
  let steps = 0;
  for (const { case: name, strategy, plugins, steps: script } of vectors('chains').chains) {
    const { call, addRoute, drain } = start();
    addRoute('/', strategy === 'fastest' ? 1 : 0, plugins.map((each) => KINDS.indexOf(each)).join(''));
    const id = call('open_exchange', 0, '/x\n\n');
    for (const { do: action, at = 0, out = [] } of script) {
      const words = action.split(' ');
      const event = words[0] === 'answer' ? EVENTS[words[2]] : EVENTS[words[0]];
      if (event === undefined) break; // not an event of the border
      call('chain', id, event, Number(words[1] ?? 0), at);
      const outputs = drain('chain_poll', id).map(([kind, plugin]) =>
        chain[kind] === 'fallThrough' ? 'fall through' : `${chain[kind]} ${plugin}`,
      );
      const plain = (each) => each.replace(/[-_ ]/g, ' ');
      assert.deepEqual(outputs.map(plain), out.map(plain), `${name}: ${action}`);
      steps++;
    }
  }
  assert.ok(steps > 20, `${steps} steps`);
});

test('a body goes from window to store through the border, and leaves nothing behind', async () => {
  const { call, size, addRoute, drain } = start();
  const bytes = 3 * border.pieceBytesMin + 5;
  const pieces = [...Array(3).fill(border.pieceBytesMin), 5].map((length, i) => new Uint8Array(length).fill(i));
  const digests = await Promise.all(pieces.map((piece) => crypto.subtle.digest('SHA-256', piece)));
  addRoute('/');
  call('manifest_begin');
  call('manifest_add', ['/f', root, ''].join('\n'), bytes, border.pieceBytesMin, false);
  call('manifest_commit', false);
  const streams = new Set();
  for (let round = 0; round < 200; round++) {
    const exchange = call('open_exchange', 0, '/f\n\n');
    call('held_begin');
    const id = call('open_body', exchange, border.PLUGIN_NETWORK, true);
    assert.ok(id > 0);
    const list = new Uint8Array(128);
    digests.forEach((digest, i) => list.set(new Uint8Array(digest), 32 * i));
    assert.equal(call('body_digests', id, list.buffer.slice(0, 96)), 0);
    assert.equal(call('body_digests', id, list.buffer), 1);
    call('body_start', id, 0);
    const [[kind, job, first, stream, ...asked]] = drain('body_poll', id);
    assert.deepEqual([kind, job, first, ...asked.slice(0, 5)], [body.indexOf('fetch'), 1, 0, 0, 4, 1, 0, 0]);
    assert.ok(!streams.has(stream), 'of all bodies');
    streams.add(stream);
    call('body_head', id, 1, 200, 'basic\n\n\n\n', 0);
    assert.deepEqual(
      drain('body_poll', id).map((each) => each.slice(0, 4)),
      [[body.indexOf('accept'), 1, 0, 4]],
    );
    call('body_pull', id, 1 << 20, 0);
    for (const [i, piece] of pieces.entries()) assert.equal(call('body_digest', id, 1, i, piece.length, digests[i], 0), 1);
    const outputs = drain('body_poll', id);
    assert.deepEqual(outputs.map(([kind]) => body[kind]).sort(), [
      'close',
      'done',
      'enqueue',
      'enqueue',
      'enqueue',
      'enqueue',
      'store',
    ]);
    call('body_counts', id);
    assert.equal(call('close_body', id), 0);
    call('close_exchange', exchange);
    if (round === 20) start.bytes = size();
  }
  assert.equal(size(), start.bytes, 'the heap does not grow');
  assert.equal(call('body_poll', 1), -1, 'a closed body says nothing');
});

test('the store is counted and makes room through the border', () => {
  const { call, callText, list } = start();
  call('manifest_begin');
  assert.equal(list('/f', 3 * border.pieceBytesMin), 0);
  call('manifest_commit', false);
  const old = 'cd'.repeat(32);
  call('store_quota', 3 * border.pieceBytesMin + border.segmentBytes, 0);
  call('store_count');
  call('store_add', 0, 3, root);
  call('store_add', 0, 1, old); // not listed: counted as a segment
  assert.equal(call('store_fits', 0, 0, root), 1);
  assert.equal(call('store_fits', 0, 1, root), 0);
  assert.equal(callText('store_make_room', 0, 1, false, root), old);
  assert.equal(call('store_fits', 0, 1, root), 1);
  // What is being stored does not give way to itself.
  assert.equal(callText('store_make_room', 0, 1, true, root), 'storage-full');
});

test('texts cross as UTF-8, and a trap is an error that can be caught', () => {
  const { call, callText, addRoute } = start();
  assert.equal(addRoute('/a/:x([\u00e4\u20ac]+)'), 0);
  assert.equal(callText('patterns'), '\n[\u00e4\u20ac]+');
  assert.throws(() => call('open_exchange', 0xfffffff, '/x'), WebAssembly.RuntimeError);
});
