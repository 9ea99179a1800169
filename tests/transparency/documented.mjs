// What differs and will: each kind with its sentence in docs/limits.md, and a test as narrow as it can be.

import { missing } from './compare.mjs';

/**
 * @typedef {object} Difference
 * @property {string} engine
 * @property {string} observable
 * @property {string} with
 * @property {string} without
 * @property {import('./combinations.mjs').Combination} of
 * @property {Record<string, string>} ours all that was seen with peer-cdn
 * @property {Record<string, string>} control and without it
 */

const valuesOf = (text = missing) => text.split(' | ').filter((value) => value !== '-' && value !== missing);
const isOf = (difference, ...names) => names.map((name) => `origin: ${name}`).includes(difference.observable);
const isOfOrigin = ({ observable }) => observable.startsWith('origin: ');
const rangesOf = (seen) => valuesOf(seen['origin: range']);
const requestsOf = (seen) => valuesOf(seen['origin: what']).length;
const bodyOf = ({ 'body length': length, 'body digest': digest, 'body error': error }) => [length, digest, error].join();

const partly = 'status, statusText, body length, body digest, header content-range, header content-length, header accept-ranges';
const isOfPart = (observable) => partly.split(', ').includes(observable);

/** Everything that the page saw is what it sees without us. */
const isSameToPage = ({ engine, of, ours, control }) =>
  Object.keys({ ...ours, ...control }).every(
    (name) =>
      name.startsWith('origin: ') ||
      ours[name] === control[name] ||
      isAbortByChance({ engine, of, observable: name }) ||
      isUnaskedPart({ of, observable: name, ours }),
  );

/** An origin that gives parts to all who ask gave one to us. */
function isUnaskedPart({ of, observable, ours }) {
  return of.file.kind === 'parts only' && of.file.isListed && ours.status === '200' && isOfPart(observable);
}

/** How WebKit ends a body that is aborted. */
const isAbortByChance = ({ engine, of, observable }) =>
  engine === 'webkit' && of.abort === 'middle' && observable === 'body error';

/** Bytes of an own window: [begin, last], or null if the header says something else. */
const windowOf = (range) => {
  const found = range.match(/^bytes=(\d+)-(\d+)$/);
  return found ? [Number(found[1]), Number(found[2])] : null;
};

const pieceBytes = 64 * 1024;
/** Of what breaks off: the first, and three more. Chromium's HTTP cache asks for one byte before each. */
const askings = 4;
const isWhole = ({ of }) => !of.init?.headers?.range && of.probe !== 'media';

/** We asked for ranges of our own, in whole pieces, of a listed file. */
function hasWindows({ ours, control, of }) {
  const own = rangesOf(ours).filter((range) => !rangesOf(control).includes(range));
  const isWindow = (range) => {
    const window = windowOf(range);
    return window !== null && window[0] % pieceBytes === 0;
  };
  return of.file.isListed && own.length > 0 && own.every(isWindow);
}

/** Without us the origin was asked for a part, with us for all: the file is one piece, or the header is good for no range. */
const hasWholeForPart = ({ ours, control, of }) =>
  of.file.isListed && rangesOf(control).length > 0 && rangesOf(ours).length === 0 && requestsOf(ours) > 0;

/** It asks for a part, of the page's or of ours, under a condition, or lacks a referrer. */
const isChanged = (difference) =>
  !isWhole(difference) ||
  hasWindows(difference) ||
  difference.of.learn !== undefined ||
  Object.keys(difference.of.init?.headers ?? {}).some((name) => name.startsWith('if-')) ||
  /integrity/.test(difference.of.name) ||
  difference.of.init?.referrer === '' ||
  ['blob', 'srcdoc'].includes(difference.of.context);

const isSubset = (difference) => {
  const without = valuesOf(difference.without);
  return valuesOf(difference.with).every((value) => without.includes(value));
};

/** We answered it: what is listed, and all that a worker is asked that has just started. */
const isAnswered = ({ of }) => of.file.isListed || of.stage === 'stopped';
const isStaying = (difference) => isOf(difference, 'client') && difference.with === 'stays';
/** XMLHttpRequest ended before it got a byte. */
const isNothingYet = ({ ours, observable }) =>
  ours['progress loaded'] === '0' && ['events', 'states', 'progress totals', 'progress loaded'].includes(observable);

const isUnusable = (kind) => /^(private|no-store|changed|grown|shrunk|emptied|204|varies|redirect)/.test(kind);

