// The manifest of a folder, against digests that are reckoned here in another way.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import wasm from '../../build/worker.wasm.js';
import { publicPath } from '../../src/server/files.js';
import { makeManifest, serve, writeManifest } from '../../src/server/index.js';
import * as limits from '../../src/server/limits.js';
import { pieceBytesOf } from '../../src/server/manifest.js';
import * as border from '../../build/border.js';
import { startCore } from '../../sw/core.js';
import { until } from '../e2e/harness/until.mjs';
import { becomeNobody, bytesOf, makeFolder, sha256 } from './folder.mjs';

const piece = border.pieceBytesMin;

test('a file of one piece is named by its digest, one of several by that of their list', async (t) => {
  const files = {
    'one.bin': bytesOf('one', piece),
    'five.bin': bytesOf('five', 4 * piece + 1),
    'many.mp4': bytesOf('many', 20 * piece - 5),
    'tiny.woff2': bytesOf('tiny', 1),
  };
  const { manifest, digests } = await makeManifest(makeFolder(t, files));
  assert.equal(manifest.version, 1);
  assert.equal(manifest.digests, border.DIGESTS_PATH);
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
    const isFew = list.length > 1 && list.length <= limits.digestsPerFile;
    assert.equal(entry.pieces, isFew ? Buffer.concat(list).toString('hex') : undefined, name);
  }
  assert.equal(manifest.resources['/many.mp4'].type, 'video/mp4');
  assert.equal(manifest.resources['/tiny.woff2'].type, 'font/woff2');
  assert.equal(manifest.resources['/one.bin'].type, 'application/octet-stream');
});

test('digests stand in the manifest until its room for them is full; then a small file is one piece', async (t) => {
  const { digestsPerManifest, onePieceBytes } = limits;
  const last = digestsPerManifest / 4;
  const small = bytesOf('small', onePieceBytes);
  const files = Object.fromEntries(Array.from({ length: last + 1 }, (_, i) => [`${String(i).padStart(4, '0')}.bin`, small]));
  const { resources } = (await makeManifest(makeFolder(t, files))).manifest;
  const entries = Object.values(resources);
  assert.equal(entries[last - 1].pieceBytes, piece);
  assert.equal(entries[last - 1].pieces.length, 4 * 64);
  assert.equal(entries[last].pieceBytes, onePieceBytes);
  assert.equal(entries[last].pieces, undefined);
});

test('media, fonts, wasm and data are listed; what runs or is read only when included', async (t) => {
  const listed = [
    'a.png',
    'b.webm',
    'c.mp3',
    'd.woff',
    'e.wasm',
    'f.bin',
    'g.glb',
    'h.onnx',
    'i.zip',
    'j.pmtiles',
    'k.svg',
    'l.tar.gz',
    'sub/m.jpg',
  ];
  const unlisted = [
    'index.html',
    'app.js',
    'app.mjs',
    'style.css',
    'data.json',
    'app.js.map',
    'e.wasm.map',
    'README.md',
    'paper.pdf',
    'LICENSE',
    'list.m3u8',
    'site.webmanifest',
  ];
  const never = ['.secret.png', '.git/x.png', 'node_modules/x/y.png', 'peer-cdn.json', 'peer-cdn/digests/x.bin'];
  const files = Object.fromEntries([...listed, ...unlisted, ...never].map((path) => [path, path]));
  const folder = makeFolder(t, { ...files, 'empty.png': '', 'video.ts': Buffer.from([0x47, 1]), 'code.ts': 'export {}' });
  const keys = async (options) => Object.keys((await makeManifest(folder, options)).manifest.resources).sort();
  const byDefault = [...listed, 'video.ts'].map((path) => `/${path}`).sort();
  assert.deepEqual(await keys(), byDefault);
  assert.deepEqual(await keys({ include: ['*.js', '/paper.pdf', 'sub/**'] }), [...byDefault, '/app.js', '/paper.pdf'].sort());
  assert.deepEqual(
    await keys({ exclude: ['*.ts', 'sub/**'] }),
    byDefault.filter((path) => !/ts$|^.sub/.test(path)),
  );
  const all = await keys({ include: ['**'] });
  for (const path of never) assert(!all.includes(`/${path}`), path);
  assert(!all.includes('/empty.png'));
});

