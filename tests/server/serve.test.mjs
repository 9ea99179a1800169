// A folder as a site: files, ranges, conditions, the live manifest and what must not get out.
import assert from 'node:assert/strict';
import { appendFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { MANIFEST_PATH, SOCKET_PATH } from '../../build/border.js';
import { attach, handler, serve } from '../../src/server/index.js';
import { bytesOf, makeFolder, sha256 } from './folder.mjs';
import { Visitor } from './visitor.mjs';

const heavy = bytesOf('heavy', 300_000);

async function site(t, { files = {}, ...options } = {}) {
  const folder = makeFolder(t, {
    'index.html': '<p>hi',
    'heavy.bin': heavy,
    'sub/index.html': '<p>sub',
    'a b.png': 'png',
    '.env': 'secret',
    ...files,
  });
  const served = await serve(folder, { port: 0, ...options });
  t.after(() => served.close());
  const get = (path, headers = {}, method = 'GET') => fetch(new URL(path, served.url), { headers, method, redirect: 'manual' });
  return { ...served, folder, get };
}

/** A request as it is: fetch() would tidy up its target, and ask conditionally without meaning it. */
function raw(url, path, headers = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path, headers }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    })
      .on('error', reject)
      .end();
  });
}

test('files come with length, type, validators and ranges', async (t) => {
  const { get, url } = await site(t);
  const whole = await get('/heavy.bin');
  assert.equal(whole.status, 200);
  assert.equal(whole.headers.get('content-length'), '300000');
  assert.equal(whole.headers.get('content-type'), 'application/octet-stream');
  assert.equal(whole.headers.get('accept-ranges'), 'bytes');
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), heavy);
  const etag = whole.headers.get('etag');
  assert.equal((await raw(url, '/heavy.bin', { 'if-none-match': etag })).status, 304);

  const ranges = [
    ['bytes=0-9', 206, 'bytes 0-9/300000', heavy.subarray(0, 10)],
    ['bytes=299990-', 206, 'bytes 299990-299999/300000', heavy.subarray(299990)],
    ['bytes=-500', 206, 'bytes 299500-299999/300000', heavy.subarray(299500)],
    ['bytes=299999-400000', 206, 'bytes 299999-299999/300000', heavy.subarray(299999)],
    ['bytes=300000-', 416, 'bytes */300000', Buffer.from('range-not-satisfiable\n')],
    ['pieces=1-2', 200, null, heavy],
  ];
  for (const [range, status, contentRange, body] of ranges) {
    const response = await get('/heavy.bin', { range });
    assert.equal(response.status, status, range);
    assert.equal(response.headers.get('content-range'), contentRange, range);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), body, range);
  }
  assert.equal((await get('/heavy.bin', { range: 'bytes=0-9', 'if-range': '"other"' })).status, 200);
  const head = await get('/heavy.bin', {}, 'HEAD');
  assert.equal(head.headers.get('content-length'), '300000');
  assert.equal(await head.text(), '');
  assert.equal((await get('/heavy.bin', {}, 'POST')).status, 405);
});

test('folders show their index, names are decoded, what is missing is 404', async (t) => {
  const { get } = await site(t);
  assert.equal(await (await get('/')).text(), '<p>hi');
  assert.equal(await (await get('/sub/')).text(), '<p>sub');
  assert.equal((await get('/sub')).headers.get('location'), '/sub/');
  assert.equal(await (await get('/a%20b.png')).text(), 'png');
  assert.equal((await get('/nothing')).status, 404);
});

test('a target may be a whole URL', async (t) => {
  const { url } = await site(t);
  const { host } = new URL(url);
  assert.equal((await raw(url, `http://${host}/sub/?a=/b`)).body, '<p>sub');
  assert.equal((await raw(url, `HTTP://${host}`)).body, '<p>hi');
  assert.equal(JSON.parse((await raw(url, `http://${host}${MANIFEST_PATH}`)).body).version, 1);
  assert.equal((await raw(url, `http://${host}/../secret.txt`)).status, 403);
  assert.equal((await raw(url, `ftp://${host}/`)).status, 400);
});

