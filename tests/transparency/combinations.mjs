// What is asked, of which files, and how. Each combination has files of its own (a key in their path), so that none disturbs
// another; what several differ in by one word only is made in loops.
import crypto from 'node:crypto';

import { keyOf, sizes } from './files.mjs';
import { kinds, mainOf } from './origin.mjs';

/**
 * @typedef {object} File
 * @property {string} extension
 * @property {keyof sizes} size
 * @property {number} bytes
 * @property {boolean} isListed
 * @property {keyof kinds} kind how its origin behaves
 * @property {string} [prefix] the file begins with it
 */

/**
 * `stage`: 'first': nothing of it is anywhere yet; 'second': this visitor has read it before; 'stopped': as the first request
 * after the worker was stopped; 'second, stopped': both.
 * @typedef {object} Combination
 * @property {string} name
 * @property {string} key
 * @property {string} probe
 * @property {File} file
 * @property {'first' | 'second' | 'stopped' | 'second, stopped'} stage
 * @property {string} [context]
 * @property {boolean} [isShort] part of the short form too
 */

/** Each makes its combination, with files of its own each time that it is asked for. @type {((turn: number) => Combination)[]} */
const makers = [];
const names = new Set();

const words = (file) => `${file.isListed ? 'listed' : 'unlisted'} ${file.size}${file.kind === 'plain' ? '' : `, ${file.kind}`}`;

/**
 * @param {string} probe
 * @param {string} what says what is asked
 * @param {Partial<File>} file
 * @param {Record<string, unknown>} [options]
 */
function add(probe, what, file, options = {}) {
  const whole = { extension: 'bin', size: 'small', isListed: true, kind: 'plain', ...file };
  whole.bytes = sizes[whole.size];
  const { stage = 'first', context } = options;
  const name = [context ? `${what} in ${context}` : what, words(whole), ...(stage === 'first' ? [] : [stage])].join(' | ');
  if (names.has(name)) throw new Error(`two combinations are called ${name}`);
  names.add(name);
  makers.push((turn) => {
    const own = turn === 0 ? name : `${name} | ${turn + 1}`;
    const combination = { ...options, name: own, key: keyOf(own), probe, file: whole, stage };
    if (combination.integrity) combination.init = { ...combination.init, integrity: integrityOf(combination) };
    if (combination.attributes?.integrity !== undefined) {
      combination.attributes = { ...combination.attributes, integrity: integrityOf(combination) };
    }
    return combination;
  });
}

function integrityOf(combination) {
  const isRight = (combination.integrity ?? combination.attributes.integrity) === 'right';
  const hash = crypto.createHash('sha384').update(mainOf(combination));
  return `sha384-${(isRight ? hash : hash.update('wrong')).digest('base64')}`;
}

const small = { size: 'small' };
const middle = { size: 'middle' };
const large = { size: 'large' };
const unlisted = { isListed: false };
const unlistedLarge = { isListed: false, size: 'large' };
const three = [small, large, unlisted];
const four = [...three, unlistedLarge];

// fetch: methods, modes, credentials, referrers and headers.