/** @type {{ kind: string, limit: string, applies: (difference: Difference) => boolean }[]} */
export const documented = [
  {
    kind: 'destination',
    limit: 'The origin sees `Sec-Fetch-Dest: empty` for a listed file: no worker can say what a file is for.',
    applies: (difference) =>
      difference.of.file.isListed &&
      isOf(difference, 'sec-fetch-dest') &&
      valuesOf(difference.with).every((value) => value === 'empty' || valuesOf(difference.without).includes(value)),
  },
  {
    kind: 'whole pieces',
    limit: 'A part of a listed file is asked of the origin in whole pieces, because only those can be verified.',
    applies: (difference) =>
      !isWhole(difference) &&
      isOf(difference, 'range', 'body bytes', 'status', 'accept-encoding') &&
      requestsOf(difference.ours) <= requestsOf(difference.control) &&
      (hasWindows(difference) || hasWholeForPart(difference)),
  },
  {
    kind: 'stretches',
    limit:
      'A listed file over 8 MiB is asked of the origin in up to three ranges, ' +
      'and one that is held in part by a range for each gap.',
    applies: (difference) =>
      difference.of.file.size === 'huge' &&
      isWhole(difference) &&
      hasWindows(difference) &&
      requestsOf(difference.ours) <= 3 &&
      isOf(difference, 'range', 'status', 'requests', 'what', 'accept-encoding'),
  },
  {
    kind: 'past the HTTP cache',
    limit: 'Ranges of a listed file bypass the HTTP cache, so the origin sees `Cache-Control: no-cache` and `Pragma: no-cache`.',
    applies: (difference) =>
      hasWindows(difference) &&
      isOf(difference, 'cache-control', 'pragma') &&
      valuesOf(difference.with).every((value) => value === 'no-cache' || valuesOf(difference.without).includes(value)),
  },
  {
    kind: 'mode of ranges',
    limit: 'Ranges for an element have `Sec-Fetch-Mode: same-origin`, because a worker may give a `no-cors` request no Range.',
    applies: (difference) =>
      difference.without === 'no-cors' &&
      difference.with === 'same-origin' &&
      hasWindows(difference) &&
      isOf(difference, 'sec-fetch-mode'),
  },
  {
    kind: 'asked less',
    limit: 'What the worker holds, or fetches for another reader, is not asked of the origin again, nor is it revalidated.',
    applies: (difference) =>
      difference.of.file.isListed &&
      !['reload', 'no-store'].includes(difference.of.init?.cache) &&
      isOfOrigin(difference) &&
      requestsOf(difference.ours) < requestsOf(difference.control) &&
      isSameToPage(difference) &&
      (isOf(difference, 'requests', 'body bytes') ? Number(difference.with) < Number(difference.without) : isSubset(difference)),
  },
  {
    kind: 'window in vain',
    limit: 'A part of a listed file that cannot be shared after all is asked for twice: in whole pieces, then as the page asked.',
    applies: (difference) =>
      isUnusable(difference.of.file.kind) &&
      difference.of.file.isListed &&
      !isWhole(difference) &&
      isSameToPage(difference) &&
      requestsOf(difference.ours) === requestsOf(difference.control) + 1 &&
      (isOf(difference, 'requests', 'what', 'range', 'status', 'body bytes', 'accept-encoding') ||
        // The second of them may find the first one's answer in the HTTP cache.
        /^origin: if-/.test(difference.observable)),
  },
  {
    kind: 'conditions',
    limit: 'A condition is not sent to the origin where the worker knows what the origin said of these bytes.',
    applies: (difference) =>
      difference.of.file.isListed &&
      /^origin: if-/.test(difference.observable) &&
      isSameToPage(difference) &&
      isSubset(difference),
  },
  {
    kind: 'ranges where there are none',
    limit: 'A part of a listed file is given as 206 also where the origin has no ranges, and a film of it can be wound.',
    applies: ({ of, observable, ours }) =>
      ['no ranges', 'chunked'].includes(of.file.kind) &&
      of.file.isListed &&
      (of.probe === 'media' ? observable === 'at' && ours.seeked === 'seeked' : ours.status === '206' && isOfPart(observable)),
  },
  {
    kind: 'just started',
    limit: 'What is asked of a worker that has just started is answered by us, listed or not: `Sec-Fetch-Dest` is `empty`.',
    applies: (difference) =>
      difference.of.stage === 'stopped' && isOf(difference, 'sec-fetch-dest') && valuesOf(difference.with)[0] === 'empty',
  },
  {
    kind: 'asked again where it broke off',
    limit:
      'Where a body breaks off, its rest is asked for, three times without a new piece: the page gets more, and may get all.',
    applies: (difference) =>
      difference.of.file.kind === 'cut off' &&
      difference.of.file.isListed &&
      (isOfOrigin(difference) ? requestsOf(difference.ours) <= 2 * askings : isMore(difference)),
  },
  {
    kind: 'known total',
    limit: 'Where the origin does not say how long a file is, the page is told what the manifest says.',
    applies: ({ of, observable, ours, control, with: value }) =>
      of.file.kind === 'unknown total' &&
      of.file.isListed &&
      (of.probe === 'media'
        ? ours.event === 'loadedmetadata' && !('error code' in control && ours['error code'] !== '0')
        : value !== missing) &&
      (of.probe === 'media' ? ['duration', 'seeked', 'at', 'end'] : ['header content-range']).includes(observable),
  },
  {
    kind: 'a part that nobody asked for',
    limit: 'A whole file that the origin gives as 206 to a request without a range is a 200.',
    applies: isUnaskedPart,
  },
  {
    kind: 'found out late',
    limit: 'A reader who has got some of a file when it turns out to be another one, or refused, gets an error, once.',
    applies: (difference) =>
      difference.of.file.kind.startsWith('changed') &&
      difference.of.file.size === 'large' &&
      difference.of.stage === 'first' &&
      difference.of.probe !== 'media' &&
      'body error' in difference.ours &&
      ['body error', 'body length', 'body digest'].includes(difference.observable),
  },
  {
    kind: 'whole from the HTTP cache',
    limit: 'The range `bytes=0-` of a stored file is a 206 with all of it; the HTTP cache of Firefox makes it a 200.',
    applies: ({ engine, of, observable, ours }) =>
      engine === 'firefox' &&
      of.init?.headers?.range === 'bytes=0-' &&
      of.stage === 'second' &&
      ours.status === '206' &&
      ['status', 'statusText', 'header content-range'].includes(observable),
  },
  {
    kind: 'asked past the HTTP cache',
    limit:
      'Where a file turns out to be another one in the middle, its rest is asked for once more, past the HTTP cache: ' +
      'what came may have been old.',
    applies: (difference) =>
      difference.of.file.kind === 'changed late' &&
      difference.of.file.size === 'large' &&
      isOfOrigin(difference) &&
      requestsOf(difference.ours) === requestsOf(difference.control) + 1,
  },
  {
    kind: 'no answer at all',
    limit: 'A listed file that was asked for and failed without an answer is asked for once more.',
    applies: (difference) =>
      difference.of.file.kind.startsWith('redirect elsewhere') &&
      isOfOrigin(difference) &&
      isSameToPage(difference) &&
      requestsOf(difference.ours) <= 4,
  },
  {
    kind: 'changed request',
    limit:
      'Some requests for listed files have no client hints (`Sec-CH-UA`), no priority of their own (HTTP/2) and not the ' +
      '`Origin` of a `crossorigin` element: those for a part, under a condition or with `integrity`, those that peers ' +
      'may answer too, and those that lack a referrer (of a frame of `srcdoc`, of a worker of a blob). In WebKit no ' +
      'element has that `Origin`.',
    applies: (difference) =>
      /^origin: (origin|sec-ch-.*)$/.test(difference.observable) &&
      difference.of.file.isListed &&
      (difference.engine === 'webkit' || isChanged(difference)) &&
      valuesOf(difference.with).every((value) => valuesOf(difference.without).includes(value)),
  },
  {
    kind: 'unpacked ranges',
    limit:
      'A part of a packed file that the worker has read is one of its unpacked bytes, under the tag of the packed ones; ' +
      'without us it would be one of the packed.',
    applies: (difference) =>
      difference.of.file.kind === 'gzip' &&
      difference.of.file.isListed &&
      (difference.of.stage === 'second' || difference.of.file.size === 'small') &&
      difference.of.init?.headers?.range !== undefined &&
      difference.ours['body error'] === undefined,
  },
  {
    kind: 'given up before the head',
    limit: 'What a page gives up before the head has come goes on at the origin: no browser tells a worker of it.',
    applies: (difference) =>
      isAnswered(difference) &&
      difference.of.file.kind === 'held before the head' &&
      (isStaying(difference) || (isOf(difference, 'status') && difference.without === '0')),
  },
  {
    kind: 'given up in the middle',
    limit: 'What a page gives up in the middle of a body goes on at the origin in Firefox.',
    applies: (difference) =>
      difference.engine === 'firefox' &&
      difference.of.file.kind.endsWith('held in the middle') &&
      isOf(difference, 'client') &&
      // Without any worker too, Firefox gives up at the origin what was cancelled, or does not, by chance.
      (isAnswered(difference) || difference.of.read === 'cancel'),
  },
  {
    kind: 'piece by piece',
    limit: 'The bytes of a piece reach the page when all of it is there and verified: nothing of one that breaks off.',
    applies: (difference) =>
      difference.of.file.isListed &&
      (difference.of.file.kind === 'cut off'
        ? difference.of.probe === 'xhr' && isNothingYet(difference)
        : difference.of.file.kind === 'held in the middle' && difference.of.file.size === 'small' && isStaying(difference)),
  },
  {
    kind: 'abort by chance',
    limit: 'Behind any worker WebKit ends a body that is aborted with an `AbortError` or as if it were over, by chance.',
    applies: (difference) => isAnswered(difference) && isAbortByChance(difference),
  },
  {
    kind: 'unpacked progress',
    limit: 'Behind any worker the progress of XMLHttpRequest counts unpacked bytes of a packed body in Firefox.',
    applies: ({ engine, of, observable }) => engine === 'firefox' && of.file.kind === 'gzip' && observable === 'progress loaded',
  },
  {
    kind: 'storage access',
    limit: 'Behind any worker Firefox sends no `Sec-Fetch-Storage-Access` where a listed file redirects to another site.',
    applies: (difference) =>
      difference.engine === 'firefox' &&
      difference.of.file.kind.startsWith('redirect elsewhere') &&
      isOf(difference, 'sec-fetch-storage-access') &&
      difference.with === missing,
  },
  {
    kind: 'packed films',
    limit: 'Behind any worker WebKit offers the origin of a film packing, which it does not without.',
    applies: (difference) =>
      difference.engine === 'webkit' &&
      difference.of.probe === 'media' &&
      isOf(difference, 'accept-encoding') &&
      difference.without === missing,
  },
  {
    kind: 'no preflight',
    limit: 'Behind any worker WebKit sends no preflight before a request to another origin.',
    applies: (difference) =>
      difference.engine === 'webkit' &&
      difference.of.isElsewhere === true &&
      difference.control['origin: what'].includes('OPTIONS') &&
      isOfOrigin(difference) &&
      isSameToPage(difference),
  },
  {
    kind: 'headers of another origin',
    limit: 'Behind any worker XMLHttpRequest shows all headers of an answer that came from another origin in WebKit.',
    applies: ({ engine, of, observable, without }) =>
      engine === 'webkit' &&
      of.probe === 'xhr' &&
      of.file.kind === 'redirect elsewhere' &&
      observable.startsWith('header ') &&
      without === missing,
  },
  {
    kind: 'beyond ASCII',
    limit: 'Behind any worker Chromium gives a page other characters for those of a header that are not ASCII.',
    applies: (difference) =>
      difference.engine === 'chromium' &&
      isAnswered(difference) &&
      difference.observable.startsWith('header ') &&
      difference.with === Buffer.from(difference.without).toString('latin1'),
  },
  {
    kind: 'abort for error',
    limit:
      'Behind any worker a body that breaks off is an `abort` event of XMLHttpRequest in Chromium, an `AbortError` in Firefox.',
    applies: ({ engine, observable, with: ours, without }) =>
      engine === 'chromium'
        ? observable === 'events' && /"abort","loadend"/.test(ours) && /"error","loadend"/.test(without)
        : engine === 'firefox' && observable === 'body error' && ours === 'AbortError' && without === 'TypeError',
  },
];

/** More of a body came than without us. */
function isMore({ ours, control }) {
  if (ours['body error'] === undefined && control['body error'] !== undefined) return true;
  const loaded = (seen) => Number(seen['progress loaded'] ?? seen['body length'] ?? 0);
  return ours.event === 'load' ? control.event === 'error' : loaded(ours) > loaded(control) && bodyOf(ours) !== bodyOf(control);
}
