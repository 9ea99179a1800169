// What a page could want, between the page's half (web/wants.js) and the coordinator's (src/signal/wants.cpp).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { manifestEntries, messageBytes, protocolVersion } from '../../build/border.js';
import { Engine } from '../../src/server/engine.js';
import { nowhere } from '../../src/server/places.js';
import { Wants } from '../../web/wants.js';

const rootOf = (text) => createHash('sha256').update(String(text)).digest('hex');
const rootsOf = (count, name = 'file') => Array.from({ length: count }, (_, i) => rootOf(`${name} ${i}`));
const marksOf = (roots) => roots.map((root) => root.slice(0, 8)).sort();

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
    /** What the peer was told of what is present. */
    present(peer) {
      const messages = (told.get(peer) ?? []).filter(({ type }) => type === 'present');
      told.delete(peer);
      return messages;
    },
  };
}

/** The longest hello: of a page that comes back with its number and all its pairs. */
const number = 4294967295;
const hello = (name, more) => ({
  type: 'hello',
  version: protocolVersion,
  browser: rootOf(name).slice(0, 32),
  peer: number,
  peers: Array(30).fill(number),
  held: 'f'.repeat(16),
  lean: true,
  ...more,
});

function announce(coordinator, peer, roots, word = 'add') {
  for (let i = 0; i < roots.length; i += 100) coordinator.say(peer, { type: 'have', [word]: roots.slice(i, i + 100) });
}

for (const count of [1, 2, 23, 24, 25, 300, manifestEntries]) {
  test(`of a manifest of ${count} files a page hears what somebody has, in one message each way`, () => {
    const coordinator = open();
    const roots = rootsOf(count);
    const wants = new Wants();
    assert.equal(wants.set(roots), true);
    assert.equal(wants.set(roots), false);
    const [holder, page] = [coordinator.join(), coordinator.join()];
    coordinator.say(holder, hello('holder', { peer: undefined, peers: undefined }));
    const held = roots.filter((_, i) => i % 7 === 0).slice(0, 1000);
    const strangers = rootsOf(20, 'stranger');
    announce(coordinator, holder, [...held, ...strangers]);
    coordinator.say(page, hello('page', { wants: wants.text }));
    const first = coordinator.present(number);
    assert.equal(first.length, 1);
    assert(first[0].set.length < 2000, `${first[0].set.length} digits`);
    const present = new Set();
    const follow = (messages) => {
      for (const message of messages) {
        for (const { add, remove } of wants.changes(message)) {
          add.forEach((mark) => present.add(mark));
          remove.forEach((mark) => present.delete(mark));
        }
      }
    };
    follow(first);
    const known = () => {
      const missing = marksOf(held).filter((mark) => !present.has(mark));
      return { missing, more: present.size - held.length };
    };
    assert.deepEqual(known().missing, []);
    // Of those that nobody has, fewer than one in a hundred look present.
    assert(known().more <= count / 100, `${known().more} more`);
    const gone = held.splice(0, Math.ceil(held.length / 2));
    announce(coordinator, holder, gone, 'remove');
    coordinator.pass(1000);
    const change = coordinator.present(number);
    assert.equal(change.length, 1);
    follow(change);
    assert.deepEqual(known().missing, []);
    assert(known().more <= count / 100, `${known().more} more`);
  });
}

test('a list that is said anew replaces all that was present, and marks go as they come', () => {
  const wants = new Wants();
  wants.set(['bbbbbbbb', 'aaaaaaaa', 'aaaaaaaa']);
  assert.deepEqual(wants.changes({ set: '0:wAAA', whole: true }), [{ add: ['aaaaaaaa', 'bbbbbbbb'], remove: [] }]);
  wants.set(['bbbbbbbb', 'cccccccc']);
  assert.deepEqual(wants.changes({ set: '0:gAAA', whole: true }), [{ add: ['bbbbbbbb'], remove: ['aaaaaaaa'] }]);
  assert.deepEqual(wants.changes({ set: '0:QAAA' }), [{ add: ['cccccccc'], remove: ['bbbbbbbb'] }]);
  // A coordinator that has too many lists, or one of version 1's beginning, tells marks.
  assert.deepEqual(wants.changes({ add: ['dddddddd'], remove: [], whole: true }), [{ add: ['dddddddd'], remove: ['cccccccc'] }]);
  assert.deepEqual(wants.changes({ add: ['eeeeeeee'], remove: ['dddddddd'] }), [{ add: ['eeeeeeee'], remove: ['dddddddd'] }]);
  assert.deepEqual(wants.changes({ set: '', whole: true }), [{ add: [], remove: ['eeeeeeee'] }]);
});

test('what is no set is refused, and cells beyond the list mean nothing', () => {
  const wants = new Wants();
  wants.set(['aaaaaaaa']);
  for (const set of [7, null, '0', '0:', '0:AAA', '0:AA-A', ':AAAA', '0:AAAA,', '1000000:AAAA', ['0:AAAA']]) {
    assert.equal(wants.changes({ set }), null, String(set));
  }
  assert.equal(wants.changes({ add: 'aaaaaaaa' }), null);
  assert.deepEqual(wants.changes({ set: '0:////,999:////' }), [{ add: ['aaaaaaaa'], remove: [] }]);
});
