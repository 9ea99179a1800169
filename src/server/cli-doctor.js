// `peer-cdn doctor`: a table of what is right with a site and what is not.
import { FAILED, usage } from './cli-errors.js';
import { examine, examineFiles, OUT_OF_TIME } from './doctor/index.js';
import { isLocal } from './doctor/page.js';

const marks = { right: 'ok  ', wrong: 'WRONG', note: 'note', 'not checked': '-' };

/** @param {import('./doctor/index.js').Finding[]} findings */
function table(findings) {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, state, what, todo }) => {
      const line = `${marks[state].padEnd(5)} ${check.padEnd(width)}  ${state === 'not checked' ? 'not checked: ' : ''}${what}`;
      return todo ? `${line}\n${' '.repeat(width + 8)}-> ${todo}` : line;
    })
    .join('\n');
}

/** @param {string} text */
function siteUrl(text) {
  const isWhole = /^[a-z][a-z\d+.-]*:\/\//i.test(text);
  // A server on the own machine rarely speaks TLS.
  const isHere = !isWhole && URL.canParse(`http://${text}`) && isLocal(new URL(`http://${text}`));
  const url = isWhole ? text : `http${isHere ? '' : 's'}://${text}`;
  const { protocol, username, password } = URL.canParse(url) ? new URL(url) : { protocol: '' };
  if (username || password)
    throw usage('bad-value', 'a name and a password are not sent: give the URL of a page that needs none');
  if (/^https?:$/.test(protocol)) return url;
  throw usage('bad-value', `this is to be the URL of a site: '${text}'`);
}

/** @typedef {(text: string, object: object) => void} Print */

/**
 * @param {Awaited<ReturnType<typeof examine>>} result
 * @param {Print} print
 * @returns {number} the status of the process
 */
function tell(result, print) {
  const wrong = result.findings.filter(({ state }) => state === 'wrong').length;
  const isAll = result.findings.every(({ what }) => !what.startsWith(OUT_OF_TIME));
  const none = isAll ? 'Nothing is wrong.' : 'Nothing is wrong in what was checked until the time was over.';
  const end = wrong === 0 ? none : `${wrong} wrong.`;
  print(`${result.url}\n\n${table(result.findings)}\n\n${end}\n`, result);
  return result.ok ? 0 : FAILED;
}

/** @param {string} text @param {import('./doctor/index.js').DoctorOptions} options @param {Print} print */
export async function runDoctor(text, options, print) {
  const url = siteUrl(text);
  const { worker } = options;
  if (worker && !URL.canParse(worker, url)) throw usage('bad-value', `--worker is to be a path or a URL: '${worker}'`);
  return tell(await examine(url, options), print);
}

/** `peer-cdn manifest <url> --check`. @param {string} text @param {Print} print */
export const checkSite = async (text, print) => tell(await examineFiles(siteUrl(text)), print);
