// How the doctor asks, and what an answer is.
import * as limits from '../limits.js';

/** @typedef {import('./findings.js').Case} Case */

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {Headers} headers
 * @property {Uint8Array} body as a page sees it, decoded
 * @property {URL} url where it came from in the end
 * @property {boolean} isCut the body is longer than what was read
 */

/**
 * What the words of Node and its libraries mean for a site, and what to do about it.
 * @type {[words: RegExp, what: string, todo: string][]}
 */
const reasons = [
  [
    /CERT|UNABLE_TO_|ALTNAME/,
    'browsers do not trust its certificate',
    'Get a certificate of a public authority for that name, and send its whole chain (your own authority: NODE_EXTRA_CA_CERTS).',
  ],
  [/WRONG_VERSION|EPROTO|SSL/, 'it does not speak TLS', 'Serve it by https there, or give the URL with http:.'],
  [
    /^Z_|BROTLI|ZSTD/,
    'its body is not what its Content-Encoding says',
    'Send Content-Encoding only with what is compressed so, and once: a server and its proxy may both do it.',
  ],
  [/redirect count/, 'it redirects in a circle', 'Answer there with what is asked for.'],
  [
    /UND_ERR_SOCKET|UND_ERR_RES_CONTENT|ECONNRESET|HPE_|terminated/,
    'the connection ended before the answer did',
    'Send as many bytes as Content-Length says: of what is compressed the compressed length, or none.',
  ],
  [/ENOTFOUND|EAI_AGAIN/, 'its host has no address', 'Look at how its name is spelt, and at its entry in the DNS.'],
  [/ECONNREFUSED/, 'nothing listens there', 'Start the server there, or give the port at which it listens.'],
  [/bad port/, 'browsers open no connection to that port', 'Serve it at another port: browsers have a list of ports of others.'],
];

/** Node's fetch hides why in the cause. @param {unknown} error */
export function reasonOf(error) {
  const { name, message, cause, code } = /** @type {NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException }} */ (error);
  if (name === 'TimeoutError' || name === 'AbortError') return 'it did not answer in time, or not to its end';
  const said = cause?.code ?? code ?? cause?.message ?? message;
  const [, what] = reasons.find(([words]) => words.test(`${said}`)) ?? [];
  return what ? `${what} (${said})` : `${said}`;
}

/** What to do about a reason. @param {string} reason as reasonOf() says it @param {string} usual where it says nothing of that */
export const todoOf = (reason, usual) => reasons.find(([, what]) => reason.startsWith(what))?.[2] || usual;

/**
 * Asks as a browser would. Rejects if there is no answer.
 * @param {Case} site
 * @param {URL | string} url
 * @param {{ headers?: Record<string, string>, redirect?: 'follow' | 'manual' }} [options]
 * @returns {Promise<Answer>}
 */
export async function ask(site, url, { headers = {}, redirect = 'follow' } = {}) {
  const { page, signal, bounds } = site;
  const late = new AbortController();
  const abort = () => late.abort(new DOMException('', 'TimeoutError'));
  let timer = setTimeout(abort, bounds.answerMs);
  site.waitsFor = new URL(url, page).href;
  try {
    const asking = () => fetch(site.waitsFor, { headers, redirect, signal: AbortSignal.any([signal, late.signal]) });
    // A server may end an idle connection just as it is asked there again: browsers, too, ask a second time.
    const response = await asking().catch((error) => {
      if (/^(?:UND_ERR_SOCKET|ECONNRESET)$/.test(error.cause?.code)) return asking();
      throw error;
    });
    const chunks = [];
    let bytes = 0;
    let inTime = 0;
    let isCut = false;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes - inTime >= limits.doctorPartBytes) {
        // A large file may take longer than an answer that never ends.
        inTime = bytes;
        clearTimeout(timer);
        timer = setTimeout(abort, bounds.answerMs);
      }
      if (bytes <= bounds.fileBytes) continue;
      isCut = true;
      break;
    }
    return { status: response.status, headers: response.headers, body: Buffer.concat(chunks), url: new URL(response.url), isCut };
  } finally {
    clearTimeout(timer);
    if (!signal.aborted) site.waitsFor = '';
  }
}

/**
 * The same, or why there is no answer. Rejects when the time is over: what was not waited for is not checked.
 * @param {Parameters<typeof ask>} asked
 * @returns {Promise<Answer | string>}
 */
export async function answerOf(...asked) {
  try {
    return await ask(...asked);
  } catch (error) {
    asked[0].signal.throwIfAborted();
    return reasonOf(error);
  }
}

/** A body as browsers read it: without the mark of its encoding. @param {Answer} answer */
export const textOfBody = ({ body }) => new TextDecoder().decode(body);

/**
 * Why a script of the page may not read an answer, that came from another origin; '' if it may.
 * @param {Case} site
 * @param {Answer} answer
 */
export function notReadable({ page }, { url, headers }) {
  const allowed = headers.get('access-control-allow-origin');
  if (url.origin === page.origin || allowed === '*' || allowed === page.origin) return '';
  return `redirects to ${url.origin}, which lets no page of ${page.origin} read it`;
}

const typeOf = (/** @type {Answer} */ { headers }) => (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();

/** A page came where something else was asked for: an app's fallback. @param {Answer} answer */
export const isPage = (answer) => typeOf(answer) === 'text/html';

/** What browsers take for a script. @param {Answer} answer */
const isScript = (answer) => /^(?:text|application)\/(?:x-)?(?:java|ecma)script$/.test(typeOf(answer));

/** What keeps an answer from being a script; '' if nothing does. @param {Answer | string} answer */
export function notScript(answer) {
  if (typeof answer === 'string') return `is not to be had: ${answer}`;
  const { status, headers } = answer;
  if (status >= 300 && status < 400) return `is a redirect to ${headers.get('location')}`;
  if (status !== 200) return `answers ${status}`;
  if (isPage(answer)) return 'is a page, no script (of an app that answers everything?)';
  return isScript(answer) ? '' : headers.has('content-type') ? `is of type ${headers.get('content-type')}` : 'is of no type';
}

/** Seconds that somebody may keep it, by its headers. @param {{ headers: Headers }} answer */
export function secondsKept({ headers }) {
  const control = (headers.get('cache-control') ?? '').toLowerCase();
  if (/no-store|no-cache/.test(control)) return 0;
  const age = control.match(/s-maxage=(\d+)/) ?? control.match(/max-age=(\d+)/);
  return age ? Number(age[1]) : 0;
}

/**
 * Notes scripts that caches may keep beyond the next release, though its scripts have the same names.
 * @param {Case} site
 * @param {string} check
 * @param {import('./findings.js').Script[]} scripts
 */
export function noteKept({ findings }, check, scripts) {
  const kept = scripts.filter((script) => (script.kept ?? 0) > limits.scriptKeptSeconds);
  if (kept.length === 0) return;
  const paths = kept.map(({ url }) => url.pathname).join(', ');
  const what = `caches may keep ${paths} for ${kept[0].kept} s: visitors may have old scripts beside new ones after an upgrade`;
  findings.note(check, what, 'Send `Cache-Control: no-cache` with scripts whose names stay the same.');
}
