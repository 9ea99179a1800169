// The demo page: loads heavy things as any page would, and shows where the bytes came from.
import { start } from '/peer-cdn/index.js';

const $ = (id) => document.getElementById(id);
const sources = ['cache', 'peers', 'origin'];
const fields = {
  cache: 'fromCache',
  peers: 'fromPeers',
  origin: 'fromOrigin',
};
const bigFile = '/heavy/ffmpeg-core.wasm';
const film = '/media/film.mp4';

/** Transfers by the worker's number, and their sums by URL. */
const transfers = new Map();
const figures = new Map();

const sized = (bytes) =>
  bytes < 1000
    ? `${bytes} B`
    : bytes < 1e6
      ? `${(bytes / 1e3).toFixed(0)} kB`
      : bytes < 1e9
        ? `${(bytes / 1e6).toFixed(1)} MB`
        : `${(bytes / 1e9).toFixed(2)} GB`;
const timed = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A stacked bar in place: the three sources as shares of `whole`. */
function drawBar(bar, sums, whole) {
  if (!bar.firstChild) bar.append(...sources.map((source) => element('i', { className: source })));
  sources.forEach((source, i) => {
    bar.children[i].style.width = `${whole > 0 ? Math.min(100, (100 * sums[source]) / whole) : 0}%`;
  });
}

function sumOf(list) {
  const sums = { cache: 0, peers: 0, origin: 0, ms: 0 };
  for (const one of list) {
    for (const source of sources) sums[source] += one[fields[source]] ?? 0;
    sums.ms += one.ms ?? 0;
  }
  return sums;
}

const largest = (sums) => sources.reduce((best, source) => (sums[source] > sums[best] ? source : best), 'cache');

function drawTotal() {
  const sums = sumOf(transfers.values());
  const fresh = sums.peers + sums.origin;
  const whole = fresh + sums.cache;
  drawBar($('total'), sums, whole);
  $('total').ariaLabel = sources.map((source) => `${source} ${sized(sums[source])}`).join(', ');
  for (const source of sources) $(`sum-${source}`).textContent = sized(sums[source]);
  if (whole === 0) return;
  const share = fresh > 0 ? Math.floor((100 * sums.peers) / fresh) : null;
  $('share').replaceChildren(share === null ? '100' : String(share), element('small', { textContent: '%' }));
  $('share').style.color = share === 0 ? 'var(--origin)' : share === null ? 'var(--cache)' : '';
  $('hero-line').textContent =
    share === null
      ? 'came from this browser\u2019s own store'
      : share === 0
        ? 'came from other visitors: nobody had it yet, so the origin sent it'
        : 'of what was new here came from other visitors';
}

/** The row under the film and under the big file. */
function drawRow(url) {
  const row = document.querySelector(`.row[data-url="${url}"]`);
  if (!row) return;
  const whole = figures.get(url)?.bytes ?? 0;
  if (!row.firstChild) {
    row.append(element('div', { className: 'label' }, element('b'), element('span')), element('div', { className: 'bar' }));
  }
  const sums = sumOf([...transfers.values()].filter((one) => one.path === url));
  const total = sums.cache + sums.peers + sums.origin;
  const [name, note] = row.firstChild.children;
  name.textContent = url.split('/').pop() + (whole ? `, ${sized(whole)}` : '');
  note.textContent =
    total === 0
      ? 'not loaded'
      : sources
          .filter((source) => sums[source] > 0)
          .map((source) => `${sized(sums[source])} ${source === 'cache' ? 'store' : source}`)
          .join(' \u00b7 ');
  drawBar(row.lastChild, sums, Math.max(whole, total));
}

const lines = new Map();
const linesMax = 80;

/** The table: the newest file first, one line per file. */
function drawLine(url) {
  const sums = sumOf([...transfers.values()].filter((one) => one.path === url));
  let line = lines.get(url);
  if (!line) {
    $('log').querySelector('.empty')?.remove();
    const bar = element('div', { className: 'bar' });
    line = { bar, cells: sources.map(() => element('td')), time: element('td') };
    line.row = element('tr', {}, element('td', { textContent: url }), element('td', {}, bar), ...line.cells, line.time);
    lines.set(url, line);
    $('log').prepend(line.row);
    if ($('log').rows.length > linesMax) $('log').lastElementChild.remove();
  }
  drawBar(line.bar, sums, Math.max(figures.get(url)?.bytes ?? 0, sums.cache + sums.peers + sums.origin));
  sources.forEach((source, i) => (line.cells[i].textContent = sums[source] ? sized(sums[source]) : ''));
  line.time.textContent = sums.ms ? timed(sums.ms) : '';
}

