// Makes public/points.bin, 4 MB: places of points, two numbers each.
import { mkdirSync, writeFileSync } from 'node:fs';

const places = Float32Array.from({ length: 1_000_000 }, () => Math.random() * Math.random());
mkdirSync('public', { recursive: true });
writeFileSync('public/points.bin', new Uint8Array(places.buffer));
