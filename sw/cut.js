// Cuts a body into pieces: where the browser can, its bytes come into a piece's buffer without a copy.

/**
 * The pieces of a resource from `first` on, as its body brings them; then what came of the next one, or an empty one. Behind the
 * last piece of the resource comes one of a byte, if the body goes on.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {number} first
 * @param {{ bytes: number, pieceBytes: number }} resource
 * @param {(piece: number, bytes: number) => unknown} [arrived] is awaited; ends it by giving something
 * @param {() => boolean} [isLoose] from then on whatever comes is given as it comes
 * @returns {AsyncGenerator<ArrayBuffer, void>}
 */
export async function* piecesOf(body, first, { bytes, pieceBytes }, arrived = () => {}, isLoose = () => false) {
  const reader = readerOf(body);
  for (let piece = first; ; piece++) {
    let buffer = new ArrayBuffer(isLoose() ? pieceBytes : Math.max(1, Math.min(pieceBytes, bytes - piece * pieceBytes)));
    let filled = 0;
    while (filled < buffer.byteLength) {
      const { value } = await reader.read(new Uint8Array(buffer, filled));
      buffer = value?.buffer ?? buffer;
      if (!value?.length) return yield buffer.slice(0, filled);
      filled += value.length;
      if (await arrived(piece, value.length)) return void reader.cancel().catch(() => {});
      if (isLoose()) break;
    }
    yield filled < buffer.byteLength ? buffer.slice(0, filled) : buffer;
  }
}

/**
 * Reads into a view whose buffer is taken away: what it gives has another one. Not every browser reads every body so.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {{ read: (view: Uint8Array<ArrayBuffer>) => Promise<{ value?: any }>, cancel: () => Promise<void> }}
 */
function readerOf(body) {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return copying(body.getReader());
  }
}

/** @param {ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>} reader */
function copying(reader) {
  let rest = new Uint8Array(0);
  return {
    cancel: () => reader.cancel(),
    async read(/** @type {Uint8Array<ArrayBuffer>} */ view) {
      if (!rest.length) rest = (await reader.read()).value ?? rest;
      const part = rest.subarray(0, view.length);
      rest = rest.subarray(part.length);
      view.set(part);
      return { value: view.subarray(0, part.length) };
    },
  };
}
