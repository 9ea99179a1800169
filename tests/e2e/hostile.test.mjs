// A peer that breaks the protocol in the middle of a file, by hand: each reader gets every byte, is told, and lets it go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { browsers, scene } from './harness/scene.mjs';

/** What it does from the eighth block on, and the code by which the reader lets it go; null: there is nothing to tell. */
const attacks = {
  'sends frames of one byte without end': 'malformed-message',
  'sends texts': 'malformed-message',
  'sends half of each block': 'wrong-length',
  'sends each block twice': 'unasked-block',
  "sends another piece's number": 'unasked-block',
  'sends bytes of nothing that was asked for': 'wrong-length',
  'says hello again, and what nobody asked for': 'unknown-message',
  'says what is too long': 'message-too-long',
  'says nothing any more': 'peer-stalled',
  'closes the channel of the blocks': null,
  'closes the channel of the words': null,
};
const files = Object.fromEntries(Object.keys(attacks).map((what, i) => [`/static/${i}.bin`, randomBytes(what, 1_500_001)]));

/** Runs in the page before its scripts: what goes to peers goes through here. */
function attackByHand() {
  // So that the channels stay in the page.
  delete globalThis.Worker;
  globalThis.blocks = 0;
  const create = RTCPeerConnection.prototype.createDataChannel;
  const word = (type, ...numbers) => new Uint8Array([type, ...new Uint8Array(new Uint32Array(numbers).buffer)]);
  const attackOn = (control, channel) => {
    const [say, send] = [control, channel].map((each) => RTCDataChannel.prototype.send.bind(each));
    let isBegun = false;
    const ways = {
      'sends frames of one byte without end': () => {
        if (isBegun) return;
        isBegun = true;
        const timer = setInterval(() => (channel.readyState === 'open' ? send(new Uint8Array(1)) : clearInterval(timer)), 1);
      },
      'sends texts': () => send('text'),
      'sends half of each block': (block) => send(block.slice(0, block.length / 2)),
      'sends each block twice': (block) => [block, block].forEach((each) => send(each)),
      "sends another piece's number": (block) => {
        block[4] ^= 1;
        send(block);
      },
      'sends bytes of nothing that was asked for': () => send(new Uint8Array(200_000)),
      'says hello again, and what nobody asked for': (block) => {
        const [handle] = new Uint32Array(block.buffer, 0, 1);
        // swarm/wire.hpp: hello, have, update, claim, reject, done, not.
        const words = [word(0, 2), word(2, handle, 0), word(4, handle, 0, 5), word(9, handle, 0, 5, 1)];
        for (const each of [...words, word(7, handle, 9, 0, 65_536), word(8, handle), word(3, handle)]) say(each);
      },
      'says what is too long': () => say(new Uint8Array(250_000)),
      'says nothing any more': () => (control.send = () => {}),
      'closes the channel of the blocks': () => channel.close(),
      'closes the channel of the words': () => control.close(),
    };
    return (block) => ways[globalThis.attack](block);
  };
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    const channel = create.call(this, label, options);
    if (options?.id === 0) {
      this.control = channel;
      return channel;
    }
    const attack = attackOn(this.control, channel);
    channel.send = (block) => {
      const copy = new Uint8Array(block);
      if (++globalThis.blocks < 8) RTCDataChannel.prototype.send.call(channel, copy);
      else if (channel.readyState === 'open') attack(copy);
    };
    return channel;
  };
}

for (const kind of browsers) {
  test(`${kind}: a peer that breaks the protocol costs no byte and no fetch`, { timeout: 600_000 }, async (t) => {
    const at = scene(t);
    const s = await at.site(files);
    const [liar, reader] = [await at.chromium({ init: attackByHand }), await at[kind]()];
    await liar.visit(s.url);
    for (const url of Object.keys(files)) await liar.fetch(url);
    for (const [i, [attack, code]] of Object.entries(attacks).entries()) {
      await t.test(attack, async () => {
        const url = `/static/${i}.bin`;
        s.origin.reset();
        await liar.visit(s.url);
        await s.origin.untilShared(await s.root(url));
        await reader.visit(s.url);
        await s.origin.untilTold(await s.root(url));
        await reader.run(() => {
          window.seen = [];
          window.peerCdn.addEventListener('error', ({ detail }) => window.seen.push(detail.code));
        });
        await liar.run((name) => (globalThis.attack = name), attack);
        const comeBack = s.origin.recede();
        const fetching = reader.fetch(url);
        await until('it attacks', () => liar.run(() => globalThis.blocks >= 8), { everyMs: 10 });
        await until('it is let go', () => reader.run(() => window.peerCdn.stats.peers === 0));
        comeBack();
        const got = await fetching;
        assert.deepEqual([got.error, got.sha256], [null, sha256(files[url])]);
        assert.deepEqual(await reader.run(() => [...new Set(window.seen)]), code ? [code] : []);
        assert.ok(s.origin.sent(url) <= files[url].length);
      });
    }
  });
}
