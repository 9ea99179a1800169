// The coordinator's border: text in, text out, and nothing left behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageBytes, protocolVersion } from '../../build/border.js';
import create from '../../build/coordinator.mjs';
import wasmBinary from '../../build/coordinator.wasm.js';

const engine = { wasmBinary };
create(engine);

const root = 'ab'.repeat(32);
const site = 'https://a.example';
const helloOf = (digit) => JSON.stringify({ type: 'hello', version: protocolVersion, browser: digit.repeat(32) });

/** The outputs as objects: what the server's drain sees, three entries each. */
function take(coordinator) {
  const flat = coordinator.outputs();
  assert.equal(flat.length % 3, 0);
  const outputs = [];
  for (let i = 0; i < flat.length; i += 3) {
    const [kind, peer, text] = flat.slice(i, i + 3);
    outputs.push({ kind, peer, text: kind === 'close' ? text : JSON.parse(text) });
  }
  return outputs;
}

function withCoordinator(work) {
  const coordinator = new engine.Coordinator(0x80000001, 7);
  try {
    return work(coordinator);
  } finally {
    coordinator.delete();
  }
}

function pairOf(coordinator) {
  const ann = coordinator.connect(site, 1);
  coordinator.message(ann, helloOf('a'), 1);
  coordinator.message(ann, JSON.stringify({ type: 'have', add: [root] }), 1);
  const bob = coordinator.connect(site, 1);
  coordinator.message(bob, helloOf('b'), 1);
  coordinator.message(bob, JSON.stringify({ type: 'ask', roots: [root] }), 1);
  return { ann, bob };
}

test('ready when the factory returns', () => assert.equal(typeof engine.Coordinator, 'function'));

test('numbers of peers are unsigned and the same in both directions', () => {
  const peers = new Set();
  for (let seed = 0; seed < 50; seed++) {
    const coordinator = new engine.Coordinator(seed, 0xffffffff - seed);
    const peer = coordinator.connect(site, 1);
    assert(Number.isInteger(peer) && peer > 0 && peer <= 0xffffffff);
    coordinator.message(peer, helloOf('a'), 1);
    const [welcome] = take(coordinator);
    assert.equal(welcome.peer, peer);
    assert.equal(welcome.text.peer, peer);
    peers.add(peer);
    coordinator.delete();
  }
  assert([...peers].some((peer) => peer > 0x7fffffff));
});

test('a whole introduction, in the words of the protocol', () =>
  withCoordinator((coordinator) => {
    const { ann, bob } = pairOf(coordinator);
    const mark = root.slice(0, 8);
    assert.deepEqual(take(coordinator), [
      { kind: 'tell', peer: ann, text: { type: 'welcome', version: protocolVersion, peer: ann } },
      { kind: 'tell', peer: ann, text: { type: 'present', add: [], remove: [] } },
      { kind: 'tell', peer: bob, text: { type: 'welcome', version: protocolVersion, peer: bob } },
      { kind: 'tell', peer: bob, text: { type: 'present', add: [mark], remove: [] } },
      { kind: 'tell', peer: bob, text: { type: 'introduce', peer: ann, offer: false } },
      { kind: 'tell', peer: ann, text: { type: 'introduce', peer: bob, offer: true } },
      { kind: 'tell', peer: bob, text: { type: 'answer', roots: [root], peers: [1] } },
    ]);
    coordinator.timeout(coordinator.nextTimeout());
    assert.deepEqual(take(coordinator), [
      { kind: 'tellAll', peer: [ann, bob], text: { type: 'present', add: [mark], remove: [] } },
    ]);
    coordinator.disconnect(ann, 2000);
    assert.deepEqual(take(coordinator), [{ kind: 'tell', peer: bob, text: { type: 'gone', peer: ann } }]);
  }));

test('texts cross as they are', () =>
  withCoordinator((coordinator) => {
    const { ann, bob } = pairOf(coordinator);
    for (const sdp of ['', 'v=0\r\n', '"\\\u0000\u001f</script>', 'caf\u00e9 \u2603 \ud83d\ude00', '\u0080\u07ff\uffff']) {
      take(coordinator);
      coordinator.message(ann, JSON.stringify({ type: 'signal', peer: bob, description: { type: 'offer', sdp } }), 2);
      const text = { type: 'signal', peer: ann, description: { type: 'offer', sdp } };
      assert.deepEqual(take(coordinator), [{ kind: 'tell', peer: bob, text }]);
    }
  }));

test('an absent and a null member of a candidate are their defaults', () =>
  withCoordinator((coordinator) => {
    const { ann, bob } = pairOf(coordinator);
    for (const candidate of [{ candidate: '' }, { candidate: '', sdpMid: null, sdpMLineIndex: null, usernameFragment: 'x' }]) {
      take(coordinator);
      coordinator.message(ann, JSON.stringify({ type: 'signal', peer: bob, candidate }), 2);
      assert.deepEqual(take(coordinator)[0].text.candidate, { candidate: '', sdpMid: '', sdpMLineIndex: 0 });
    }
  }));

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
test('text that is no message is refused for what it is', () =>
  withCoordinator((coordinator) => {
    for (const [text, code] of refused) {
      const peer = coordinator.connect(site, 1);
      coordinator.message(peer, helloOf('a'), 1);
      take(coordinator);
      coordinator.message(peer, text, 1);
      const expected = code
        ? [
            { kind: 'tell', peer, text: { type: 'error', code } },
            { kind: 'close', peer, text: code },
          ]
        : [];
      assert.deepEqual(take(coordinator), expected, text.slice(0, 60));
    }
  }));

test('bits flipped in any message harm nobody', () =>
  withCoordinator((coordinator) => {
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
      const peer = coordinator.connect(site, i);
      if (random(2)) coordinator.message(peer, helloOf('d'), i);
      coordinator.message(peer, bytes.toString(), i);
      coordinator.disconnect(peer, i);
      take(coordinator);
    }
    assert.equal(coordinator.stats().peers, 0);
  }));

test('nothing is left in the table of values', () => {
  const before = engine.count_emval_handles();
  withCoordinator((coordinator) => {
    for (let i = 0; i < 20; i++) {
      pairOf(coordinator);
      coordinator.stats();
      take(coordinator);
    }
    coordinator.timeout(1e6);
    take(coordinator);
  });
  assert.equal(engine.count_emval_handles(), before);
});
