// What a page could want, between the modules of a page's engine and of the coordinator (src/signal/wants.hpp).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  manifestEntries,
  markDigits,
  messageBytes,
  OUT_CLOSE_SOCKET,
  OUT_OPEN_SOCKET,
  OUT_SEND_MESSAGE,
  OUT_TOLD,
  PEER_MANIFEST_ADD,
  PEER_MANIFEST_COMMIT,
  PEER_MESSAGE,
  PEER_SOCKET,
  PEER_START,
  pieceBytesMin,
  protocolVersion,
} from '../../build/border.js';
import { Engine } from '../../src/server/engine.js';
import { nowhere } from '../../src/server/places.js';
import { Core } from '../../web/core.js';
import { toObject, toText } from '../../web/fields.js';

const rootOf = (text) => createHash('sha256').update(String(text)).digest('hex');
const rootsOf = (count, name = 'file') => Array.from({ length: count }, (_, i) => rootOf(`${name} ${i}`));
const marksOf = (roots) => roots.map((root) => Number.parseInt(root.slice(0, markDigits), 16));

/** A coordinator; say() gives what a peer is told by it, clock by clock. */
function open() {
  const engine = new Engine(3, 5);
  let now = 0;
  const told = new Map();
  const hear = (peer, frames) => {
    for (let at = 0; at < frames.length; ) {
      const isLong = frames[at + 1] === 126;
      const begin = at + (isLong ? 4 : 2);
      at = begin + (isLong ? frames.readUInt16BE(at + 2) : frames[at + 1]);
      told.set(peer, [...(told.get(peer) ?? []), ...[JSON.parse(frames.toString('utf8', begin, at))].flat()]);
    }
  };
  const host = {
    send: hear,
    sendAll: (peers, frames) => peers.forEach((peer) => hear(peer, frames)),
    renumber() {},
    close: (peer, code) => told.set(peer, [{ closed: code }]),
  };
  return {
    join() {
      const peer = engine.join('https://a.example', nowhere, now);
      engine.perform(host);
      return peer;
    },
    say(peer, message) {
      const text = JSON.stringify(message);
      assert(text.length <= messageBytes, `${text.length} bytes`);
      engine.put(peer, Buffer.from(text));
      engine.take(now);
      engine.perform(host);
    },
    pass(ms) {
      now += ms;
      engine.wake(now);
      engine.perform(host);
    },
    /** What the peer was told since this was last asked. */
    heard(peer) {
      const messages = told.get(peer) ?? [];
      told.delete(peer);
      return messages;
    },
  };
}

/** A page's core with its socket open. */
function openPage() {
  const sent = [];
  const present = new Set();
  const core = new Core(
    {
      [OUT_OPEN_SOCKET]() {},
      [OUT_CLOSE_SOCKET]() {},
      [OUT_SEND_MESSAGE]: ({ fields }) => sent.push(toObject(fields)),
      [OUT_TOLD]({ come, marks }) {
        new Uint32Array(marks.slice().buffer).forEach((mark, i) => present[i < come ? 'add' : 'delete'](mark));
      },
    },
    () => {},
    () => assert.fail('the core has trapped'),
  );
  core.tell(PEER_START, 'a'.repeat(32), 7, true);
  return {
    /** What it has sent since this was last asked. */
    sent: () => sent.splice(0),
    list(roots) {
      for (const root of roots) assert.equal(core.call(PEER_MANIFEST_ADD, root, 1, pieceBytesMin, 1, pieceBytesMin), 1);
      core.tell(PEER_MANIFEST_COMMIT);
    },
    connect: () => core.tell(PEER_SOCKET, true),
    hear(messages) {
      for (const message of messages) {
        assert.equal(core.callText(PEER_MESSAGE, toText(message), performance.now()), '');
        core.drain();
      }
    },
    present,
    stop: () => core.stop(),
  };
}

const hello = { type: 'hello', version: protocolVersion, browser: 'b'.repeat(32), lean: true };

function announce(coordinator, peer, roots, word = 'add') {
  for (let i = 0; i < roots.length; i += 100) coordinator.say(peer, { type: 'have', [word]: roots.slice(i, i + 100) });
}

for (const count of [1, 2, 23, 24, 25, 300, manifestEntries]) {
  test(`of a manifest of ${count} files a page hears what somebody has, in one message each way`, () => {
    const coordinator = open();
    const roots = rootsOf(count);
    const holder = coordinator.join();
    coordinator.say(holder, hello);
    const held = roots.filter((_, i) => i % 7 === 0).slice(0, 1000);
    const strangers = rootsOf(20, 'stranger');
    announce(coordinator, holder, [...held, ...strangers]);
    const page = openPage();
    page.list(roots);
    page.connect();
    const peer = coordinator.join();
    const said = page.sent();
    assert.equal(said.length, 1);
    // With all that the hello of a page has that comes back.
    const number = 4294967295;
    const longest = { ...said[0], peer: number, peers: Array(30).fill(number), held: 'f'.repeat(16) };
    assert(JSON.stringify(longest).length <= messageBytes, `${JSON.stringify(longest).length} bytes`);
    coordinator.say(peer, said[0]);
    const first = coordinator.heard(peer);
    assert.deepEqual(
      first.map(({ type }) => type),
      ['welcome', 'present'],
    );
    assert(first[1].set.length < 2000, `${first[1].set.length} digits`);
    page.hear(first);
    const known = () => {
      const missing = marksOf(held).filter((mark) => !page.present.has(mark));
      return { missing, more: page.present.size - held.length };
    };
    assert.deepEqual(known().missing, []);
    // Of those that nobody has, fewer than one in a hundred look present.
    assert(known().more <= count / 100, `${known().more} more`);
    const gone = held.splice(0, Math.ceil(held.length / 2));
    announce(coordinator, holder, gone, 'remove');
    coordinator.pass(1000);
    const change = coordinator.heard(peer);
    assert.deepEqual(
      change.map(({ type }) => type),
      ['present'],
    );
    page.hear(change);
    assert.deepEqual(known().missing, []);
    assert(known().more <= count / 100, `${known().more} more`);
    page.stop();
  });
}

test('a page with another manifest says its list, and hears what somebody has of that', () => {
  const coordinator = open();
  const [before, after] = [rootsOf(40, 'before'), rootsOf(60, 'after')];
  const [holder, peer] = [coordinator.join(), coordinator.join()];
  coordinator.say(holder, hello);
  announce(coordinator, holder, [before[3], after[5], after[59]]);
  const page = openPage();
  page.list(before);
  page.connect();
  for (const message of page.sent()) coordinator.say(peer, message);
  page.hear(coordinator.heard(peer));
  assert.deepEqual([...page.present], marksOf([before[3]]));
  page.list(after);
  page.list(after);
  const said = page.sent();
  assert.deepEqual(
    said.map(({ type }) => type),
    ['want'],
  );
  coordinator.say(peer, said[0]);
  page.hear(coordinator.heard(peer));
  assert.deepEqual([...page.present].sort(), marksOf([after[5], after[59]]).sort());
  page.stop();
});

test('a page that lists more files than a manifest may have says as many as a coordinator takes', () => {
  const coordinator = open();
  const page = openPage();
  page.list(rootsOf(manifestEntries + 1000));
  page.connect();
  const peer = coordinator.join();
  for (const message of page.sent()) coordinator.say(peer, message);
  assert.deepEqual(
    coordinator.heard(peer).map(({ type }) => type),
    ['welcome', 'present'],
  );
  page.stop();
});
