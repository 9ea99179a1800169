// What a whole `ask` takes of the processor, by how much is announced: text in, texts out, without sockets.
import { protocolVersion } from '../../../build/border.js';
import { median } from '../stats.mjs';
import { browserOf, rootOf } from './words.mjs';

const rootsPerPeer = 2000;
const peersPerSite = 10;
const asks = 2000;
const rounds = 5;

/** A coordinator of whose sites each peer holds other roots. */
function fill(Coordinator, roots) {
  const engine = new Coordinator(1, 2);
  const drain = () => engine.outputs();
  const say = (peer, message) => engine.message(peer, JSON.stringify(message), 1);
  const sites = Math.ceil(roots / rootsPerPeer / peersPerSite);
  let announced = 0;
  for (let site = 0; site < sites; site++) {
    for (let i = 0; i < peersPerSite && announced < roots; i++) {
      const peer = engine.connect(`https://${site}.example`, 1);
      say(peer, { type: 'hello', version: protocolVersion, browser: browserOf(`${site} ${i}`) });
      for (let held = 0; held < rootsPerPeer && announced < roots; held += 100) {
        const add = Array.from({ length: Math.min(100, roots - announced) }, (_, k) => rootOf(announced + k));
        announced += add.length;
        say(peer, { type: 'have', add });
      }
      drain();
    }
  }
  return { engine, drain, say };
}

/** Microseconds of an ask that introduces one holder. */
function time({ engine, drain, say }, round) {
  const askers = Array.from({ length: asks / 25 }, (_, i) => {
    const peer = engine.connect('https://0.example', 1);
    say(peer, { type: 'hello', version: protocolVersion, browser: browserOf(`asker ${round} ${i}`) });
    drain();
    return peer;
  });
  const began = process.cpuUsage();
  for (let i = 0; i < asks; i++) {
    say(askers[i % askers.length], { type: 'ask', roots: [rootOf(i % 100)] });
    drain();
  }
  const { user, system } = process.cpuUsage(began);
  for (const asker of askers) engine.disconnect(asker, 1);
  drain();
  return (user + system) / asks;
}

/** @param {any} Coordinator the class of src/bind/coordinator.cpp */
export function lookUps(Coordinator) {
  const crowds = { hundred: fill(Coordinator, 100), million: fill(Coordinator, 1e6) };
  const micros = { hundred: [], million: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, crowd] of Object.entries(crowds)) micros[name].push(time(crowd, round));
  }
  for (const { engine } of Object.values(crowds)) engine.delete();
  return { hundred: median(micros.hundred), million: median(micros.million) };
}
