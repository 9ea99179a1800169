// The worker's border: what routes, ranges, chains and bodies say through the wasm, against the vectors of the core.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as border from '../../build/border.js';
import wasm from '../../build/worker.wasm.js';
import { perform } from '../../sw/commands.js';
import { startCore } from '../../sw/core.js';

const vectors = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url)));
const { PLUGIN_CACHE, PLUGIN_NETWORK, PLUGIN_USER } = border;
/** The names of commands by their numbers. */
const names = [];
for (const [name, number] of Object.entries(border)) {
  if (name.startsWith('DO_'))
    names[number] = name
      .slice(3)
      .toLowerCase()
      .replace(/_./g, (each) => each[1].toUpperCase());
}
const exported = { ...border };
const root = 'ab'.repeat(32);
const zeros = new ArrayBuffer(32);
const epoch = 1e12;

/**
 * A core with a host around it, whose origin gives pieces that are as they should be: of one piece the root is the digest,
 * of several each digest is zero.
 */
function start({ plugins = [PLUGIN_NETWORK], strategy = border.STRATEGY_ORDERED, path = '/' } = {}) {
  const regexps = [];
  const core = startCore(wasm, (pattern, text) => regexps[pattern].test(text));
  const call = (name, ...args) => core.call(exported[name.toUpperCase()], args);
  const callText = (name, ...args) => core.callText(exported[name.toUpperCase()], args);
  const files = new Map();
  const host = { now: 1000, call, callText, memory: core.memory, timeout: core.due };

  host.addRoute = (route, kinds = [PLUGIN_USER], how = border.STRATEGY_ORDERED) => {
    for (const kind of kinds) call('route_plugin', kind, 0, 0.2);
    const id = call('add_route', route, how);
    regexps.length = 0;
    for (const pattern of callText('patterns').split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return id;
  };
  host.list = (path, bytes, { pieceBytes = 65536, headers = '', type = 'a/b', anyQuery = false } = {}) => {
    files.set(path, { bytes, pieceBytes, type });
    return call('manifest_add', [path, root, type, ''].join('\n') + headers, bytes, pieceBytes, anyQuery);
  };
  /** The manifest is in memory and new, and the store is listed. */
  host.begin = (...listed) => {
    call('manifest_begin');
    const codes = listed.map((each) => host.list(...each));
    call('manifest_commit', false, false);
    call('manifest_loaded', '', border.FETCH_OTHER, epoch, host.now);
    call('store_holds', '', 0, 0, true, 0, 0);
    call('store_listed', true, host.now);
    host.take();
    return codes;
  };
  host.open = (path, asked = {}) => {
    const { method = 'GET', destination = '', cache = 'default', range = '', ifRange = '', ifNoneMatch = '' } = asked;
    const { sameOrigin = true, own = [], page = 1, wall = epoch } = asked;
    const conditions = [range, ifRange, '', '', ifNoneMatch, ''];
    const manner = ['cors', cache, 'same-origin', 1, '', ...own];
    const words = [method, destination, 'follow', '', path, ...conditions, ...manner].join('\n');
    return call('open_exchange', words, sameOrigin, page, host.now, wall);
  };
  /** What the core said since it was last asked: name, then fields; of a head its text is the last, of an error its code. */
  host.take = () => {
    const said = [];
    const hear = (number, fields) => {
      const name = names[number];
      if (name === 'open' || name === 'answerEmpty') fields.push(callText('head', fields[0]));
      if (name === 'begin') fields.push(callText('resource', fields[0]));
      if (['break', 'transfer', 'report'].includes(name)) {
        const error = fields.pop();
        fields.push(error ? callText('error_code', error) : '');
      }
      said.push([name, ...fields]);
    };
    perform(
      core,
      new Proxy(
        {},
        {
          get: (_, number) => (fields) => hear(Number(number), Object.values(fields).map(Number)),
        },
      ),
    );
    return said;
  };

  /** Performs what the core decides until nothing is left to do; gives all that it said. */
  host.run = (path, sent = {}) => {
    const { bytes, pieceBytes, type } = files.get(path);
    const count = Math.ceil(bytes / pieceBytes);
    const digest = count === 1 ? Uint8Array.from(Buffer.from(root, 'hex')).buffer : zeros;
    const length = (piece) => Math.min(pieceBytes, bytes - piece * pieceBytes);
    const streams = new Map();
    const all = [];
    for (;;) {
      const batch = host.take();
      if (batch.length === 0) return all;
      all.push(...batch);
      for (const [name, ...fields] of batch) {
        if (name === 'needRecord')
          call('record_read', `${callText('resource', fields[0]).split('\n')[0]}\n`, fields[0], host.now);
        if (name === 'needList') {
          const text = Buffer.concat([Buffer.from(root), Buffer.from(root, 'hex'), Buffer.alloc(32 * count)]);
          assert.equal(call('list', Uint8Array.from(text).buffer, 200), 0);
        }
        if (name === 'openStream') {
          const [, stream, begin, end, whole] = fields;
          streams.set(stream, begin);
          const first = begin * pieceBytes;
          const range = `bytes ${first}-${Math.min(bytes, end * pieceBytes) - 1}/${bytes}`;
          const headers = { 'content-type': type, ...sent, ...(whole ? {} : { 'content-range': range }) };
          call('stream_head', ['basic', 'OK', ...Object.entries(headers).flat()].join('\n'), stream, whole ? 200 : 206, host.now);
        }
        if (name === 'accept') {
          const [stream, until] = fields;
          for (let piece = streams.get(stream); piece < until; piece++) {
            call('stream_piece', digest, stream, piece, length(piece), host.now);
          }
          streams.set(stream, Math.max(until, streams.get(stream)));
        }
        if (name === 'read') {
          const [body, job, , , begin, end] = fields;
          for (let piece = begin; piece < end; piece++) call('digest', digest, body, job, piece, length(piece), host.now);
        }
        if (name === 'enqueue') call('pull', fields[0], 1 << 20, host.now);
      }
    }
  };
  if (plugins) host.addRoute(path, plugins, strategy);
  return host;
}

const find = (commands, name) => commands.find(([each]) => each === name)?.slice(1);

/** The head of the response, as the command has it. */
function headOf(host, path, options, sent) {
  assert.ok(host.open(path, options) > 0);
  const [status, ...pairs] = find(host.run(path, sent), 'open')[2].split('\n');
  return { status: Number(status.slice(0, 3)), pairs, of: (name) => pairs[pairs.indexOf(name) + 1] };
}

test('every route of the vectors is found, and no other', () => {
  for (const { case: name, routes, paths } of vectors('routes').match) {
    const host = start({ plugins: null });
    const byId = [];
    for (const path of routes) byId[host.addRoute(path)] = path;
    host.begin();
    for (const [path, expected] of Object.entries(paths)) {
      const id = host.open(path);
      const asked = find(host.take(), 'ask');
      assert.equal(id > 0, expected !== null, `${name}: ${path}`);
      if (expected !== null) assert.deepEqual([asked[0], byId[asked[1]], asked[2]], [id, expected, 0], `${name}: ${path}`);
    }
  }
});

test('a path that cannot be read is refused with a code', () => {
  for (const path of vectors('routes').refused) {
    const { callText, addRoute } = start({ plugins: null });
    const id = addRoute(path);
    assert.ok(id < 0, path);
    assert.equal(callText('error_code', -id), 'malformed-route');
  }
});

test('requests that are never ours open nothing', () => {
  const { open, begin, take } = start({ plugins: [PLUGIN_USER] });
  begin();
  assert.ok(open('/a') > 0);
  take();
  const never = [
    { method: 'POST' },
    { method: 'HEAD' },
    { sameOrigin: false },
    { own: ['authorization', ''] },
    { own: ['accept', '*/*', border.BYPASS_HEADER, 'bypass'] },
    { ifNoneMatch: '"1"' },
    { destination: 'worker' },
    { cache: 'only-if-cached' },
  ];
  for (const request of never) assert.equal(open('/a', request), 0, JSON.stringify(request));
  for (const path of ['/peer-cdn.json', '/peer-cdn/sw.js', '/peer-cdn/digests/x']) assert.equal(open(path), 0, path);
  assert.deepEqual(take(), []);
});

test('a disabled manifest routes nothing, and a later one does again', () => {
  const { call, begin, open } = start();
  begin();
  call('manifest_begin');
  call('manifest_commit', true, false);
  assert.equal(open('/a'), 0);
  begin(['/a', 5]);
  assert.ok(open('/a') > 0);
  assert.equal(open('/b'), 0, 'not listed: the browser does it');
});

test('every Range header of the vectors gets its status, its Content-Range and its length', () => {
  let heads = 0;
  for (const { case: name, header, bytes, status, contentRange } of vectors('ranges').range) {
    const host = start();
    if (host.begin(['/f', bytes])[0] !== 0) continue; // lengths that a manifest cannot have
    host.call('page_hello', 1, true, host.now);
    if (status !== 206 && header !== '') {
      host.open('/f', { range: header });
      assert.equal(find(host.take(), 'begin'), undefined, `${name}: the origin answers`);
      continue;
    }
    const head = headOf(host, '/f', { range: header }, { 'content-length': String(bytes) });
    assert.equal(head.status, status, name);
    if (status === 206) assert.equal(head.of('content-range'), contentRange, name);
    if (status === 200) assert.equal(head.of('content-length'), String(bytes), name);
    heads++;
  }
  assert.ok(heads > 10, `${heads} heads`);
});

test("a head is the origin's where it was seen, and a validator that nobody gave is the origin's to judge", () => {
  const host = start();
  host.begin(['/f', 100000, { headers: '\ncache-control\nmax-age=5' }]);
  const sent = { etag: '"1"', 'x-own': 'yes' };
  const { status, pairs } = headOf(host, '/f', { range: 'bytes=0-1', ifRange: `"${root}"` }, sent);
  assert.equal(status, 206);
  assert.deepEqual(pairs, [
    ...['content-type', 'a/b'],
    ...['x-own', 'yes'],
    ...['etag', '"1"'],
    ...['content-length', '2'],
    ...['content-range', 'bytes 0-1/100000'],
  ]);
  for (const ifRange of ['"other"', 'W/"1"']) {
    assert.ok(host.open('/f', { range: 'bytes=0-1', ifRange }) > 0);
    const said = host.take();
    assert.equal(find(said, 'begin'), undefined, ifRange);
    assert.equal(find(said, 'through').at(-1), 1, `${ifRange}: listed`);
  }
});

test('a tag that was given makes a 304, and HEAD has the head that was seen', () => {
  const host = start();
  host.begin(['/f', 100]);
  headOf(host, '/f', {}, { etag: '"1"', 'content-length': '100' });
  const empty = (options) => {
    assert.ok(host.open('/f', options) > 0);
    return find(host.take(), 'answerEmpty')[1].split('\n');
  };
  assert.deepEqual(empty({ ifNoneMatch: 'W/"1"' }), ['304 Not Modified', 'etag', '"1"']);
  assert.deepEqual(empty({ method: 'HEAD' }), ['200 OK', 'content-type', 'a/b', 'content-length', '100', 'etag', '"1"']);
});

test('a listed file that becomes a document is taken as not listed', () => {
  const host = start({ plugins: [PLUGIN_USER] });
  host.begin(['/f.svg', 5]);
  const isListed = (destination) => {
    host.open('/f.svg', { destination });
    return find(host.take(), 'begin') !== undefined;
  };
  const destinations = ['document', 'iframe', 'embed', 'object', 'image', ''];
  assert.deepEqual(destinations.map(isListed), [false, false, false, false, true, true]);
});

test('a request begins with what its resource is', () => {
  const host = start();
  host.begin(['/f', 70000]);
  const id = host.open('/f', { range: 'bytes=1-9' });
  assert.deepEqual(find(host.take(), 'begin'), [id, 70000, 65536, 9, `${root}?/f\na/b\n`]);
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
    call('manifest_add', ['/a', 'xyz', '', ''].join('\n'), 5, border.pieceBytesMin, false),
  ];
  for (const code of codes) {
    assert.equal(callText('error_code', code), 'malformed-manifest');
  }
  assert.equal(list('/a', 5), 0);
  assert.equal(callText('error_code', list('/a', 5)), 'malformed-manifest');
});

