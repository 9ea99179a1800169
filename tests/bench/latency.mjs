// How peers add up when they are far away: 1, 2, 4 and 8 of them over a relay that delays and drops, against one raw
// RTCDataChannel on the same way. One reader in a browser of its own, eight seeders in two others, all pairs open.
import { pieceBytesMin } from '../../build/border.js';
import { openChromium, openSite, randomBytes, until } from '../e2e/harness/index.mjs';
import { connectRaw } from './raw.mjs';
import { Relay, relayFlags } from './relay.mjs';
import { interleave, median, ratio, rounded } from './stats.mjs';

const mib = 2 ** 20;
const fileBytes = 16 * mib;
const counts = [1, 2, 4, 8];
const seeders = Math.max(...counts);

/** `bytes` are read of each file: fewer where one peer alone is slow. */
const conditions = {
  rtt20: { ms: 20, loss: 0, bytes: fileBytes },
  rtt80: { ms: 80, loss: 0, bytes: 8 * mib },
  loss: { ms: 20, loss: 0.005, bytes: 8 * mib },
};

/** The file that so many seeders hold, and the small one that makes the pair with one of them. */
const fileOf = (count) => `/static/${count}.bin`;
const smallOf = (index) => `/static/small-${index}.bin`;

function files() {
  const all = {};
  for (const count of counts) all[fileOf(count)] = randomBytes(`latency ${count}`, fileBytes);
  for (let i = 0; i < seeders; ++i) all[smallOf(i)] = randomBytes(`small ${i}`, 1024);
  return all;
}

// --- In the page -------------------------------------------------------------------------------------------------------

