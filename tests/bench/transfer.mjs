// 32 MiB between two browser processes over an open connection: a raw data channel, what a verified response out of a store
// takes in the fewest lines (the ladder's `read`), ours from the seeder's store to fetch(), and WebTorrent; and to a reader in
// Firefox, whose channels are slower, raw and ours.
import { openFirefox } from '../e2e/harness/index.mjs';
import { withCpu } from './cpu.mjs';
import { openLadder } from './ladder.mjs';
import { closing, fileUrl, openPair, transferOurs, warmUp } from './ours.mjs';
import { connectRaw } from './raw.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';
import { openWebTorrent } from './webtorrent.mjs';

const bytes = 32 * 1024 * 1024;
const rate = (ms) => rounded(bytes / 1000 / ms); // MB/s

export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const { seeder, reader, site } = await openPair(runs, bytes, keep);
    const raw = await connectRaw(seeder, reader);
    await raw.transfer(bytes);
    const other = await keep(openFirefox());
    await warmUp(site, other);
    const otherRaw = await connectRaw(seeder, other, { index: 1 });
    await otherRaw.transfer(bytes);
    const webTorrent = await keep(openWebTorrent(bytes, say));
    await webTorrent.transfer();
    const ladder = await openLadder(keep);
    const pair = [seeder, reader];
    const contenders = {
      raw: () => withCpu(pair, () => raw.transfer(bytes)),
      ours: (run) => withCpu(pair, async () => (await transferOurs(reader, fileUrl(run))).ms),
      ladder: () => ladder.step('read'),
      firefoxRaw: () => withCpu([seeder, other], () => otherRaw.transfer(bytes)),
      firefoxOurs: (run) => withCpu([seeder, other], async () => (await transferOurs(other, fileUrl(run))).ms),
      webTorrent: () => withCpu([webTorrent.seeder, webTorrent.reader], webTorrent.transfer),
    };
    const results = await interleave(contenders, runs, (name, { result, cpuMs, threads }) => {
      say(`${name} ${rate(result)} MB/s; ${cpuMs} ms of processor in both browsers: ${JSON.stringify(threads)}`);
    });
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
        firefox: { vsRaw: ratio(rates.firefoxOurs, rates.firefoxRaw), cpuVsRaw: ratio(cpuMs.firefoxOurs, cpuMs.firefoxRaw) },
        // Of the processors while ours ran.
        idle: rounded(median(results.ours.map(({ idle }) => idle))),
      },
      raw: { mbPerSecond: rates, cpuMs },
    };
  });
}