test('chains of middlewares go as the vectors say', () => {
  const words = { ask: 'start', giveUp: 'give-up', respond: 'respond', put: 'put', fallThrough: 'fall-through' };
  let steps = 0;
  for (const { case: name, strategy, plugins, steps: script } of vectors('chains').chains) {
    // Where it matters whose plugin it is, C++ alone reads them.
    if (plugins.length === 0 || script.some((each) => /pending|timeout|stored/.test(each.do))) continue;
    const host = start({
      plugins: plugins.map(() => PLUGIN_USER),
      strategy: strategy === 'fastest' ? border.STRATEGY_FASTEST : border.STRATEGY_ORDERED,
    });
    host.begin();
    let id = 0;
    for (const { do: action, out } of script) {
      const [verb, plugin, answer] = action.split(' ');
      if (verb === 'start') id = host.open('/x');
      else host.call('answer', id, Number(plugin), answer === 'response', 0, host.now);
      const said = host
        .take()
        .filter(([command]) => words[command])
        .map(([command, of, ...fields]) => {
          assert.equal(of, id);
          return command === 'fallThrough' ? words[command] : `${words[command]} ${fields.at(command === 'ask' ? 1 : 0)}`;
        });
      // A middleware cannot be broken off.
      const expected = out.filter((each) => !each.startsWith('abort'));
      assert.deepEqual(said, expected, `${name}: ${action}`);
      steps++;
    }
  }
  assert.ok(steps > 15, `${steps} steps`);
});