for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
  for (const file of [small, unlisted]) {
    const body = method === 'POST' || method === 'PUT' ? 'sent by the page' : undefined;
    add('fetch', `fetch ${method}`, file, { init: { method, body } });
  }
}
for (const file of [...four, middle, { size: 'huge' }, { extension: 'json' }, { extension: 'txt', size: 'large' }]) {
  add('fetch', `fetch of .${file.extension ?? 'bin'}`, file, { isShort: true });
  if (file.isListed !== false) add('fetch', `fetch of .${file.extension ?? 'bin'}`, file, { stage: 'second', isShort: true });
}
add('fetch', 'fetch HEAD', small, { init: { method: 'HEAD' }, stage: 'second' });
add('fetch', 'fetch HEAD', large, { init: { method: 'HEAD' }, stage: 'second' });
for (const file of three) {
  for (const mode of ['same-origin', 'no-cors']) add('fetch', `fetch mode ${mode}`, file, { init: { mode } });
  for (const credentials of ['omit', 'include']) {
    add('fetch', `fetch credentials ${credentials}`, file, { init: { credentials }, isShort: true });
  }
  for (const referrerPolicy of ['no-referrer', 'origin', 'strict-origin', 'unsafe-url']) {
    add('fetch', `fetch referrer policy ${referrerPolicy}`, file, { init: { referrerPolicy } });
  }
  for (const referrer of ['', '$site/elsewhere.html?q=1']) {
    add('fetch', `fetch referrer "${referrer}"`, file, { init: { referrer } });
  }
  for (const [name, value] of [
    ['x-own', 'said by the page'],
    ['accept', 'application/x-own'],
    ['accept-language', 'eo'],
    ['authorization', 'Bearer token'],
    ['cache-control', 'no-cache'],
  ]) {
    add('fetch', `fetch with ${name}`, file, { init: { headers: { [name]: value } } });
  }
  add('fetch', 'fetch priority low, keepalive', file, { init: { priority: 'low', keepalive: true } });
  add('fetch', 'fetch of ?query', file, { query: '?v=1' });
  add('fetch', 'fetch of #fragment', file, { query: '#part' });
  add('fetch', 'five fetches at once', file, { times: 5 });
}

// fetch: cache modes, the first time and the second.

for (const cache of ['no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached']) {
  const init = cache === 'only-if-cached' ? { cache, mode: 'same-origin' } : { cache };
  for (const file of three) {
    for (const stage of ['first', 'second']) {
      add('fetch', `fetch cache ${cache}`, file, { init, stage, isShort: cache === 'reload' });
    }
  }
}

// fetch: redirects.

for (const kind of ['redirect here', 'redirect to a listed file', 'redirect elsewhere', 'redirect elsewhere, closed']) {
  for (const redirect of ['follow', 'error', 'manual']) {
    for (const file of three) {
      add('fetch', `fetch redirect ${redirect}`, { ...file, kind }, { init: { redirect }, isShort: kind === 'redirect here' });
    }
  }
  add('fetch', 'fetch mode no-cors', { kind }, { init: { mode: 'no-cors' } });
  add('fetch', 'fetch mode same-origin', { kind }, { init: { mode: 'same-origin' } });
  add('fetch', 'fetch redirect follow', { kind }, { stage: 'second' });
  add('fetch', 'fetch of a range', { ...large, kind }, { init: { headers: { range: 'bytes=100-299' } } });
}

// fetch: ranges.

const ranges = [
  'bytes=0-99',
  'bytes=0-',
  'bytes=5000-14999',
  'bytes=-100',
  'bytes=19999-19999',
  'bytes=70000-80000',
  'bytes=5000000-6000000',
  'bytes=0-1,5-6',
  'bytes=9-2',
  'bytes=',
  'items=0-5',
  'bytes=0-18446744073709551615',
  'bytes=0-00099',
];
for (const range of ranges) {
  for (const file of four) {
    add('fetch', `fetch ${range}`, file, { init: { headers: { range } }, isShort: range === 'bytes=5000-14999' });
  }
  for (const file of [small, large]) add('fetch', `fetch ${range}`, file, { init: { headers: { range } }, stage: 'second' });
}
add('fetch', 'fetch five times at once of a range', large, { times: 5, init: { headers: { range: 'bytes=5000-14999' } } });
add('fetch', 'fetch cache no-store of a range', large, { init: { cache: 'no-store', headers: { range: 'bytes=5000-14999' } } });
add('fetch', 'fetch HEAD with a range', large, { init: { method: 'HEAD', headers: { range: 'bytes=0-99' } } });

// fetch: conditions, with what an answer of the same file said before.

