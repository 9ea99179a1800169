// A gallery of 40 images that peers have, against the same page without a worker: warm (a pair is open) and cold (the
// first thing that a fresh visitor loads).
import { openChromium, randomBytes } from '../e2e/harness/index.mjs';
import { interleave, median, percentile, rounded } from './stats.mjs';
import { closing, openSites } from './visits.mjs';

const count = 40;
const latencyMs = 20;
/** A variant: an origin that is not only far but also narrow. */
const narrow = 4_000_000;

const header = Buffer.alloc(54);
header.write('BM');
header.writeUInt32LE(54, 10);
header.writeUInt32LE(40, 14);
header.writeUInt16LE(1, 26);
header.writeUInt16LE(24, 28);

/** A picture that any browser shows, of random pixels: 20 to 200 KB, all sizes alike. */
function image(gallery, i) {
  const rows = Math.round((20_000 + (180_000 * i) / (count - 1)) / 600);
  const head = Buffer.from(header);
  head.writeInt32LE(200, 18);
  head.writeInt32LE(rows, 22);
  head.writeUInt32LE(54 + 600 * rows, 2);
  return Buffer.concat([head, randomBytes(`${gallery} ${i}`, 600 * rows)]);
}

const urlsOf = (gallery) => Array.from({ length: count }, (_, i) => `/static/${gallery}/${(i * 17) % count}.bmp`);

/** In the page: all images at once, as a gallery has them; the time of each until it can be shown. */
async function show(urls) {
  const began = performance.now();
  return Promise.all(
    urls.map(
      (url) =>
        new Promise((resolve, reject) => {
          const image = new Image();
          image.onload = () => resolve(performance.now() - began);
          image.onerror = () => reject(new Error(`${url} cannot be shown`));
          document.body.append(image);
          image.src = url;
        }),
    ),
  );
}

/** One visit: a fresh visitor that looks at a first gallery (cold), and at a second one when all is calm (warm). */
async function visit(browser, site, kind, say) {
  const visitor = await browser.another();
  try {
    await visitor.visit(site.url);
    const cold = await visitor.run(show, urlsOf('cold'));
    if (kind === 'ours') await visitor.fetch('/static/warm.bin');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const warm = await visitor.run(show, urlsOf('warm'));
    if (kind === 'ours') {
      for (const gallery of ['cold', 'warm']) say(`  ${gallery}: ${await shares(visitor, gallery)}`);
    }
    return { cold, warm };
  } finally {
    await visitor.close();
  }
}

/** Where a gallery came from. */
async function shares(visitor, gallery) {
  const all = await Promise.all(urlsOf(gallery).map((url) => visitor.sources(url)));
  const sum = (name) => Math.round(all.reduce((total, one) => total + one[name], 0) / 1000);
  return `${sum('fromPeers')} KB from peers, ${sum('fromOrigin')} from the origin, ${sum('wasted')} wasted`;
}

/** Median and 95th percentile of a kind's images, against the network's. */
function compare(results, kind, phase) {
  const all = (each) => results[each].flatMap((one) => one[phase]);
  const of = (measureOf) => rounded(measureOf(all(kind)) / measureOf(all('network')));
  const p95 = (times) => percentile(times, 0.95);
  return {
    medianVsNetwork: of(median),
    p95VsNetwork: of(p95),
    network: { median: rounded(median(all('network'))), p95: rounded(p95(all('network'))) },
  };
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: { medianVsNetwork: number, p95VsNetwork: number }, raw: object }>}
 */
export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const files = { '/static/warm.bin': randomBytes('warm', 2 * 1024 * 1024) };
    for (const gallery of ['cold', 'warm']) urlsOf(gallery).forEach((url, i) => (files[url] = image(gallery, i)));
    const sites = await openSites(files, keep, { latencyMs });
    const [holder, browser] = [await keep(openChromium()), await keep(openChromium())];
    await holder.visit(sites.ours.url);
    for (const gallery of ['cold', 'warm']) await holder.run(show, urlsOf(gallery));
    await holder.fetch('/static/warm.bin');
    for (const url of Object.keys(files)) await sites.ours.origin.untilShared(await sites.ours.root(url));
    const gather = async (rate, times) => {
      for (const site of Object.values(sites)) site.origin.pace(rate);
      return interleave(
        Object.fromEntries(Object.entries(sites).map(([kind, site]) => [kind, () => visit(browser, site, kind, say)])),
        times,
      );
    };
    const results = await gather(Infinity, runs);
    const phases = Object.fromEntries(['cold', 'warm'].map((phase) => [phase, compare(results, 'ours', phase)]));
    for (const phase of ['cold', 'warm']) {
      say(
        `${phase}: ${JSON.stringify(phases[phase])}; a worker that only passes on: ${JSON.stringify(
          compare(results, 'relay', phase),
        )}; one that only verifies: ${JSON.stringify(compare(results, 'verifier', phase))}`,
      );
    }
    const slow = await gather(narrow, Math.ceil(runs / 3));
    for (const phase of ['cold', 'warm']) say(`${phase}, origin of 4 MB/s: ${JSON.stringify(compare(slow, 'ours', phase))}`);
    const worst = (name) => Math.max(phases.cold[name], phases.warm[name]);
    const raw = Object.fromEntries(
      Object.entries(results).map(([kind, list]) => [
        kind,
        list.map((one) => ({ cold: one.cold.map(Math.round), warm: one.warm.map(Math.round) })),
      ]),
    );
    return { json: { medianVsNetwork: worst('medianVsNetwork'), p95VsNetwork: worst('p95VsNetwork') }, raw };
  });
}