test('nothing outside of the folder is served, and no dotfile', async (t) => {
  const outside = makeFolder(t, { 'secret.txt': 'secret', 'index.html': 'secret' });
  const { url, folder } = await site(t);
  symlinkSync(join(outside, 'secret.txt'), join(folder, 'link.txt'));
  symlinkSync(outside, join(folder, 'out'));
  symlinkSync('heavy.bin', join(folder, 'alias.bin'));
  const paths = [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/sub/../../secret.txt',
    '/link.txt',
    '/out/',
    '/out/secret.txt',
    '/.env',
    '/%2eenv',
    '/%00',
    '/%',
    '//etc/passwd',
    '/sub/..\\..\\x',
  ];
  for (const path of paths) {
    const { status, body } = await raw(url, path);
    assert(status >= 400 && status < 500, `${path} ${status}`);
    assert(!body.includes('secret'), path);
  }
  assert.equal((await raw(url, '/alias.bin')).status, 200);
});

test('the manifest is live, validated, and its digest lists are immutable', async (t) => {
  const { get, folder } = await site(t);
  const first = await get(MANIFEST_PATH);
  assert.equal(first.headers.get('cache-control'), 'no-cache');
  const manifest = await first.json();
  assert.deepEqual(Object.keys(manifest.resources).sort(), ['/a%20b.png', '/heavy.bin']);
  assert.equal((await get(MANIFEST_PATH, { 'if-none-match': first.headers.get('etag') })).status, 304);
  const { root } = manifest.resources['/heavy.bin'];
  const list = await get(manifest.digests + root);
  assert.equal(list.headers.get('content-type'), 'application/octet-stream');
  assert.match(list.headers.get('cache-control'), /immutable/);
  assert.equal(sha256(Buffer.from(await list.arrayBuffer())).toString('hex'), root);
  assert.equal((await get(`${manifest.digests}${'0'.repeat(64)}`)).status, 404);

  appendFileSync(join(folder, 'heavy.bin'), 'more');
  writeFileSync(join(folder, 'new.wasm'), 'wasm');
  const changed = await until(async () => {
    const { resources } = await (await get(MANIFEST_PATH)).json();
    return resources['/new.wasm'] && resources;
  });
  assert.equal(changed['/heavy.bin'].bytes, 300_004);
  assert.notEqual(changed['/heavy.bin'].root, root);
  // A visitor that still has the manifest of before finds its list.
  assert.equal((await get(manifest.digests + root)).status, 200);
});

