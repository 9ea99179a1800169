// A seeder that is frozen for seconds (a laptop's lid, a machine that swaps) and goes on: it counts while it answers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { randomBytes, sha256, until } from './harness/index.mjs';
import { engines, scene } from './harness/scene.mjs';

const urls = [1, 2, 3].map((n) => `/static/${n}.bin`);
const files = Object.fromEntries(urls.map((url) => [url, randomBytes(url, 2_000_001)]));

/** Stops or continues all processes of a visitor's own browser. @param {'SIGSTOP' | 'SIGCONT'} signal */
function signalBrowser(visitor, signal) {
  const statOf = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
  const parents = new Map();
  const all = [];
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      parents.set(pid, statOf(pid)[1]);
      if (fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(visitor.profile)) all.push(pid);
    } catch {
      // It ended meanwhile.
    }
  }
  for (const pid of all)
    all.push(...[...parents].filter(([each, of]) => of === pid && !all.includes(each)).map(([each]) => each));
  assert.ok(all.length > 0, 'its processes are found by the folder of its profile');
  for (const pid of all) process.kill(Number(pid), signal);
}

const peers = (visitor) => visitor.run(() => window.peerCdn.stats.peers);

for (const { where, kind, options } of engines) {
  test(`${where}: a seeder that is frozen is not counted, and serves again when it goes on`, { timeout: 150_000 }, async (t) => {
    const at = scene(t);
    const s = await at.site(files);
    const seeder = await at.chromium({ flags: ['--disable-component-update'], ...options });
    const reader = await at[kind](options);
    t.after(() => {
      try {
        signalBrowser(seeder, 'SIGCONT');
      } catch {
        // It has ended.
      }
    });
    await seeder.visit(s.url);
    for (const url of urls) {
      await seeder.fetch(url);
      await s.origin.untilShared(await s.root(url));
    }
    await reader.visit(s.url);
    await s.origin.untilIntroducible(await s.root(urls[2]));
    assert.equal((await s.origin.away(() => reader.fetch(urls[0]))).sha256, sha256(files[urls[0]]));
    assert.equal(await peers(reader), 1);

    signalBrowser(seeder, 'SIGSTOP');
    assert.equal((await reader.fetch(urls[1])).sha256, sha256(files[urls[1]]));
    await until('a peer that does not answer is not counted', async () => (await peers(reader)) === 0);
    signalBrowser(seeder, 'SIGCONT');
    await until('it is counted again', async () => (await peers(reader)) === 1);
    await s.origin.untilIntroducible(await s.root(urls[2]));
    assert.equal((await s.origin.away(() => reader.fetch(urls[2]))).sha256, sha256(files[urls[2]]));
    assert.equal((await reader.sources(urls[2])).fromPeers, files[urls[2]].length);
  });
}
