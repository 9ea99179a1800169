// A real coturn believes the credentials that turnCredentials() mints, until they expire.
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { turnCredentials } from '../../src/server/index.js';
import { freePort } from '../server/debian.mjs';
import { realm, secret, startCoturn } from './coturn.mjs';

// STUN and TURN (RFC 8489, RFC 8656), as much of them as a client says to get a relayed address.
const [ALLOCATE, ALLOCATED, REFUSED] = [0x0003, 0x0103, 0x0113];
const [USERNAME, INTEGRITY, ERROR_CODE, REALM, NONCE, RELAYED, TRANSPORT] = [0x06, 0x08, 0x09, 0x14, 0x15, 0x16, 0x19];
const magic = 0x2112a442;

function attribute(type, value) {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
}

function message(attributes, key) {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(ALLOCATE, 0);
  head.writeUInt32BE(magic, 4);
  randomBytes(12).copy(head, 8);
  const body = Buffer.concat(attributes);
  // The length counts what signs the message too.
  head.writeUInt16BE(body.length + (key ? 24 : 0), 2);
  const unsigned = Buffer.concat([head, body]);
  if (!key) return unsigned;
  return Buffer.concat([unsigned, attribute(INTEGRITY, createHmac('sha1', key).update(unsigned).digest())]);
}

function read(bytes) {
  const attributes = new Map();
  for (let at = 20; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2);
    attributes.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length + (-length & 3);
  }
  const error = attributes.get(ERROR_CODE);
  return { type: bytes.readUInt16BE(0), attributes, code: error ? error[2] * 100 + error[3] : 0 };
}

/** What the server says to who asks for a relayed address with these credentials. */
async function allocate(port, { username, credential }) {
  const socket = createSocket('udp4');
  const ask = async (bytes) => {
    // UDP may lose it.
    const again = setInterval(() => socket.send(bytes, port, '127.0.0.1'), 500);
    socket.send(bytes, port, '127.0.0.1');
    const [answer] = await once(socket, 'message');
    clearInterval(again);
    return read(answer);
  };
  try {
    const udp = attribute(TRANSPORT, Buffer.from([17, 0, 0, 0]));
    const first = await ask(message([udp]));
    assert.deepEqual([first.type, first.code], [REFUSED, 401]);
    const [named, nonce] = [REALM, NONCE].map((type) => attribute(type, first.attributes.get(type)));
    assert.equal(first.attributes.get(REALM).toString(), realm);
    const key = createHash('md5').update(`${username}:${realm}:${credential}`).digest();
    return await ask(message([udp, attribute(USERNAME, Buffer.from(username)), named, nonce], key));
  } finally {
    socket.close();
  }
}

test('coturn relays for whoever has minted credentials, and for nobody else', { timeout: 240_000 }, async (t) => {
  const port = await freePort();
  if (!(await startCoturn(t, port))) return t.skip('there is no coturn, nor a Debian to fetch it from');

  const options = { urls: `turn:127.0.0.1:${port}` };
  const minted = turnCredentials(secret, { ...options, seconds: 600, visitor: 'ann' });
  const given = await allocate(port, minted);
  assert.equal(given.type, ALLOCATED, `error ${given.code}`);
  // The relayed address, whose port is masked.
  const relayed = given.attributes.get(RELAYED);
  assert.notEqual(relayed.readUInt16BE(2) ^ (magic >>> 16), 0);

  const refused = {
    'an expired one': turnCredentials(secret, { ...options, seconds: -60 }),
    'one by another secret': turnCredentials('another secret', options),
    'one whose time was put off': { ...minted, username: minted.username.replace(/^\d+/, (at) => String(Number(at) + 1)) },
  };
  for (const [what, credentials] of Object.entries(refused)) {
    const { type, code } = await allocate(port, credentials);
    assert.deepEqual([type, code], [REFUSED, 401], what);
  }
});
