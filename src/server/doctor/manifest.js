// The manifest, as a visitor's browser gets it.
import { MANIFEST_PATH, manifestVersion } from '../../../build/border.js';
import * as limits from '../limits.js';
import { readListing } from '../listing.js';
import { answerOf, isPage, notReadable, secondsKept, textOfBody, todoOf } from './answers.js';
import { meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {ReturnType<typeof readListing>} Listing */

/**
 * Where the worker looks for the manifest, as far as its script says so. Null if only a run could tell.
 * @param {Case} site
 */
function manifestPath({ workerScripts, scope }) {
  const isOurClass = (/** @type {any} */ { callee }) => (callee.property ?? callee).name === 'PeerCDN';
  let isHidden = false;
  for (const { facts } of workerScripts) {
    for (const made of facts.news) {
      const [options] = made.arguments;
      const written = writtenOf(facts, options);
      const said = written?.members.get('manifest');
      const text = textOf(meantBy(facts, said));
      if (text !== null && URL.canParse(text, workerScripts[0].url.href)) return new URL(text, workerScripts[0].url).pathname;
      if (said || (options && !written?.isWhole && isOurClass(made))) isHidden = true;
    }
  }
  return isHidden ? null : scope.replace(/\/*$/, MANIFEST_PATH);
}

const asAnyFile = 'Let the server answer for it as for any file.';

/** Why an answer is no manifest. @param {import('./answers.js').Answer} answer */
function whyNone(answer) {
  let said;
  try {
    said = JSON.parse(textOfBody(answer));
  } catch {
    // The beginning of a text of UTF-16: some shells redirect output so.
    const [first, second] = answer.body;
    return first + second === 0xff + 0xfe ? 'is in UTF-16, and not in UTF-8' : 'is no JSON';
  }
  const version = said?.version;
  if (version === manifestVersion) return 'is no manifest';
  return `is no manifest of version ${manifestVersion}, but of ${JSON.stringify(version) ?? 'none'}`;
}

/** @param {Case} site @returns {Promise<Listing | null>} */
export async function checkManifest(site, path = manifestPath(site)) {
  const { findings } = site;
  if (path === null) {
    findings.notChecked('manifest', 'only a browser can tell where it is: the worker says it by an expression');
    findings.notChecked('manifest is fresh', 'it is not seen where the manifest is');
    return null;
  }
  const answer = await answerOf(site, path);
  if (typeof answer === 'string') {
    findings.wrong('manifest', `${path}: ${answer}`, todoOf(answer, asAnyFile));
    return null;
  }
  const unreadable = notReadable(site, answer);
  if (unreadable) {
    findings.wrong('manifest', `${path} ${unreadable}`, 'Serve the manifest itself there, from the origin of the page.');
    return null;
  }
  if (answer.status !== 200 || isPage(answer)) {
    const what = answer.status === 200 ? `${path} is a page, no manifest` : `${path} answers ${answer.status}`;
    const isAbsent = [200, 404, 410].includes(answer.status);
    const todo = isAbsent ? 'Run `peer-cdn manifest <folder>` in the build, and deploy what it writes.' : asAnyFile;
    findings.wrong('manifest', what, todo);
    return null;
  }
  let listing;
  try {
    listing = readListing(textOfBody(answer));
  } catch {
    findings.wrong('manifest', `${path} ${whyNone(answer)} (malformed-manifest)`, 'Write it anew with `peer-cdn manifest`.');
    return null;
  }
  if (listing.disabled) {
    findings.wrong('manifest', 'it turns sharing off ("disabled": true)', 'Take that out when visitors should share again.');
    return null;
  }
  const { entries, bad } = listing;
  if (bad.length > 0) {
    const what = `browsers skip ${bad.length} entries: ${bad.slice(0, 3).join(', ')}`;
    const todo = bad.some((path) => !path.startsWith('/'))
      ? 'List paths of this site, which begin with /: browsers share no file of another origin.'
      : 'Write it anew with `peer-cdn manifest`, which leaves such files out.';
    findings.wrong('manifest', what, todo);
  } else if (entries.size === 0) {
    findings.wrong('manifest', 'it lists no file', 'Say which files to share: `peer-cdn manifest <folder> --include <glob>`.');
  } else {
    findings.right('manifest', `${path} lists ${entries.size} ${entries.size === 1 ? 'file' : 'files'}`);
  }
  const kept = secondsKept(answer);
  if (kept > limits.manifestKeptSeconds) {
    findings.wrong('manifest is fresh', `caches may keep it for ${kept} s`, `Send \`Cache-Control: no-cache\` with ${path}.`);
  } else {
    findings.right('manifest is fresh', kept > 0 ? `caches keep it for ${kept} s at most` : 'no cache keeps it without asking');
  }
  return listing;
}