test('a request goes from the origin to the store through the border, and leaves nothing behind', () => {
  const host = start({ plugins: [PLUGIN_CACHE, PLUGIN_NETWORK] });
  const bytes = 3 * 65536 + 5;
  host.begin(['/f', bytes]);
  const streams = new Set();
  let size = 0;
  for (let round = 0; round < 200; round++) {
    const id = host.open('/f');
    const all = host.run('/f');
    const [body, stream, ...asked] = find(all, 'openStream');
    assert.deepEqual(asked, [0, 4, 1, 1, border.CACHE_PAGE, 0, 0]);
    assert.ok(!streams.has(stream), 'each has a number of its own');
    streams.add(stream);
    assert.deepEqual(find(all, 'respond'), [id, 1, body, 1]);
    assert.deepEqual(
      all.filter(([name]) => name === 'enqueue').map((each) => each.slice(1)),
      [0, 1, 2, 3].map((piece) => [body, piece, 0, piece < 3 ? 65536 : 5]),
    );
    const job = find(all, 'store')[1];
    assert.deepEqual(find(all, 'store'), [body, job, stream, 0, 4, 1]);
    assert.ok(all.some(([name]) => name === 'writeNext'));
    assert.deepEqual(find(all, 'transfer').toSpliced(5, 1), [body, 0, 0, bytes, 0, 1, '']);
    assert.deepEqual(find(all, 'over'), [id]);
    // It could not be stored, or the next one would be read from there.
    assert.equal(host.call('store_done', root, body, 0, 4, border.STORE_FULL, 1, host.now), -1);
    const told = host.call('store_done', root, body, 0, 4, border.STORE_FULL, 2, host.now);
    assert.equal(told && host.callText('error_code', told), round === 0 ? 'storage-full' : 0);
    // News are told a moment later.
    assert.ok(host.timeout() > host.now);
    host.now = host.timeout();
    host.call('timeout', host.now);
    assert.deepEqual(host.take(), [['tellNews']]);
    assert.equal(host.timeout(), -1);
    if (round === 20) size = host.memory().byteLength;
  }
  assert.equal(host.memory().byteLength, size, 'the heap does not grow');
});

