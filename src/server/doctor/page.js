// The page of a site and its scripts: whether a browser may start there, and whether they are all there.
import { ENGINE_PATH } from '../../../build/border.js';
import * as limits from '../limits.js';
import { meant } from '../names.js';
import { answerOf, noteKept, notScript, secondsKept, textOfBody, todoOf } from './answers.js';
import { engineOf, isOurHand, isOurPage } from './findings.js';
import { policiesOf } from './policies.js';
import { factsOf } from './script.js';
import { badServers, isStarted, mayRunMore, startOptions, unreadOptions } from './starts.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Policy} Policy */

/** Browsers count these as secure without TLS. @param {URL} url */
export const isLocal = ({ hostname }) => /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);

/** The value of an attribute in an element's text. @param {string} element @param {string} name */
function attribute(element, name) {
  const found = element.match(new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i'));
  return found && (found[1] ?? found[2] ?? found[3]).replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}

/** What is no element of the page, as browsers with scripts see it; and the elements of some names. */
const elements = new RegExp(
  [
    String.raw`<!--[\s\S]*?-->|<(noscript|template|textarea|style|title)\b[\s\S]*?<\/\1\s*>`,
    String.raw`(<(script)\b[^>]*>)([\s\S]*?)<\/script\s*>|(<(link|meta|base)\b[^>]*>)`,
  ].join('|'),
  'gi',
);

/**
 * The elements of some names, with the text of a script. What is in a comment is none.
 * @param {string} html
 * @returns {{ name: string, element: string, text: string }[]}
 */
function elementsOf(html) {
  const found = html.matchAll(elements);
  return [...found]
    .map(([, , script, isScript, text, other, name]) => ({ name: isScript ?? name, element: script ?? other, text: text ?? '' }))
    .filter(({ element }) => element)
    .map((each) => ({ ...each, name: each.name.toLowerCase() }));
}

/** @param {string} html */
function metaPolicies(html) {
  const metas = elementsOf(html).filter(({ name }) => name === 'meta');
  const csp = metas.filter(({ element }) => /^content-security-policy$/i.test(attribute(element, 'http-equiv') ?? ''));
  return csp.flatMap(({ element }) => policiesOf(attribute(element, 'content') ?? ''));
}

/** Whether what a page embeds must allow it: COOP with it isolates a page. @param {Headers} headers */
const hasEmbedder = (headers) => /^\s*(?:require-corp|credentialless)\b/.test(headers.get('cross-origin-embedder-policy') ?? '');

/**
 * Reads the page, and the scripts of its own origin that it names. False if there is none.
 * @param {Case} site
 */
export async function checkPage(site) {
  const { findings } = site;
  const asked = site.page;
  const answer = await answerOf(site, asked, { headers: { accept: 'text/html', 'sec-fetch-dest': 'document' } });
  if (typeof answer === 'string') {
    findings.wrong('page', `${asked.href}: ${answer}`, todoOf(answer, 'Give the URL as visitors type it.'));
    return false;
  }
  site.page = answer.url;
  const { page } = site;
  if (page.origin !== asked.origin) {
    const todo = `Give visitors links to ${page.origin}; all below is of ${page.href}.`;
    findings.note('page', `${asked.origin} redirects to ${page.origin}`, todo);
  }
  if (answer.status !== 200) {
    findings.wrong('page', `${page.href} answers ${answer.status}`, 'Give the URL of a page that visitors see.');
    return false;
  }
  const type = answer.headers.get('content-type') ?? '';
  const isAttached = /^\s*attachment/i.test(answer.headers.get('content-disposition') ?? '');
  if (isAttached || !/^\s*(?:text\/html|application\/xhtml\+xml|text\/xml|application\/xml|image\/svg\+xml|$)/i.test(type)) {
    const what = `${page.href} is ${isAttached ? 'an attachment' : `of type ${type}`}, which browsers do not open as a page`;
    findings.wrong('page', what, 'Serve it as text/html, and with no Content-Disposition.');
    return false;
  }
  if (page.protocol !== 'https:' && !isLocal(page)) {
    findings.wrong('page', 'it is not secure (http)', 'Serve it by https: elsewhere browsers have no service workers.');
  } else {
    findings.right('page', `${page.href} is there, and secure`);
  }
  site.html = textOfBody(answer);
  site.base = baseOf(site.html, page);
  site.isHidden = answer.headers.has('refresh');
  site.policies = [...policiesOf(answer.headers.get('content-security-policy') ?? ''), ...metaPolicies(site.html)];
  site.isEmbedder = hasEmbedder(answer.headers);
  await readScripts(site);
  return true;
}

/** The first base element of a page counts. @param {string} html @param {URL} page */
function baseOf(html, page) {
  const hrefs = elementsOf(html).map(({ name, element }) => (name === 'base' ? attribute(element, 'href') : null));
  const href = hrefs.find((each) => each !== null) ?? '';
  return URL.canParse(href, page.href) ? new URL(href, page) : page;
}

/** What a page's import map makes of a module's name. @param {string} html @returns {(name: string, base: URL) => string} */
function importMapOf(html) {
  const maps = elementsOf(html).filter(({ name, element }) => name === 'script' && attribute(element, 'type') === 'importmap');
  /** @type {Record<string, unknown>} */
  const imports = {};
  for (const { text } of maps) {
    try {
      Object.assign(imports, JSON.parse(text).imports);
    } catch {
      // Browsers skip such a map.
    }
  }
  return (name, base) => {
    const [key] = Object.keys(imports)
      .filter((each) => each === name || (each.endsWith('/') && name.startsWith(each)))
      .sort((a, b) => b.length - a.length);
    const to = key === undefined ? null : imports[key];
    return typeof to === 'string' && URL.canParse(to, base.href) ? new URL(to + name.slice(key.length), base).href : name;
  };
}

/** As which kind of script an element's is run; null if it is data. @param {string} element */
function kindOf(element) {
  const type = (attribute(element, 'type') ?? '').trim().toLowerCase();
  if (type === 'module') return 'module';
  return type === '' || /^(?:text|application)\/(?:x-)?(?:java|ecma)script$/.test(type) ? 'classic' : null;
}

/** What browsers do not run, and no script of a page either. @param {string} element */
const isData = (element) => /^(?:application\/(?:.+\+)?json|importmap|speculationrules)$/i.test(attribute(element, 'type') ?? '');

/** @typedef {{ url: URL, type: 'classic' | 'module', from: Case['scripts'][number] | null, isLazy: boolean }} Asked */

/** Reads the scripts that the page names, and those that they import. @param {Case} site */
async function readScripts(site) {
  const { html, page, base, scripts, missing } = site;
  /** @type {Asked[]} */
  const queue = [];
  const seen = new Set();
  const ask = (/** @type {string} */ name, /** @type {URL} */ from, /** @type {Omit<Asked, 'url'>} */ how) => {
    const url = URL.canParse(name, from.href) ? new URL(name, from) : null;
    if (url?.origin !== page.origin) site.isHidden = true;
    else if (!seen.has(url.href)) queue.push({ url, ...how });
  };
  const mapped = importMapOf(html);
  const add = (
    /** @type {URL} */ url,
    /** @type {string} */ text,
    /** @type {Asked['type']} */ type,
    headers = new Headers(),
  ) => {
    const policies = policiesOf(headers.get('content-security-policy') ?? '');
    const kept = secondsKept({ headers });
    const read = factsOf(text, type);
    const facts = {
      ...read,
      imports: read.imports.map((each) => ({ ...each, name: mapped(each.name, base) })),
      bindings: read.bindings.map((each) => ({ ...each, source: mapped(each.source, base) })),
      passedOn: read.passedOn.map((name) => mapped(name, base)),
    };
    const script = { url, text, facts, isEmbedder: hasEmbedder(headers), policies, kept };
    scripts.push(script);
    for (const { name, isLazy } of script.facts.imports) {
      // Another name is for a build, or for an import map.
      if (/^(?:\.{0,2}\/|https?:)/.test(name)) ask(name, url, { type: 'module', from: script, isLazy });
      else site.isHidden = true;
    }
  };
  for (const { name, element, text } of elementsOf(html)) {
    const isPreload = name === 'link' && /^modulepreload$/i.test(attribute(element, 'rel') ?? '');
    const type = isPreload ? 'module' : name === 'script' ? kindOf(element) : null;
    const src = attribute(element, isPreload ? 'href' : 'src');
    if (!type && name === 'script' && !isData(element)) site.isHidden = true;
    if (!type) continue;
    if (src === null) add(base, text, type);
    else ask(src, base, { type, from: null, isLazy: isPreload });
  }
  for (let asked = queue.shift(); asked && seen.size < limits.doctorScripts; asked = queue.shift()) {
    const { url, type, from, isLazy } = asked;
    if (seen.has(url.href)) continue;
    seen.add(url.href);
    const answer = await answerOf(site, url);
    const why = notScript(answer);
    if (why || typeof answer === 'string') missing.push({ url, why, from, isLazy });
    else add(url, textOfBody(answer), type, answer.headers);
  }
  if (seen.size >= limits.doctorScripts || missing.length > 0 || mayRunMore(site)) site.isHidden = true;
}

const ourFile = /\/peer-cdn\/(?:index|page|engine)\.js$/;
const ourFolder = 'Serve all of node_modules/peer-cdn/dist/browser at /peer-cdn/.';

/** Whether the page has our script, as far as one can see it, and what that needs. @param {Case} site */
export async function checkScript(site) {
  const { findings, scripts, missing, page } = site;
  const before = findings.all.length;
  const isNamed = (/** @type {Case['scripts'][number]} */ { facts }) =>
    facts.imports.some(({ name }) => /\bpeer-cdn\/index\.js$/.test(name));
  const isHere = scripts.some((script) => isOurPage(script.text) || isNamed(script));
  for (const { url, facts, text } of scripts) {
    const isOurFile = ourFile.test(url.pathname);
    if (isOurFile && text.trim() === '') findings.wrong('page script', `${url.pathname} is empty`, ourFolder);
    // A script that does not run starts nothing. Of others of the site nothing is said.
    if (!facts.error || !(isOurFile || isOurPage(text) || text.includes('peer-cdn'))) continue;
    const what = `${url.pathname} has a syntax error: ${facts.error}`;
    findings.wrong('page script', what, 'Browsers do not run such a script: mend it.');
  }
  const isEngineElsewhere = async () => notScript(await answerOf(site, ENGINE_PATH)) === '';
  for (const { url, why, from, isLazy } of missing) {
    const isOurOwn = Boolean(from && (isOurPage(from.text) || isOurHand(from.text)));
    if (isLazy && !isOurOwn) continue;
    if (isOurOwn && from && isOurHand(from.text) && !isOurPage(from.text) && (await isEngineElsewhere())) continue;
    const what = `${url.pathname}${from ? `, which ${from.url.pathname} imports,` : ''} ${why}`;
    if (!from && isHere) findings.note('page script', what, 'Deploy it, or take it out of the page.');
    else findings.wrong('page script', what, isOurOwn || /\/peer-cdn\//.test(url.pathname) ? ourFolder : 'Deploy it there.');
  }
  for (const { call, option } of scripts.flatMap(unreadOptions)) {
    const what = `${page.pathname} gives ${call} the option '${option}', which nobody reads`;
    findings.wrong('page script', what, `Of ${call} ${meant(option, startOptions)}`);
  }
  const engine = engineOf(site);
  if (site.isEmbedder && engine && !engine.isEmbedder) {
    const what = `${engine.url.pathname} has no Cross-Origin-Embedder-Policy, the page has: its engine runs on the main thread`;
    findings.note('page script', what, 'Send Cross-Origin-Embedder-Policy: require-corp with that script too.');
  }
  noteKept(
    site,
    'page script',
    scripts.filter(({ url }) => ourFile.test(url.pathname)),
  );
  for (const { call, what, todo } of scripts.flatMap(badServers))
    findings.wrong('page script', `${page.pathname} gives ${call} ${what}`, todo);
  if (findings.all.slice(before).some(({ state }) => state === 'wrong')) return;
  const todo = "Call start({ worker: '/sw.js' }) in a script of the page, as the README has it.";
  const started = isStarted(site);
  if (isHere && started === 'no') {
    findings.note('page script', 'the page loads peer-cdn, and none of its scripts is seen to call start()', todo);
  } else if (isHere && started === 'yes') {
    findings.right('page script', 'the page loads peer-cdn');
  } else if (isHere) {
    findings.notChecked('page script', 'the page loads peer-cdn, and only a browser can tell whether it calls start()');
  } else if (!site.isHidden) {
    findings.note('page script', `none of the ${scripts.length} scripts of ${page.pathname} loads peer-cdn`, todo);
  } else {
    findings.notChecked(
      'page script',
      `none of the ${scripts.length} scripts that ${page.pathname} names is seen to load peer-cdn`,
    );
  }
}