test('paths are as URL.pathname shows them, below the base', async (t) => {
  const names = [
    'a b.png',
    'caf\u00e9.png',
    '100%.png',
    'what?.png',
    'a#b.png',
    'a+b&c=d.png',
    '[1].png',
    '%41.png',
    "a;b,c'(d)!.png",
    'x^y|z.png',
  ];
  const folder = makeFolder(t, Object.fromEntries(names.map((name) => [name, name])));
  const { manifest } = await makeManifest(folder, { base: 'static/v1' });
  for (const name of names) {
    // What a page gets that links to it with a URL that is only as much encoded as it must be.
    const url = new URL(`http://host/static/v1/${name.replace(/[%?#]/g, encodeURIComponent)}`);
    assert(manifest.resources[url.pathname], name);
    assert.equal(decodeURIComponent(url.pathname), `/static/v1/${name}`);
  }
  assert.equal(Object.keys(manifest.resources).length, names.length);
  assert.equal(manifest.digests, `/static/v1${border.DIGESTS_PATH}`);
  assert.equal(publicPath('/', 'a\\b.png'), '/a%5Cb.png');
});

/** Makes a manifest, and tells what was warned of. */
async function made(folder, options) {
  const warnings = [];
  const { manifest } = await makeManifest(folder, { ...options, onWarning: (warning) => warnings.push(warning) });
  const told = Object.fromEntries(warnings.map(({ path, code }) => [path, code]));
  return { paths: Object.keys(manifest.resources), manifest, warnings, told };
}

/** How many entries of a manifest the browser's core takes. */
function taken({ resources }) {
  const core = startCore(wasm, () => false);
  const call = (name, ...args) => core.call(border[name.toUpperCase()], args);
  call('manifest_begin');
  return Object.entries(resources).filter(
    ([path, { root, type, bytes, pieceBytes }]) =>
      call('manifest_add', [path, root, type].join('\n'), bytes, pieceBytes, false) === 0,
  ).length;
}

/** Folders in folders, so that the URL below /base/ is so long. */
function pathOf(length) {
  let path = '';
  for (let left = length - '/base/'.length; left > 0; left -= 201) {
    path += left > 201 ? `${'d'.repeat(200)}/` : `${'f'.repeat(left - 4)}.bin`;
  }
  return path;
}

test('a path that browsers refuse for its length is not listed, but named', async (t) => {
  const [fits, long, longer] = [border.pathBytes, border.pathBytes + 1, border.pathBytes + 259].map(pathOf);
  const umlauts = `${'\u00e4'.repeat(100)}/`;
  const encoded = `${umlauts.repeat(4)}a.bin`;
  const folder = makeFolder(t, { [fits]: 'a', [long]: 'b', [longer]: 'c', [encoded]: 'd', 'ok.bin': 'e' });
  const { paths, manifest, told, warnings } = await made(folder, { base: '/base' });
  assert.deepEqual(paths.sort(), [`/base/${fits}`, '/base/ok.bin'].sort());
  assert.deepEqual(told, { [long]: 'path-too-long', [longer]: 'path-too-long', [encoded]: 'path-too-long' });
  assert.match(
    warnings.find(({ path }) => path === longer).message,
    new RegExp(`^ddd.*f\\.bin is not listed: its URL has ${border.pathBytes + 259} .* than ${border.pathBytes}$`),
  );
  assert.equal(taken(manifest), 2);
  assert.equal(taken({ resources: { [`/base/${long}`]: manifest.resources['/base/ok.bin'] } }), 0);
});