const range = { headers: { range: 'bytes=100-199' } };
const conditions = [
  ['if-range of a tag', { as: 'if-range', from: 'etag' }, range],
  ['if-range of a date', { as: 'if-range', from: 'last-modified' }, range],
  ['if-range of a weakened tag', { as: 'if-range', from: 'etag', change: 'weaken' }, range],
  ['if-none-match', { as: 'if-none-match', from: 'etag' }, {}],
  ['if-modified-since', { as: 'if-modified-since', from: 'last-modified' }, {}],
  ['if-match', { as: 'if-match', from: 'etag' }, {}],
  ['if-match with a range', { as: 'if-match', from: 'etag' }, range],
  ['if-unmodified-since', { as: 'if-unmodified-since', from: 'last-modified' }, {}],
];
for (const [what, learn, init] of conditions) {
  for (const by of ['HEAD', 'GET']) {
    for (const file of [small, large]) {
      add('fetch', `fetch ${what} learned by ${by}`, file, { learn: { ...learn, by }, init, isShort: by === 'HEAD' });
    }
  }
  add('fetch', `fetch ${what} learned by GET`, large, { learn, init, stage: 'second' });
  add('fetch', `fetch ${what} learned by HEAD`, unlisted, { learn: { ...learn, by: 'HEAD' }, init });
  for (const kind of ['weak tag', 'no tag']) {
    if (learn.from === 'etag')
      add('fetch', `fetch ${what} learned by HEAD`, { ...large, kind }, { learn: { ...learn, by: 'HEAD' }, init });
  }
}
for (const [name, value] of [
  ['if-range', '"stale"'],
  ['if-range', 'Thu, 01 Jan 2026 00:00:00 GMT'],
  ['if-none-match', '"stale"'],
  ['if-none-match', '*'],
  ['if-match', '"stale"'],
  ['if-match', '*'],
  ['if-modified-since', 'Thu, 01 Jan 2026 00:00:00 GMT'],
  ['if-unmodified-since', 'Thu, 01 Jan 2026 00:00:00 GMT'],
]) {
  for (const stage of ['first', 'second']) {
    const headers = { [name]: value, ...(name === 'if-range' && range.headers) };
    add('fetch', `fetch ${name}: ${value}`, large, { init: { headers }, stage });
  }
}

// fetch: integrity, aborts, and how a body is read.

for (const integrity of ['right', 'wrong']) {
  for (const file of [...three, { kind: 'changed' }]) add('fetch', `fetch integrity ${integrity}`, file, { integrity });
  add('fetch', `fetch integrity ${integrity}`, small, { integrity, stage: 'second' });
}
for (const file of four) {
  add('fetch', 'fetch aborted before', file, { abort: 'before' });
  add('fetch', 'fetch aborted while it waits', { ...file, kind: 'held before the head' }, { abort: 'waiting', isShort: true });
  add('fetch', 'fetch aborted at its head', { ...file, kind: 'held in the middle' }, { abort: 'head' });
  add('fetch', 'fetch aborted in the middle', { ...file, kind: 'held in the middle' }, { abort: 'middle', isShort: true });
  add('fetch', 'fetch cancelled in the middle', { ...file, kind: 'held in the middle' }, { read: 'cancel' });
  add('fetch', 'fetch read as it comes', { ...file, kind: 'held in the middle' }, { read: 'streamed', isShort: true });
}
// All that the HTTP cache has may have come before the abort, which then is none.
add('fetch', 'fetch aborted in the middle', large, { abort: 'middle', stage: 'second', mayEnd: true });
// Whose bytes are compared on the way.
const compared = { size: 'large', kind: 'changed, held in the middle' };
add('fetch', 'fetch aborted in the middle', compared, { abort: 'middle', stage: 'second' });
add('fetch', 'fetch cancelled in the middle', compared, { read: 'cancel', stage: 'second' });
add('fetch', 'fetch read as it comes', compared, { read: 'streamed', stage: 'second' });
add('fetch', 'fetch aborted before', large, { abort: 'before', stage: 'second' });
for (const read of ['text', 'blob', 'slowly', 'byob', 'cancel', 'unread', 'tee', 'half a tee', 'clone', 'piped', 'form']) {
  for (const file of [small, large, unlistedLarge]) add('fetch', `fetch read by ${read}`, file, { read });
  add('fetch', `fetch read by ${read}`, large, { read, stage: 'second' });
}
for (const file of [{ extension: 'json' }, { extension: 'json', isListed: false }])
  add('fetch', 'fetch read by json', file, { read: 'json' });

// Origins of all sorts: the first time, and the second.

