// What one visitor of the demo does: load the big file, watch and seek the film, look at the gallery; with figures.
import { filmUrl, galleryUrls, wasmUrl } from './assets.mjs';

const together = 6; // what a browser asks one host for at a time

/** In the page: plays the film, seeks three times, and waits for a frame each time. */
async function watchFilm(url) {
  const video = document.getElementById('film');
  const next = (name, ms) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no ${name} within ${ms} ms`)), ms);
      const fail = () => reject(new Error(`video: ${video.error?.message}`));
      video.addEventListener('error', fail, { once: true });
      video.addEventListener(
        name,
        () => {
          clearTimeout(late);
          video.removeEventListener('error', fail);
          resolve();
        },
        { once: true },
      );
    });
  const began = performance.now();
  const loaded = next('loadeddata', 30000);
  video.src = url;
  video.load();
  await loaded;
  const firstFrameMs = performance.now() - began;
  const moved = next('timeupdate', 30000);
  await video.play();
  await moved;
  const seeks = [];
  for (const share of [0.5, 0.9, 0.25]) {
    const from = performance.now();
    const sought = next('seeked', 30000);
    video.currentTime = share * video.duration;
    await sought;
    seeks.push(performance.now() - from);
  }
  await next('timeupdate', 30000);
  const { duration, currentTime, videoWidth } = video;
  video.pause();
  video.removeAttribute('src');
  video.load();
  return { firstFrameMs, seeks, duration, currentTime, videoWidth };
}

/**
 * Runs one visit. `sentByOrigin(url)` is what the origin counted for this visitor. `onProgress(url, bytes, sums)` is
 * told a few times a second.
 * @returns {Promise<{ files: object[], film: object }>}
 */
export async function visit(visitor, digests, sentByOrigin, onProgress) {
  const files = [];
  const fetchOne = async (url, extraMs = 0, firstByteMs = undefined) => {
    const got = await visitor.fetch(url, { withinMs: 180_000 });
    const from = await visitor.sources(url);
    files.push({
      url,
      bytes: got.bytes,
      digestOk: got.error === null && got.sha256 === digests[url],
      fromCache: from.fromCache,
      fromPeers: from.fromPeers,
      fromOrigin: sentByOrigin(url),
      firstByteMs: Math.round(firstByteMs ?? got.firstByteMs),
      ms: Math.round(got.ms + extraMs),
      ...(got.error ? { error: got.error } : {}),
    });
  };
  const follow = async (label, urls, work) => {
    let isOver = false;
    const look = async () => onProgress(label, (await Promise.all(urls.map((url) => visitor.transfers(url)))).flat());
    const watch = (async () => {
      while (!isOver) {
        await look();
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    })();
    // Handled where it is awaited, after the work.
    watch.catch(() => {});
    const result = await work().finally(() => (isOver = true));
    await watch;
    await look();
    onProgress(label, null);
    return result;
  };

  await follow('ffmpeg-core.wasm', [wasmUrl], () => fetchOne(wasmUrl));
  const film = await follow('film.mp4', [filmUrl], async () => {
    const received = () => visitor.run(() => globalThis.peerCdnDemo.stats.received);
    const before = await received();
    // The film is played and sought before anything has downloaded it; only then is all of it read, for the digest.
    const began = performance.now();
    const watched = await visitor.run(watchFilm, filmUrl);
    await fetchOne(filmUrl, performance.now() - began, watched.firstFrameMs);
    // A seek gives up a body, while what is on its way still arrives, is verified and stored. The worker's sums are of
    // what bodies delivered; so for the film peers are what came over the wire, and the store is the rest of the reads.
    const file = files.at(-1);
    const delivered = file.fromCache + file.fromPeers + file.fromOrigin;
    file.fromPeers = (await received()) - before;
    file.fromOrigin = sentByOrigin(filmUrl);
    file.fromCache = Math.max(0, delivered - file.fromPeers - file.fromOrigin);
    return watched;
  });
  await follow('gallery', galleryUrls, async () => {
    const queue = [...galleryUrls];
    await Promise.all(
      Array.from({ length: together }, async () => {
        while (queue.length > 0) await fetchOne(queue.shift());
      }),
    );
  });
  files.sort((a, b) => (a.url < b.url ? -1 : 1));
  return { files, film };
}
