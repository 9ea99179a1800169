// The page of a site: whether a browser may start there, and what its Content-Security-Policy allows.
import { ENGINE_PATH } from '../../../build/border.js';
import * as limits from '../limits.js';
import { answerOf, isOurHand, isOurPage, notScript, textOfBody, todoOf } from './findings.js';
import { factsOf } from './script.js';
import { meant } from '../names.js';
import { isStarted, mayRunMore, startOptions, unreadOptions } from './starts.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Policy} Policy */

/** Browsers count these as secure without TLS. @param {URL} url */
const isLocal = ({ hostname }) => /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);

/** @param {string} text of a header or a meta element @returns {Policy[]} */
export function policiesOf(text) {
  return text
    .split(',')
    .map((policy) => {
      const directives = policy.split(';').map((directive) => directive.trim().split(/\s+/));
      return new Map(directives.filter(([name]) => name).map(([name, ...sources]) => [name.toLowerCase(), sources]));
    })
    .filter((policy) => policy.size > 0);
}

/** The value of an attribute in an element's text. @param {string} element @param {string} name */
function attribute(element, name) {
  const found = element.match(new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i'));
  return found && (found[1] ?? found[2] ?? found[3]).replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}

/**
 * The elements of some names, with the text of a script. What is in a comment is none.
 * @param {string} html
 * @returns {{ name: string, element: string, text: string }[]}
 */
function elementsOf(html) {
  const found = html.matchAll(/<!--[\s\S]*?-->|(<(script)\b[^>]*>)([\s\S]*?)<\/script\s*>|(<(link|meta|base)\b[^>]*>)/gi);
  return [...found]
    .map(([, script, isScript, text, other, name]) => ({ name: isScript ?? name, element: script ?? other, text: text ?? '' }))
    .filter(({ element }) => element)
    .map((each) => ({ ...each, name: each.name.toLowerCase() }));
}

/** @param {string} html */
function metaPolicies(html) {
  const metas = elementsOf(html).filter(({ name }) => name === 'meta');
  const csp = metas.filter(({ element }) => /^content-security-policy$/i.test(attribute(element, 'http-equiv') ?? ''));
  return csp.flatMap(({ element }) => policiesOf(attribute(element, 'content') ?? ''));
}

/** The sources that hold for a directive, or null: everything. @param {Policy} policy @param {string[]} names */
const sourcesOf = (policy, names) => names.map((name) => policy.get(name)).find(Boolean) ?? null;

/** Whether sources allow a URL. @param {string[]} sources @param {URL} url @param {URL} page */
export function allows(sources, url, page) {
  // A page of https may open wss where its policy names https, and 'self' is about both (CSP 3, 6.7.2.8).
  const same = (/** @type {string} */ scheme) => scheme.replace(/^ws/, 'http').replace('https', 'http');
  return sources.some((source) => {
    if (source === "'self'") return url.host === page.host && same(url.protocol) === same(page.protocol);
    if (source === '*') return same(url.protocol) === 'http:';
    if (/^[a-z][a-z\d+.-]*:$/i.test(source)) return same(source.toLowerCase()) === same(url.protocol);
    const found = source.match(/^(?:([a-z][a-z\d+.-]*):\/\/)?(\*|(?:\*\.)?[^/:*]+)(?::(\d+|\*))?(\/.*)?$/i);
    if (!found || source.startsWith("'")) return false;
    const [, scheme, host, port, path] = found;
    const isHost = host === '*' || (host.startsWith('*.') ? url.hostname.endsWith(host.slice(1)) : host === url.hostname);
    const isPort = port === '*' || (port ?? '') === url.port;
    const isPath = !path || (path.endsWith('/') ? url.pathname.startsWith(path) : url.pathname === path);
    return isHost && isPort && isPath && (!scheme || same(`${scheme}:`) === same(url.protocol));
  });
}

/** @param {Policy[]} policies @param {string[]} names @param {(sources: string[]) => boolean} isFine */
const isForbidden = (policies, names, isFine) =>
  policies.some((policy) => {
    const sources = sourcesOf(policy, names);
    return sources !== null && !isFine(sources);
  });

const mayCompile = (/** @type {string[]} */ sources) =>
  sources.includes("'wasm-unsafe-eval'") || sources.includes("'unsafe-eval'");

/** @param {Case} site @param {Policy[]} policies @param {string} what */
export function checkWasm({ findings }, policies, what) {
  if (!isForbidden(policies, ['script-src', 'default-src'], mayCompile)) return true;
  const todo = `Add 'wasm-unsafe-eval' to its script-src (helmet: scriptSrc: ["'self'", "'wasm-unsafe-eval'"]).`;
  findings.wrong('CSP', `the ${what} may not compile WebAssembly`, todo);
  return false;
}

/** Whether the page may use the worker and the coordinator. @param {Case} site @param {URL} worker @param {URL} socket */
export function checkPolicies(site, worker, socket) {
  const { findings, page, policies } = site;
  const before = findings.all.length;
  checkWasm(site, policies, 'page');
  const workerNames = ['worker-src', 'child-src', 'script-src', 'default-src'];
  // 'strict-dynamic' and nonces are of elements: a worker's script is allowed by them too.
  const isWorkerFine = (/** @type {string[]} */ sources) => sources.includes("'strict-dynamic'") || allows(sources, worker, page);
  if (isForbidden(policies, workerNames, isWorkerFine)) {
    const isNone = policies.some((policy) => sourcesOf(policy, workerNames)?.includes("'none'"));
    const todo = isNone ? "Write 'self' for 'none' in its worker-src." : "Add 'self' to its worker-src.";
    findings.wrong('CSP', `the page may not use the worker ${worker.pathname}`, todo);
  }
  if (isForbidden(policies, ['connect-src', 'default-src'], (sources) => allows(sources, socket, page))) {
    findings.wrong(
      'CSP',
      `the page may not connect to ${socket.href}`,
      `Add ${socket.host === page.host ? "'self'" : socket.origin} to its connect-src.`,
    );
  }
  if (isForbidden(policies, ['webrtc'], (sources) => !sources.includes("'block'"))) {
    findings.wrong('CSP', "the page may not use WebRTC (webrtc 'block')", "Take webrtc 'block' out.");
  }
  if (policies.some((policy) => policy.get('require-trusted-types-for')?.includes("'script'"))) {
    findings.note('CSP', 'it requires Trusted Types', 'Give start() a TrustedScriptURL as `worker`.');
  }
  if (findings.all.length > before) return;
  findings.right('CSP', policies.length > 0 ? "the page's allows all that is needed" : 'the page has none');
}

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
  if (page.protocol !== 'https:' && !isLocal(page)) {
    findings.wrong('page', 'it is not secure (http)', 'Serve it by https: elsewhere browsers have no service workers.');
  } else {
    findings.right('page', `${page.href} is there, and secure`);
  }
  site.html = textOfBody(answer);
  site.base = baseOf(site.html, page);
  site.isHidden = answer.headers.has('refresh');
  site.policies = [...policiesOf(answer.headers.get('content-security-policy') ?? ''), ...metaPolicies(site.html)];
  await readScripts(site);
  return true;
}

