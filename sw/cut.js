// Cuts a body into pieces. Not by a BYOB reader, which would spare the copy: in Chromium 156 a read of a stored run by one
// sometimes never ends (tests/e2e/hammer.test.mjs).
import { giveUp } from './engine.js';

/**
 * The pieces of a resource from `first` on, as its body brings them; then what came of the next one, or an empty one. Behind the
 * last piece of the resource comes one of a byte, if the body goes on.
 * @param {ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>} reader
 * @param {number} first
 * @param {{ bytes: number, pieceBytes: number }} resource
 * @param {(piece: number, bytes: number) => unknown} [arrived] is awaited; ends it by giving something
 * @param {() => boolean} [isLoose] from then on whatever comes is given as it comes
 * @returns {AsyncGenerator<ArrayBuffer, void>}
 */
export async function* piecesOf(reader, first, { bytes, pieceBytes }, arrived = () => {}, isLoose = () => false) {
  let rest = new Uint8Array(0);
  try {
    for (let piece = first; ; piece++) {
      const buffer = new ArrayBuffer(isLoose() ? pieceBytes : Math.max(1, Math.min(pieceBytes, bytes - piece * pieceBytes)));
      let filled = 0;
      while (filled < buffer.byteLength) {
        if (!rest.length) rest = (await reader.read()).value ?? rest;
        const part = rest.subarray(0, buffer.byteLength - filled);
        if (!part.length) return yield buffer.slice(0, filled);
        new Uint8Array(buffer).set(part, filled);
        rest = rest.subarray(part.length);
        filled += part.length;
        if (await arrived(piece, part.length)) return;
        if (isLoose()) break;
      }
      yield filled < buffer.byteLength ? buffer.slice(0, filled) : buffer;
    }
  } finally {
    // What nobody reads to its end stays open.
    giveUp(reader);
  }
}
