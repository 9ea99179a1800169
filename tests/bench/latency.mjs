// How peers add up when they are far away: 1, 2, 4 and 8 of them over a relay that delays and drops, against one raw
// RTCDataChannel on the same way. One reader in a browser of its own, eight seeders in two others, all pairs open.
import {openChromium, openSite, randomBytes, until} from '../e2e/harness/index.mjs';
import {Relay, relayFlags} from './relay.mjs';
import {interleave, median, ratio, rounded} from './stats.mjs';

const mib = 2 ** 20;
const fileBytes = 32 * mib;
const counts = [1, 2, 4, 8];
const rawCounts = counts;
const seeders = Math.max(...counts);

/** `bytes` are read of each file: fewer where one peer alone is slow. */
const conditions = {
  rtt20: {ms: 20, loss: 0, bytes: fileBytes},
  rtt80: {ms: 80, loss: 0, bytes: 8 * mib},
  loss: {ms: 20, loss: 0.005, bytes: 8 * mib},
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

/** Reads and throws away: MB/s of the whole. */
async function readInPage({url, bytes}) {
  const began = performance.now();
  const response = await fetch(url, {headers: {range: `bytes=0-${bytes - 1}`}});
  const reader = response.body.getReader();
  let got = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) got += part.value.length;
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes of ${url}`);
  return bytes / 1000 / (performance.now() - began);
}

/** The store forgets a file as the worker's eviction would. */
async function forgetInPage(root) {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const key of await cache.keys()) if (key.url.includes(`/store/${root}`)) await cache.delete(key);
  }
  const channel = new BroadcastChannel('peer-cdn');
  channel.postMessage({type: 'dropped', root});
  channel.close();
}

/** One end of a raw channel. `offer` is null for the end that offers. Resolves to the description with its candidates. */
async function connectInPage({index, offer}) {
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel('raw', {negotiated: true, id: 0});
  channel.binaryType = 'arraybuffer';
  (window.raw ??= {})[index] = {connection, channel};
  const [message, high, low] = [64 * 1024, 1024 * 1024, 256 * 1024];
  channel.bufferedAmountLowThreshold = low;
  channel.onmessage = async ({data}) => {  // the end that is asked
    const buffer = new ArrayBuffer(message);
    for (let left = Number(data); left > 0; left -= message) {
      if (channel.bufferedAmount > high) await new Promise((resolve) => channel.onbufferedamountlow = resolve);
      channel.send(left < message ? buffer.slice(0, left) : buffer);
    }
  };
  const gathered = new Promise((resolve) => {
    connection.onicegatheringstatechange = () => connection.iceGatheringState === 'complete' && resolve();
  });
  if (offer) await connection.setRemoteDescription({type: 'offer', sdp: offer});
  await connection.setLocalDescription();
  await gathered;
  return connection.localDescription.sdp;
}

async function openInPage({index, answer}) {
  const {connection, channel} = window.raw[index];
  if (answer) await connection.setRemoteDescription({type: 'answer', sdp: answer});
  if (channel.readyState !== 'open') await new Promise((resolve) => channel.onopen = resolve);
}

/** Asks `count` raw channels for equal shares: MB/s of all. */
async function readRawInPage({count, bytes}) {
  const began = performance.now();
  await Promise.all(Array.from({length: count}, (_, index) => new Promise((resolve) => {
    const {channel} = window.raw[index];
    let left = bytes / count;
    channel.onmessage = ({data}) => (left -= data.byteLength) <= 0 && resolve();
    channel.send(String(left));
  })));
  return bytes / 1000 / (performance.now() - began);
}

// --- The field ---------------------------------------------------------------------------------------------------------

/** Everything that one measurement needs, with warm pairs and no delay yet. */
export async function openField({say}) {
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
    const reader = await keep(openChromium({flags: relayFlags}));
    const hosts = [await keep(openChromium({flags: relayFlags})), await keep(openChromium({flags: relayFlags}))];
    const holders = await Promise.all(Array.from({length: seeders}, (_, i) => hosts[i % hosts.length].another()));
    await seed(site, holders);
    await reader.visit(`${site.url}/`);
    await warm(site, reader);
    const rawReader = await reader.another();
    await connectRaw(relay, holders, rawReader);
    say(`${seeders} pairs are open; ${JSON.stringify(await relay.stats())}`);
    return {relay, site, reader, rawReader, close};
  } catch (error) {
    await close();
    throw error;
  }
}

async function seed(site, holders) {
  await Promise.all(holders.map(async (holder, i) => {
    await holder.visit(`${site.url}/`);
    await holder.fetch(smallOf(i));
  }));
  for (const count of counts) {
    await Promise.all(holders.slice(0, count).map(async (holder) => {
      const {error} = await holder.fetch(fileOf(count));
      if (error) throw new Error(`seeding ${fileOf(count)}: ${error}`);
    }));
    await site.origin.untilShared(await site.root(fileOf(count)), count);
  }
}

/** A pair with each of the seeders: each has a small file that only it has. */
async function warm(site, reader) {
  for (let i = 0; i < seeders; ++i) {
    const url = smallOf(i);
    await site.origin.untilIntroducible(await site.root(url));
    await reader.fetch(url);
    const {fromPeers} = await reader.sources(url);
    if (fromPeers === 0) throw new Error(`${url} did not come from its seeder`);
  }
  await until(`${seeders} open pairs`, async () => await reader.run(() => peerCdn.stats.peers) >= seeders);
}

/** In the same processes, but in windows of their own: a tab in the background gets less of the processor. */
async function connectRaw(relay, holders, reader) {
  for (let index = 0; index < Math.max(...rawCounts); ++index) {
    const other = await holders[index].another();
    const offer = await relay.sdp(await other.run(connectInPage, {index, offer: null}));
    const answer = await relay.sdp(await reader.run(connectInPage, {index, offer}));
    await Promise.all([other.run(openInPage, {index, answer}), reader.run(openInPage, {index})]);
  }
}

/** One timed read of the file that `count` seeders hold. */
export async function readOurs({site, reader, relay}, count, bytes) {
  const url = fileOf(count);
  await reader.forget();
  const before = (await relay.stats()).sentBytes;
  const rate = await reader.run(readInPage, {url, bytes});
  const relayed = (await relay.stats()).sentBytes - before;
  const {fromPeers} = await reader.sources(url);
  if (fromPeers < bytes) throw new Error(`only ${fromPeers} of ${bytes} bytes came from peers`);
  if (relayed < bytes) throw new Error(`only ${relayed} bytes went through the relay`);
  await reader.run(forgetInPage, await site.root(url));
  return rate;
}

export const readRaw = ({rawReader}, count, bytes) => rawReader.run(readRawInPage, {count, bytes});

/** Rates in MB/s by contender, of interleaved runs. */
export async function measureOne(field, {ms, loss, bytes}, runs, say) {
  field.relay.delay(ms / 2);
  field.relay.loss(loss);
  const contenders = {};
  for (const count of rawCounts) contenders[`raw ${count}`] = () => readRaw(field, count, bytes);
  for (const count of counts) contenders[`peers ${count}`] = () => readOurs(field, count, bytes);
  return interleave(contenders, runs, (name, rate) => say(`${name}: ${rounded(rate)} MB/s`));
}

/**
 * @param {{ say: (text: string) => void, runs?: number }} how
 * @returns {Promise<{ json: Record<string, { peers8vs1: number, vsRaw1: number }>, raw: object }>}
 */
export async function measure({say, runs = 3}) {
  const field = await openField({say});
  const [json, raw] = [{}, {}];
  try {
    for (const [name, condition] of Object.entries(conditions)) {
      say(`${condition.ms} ms, ${condition.loss * 100} % loss, ${condition.bytes / mib} MiB`);
      const rates = raw[name] = await measureOne(field, condition, runs, say);
      json[name] = {peers8vs1: ratio(rates['peers 8'], rates['peers 1']), vsRaw1: ratio(rates['peers 1'], rates['raw 1'])};
      for (const each of Object.keys(rates)) {
        say(`median ${each}: ${rounded(median(rates[each]))} MB/s`);
        rates[each] = rates[each].map(rounded);
      }
    }
    say(JSON.stringify(await field.relay.stats()));
    return {json, raw};
  } finally {
    await field.close();
  }
}
