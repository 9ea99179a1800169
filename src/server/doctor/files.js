// Digest lists and the listed files, as a visitor's browser gets them.
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { judgeAnswer } from '../listing.js';
import { answerOf, ask, isPage, notReadable, reasonOf, todoOf } from './answers.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./manifest.js').Listing} Listing */
/** @typedef {import('../manifest.js').ManifestResource} Resource */

const sha256 = (/** @type {Uint8Array} */ bytes) => createHash('sha256').update(bytes).digest();

/** How many pieces. @param {Resource} resource */
const pieces = ({ bytes, pieceBytes }) => Math.ceil(bytes / pieceBytes);

/**
 * The digests of a resource's pieces. Null if its list is not right, which is said.
 * @param {Case} site
 * @param {Listing} listing
 * @param {[string, Resource]} entry
 */
async function digestsOf(site, listing, [path, resource]) {
  if (pieces(resource) === 1) return Buffer.from(resource.root, 'hex');
  const url = listing.digests + resource.root;
  const answer = await answerOf(site, url);
  const what =
    typeof answer === 'string'
      ? answer
      : answer.status !== 200
        ? `answers ${answer.status}`
        : isPage(answer)
          ? 'is a page (of an app that answers everything?)'
          : notReadable(site, answer) ||
            (sha256(answer.body).toString('hex') !== resource.root || answer.body.length !== 32 * pieces(resource)
              ? 'has other bytes than its name says'
              : '');
  if (!what && typeof answer !== 'string') return answer.body;
  const todo = `Deploy the folder of digest lists that \`peer-cdn manifest\` wrote, at ${listing.digests}.`;
  site.findings.wrong('digest lists', `${url} (of ${path}) ${what}`, todo);
  return null;
}

/**
 * Whether bytes are what digests say; the first byte of a piece that is not, or -1.
 * @param {Uint8Array} bytes
 * @param {Uint8Array} digests
 * @param {number} pieceBytes
 */
function firstWrong(bytes, digests, pieceBytes) {
  for (let at = 0, piece = 0; at < bytes.length; at += pieceBytes, piece++) {
    if (!sha256(bytes.subarray(at, at + pieceBytes)).equals(digests.subarray(32 * piece, 32 * piece + 32))) return at;
  }
  return -1;
}

/**
 * Those that differ most in kind and size, so that what is wrong with some is seen.
 * @param {Listing} listing
 * @param {import('./findings.js').Bounds} bounds
 */
function chosen({ entries }, { files, fileBytes }) {
  const readable = [...entries].filter(([, { bytes }]) => bytes <= fileBytes);
  const bySize = readable.sort(([, a], [, b]) => b.bytes - a.bytes);
  const ofType = new Map([...bySize].reverse().map((entry) => [entry[1].type, entry]));
  const some = [bySize[0], bySize.find(([, each]) => pieces(each) === 1), bySize.at(-1), ...ofType.values(), ...bySize];
  return /** @type {[string, Resource][]} */ ([...new Set(some)].filter(Boolean).slice(0, files));
}

/** Whether bytes are a listed file's in gzip. @param {Uint8Array} body @param {Resource} resource */
function isCompressed(body, { bytes }) {
  try {
    return gunzipSync(body, { maxOutputLength: bytes }).length === bytes;
  } catch {
    return false;
  }
}

/**
 * @param {Case} site
 * @param {[string, Resource]} entry
 * @param {Uint8Array | null} digests
 */
