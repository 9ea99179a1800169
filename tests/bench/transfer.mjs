// 32 MiB between two browser processes over an open connection: a raw data channel, what a verified response out of a store
// takes in the fewest lines (the ladder's `read`), ours from the seeder's store to fetch(), and WebTorrent; and to a reader in
// Firefox, whose channels are slower, the first three.
import { openFirefox } from '../e2e/harness/index.mjs';
import { withCpu } from './cpu.mjs';
import { openLadder } from './ladder.mjs';
import { asWatched, closing, fileUrl, openPair, transferOurs } from './ours.mjs';
import { connectRaw } from './raw.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';
import { openWebTorrent } from './webtorrent.mjs';

const bytes = 32 * 1024 * 1024;
const rate = (ms) => rounded(bytes / 1000 / ms); // MB/s

/** A seeder in Chromium, a reader in Firefox, apart from the others: each open browser takes a little of the processors. */
function measureFirefox(runs, say) {
  return closing(async (keep) => {
    const { seeder, reader } = await openPair(runs, bytes, keep, {}, openFirefox);
    const raw = await connectRaw(seeder, reader);
    await raw.transfer(bytes);
    const ladder = await openLadder(keep, openFirefox);
    const pair = [seeder, reader];
    return interleave(
      {
        firefoxRaw: () => withCpu(pair, () => raw.transfer(bytes)),
        firefoxOurs: async (run) => asWatched(await transferOurs(reader, fileUrl(run), pair)),
        firefoxLadder: () => ladder.step('read'),
      },
      runs,
      say,
    );
  });
}

function measureChromium(runs, told, say) {
  return closing(async (keep) => {
    const { seeder, reader } = await openPair(runs, bytes, keep);
    const raw = await connectRaw(seeder, reader);
    await raw.transfer(bytes);
    const webTorrent = await keep(openWebTorrent(bytes, say));
    await webTorrent.transfer();
    const ladder = await openLadder(keep);
    const pair = [seeder, reader];
    const idle = [];
    const results = await interleave(
      {
        raw: () => withCpu(pair, () => raw.transfer(bytes)),
        ours: async (run) => {
          const got = await transferOurs(reader, fileUrl(run), pair);
          idle.push(got.idle);
          return asWatched(got);
        },
        ladder: () => ladder.step('read'),
        webTorrent: () => withCpu([webTorrent.seeder, webTorrent.reader], webTorrent.transfer),
      },
      runs,
      told,
    );
    return { idle, results };
  });
}

export async function measure({ say, runs = 7 }) {
  const told = (name, { result, cpuMs, threads }) =>
    say(`${name} ${rate(result)} MB/s; ${cpuMs} ms of processor in both browsers: ${JSON.stringify(threads)}`);
  const { idle, results } = await measureChromium(runs, told, say);
  Object.assign(results, await measureFirefox(runs, told));
  const each = (take) => Object.fromEntries(Object.entries(results).map(([name, list]) => [name, list.map(take)]));
  const rates = each(({ result }) => rate(result));
  const cpuMs = each((one) => one.cpuMs);
  return {
    json: {
      vsRaw: ratio(rates.ours, rates.raw),
      vsLadder: ratio(rates.ours, rates.ladder),
      vsWebTorrent: ratio(rates.ours, rates.webTorrent),
      cpuVsRaw: ratio(cpuMs.ours, cpuMs.raw),
      // The reader in Firefox.
      firefox: {
        vsRaw: ratio(rates.firefoxOurs, rates.firefoxRaw),
        vsLadder: ratio(rates.firefoxOurs, rates.firefoxLadder),
        cpuVsRaw: ratio(cpuMs.firefoxOurs, cpuMs.firefoxRaw),
      },
      // Of the processors while ours ran.
      idle: rounded(median(idle)),
    },
    raw: { mbPerSecond: rates, cpuMs },
  };
}
