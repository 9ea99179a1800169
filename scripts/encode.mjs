// The text form of a wasm module, for a script that carries it inside. Base64 hides the bytes from the compressor and
// costs 29 % after gzip. Here byte b is the character U+00b, whatever it is: 7 % (the second half of the table takes two
// bytes of UTF-8). The few that cannot stand in a quoted string are U+0100 + b, so the low eight bits are always the byte.

const escaped = new Set(['\0', '\n', '\r', '"', '\\']);

/** Bytes to text that a double-quoted string holds as it is. */
export function encodeText(bytes) {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += escaped.has(character) ? String.fromCharCode(0x100 + byte) : character;
  }
  return text;
}

/** An ES module whose default export is the bytes that `text` stands for. */
export function textModule(text) {
  return `const text = "${text}";
const wasm = new Uint8Array(text.length);
for (let i = 0; i < wasm.length; i++) wasm[i] = text.charCodeAt(i);
export default wasm;
`;
}

const placeholder = (name) => `@wasm ${name}@`;

/**
 * esbuild writes control characters as escapes of four bytes, so it gets a placeholder, and `fillIn` puts the text where
 * that ended up.
 */
export const wasmPlugin = {
  name: 'wasm',
  setup(build) {
    build.onLoad({filter: /\.wasm\.js$/}, ({path}) => ({
      contents: textModule(placeholder(path.match(/([^/\\]+)\.wasm\.js$/)[1])),
      loader: 'js',
    }));
  },
};

/** `bytesOf(name)` gives a module's bytes. */
export function fillIn(script, bytesOf) {
  return script.replace(/["'`]@wasm (\w+)@["'`]/g, (match, name) => `"${encodeText(bytesOf(name))}"`);
}