async function checkFile(site, [path, resource], digests) {
  const { findings } = site;
  const wrong = (/** @type {string} */ what, /** @type {string} */ todo) => findings.wrong('files', `${path} ${what}`, todo);
  const before = findings.all.length;
  const answer = await ask(site, path, { redirect: 'manual' });
  const { status, headers, body } = answer;
  if (status >= 300 && status < 400) {
    const to = headers.get('location') ?? '';
    const isHere = URL.canParse(to, answer.url.href) && new URL(to, answer.url).origin === site.page.origin;
    const todo = isHere
      ? 'List the path under which the file itself is served.'
      : 'Serve it from the origin of the page itself: browsers share no file of another.';
    return wrong(`is a redirect to ${headers.get('location')}`, todo);
  }
  const deploy =
    'Deploy the folder that the manifest was made of, or write the manifest with the --base that it is served below.';
  if (status !== 200) return wrong(`answers ${status}`, deploy);
  if (isPage(answer) && resource.type.split(';')[0] !== 'text/html') {
    return wrong('is a page (of an app that answers everything?)', deploy);
  }
  const fresh = 'Make the manifest in the same build as the files, and deploy both at once.';
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (body.length !== resource.bytes && isCompressed(body, resource)) {
    wrong('comes compressed, and nothing says so', 'Send Content-Encoding: gzip with it, or the file itself.');
  } else if (body.length < resource.bytes && encoding !== 'identity') {
    const todo = 'Let Content-Length be that of the compressed bytes, or send none; or deploy manifest and files of one build.';
    wrong(`has ${body.length} bytes behind its Content-Encoding ${encoding}, and the manifest says ${resource.bytes}`, todo);
  } else if (body.length !== resource.bytes) {
    wrong(`has ${answer.isCut ? 'more than ' : ''}${body.length} bytes, and the manifest says ${resource.bytes}`, fresh);
  } else if (digests) {
    const at = firstWrong(body, digests, resource.pieceBytes);
    if (at >= 0) wrong(`has other bytes than the manifest says, from ${at} on`, fresh);
  }
  const code = judgeAnswer(answer, resource.bytes);
  if (code === 'origin-unusable') {
    const isGuilty = (/** @type {string} */ name) => {
      const alone = new Headers(headers.has(name) ? [[name, headers.get(name) ?? '']] : []);
      return judgeAnswer({ status, headers: alone }, resource.bytes) === code;
    };
    const why = ['cache-control', 'vary'].filter(isGuilty).map((name) => `${name}: ${headers.get(name)}`);
    wrong(
      `is not shared, because of ${why.join(', ')}`,
      'Send listed files without private, no-store, or Vary beyond Accept-Encoding and Origin.',
    );
  }
  if (headers.getSetCookie().length > 0) {
    wrong('sets a cookie', 'A listed file is the same for everybody: let the server set no cookie with it.');
  }
  if (encoding !== 'identity') {
    const todo =
      'It is shared all the same. Switch compression off for it if its bytes hardly shrink: then parts can be asked for.';
    findings.note('files', `${path} comes compressed (${encoding})`, todo);
  }
  const type = headers.get('content-type') ?? '';
  if (type.split(';')[0].toLowerCase() !== resource.type.split(';')[0].toLowerCase()) {
    const what = `${path} is ${type || 'of no type'} here, and ${resource.type || 'of no type'} in the manifest`;
    findings.note('files', what, 'Harmless for images and data. A script or style is left to the browser.');
  }
  const begin = Math.floor(resource.bytes / 2);
  const part = await ask(site, path, {
    redirect: 'manual',
    headers: { range: `bytes=${begin}-`, 'accept-encoding': 'identity' },
  });
  if (part.status === 200) {
    const todo = 'Let the server answer Range requests (206): visitors then fetch only what others lack.';
    findings.note('files', `${path} comes whole where a part was asked for`, todo);
  } else {
    const partCode = judgeAnswer(part, resource.bytes, begin);
    const isRight = (!partCode || partCode === code) && Buffer.from(part.body).equals(Buffer.from(body.subarray(begin)));
    if (!isRight)
      wrong(`answers a Range request with ${part.status} and what is no such part`, 'Mend or switch off Range requests.');
  }
  return findings.all.slice(before).some(({ state }) => state === 'wrong');
}

/** @param {Case} site @param {Listing | null} listing */
export async function checkFiles(site, listing) {
  const { findings } = site;
  if (!listing || listing.entries.size === 0) {
    findings.notChecked('digest lists', 'there is no list of files');
    findings.notChecked('files', 'there is no list of files');
    return;
  }
  const entries = chosen(listing, site.bounds);
  if (entries.length === 0) findings.notChecked('files', `all are larger than ${site.bounds.fileBytes} bytes`);
  const before = findings.all.length;
  let lists = 0;
  for (const entry of entries) {
    const digests = await digestsOf(site, listing, entry);
    if (pieces(entry[1]) > 1 && digests) lists++;
    await checkFile(site, entry, digests).catch((error) => {
      if (site.signal.aborted) throw error;
      const reason = reasonOf(error);
      findings.wrong('files', `${entry[0]}: ${reason}`, todoOf(reason, 'Let the server answer for each listed file.'));
    });
  }
  const isWrong = (/** @type {string} */ check) =>
    findings.all.slice(before).some((each) => each.check === check && each.state === 'wrong');
  if (lists > 0 && !isWrong('digest lists')) findings.right('digest lists', `${lists} of ${lists} are right`);
  if (lists === 0 && !isWrong('digest lists')) findings.notChecked('digest lists', 'no file that was read needs one');
  if (entries.length > 0 && !isWrong('files')) {
    findings.right('files', `${entries.length} of ${listing.entries.size} were read whole, and are as the manifest says`);
  }
}