test('of more files than a manifest may have the rest is named, up to a hundred, also while they are served', async (t) => {
  const names = Array.from({ length: border.manifestEntries }, (_, i) => `${border.manifestEntries + i}.bin`);
  const folder = makeFolder(t, Object.fromEntries([...names, '9a.bin', 'x.js'].map((name) => [name, name])));
  const cache = new Map();
  const { paths, manifest, told } = await made(folder, { cache });
  assert.equal(paths.length, border.manifestEntries);
  assert.deepEqual(told, { '9a.bin': 'too-many-files' });
  assert.equal(taken(manifest), border.manifestEntries);
  assert.equal(
    taken({ resources: { ...manifest.resources, '/more.bin': manifest.resources[`/${names[0]}`] } }),
    border.manifestEntries,
  );

  const warnings = [];
  const served = await serve(folder, { port: 0, cache, onWarning: ({ path, code }) => warnings.push(`${code} ${path}`) });
  t.after(() => served.close());
  writeFileSync(join(folder, '9b.bin'), 'b');
  await until('the folder was looked through again', async () => {
    const response = await fetch(new URL(border.MANIFEST_PATH, served.url), { headers: { connection: 'close' } });
    assert.equal(response.status, 200);
    assert.deepEqual((await response.json()).resources, manifest.resources);
    return warnings.length === 2;
  });
  assert.deepEqual(warnings, ['too-many-files 9a.bin', 'too-many-files 9b.bin']);

  for (let i = 0; i < 100; i++) writeFileSync(join(folder, `z${i}.bin`), 'z');
  const more = (await made(folder, { cache })).warnings;
  assert.equal(more.length, 101);
  assert.deepEqual(more.at(-1), { path: '', code: 'more-warnings', message: '2 more are not listed' });
});

test('browsers take every file that is listed, whatever its name', async (t) => {
  const names = [
    'a b',
    ' a',
    'a\tb',
    'a\nb',
    'a\x7fb',
    'a\\b',
    '\\\\a',
    'caf\u00e9',
    '\ud83d\ude00',
    'a#b',
    'a?b',
    '%',
    'a%0ab',
    '"<>`{|}^',
    '__proto__',
    'constructor',
    'a...',
    'a:b',
    '\u2028',
    '~',
  ].map((name) => `${name}.bin`);
  // Its end is a space, which URL parsers strip.
  const folder = makeFolder(t, Object.fromEntries([...names, 'a.bin '].map((name) => [name, name])));
  for (const base of ['/', '/a b/', '/caf%C3%A9/', 'd\u00e9', 'https://u.example/repo/']) {
    const { paths, manifest, warnings } = await made(folder, { base, include: ['*'] });
    assert.deepEqual(warnings, []);
    assert.equal(paths.length, names.length + 1, base);
    assert.equal(taken(manifest), paths.length, base);
    for (const path of paths) assert.equal(new URL(path, 'http://host').pathname, path);
    assert.equal(new URL(manifest.digests, 'http://host').pathname, manifest.digests);
  }
  assert.deepEqual(
    (await made(folder)).paths.filter((path) => /^.a%0/.test(path)),
    ['/a%09b.bin', '/a%0Ab.bin'],
  );
});

test('a base that is no folder of a site is an error that says why', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  const bad = {
    '/repo?x': 'has a query',
    '/repo#x': 'has a query or a fragment',
    'https://u.example/repo/?x': 'has a query',
    './': 'leads elsewhere',
    '/../x/': 'leads elsewhere',
    '/a/%2E%2e/': 'leads elsewhere',
    '..': 'leads elsewhere',
    'C:/x': 'Windows',
    'c:\\x\\': 'Windows',
    '/a\\b/': 'backslash',
    '//cdn.example/x': 'another host',
    'file:///srv/site': 'not of a site',
    'ftp://u.example/': 'not of a site',
    'https://': 'is no URL',
  };
  for (const [base, why] of Object.entries(bad)) {
    await assert.rejects(makeManifest(folder, { base }), (error) => {
      assert.deepEqual([error.name, error.code], ['RangeError', 'bad-option']);
      assert(error.message.includes(`'${base}'`) && error.message.includes(why), error.message);
      return true;
    });
  }
  const paths = async (base) => Object.keys((await makeManifest(folder, { base })).manifest.resources);
  for (const base of ['https://u.example/repo/', '/repo/', '/repo', 'repo', 'http://localhost:1234/repo']) {
    assert.deepEqual(await paths(base), ['/repo/a.bin'], base);
  }
  for (const base of ['', '/', 'https://u.example']) assert.deepEqual(await paths(base), ['/a.bin'], base);
});

