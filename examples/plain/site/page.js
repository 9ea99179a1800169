import { start } from '/peer-cdn/index.js';

const peers = await start({ worker: '/sw.js' });

peers.addEventListener('transfer', ({ detail }) => {
  if (!detail.done) return;
  document.querySelector('#from').textContent = `${detail.fromPeers} bytes from peers, ${detail.fromOrigin} from the origin`;
});

// Not in the HTML: what is asked for before the worker is there comes from the origin.
document.querySelector('img').src = '/images/nebula.png';
