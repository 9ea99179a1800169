// One piece in the page's memory: received in blocks, digested, given to readers, served and stored.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Piece } from '../../web/piece.js';

const block = 65536;
const body = randomBytes(2 * block + 777);
const blockAt = (offset) => new Uint8Array(body.subarray(offset, offset + block));
const offsets = [0, block, 2 * block];

const pieceOf = (order) => {
  const piece = new Piece();
  for (const offset of order) piece.set(offset, blockAt(offset));
  return piece;
};

test('blocks make a piece in whatever order they come', () => {
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
    [1, 2, 0],
  ]) {
    const piece = pieceOf(order.map((i) => offsets[i]));
    assert.ok(body.equals(piece.bytes));
    assert.ok(body.equals(Buffer.concat(piece.blocks)));
    assert.ok(body.equals(Buffer.from(piece.give())));
  }
});

test('what was given away, and detached, is still served, stored and given again', () => {
  for (const piece of [
    pieceOf(offsets),
    (() => {
      const one = new Piece();
      one.set(0, new Uint8Array(body));
      return one;
    })(),
  ]) {
    assert.ok(body.equals(piece.bytes));
    const given = piece.give();
    structuredClone(given, { transfer: [given] });
    assert.equal(given.byteLength, 0);
    assert.ok(body.equals(Buffer.concat(piece.blocks)));
    assert.ok(body.subarray(block, 2 * block).equals(piece.part(block, block)));
    assert.ok(body.equals(Buffer.from(piece.give())));
  }
});

test('a block that is fetched again takes the place of the wrong one', () => {
  const piece = pieceOf(offsets);
  piece.set(block, new Uint8Array(block));
  assert.ok(!body.equals(piece.bytes));
  piece.set(block, blockAt(block));
  assert.ok(body.equals(piece.bytes));
});

test('peers that cut blocks otherwise are served too', () => {
  const piece = pieceOf(offsets);
  for (const [offset, length] of [
    [0, 100],
    [block, block],
    [2 * block, 777],
    [5, 10],
    [block - 1, 2],
    [0, body.length],
  ]) {
    assert.ok(body.subarray(offset, offset + length).equals(piece.part(offset, length)), `${offset} ${length}`);
  }
});