test('what a server may send as a script, or compressed as it lies there, is listed only when included', async (t) => {
  const script = 'export const answer = 42;\n';
  const unlisted = ['app.bundle', 'app.dat', 'app.js.gz', 'style.css.br', 'logo.svgz', 'main.wasm.gz', 'x.json.zst', 'a.svg.gz'];
  const listed = ['brain.nii.gz', 'genes.csv.gz', 'site.tar.gz', 'Build.data.gz'];
  const names = [...unlisted, ...listed];
  const folder = makeFolder(t, {
    ...Object.fromEntries(names.map((name) => [name, script])),
    'level.bundle': Buffer.from('UnityFS\0'),
    'world.dat': bytesOf('world', 2000),
  });
  const { paths, warnings } = await made(folder);
  assert.deepEqual(paths.sort(), [...listed, 'level.bundle', 'world.dat'].map((name) => `/${name}`).sort());
  assert.deepEqual(warnings, []);
  assert.equal((await made(folder, { include: ['app.*'] })).paths.length, 9);
});

test('options say what is the same for any query, and which headers go with a file', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a', 'img/b.png': 'b', 'img/c.png': 'c' });
  const options = {
    anyQuery: ['img/**'],
    headers: { '*': { 'Cache-Control': 'max-age=600' }, 'c.png': { 'cache-control': 'no-cache', 'X-A': 'b' } },
  };
  const { manifest, warnings } = await made(folder, options);
  const said = Object.values(manifest.resources).map(({ anyQuery, headers }) => [anyQuery, headers]);
  const usual = { 'cache-control': 'max-age=600' };
  assert.deepEqual(said, [
    [undefined, usual],
    [true, usual],
    [true, { 'cache-control': 'no-cache', 'x-a': 'b' }],
  ]);
  assert.deepEqual(warnings, []);
  assert.equal(taken(manifest), 3);
  for (const headers of [{ etag: '"x"' }, { 'content-type': 'a/b' }, { 'a b': 'c' }, { a: 'b\nc: d' }, { a: '\u00e9' }]) {
    await assert.rejects(made(folder, { headers: { '*': headers } }), /^RangeError: a manifest cannot set the header '/);
  }
});

test('a glob that no listed file has is named', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a', 'app.js': 'b' });
  const options = { include: ['*.js', '*.css'], exclude: ['*.map'], anyQuery: ['b.bin'], headers: { 'img/**': { a: 'b' } } };
  const { warnings } = await made(folder, options);
  assert.deepEqual(
    warnings.map(({ code, message }) => [code, message]),
    ['*.css', 'b.bin', 'img/**'].map((glob) => ['unused-glob', `no file is listed by '${glob}'`]),
  );
});

test('digest lists where no browser looks for them are an error', async (t) => {
  const folder = makeFolder(t, { 'a.bin': 'a' });
  for (const digestsBase of ['https://cdn.example/', '//cdn.example/', '/\\cdn.example/', 'digests/', '']) {
    await assert.rejects(makeManifest(folder, { digestsBase }), { name: 'RangeError', code: 'bad-option' }, digestsBase);
  }
});

test('a file that is the digest list of another is not listed: its root is taken', async (t) => {
  const bytes = bytesOf('a', 5 * piece);
  const list = [0, 1, 2, 3, 4].map((i) => sha256(bytes.subarray(i * piece, (i + 1) * piece)));
  const folder = makeFolder(t, { 'a.bin': bytes, 'b.bin': Buffer.concat(list), 'copy.bin': bytes });
  const { paths, manifest, told } = await made(folder);
  assert.deepEqual(paths, ['/a.bin', '/copy.bin']);
  assert.deepEqual(told, { 'b.bin': 'same-root' });
  assert.equal(taken(manifest), 2);
});

