// Whether a page starts peer-cdn, as far as it is certain without running its scripts.

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Script} Script */

/** A copy of our own script, whose exports have their names. */
const isOurs = (/** @type {string} */ path) => /\/peer-cdn\/(?:index|page|engine)\.js$/.test(path);
const isOurIndex = (/** @type {URL} */ { pathname }) => /\/peer-cdn\/index\.js$/.test(pathname);

/** By what a script runs others that it does not name: an element that it makes, a text. */
const runners = ['script', 'SCRIPT', 'eval', 'Function', 'write', 'writeln', 'createContextualFragment', 'setHTMLUnsafe'];

/** Whether a page may run more than the scripts that it names, and that these import. @param {Case} site */
export function mayRunMore({ html, scripts }) {
  if (/<[^>]*\s(?:on[a-z]+\s*=|(?:href|src|action|formaction)\s*=\s*["']?\s*javascript:)|\bsrcdoc\s*=/i.test(html)) return true;
  return scripts.some(
    (script) =>
      !isOurs(script.url.pathname) && (script.facts.error !== '' || script.facts.hasHiddenModules || says(script, runners)),
  );
}

/** Whether a script has one of these words, but in a comment or a longer text. @param {Script} script @param {string[]} words */
const says = ({ facts }, words) => words.some((word) => facts.identifiers.has(word));

/** Whether a script uses what it imports from ours, or passes it on. @param {Script} script */
function uses({ url, facts }) {
  const isFromUs = (/** @type {string} */ name) => URL.canParse(name, url.href) && isOurIndex(new URL(name, url));
  if (facts.passedOn.some(isFromUs)) return true;
  return facts.bindings.some(({ source, local, times }) => isFromUs(source) && (facts.identifiers.get(local) ?? 0) > times);
}

/**
 * False if nothing of the page uses our script. A bundle has other names inside: of that nothing is said.
 * @param {Case} site
 */
export function isStarted({ scripts, isHidden }) {
  if (isHidden || !scripts.some(({ url }) => isOurIndex(url))) return true;
  const others = scripts.filter(({ url }) => !isOurs(url.pathname));
  // What import() gives may go anywhere, but it is called by its name.
  const isLazy = others.some(({ facts }) =>
    facts.imports.some((each) => each.isLazy && /\/peer-cdn\/index\.js$/.test(each.name)),
  );
  return others.some((script) => uses(script) || (isLazy && says(script, ['start', 'PeerPlugin'])));
}
