// The text form of a wasm module, for a script that carries it inside. Base64 costs about a quarter after gzip, because it
// hides bytes from the compressor; here a byte that is a plain ASCII character stands for itself and any other byte b is
// the character U+0100 + b, so that the low eight bits of every character are the byte, and one byte is always written
// the same way.

// Not themselves: what ends a string or a template, or what a minifier would have to escape.
const escaped = new Set([...'"\\`$'].map((character) => character.charCodeAt(0)));

/** Bytes to text that a quoted string holds as it is. */
export function encodeText(bytes) {
  let text = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte <= 0x7e && !escaped.has(byte);
    text += String.fromCharCode(plain ? byte : 0x100 + byte);
  }
  return text;
}

/** An ES module whose default export is the bytes. A loop, because `Uint8Array.from` takes ten times as long. */
export function encodeWasm(bytes) {
  return `const text = "${encodeText(bytes)}";
const wasm = new Uint8Array(text.length);
for (let i = 0; i < wasm.length; i++) wasm[i] = text.charCodeAt(i);
export default wasm;
`;
}
