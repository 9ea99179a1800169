// Puts the UDP relay (relay/relay.cpp) between browsers: every candidate that they exchange is rewritten to a port of
// the relay, so that each path goes through it. Chromium must run with `relayFlags`, or it hides its addresses.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import readline from 'node:readline';

import { root, run } from '../../scripts/run.mjs';

export const relayFlags = ['--disable-features=WebRtcHideLocalIpsWithMdns'];

async function build() {
  const out = join(root, 'build/relay');
  for (const args of [
    ['-S', join(root, 'tests/bench/relay'), '-B', out, '-DCMAKE_BUILD_TYPE=Release'],
    ['--build', out],
  ]) {
    const { code, output } = await run('cmake', args);
    if (code !== 0) throw new Error(`the relay was not built\n${output}`);
  }
  return join(out, 'relay');
}

export class Relay {
  #process;
  /** Who waits for the next line. @type {((line: string) => void)[]} */
  #waiting = [];

  /** @param {{ seed?: number }} [options] The seed of what is lost. */
  static async start({ seed = 1 } = {}) {
    return new Relay(spawn(await build(), [String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  constructor(process) {
    this.#process = process;
    readline.createInterface({ input: process.stdout }).on('line', (line) => this.#waiting.shift()?.(line));
  }

  /** From now on, one way. @param {number} ms */
  delay(ms) {
    this.#tell(`delay ${Math.round(ms * 1000)}`);
  }

  /** @param {number} share Of all datagrams, 0 to 1. */
  loss(share) {
    this.#tell(`loss ${Math.round(share * 1e6)}`);
  }

  /** No path that there is now passes anything; one made later (an ICE restart has new addresses) does. */
  cut() {
    this.#tell('cut');
  }

  heal() {
    this.#tell('heal');
  }

  /** Counts since the start. @returns {Promise<{ fronts: number, received: number, sent: number, sentBytes: number,
   *     lost: number, cut: number, overflow: number, refused: number }>} */
  async stats() {
    return JSON.parse(await this.#ask('stats'));
  }

  /** An ICE candidate as the other side shall see it; null if it is of a kind that could go around the relay. */
  async candidate(text) {
    const words = text.split(' ');
    const [, , transport, , address, port, , type] = words;
    if (transport?.toLowerCase() !== 'udp' || type !== 'host' || !/^[\d.]+$/.test(address)) return null;
    words[5] = await this.#ask(`add ${address} ${port}`);
    return words.join(' ');
  }

  /** A description with its candidates rewritten. */
  async sdp(text) {
    const lines = [];
    for (const line of text.split('\r\n')) {
      const candidate = line.startsWith('a=candidate:') ? await this.candidate(line.slice(2)) : null;
      if (candidate !== null) lines.push(`a=${candidate}`);
      if (!line.startsWith('a=candidate:')) lines.push(line);
    }
    return lines.join('\r\n');
  }

  /** A message to the coordinator (Origin.rewrite); null: not to be passed on. */
  async message(message) {
    if (message.type !== 'signal') return message;
    const { description, candidate, candidates = [] } = message;
    const seen = async (each) => {
      const text = each.candidate && (await this.candidate(each.candidate));
      return text === null ? null : { ...each, candidate: text };
    };
    if (candidate) {
      const other = await seen(candidate);
      return other && { ...message, candidate: other };
    }
    const others = (await Promise.all(candidates.map(seen))).filter(Boolean);
    if (!description && others.length === 0) return null;
    return {
      ...message,
      ...(description && { description: { ...description, sdp: await this.sdp(description.sdp) } }),
      ...(others.length > 0 && { candidates: others }),
    };
  }

  async close() {
    this.#process.stdin.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
  }

  #tell(line) {
    this.#process.stdin.write(`${line}\n`);
  }

  #ask(line) {
    this.#tell(line);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
