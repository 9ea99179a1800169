// The coordinator's border: text in, text out, and nothing left behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COORDINATOR_INBOX, inboxBytes, messageBytes, outboxBytes, protocolVersion } from '../../build/border.js';
import wasmBinary from '../../build/coordinator.wasm.js';
import { Engine } from '../../src/server/engine.js';
import { nowhere } from '../../src/server/places.js';
import { RunningEngine } from '../../src/server/running-engine.js';

const root = 'ab'.repeat(32);
const site = 'https://a.example';
const helloOf = (digit, more) => JSON.stringify({ type: 'hello', version: protocolVersion, browser: digit.repeat(32), ...more });

/** The texts of whole frames, as a server sends them: not masked, one for each message. */
function textsOf(frames) {
  const texts = [];
  for (let at = 0; at < frames.length; ) {
    assert.equal(frames[at], 0x81);
    assert(frames[at + 1] <= 126);
    const isLong = frames[at + 1] === 126;
    const length = isLong ? frames.readUInt16BE(at + 2) : frames[at + 1];
    assert.equal(isLong, length > 125);
    at += isLong ? 4 : 2;
    assert(at + length <= frames.length);
    texts.push(JSON.parse(frames.toString('utf8', at, at + length)));
    at += length;
  }
  return texts;
}

/** An engine, and its orders as objects, one for each message, from when they were taken last. */
function open() {
  const engine = new Engine(0x80000001, 7);
  const orders = [];
  const host = {
    send: (peer, frames) => orders.push(...textsOf(frames).map((text) => ({ kind: 'send', peer, text }))),
    sendAll: (peers, frames) => orders.push(...textsOf(frames).map((text) => ({ kind: 'sendAll', peers: [...peers], text }))),
    renumber: (from, to) => orders.push({ kind: 'renumber', from, to }),
    close: (peer, code) => orders.push({ kind: 'close', peer, code }),
  };
  const done = (result) => {
    engine.perform(host);
    return result;
  };
  return {
    put: (peer, text) => engine.put(peer, Buffer.from(text)),
    flush: (now = 1) => done(engine.take(now)),
    say(peer, text, now = 1) {
      engine.put(peer, Buffer.from(text));
      done(engine.take(now));
    },
    join: (now = 1) => done(engine.join(site, nowhere, now)),
    leave: (peer, now = 1) => done(engine.leave(peer, now)),
    wake: (now) => done(engine.wake(now)),
    fits: (bytes) => engine.fits(bytes),
    timeout: () => engine.timeout,
    stats: () => engine.stats(),
    take: () => orders.splice(0),
  };
}

function pairOf(engine, more) {
  const ann = engine.join();
  engine.say(ann, helloOf('a', more));
  engine.say(ann, JSON.stringify({ type: 'have', add: [root] }));
  const bob = engine.join();
  engine.say(bob, helloOf('b', more));
  engine.say(bob, JSON.stringify({ type: 'ask', roots: [root] }));
  return { ann, bob };
}

test('numbers of peers are unsigned and the same in both directions', () => {
  const peers = new Set();
  for (let seed = 0; seed < 50; seed++) {
    const engine = new Engine(seed, 0xffffffff - seed);
    const peer = engine.join(site, nowhere, 1);
    assert(Number.isInteger(peer) && peer > 0 && peer <= 0xffffffff);
    engine.put(peer, Buffer.from(helloOf('a')));
    engine.take(1);
    engine.perform({
      send(to, frames) {
        assert.equal(to, peer);
        assert.equal(textsOf(frames)[0].peer, peer);
      },
    });
    peers.add(peer);
  }
  assert([...peers].some((peer) => peer > 0x7fffffff));
});

const mark = root.slice(0, 8);

test('a whole introduction, in the words that version 1 began with', () => {
  const engine = open();
  const { ann, bob } = pairOf(engine);
  assert.deepEqual(engine.take(), [
    { kind: 'send', peer: ann, text: { type: 'welcome', version: protocolVersion, peer: ann } },
    { kind: 'send', peer: ann, text: { type: 'present', add: [], remove: [] } },
    { kind: 'send', peer: bob, text: { type: 'welcome', version: protocolVersion, peer: bob } },
    { kind: 'send', peer: bob, text: { type: 'present', add: [mark], remove: [] } },
    { kind: 'send', peer: ann, text: { type: 'introduce', peer: bob, offer: true } },
    { kind: 'send', peer: bob, text: { type: 'introduce', peer: ann, offer: false } },
    { kind: 'send', peer: bob, text: { type: 'answer', roots: [root], peers: [1] } },
  ]);
  engine.wake(engine.timeout());
  assert.deepEqual(engine.take(), [{ kind: 'sendAll', peers: [ann, bob], text: { type: 'present', add: [mark], remove: [] } }]);
  engine.leave(ann, 2000);
  assert.deepEqual(engine.take(), [{ kind: 'send', peer: bob, text: { type: 'gone', peer: ann } }]);
});