/** Reads and throws away: milliseconds. */
async function readInPage({ url, bytes }) {
  const began = performance.now();
  const response = await fetch(url, { headers: { range: `bytes=0-${bytes - 1}` } });
  const reader = response.body.getReader();
  let got = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) got += part.value.length;
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes of ${url}`);
  return performance.now() - began;
}

// --- The field ---------------------------------------------------------------------------------------------------------

/** Everything that one measurement needs, with warm pairs and no delay yet. */
export async function openField({ say }) {
  const open = [];
  const keep = async (opening) => {
    const one = await opening;
    open.unshift(one);
    return one;
  };
  const close = async () => {
    for (const one of open) await one.close();
  };
  try {
    const relay = await keep(Relay.start());
    const site = await keep(openSite(files()));
    site.origin.rewrite = (message) => relay.message(message);
    const reader = await keep(openChromium({ flags: relayFlags }));
    const host = { flags: relayFlags, init: () => location.search === '?alone' && delete globalThis.RTCPeerConnection };
    const hosts = [await keep(openChromium(host)), await keep(openChromium(host))];
    const holders = await Promise.all(Array.from({ length: seeders }, (_, i) => hosts[i % hosts.length].another()));
    await seed(site, holders);
    await reader.visit(`${site.url}/`);
    await warm(site, reader);
    // From here on the origin is so far away and slow that only peers count.
    site.origin.latencyMs = 500;
    site.origin.pace(100_000);
    const raws = await connectAll(relay, holders, await reader.another());
    say(`${seeders} pairs are open; ${JSON.stringify(await relay.stats())}`);
    return { relay, site, reader, holders, raws, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** From the origin, without a word to each other; then they are there for others. */
async function seed(site, holders) {
  await Promise.all(
    holders.map(async (holder, i) => {
      await holder.visit(`${site.url}/?alone`, { ready: 'settled' });
      for (const url of [smallOf(i), ...counts.filter((count) => i < count).map(fileOf)]) {
        const { error } = await holder.fetch(url);
        if (error) throw new Error(`seeding ${url}: ${error}`);
      }
      await holder.visit(`${site.url}/`);
    }),
  );
  for (const count of counts) await site.origin.untilShared(await site.root(fileOf(count)), count);
}

/** A pair with each of the seeders: each has a small file that only it has. And the digests of the large ones. */
async function warm(site, reader) {
  for (let i = 0; i < seeders; ++i) {
    const url = smallOf(i);
    await site.origin.untilIntroducible(await site.root(url));
    await reader.fetch(url);
    const { fromPeers } = await reader.sources(url);
    if (fromPeers === 0) throw new Error(`${url} did not come from its seeder`);
  }
  for (const url of counts.map(fileOf)) {
    await reader.run(readInPage, { url, bytes: pieceBytesMin });
    await reader.drop(await site.root(url));
  }
  await reader.restartWorker();
  await until(`${seeders} open pairs`, async () => (await reader.run(() => peerCdn.stats.peers)) >= seeders);
}

/** In the same processes, but in windows of their own: a tab in the background gets less of the processor. */
async function connectAll(relay, holders, rawReader) {
  const rewrite = async ({ type, sdp }) => ({ type, sdp: await relay.sdp(sdp) });
  const raws = [];
  for (const holder of holders) {
    raws.push(await connectRaw(await holder.another(), rawReader, { index: raws.length, rewrite }));
  }
  return raws;
}

/** One timed read of the file that `count` seeders hold: MB/s of what they sent. */
export async function readOurs({ site, reader, relay }, count, bytes) {
  const url = fileOf(count);
  await reader.forget();
  const before = (await relay.stats()).sentBytes;
  const ms = await reader.run(readInPage, { url, bytes });
  const relayed = (await relay.stats()).sentBytes - before;
  const { fromPeers } = await reader.sources(url);
  // What a slow peer leaves open for long is asked of the origin too: the rate counts what peers sent.
  if (fromPeers < bytes * 0.9) throw new Error(`only ${fromPeers} of ${bytes} bytes came from peers`);
  if (relayed < fromPeers) throw new Error(`only ${relayed} bytes went through the relay`);
  await reader.drop(await site.root(url));
  // Else the worker would look for all that its store has lost, run by run, while the next read is timed.
  await reader.restartWorker();
  return fromPeers / 1000 / ms;
}

/** The same in equal shares over so many raw channels. */
export async function readRaw({ raws }, count, bytes) {
  const times = await Promise.all(raws.slice(0, count).map((raw) => raw.transfer(bytes / count)));
  return bytes / 1000 / Math.max(...times);
}

/** Rates in MB/s by contender, of interleaved runs. */
export async function measureOne(field, { ms, loss, bytes }, runs, say) {
  field.relay.delay(ms / 2);
  field.relay.loss(loss);
  const contenders = {};
  for (const count of counts) contenders[`raw ${count}`] = () => readRaw(field, count, bytes);
  for (const count of counts) contenders[`peers ${count}`] = () => readOurs(field, count, bytes);
  return interleave(contenders, runs, (name, rate) => say(`${name}: ${rounded(rate)} MB/s`));
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: Record<string, Record<'peers8vs1' | 'raw8vs1' | 'vsRaw1' | 'vsRaw8', number>>, raw: object }>}
 */
export async function measure({ say, runs = 3 }) {
  const field = await openField({ say });
  const [json, raw] = [{}, {}];
  try {
    for (const [name, condition] of Object.entries(conditions)) {
      say(`${condition.ms} ms, ${condition.loss * 100} % loss, ${condition.bytes / mib} MiB`);
      const rates = (raw[name] = await measureOne(field, condition, runs, say));
      json[name] = {
        peers8vs1: ratio(rates['peers 8'], rates['peers 1']),
        raw8vs1: ratio(rates['raw 8'], rates['raw 1']),
        vsRaw1: ratio(rates['peers 1'], rates['raw 1']),
        vsRaw8: ratio(rates['peers 8'], rates['raw 8']),
      };
      for (const each of Object.keys(rates)) {
        say(`median ${each}: ${rounded(median(rates[each]))} MB/s`);
        rates[each] = rates[each].map(rounded);
      }
    }
    say(JSON.stringify(await field.relay.stats()));
    return { json, raw };
  } finally {
    await field.close();
  }
}
