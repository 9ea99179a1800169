// Makes site/images/nebula.png, about 6 MB: coloured noise, because everything else would compress.
import { mkdirSync, writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';

const [width, height] = [1600, 1200];

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
header.writeUInt32BE(width, 0);
header.writeUInt32BE(height, 4);

const rows = Buffer.alloc(height * (1 + 3 * width));
for (let y = 0, at = 0; y < height; ++y) {
  rows[at++] = 0;
  for (let x = 0; x < width; ++x) {
    const light = Math.exp(-Math.hypot(x / width - 0.5, y / height - 0.5) * 3);
    for (const tint of [0.8, 0.5, 1]) rows[at++] = 255 * light * tint * (0.4 + 0.6 * Math.random());
  }
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const parts = [signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 1 })), chunk('IEND', Buffer.alloc(0))];
mkdirSync('site/images', { recursive: true });
writeFileSync('site/images/nebula.png', Buffer.concat(parts));
