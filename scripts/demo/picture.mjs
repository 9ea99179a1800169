// The demo's result as a picture for the README: what each visitor got, and from whom.
import { wasmUrl } from './assets.mjs';

const [width, rowHeight, left, right, top] = [840, 44, 96, 210, 92];
const colours = { peers: '#2a9d8f', origin: '#e76f51', text: '#1d3557', quiet: '#5c677d' };
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * @param {{ visitors: { name: string, files: any[] }[], origin: { heavyBytes: number, copies: number } }} result of the demo
 * @param {{ heavyBytes: number, shape: string }} site
 * @returns {string} an SVG
 */
export function picture({ visitors, origin }, { heavyBytes, shape }) {
  const scale = (width - left - right) / heavyBytes;
  const rows = visitors.map(({ name, files }, i) => {
    const sum = (key) => files.reduce((total, file) => total + file[key], 0);
    const [peers, ours] = [sum('fromPeers'), sum('fromOrigin')];
    const y = top + i * rowHeight;
    const wasm = files.find(({ url }) => url === wasmUrl);
    const bar = (x, bytes, colour) =>
      `<rect x="${x.toFixed(1)}" y="${y}" width="${(bytes * scale).toFixed(1)}" height="26" fill="${colour}"/>`;
    const took = `${megabytes(wasm.bytes)} of wasm in ${(wasm.ms / 1000).toFixed(1)} s`;
    const words = peers > ours ? `${megabytes(peers)} from peers` : `${megabytes(ours)} from the origin`;
    return [
      `<text x="16" y="${y + 18}">${name}</text>`,
      bar(left, ours, colours.origin),
      bar(left + ours * scale, peers, colours.peers),
      `<text x="${left + 10}" y="${y + 18}" fill="#fff">${words}</text>`,
      `<text x="${width - right + 14}" y="${y + 18}" fill="${colours.quiet}">${took}</text>`,
    ].join('\n  ');
  });
  const height = top + visitors.length * rowHeight + 40;
  const title = `${visitors.length} visitors, ${megabytes(heavyBytes)} each; the origin sent ${origin.copies.toFixed(2)} copies`;
  const foot = top + visitors.length * rowHeight + 18;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="14">
  <title>${title}</title>
  <rect width="${width}" height="${height}" rx="8" fill="#f8f9fa"/>
  <g fill="${colours.text}">
  <text x="16" y="34" font-size="19" font-weight="bold">${title}</text>
  <text x="16" y="60" fill="${colours.quiet}">Each in a browser of its own, one after another: wasm, a film and a gallery.</text>
  ${rows.join('\n  ')}
  <text x="16" y="${foot}" fill="${colours.quiet}">npm run demo. The origin: ${shape}.</text>
  </g>
</svg>
`;
}
