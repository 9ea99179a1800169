// Many readers of one file that nobody has, at once in one page: how many copies the origin sends, and when the last reader
// has the last byte, against the same page without us. From an origin of 4 MB/s, and from one as fast as this machine.
import { openChromium, randomBytes } from '../e2e/harness/index.mjs';
import { interleave, ratio, rounded } from './stats.mjs';
import { closing, openTwo } from './visits.mjs';

const bytes = 5 * 1024 * 1024;
const counts = [20, 3];
const paces = { paced: 4e6, unpaced: Infinity };
// So the browser's cache lets one request of the page without us serve all of its readers.
const headers = { 'cache-control': 'public, max-age=3600' };

const fileUrl = (pace, count, run) => `/static/${pace}-${count}-${run}.bin`;

/** In the page: milliseconds until the last of so many readers has the last byte. */
async function read({ url, length, count }) {
  const began = performance.now();
  const sizes = await Promise.all(Array.from({ length: count }, async () => (await (await fetch(url)).arrayBuffer()).byteLength));
  if (sizes.some((size) => size !== length)) throw new Error(`${sizes} instead of ${length} bytes of ${url}`);
  return performance.now() - began;
}

// One for each run, since what was fetched once is in our store, or in the browser's cache; and one to begin with.
function files(runs) {
  const urls = Object.keys(paces).flatMap((pace) =>
    counts.flatMap((count) => Array.from({ length: runs }, (_, run) => fileUrl(pace, count, run))),
  );
  return Object.fromEntries([...urls, fileUrl('first', 1, 0)].map((url) => [url, randomBytes(url, bytes)]));
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: { copies: number, vsNetwork: number }, raw: object }>}
 */
export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const sites = await openTwo(files(runs), keep, { headers });
    const visitors = {};
    for (const [kind, site] of Object.entries(sites)) {
      visitors[kind] = await keep(openChromium());
      await visitors[kind].visit(site.url);
      await visitors[kind].run(read, { url: fileUrl('first', 1, 0), length: bytes, count: 1 });
    }
    const raw = {};
    const worst = { copies: 0, vsNetwork: 0 };
    for (const [pace, bytesPerSecond] of Object.entries(paces)) {
      for (const { origin } of Object.values(sites)) origin.pace(bytesPerSecond);
      for (const count of counts) {
        const times = await interleave(
          Object.fromEntries(
            Object.entries(visitors).map(([kind, visitor]) => [
              kind,
              (run) => visitor.run(read, { url: fileUrl(pace, count, run), length: bytes, count }),
            ]),
          ),
          runs,
        );
        const sent = (kind) =>
          Array.from({ length: runs }, (_, run) => rounded(sites[kind].origin.sent(fileUrl(pace, count, run)) / bytes));
        const copies = { ours: sent('ours'), network: sent('network') };
        const vsNetwork = ratio(times.ours, times.network);
        raw[`${pace}-${count}`] = {
          copies,
          ...Object.fromEntries(Object.entries(times).map(([kind, list]) => [kind, list.map(rounded)])),
        };
        say(
          `${count} readers, ${pace}: ${Math.max(...copies.ours)} copies (network ${Math.max(...copies.network)}),` +
            ` ${vsNetwork} of the network's time`,
        );
        if (pace !== 'paced') continue;
        worst.copies = Math.max(worst.copies, ...copies.ours);
        worst.vsNetwork = Math.max(worst.vsNetwork, vsNetwork);
      }
    }
    return { json: worst, raw };
  });
}