/** The first base element of a page counts. @param {string} html @param {URL} page */
function baseOf(html, page) {
  const hrefs = elementsOf(html).map(({ name, element }) => (name === 'base' ? attribute(element, 'href') : null));
  const href = hrefs.find((each) => each !== null) ?? '';
  return URL.canParse(href, page.href) ? new URL(href, page) : page;
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
  const add = (/** @type {URL} */ url, /** @type {string} */ text, /** @type {Asked['type']} */ type) => {
    const script = { url, text, facts: factsOf(text, type) };
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
    else add(url, textOfBody(answer), type);
  }
  if (seen.size >= limits.doctorScripts || missing.length > 0 || mayRunMore(site)) site.isHidden = true;
}

const ourFolder = 'Serve all of node_modules/peer-cdn/dist/browser at /peer-cdn/.';

/** Whether the page has our script, as far as one can see it, and what that needs. @param {Case} site */
export async function checkScript(site) {
  const { findings, scripts, missing, page } = site;
  const before = findings.all.length;
  const isNamed = (/** @type {Case['scripts'][number]} */ { facts }) =>
    facts.imports.some(({ name }) => /\bpeer-cdn\/index\.js$/.test(name));
  const isHere = scripts.some((script) => isOurPage(script.text) || isNamed(script));
  for (const { url, facts, text } of scripts) {
    const isOurFile = /\/peer-cdn\/(?:index|page|engine)\.js$/.test(url.pathname);
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
