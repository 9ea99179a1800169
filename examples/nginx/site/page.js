import { start } from '/peer-cdn/index.js';

const peers = await start({ worker: '/sw.js' });

peers.addEventListener('transfer', ({ detail }) => {
  if (!detail.done) return;
  document.querySelector('#from').textContent = `${detail.fromPeers} bytes from peers, ${detail.fromOrigin} from the origin`;
});

const map = await (await fetch('/maps/town.pmtiles')).arrayBuffer();
console.log(`a map of ${map.byteLength} bytes`);
