// <video> through the worker, and ranges as RFC 9110 section 14 has them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { randomBytes, sha256 } from './harness/index.mjs';
import { scene } from './harness/scene.mjs';

const vectors = JSON.parse(fs.readFileSync(new URL('../vectors/ranges.json', import.meta.url), 'utf8'));

/** 20 s of moving picture and sound, about 5 MB, index first. */
function makeFilm() {
  const file = path.join(os.tmpdir(), `peer-cdn-film-${process.pid}.mp4`);
  execFileSync('ffmpeg', [
    '-hide_banner',
    '-loglevel',
    'error',
    '-y',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=480x270:rate=24',
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=330',
    '-t',
    '20',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-b:v',
    '2000k',
    '-g',
    '48',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
    '-movflags',
    '+faststart',
    file,
  ]);
  const bytes = fs.readFileSync(file);
  fs.rmSync(file);
  return bytes;
}

/** In the page: plays, seeks to the middle and plays on there. */
async function playAndSeek(url) {
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const next = (name) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`no ${name}`)), 45000);
      video.addEventListener(name, resolve, { once: true });
      video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
    });
  const moved = next('timeupdate');
  video.src = url;
  await video.play();
  await moved;
  const sought = next('seeked');
  video.currentTime = video.duration / 2;
  await sought;
  const at = video.currentTime;
  while (video.currentTime < at + 0.5) await next('timeupdate');
  const out = {
    duration: video.duration,
    at,
    now: video.currentTime,
    width: video.videoWidth,
    error: video.error?.message ?? null,
  };
  video.remove();
  return out;
}

test('visitor 2 plays a film and seeks to its middle, all of it from visitor 1', async (t) => {
  const { site, chromium } = scene(t);
  const film = makeFilm();
  const s = await site({ '/static/film.mp4': film });
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  assert.equal((await first.fetch('/static/film.mp4')).sha256, sha256(film));
  await s.origin.untilShared(await s.root('/static/film.mp4'));
  s.origin.requests = [];
  s.origin.recede();
  await second.visit(s.url);
  await s.origin.untilIntroducible(await s.root('/static/film.mp4'));
  const played = await second.run(playAndSeek, '/static/film.mp4');
  assert.equal(played.error, null);
  assert.ok(Math.abs(played.duration - 20) < 0.5, JSON.stringify(played));
  assert.ok(played.at > 9 && played.now > played.at && played.width === 480, JSON.stringify(played));
  assert.equal(s.origin.sent('/static/film.mp4'), 0, 'the origin sent nothing of it');
});

test('a visitor that has nothing plays and seeks from the origin, by verified windows', async (t) => {
  const { site, chromium } = scene(t);
  const film = makeFilm();
  const url = '/static/film.mp4';
  const s = await site({ [url]: film });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const played = await visitor.run(playAndSeek, url);
  assert.equal(played.error, null);
  assert.ok(played.at > 9 && played.now > played.at, JSON.stringify(played));
  // Nothing that a reader was given is asked for again. What a seek cuts off are the windows under way, two of 2 MiB at
  // most; a reader that is cut off before its first byte is not told of.
  const { fromOrigin, codes } = await visitor.sources(url);
  assert.ok(fromOrigin <= film.length, `${fromOrigin} of ${film.length} bytes`);
  const cut = (codes.filter((code) => code === 'cancelled').length + 1) * 4 * 1024 * 1024;
  const asked = s.origin.log(url).map(({ at, range, sent, done }) => `${Math.round(at)} ${range} ${sent} ${done}`);
  assert.ok(s.origin.sent(url) <= film.length + cut, `of ${film.length}:\n${asked.join('\n')}`);
});

/** A server as many a tutorial on video has it: at most a million bytes at once, and nothing without a range. */
const tutorial = (handle) => (request, response) => {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (request.url.endsWith('.mp4') && !range) return response.writeHead(416).end();
  if (range) {
    const last = Math.min(range[2] ? Number(range[2]) : Infinity, Number(range[1]) + 999_999);
    request.headers.range = `bytes=${range[1]}-${last}`;
  }
  return handle(request, response);
};

