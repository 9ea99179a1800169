#!/usr/bin/env node
// npm run demo: four visitors in four Chromium processes share a site's heavy files; the origin sends them about once.
//   node scripts/demo.mjs [--json]     exits 0 only if every byte was right and the origin sent one copy
//   node scripts/demo.mjs --picture    the same, and draws docs/demo.svg of it
//   node scripts/demo.mjs --serve      the same site for a person (npm start)
import crypto from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { root, say, seconds } from './run.mjs';
import { setup } from './setup.mjs';

const args = process.argv.slice(2);
const unknown = args.find((arg) => !['--json', '--picture', '--serve', '--help'].includes(arg) && !/^--port=\d+$/.test(arg));
if (unknown || args.includes('--help')) {
  say(`${unknown ? `unknown option ${unknown}\n` : ''}usage: npm run demo [-- --json | --picture]`);
  process.exit(unknown ? 2 : 0);
}
if (args.includes('--serve')) {
  await import('./start.mjs');
} else {
  await demo(args.includes('--json'), args.includes('--picture'));
}

async function demo(asJson, draws) {
  const started = performance.now();
  const open = [];
  let isClosing = false;
  const closeAll = async () => {
    isClosing = true;
    await Promise.allSettled(
      open
        .splice(0)
        .reverse()
        .map((one) => one.close()),
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      say('\nstopping');
      await closeAll();
      process.exit(130);
    });
  }
  try {
    await setup('demo');
    await buildAll();
    process.exitCode = (await run(asJson, draws, open)) ? 0 : 1;
  } catch (error) {
    if (!isClosing) {
      say(`demo failed: ${error.stack ?? error}`);
      process.exitCode = 1;
    }
  }
  if (!isClosing) {
    await closeAll();
    say(`demo: ${seconds(started)}`);
    // A browser that does not end must not keep the report waiting.
    process.exit();
  }
}

/** The visits and the verdict. */
async function run(asJson, draws, open) {
  const { heavyUrls, makeSite } = await import('./demo/assets.mjs');
  const { Origin, openChromium, serveFolder, strictPolicy } = await import('../tests/e2e/harness/index.mjs');
  const { Progress, table } = await import('./demo/report.mjs');
  const { visit } = await import('./demo/visit.mjs');
  const { picture } = await import('./demo/picture.mjs');

  say('demo site');
  const folder = await makeSite();
  const digests = {};
  const sizes = {};
  for (const url of heavyUrls) {
    const bytes = readFileSync(join(folder, url));
    digests[url] = crypto.createHash('sha256').update(bytes).digest('hex');
    sizes[url] = statSync(join(folder, url)).size;
  }
  const heavyBytes = heavyUrls.reduce((sum, url) => sum + sizes[url], 0);

  const shape = { bytesPerSecond: 4_000_000, latencyMs: 40 };
  const shapeText = '4 MB/s in total and 40 ms before each answer';
  const origin = await Origin.start({ ...(await serveFolder(folder)), ...shape, headers: strictPolicy });
  open.push(origin);
  say(`origin at ${origin.url}, shaped to ${shapeText}; ${(heavyBytes / 1e6).toFixed(1)} MB of heavy files`);

  const result = { visitors: [], origin: { heavyBytes: 0, copies: 0 }, ok: false };
  const [films, counted, failures] = [[], [], []];
  for (let i = 1; i <= 4; ++i) {
    const name = `visitor ${i}`;
    const before = origin.sent(...heavyUrls);
    const opening = openChromium();
    // Known before it is there: Ctrl-C may come while it starts.
    open.push({ close: async () => (await opening).close() });
    const visitor = await opening;
    await visitor.visit(`${origin.url}/#visitor`);
    const progress = new Progress();
    const wholes = { 'ffmpeg-core.wasm': sizes['/heavy/ffmpeg-core.wasm'], 'film.mp4': sizes['/media/film.mp4'] };
    const galleryBytes = heavyBytes - wholes['ffmpeg-core.wasm'] - wholes['film.mp4'];
    const sentBefore = Object.fromEntries(heavyUrls.map((url) => [url, origin.sent(url)]));
    const { files, film } = await visit(
      visitor,
      digests,
      (url) => origin.sent(url) - sentBefore[url],
      (label, transfers) => progress.show(name, label, transfers, wholes[label] ?? galleryBytes),
    );
    result.visitors.push({ name, files: files.map(({ error, ...file }) => file) });
    films.push(film);
    counted.push(origin.sent(...heavyUrls) - before);
    for (const file of files) {
      if (!file.digestOk) failures.push(`${name}: ${file.url} is not the file on disk${file.error ? ` (${file.error})` : ''}`);
    }
    const peers = files.reduce((sum, file) => sum + file.fromPeers, 0);
    // Against the origin's own count, not the client's word.
    const share = Math.min(peers / (peers + counted.at(-1)), 1 - counted.at(-1) / heavyBytes);
    if (i > 1 && !(share >= 0.99)) {
      failures.push(`${name} took ${(100 * share).toFixed(2)} % of its heavy bytes from peers, not 99 %`);
    }
  }
  result.origin.heavyBytes = origin.sent(...heavyUrls);
  result.origin.copies = Math.round((1000 * result.origin.heavyBytes) / heavyBytes) / 1000;
  if (!(result.origin.heavyBytes <= 1.05 * heavyBytes)) failures.push(`the origin sent ${result.origin.copies} copies, not 1.05`);
  result.ok = failures.length === 0;

  const report = table(result, { films, shape: shapeText, heavyBytes, counted, failures });
  // Only a run that was right is shown.
  if (draws && result.ok) writeFileSync(join(root, 'docs/demo.svg'), picture(result, { heavyBytes, shape: shapeText }));
  if (asJson) {
    say(report);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } else {
    process.stdout.write(report);
  }
  return result.ok;
}
