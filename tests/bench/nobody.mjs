// What we cost when no peer has the file: time to first byte of a routed fetch in a page that takes part, against the same
// page without a worker; at two latencies of the origin, whose slope says how many round trips were added.
import { openChromium, randomBytes } from '../e2e/harness/index.mjs';
import { interleave, median, rounded } from './stats.mjs';
import { closing, openSites } from './visits.mjs';

const latencies = [0, 20, 80];
const sizes = { small: 100_000, large: 8 * 1024 * 1024 };
/** A file for each run, since what was fetched once is in our store: of the large ones as many as a disk bears. */
const runsOf = (name, runs) => (name === 'small' ? runs : Math.ceil(runs / 3));

/** In the page: the time to the first byte of a body, and to its last one. */
async function firstByte(url) {
  const began = performance.now();
  const reader = (await fetch(url)).body.getReader();
  let first = 0;
  for (;;) {
    const { done } = await reader.read();
    first ||= performance.now() - began;
    if (done) return { first, ms: performance.now() - began };
  }
}

const fileUrl = (name, latencyMs, run) => `/static/${name}-${latencyMs}-${run}.bin`;

function files(runs) {
  const all = {};
  for (const [name, bytes] of Object.entries(sizes)) {
    const urls = latencies.flatMap((latencyMs) =>
      Array.from({ length: runsOf(name, runs) }, (_, run) => fileUrl(name, latencyMs, run)),
    );
    // One more, to be fetched before anything is measured.
    for (const url of [...urls, fileUrl(name, 'first', 0)]) all[url] = randomBytes(url, bytes);
  }
  return all;
}

/** Medians of what ours and the two bare workers add to the network, in ms. */
function added(results) {
  const of = (kind, what) => median(results[kind].map((one) => one[what]));
  const over = (kind, what) => rounded(of(kind, what) - of('network', what));
  return {
    network: rounded(of('network', 'first')),
    ours: over('ours', 'first'),
    relay: over('relay', 'first'),
    verifier: over('verifier', 'first'),
    whole: {
      network: rounded(of('network', 'ms')),
      ours: over('ours', 'ms'),
      relay: over('relay', 'ms'),
      verifier: over('verifier', 'ms'),
    },
  };
}

const describe = ({ network, ours, relay, verifier, whole }) =>
  `network ${network} ms; ours +${ours}, a worker that only passes on +${relay}, one that only verifies +${verifier}` +
  ` (to the last byte: ${whole.network}; +${whole.ours}, +${whole.relay}, +${whole.verifier})`;

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: { addedRoundTrips: number, addedMs: number }, raw: object }>}
 */
export function measure({ say, runs = 15 }) {
  return closing(async (keep) => {
    const sites = await openSites(files(runs), keep);
    const visitors = {};
    for (const [kind, site] of Object.entries(sites)) {
      visitors[kind] = await keep(openChromium());
      await visitors[kind].visit(site.url);
      for (const name of Object.keys(sizes)) await visitors[kind].run(firstByte, fileUrl(name, 'first', 0));
    }
    const [raw, sums] = [{}, {}];
    for (const name of Object.keys(sizes)) {
      [raw[name], sums[name]] = [{}, {}];
      for (const latencyMs of latencies) {
        for (const site of Object.values(sites)) site.origin.latencyMs = latencyMs;
        const contenders = Object.fromEntries(
          Object.entries(visitors).map(([kind, visitor]) => [
            kind,
            (run) => visitor.run(firstByte, fileUrl(name, latencyMs, run)),
          ]),
        );
        const results = await interleave(contenders, runsOf(name, runs));
        sums[name][latencyMs] = added(results);
        raw[name][latencyMs] = Object.fromEntries(
          Object.entries(results).map(([kind, list]) => [kind, list.map(({ first }) => rounded(first))]),
        );
        say(`${name}, origin at ${latencyMs} ms: ${describe(sums[name][latencyMs])}`);
      }
    }
    const slope = (sum) => Math.max(0, Math.round((100 * (sum[80].ours - sum[20].ours)) / 60) / 100);
    const worst = (of) => Math.max(...Object.values(sums).map(of));
    return { json: { addedRoundTrips: worst(slope), addedMs: rounded(worst((sum) => sum[20].ours)) }, raw };
  });
}