test('a film of a server that sends little at once plays and seeks, and is verified and kept', async (t) => {
  const { site, chromium } = scene(t);
  const film = makeFilm();
  const url = '/static/film.mp4';
  const s = await site({ [url]: film }, { serve: { wrap: tutorial } });
  const visitor = await chromium();
  await visitor.visit(s.url);
  const played = await visitor.run(playAndSeek, url);
  assert.equal(played.error, null);
  assert.ok(played.at > 9 && played.now > played.at, JSON.stringify(played));
  const { fromOrigin } = await visitor.sources(url);
  assert.ok(fromOrigin > 1_000_000, `${fromOrigin} bytes came through the worker`);
});

test('ranges through the worker answer as the shared table says', async (t) => {
  const { site, chromium } = scene(t);
  // A header that fetch() would not send, or would change, is the core's own test.
  const table = vectors.range.filter(
    ({ header, bytes }) => header.trim() === header && /^[\x20-\x7e]*$/.test(header) && bytes > 0 && bytes < 10_000_000,
  );
  const files = {};
  for (const { bytes } of table) files[`/static/r${bytes}.bin`] = randomBytes(`range ${bytes}`, bytes);
  files['/static/large.bin'] = randomBytes('large', 3_000_000);
  const s = await site(files);
  const [first, second] = [await chromium(), await chromium()];
  await first.visit(s.url);
  for (const url of Object.keys(files)) {
    await first.fetch(url);
    await s.origin.untilShared(await s.root(url));
  }
  await second.visit(s.url);
  let checked = 0;
  for (const { case: name, header, bytes, status, contentRange } of table) {
    const file = files[`/static/r${bytes}.bin`];
    const init = header ? { headers: { range: header } } : {};
    const got = await second.fetch(`/static/r${bytes}.bin`, { init });
    assert.equal(got.error, null, name);
    if (header && status !== 206) {
      // What is not one range is the origin's to answer. Servers differ, and browsers send some in other words.
      assert.equal(s.origin.requests.at(-1).url, `/static/r${bytes}.bin`, name);
      s.origin.requests = [];
      continue;
    }
    assert.equal(got.status, status, `${name}: ${header}`);
    if (contentRange) assert.equal(got.headers['content-range'], contentRange, name);
    if (status === 200) assert.equal(got.sha256, sha256(file), name);
    if (status === 206) {
      const [, begin, last] = /bytes (\d+)-(\d+)\//.exec(contentRange);
      assert.equal(got.sha256, sha256(file.subarray(Number(begin), Number(last) + 1)), name);
      assert.equal(got.headers['content-length'], String(Number(last) + 1 - Number(begin)), name);
    }
    ++checked;
  }
  assert.ok(checked > 10);

  s.origin.requests = [];
  const comeBack = s.origin.recede();
  const large = files['/static/large.bin'];
  for (const [header, begin, end] of [
    ['bytes=-500', 2_999_500, 3_000_000],
    ['bytes=1048570-1048585', 1_048_570, 1_048_586],
    ['bytes=2900000-9999999', 2_900_000, 3_000_000],
    ['bytes=65535-65536', 65_535, 65_537],
  ]) {
    const got = await second.fetch('/static/large.bin', { init: { headers: { range: header } } });
    assert.equal(got.status, 206);
    assert.equal(got.headers['content-range'], `bytes ${begin}-${end - 1}/3000000`);
    assert.equal(got.sha256, sha256(large.subarray(begin, end)), header);
  }
  assert.equal(s.origin.sent('/static/large.bin'), 0, 'ranges come from the first visitor');
  comeBack();
  const past = await second.fetch('/static/large.bin', { init: { headers: { range: 'bytes=3000000-' } } });
  assert.equal(past.status, 416);
  assert.equal(past.headers['content-range'], 'bytes */3000000');
});
