// The text form of a wasm module, for a script that carries it inside. It is made for gzip, which the script goes through.
//
// Base64 hides the bytes from gzip and costs 29 %. Here byte b is the character U+00b. Five bytes cannot stand in a quoted
// string, and two of them are frequent (0 and local.tee). They change places with five that are rare in wasm; those are
// U+0100 + b.
//
// What operations name lies apart from them: branches, locals, constants and offsets have a stream each, because gzip finds more
// that is alike in each stream than in all together. The sizes of functions are left out: a function ends where its blocks do.
// So are alignments, which are hints that no engine heeds. All this takes 7 to 9 % off what gzip makes of a module. What puts it
// together again takes half a KB itself, so a small module stays as it is.

import { readFileSync } from 'node:fs';

const unquotable = '\0\n\r"\\';
const rare = '[{zU]';
/** Stands between streams. No byte is written so. */
const divider = '\u0200';

/**
 * Makes a module of its streams. `text.charCodeAt(place)` is the code of a byte; `places` says where the streams begin. The
 * source of this function goes into the script too. An interpreter runs it at each start of a worker, so it calls little.
 * It takes no longer than a loop over one stream.
 * @param {{ length: number, charCodeAt(place: number): number }} text
 * @param {ArrayLike<number>} codes the byte of each code
 * @param {number[]} places
 * @param {Uint8Array<ArrayBuffer>} wasm room for it
 */
function unpack(text, codes, [branches, locals, constants, offsets, rest], wasm) {
  let at = 0;
  const copy = (/** @type {number} */ count) => {
    while (count-- > 0) wasm[at++] = codes[text.charCodeAt(rest++)];
  };
  // LEB128: the last byte is less than 128.
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = (wasm[at++] = codes[text.charCodeAt(rest++)]);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  // The size of what was written from `begin` on, in the three bytes there, which were left free.
  const close = (/** @type {number} */ begin) => {
    const size = at - begin - 3;
    wasm[begin] = size | 128;
    wasm[begin + 1] = (size >> 7) | 128;
    wasm[begin + 2] = size >> 14;
  };
  copy(8);
  while (rest < text.length) {
    if (number() !== 10) {
      copy(number());
      continue;
    }
    const section = at;
    at += 3;
    for (let functions = number(); functions > 0; functions--) {
      const begin = at;
      at += 3;
      for (let groups = number(); groups > 0; groups--) {
        number();
        copy(1);
      }
      for (let depth = 1; depth > 0; ) {
        const operation = (wasm[at++] = codes[text.charCodeAt(rest++)]);
        // Most operations name nothing. Behind one of two bytes (0xfc) come zeros, which look like `unreachable`.
        if (operation > 0x44 && operation !== 0xfc) continue;
        if (operation >= 0x20 && operation <= 0x22) while ((wasm[at++] = codes[text.charCodeAt(locals++)]) > 127);
        else if (operation === 0x41) while ((wasm[at++] = codes[text.charCodeAt(constants++)]) > 127);
        else if (operation >= 0x28 && operation <= 0x3e) {
          // Less than its own alignment is good for any operation.
          wasm[at++] = 0;
          while ((wasm[at++] = codes[text.charCodeAt(offsets++)]) > 127);
        } else if (operation === 0x0c || operation === 0x0d) while ((wasm[at++] = codes[text.charCodeAt(branches++)]) > 127);
        else if (operation === 0x0b) depth--;
        else if (operation === 0x43) copy(4);
        else if (operation === 0x44) copy(8);
        else if (operation === 0x0e) for (let targets = number(); targets >= 0; targets--) number();
        else if (operation > 0x22 || operation === 0x10) number();
        else if (operation === 0x11) {
          number();
          number();
        } else if (operation >= 2 && operation <= 4) {
          number();
          depth++;
        }
      }
      close(begin);
    }
    close(section);
  }
  return wasm.subarray(0, at);
}

