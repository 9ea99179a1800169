// The page of a site: whether a browser may start there, and what its Content-Security-Policy allows.
import * as limits from '../limits.js';
import { answerOf, ask, isOurPage, isScript } from './findings.js';

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

/** @param {string} html */
function metaPolicies(html) {
  const metas = [...html.matchAll(/<meta\s[^>]*>/gi)].map(([element]) => element);
  const csp = metas.filter((element) => /^content-security-policy$/i.test(attribute(element, 'http-equiv') ?? ''));
  return csp.flatMap((element) => policiesOf(attribute(element, 'content') ?? ''));
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
    findings.wrong('CSP', `the page may not use the worker ${worker.pathname}`, "Add 'self' to its worker-src.");
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
    findings.wrong('page', `${asked.href}: ${answer}`, 'Give the URL as visitors type it.');
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
  site.html = Buffer.from(answer.body).toString('utf8');
  site.policies = [...policiesOf(answer.headers.get('content-security-policy') ?? ''), ...metaPolicies(site.html)];
  site.scripts = await scriptsOf(site);
  return true;
}

/** @param {Case} site */
async function scriptsOf(site) {
  const { html, page } = site;
  const elements = [...html.matchAll(/<(?:script\s[^>]*|link\s[^>]*modulepreload[^>]*)>/gi)].map(([element]) => element);
  const named = elements.map((element) => attribute(element, 'src') ?? attribute(element, 'href'));
  const inline = [...html.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script>/gi)].map(([, text]) => ({ url: page, text }));
  const scripts = [...inline];
  const queue = named
    .filter((src) => src !== null && URL.canParse(src, page.href))
    .map((src) => new URL(/** @type {string} */ (src), page));
  const seen = new Set();
  while (queue.length > 0 && seen.size < limits.doctorScripts) {
    const url = /** @type {URL} */ (queue.shift());
    if (url.origin !== page.origin || seen.has(url.href)) continue;
    seen.add(url.href);
    const answer = await ask(site, url).catch(() => null);
    if (answer?.status !== 200 || !isScript(answer)) continue;
    const text = Buffer.from(answer.body).toString('utf8');
    scripts.push({ url, text });
    for (const [, , name] of text.matchAll(/\b(?:from|import)\s*\(?\s*(["'])((?:\.{0,2}\/)[^"']+)\1/g)) {
      if (URL.canParse(name, url.href)) queue.push(new URL(name, url));
    }
  }
  return scripts;
}

/** Whether the page has our script, as far as one can see it. @param {Case} site */
export function checkScript({ findings, scripts, page }) {
  if (scripts.some(({ text }) => isOurPage(text) || /peer-cdn\/index\.js/.test(text))) {
    findings.right('page script', 'the page loads peer-cdn');
  } else {
    findings.notChecked(
      'page script',
      `none of the ${scripts.length} scripts that ${page.pathname} names is seen to load peer-cdn`,
    );
  }
}