const oddities = Object.keys(kinds).filter((kind) => kind !== 'plain' && !/held|redirect|script|octets|nosniff|image/.test(kind));
const isForShort = new Set(['changed', 'grown', '404', '429', 'private', 'gzip', 'no ranges', 'many headers']);
for (const kind of oddities) {
  const extension = kind === 'gzip' ? 'json' : 'bin';
  for (const size of ['small', 'large']) {
    const file = { extension, size, kind };
    add('fetch', 'fetch', file, { isShort: isForShort.has(kind) });
    add('fetch', 'fetch', file, { stage: 'second', isShort: isForShort.has(kind) });
  }
  // Of an empty file that it knows Chromium's HTTP cache says 200 to any range.
  for (const size of kind === 'emptied' ? ['large'] : ['small', 'large']) {
    add('fetch', 'fetch of a range', { extension, size, kind }, { init: { headers: { range: 'bytes=100-299' } } });
  }
  add('fetch', 'fetch', { extension, size: 'small', kind, isListed: false });
}
for (const kind of ['gzip', 'no ranges', 'private', '404', '429', 'changed', 'many headers']) {
  add('fetch', 'fetch HEAD', { size: 'large', kind }, { init: { method: 'HEAD' } });
  add('fetch', 'five fetches at once', { size: 'small', kind }, { times: 5 });
}
add('fetch', 'fetch of a range', { extension: 'json', size: 'large', kind: 'gzip' }, { stage: 'second', init: range });

// The other site: none of our business, and so as it was.

add('fetch', 'fetch cross-origin', unlisted, { isElsewhere: true });
add('fetch', 'fetch cross-origin with credentials', unlisted, { isElsewhere: true, init: { credentials: 'include' } });
add('fetch', 'fetch cross-origin no-cors', unlisted, { isElsewhere: true, init: { mode: 'no-cors' } });
add('fetch', 'fetch cross-origin with a header', unlisted, { isElsewhere: true, init: { headers: { 'x-own': '1' } } });
add('image', 'img cross-origin', { extension: 'png', isListed: false }, { isElsewhere: true });

// XMLHttpRequest.

for (const file of three) {
  const json = { ...file, extension: 'json' };
  for (const responseType of ['text', 'arraybuffer', 'blob', 'json']) {
    add('xhr', `XHR as ${responseType}`, json, { responseType, isShort: responseType === 'arraybuffer' });
  }
  add('xhr', 'XHR of a range', file, { init: { headers: { range: 'bytes=100-299' } } });
  add('xhr', 'XHR with a header and credentials', file, { withCredentials: true, init: { headers: { 'x-own': '1' } } });
  add('xhr', 'XHR HEAD', file, { init: { method: 'HEAD' } });
  add('xhr', 'XHR synchronous', json, { isSync: true });
}
for (const file of [small, large]) add('xhr', 'XHR as arraybuffer', file, { stage: 'second' });
add('xhr', 'XHR POST', unlisted, { init: { method: 'POST', body: 'sent' } });
add('xhr', 'XHR aborted in progress', { ...large, kind: 'held in the middle' }, { abort: 'progress' });
add('xhr', 'XHR times out', { ...large, kind: 'held before the head' }, { timeout: 400, abort: 'timeout' });
for (const kind of [
  'gzip',
  '404',
  '503',
  'cut off',
  'redirect here',
  'redirect elsewhere',
  'changed',
  'grown',
  'many headers',
  'chunked',
]) {
  add('xhr', 'XHR', { extension: 'json', kind });
  if (kind !== '404') add('xhr', 'XHR', { extension: 'json', size: 'large', kind });
}

// Elements.

