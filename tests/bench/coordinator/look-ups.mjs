// What a whole `ask` takes of the processor, by how much is announced: text in, texts out, without sockets.
import { protocolVersion } from '../../../build/border.js';
import { Engine } from '../../../src/server/engine.js';
import { nowhere } from '../../../src/server/places.js';
import { median } from '../stats.mjs';
import { browserOf, rootOf } from './words.mjs';

const rootsPerPeer = 2000;
const peersPerSite = 10;
const asks = 2000;
const rounds = 5;

/** A coordinator of whose sites each peer holds other roots. */
function fill(roots) {
  const engine = new Engine(1, 2);
  const host = { send() {}, sendAll() {}, renumber() {}, close() {} };
  const say = (peer, message) => {
    engine.put(peer, Buffer.from(JSON.stringify(message)));
    engine.take(1);
    engine.perform(host);
  };
  const sites = Math.ceil(roots / rootsPerPeer / peersPerSite);
  let announced = 0;
  for (let site = 0; site < sites; site++) {
    for (let i = 0; i < peersPerSite && announced < roots; i++) {
      const peer = engine.join(`https://${site}.example`, nowhere, 1);
      say(peer, { type: 'hello', version: protocolVersion, browser: browserOf(`${site} ${i}`) });
      for (let held = 0; held < rootsPerPeer && announced < roots; held += 100) {
        const add = Array.from({ length: Math.min(100, roots - announced) }, (_, k) => rootOf(announced + k));
        announced += add.length;
        say(peer, { type: 'have', add });
      }
    }
  }
  return { engine, say };
}

/** Microseconds of an ask that introduces one holder. */
function time({ engine, say }, round) {
  const askers = Array.from({ length: asks / 25 }, (_, i) => {
    const peer = engine.join('https://0.example', nowhere, 1);
    say(peer, { type: 'hello', version: protocolVersion, browser: browserOf(`asker ${round} ${i}`) });
    return peer;
  });
  const began = process.cpuUsage();
  for (let i = 0; i < asks; i++) {
    say(askers[i % askers.length], { type: 'ask', roots: [rootOf(i % 100)] });
  }
  const { user, system } = process.cpuUsage(began);
  for (const asker of askers) engine.leave(asker, 1);
  return (user + system) / asks;
}

/** Of an ask, with 100 and with 1,000,000 roots announced. */
export function lookUps() {
  const crowds = { hundred: fill(100), million: fill(1e6) };
  const micros = { hundred: [], million: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, crowd] of Object.entries(crowds)) micros[name].push(time(crowd, round));
  }
  return { hundred: median(micros.hundred), million: median(micros.million) };
}
