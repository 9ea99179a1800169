// What kind of file it is by its name and first bytes, and whether it is worth sharing.
import { open } from 'node:fs/promises';
import mime from 'mime-types';
import { firstLookBytes } from './limits.js';

/** The type that `send` gives a file, so that the manifest and the origin agree. @param {string} path */
export function typeOf(path) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return (dot > 0 && mime.contentType(name.slice(dot))) || 'application/octet-stream';
}

/** Shared without being asked for: what is heavy, and the same for everybody. */
const sharedTypes = /^(?:image|video|audio|font|model)\/|^application\/(?:wasm|vnd\.ms-fontobject)/;
/** Data of games, models, maps and archives, most of which have no type of their own. */
const sharedExtensions = new Set([
  'bin',
  'dat',
  'data',
  'pak',
  'pck',
  'unityweb',
  'bundle',
  'glb',
  'gltf',
  'ktx',
  'ktx2',
  'basis',
  'drc',
  'hdr',
  'exr',
  'onnx',
  'safetensors',
  'gguf',
  'ggml',
  'tflite',
  'npy',
  'npz',
  'parquet',
  'arrow',
  'pmtiles',
  'mbtiles',
  'pbf',
  'laz',
  'copc',
  'zip',
  '7z',
  'tar',
  'gz',
  'tgz',
  'xz',
  'zst',
  'iso',
  'img',
  'm4s',
  'cmfv',
  'cmfa',
]);

const extensionOf = (/** @type {string} */ path) => path.slice(path.lastIndexOf('.') + 1).toLowerCase();

/** What some servers send as scripts, styles or documents: a page that loads it so would get another type from us. */
const codeTypes = /^text\/(?!plain|csv)|^application\/(?:javascript|json|xml|wasm)|\+(?:json|xml)\b/;
const packed = /\.(?:gz|br|zst)$/i;

/**
 * Whether a server that has files compressed ahead sends it with a Content-Encoding: `app.js.gz`, `logo.svgz`. Then the page
 * sees other bytes than the file's.
 * @param {string} path
 */
const isPackedAhead = (path) =>
  extensionOf(path) === 'svgz' || (packed.test(path) && codeTypes.test(typeOf(path.replace(packed, ''))));

/** Names of data or of code: only the first bytes tell. @type {Record<string, (first: Buffer) => boolean>} */
const isDataBy = {
  // A part of a video, or TypeScript: ISO/IEC 13818-1 has every packet begin with 0x47.
  ts: (first) => first[0] === 0x47,
  mts: (first) => first[0] === 0x47,
  // Whatever their makers like, scripts too. A script is text.
  bundle: isBinary,
  dat: isBinary,
};

/** Whether some byte is none of a text's. @param {Buffer} bytes */
function isBinary(bytes) {
  return bytes.some((byte) => byte < 0x20 && !'\t\n\f\r'.includes(String.fromCharCode(byte)));
}

/** Whether a file is listed when nobody says so, as far as its name tells. @param {string} path relative, with slashes */
export function mayBeShared(path) {
  const extension = extensionOf(path);
  if (Object.hasOwn(isDataBy, extension)) return true;
  return (sharedExtensions.has(extension) || sharedTypes.test(typeOf(path))) && !isPackedAhead(path);
}

/**
 * Whether a file is listed when nobody says so.
 * @param {string} path relative, with slashes
 * @param {string} file where it is
 */
export async function isShared(path, file) {
  const isData = Object.hasOwn(isDataBy, extensionOf(path)) ? isDataBy[extensionOf(path)] : null;
  return mayBeShared(path) && (!isData || isData(await firstBytes(file)));
}

/** @param {string} file */
async function firstBytes(file) {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(firstLookBytes), 0, firstLookBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Beyond text, which is only listed if it is asked for: what the usual lists of servers and compressors have. */
const compressedTypes = new RegExp(
  [
    '^text/',
    '\\+(?:json|xml)\\b',
    '^application/(?:javascript|json|xml|wasm|vnd\\.ms-fontobject)',
    '^font/[ot]tf',
    '^image/(?:bmp|x-icon)',
  ].join('|'),
);

/** Whether servers usually compress it on its way. @param {string} type */
export const isUsuallyCompressed = (type) => compressedTypes.test(type);
