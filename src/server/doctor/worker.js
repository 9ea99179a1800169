// The service worker's script: where it is, what it imports, which pages it may control.
import * as limits from '../limits.js';
import { answerOf, isOurs, isPage, isScript } from './findings.js';
import { checkWasm, policiesOf } from './page.js';

/** @typedef {import('./findings.js').Case} Case */

/** Where the worker's script is: what was said, what the page's scripts name, or the usual name. @param {Case} site */
export function workerUrl({ options, scripts, page }) {
  if (options.worker) return { url: new URL(options.worker, page), from: '--worker' };
  const pattern = /(?:serviceWorker\s*\.\s*register\(\s*|\bworker:\s*)(?:new URL\(\s*)?(["'`])([^"'`]+)\1/;
  for (const { text, url } of scripts) {
    const found = text.match(pattern);
    if (!found) continue;
    // What a template begins with is a base, of Vite mostly: the folder of the page.
    const name = found[2].replace(/^\$\{[^}]*\}\/?/, './');
    if (name.includes('${') || !URL.canParse(name, page.href)) continue;
    const isBeside = url.pathname.endsWith('.js') && found[0].includes('new URL');
    return { url: new URL(name, isBeside ? url : page), from: "the page's scripts" };
  }
  return { url: new URL('/sw.js', page), from: 'the usual name' };
}

/** @param {Case} site @param {URL} url @param {boolean} isImport */
async function read(site, url, isImport) {
  const what = isImport ? `${url.href}, which the worker imports,` : url.pathname;
  const wrong = (/** @type {string} */ why, /** @type {string} */ todo) => {
    site.findings.wrong('worker', `${what} ${why}`, todo);
    return null;
  };
  const there = isImport
    ? 'Copy node_modules/peer-cdn/dist/browser/sw.js to where the worker imports it from.'
    : 'Deploy the worker there, or say where it is: --worker <path>.';
  const answer = await answerOf(site, url, { headers: { 'service-worker': 'script' }, redirect: 'manual' });
  if (typeof answer === 'string') return wrong(`is not to be had: ${answer}`, there);
  const { status, headers } = answer;
  if (status >= 300 && status < 400 && !isImport) {
    return wrong(`is a redirect to ${headers.get('location')}`, 'Browsers refuse a redirected worker: name its own URL.');
  }
  if (status !== 200) return wrong(`answers ${status}`, there);
  if (isPage(answer)) return wrong('is a page, no script (of an app that answers everything?)', there);
  if (!isScript(answer)) {
    return wrong(
      `is of type ${headers.get('content-type') ?? 'nothing'}`,
      'Serve it as text/javascript: browsers refuse others.',
    );
  }
  return answer;
}

/** What a script imports. @param {string} text */
function importsOf(text) {
  const classic = [...text.matchAll(/\bimportScripts\(([^)]*)\)/g)].flatMap(([, list]) => [
    ...list.matchAll(/(["'`])([^"'`$]+)\1/g),
  ]);
  const modules = [...text.matchAll(/(?:^|[;}\s])(?:import|export)\b[^"'`;()]*?(["'])((?:\.{0,2}\/|https?:)[^"']+)\1/g)];
  return [...classic, ...modules].map(([, , name]) => name);
}

/** @param {Case} site @param {URL} url */
export async function checkWorker(site, url, from = '') {
  const { findings, page } = site;
  const before = findings.all.length;
  if (url.origin !== page.origin) {
    findings.wrong('worker', `${url.href} is of another origin`, 'Serve the worker from the origin of the page.');
    return;
  }
  const answer = await read(site, url, false);
  if (!answer) return;
  site.workerScripts = [{ url, text: Buffer.from(answer.body).toString('utf8') }];
  const seen = new Set([url.href]);
  for (let at = 0; at < site.workerScripts.length && seen.size < limits.doctorScripts; at++) {
    const script = site.workerScripts[at];
    for (const name of importsOf(script.text)) {
      // importScripts() resolves against the worker, and modules against themselves: mostly the same folder.
      const imported = URL.canParse(name, script.url.href) ? new URL(name, script.url) : null;
      if (!imported || seen.has(imported.href)) continue;
      seen.add(imported.href);
      const part = await read(site, imported, true);
      if (part) site.workerScripts.push({ url: imported, text: Buffer.from(part.body).toString('utf8') });
    }
  }
  if (!site.workerScripts.some(({ text }) => isOurs(text)) && findings.all.length === before) {
    findings.wrong(
      'worker',
      `${url.pathname} (${from}) has no peer-cdn in it`,
      "Add importScripts('/peer-cdn/sw.js') and the lines of the README.",
    );
  }
  checkWasm(site, policiesOf(answer.headers.get('content-security-policy') ?? ''), 'worker');
  if (findings.all.length === before) findings.right('worker', `${url.pathname} (${from}) is there, with peer-cdn in it`);
  checkScope(site, url, answer.headers.get('service-worker-allowed'));
}

/** @param {Case} site @param {URL} url @param {string | null} allowed */
function checkScope(site, url, allowed) {
  const { findings, page, scripts } = site;
  const most = allowed === null ? new URL('./', url).pathname : new URL(allowed, url).pathname;
  const asked = scripts.map(({ text }) => text.match(/\bscope:\s*(["'`])([^"'`]+)\1/)?.[2]).find(Boolean);
  const scope = asked ? new URL(asked, page).pathname : new URL('./', url).pathname;
  site.scope = scope;
  if (!scope.startsWith(most)) {
    findings.wrong(
      'scope',
      `the scope ${scope} is more than ${url.pathname} may have`,
      `Send \`Service-Worker-Allowed: ${scope}\` with it.`,
    );
  } else if (!page.pathname.startsWith(scope)) {
    const todo = `Serve the worker from /, or send \`Service-Worker-Allowed: /\` with it and register it with { scope: '/' }.`;
    findings.wrong('scope', `the worker controls pages below ${scope}, and this one is ${page.pathname}`, todo);
  } else {
    findings.right('scope', `pages below ${scope}`);
  }
}

/**
 * Whether some listed file is below a route of the worker.
 * @param {Case} site
 * @param {ReturnType<typeof import('../listing.js').readListing> | null} listing
 */
export function checkRoutes({ findings, workerScripts }, listing) {
  const own = workerScripts.filter(({ text }) => !isOurs(text) || /\.GET\(\s*["'`]/.test(text));
  const routes = own.flatMap(({ text }) => [...text.matchAll(/\.GET\(\s*(["'`])([^"'`]*)\1/g)].map(([, , route]) => route));
  if (!listing || listing.entries.size === 0 || routes.length === 0) {
    findings.notChecked(
      'routes',
      routes.length === 0 ? 'none is seen in the scripts of the worker' : 'there is no list of files',
    );
    return;
  }
  const starts = routes.map((route) => `/${route.replace(/[:*].*$/, '').replace(/^\/+|\/+$/g, '')}`);
  const isRouted = (/** @type {string} */ path) =>
    starts.some((start) => start === '/' || path === start || path.startsWith(`${start}/`) || path.startsWith(`${start}?`));
  const paths = [...listing.entries.keys()];
  const routed = paths.filter(isRouted).length;
  if (routed === 0) {
    const what = `no listed file (${paths[0]}, ...) is below a route of the worker (${routes.join(', ')})`;
    findings.wrong(
      'routes',
      what,
      "Name the folder of the files in cdn.GET('/folder', ...), or write the manifest with its --base.",
    );
  } else if (routed < paths.length) {
    findings.note('routes', `${routed} of ${paths.length} listed files are below a route of the worker (${routes.join(', ')})`);
  } else {
    findings.right('routes', `all listed files are below ${routes.join(', ')}`);
  }
}
