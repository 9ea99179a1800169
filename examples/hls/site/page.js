import { start } from '/peer-cdn/index.js';
import Hls from '/hls.mjs';

const peers = await start({ worker: '/sw.js' });

const sum = { fromPeers: 0, fromOrigin: 0 };
peers.addEventListener('transfer', ({ detail }) => {
  if (!detail.done) return;
  for (const source of Object.keys(sum)) sum[source] += detail[source];
  document.querySelector('#from').textContent = `${sum.fromPeers} bytes from peers, ${sum.fromOrigin} from the origin`;
});

const hls = new Hls();
hls.attachMedia(document.querySelector('video'));
hls.loadSource('/film/index.m3u8');
