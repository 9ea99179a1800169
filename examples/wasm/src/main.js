import { start } from 'peer-cdn';
import initSqlJs from 'sql.js/dist/sql-wasm-browser.js';

const peers = await start({ worker: '/sw.js' });

const sum = { fromPeers: 0, fromOrigin: 0 };
peers.addEventListener('transfer', ({ detail }) => {
  if (!detail.done) return;
  for (const source of Object.keys(sum)) sum[source] += detail[source];
  document.querySelector('#from').textContent = `${sum.fromPeers} bytes from peers, ${sum.fromOrigin} from the origin`;
});

const [{ Database }, file] = await Promise.all([
  initSqlJs({ locateFile: (name) => `/${name}` }),
  fetch('/data/stars.db').then((response) => response.arrayBuffer()),
]);
const stars = new Database(new Uint8Array(file));
const [{ values }] = stars.exec('SELECT name, distance FROM stars ORDER BY distance LIMIT 1');
document.querySelector('#nearest').textContent = `The nearest star is ${values[0].join(', at ')}.`;
