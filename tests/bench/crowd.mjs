// A flash crowd: eight visitors in three browser processes want one file at once, nobody has it, and the origin is slow.
// Against the same visitors on a page without us.
import { BYPASS_HEADER, pieceBytesMin } from '../../build/border.js';
import { documentedWorker, openChromium, openSite, randomBytes, sha256 } from '../e2e/harness/index.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';

const url = '/static/film.bin';
const size = 30_000_000;
const originRate = 4_000_000;
const processes = 3;
const visitors = 8;
const plainPage = '<!doctype html><meta charset="utf-8"><title>plain</title><link rel="icon" href="data:,">';

/** So many visitors with storage of their own, dealt to the browsers; each request of theirs carries its number. */
async function gather(browsers, site) {
  const all = await Promise.all(Array.from({ length: visitors }, (_, i) => browsers[i % processes].another()));
  await Promise.all(all.map(({ context }, i) => context.addCookies([{ name: 'visitor', value: String(i), url: site.url }])));
  return all;
}

/** What the log of the origin says: who asked for what, when, and what was sent of it. */
function timeline(origin, began) {
  return origin.log(url).map(({ at, headers, range, sent, done, status }) => {
    const who = `${/visitor=(\d+)/.exec(headers.cookie ?? '')?.[1]} ${headers[BYPASS_HEADER] ? 'page' : 'worker'}`;
    const [from, to] = (range ?? '=0-')
      .split('=')[1]
      .split('-')
      .map((at) => at && (Number(at) / pieceBytesMin).toFixed(1));
    const ms = String(Math.round(at - began)).padStart(6);
    const pieces = `pieces ${from}-${to}: ${Math.round(sent / pieceBytesMin)} sent`;
    return `${ms} ms  visitor ${who} ${status} ${pieces}${done ? '' : ', cut'}`;
  });
}

const describe = (from) =>
  from &&
  `cache ${from.fromCache} peers ${from.fromPeers} origin ${from.fromOrigin} ` +
    `wasted ${from.wasted}${from.codes.length ? ` (${from.codes})` : ''}`;

/** Everybody at once. The time is each page's own, from fetch() to the last byte; digests come after it. */
async function rush(browsers, site, path, say) {
  const { origin } = site;
  const digest = sha256(site.read(url));
  const all = await gather(browsers, site);
  try {
    await Promise.all(all.map((visitor) => visitor.visit(site.url + path, { ready: path === '/' })));
    origin.reset();
    const began = performance.now();
    const got = await Promise.all(all.map((visitor) => visitor.fetch(url, { withinMs: 180_000 })));
    for (const { error, sha256 } of got) if (error || sha256 !== digest) throw new Error(error ?? 'wrong bytes');
    const sources = path === '/' ? await Promise.all(all.map((visitor) => visitor.sources(url))) : [];
    got.forEach(({ ms }, i) => say(`  visitor ${i}: ${(ms / 1000).toFixed(2)} s  ${describe(sources[i]) ?? ''}`));
    if (process.env.CROWD_TIMELINE) timeline(origin, began).forEach((line) => say(`  ${line}`));
    return { times: got.map(({ ms }) => Math.round(ms)), median: median(got.map(({ ms }) => ms)), copies: origin.sent() / size };
  } finally {
    await Promise.all(all.map((visitor) => visitor.close()));
  }
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how CROWD_TIMELINE=1 prints who asked the origin for what
 * @returns {Promise<{ json: { originCopies: number, speedup: number }, raw: object }>}
 */
export async function measure({ say, runs = 2 }) {
  const files = { [url]: randomBytes('crowd', size), '/plain.html': plainPage, '/sw.js': documentedWorker() };
  const site = await openSite(files, { bytesPerSecond: originRate });
  const browsers = [];
  try {
    for (let i = 0; i < processes; ++i) browsers.push(await openChromium());
    const raw = await interleave(
      {
        crowd: () => rush(browsers, site, '/', say),
        plain: () => rush(browsers, site, '/plain.html', say),
      },
      runs,
      (name, { median, copies }) => say(`${name}: median ${(median / 1000).toFixed(2)} s, ${rounded(copies)} copies`),
    );
    const medians = (name) => raw[name].map((run) => run.median);
    return {
      json: {
        originCopies: rounded(median(raw.crowd.map(({ copies }) => copies))),
        speedup: ratio(medians('plain'), medians('crowd')),
      },
      raw,
    };
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
    await site.close();
  }
}
