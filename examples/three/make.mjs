// Makes site/models/rock.glb, about 6 MB: a dented ball as glTF in its binary form, positions and indices only.
import { mkdirSync, writeFileSync } from 'node:fs';

const steps = 400;
const positions = new Float32Array(3 * (steps + 1) ** 2);
const indices = new Uint32Array(6 * steps ** 2);
for (let i = 0, at = 0; i <= steps; ++i) {
  for (let j = 0; j <= steps; ++j) {
    const [polar, azimuth] = [(i / steps) * Math.PI, (j / steps) * 2 * Math.PI];
    const radius = 1 + 0.05 * Math.sin(7 * polar) * Math.sin(9 * azimuth) + 0.004 * Math.random();
    positions[at++] = radius * Math.sin(polar) * Math.cos(azimuth);
    positions[at++] = radius * Math.cos(polar);
    positions[at++] = radius * Math.sin(polar) * Math.sin(azimuth);
  }
}
for (let i = 0, at = 0; i < steps; ++i) {
  for (let j = 0; j < steps; ++j) {
    const corner = i * (steps + 1) + j;
    const below = corner + steps + 1;
    for (const index of [corner, corner + 1, below, corner + 1, below + 1, below]) indices[at++] = index;
  }
}

const binary = Buffer.concat([Buffer.from(positions.buffer), Buffer.from(indices.buffer)]);
const description = {
  asset: { version: '2.0' },
  scene: 0,
  scenes: [{ nodes: [0] }],
  nodes: [{ mesh: 0 }],
  meshes: [{ primitives: [{ attributes: { POSITION: 0 }, indices: 1 }] }],
  buffers: [{ byteLength: binary.length }],
  bufferViews: [
    { buffer: 0, byteOffset: 0, byteLength: positions.byteLength },
    { buffer: 0, byteOffset: positions.byteLength, byteLength: indices.byteLength },
  ],
  accessors: [
    { bufferView: 0, componentType: 5126, count: positions.length / 3, type: 'VEC3', min: [-2, -2, -2], max: [2, 2, 2] },
    { bufferView: 1, componentType: 5125, count: indices.length, type: 'SCALAR' },
  ],
};
const json = Buffer.from(JSON.stringify(description));
const padded = Buffer.concat([json, Buffer.alloc(-json.length & 3, ' ')]);

/** Words of 32 bits, as glTF has them. */
const words = (...list) => Buffer.from(new Uint32Array(list).buffer);
const total = 12 + 8 + padded.length + 8 + binary.length;
mkdirSync('site/models', { recursive: true });
writeFileSync(
  'site/models/rock.glb',
  Buffer.concat([
    words(0x46546c67, 2, total),
    words(padded.length, 0x4e4f534a),
    padded,
    words(binary.length, 0x004e4942),
    binary,
  ]),
);