function drawImage(url) {
  const figure = document.querySelector(`figure[data-url="${url}"]`);
  if (!figure) return;
  const own = [...transfers.values()].filter((one) => one.path === url);
  const sums = sumOf(own);
  if (sums.cache + sums.peers + sums.origin === 0) return;
  figure.className = largest(sums);
  figure.title = `${url}: ${sources
    .filter((source) => sums[source])
    .map((source) => `${sized(sums[source])} from ${source}`)
    .join(', ')}`;
}

const stale = new Set();
let isDrawing = false;

/** Draws at most once a frame, whatever arrives. */
function drawSoon(url) {
  stale.add(url);
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const one of stale) {
      drawRow(one);
      drawLine(one);
      drawImage(one);
    }
    stale.clear();
    drawTotal();
  });
}

function onTransfer({ detail }) {
  const at = new URL(detail.url, location.href);
  const path = at.pathname + at.search;
  transfers.set(detail.id, { ...detail, path });
  drawSoon(path);
}

async function sha256(blob) {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Reads the big file as an application would, and measures what the visitor feels. */
async function loadBigFile() {
  $('load').disabled = true;
  $('digest').textContent = 'reading';
  $('digest').className = 'mono';
  try {
    const began = performance.now();
    const response = await fetch(bigFile);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const parts = [];
    let bytes = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      if (bytes === 0) $('first-byte').textContent = timed(performance.now() - began);
      parts.push(value);
      bytes += value.length;
      const ms = performance.now() - began;
      $('whole').textContent = `${timed(ms)}`;
      $('speed').textContent = `${(bytes / 1e3 / ms).toFixed(1)} MB/s`;
    }
    const [received, expected] = [await sha256(new Blob(parts)), figures.get(bigFile)?.sha256];
    $('digest').textContent = received + (expected === undefined ? '' : received === expected ? ' (right)' : ' (WRONG)');
    $('digest').className = `mono ${expected === undefined || received === expected ? 'good' : 'bad'}`;
  } catch (error) {
    $('digest').textContent = `failed: ${error.message}`;
    $('digest').className = 'mono bad';
  }
  $('load').disabled = false;
}

function showGallery() {
  const urls = [...figures.keys()].filter((url) => url.startsWith('/gallery/')).sort();
  let loaded = 0;
  $('gallery').append(
    ...urls.map((url, i) => {
      const image = element('img', { alt: `Julia set ${i + 1}`, decoding: 'async' });
      image.addEventListener('load', () => ($('gallery-count').textContent = `${++loaded} of ${urls.length}`));
      image.src = url;
      const figure = element('figure', {}, image);
      figure.dataset.url = url;
      return figure;
    }),
  );
  for (const url of urls) drawImage(url);
}

async function readManifest() {
  const response = await fetch('/peer-cdn.json');
  const { resources } = await response.json();
  for (const [url, { bytes }] of Object.entries(resources)) figures.set(url, { bytes });
  const digests = await fetch('/sha256.json').then(
    (answer) => (answer.ok ? answer.json() : {}),
    () => ({}),
  );
  for (const [url, digest] of Object.entries(digests)) {
    if (figures.has(url)) figures.get(url).sha256 = digest;
  }
}

function showState(text, kind) {
  $('state').textContent = text;
  $('state').className = `pill ${kind}`;
}

async function main() {
  let peers = null;
  try {
    peers = await start({ worker: '/sw.js' });
    globalThis.peerCdnDemo = peers;
    watch(peers);
  } catch (error) {
    showState(`off: ${error.message}`, 'bad');
  }
  await readManifest().catch(() => {});
  for (const url of [bigFile, film]) drawRow(url);
  $('load').addEventListener('click', loadBigFile);
  $('load').disabled = false;
  $('forget').addEventListener('click', async () => {
    for (const name of await caches.keys()) await caches.delete(name);
    location.reload();
  });
  $('forget').disabled = !('caches' in globalThis);
  $('film').preload = 'metadata';
  // What the page loads by itself waits for start(): on a first visit nothing before it passes through the worker.
  // The demo's own visitors (#visitor) load things one at a time.
  if (location.hash !== '#visitor') {
    $('film').src = film;
    showGallery();
  }
  document.documentElement.dataset.state = peers?.active ? 'ready' : 'off';
}

/** Follows the public events and figures of what start() gave us. */
function watch(peers) {
  peers.addEventListener('transfer', onTransfer);
  const update = () => {
    const { peers: count, sent } = peers.stats;
    $('connections').textContent = String(count);
    $('connections-word').textContent = count === 1 ? 'peer' : 'peers';
    $('sum-up').textContent = sized(sent);
    if (peers.active) showState('worker ready', 'good');
    else showState(`off: ${peers.reason}`, 'bad');
  };
  update();
  setInterval(update, 500);
  const upload = $('upload');
  upload.checked = peers.upload.on;
  upload.disabled = false;
  upload.addEventListener('change', () => (peers.upload = { on: upload.checked }));
}

main();
