// WebTorrent as published for browsers, with a tracker of its own on this machine.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import { openChromium } from '../e2e/harness/index.mjs';
import { rivals } from './rivals.mjs';

const page = `<!doctype html><title>rival</title><link rel="icon" href="data:,"><script type="module">
import WebTorrent from '/webtorrent.min.js';
globalThis.client = new WebTorrent({dht: false, lsd: false, tracker: {rtcConfig: {iceServers: []}}});
document.documentElement.dataset.state = 'ready';
</script>`;

/** In the page: seeds so many random bytes; resolves to the .torrent file as base64. */
async function seed({ bytes, announce }) {
  const parts = [];
  for (let at = 0; at < bytes; at += 65536) parts.push(crypto.getRandomValues(new Uint8Array(65536)));
  const file = new File(parts, 'file.bin');
  const torrent = await new Promise((resolve) => globalThis.client.seed(file, { announce: [announce] }, resolve));
  return Array.from(torrent.torrentFile);
}

/** In the page: milliseconds from an open connection to the last verified byte. */
async function download(torrentFile) {
  const torrent = globalThis.client.add(new Uint8Array(torrentFile));
  // Each torrent makes connections of its own: what they take is not counted.
  await new Promise((resolve) => torrent.once('wire', resolve));
  const began = performance.now();
  await new Promise((resolve, reject) => {
    torrent.once('done', resolve);
    torrent.once('error', reject);
  });
  const ms = performance.now() - began;
  const bytes = torrent.received;
  await new Promise((resolve) => globalThis.client.remove(torrent, { destroyStore: true }, resolve));
  return { ms, bytes };
}

/**
 * A seeder and a reader in browsers of their own; `transfer()` resolves to the milliseconds it took.
 * @param {number} bytes
 * @param {(text: string) => void} say
 */
export async function openWebTorrent(bytes, say) {
  const path = await rivals(say);
  // Its other half, the client, wants WebRTC in Node.
  const { default: Server } = await import(path('bittorrent-tracker/server.js'));
  const tracker = new Server({ udp: false, http: false, ws: true, stats: false });
  const server = http.createServer((request, response) => {
    const isScript = request.url === '/webtorrent.min.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    if (isScript) createReadStream(path('webtorrent/dist/webtorrent.min.js')).pipe(response);
    else response.end(page);
  });
  const open = [];
  const close = async () => {
    await Promise.allSettled(open.map((one) => one.close()));
    tracker.close();
    server.closeAllConnections();
    server.close();
  };
  try {
    tracker.listen(0, '127.0.0.1');
    server.listen(0, '127.0.0.1');
    await Promise.all([once(tracker, 'listening'), once(server, 'listening')]);
    const url = `http://127.0.0.1:${server.address().port}/`;
    for (let i = 0; i < 2; ++i) {
      const visitor = await openChromium();
      open.push(visitor);
      await visitor.visit(url);
    }
    const [seeder, reader] = open;
    const announce = `ws://127.0.0.1:${tracker.ws.address().port}`;
    const torrentFile = await seeder.run(seed, { bytes, announce });
    return {
      seeder,
      reader,
      close,
      transfer: async () => (await reader.run(download, torrentFile)).ms,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