test('a lean asker is introduced in its answer, which comes with the offer', () => {
  const engine = open();
  const { ann, bob } = pairOf(engine, { lean: true });
  const orders = engine.take();
  assert.deepEqual(orders[0].text[0], { type: 'welcome', version: protocolVersion, peer: ann, lean: true });
  assert.deepEqual(orders.at(-1), { kind: 'send', peer: ann, text: { type: 'introduce', peer: bob, offer: true } });
  const description = { type: 'offer', sdp: 'v=0' };
  engine.say(ann, JSON.stringify({ type: 'signal', peer: bob, description }), 2);
  assert.deepEqual(engine.take(), [
    {
      kind: 'send',
      peer: bob,
      text: [
        { type: 'answer', roots: [root], peers: [1], introduced: [ann] },
        { type: 'signal', peer: ann, description },
      ],
    },
  ]);
});

test('several messages for a lean peer are one, a list, as long as it is short enough', () => {
  const engine = open();
  const { ann, bob } = pairOf(engine, { lean: true });
  engine.wake(1000);
  engine.take();
  engine.put(ann, '{"type":"ask"}');
  engine.put(bob, '{"type":"ask"}');
  engine.put(bob, '{"type":"ask"}');
  engine.flush();
  const answer = { type: 'answer', roots: [], peers: [] };
  assert.deepEqual(engine.take(), [
    { kind: 'send', peer: ann, text: answer },
    { kind: 'send', peer: bob, text: [answer, answer] },
  ]);
  const sdp = 'v'.repeat(7000);
  for (let i = 0; i < 5; i++) {
    engine.put(ann, JSON.stringify({ type: 'signal', peer: bob, description: { type: 'offer', sdp } }));
  }
  engine.flush();
  assert.deepEqual(
    engine.take().map(({ text }) => text.length),
    [2, 2, undefined],
  );
});

test('what one turn brings for a socket is one write, in order', () => {
  const engine = new Engine(1, 2);
  const ann = engine.join(site, nowhere, 1);
  const bob = engine.join(site, nowhere, 1);
  engine.put(ann, Buffer.from(helloOf('a')));
  engine.put(bob, Buffer.from(helloOf('b')));
  engine.put(ann, Buffer.from('{"type":"ask"}'));
  engine.put(bob, Buffer.from('{"type":"dance"}'));
  engine.put(ann, Buffer.from('{"type":"ask"}'));
  engine.take(1);
  const done = [];
  engine.perform({
    send: (peer, frames) => done.push([peer, ...textsOf(frames).map(({ type }) => type)]),
    close: (peer, code) => done.push([peer, code]),
  });
  assert.deepEqual(done, [
    [ann, 'welcome', 'present', 'answer'],
    [bob, 'welcome', 'present', 'error'],
    [bob, 'unknown-message'],
    [ann, 'answer'],
  ]);
});

test('frames that a socket has not written yet are left as they are, whatever comes next', () => {
  const engine = new Engine(1, 2);
  const kept = [];
  const join = (isFree) => {
    engine.put(engine.join(site, nowhere, 1), Buffer.from(helloOf('a')));
    engine.take(1);
    engine.perform({ send: (_, frames) => kept.push({ frames, text: frames.toString('latin1') }) > 0 && isFree });
  };
  for (const isFree of [false, true, true, false, false, true]) join(isFree);
  const held = [0, 3, 4];
  for (const i of held) assert.equal(kept[i].frames.toString('latin1'), kept[i].text);
  // The memory of those that were written is used again.
  assert.equal(kept[1].frames.buffer, kept[2].frames.buffer);
  assert.equal(new Set(kept.map(({ frames }) => frames.buffer)).size, kept.length - 2);
});

