// 32 MiB between two browser processes over an open connection: a raw data channel, ours from the seeder's store to
// fetch(), and WebTorrent.
import {openChromium} from '../e2e/harness/index.mjs';
import {withCpu} from './cpu.mjs';
import {fileUrl, openFiles, seed, transferOurs, warmUp} from './ours.mjs';
import {connectRaw} from './raw.mjs';
import {interleave, ratio, rounded} from './stats.mjs';
import {openWebTorrent} from './webtorrent.mjs';

const bytes = 32 * 1024 * 1024;
const rate = (ms) => rounded(bytes / 1000 / ms);  // MB/s

export async function measure({say, runs = 5}) {
  const open = [];
  const keep = async (opening) => {
    const one = await opening;
    open.push(one);
    return one;
  };
  try {
    // A file for each run, so that every one comes from the peer.
    const site = await keep(openFiles(runs, bytes));
    const seeder = await keep(openChromium());
    const reader = await keep(openChromium());
    await seed(site, seeder, ['/static/warm.bin', ...Array.from({length: runs}, (_, i) => fileUrl(i))]);
    await warmUp(site, reader);
    const raw = await connectRaw(seeder, reader);
    await raw.transfer(bytes);
    const webTorrent = await keep(openWebTorrent(bytes, say));
    await webTorrent.transfer();
    const pair = [seeder, reader];
    const contenders = {
      raw: () => withCpu(pair, () => raw.transfer(bytes)),
      ours: (run) => withCpu(pair, async () => (await transferOurs(reader, fileUrl(run))).ms),
      webTorrent: () => withCpu([webTorrent.seeder, webTorrent.reader], webTorrent.transfer),
    };
    const results = await interleave(contenders, runs, (name, {result, cpuMs, threads}) => {
      say(`${name} ${rate(result)} MB/s; ${cpuMs} ms of processor in both browsers: ${JSON.stringify(threads)}`);
    });
    const each = (take) => Object.fromEntries(Object.entries(results).map(([name, list]) => [name, list.map(take)]));
    const rates = each(({result}) => rate(result));
    return {
      json: {vsRaw: ratio(rates.ours, rates.raw), vsWebTorrent: ratio(rates.ours, rates.webTorrent)},
      raw: {mbPerSecond: rates, cpuMs: each(({cpuMs}) => cpuMs)},
    };
  } finally {
    await Promise.allSettled(open.reverse().map((one) => one.close()));
  }
}
