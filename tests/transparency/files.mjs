// What the suite's origin has to give: files that browsers really take, each unlike every other, because the store of peer-cdn
// knows content by its digest and two equal files would disturb each other.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';

import { randomBytes } from '../e2e/harness/site.mjs';

/** Small is one piece, middle too, large is many pieces, huge is more than one stretch of the origin. */
export const sizes = { small: 20_000, middle: 200_000, large: 1_100_000, huge: 9_500_000 };

const u16 = (...values) => Buffer.concat(values.map((value) => Buffer.from([(value >> 8) & 255, value & 255])));
const u32 = (...values) => Buffer.concat(values.map((value) => Buffer.from(new Uint32Array([value]).buffer).reverse()));

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  return Buffer.concat([u32(data.length), body, u32(zlib.crc32(body))]);
}

/** 64 x 48 pixels, and a private chunk as long as it takes. */
function png(seed, bytes) {
  const rows = Buffer.alloc(48 * (1 + 64 * 3), 0x80);
  for (let row = 0; row < 48; ++row) rows[row * (1 + 64 * 3)] = 0;
  const head = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const before = [head, pngChunk('IHDR', Buffer.concat([u32(64, 48), Buffer.from([8, 2, 0, 0, 0])]))];
  const after = [pngChunk('IDAT', zlib.deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))];
  const room = bytes - [...before, ...after].reduce((sum, { length }) => sum + length, 12);
  return Buffer.concat([...before, pngChunk('prVt', randomBytes(seed, Math.max(8, room))), ...after]);
}

/** 8 kHz, one byte a sample: 20,000 bytes are two and a half seconds. */
function wav(seed, bytes) {
  const samples = randomBytes(seed, bytes - 44);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(bytes - 8, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(bytes - 44, 40);
  return Buffer.concat([head, samples]);
}

const films = new Map();

/** Four seconds of VP8, about as long as was asked, and an element at the end that every player skips. */
function webm(seed, bytes) {
  const rate = Math.max(100, Math.floor((bytes * 8) / 4 / 1000));
  if (!films.has(rate)) {
    const file = path.join(os.tmpdir(), `peer-cdn-film-${process.pid}-${rate}.webm`);
    const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=12', '-t', '4'];
    const codec = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '12'];
    const flow = ['-b:v', `${rate}k`, '-minrate', `${rate}k`, '-maxrate', `${rate}k`];
    execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...picture, ...codec, ...flow, file]);
    films.set(rate, fs.readFileSync(file));
    fs.rmSync(file);
  }
  const film = films.get(rate);
  const padding = randomBytes(seed, Math.max(64, bytes - film.length));
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(padding.length) | (1n << 56n));
  return Buffer.concat([film, Buffer.from([0xec]), length, padding]);
}

/** A font with one box for the letter A, two units wide, and a private table. */
function ttf(seed, bytes) {
  const box = Buffer.concat([
    u16(1, 0, 0, 2000, 700, 3, 0),
    Buffer.from([1, 1, 1, 1]),
    u16(0, 0, 2000, 0, 0, 700, 0, -700 & 0xffff),
  ]);
  const glyph = Buffer.concat([box, Buffer.alloc((4 - (box.length % 4)) % 4)]);
  const name = Buffer.from('Box', 'utf16le').swap16();
  const tables = {
    'OS/2': Buffer.concat([
      u16(4, 2000, 400, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 300, 0),
      Buffer.alloc(10),
      u32(1, 0, 0, 0),
      Buffer.from('NONE'),
      u16(0x40, 65, 65, 800, -200 & 0xffff, 0, 800, 200),
      u32(1, 0),
      u16(500, 700, 0, 32, 1),
    ]),
    cmap: Buffer.concat([
      u16(0, 1, 3, 1),
      u32(12),
      u16(4, 32, 0, 4, 4, 1, 0, 65, 0xffff, 0, 65, 0xffff),
      u16(-64 & 0xffff, 1, 0, 0),
    ]),
    glyf: Buffer.concat([glyph, glyph]),
    head: Buffer.concat([
      u16(1, 0),
      u32(0x10000, 0, 0x5f0f3cf5),
      u16(3, 1000),
      Buffer.alloc(16),
      u16(0, 0, 2000, 700, 0, 8, 2, 0, 0),
    ]),
    hhea: u16(1, 0, 800, -200 & 0xffff, 0, 2000, 0, 0, 2000, 1, 0, 0, 0, 0, 0, 0, 0, 2),
    hmtx: u16(2000, 0, 2000, 0),
    loca: u16(0, glyph.length / 2, glyph.length),
    maxp: u16(1, 0, 2, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    name: Buffer.concat([u16(0, 4, 6 + 4 * 12), ...[1, 2, 4, 6].map((id) => u16(3, 1, 0x409, id, name.length, 0)), name]),
    post: Buffer.concat([u32(0x30000, 0), u16(0, 0), u32(0, 0, 0, 0, 0)]),
    prVt: randomBytes(seed, Math.max(8, bytes - 900) & ~3),
  };
  const names = Object.keys(tables).sort((a, b) => (a < b ? -1 : 1));
  const power = 2 ** Math.floor(Math.log2(names.length));
  const sumOf = (data) => {
    let sum = 0;
    for (let i = 0; i + 4 <= data.length; i += 4) sum = (sum + data.readUInt32BE(i)) >>> 0;
    return sum;
  };
  let at = 12 + 16 * names.length;
  const directory = [];
  const bodies = [];
  for (const each of names) {
    const padded = Buffer.concat([tables[each], Buffer.alloc((4 - (tables[each].length % 4)) % 4)]);
    directory.push(Buffer.from(each), u32(sumOf(padded), at, tables[each].length));
    bodies.push(padded);
    at += padded.length;
  }
  const head = [u32(0x10000), u16(names.length, power * 16, Math.log2(power), names.length * 16 - power * 16)];
  return Buffer.concat([...head, ...directory, ...bodies]);
}

/** Text that compresses, as servers usually compress it. */
function filler(seed, bytes) {
  const words = randomBytes(seed, 4096).toString('hex');
  return Buffer.alloc(Math.max(0, bytes), words).toString('latin1');
}

const text = (before, after) => (seed, bytes) => {
  const room = bytes - before.length - after.length;
  return Buffer.from(before + filler(seed, room) + after);
};

const page = (title) => `<!doctype html><meta charset="utf-8"><title>${title}</title><p id="here">${title}</p>`;

/** Each gives the file of a seed, with about so many bytes. @type {Record<string, (seed: string, bytes: number) => Buffer>} */
const makers = {
  png,
  wav,
  webm,
  ttf,
  svg: text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30"/><!-- ', ' --></svg>'),
  vtt: text('WEBVTT\n\nNOTE ', '\n\n00:00.000 --> 00:01.000\none\n\n00:01.000 --> 00:02.000\ntwo\n'),
  js: text('globalThis.ran = (globalThis.ran ?? 0) + 1; /* ', ' */\n'),
  mjs: text('export const answer = 42; export const self = import.meta.url; /* ', ' */\n'),
  css: text('#probe { width: 77px; } /* ', ' */\n'),
  html: text(page('framed'), ''),
  json: text('{"filler":"', '"}'),
  txt: text('', ''),
};

/**
 * The bytes of one file, the same whenever they are asked for.
 * @param {string} seed
 * @param {string} extension
 * @param {number} bytes
 */
export const fileOf = (seed, extension, bytes) => (makers[extension] ?? randomBytes)(seed, bytes);

/** Lower-case hex. @param {string} text */
export const keyOf = (text) => crypto.createHash('sha256').update(text).digest('hex').slice(0, 12);