test('who answers at once, within an order, changes nothing of the orders that follow', () => {
  const engine = new Engine(1, 2);
  const join = () => engine.join(site, nowhere, 1);
  const hello = (peer, browser) => engine.put(peer, Buffer.from(helloOf(browser)));
  const come = (count) => {
    for (const [i, peer] of Array.from({ length: count }, join).entries()) hello(peer, `${i % 10}`);
    engine.take(1);
  };
  come(10);
  const welcomed = [];
  engine.perform({
    send(peer, frames) {
      welcomed.push([peer, textsOf(frames)[0].peer]);
      if (welcomed.length > 1) return true;
      // More come meanwhile, for whom the core writes more.
      come(100);
      engine.perform({ send: () => true, sendAll: () => true });
      return true;
    },
  });
  assert.equal(welcomed.length, 10);
  for (const [to, peer] of welcomed) assert.equal(to, peer);
});

test('who answers at once, while the host calls for something else, is heard', () => {
  const joins = [];
  const refused = [];
  const running = new RunningEngine(
    {
      send(peer, frames) {
        if (textsOf(frames)[0].type === 'welcome') running.hear(peer, Buffer.from('{"type":"ask"}'));
        return true;
      },
      close: (peer, code) => refused.push([peer, code]),
    },
    assert.fail,
  );
  const join = () => joins.push(running.enter((engine, now) => engine.join(site, nowhere, now)));
  join();
  running.hear(joins[0], Buffer.from(helloOf('a')));
  // The hello is taken first, and its welcome answered, before the next visitor joins.
  join();
  running.enter(() => {});
  assert.deepEqual(refused, []);
  assert.equal(running.stats().peers, 2);
});

test('a crowd that comes at once to a site with many files is told of them in parts', () => {
  const engine = new Engine(1, 2);
  const told = new Map();
  let most = 0;
  const takeAll = () => {
    for (let parts = 1; ; parts++) {
      engine.take(1);
      engine.perform({
        send(peer, frames) {
          most = Math.max(most, frames.buffer.byteLength);
          told.set(peer, (told.get(peer) ?? []).concat(textsOf(frames)));
          return true;
        },
      });
      if (!engine.hasMail) return parts;
    }
  };
  const join = () => engine.join(site, nowhere, 1);
  let count = 0;
  for (let holder = 0; holder < 10; holder++) {
    const peer = join();
    engine.put(peer, Buffer.from(helloOf('a')));
    for (let i = 0; i < 20; i++) {
      const add = Array.from({ length: 100 }, () => (count++).toString(16).padStart(8, '0').padEnd(64, 'a'));
      engine.put(peer, Buffer.from(JSON.stringify({ type: 'have', add })));
    }
    takeAll();
  }
  told.clear();
  most = 0;
  const crowd = Array.from({ length: 200 }, join);
  for (const peer of crowd) engine.put(peer, Buffer.from(helloOf('b')));
  engine.put(crowd[199], Buffer.from('{"type":"ask"}'));
  assert(takeAll() > 1);
  assert(most < 2 * outboxBytes, `${most} bytes at once`);
  for (const peer of crowd) {
    const marks = told.get(peer).reduce((sum, { add = [] }) => sum + add.length, 0);
    assert.equal(marks, count);
  }
  assert.equal(told.get(crowd[199]).at(-1).type, 'answer');
});

test('what a peer said in the turn in which it got its number of before is its own', () => {
  const engine = open();
  const ann = engine.join();
  engine.put(ann, helloOf('a', { peer: 12345 }));
  engine.put(ann, JSON.stringify({ type: 'ask', roots: [] }));
  engine.flush();
  const orders = engine.take();
  assert.deepEqual(orders[0], { kind: 'renumber', from: ann, to: 12345 });
  assert.deepEqual(
    orders.slice(1).map(({ peer, text }) => [peer, text.type]),
    [
      [12345, 'welcome'],
      [12345, 'present'],
      [12345, 'answer'],
    ],
  );
});

test('the inbox says when it is full', () => {
  const engine = open();
  const peer = engine.join();
  const text = `"${'x'.repeat(messageBytes - 2)}"`;
  let count = 0;
  for (; engine.fits(text.length); count++) engine.put(peer, text);
  assert.equal(count, Math.floor(inboxBytes / (messageBytes + 8)));
  engine.flush();
  assert.equal(engine.take().length, 2);
  assert(engine.fits(text.length));
});