test('what is stored is read from the store', () => {
  const host = start({ plugins: [PLUGIN_CACHE, PLUGIN_NETWORK] });
  host.begin(['/f', 3 * 65536]);
  host.call('store_holds', root, 0, 2, true, 0, 0);
  host.call('store_holds', root, 2, 3, false, 0, 0);
  host.open('/f');
  const all = host.run('/f');
  assert.deepEqual(
    all.filter(([name]) => name === 'read').map((each) => each.slice(3)),
    [
      [0, 2, 0, 2],
      [2, 3, 2, 3],
    ],
  );
  assert.deepEqual(find(all, 'transfer').slice(1, 4), [3 * 65536, 0, 0]);
});

test('the store is counted and makes room through the border', () => {
  const { call, callText, list } = start();
  call('manifest_begin');
  assert.equal(list('/f', 3 * border.pieceBytesMin), 0);
  call('manifest_commit', false, false);
  const old = 'cd'.repeat(32);
  // What is not listed counts as a segment.
  const asked = 3 * 65536 + 1048576;
  call('store_holds', root, 0, 3, true, asked, 0);
  call('store_holds', old, 0, 1, false, asked, 0);
  assert.equal(callText('store_make_room', '', 0, 0, false), '');
  assert.equal(callText('store_make_room', root, 0, 1, false), old);
  // What is being stored does not give way to itself.
  assert.equal(callText('store_make_room', root, 0, 1, true), 'storage-full');
  assert.equal(callText('store_make_room', root, 0, 1, false), '', 'something was dropped meanwhile');
  call('store_holds', old, 0, 1, false, asked, 0);
  assert.equal(callText('drop_unlisted'), old);
});