test('what cannot be read costs itself, and is named if it would be listed', async (t) => {
  const names = ['a.bin', 'app.js', 'code.ts', 'shut/d.bin', 'hidden/e.bin', 'ok.bin'];
  const folder = makeFolder(t, Object.fromEntries(names.map((name) => [name, name])));
  symlinkSync(join(folder, 'nothing'), join(folder, 'broken.png'));
  symlinkSync('self.png', join(folder, 'self.png'));
  symlinkSync(join(folder, 'nothing'), join(folder, 'broken.html'));
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff]), Buffer.from('.bin')]), 'no UTF-8');
  for (const path of ['a.bin', 'app.js', 'code.ts', 'shut', 'hidden']) chmodSync(join(folder, path), 0);
  becomeNobody(folder);
  const { paths, told } = await made(folder, { exclude: ['hidden/**'] });
  assert.deepEqual(paths, ['/ok.bin']);
  const unreadable = ['a.bin', 'broken.png', 'code.ts', 'self.png', 'shut/', '\ufffd.bin'];
  assert.deepEqual(told, Object.fromEntries(unreadable.map((path) => [path, 'not-readable'])));
  assert.deepEqual((await made(folder, { exclude: ['hidden', 'shut/**', '*.ts', '*.png', '*.bin'] })).told, {});
});

test('a file of more than 32 GiB is not listed, but named', async (t) => {
  const folder = makeFolder(t, { 'huge.bin': '', 'ok.bin': 'ok' });
  truncateSync(join(folder, 'huge.bin'), 32 * 2 ** 30 + 1);
  const { paths, told } = await made(folder);
  assert.deepEqual(paths, ['/ok.bin']);
  assert.deepEqual(told, { 'huge.bin': 'too-large' });
});

test('pipes, sockets and devices are never opened', { timeout: 120_000 }, async (t) => {
  const folder = makeFolder(t, { 'ok.bin': 'ok' });
  execFileSync(
    'mkfifo',
    ['pipe.bin', 'video.ts', 'pipe.txt'].map((name) => join(folder, name)),
  );
  const server = createServer().listen(join(folder, 'socket.bin'));
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { paths, told } = await made(folder);
  assert.deepEqual(paths, ['/ok.bin']);
  assert.deepEqual(told, { 'pipe.bin': 'not-a-file', 'socket.bin': 'not-a-file', 'video.ts': 'not-a-file' });
});

test('a file that goes or changes while the folder is read costs itself', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 3 * 1024 * 1024), 'b.bin': 'b', 'c.bin': 'c', 'd.bin': 'd' });
  const onProgress = ({ path, bytes }) => {
    if (path !== 'a.bin' || bytes !== 1024 * 1024) return;
    appendFileSync(join(folder, 'a.bin'), 'more');
    for (const name of ['b.bin', 'c.bin']) rmSync(join(folder, name));
    mkdirSync(join(folder, 'c.bin'));
  };
  const { paths, told } = await made(folder, { onProgress });
  assert.deepEqual(paths, ['/d.bin']);
  assert.deepEqual(told, { 'a.bin': 'changed', 'b.bin': 'not-readable' });
});

test('without a listener warnings are those of the process', async (t) => {
  const folder = makeFolder(t, { 'ok.bin': 'ok' });
  symlinkSync('nothing', join(folder, 'broken.png'));
  const warned = new Promise((resolve) => process.once('warning', resolve));
  await makeManifest(folder);
  const { name, code, message } = await warned;
  assert.deepEqual([name, code], ['peer-cdn', 'not-readable']);
  assert.match(message, /^broken\.png is not listed: /);
});