test('texts cross as they are', () => {
  const engine = open();
  const { ann, bob } = pairOf(engine);
  for (const sdp of ['', 'v=0\r\n', '"\\\u0000\u001f</script>', 'caf\u00e9 \u2603 \ud83d\ude00', '\u0080\u07ff\uffff']) {
    engine.take();
    engine.say(ann, JSON.stringify({ type: 'signal', peer: bob, description: { type: 'offer', sdp } }), 2);
    const text = { type: 'signal', peer: ann, description: { type: 'offer', sdp } };
    assert.deepEqual(engine.take(), [{ kind: 'send', peer: bob, text }]);
  }
});

const refused = [
  ['', 'malformed-message'],
  ['null', 'malformed-message'],
  ['"hello"', 'malformed-message'],
  ['{"type":"have"', 'malformed-message'],
  ['{"type":"ask","roots":"x"} x', 'malformed-message'],
  ['{"type":1}', 'malformed-message'],
  ['{"type":"dance"}', 'unknown-message'],
  ['{"type":"decline","peer":"1"}', 'malformed-message'],
  ['{"type":"decline","peer":1e999}', 'malformed-message'],
  ['{"type":"decline","peer":-1}', 'malformed-message'],
  ['{"type":"signal","peer":1,"description":[]}', 'malformed-message'],
  ['{"type":"have","add":[1]}', null],
  ['{"type":"have","add":["zz"]}', 'malformed-message'],
  [`"${'x'.repeat(messageBytes)}"`, 'message-too-long'],
  ['{"a":'.repeat(3000), 'malformed-message'],
  ['[{"type":'.repeat(1500), 'malformed-message'],
  ['\ufeff{"type":"have"}', null],
];
test('text that is no message is refused for what it is', () => {
  const engine = open();
  for (const [text, code] of refused) {
    const peer = engine.join();
    engine.say(peer, helloOf('a'));
    engine.take();
    engine.say(peer, text);
    const expected = code
      ? [
          { kind: 'send', peer, text: { type: 'error', code } },
          { kind: 'close', peer, code },
        ]
      : [];
    assert.deepEqual(engine.take(), expected, text.slice(0, 60));
  }
});

test('bits flipped in any message harm nobody', () => {
  const engine = open();
  let state = 20261122;
  const random = (bound) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % bound;
  const texts = [
    helloOf('c'),
    JSON.stringify({ type: 'have', add: [root], remove: [root] }),
    JSON.stringify({ type: 'ask', roots: [root] }),
    JSON.stringify({ type: 'signal', peer: 1, candidate: { candidate: 'c', sdpMid: '0', sdpMLineIndex: 0 } }),
    JSON.stringify({ type: 'decline', peer: 5 }),
  ];
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(texts[random(texts.length)]);
    for (let flips = random(3); flips >= 0; flips--) bytes[random(bytes.length)] ^= 1 << random(7);
    const peer = engine.join(i);
    if (random(2)) engine.say(peer, helloOf('d'), i);
    engine.say(peer, bytes.toString(), i);
    engine.leave(peer, i);
    engine.take();
  }
  assert.equal(engine.stats().peers, 0);
});

// V8 counts a memory that has grown twice: see cmake/wasm.cmake.
test('five thousand visitors with a hundred files each fit into the memory that there is at the start', () => {
  const { exports: core } = new WebAssembly.Instance(new WebAssembly.Module(wasmBinary), {
    env: { emscripten_notify_memory_growth: () => assert.fail('it has grown') },
    wasi_snapshot_preview1: { proc_exit() {} },
  });
  core._initialize();
  core.seed(1, 2);
  const memory = Buffer.from(core.memory.buffer);
  const inbox = memory.readUInt32LE(core.mailbox() + COORDINATOR_INBOX);
  const say = (peer, text) => {
    memory.writeUInt32LE(peer, inbox);
    memory.writeUInt32LE(text.length, inbox + 4);
    memory.write(text, inbox + 8);
    core.take(0, 8 + text.length, 1);
  };
  const roots = Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(64, 'a'));
  for (let i = 0; i < 5000; i++) {
    memory.write(site, inbox);
    const peer = core.join(site.length, 0, 0, 0, 0, 1) >>> 0;
    assert(peer > 0);
    say(peer, JSON.stringify({ type: 'hello', version: protocolVersion, browser: i.toString(16).padStart(32, '0') }));
    const add = Array.from({ length: 100 }, (_, k) => roots[(7 * i + k) % roots.length]);
    say(peer, JSON.stringify({ type: 'have', add, remove: [] }));
  }
});
