// The text form of a wasm module, for a script that carries it inside. Base64 hides the bytes from the compressor and
// costs 29 % after gzip. Here byte b is the character U+00b, whatever it is: 3 % (the second half of the table takes two
// bytes of UTF-8). The five that cannot stand in a quoted string are frequent ones (0 and local.tee), so they change
// places with five that are rare in wasm; those are U+0100 + b, and the low eight bits are the byte again.

const unquotable = '\0\n\r"\\';
const rare = '[{zU]';

/** Bytes to text that a double-quoted string holds as it is. */
export function encodeText(bytes) {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    const at = unquotable.indexOf(character);
    text += at >= 0 ? rare[at] : rare.includes(character) ? String.fromCharCode(0x100 + byte) : character;
  }
  return text;
}

/** An ES module whose default export is the bytes that `text` stands for. */
export function textModule(text) {
  return `const text = "${text}";
const wasm = new Uint8Array(text.length);
for (let i = 0; i < wasm.length; i++) {
  const at = ${JSON.stringify(rare)}.indexOf(text[i]);
  wasm[i] = at < 0 ? text.charCodeAt(i) : ${JSON.stringify(unquotable)}.charCodeAt(at);
}
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
    build.onLoad({ filter: /\.wasm\.js$/ }, ({ path }) => ({
      contents: textModule(placeholder(path.match(/([^/\\]+)\.wasm\.js$/)[1])),
      loader: 'js',
    }));
  },
};

/** `bytesOf(name)` gives a module's bytes. */
export function fillIn(script, bytesOf) {
  return script.replace(/["'`]@wasm (\w+)@["'`]/g, (_match, name) => `"${encodeText(bytesOf(name))}"`);
}