async function until(found) {
  for (;;) {
    const value = await found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('one bad file costs itself while the site runs, and a folder that is gone keeps its manifest', async (t) => {
  const warnings = [];
  const { get, folder } = await site(t, { onWarning: ({ path, code }) => warnings.push(`${code} ${path}`) });
  const paths = async () => Object.keys((await (await get(MANIFEST_PATH)).json()).resources);
  const seen = (path) => until(async () => (await paths()).includes(path));
  assert.deepEqual(warnings, []);
  symlinkSync('nothing', join(folder, 'broken.png'));
  writeFileSync(join(folder, 'new.bin'), 'new');
  await seen('/new.bin');
  assert.deepEqual(await paths(), ['/a%20b.png', '/heavy.bin', '/new.bin']);
  assert.deepEqual(warnings, ['not-readable broken.png']);

  renameSync(folder, `${folder}-gone`);
  t.after(() => rmSync(`${folder}-gone`, { recursive: true }));
  await until(async () => {
    await get(MANIFEST_PATH);
    return warnings.includes('manifest-kept ');
  });
  assert.equal((await paths()).length, 3);
  for (let i = 0; i < 2; i++) assert.equal((await get('/a%20b.png')).status, 500);
  assert.deepEqual(warnings.slice(1).sort(), ['failed ', 'manifest-kept ']);
});

test('of a folder in which nothing is listed that is told, once until something is', async (t) => {
  const warnings = [];
  const { get } = await site(t, { exclude: ['*'], onWarning: ({ code }) => warnings.push(code) });
  for (let i = 0; i < 2; i++) await (await get(MANIFEST_PATH)).json();
  assert.deepEqual(warnings, ['nothing-listed']);
});

test('our scripts may control the whole site', async (t) => {
  const { get } = await site(t);
  for (const name of ['sw.js', 'sw.mjs', 'index.js']) {
    const response = await get(`/peer-cdn/${name}`);
    await response.arrayBuffer();
    if (response.status === 404) {
      t.diagnostic(`dist/${name} is not built`);
      continue;
    }
    assert.equal(response.headers.get('service-worker-allowed'), '/');
    assert.equal(response.headers.get('cache-control'), 'no-cache');
    assert.match(response.headers.get('content-type'), /^text\/javascript/);
  }
});

test('the coordinator is on the same port, also behind a proxy that keeps the host', async (t) => {
  const { url } = await site(t);
  const socket = new URL(SOCKET_PATH, url).href;
  await new Visitor(socket).next('welcome');
  await new Visitor(socket, { origin: 'https://site.example', headers: { host: 'site.example' } }).next('welcome');
  await new Visitor(socket, { origin: 'https://site.example' }).next('error');
});

test('responses are told with the bytes that were written, and the handler can be wrapped', async (t) => {
  const told = [];
  const wrapped = [];
  const { get } = await site(t, {
    onResponse: ({ method, path, status, bytes }) => told.push([method, path, status, bytes]),
    wrap: (handle) => (request, response) => {
      wrapped.push(request.url);
      handle(request, response);
    },
  });
  await (await get('/heavy.bin')).arrayBuffer();
  await (await get('/heavy.bin', { range: 'bytes=5-9' })).arrayBuffer();
  await get('/heavy.bin', {}, 'HEAD');
  await (await get('/nothing')).text();
  await until(() => told.length === 4);
  assert.deepEqual(told, [
    ['GET', '/heavy.bin', 200, 300000],
    ['GET', '/heavy.bin', 206, 5],
    ['HEAD', '/heavy.bin', 200, 0],
    ['GET', '/nothing', 404, 10],
  ]);
  assert.equal(wrapped.length, 4);
});

test("the handler and attach() fit a server of one's own", async (t) => {
  const folder = makeFolder(t, { 'app.js': 'js', 'a.png': 'png' });
  const server = createServer(handler(folder, { include: ['*.js'] }));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const coordinator = attach(server);
  t.after(async () => {
    await coordinator.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://localhost:${server.address().port}`;
  const { resources } = await (await fetch(url + MANIFEST_PATH)).json();
  assert.deepEqual(Object.keys(resources), ['/a.png', '/app.js']);
  await new Visitor(url + SOCKET_PATH).next('welcome');
});

test('a file with the same size and another time is digested again', async (t) => {
  const { get, folder } = await site(t);
  const before = (await (await get(MANIFEST_PATH)).json()).resources['/a%20b.png'].root;
  writeFileSync(join(folder, 'a b.png'), 'gnp');
  utimesSync(join(folder, 'a b.png'), 1, 1);
  await until(async () => (await (await get(MANIFEST_PATH)).json()).resources['/a%20b.png'].root !== before);
});

test("what cannot be served is an error of Node's, and the port is free again", async (t) => {
  await assert.rejects(serve('/nowhere/at/all', { port: 0 }), { code: 'ENOENT' });
  const folder = makeFolder(t, { 'a.png': 'a' });
  await assert.rejects(serve(join(folder, 'a.png'), { port: 0 }), { code: 'ENOTDIR' });
  const { url } = await site(t);
  const port = Number(new URL(url).port);
  await assert.rejects(serve(folder, { port }), { code: 'EADDRINUSE' });
  await assert.rejects(serve(folder, { port: 0, pieceBytes: 5 }), { code: 'bad-option' });
});
