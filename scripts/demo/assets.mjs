// What the demo site carries: a wasm file from npm, a film and a gallery made with ffmpeg. Made once, kept in
// build/demo.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

import { root, say, seconds, which } from '../run.mjs';

export const wasmUrl = '/heavy/ffmpeg-core.wasm';
export const filmUrl = '/media/film.mp4';
export const galleryUrls = Array.from({ length: 40 }, (_, i) => `/gallery/${String(i + 1).padStart(2, '0')}.webp`);
/** Everything that the demo counts as heavy: all that the manifest lists. */
export const heavyUrls = [wasmUrl, filmUrl, ...galleryUrls];

export const filmSeconds = 72;
const made = join(root, 'build', 'demo');

/** Runs ffmpeg; `feed` writes to its standard input. */
async function ffmpeg(args, feed) {
  const child = spawn(which('ffmpeg') ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args], {
    stdio: [feed ? 'pipe' : 'ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
  const ended = new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`ffmpeg does not start: ${error.message} (apt install ffmpeg)`)));
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ffmpeg failed: ${complaint.trim()}`))));
  });
  if (feed) {
    child.stdin.on('error', () => {});
    await Promise.race([feed(child.stdin), ended]);
    child.stdin.end();
  }
  await ended;
}

/** A flight into the Mandelbrot set with a clock in it, so that a seek can be seen. H.264 and AAC, index first. */
function makeFilm(path) {
  const zoom =
    'mandelbrot=size=640x360:rate=24:maxiter=500:inner=black:outer=normalized_iteration_count' +
    ':start_x=-0.743643887037158704752191506114774:start_y=0.131825904205311970493132056385139' +
    `:start_scale=2.2:end_scale=0.00001:end_pts=${filmSeconds * 24}`;
  const clock =
    "drawtext=text='%{pts\\:gmtime\\:0\\:%M\\\\\\:%S}':fontsize=28:fontcolor=white:box=1:boxcolor=black@0.45" +
    ':boxborderw=8:x=16:y=h-th-20';
  return ffmpeg([
    '-f',
    'lavfi',
    '-i',
    zoom,
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=196:beep_factor=2:sample_rate=44100',
    '-vf',
    `hue=h=210:s=0.75,${clock},format=yuv420p`,
    '-af',
    'volume=0.15',
    '-t',
    String(filmSeconds),
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-crf',
    '27',
    '-g',
    '48',
    '-maxrate',
    '1500k',
    '-bufsize',
    '3000k',
    '-c:a',
    'aac',
    '-b:a',
    '64k',
    '-movflags',
    '+faststart',
    path,
  ]);
}

/** One Julia set as RGB24, coloured by a cosine palette that depends on its place in the gallery. */
export function drawJulia(index, width, height) {
  const angle = (index / 40) * 2 * Math.PI + 0.35;
  // Just outside the edge of the main cardioid, where the sets are richest.
  const cx = 1.03 * (Math.cos(angle) / 2 - Math.cos(2 * angle) / 4);
  const cy = 1.03 * (Math.sin(angle) / 2 - Math.sin(2 * angle) / 4);
  const shift = index / 40;
  const pixels = Buffer.allocUnsafe(width * height * 3);
  const scale = 2.6 / width;
  for (let y = 0, at = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x, at += 3) {
      let zx = (x - width / 2) * scale;
      let zy = (y - height / 2) * scale;
      let xx = zx * zx;
      let yy = zy * zy;
      let n = 0;
      while (n < 180 && xx + yy < 64) {
        zy = 2 * zx * zy + cy;
        zx = xx - yy + cx;
        xx = zx * zx;
        yy = zy * zy;
        ++n;
      }
      const smooth = n === 180 ? 0 : n + 1 - Math.log2(Math.log2(xx + yy) / 2);
      const t = Math.sqrt(smooth / 60);
      const dark = n === 180 ? 0.06 : Math.min(1, 0.15 + smooth / 14);
      for (let c = 0; c < 3; ++c) {
        const wave = 0.5 + 0.5 * Math.cos(2 * Math.PI * (t + shift + [0, 0.12, 0.28][c]));
        pixels[at + c] = 255 * dark * wave;
      }
    }
  }
  return pixels;
}

async function makeGallery(folder) {
  const [width, height] = [800, 600];
  mkdirSync(folder, { recursive: true });
  await ffmpeg(
    [
      '-f',
      'rawvideo',
      '-pix_fmt',
      'rgb24',
      '-s',
      `${width}x${height}`,
      '-r',
      '1',
      '-i',
      'pipe:0',
      '-c:v',
      'libwebp',
      '-quality',
      '82',
      '-f',
      'image2',
      '-start_number',
      '1',
      join(folder, '%02d.webp'),
    ],
    async (input) => {
      for (let i = 0; i < galleryUrls.length; ++i) {
        if (!input.write(drawJulia(i, width, height))) await once(input, 'drain');
      }
    },
  );
}

/** Makes `target` by `make(path)` unless it is there; never leaves a half-made one behind. */
async function makeOnce(target, what, make) {
  if (existsSync(target)) return;
  const started = performance.now();
  const temporary = join(dirname(target), `.new-${target.split('/').pop()}`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  await make(temporary);
  renameSync(temporary, target);
  say(`  ${what}: ${seconds(started)}`);
}

/**
 * Makes the demo site's folder complete: pages from web/demo, and the heavy files. Resolves to its path.
 * @param {{ folder?: string }} [options]
 */
export async function makeSite({ folder = join(made, 'site') } = {}) {
  const wasm = join(root, 'node_modules/@ffmpeg/core/dist/esm/ffmpeg-core.wasm');
  if (!existsSync(wasm)) throw new Error('node_modules/@ffmpeg/core is missing: run npm install');
  mkdirSync(folder, { recursive: true });
  const jobs = [
    () => makeOnce(join(folder, wasmUrl), 'ffmpeg-core.wasm', async (path) => cpSync(wasm, path)),
    () => makeOnce(join(folder, filmUrl), `a film of ${filmSeconds} s, made with ffmpeg`, makeFilm),
    () => makeOnce(join(folder, 'gallery'), 'a gallery of 40 images', makeGallery),
  ];
  if (availableParallelism() > 1) await Promise.all(jobs.map((job) => job()));
  else for (const job of jobs) await job();
  for (const name of readdirSync(join(root, 'web/demo')))
    cpSync(join(root, 'web/demo', name), join(folder, name), { recursive: true });
  for (const url of heavyUrls) {
    if (!(statSync(join(folder, url), { throwIfNoEntry: false })?.size > 0)) throw new Error(`${url} was not made`);
  }
  // For the page, which has no other way to know what the whole file's digest should be.
  const digests = heavyUrls.slice(0, 2).map((url) => [
    url,
    crypto
      .createHash('sha256')
      .update(readFileSync(join(folder, url)))
      .digest('hex'),
  ]);
  writeFileSync(join(folder, 'sha256.json'), JSON.stringify(Object.fromEntries(digests)));
  return folder;
}
