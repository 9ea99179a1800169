// The demo's terminal: live progress on standard error, and the table at the end.
import { galleryUrls } from './assets.mjs';

const isTerminal = process.stderr.isTTY;
const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e5 && bytes > 0 ? 2 : 1);

/** One line that is rewritten on a terminal; off a terminal one line when a step ends. */
export class Progress {
  #last = '';
  #begun = 0;
  #label = '';

  /** @param {string} who @param {string} label @param {object[] | null} transfers null when the step has ended */
  show(who, label, transfers, whole) {
    if (label !== this.#label) {
      this.#label = label;
      this.#begun = performance.now();
    }
    if (transfers === null) {
      if (this.#last) process.stderr.write(isTerminal ? `\r\x1b[2K${this.#last}\n` : `${this.#last}\n`);
      this.#last = '';
      this.#label = '';
      return;
    }
    const sum = (name) => transfers.reduce((total, one) => total + (one[name] ?? 0), 0);
    const [cache, peers, origin] = [sum('fromCache'), sum('fromPeers'), sum('fromOrigin')];
    const share = Math.min(1, (peers + origin) / whole);
    const width = 24;
    const bar = '#'.repeat(Math.round(share * width)).padEnd(width, '.');
    const speed = (peers + origin) / 1e3 / Math.max(1, performance.now() - this.#begun);
    this.#last =
      `  ${who}  ${label.padEnd(17)} [${bar}] ${String(Math.round(share * 100)).padStart(3)} %` +
      `  peers ${megabytes(peers).padStart(5)}  origin ${megabytes(origin).padStart(5)}  cache ${megabytes(cache).padStart(
        5,
      )} MB` +
      `  ${speed.toFixed(1).padStart(5)} MB/s`;
    if (isTerminal) process.stderr.write(`\r\x1b[2K${this.#last}`);
  }
}

const columns = [
  ['visitor', 11, 'start'],
  ['file', 24, 'start'],
  ['size MB', 8],
  ['cache', 8],
  ['peers', 8],
  ['origin', 8],
  ['first byte', 11],
  ['time', 9],
  ['SHA-256', 9],
];

const line = (cells) =>
  cells
    .map((cell, i) => {
      const [, width, side] = columns[i];
      return side === 'start' ? String(cell).padEnd(width) : String(cell).padStart(width);
    })
    .join(' ')
    .trimEnd();

/** One row per visitor and file; the gallery is one row, since forty say less than their sum. */
function rowsOf({ name, files }) {
  const gallery = files.filter(({ url }) => galleryUrls.includes(url));
  const single = files.filter(({ url }) => !galleryUrls.includes(url));
  const sum = (key) => gallery.reduce((total, file) => total + file[key], 0);
  const rows = single.map((file) => ({ ...file, label: file.url.split('/').pop() }));
  rows.push({
    label: `gallery (${gallery.length} images)`,
    bytes: sum('bytes'),
    fromCache: sum('fromCache'),
    fromPeers: sum('fromPeers'),
    fromOrigin: sum('fromOrigin'),
    firstByteMs: median(gallery.map((file) => file.firstByteMs)),
    ms: sum('ms'),
    digestOk: gallery.every((file) => file.digestOk),
  });
  return rows.map((row, i) =>
    line([
      i === 0 ? name : '',
      row.label,
      megabytes(row.bytes),
      megabytes(row.fromCache),
      megabytes(row.fromPeers),
      megabytes(row.fromOrigin),
      `${row.firstByteMs} ms`,
      `${(row.ms / 1000).toFixed(1)} s`,
      row.digestOk ? 'right' : 'WRONG',
    ]),
  );
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0;

/** The whole report as text. */
export function table(result, { films, shape, heavyBytes, counted, failures }) {
  const out = ['', line(columns.map(([title]) => title)), '-'.repeat(104)];
  for (const visitor of result.visitors) out.push(...rowsOf(visitor));
  out.push('-'.repeat(104), '');
  result.visitors.forEach(({ name, files }, i) => {
    const peers = files.reduce((total, file) => total + file.fromPeers, 0);
    out.push(
      `${name}: the origin sent ${megabytes(counted[i])} MB of heavy files (counted by the origin), ` +
        `peers ${((100 * peers) / Math.max(1, peers + counted[i])).toFixed(2)} % of what was new; ` +
        `film: first frame ${Math.round(films[i].firstFrameMs)} ms, seeks ${films[i].seeks
          .map((ms) => `${Math.round(ms)} ms`)
          .join(', ')}`,
    );
  });
  out.push(
    '',
    `Origin: ${shape}. It sent ${megabytes(result.origin.heavyBytes)} MB of heavy files, ` +
      `${result.origin.copies.toFixed(3)} copies of ${megabytes(heavyBytes)} MB, to ${result.visitors.length} visitors.`,
    'Origin: counted by the origin. Cache: read again from the own store, as of the film, played first and then read whole.',
    'First byte: of the film its first frame, of the gallery the median image. Time: of the gallery the sum of its images.',
  );
  out.push('', ...(failures.length === 0 ? ['OK'] : failures.map((failure) => `FAILED: ${failure}`)), '');
  return out.join('\n');
}