test('the core says when it is to be told of the time', () => {
  const host = start();
  host.begin(['/f', 5]);
  host.now += 60_000;
  host.open('/f', { page: 0, wall: epoch + 60_000 });
  assert.deepEqual(host.take(), [['fetchManifest']]);
  const asked = host.timeout();
  assert.equal(asked, host.now + border.manifestWait);
  host.call('timeout', asked);
  assert.ok(find(host.take(), 'openStream'));
  // Pages hear that the worker is busy, a while later because a response waits for its first byte.
  host.call('timeout', host.timeout());
  assert.deepEqual(host.take(), []);
  host.call('timeout', host.timeout());
  assert.deepEqual(host.take(), [['tellNews'], ['busy', 1]]);
  // Peers are asked beside an origin that is silent for so long (limits::origin_silence).
  assert.equal(host.timeout(), asked + 60_000);
});

test('commands of several calls lie in the mailbox, each with its own text', () => {
  const host = start({ plugins: [PLUGIN_USER] });
  host.begin(['/f', 5, { type: 'text/f' }], ['/g', 5, { type: '' }]);
  const ids = ['/f', '/g', '/h', '/f'].map((path) => host.open(path));
  const begins = host.take().filter(([name]) => name === 'begin');
  assert.deepEqual(
    begins.map((each) => [each[1], each.at(-1)]),
    [
      [ids[0], `${root}?/f\ntext/f\n`],
      [ids[1], `${root}?/g\n\n`],
      [ids[3], `${root}?/f\ntext/f\n`],
    ],
  );
  assert.deepEqual(host.take(), []);
});

test('what is told of numbers that are not open any more, or never were, says nothing', () => {
  const host = start();
  host.begin(['/f', 5]);
  host.open('/f');
  const body = find(host.run('/f'), 'openStream')[0];
  for (const number of [body, 12345]) {
    host.call('pull', number, 1, host.now);
    host.call('cancel', number, host.now);
    host.call('digest', zeros, number, 1, 0, 5, host.now);
    host.call('run_gone', '', number, 1, host.now);
    host.call('job_end', 'peer-gone', number, 1, host.now);
    host.call('page_piece', number, 1, 0, 5, border.SOURCE_PEERS, 0, host.now);
    host.call('page_pending', number, 1, true, host.now);
    host.call('page_alive', number, 1, host.now);
    host.call('page_reply', number, 1, 200, 5, host.now);
    host.call('page_gone', number, host.now);
    host.call('stream_head', 'basic', number, 200, host.now);
    host.call('stream_piece', zeros, number, 0, 5, host.now);
    host.call('stream_rate', number, 5, host.now);
    host.call('stream_end', '', number, host.now);
    assert.equal(host.call('answer', number, 0, true, 0, host.now), 0);
    assert.equal(host.call('get', number, PLUGIN_NETWORK, 0, 0, host.now), 0);
  }
  assert.deepEqual(host.take(), []);
});

test('texts cross as UTF-8, long ones too, and a trap is an error that can be caught', () => {
  const { call, callText, addRoute, begin, open, take } = start({ plugins: null });
  assert.equal(addRoute('/a/:x([\u00e4\u20ac]+)'), 0);
  assert.equal(callText('patterns'), '\n[\u00e4\u20ac]+');
  const long = `/${'\u20ac'.repeat(600)}`;
  assert.equal(addRoute(long), 1);
  begin();
  assert.ok(open(`/a/\u20ac?${'x'.repeat(20_000)}`) > 0);
  assert.equal(find(take(), 'ask')[1], 0);
  assert.throws(() => call('text_in', 0xffffffff), WebAssembly.RuntimeError);
});
