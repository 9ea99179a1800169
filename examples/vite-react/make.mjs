// Makes public/terrain.bin, 4 MB: heights of a landscape, as 1,024 rows of 1,024 numbers.
import { mkdirSync, writeFileSync } from 'node:fs';

const side = 1024;
const heights = Float32Array.from({ length: side * side }, (_, i) => {
  const [x, y] = [(i % side) / side, Math.floor(i / side) / side];
  return 0.5 + 0.3 * Math.sin(9 * x + 4 * y) * Math.cos(7 * y) + 0.1 * Math.random();
});
mkdirSync('public', { recursive: true });
writeFileSync('public/terrain.bin', new Uint8Array(heights.buffer));