/** A module without the sizes that `unpack` finds by itself. */
export function withoutSizes(wasm) {
  const kept = [wasm.subarray(0, 8)];
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < wasm.length) {
    const section = at;
    const isCode = wasm[at++] === 10;
    const end = number() + at;
    if (!isCode) kept.push(wasm.subarray(section, (at = end)));
    else {
      const count = at;
      number();
      kept.push(wasm.subarray(section, section + 1), wasm.subarray(count, at));
      while (at < end) {
        const size = number();
        kept.push(wasm.subarray(at, (at += size)));
      }
    }
  }
  return Buffer.concat(kept);
}

/** How a byte stands in a string. @param {number} byte */
function characterOf(byte) {
  const character = String.fromCharCode(byte);
  const swapped = unquotable.indexOf(character);
  return swapped >= 0 ? rare[swapped] : String.fromCharCode(rare.includes(character) ? 0x100 + byte : byte);
}

const own = Array.from({ length: 0x100 }, (_, byte) => byte);

/** Below this size the streams save less than `unpack` takes. */
const sortedFrom = 16 * 1024;

/** A module to a double-quoted string, as it stands in JavaScript. Throws if the bytes are no module. */
export const encodeText = (wasm) => (wasm.length < sortedFrom ? `"${[...wasm].map(characterOf).join('')}"` : sortedText(wasm));

/** The same, sorted. */
export function sortedText(wasm) {
  const bytes = withoutSizes(wasm);
  const streams = ['', '', '', '', ''];
  const [offsets, rest] = [3, 4];
  let last = rest;
  let at = 0;
  // `unpack` knows which stream a byte belongs to. It gets the bytes themselves here, and is watched where it asks for each.
  const text = {
    get length() {
      return at < bytes.length ? streams.length << 24 : 0;
    },
    charCodeAt(place) {
      const stream = place >> 24;
      // The alignment, which nobody asks for, stands between an operation and its offset.
      if (stream === offsets && last === rest) at++;
      last = stream;
      if (at === bytes.length) throw new Error('scripts/encode.mjs does not know an operation of this module');
      const byte = bytes[at++];
      streams[stream] += characterOf(byte);
      return byte;
    },
  };
  const places = streams.map((_, stream) => stream << 24);
  unpack(text, own, places, new Uint8Array(2 * wasm.length));
  return `"${streams.join(divider)}"`;
}

/** An ES module whose default export is the module that `literal` stands for, which has so many bytes. */
export const textModule = (literal, bytes) => (bytes < sortedFrom ? plainModule(literal) : sortedModule(literal));

const plainModule = (literal) => `export default Uint8Array.from(${literal}, (each) => {
  const swapped = "${rare}".indexOf(each);
  return swapped < 0 ? each.charCodeAt(0) : ${JSON.stringify(unquotable)}.charCodeAt(swapped);
});
`;

/** The same, of what sortedText() gave. */
export function sortedModule(literal) {
  return `const text = ${literal};
const codes = Uint8Array.from({ length: 0x200 }, (_, code) => code);
for (let i = 0; i < ${rare.length}; i++) codes["${rare}".charCodeAt(i)] = ${JSON.stringify(unquotable)}.charCodeAt(i);
const places = [0];
for (let i = 0; i < 4; i++) places.push(text.indexOf("${divider}", places[i]) + 1);
export default (${unpack})(text, codes, places, new Uint8Array(2 * text.length));
`;
}

/**
 * Minifiers write control characters as escapes of four bytes, so they get a name instead of the text, and `fillIn` puts the text
 * where that ended up. A string would not do: they would replace its length by a number.
 */
export const wasmPlugin = {
  name: 'wasm',
  setup(build) {
    build.onLoad({ filter: /\.wasm\.js$/ }, ({ path }) => {
      const { length } = readFileSync(path.replace(/\.js$/, ''));
      return { contents: textModule(`TEXT_OF_${path.match(/([^/\\]+)\.wasm\.js$/)[1]}`, length), loader: 'js' };
    });
  },
};

/** `bytesOf(name)` gives a module's bytes. */
export function fillIn(script, bytesOf) {
  return script.replace(/\bTEXT_OF_(\w+)/g, (_match, name) => encodeText(bytesOf(name)));
}
