// Ours, as a site uses it: a seeder's page with files in its store, and a reader's page that fetches them.
import { segmentBytes, STORE_PATH } from '../../build/border.js';
import { openChromium, openSite, randomBytes, until } from '../e2e/harness/index.mjs';
import { withCpu, withIdle } from './cpu.mjs';

/** In the page: fetches and counts, without keeping or hashing what comes. */
async function drain(url) {
  const began = performance.now();
  const reader = (await fetch(url)).body.getReader();
  let bytes = 0;
  let firstByteMs = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    firstByteMs ||= performance.now() - began;
  }
  return { bytes, firstByteMs, ms: performance.now() - began };
}

/**
 * A site with `count` files of so many bytes, named by fileUrl(), and a small one to warm up with.
 * @param {number} count
 * @param {number} bytes
 * @param {object} [options] openSite()'s
 * @param {Record<string, Buffer | string>} [more] files
 */
export function openFiles(count, bytes, options, more = {}) {
  const files = { '/static/warm.bin': randomBytes('warm', 2 * 1024 * 1024), ...more };
  for (let i = 0; i < count; ++i) files[fileUrl(i)] = randomBytes(`file ${i}`, bytes);
  return openSite(files, options);
}

export const fileUrl = (i) => `/static/file-${i}.bin`;

/** Has a visitor hold files, whole and stored. */
export async function seed(site, visitor, urls) {
  await visitor.visit(`${site.url}/`);
  for (const url of urls) {
    const { bytes } = await visitor.run(drain, url);
    const root = await site.root(url);
    const segments = Math.ceil(bytes / segmentBytes);
    await until(`${url} to be stored`, async () => {
      const stored = await visitor.stored();
      return stored.filter((key) => key.startsWith(`${STORE_PATH}${root}?`)).length >= segments;
    });
  }
}

/** Reads the small file from peers, so that the connection is open. */
export async function warmUp(site, reader) {
  await reader.visit(`${site.url}/`);
  await transferOurs(reader, '/static/warm.bin');
}

/**
 * A seeder that holds a file of so many bytes for each run, so that every one comes from it, and a reader with an open
 * connection to it, in two processes. `keep` is told of what is open as it opens.
 * @param {() => Promise<import('../e2e/harness/browsers.mjs').Visitor>} [openReader]
 */
export async function openPair(runs, bytes, keep, more = {}, openReader = openChromium) {
  const site = await keep(openFiles(runs, bytes, {}, more));
  const seeder = await keep(openChromium());
  const reader = await keep(openReader());
  await seed(site, seeder, ['/static/warm.bin', ...Array.from({ length: runs }, (_, i) => fileUrl(i))]);
  // On a busy machine an origin that is as near as the peer would help out.
  site.origin.recede();
  await warmUp(site, reader);
  for (const visitor of [seeder, reader]) await unwatch(visitor);
  return { seeder, reader, site };
}

/** Fetches and counts in a visitor's page, as transferOurs(), whoever answers. */
export const read = (visitor, url) => visitor.run(drain, url);

/** Has the debugger not told of every chunk of a response: a tenth of a second for 32 MiB that no visitor has to pay. */
export async function unwatch({ page }) {
  const inner = page._connection?.toImpl?.(page);
  await inner?.delegate?._mainFrameSession?._client.send('Network.disable');
}

/**
 * Calls `work` with a `keep`, and closes what was kept when it is over.
 * @template T
 * @param {(keep: <C>(opening: Promise<C>) => Promise<C>) => Promise<T>} work
 */
export async function closing(work) {
  const open = [];
  try {
    return await work(async (opening) => {
      open.push(await opening);
      return open.at(-1);
    });
  } finally {
    await Promise.allSettled(open.reverse().map((one) => one.close()));
  }
}

/**
 * Fetches `url` in the reader's page; rejects unless every byte came from peers. What it took is of the transfer alone: neither
 * is the store emptied in it, nor filled behind the last byte.
 * @param {import('../e2e/harness/browsers.mjs').Visitor[]} [visitors] whose processors' time is told
 * @returns {Promise<{ bytes: number, firstByteMs: number, ms: number, idle: number, cpuMs: number, threads: object }>} `idle`:
 *   what was left of the processors; `cpuMs`, `threads`: withCpu()'s
 */
export async function transferOurs(reader, url, visitors = []) {
  await reader.forget();
  const { result, ...cpu } = await withCpu(visitors, () => withIdle(() => reader.run(drain, url)));
  const { result: got, idle } = result;
  const from = await reader.sources(url);
  if (from.fromPeers !== got.bytes || from.codes.length > 0) {
    throw new Error(`${url} did not come from peers alone: ${JSON.stringify(from)}`);
  }
  return { ...got, idle, ...cpu };
}

/** A transfer of ours, as withCpu() tells of one. */
export const asWatched = ({ ms, cpuMs, threads }) => ({ result: ms, cpuMs, threads });