const picture = (file = {}) => ({ extension: 'png', ...file });
for (const file of three) {
  for (const stage of file === unlisted ? ['first'] : ['first', 'second'])
    add('image', 'img', picture(file), { stage, isShort: true });
}
for (const kind of [
  '404',
  '503',
  'redirect here',
  'redirect elsewhere',
  'redirect elsewhere, closed',
  'changed',
  'grown',
  'private',
  'octets by type',
  'image by type',
  'text by type, nosniff',
  'no type',
  'many headers',
  'cut off',
  'gzip',
]) {
  add('image', 'img', picture({ kind }));
}
for (const crossorigin of ['anonymous', 'use-credentials']) {
  add('image', `img crossorigin ${crossorigin}`, picture(), { attributes: { crossorigin } });
  add('image', `img crossorigin ${crossorigin}`, picture({ kind: 'redirect elsewhere' }), { attributes: { crossorigin } });
}
add('image', 'img referrerpolicy no-referrer', picture(), { attributes: { referrerpolicy: 'no-referrer' } });
add('image', 'img lazy', picture(unlisted), { attributes: { loading: 'lazy' } });
add('image', 'img srcset', picture(), { isSrcset: true });
add('image', 'img given up', picture({ kind: 'held before the head' }), { abort: 'waiting' });
add('image', 'img given up', picture({ kind: 'held before the head', isListed: false }), { abort: 'waiting' });
add('image', 'img of no picture', {});
for (const file of [{ extension: 'svg' }, { extension: 'svg', isListed: false }]) add('image', 'img of SVG', file);
add('background', 'CSS background', picture());
add('background', 'CSS background', picture(unlisted));

for (const [element, extension] of [
  ['video', 'webm'],
  ['audio', 'wav'],
]) {
  for (const file of four) add('media', element, { extension, ...file }, { element, isShort: element === 'video' });
  for (const file of [small, large]) add('media', element, { extension, ...file }, { element, stage: 'second' });
  for (const kind of [
    '404',
    'redirect here',
    'redirect elsewhere',
    'no ranges',
    'changed',
    'octets by type',
    'capped ranges',
    'unknown total',
  ]) {
    add('media', element, { extension, size: 'large', kind }, { element });
  }
  add('media', `${element} crossorigin`, { extension }, { element, attributes: { crossorigin: 'anonymous' } });
}
for (const file of [{}, unlisted, { kind: '404' }, { kind: 'redirect here' }, { kind: 'octets by type' }]) {
  add('track', 'track', { extension: 'vtt', ...file });
}
add('track', 'track', { extension: 'vtt' }, { stage: 'second' });
for (const file of [
  {},
  large,
  unlisted,
  { kind: '404' },
  { kind: 'redirect here' },
  { kind: 'redirect elsewhere' },
  { kind: 'changed' },
  { kind: 'octets by type' },
]) {
  add('font', 'font', { extension: 'ttf', ...file });
}
add('font', 'font', { extension: 'ttf' }, { stage: 'second', isShort: true });
add('font', '@font-face', { extension: 'ttf' }, { isByStyle: true });
add('font', '@font-face', { extension: 'ttf', isListed: false }, { isByStyle: true });

const classic = { extension: 'js', prefix: 'globalThis.base = document.currentScript?.src ?? ""; ' };
const nested = {
  extension: 'mjs',
  prefix: 'import { self as inner } from "./target.mjs"; globalThis.ran = 1; globalThis.base = inner; ',
};
for (const [what, file, isModule] of [
  ['script', classic, false],
  ['module script', nested, true],
]) {
  const options = { isModule };
  for (const each of three) add('script', what, { ...file, ...each }, { ...options, isShort: true });
  add('script', what, file, { ...options, stage: 'second' });
  for (const kind of [
    '404',
    'redirect here',
    'redirect elsewhere',
    'redirect elsewhere, closed',
    'changed',
    'octets by type',
    'text by type, nosniff',
    'no type',
    'many headers',
    'private',
  ]) {
    add('script', what, { ...file, kind }, options);
  }
  for (const integrity of ['right', 'wrong']) {
    add('script', `${what} integrity ${integrity}`, file, { ...options, attributes: { integrity } });
  }
  add('script', `${what} crossorigin use-credentials`, file, { ...options, attributes: { crossorigin: 'use-credentials' } });
  add('script', `${what} listed as data`, { ...file, extension: 'bin', kind: 'script by type' }, options);
  add('script', `${what} referrerpolicy no-referrer`, file, { ...options, attributes: { referrerpolicy: 'no-referrer' } });
}
add('script', 'import()', { extension: 'mjs' }, { isImported: true });
add('script', 'import()', { extension: 'mjs', isListed: false }, { isImported: true });
add('script', 'import()', { extension: 'mjs', kind: 'redirect here' }, { isImported: true });
add('script', 'import()', { extension: 'mjs', kind: '404' }, { isImported: true });

