// A lone visitor: one listed file of 30 MB that nobody has, in a page that takes part, against the same page without us,
// each as a page fetches: the browser keeps in its cache what comes from the network, and we in our store. To the last byte,
// from an origin of 50 MB/s at three latencies, and from one as fast as this machine. There a plain worker stands beside ours,
// which verifies what comes piece by piece and does nothing else: no worker that is never wrong can be sooner.
import { openChromium, openSite, randomBytes } from '../e2e/harness/index.mjs';
import { interleave, ratio, rounded } from './stats.mjs';
import { closing, openTwo, pageThat, workerThat } from './visits.mjs';

const bytes = 30 * 1024 * 1024;
const conditions = {
  0: { latencyMs: 0, bytesPerSecond: 50e6 },
  40: { latencyMs: 40, bytesPerSecond: 50e6 },
  80: { latencyMs: 80, bytesPerSecond: 50e6 },
  unshaped: { latencyMs: 0, bytesPerSecond: Infinity },
  // The same again, with the worker that only verifies.
  verified: { latencyMs: 0, bytesPerSecond: Infinity },
};

const pieceBytes = 128 * 1024;
const verifyPieces = `async (request) => {
  const response = await fetch(request);
  const reader = response.body.getReader();
  let rest = new Uint8Array(0);
  const pull = async (stream) => {
    const parts = [rest];
    for (let length = rest.length; length < ${pieceBytes}; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      parts.push(value);
    }
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    const piece = bytes.slice(0, ${pieceBytes});
    rest = bytes.subarray(piece.length);
    await crypto.subtle.digest('SHA-256', piece);
    if (piece.length > 0) stream.enqueue(piece);
    else stream.close();
  };
  return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { headers: response.headers });
}`;

const fileUrl = (name, run) => `/static/${name}-${run}.bin`;

/** In the page: milliseconds to the last byte. */
async function read({ url, length }) {
  const began = performance.now();
  const reader = (await fetch(url)).body.getReader();
  let got = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) got += part.value.length;
  if (got !== length) throw new Error(`${got} of ${length} bytes of ${url}`);
  return performance.now() - began;
}

// One for each run, since what was fetched once is in our store, or in the cache; and one more, to be fetched first.
function files(runs) {
  const urls = Object.keys(conditions).flatMap((name) => Array.from({ length: runs }, (_, run) => fileUrl(name, run)));
  return Object.fromEntries([...urls, fileUrl('first', 0)].map((url) => [url, randomBytes(url, bytes)]));
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: Record<string, number>, raw: object }>} the figures of tests/bench/README.md
 */
export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const served = files(runs);
    const sites = await openTwo(served, keep);
    const visitors = {};
    const come = async (kind) => {
      visitors[kind] = await keep(openChromium());
      await visitors[kind].visit(sites[kind].url);
      await visitors[kind].run(read, { url: fileUrl('first', 0), length: bytes });
    };
    for (const kind of Object.keys(sites)) await come(kind);
    const [raw, ratios] = [{}, {}];
    let requests = 0;
    for (const [name, { latencyMs, bytesPerSecond }] of Object.entries(conditions)) {
      if (name === 'verified') {
        sites.verifier = await keep(openSite({ ...served, ...pageThat(workerThat(verifyPieces)) }));
        await come('verifier');
      }
      for (const { origin } of Object.values(sites)) {
        origin.latencyMs = latencyMs;
        origin.pace(bytesPerSecond);
      }
      raw[name] = await interleave(
        Object.fromEntries(
          Object.entries(visitors).map(([kind, visitor]) => [
            kind,
            (run) => visitor.run(read, { url: fileUrl(name, run), length: bytes }),
          ]),
        ),
        runs,
      );
      const counts = Array.from({ length: runs }, (_, run) => sites.ours.origin.log(fileUrl(name, run)).length);
      ratios[name] = ratio(raw[name].ours, raw[name].network);
      requests = Math.max(requests, ...counts);
      say(`origin at ${name} ${latencyMs === Number(name) ? 'ms' : ''}: ${ratios[name]} of the network, requests ${counts}`);
    }
    const { ours, network, verifier } = raw.verified;
    say(`a plain worker that verifies: ${ratio(verifier, network)} of the network there`);
    return {
      json: {
        vsNetwork: Math.max(ratios[0], ratios[40], ratios[80]),
        vsNetworkUnshaped: ratios.unshaped,
        vsVerifierUnshaped: ratio(ours, verifier),
        requests,
      },
      raw: Object.fromEntries(
        Object.entries(raw).map(([name, kinds]) => [
          name,
          Object.fromEntries(Object.entries(kinds).map(([kind, list]) => [kind, list.map(rounded)])),
        ]),
      ),
    };
  });
}
