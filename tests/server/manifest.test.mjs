// The manifest of a folder, against digests that are reckoned here in another way.
import assert from 'node:assert/strict';
import {appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {publicPath} from '../../src/server/files.js';
import {makeManifest, writeManifest} from '../../src/server/index.js';
import {pieceBytesOf} from '../../src/server/manifest.js';
import {bytesOf, makeFolder, sha256} from './folder.mjs';

const piece = 64 * 1024;

test('a file of one piece is named by its digest, one of several by that of their list', async (t) => {
  const files = {
    'one.bin': bytesOf('one', piece), 'five.bin': bytesOf('five', 4 * piece + 1), 'many.mp4': bytesOf('many', 20 * piece - 5),
    'tiny.woff2': bytesOf('tiny', 1),
  };
  const {manifest, digests} = await makeManifest(makeFolder(t, files));
  assert.equal(manifest.version, 1);
  assert.equal(manifest.digests, '/peer-cdn/digests/');
  assert.deepEqual(Object.keys(manifest.resources), ['/five.bin', '/many.mp4', '/one.bin', '/tiny.woff2']);
  for (const [name, bytes] of Object.entries(files)) {
    const entry = manifest.resources[`/${name}`];
    const list = [];
    for (let at = 0; at < bytes.length; at += piece) list.push(sha256(bytes.subarray(at, at + piece)));
    const isSingle = list.length === 1;
    assert.equal(entry.bytes, bytes.length);
    assert.equal(entry.pieceBytes, piece);
    assert.equal(entry.root, (isSingle ? list[0] : sha256(Buffer.concat(list))).toString('hex'), name);
    assert.deepEqual(digests.get(entry.root), isSingle ? undefined : Buffer.concat(list));
  }
  assert.equal(manifest.resources['/many.mp4'].type, 'video/mp4');
  assert.equal(manifest.resources['/tiny.woff2'].type, 'font/woff2');
  assert.equal(manifest.resources['/one.bin'].type, 'application/octet-stream');
});

test('media, fonts, wasm and data are listed; what runs or is read only when included', async (t) => {
  const listed = ['a.png', 'b.webm', 'c.mp3', 'd.woff', 'e.wasm', 'f.bin', 'g.glb', 'h.onnx', 'i.zip', 'j.pmtiles',
    'k.svg', 'l.tar.gz', 'sub/m.jpg'];
  const unlisted = ['index.html', 'app.js', 'app.mjs', 'style.css', 'data.json', 'app.js.map', 'e.wasm.map',
    'README.md', 'paper.pdf', 'LICENSE', 'list.m3u8', 'site.webmanifest'];
  const never = ['.secret.png', '.git/x.png', 'node_modules/x/y.png', 'peer-cdn.json', 'peer-cdn/digests/x.bin'];
  const files = Object.fromEntries([...listed, ...unlisted, ...never].map((path) => [path, path]));
  const folder = makeFolder(t, {...files, 'empty.png': '', 'video.ts': Buffer.from([0x47, 1]), 'code.ts': 'export {}'});
  const keys = async (options) => Object.keys((await makeManifest(folder, options)).manifest.resources).sort();
  const byDefault = [...listed, 'video.ts'].map((path) => `/${path}`).sort();
  assert.deepEqual(await keys(), byDefault);
  assert.deepEqual(await keys({include: ['*.js', '/paper.pdf', 'sub/**']}), [...byDefault, '/app.js', '/paper.pdf'].sort());
  assert.deepEqual(await keys({exclude: ['*.ts', 'sub/**']}), byDefault.filter((path) => !/ts$|^.sub/.test(path)));
  const all = await keys({include: ['**']});
  for (const path of never) assert(!all.includes(`/${path}`), path);
  assert(!all.includes('/empty.png'));
});

test('paths are as URL.pathname shows them, below the base', async (t) => {
  const names = ['a b.png', 'caf\u00e9.png', '100%.png', 'what?.png', 'a#b.png', 'a+b&c=d.png',
    '[1].png', '%41.png', 'a;b,c\'(d)!.png', 'x^y|z.png'];
  const folder = makeFolder(t, Object.fromEntries(names.map((name) => [name, name])));
  const {manifest} = await makeManifest(folder, {base: 'static/v1'});
  for (const name of names) {
    // What a page gets that links to it with a URL that is only as much encoded as it must be.
    const url = new URL(`http://host/static/v1/${name.replace(/[%?#]/g, encodeURIComponent)}`);
    assert(manifest.resources[url.pathname], name);
    assert.equal(decodeURIComponent(url.pathname), `/static/v1/${name}`);
  }
  assert.equal(Object.keys(manifest.resources).length, names.length);
  assert.equal(manifest.digests, '/static/v1/peer-cdn/digests/');
  assert.equal(publicPath('/', 'a\\b.png'), '/a%5Cb.png');
});

test('links are followed inside the folder and nowhere else', async (t) => {
  const outside = makeFolder(t, {'secret.png': 'secret'});
  const folder = makeFolder(t, {'real/a.png': 'a'});
  symlinkSync(join(outside, 'secret.png'), join(folder, 'secret.png'));
  symlinkSync(outside, join(folder, 'outside'));
  symlinkSync(join(folder, 'nothing.png'), join(folder, 'broken.png'));
  symlinkSync('real', join(folder, 'alias'));
  symlinkSync('..', join(folder, 'real', 'loop'));
  symlinkSync('self.png', join(folder, 'self.png'));
  const {manifest} = await makeManifest(folder);
  assert.deepEqual(Object.keys(manifest.resources), ['/alias/a.png', '/real/a.png']);
});

test('a file of more than 128 pieces has larger ones, up to 256 KiB; of more than 2,048 any; up to 256 KiB it is one', () => {
  const cases = [
    [1, 65536], [65536, 65536], [65537, 131072], [262144, 262144], [262145, 65536],
    [65536 * 128, 65536], [65536 * 128 + 1, 131072], [131072 * 2048, 131072],
    [131072 * 2048 + 1, 262144],
    [262144 * 2048 + 1, 524288], [16777216 * 2048, 16777216],
    [16777216 * 2048 + 1, null],
  ];
  for (const [bytes, expected] of cases) assert.equal(pieceBytesOf(bytes), expected);
  assert.equal(pieceBytesOf(1, 1048576), 1048576);
  for (const wanted of [0, 1, 65535, 98304, 33554432, NaN, -65536]) assert.throws(() => pieceBytesOf(1, wanted), RangeError);
});

test('progress is told, and what did not change is not read again', async (t) => {
  const folder = makeFolder(t, {'a.bin': bytesOf('a', 3 * 1024 * 1024), 'b.bin': 'b'});
  const read = [];
  const options = {cache: new Map(), onProgress: ({path, bytes, totalBytes}) => read.push([path, bytes, totalBytes])};
  const first = await makeManifest(folder, options);
  assert.deepEqual(read.at(-1), ['b.bin', 1, 1]);
  assert.deepEqual(read[0], ['a.bin', 1024 * 1024, 3 * 1024 * 1024]);
  read.length = 0;
  appendFileSync(join(folder, 'b.bin'), 'b');
  const second = await makeManifest(folder, options);
  assert.deepEqual(read, [['b.bin', 2, 2]]);
  assert.deepEqual(second.manifest.resources['/a.bin'], first.manifest.resources['/a.bin']);
  assert.deepEqual(second.digests, first.digests);
  rmSync(join(folder, 'b.bin'));
  await makeManifest(folder, options);
  assert.deepEqual([...options.cache.keys()], ['a.bin']);
});

test('a manifest is written with its digest lists beside it', async (t) => {
  const bytes = bytesOf('a', 5 * piece);
  const folder = makeFolder(t, {'a.bin': bytes});
  const made = await makeManifest(folder);
  mkdirSync(join(folder, 'out'));
  for (const output of ['peer-cdn.json', 'out/my.json']) {
    await writeManifest(join(folder, output), made);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, output), 'utf8')), made.manifest);
    const lists = join(folder, output, '..', 'peer-cdn', 'digests');
    const {root} = made.manifest.resources['/a.bin'];
    assert.deepEqual(readdirSync(lists), [root]);
    assert.equal(sha256(readFileSync(join(lists, root))).toString('hex'), root);
  }
  // What was written is not listed the next time.
  writeFileSync(join(folder, 'b.bin'), 'b');
  assert.deepEqual(Object.keys((await makeManifest(folder)).manifest.resources), ['/a.bin', '/b.bin']);
});

test('a folder that is not there is an error', async () => {
  await assert.rejects(makeManifest('/nowhere/at/all'), {code: 'ENOENT'});
});