for (const file of [
  {},
  unlisted,
  { kind: '404' },
  { kind: 'redirect here' },
  { kind: 'redirect elsewhere' },
  { kind: 'octets by type' },
  { kind: 'text by type, nosniff' },
  { kind: 'changed' },
]) {
  add('style', 'style sheet', { extension: 'css', ...file });
}
add('style', 'style sheet', { extension: 'css' }, { stage: 'second' });
add('style', 'style sheet crossorigin', { extension: 'css' }, { attributes: { crossorigin: 'anonymous' } });
add('style', '@import', { extension: 'css' }, { isImported: true });
add('style', '@import', { extension: 'css', isListed: false }, { isImported: true });

for (const element of ['iframe', 'object', 'embed']) {
  for (const file of [
    { extension: 'svg' },
    { extension: 'svg', isListed: false },
    { extension: 'html' },
    { extension: 'html', isListed: false },
  ]) {
    add('frame', `${element} of .${file.extension}`, file, { element });
  }
}
add('frame', 'iframe of .html', { extension: 'html', kind: 'redirect here' });
add('frame', 'iframe of .html', { extension: 'html', kind: '404' });
add('frame', 'iframe of .html', { extension: 'html', kind: 'many headers' });
add('frame', 'iframe of .html', { extension: 'html', isListed: false, kind: 'redirect elsewhere' });
add('frame', 'iframe of .html', { extension: 'html' }, { stage: 'second' });
add('frame', 'object of .png', { extension: 'png' }, { element: 'object' });
add('frame', 'iframe of .txt', { extension: 'txt', isListed: false });

for (const file of [{}, unlisted, { kind: 'redirect here' }, { kind: '404' }, { kind: 'many headers' }, { kind: 'private' }]) {
  add('navigation', 'navigation', { extension: 'html', ...file });
}
for (const file of [{}, unlisted]) add('navigation', 'navigation to .svg', { extension: 'svg', ...file });
add('navigation', 'navigation', { extension: 'html' }, { stage: 'second', isShort: true });

for (const file of [{}, unlisted]) {
  add('link', 'link preload as fetch', file, { attributes: { rel: 'preload', as: 'fetch', crossorigin: 'anonymous' } });
  add('link', 'link preload as image', picture(file), { attributes: { rel: 'preload', as: 'image' } });
  add('link', 'link modulepreload', { extension: 'mjs', ...file }, { attributes: { rel: 'modulepreload' } });
}

// Workers and frames: their scripts, and what they ask.

const worker = {
  extension: 'js',
  prefix: 'globalThis.onconnect = (e) => e.ports[0].postMessage(location.href); globalThis.postMessage?.(location.href); ',
};
for (const file of [{}, unlisted, { kind: 'redirect here' }, { kind: '404' }, { kind: 'octets by type' }, { kind: 'changed' }]) {
  for (const isModule of [false, true])
    add('worker', isModule ? 'module worker' : 'worker', { ...worker, ...file }, { isModule });
}
add('worker', 'shared worker', { ...worker, isListed: false }, { isShared: true });
add('imported', 'importScripts', { extension: 'js' });
add('imported', 'importScripts', { extension: 'js', isListed: false });
add('imported', 'importScripts', { extension: 'js', kind: '404' });
for (const context of ['worker', 'blob', 'shared', 'frame', 'srcdoc']) {
  for (const file of three) add('fetch', 'fetch', file, { context, isShort: context === 'worker' });
  add('fetch', 'fetch of a range', large, { context, init: { headers: { range: 'bytes=100-299' } } });
  add('fetch', 'fetch', large, { context, stage: 'second' });
  add('fetch', 'fetch', { kind: '404' }, { context });
}
add('xhr', 'XHR', {}, { context: 'worker' });
add('xhr', 'XHR synchronous', { extension: 'json' }, { context: 'worker', isSync: true });
add('image', 'img', picture(), { context: 'frame' });
add('fetch', 'fetch HEAD', small, { context: 'worker', init: { method: 'HEAD' } });

