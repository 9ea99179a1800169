// The page's socket (web/socket.js): what goes out in one message, and what of one message the core is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidatesPerMessage, messageBytes, PEER_SOCKET } from '../../build/border.js';
import { toObject, toText } from '../../web/fields.js';
import { Socket } from '../../web/socket.js';

/** A socket, open unless it is refused, and all that becomes of it. */
function open(t, { isRefused = false } = {}) {
  const seen = { sent: [], told: [], events: [], reports: [], ends: 0 };
  class FakeWebSocket {
    readyState = 1;
    constructor() {
      if (isRefused) throw new Error('SecurityError');
      seen.wire = this;
    }
    send(text) {
      seen.sent.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
  }
  const { WebSocket } = globalThis;
  globalThis.WebSocket = FakeWebSocket;
  t.after(() => Object.assign(globalThis, { WebSocket }));
  const core = {
    tell: (...event) => seen.events.push(event),
    callText(_, text) {
      const message = toObject(text);
      seen.told.push(message);
      return message.type ? '' : 'malformed-message';
    },
    drain() {},
  };
  const socket = new Socket(
    core,
    'wss://site.test/',
    (code) => seen.reports.push(code),
    () => seen.ends++,
  );
  socket.open();
  const hear = (message) => seen.wire.onmessage({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  return { socket, seen, hear };
}

const candidate = (i) => ({ candidate: `candidate:${i}`, sdpMid: '0', sdpMLineIndex: 0 });
const signal = (peer, i) => toText({ type: 'signal', peer, candidate: candidate(i) });

test('what the core says may go together is one message for each peer, and never one that is too long', async (t) => {
  const { socket, seen } = open(t);
  const count = candidatesPerMessage + 2;
  for (let i = 0; i < count; i++) socket.send(signal(7, i), 1);
  socket.send(signal(8, 0), 1);
  await null;
  const all = Array.from({ length: count }, (_, i) => candidate(i));
  assert.deepEqual(seen.sent, [
    { type: 'signal', peer: 7, candidates: all.slice(0, candidatesPerMessage) },
    { type: 'signal', peer: 7, candidates: all.slice(candidatesPerMessage) },
    { type: 'signal', peer: 8, candidates: [candidate(0)] },
  ]);
});

test('what goes alone goes at once, and after what was said before', (t) => {
  const { socket, seen } = open(t);
  socket.send(signal(7, 0), 0);
  socket.send(signal(7, 1), 1);
  socket.send(toText({ type: 'decline', peer: 7 }), 0);
  assert.deepEqual(seen.sent, [
    { type: 'signal', peer: 7, candidate: candidate(0) },
    { type: 'signal', peer: 7, candidates: [candidate(1)] },
    { type: 'decline', peer: 7 },
  ]);
});

test('the core is told each thing on its own, in the order in which it was said', (t) => {
  const { seen, hear } = open(t);
  const description = { type: 'offer', sdp: 'v=0' };
  hear([
    { type: 'answer', roots: ['ab'], peers: [2], introduced: [5], offered: 6 },
    { type: 'signal', peer: 5, description, candidates: [candidate(1), candidate(2)] },
    { type: 'present', set: '0:gAAA', whole: true },
  ]);
  assert.deepEqual(seen.told, [
    { type: 'introduce', peer: 6, offer: true, brought: true },
    { type: 'introduce', peer: 5, offer: false },
    { type: 'answer', roots: ['ab'], peers: [2], introduced: [5], offered: 6 },
    { type: 'signal', peer: 5, description },
    { type: 'signal', peer: 5, candidate: candidate(1) },
    { type: 'signal', peer: 5, candidate: candidate(2) },
    { type: 'present', set: '0:gAAA', whole: true },
  ]);
  assert.deepEqual(seen.reports, []);
});

test('what is no message, or too long for one, is told by its code, and the next is heard', (t) => {
  const { seen, hear } = open(t);
  hear('{');
  hear('null');
  hear({});
  hear(JSON.stringify('x'.repeat(messageBytes)));
  seen.wire.onmessage({ data: new ArrayBuffer(8) });
  assert.deepEqual(seen.reports, [...Array(3).fill('malformed-message'), ...Array(2).fill('message-too-long')]);
  hear({ type: 'gone', peer: 5 });
  assert.deepEqual(seen.told.at(-1), { type: 'gone', peer: 5 });
});

test('a text that is wrong thousands of times is told once, and each text anew', (t) => {
  const { seen, hear } = open(t);
  for (let i = 0; i < 2; i++) hear([...Array(4000).fill(1), { type: 'gone', peer: 7 }]);
  assert.deepEqual(seen.reports, ['malformed-message', 'malformed-message']);
  assert.equal(seen.told.filter(({ type }) => type === 'gone').length, 2);
});

test('of the end of a socket the core hears, and whoever waits for its first word', async (t) => {
  const { seen } = open(t);
  seen.wire.onopen();
  seen.wire.onclose();
  assert.deepEqual(seen.events, [
    [PEER_SOCKET, true],
    [PEER_SOCKET, false],
  ]);
  assert.equal(seen.ends, 1);
  const refused = open(t, { isRefused: true });
  assert.equal(refused.seen.ends, 1);
  await null;
  assert.deepEqual(refused.seen.events, [[PEER_SOCKET, false]]);
});

test('a socket that the core closes tells it nothing more', (t) => {
  const { socket, seen } = open(t);
  const { wire } = seen;
  socket.close();
  assert.deepEqual([wire.onopen, wire.onmessage, wire.onclose], [null, null, null]);
  socket.send(toText({ type: 'decline', peer: 7 }), 0);
  assert.deepEqual([seen.sent, seen.events, seen.ends], [[], [], 1]);
});