test('links are followed inside the folder and nowhere else', async (t) => {
  const outside = makeFolder(t, { 'secret.png': 'secret' });
  const folder = makeFolder(t, { 'real/a.png': 'a' });
  symlinkSync(join(outside, 'secret.png'), join(folder, 'secret.png'));
  symlinkSync(outside, join(folder, 'outside'));
  symlinkSync(join(folder, 'nothing.png'), join(folder, 'broken.png'));
  symlinkSync('real', join(folder, 'alias'));
  symlinkSync('..', join(folder, 'real', 'loop'));
  symlinkSync('self.png', join(folder, 'self.png'));
  symlinkSync(join(outside, 'nothing.html'), join(folder, 'page.html'));
  const { paths, told } = await made(folder);
  assert.deepEqual(paths, ['/alias/a.png', '/real/a.png']);
  assert.deepEqual(told, {
    'secret.png': 'link-outside',
    'outside/': 'link-outside',
    'broken.png': 'not-readable',
    'self.png': 'not-readable',
    'alias/loop/': 'link-loop',
    'real/loop/': 'link-loop',
  });
});

test('a small file is one piece; one of many pieces has larger ones, up to the usual size, or any if it must', () => {
  const { onePieceBytes, pieceBytesMin, pieceBytesUsual, pieceBytesMax, piecesUsual, piecesPerResource } = limits;
  const cases = [
    [1, pieceBytesMin],
    [pieceBytesMin, pieceBytesMin],
    [pieceBytesMin + 1, 2 * pieceBytesMin],
    [onePieceBytes, onePieceBytes],
    [onePieceBytes + 1, pieceBytesMin],
    [pieceBytesMin * piecesUsual, pieceBytesMin],
    [pieceBytesMin * piecesUsual + 1, 2 * pieceBytesMin],
    [pieceBytesUsual * piecesPerResource, pieceBytesUsual],
    [pieceBytesUsual * piecesPerResource + 1, 2 * pieceBytesUsual],
    [2 * pieceBytesUsual * piecesPerResource + 1, 4 * pieceBytesUsual],
    [pieceBytesMax * piecesPerResource, pieceBytesMax],
    [pieceBytesMax * piecesPerResource + 1, null],
  ];
  for (const [bytes, expected] of cases) assert.equal(pieceBytesOf(bytes), expected);
  assert.equal(pieceBytesOf(onePieceBytes, undefined, 4), pieceBytesMin, 'its digests have room in the manifest');
  assert.equal(pieceBytesOf(onePieceBytes, undefined, 3), onePieceBytes);
  assert.equal(pieceBytesOf(1, 16 * pieceBytesMin), 16 * pieceBytesMin);
  assert.equal(pieceBytesOf(onePieceBytes, null), onePieceBytes, 'null is as if nobody had said it');
});

test('progress is told, and what did not change is not read again', async (t) => {
  const folder = makeFolder(t, { 'a.bin': bytesOf('a', 3 * 1024 * 1024), 'b.bin': 'b' });
  const read = [];
  const options = { cache: new Map(), onProgress: ({ path, bytes, totalBytes }) => read.push([path, bytes, totalBytes]) };
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
  const folder = makeFolder(t, { 'a.bin': bytes });
  const made = await makeManifest(folder);
  mkdirSync(join(folder, 'out'));
  for (const output of [border.MANIFEST_PATH, 'out/my.json']) {
    await writeManifest(join(folder, output), made);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, output), 'utf8')), made.manifest);
    const lists = join(folder, output, '..', border.DIGESTS_PATH);
    const { root } = made.manifest.resources['/a.bin'];
    assert.deepEqual(readdirSync(lists), [root]);
    assert.equal(sha256(readFileSync(join(lists, root))).toString('hex'), root);
  }
  // What was written is not listed the next time.
  writeFileSync(join(folder, 'b.bin'), 'b');
  assert.deepEqual(Object.keys((await makeManifest(folder)).manifest.resources), ['/a.bin', '/b.bin']);
});

test('a folder that is not there is an error', async () => {
  await assert.rejects(makeManifest('/nowhere/at/all'), { code: 'ENOENT' });
});