add('eventSource', 'EventSource', { extension: 'txt', isListed: false });
add('beacon', 'sendBeacon', unlisted);

// The first request after the worker was stopped.

const restarted = [
  ['fetch', 'fetch', small, {}],
  ['fetch', 'fetch', large, {}],
  ['fetch', 'fetch', unlisted, {}],
  ['fetch', 'fetch of a range', large, { init: range }],
  ['fetch', 'fetch of a range', unlistedLarge, { init: range }],
  ['fetch', 'fetch HEAD', small, { init: { method: 'HEAD' } }],
  ['fetch', 'fetch POST', unlisted, { init: { method: 'POST', body: 'sent' } }],
  ['fetch', 'fetch redirect follow', { kind: 'redirect here' }, {}],
  ['fetch', 'fetch redirect manual', { kind: 'redirect here', isListed: false }, { init: { redirect: 'manual' } }],
  ['fetch', 'fetch', { kind: '404' }, {}],
  ['fetch', 'fetch', { kind: '404', isListed: false }, {}],
  ['fetch', 'fetch', { kind: '429' }, {}],
  ['fetch', 'fetch', { kind: 'many headers', isListed: false }, {}],
  ['fetch', 'fetch', { extension: 'json', kind: 'gzip', isListed: false }, {}],
  ['fetch', 'fetch credentials omit', unlisted, { init: { credentials: 'omit' } }],
  ['fetch', 'fetch referrer policy no-referrer', unlisted, { init: { referrerPolicy: 'no-referrer' } }],
  ['fetch', 'fetch with x-own', unlisted, { init: { headers: { 'x-own': '1' } } }],
  ['fetch', 'fetch aborted while it waits', { kind: 'held before the head', isListed: false }, { abort: 'waiting' }],
  ['fetch', 'fetch aborted in the middle', { kind: 'held in the middle', isListed: false, size: 'large' }, { abort: 'middle' }],
  ['image', 'img', picture(), {}],
  ['image', 'img', picture(unlisted), {}],
  ['media', 'video', { extension: 'webm', isListed: false }, { element: 'video' }],
  ['script', 'script', { ...classic, ...unlisted }, { isModule: false }],
  ['script', 'module script', { ...nested, ...unlisted }, { isModule: true }],
  ['style', 'style sheet', { extension: 'css', isListed: false }, {}],
  ['frame', 'iframe of .html', { extension: 'html', isListed: false }, {}],
  ['navigation', 'navigation', { extension: 'html', isListed: false }, {}],
  ['worker', 'worker', { ...worker, isListed: false }, {}],
  ['xhr', 'XHR', unlisted, {}],
];
for (const [probe, what, file, options] of restarted)
  add(probe, what, file, { ...options, stage: 'stopped', isShort: what === 'fetch' });
for (const [probe, what, file, options] of [
  ['fetch', 'fetch', small, {}],
  ['fetch', 'fetch', large, {}],
  ['fetch', 'fetch', unlisted, {}],
  ['fetch', 'fetch', { kind: 'changed' }, {}],
  ['fetch', 'fetch', { kind: 'private' }, {}],
  ['fetch', 'fetch', { kind: '404' }, {}],
  ['fetch', 'fetch of a range', large, { init: range }],
  ['fetch', 'fetch HEAD', large, { init: { method: 'HEAD' } }],
  ['image', 'img', picture(), {}],
]) {
  add(probe, what, file, { ...options, stage: 'second, stopped', isShort: what === 'fetch' });
}

/**
 * The combinations with this text in their name, each so many times.
 * @param {{ only?: string, isShort?: boolean, times?: number }} [which]
 * @returns {Combination[]}
 */
export const combinations = ({ only = '', isShort = false, times = 1 } = {}) =>
  Array.from({ length: times }, (_, turn) => makers.map((make) => make(turn)))
    .flat()
    .filter((each) => each.name.includes(only) && (!isShort || each.isShort));
