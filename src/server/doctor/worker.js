// The service worker's script: where it is, what it imports, which pages it may control.
import * as limits from '../limits.js';
import { readRoutes } from '../listing.js';
import { meant } from '../names.js';
import { answerOf, noteKept, notScript, secondsKept, textOfBody, todoOf } from './answers.js';
import { checkClasses, checkOptions, checkPlugins, whenRegistered } from './calls.js';
import { isOurs } from './findings.js';
import { checkRouteCalls } from './given.js';
import { checkListeners } from './listeners.js';
import { usualName } from './named.js';
import { checkFetches, checkImports, checkWasm, policiesOf } from './policies.js';
import { momentsOf } from './runs.js';
import { factsOf } from './script.js';
import { checkMembers, checkNames } from './startup.js';
import { meantBy, textOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./named.js').Named} Named */

/** What to do about a script that the worker imports, and that is not there. @param {URL} url */
const whereMissing = ({ pathname }) =>
  /peer-?cdn/i.test(pathname)
    ? 'Copy node_modules/peer-cdn/dist/browser/sw.js to where the worker imports it from.'
    : 'Deploy it there, or take the import out: without it the worker does not start.';

/**
 * Reads a script, and says what is wrong with it. Browsers follow the redirects of what a worker imports, not its own.
 * @param {Case} site
 * @param {URL} url
 * @param {Named['type']} type
 * @param {'itself' | 'imported' | 'perhaps imported'} how
 * @param {string} [from] who says where it is
 */
async function readScript(site, url, type, how, from = '') {
  const isImport = how !== 'itself';
  const cases = how === 'perhaps imported' ? ' in some cases, or does without' : '';
  const own = from === usualName ? `${url.pathname} (${from})` : url.pathname;
  const what = isImport ? `${url.href}, which the worker imports${cases},` : own;
  const wrong = (/** @type {string} */ text, /** @type {string} */ todo) =>
    how === 'perhaps imported' ? site.findings.notChecked('worker', text) : site.findings.wrong('worker', text, todo);
  const redirect = isImport ? 'follow' : 'manual';
  const answer = await answerOf(site, url, { headers: { 'service-worker': 'script' }, redirect });
  const why = notScript(answer);
  if (why || typeof answer === 'string') {
    const todo = why.startsWith('is a redirect')
      ? 'Browsers refuse a redirected worker: name its own URL.'
      : /^is of (?:no )?type/.test(why)
        ? 'Serve it as text/javascript: browsers refuse others.'
        : todoOf(
            typeof answer === 'string' ? answer : '',
            isImport ? whereMissing(url) : 'Deploy the worker there, or say where it is: --worker <path>.',
          );
    wrong(`${what} ${why}`, todo);
    return null;
  }
  const text = textOfBody(answer);
  const facts = factsOf(text, type);
  if (type === 'classic' && facts.error && factsOf(text, 'module').isModule) {
    const ofImport = "importScripts() takes classic scripts only: of peer-cdn load '/peer-cdn/sw.js'.";
    const todo = "Register it as a module (start({ workerType: 'module' })), or bundle it into one script.";
    if (isImport) wrong(`${what} has import or export, and importScripts() loads no modules`, ofImport);
    else wrong(`${what} has import or export, and is registered as a classic script`, todo);
  } else if (facts.error) {
    wrong(`${what} has a syntax error: ${facts.error}`, 'Browsers refuse such a worker: mend the script.');
  } else if ((type === 'module' || facts.isModule) && facts.importScripts.some(({ isSure }) => isSure)) {
    wrong(`${what} calls importScripts(), which a module may not`, "Write: import PeerCDN from '/peer-cdn/sw.mjs'");
  } else if (facts.waits) {
    wrong(`${what} awaits something outside of functions, which browsers refuse in workers`, 'Move that into an async function.');
  }
  site.workerScripts.push({ url, text, facts, kept: secondsKept(answer) });
  return answer;
}

const ourFile = /\/peer-cdn\/sw\.m?js$/;
/** A build gives another name to another script. */
const hasHash = /[.-](?=\w*\d)\w{8,}\.m?js$/;

/** Other names are for a build. @param {string} name */
const isAddress = (name) => /^(?:\.{0,2}\/|https?:)/.test(name);

/** @param {Case} site @param {Named} named */
export async function checkWorker(site, named) {
  const { url, from, type } = named;
  const { findings, page, workerScripts } = site;
  const before = findings.all.length;
  if (url.origin !== page.origin) {
    findings.wrong('worker', `${url.href} is of another origin`, 'Serve the worker from the origin of the page.');
    return;
  }
  const answer = await readScript(site, url, type, 'itself', from);
  if (!answer) return;
  const seen = new Set([url.href]);
  const spare = new Set();
  for (let at = 0; at < workerScripts.length; at++) {
    const script = workerScripts[at];
    // importScripts() resolves against the worker, and modules against themselves.
    const imported = [
      ...script.facts.importScripts.map((each) => ({ ...each, base: url, type: /** @type {const} */ ('classic') })),
      ...script.facts.imports
        .filter(({ name, isLazy }) => !isLazy && isAddress(name))
        .map(({ name }) => ({ name, isSure: true, base: script.url, type: /** @type {const} */ ('module') })),
    ];
    const [bare] = script.facts.imports.filter(({ name, isLazy }) => !isLazy && !isAddress(name));
    if (bare) {
      const todo =
        "Bundle the worker, or import the file itself: of peer-cdn '/peer-cdn/sw.mjs'. Import maps are for pages only.";
      findings.wrong('worker', `${script.url.pathname} imports '${bare.name}', which is no address that browsers know`, todo);
    }
    for (const { name, isSure, base, type } of imported) {
      const part = URL.canParse(name, base.href) ? new URL(name, base) : null;
      if (!part || seen.has(part.href) || seen.size > limits.doctorScripts) continue;
      seen.add(part.href);
      // What a script imports that may be missing may be missing too.
      const isNeeded = isSure && !spare.has(script);
      const isThere = await readScript(site, part, type, isNeeded ? 'imported' : 'perhaps imported');
      const read = workerScripts[workerScripts.length - 1];
      if (isThere && !isNeeded) spare.add(read);
      const asks = script.facts.bindings.some(({ source }) => source === name);
      if (isThere && asks && !read.facts.error && !read.facts.isModule) {
        const todo = "Import PeerCDN from '/peer-cdn/sw.mjs': sw.js is for importScripts().";
        findings.wrong('worker', `${part.pathname}, of which ${script.url.pathname} imports something, exports nothing`, todo);
      } else if (isThere && read.facts.passedOn.length === 0) {
        const { exported } = read.facts;
        const lost = script.facts.bindings.find(
          ({ source, imported: asked }) => source === name && asked !== '*' && !exported.has(asked),
        );
        const what = `${part.pathname} exports no ${lost?.imported}, which ${script.url.pathname} imports`;
        if (lost) findings.wrong('worker', what, `Of its exports ${meant(lost.imported, [...exported])}`);
      }
    }
  }
  const isMore = seen.size > limits.doctorScripts || findings.all.length > before;
  if (findings.all.slice(before).every(({ state }) => state !== 'wrong')) checkCalls(site, url, from, isMore);
  noteKept(
    site,
    'worker',
    workerScripts.filter((each) => (each.url === url ? !hasHash.test(url.pathname) : ourFile.test(each.url.pathname))),
  );
  const policies = policiesOf(answer.headers.get('content-security-policy') ?? '');
  checkWasm(site, policies, 'worker');
  checkFetches(site, policies, url);
  checkImports(
    site,
    policies,
    workerScripts.map(({ facts }) => facts),
  );
  checkScope(site, named, answer.headers.get('service-worker-allowed'));
}

/** Whether browsers ask peer-cdn for anything. @param {Case['findings']} findings @param {Case['workerScripts']} scripts */
const isAsked = (findings, scripts) => whenRegistered(findings, scripts) && checkListeners(findings, scripts);
/** Whether its classes are ours, and read what they are given. @type {typeof isAsked} */
const isWellMade = (findings, scripts) =>
  checkClasses(findings, scripts) &&
  checkNames(findings, scripts) &&
  checkMembers(findings, scripts) &&
  checkRouteCalls(findings, scripts) &&
  checkOptions(findings, scripts);

/**
 * Whether the worker has peer-cdn in it, and calls it.
 * @param {Case} site
 * @param {URL} url
 * @param {string} from
 * @param {boolean} isMore there are scripts that were not read
 */
function checkCalls({ findings, workerScripts }, url, from, isMore) {
  const isHidden = isMore || workerScripts.some(({ facts }) => facts.hasHiddenImports);
  const ours = workerScripts.filter(({ text }) => isOurs(text));
  const has = (/** @type {string} */ name) => workerScripts.some(({ facts }) => facts.uses.has(name));
  // Where a build has shortened the names of methods too, nobody can see which ones are called.
  const hasNames = ours.some(({ facts }) => facts.methods.has('GET') && facts.methods.has('register'));
  if (ours.length === 0 && isHidden) {
    findings.notChecked('worker', `${url.pathname} (${from}) imports scripts that only a browser can tell`);
  } else if (ours.length === 0) {
    const todo = "Add importScripts('/peer-cdn/sw.js') and the lines of the README.";
    findings.wrong('worker', `${url.pathname} (${from}) has no peer-cdn in it`, todo);
  } else if (hasNames && !isHidden && !has('register')) {
    const todo = 'Add cdn.register() at its end: without it browsers do not ask peer-cdn for anything.';
    findings.wrong('worker', `${url.pathname} (${from}) has peer-cdn in it, and never calls register()`, todo);
  } else if (isHidden || (isWellMade(findings, workerScripts) && (!hasNames || isAsked(findings, workerScripts)))) {
    findings.right('worker', `${url.pathname} (${from}) is there, with peer-cdn in it`);
  }
  if (ours.length > 0 && hasNames && !isHidden && !has('GET')) {
    findings.wrong(
      'routes',
      'the worker has no route: it never calls GET()',
      "Add cdn.GET('/folder', ...), as the README has it.",
    );
  } else if (hasNames && !isHidden) {
    checkPlugins(findings, workerScripts);
  }
}

/** @param {Case} site @param {Named} named @param {string | null} allowed */
function checkScope(site, { url, scope: asked }, allowed) {
  const { findings, page, base } = site;
  const isUsable = allowed !== null && URL.canParse(allowed, url.href) && new URL(allowed, url).origin === url.origin;
  const most = new URL(isUsable ? allowed : './', url).pathname;
  const scope = asked && URL.canParse(asked, base.href) ? new URL(asked, base).pathname : new URL('./', url).pathname;
  site.scope = scope;
  if (allowed !== null && !isUsable) {
    const what = `${url.pathname} comes with \`Service-Worker-Allowed: ${allowed}\`, with which browsers register no worker`;
    findings.wrong('scope', what, `Send \`Service-Worker-Allowed: ${scope}\` with it, or none.`);
  } else if (!scope.startsWith(most)) {
    findings.wrong(
      'scope',
      `the scope ${scope} is more than ${url.pathname} may have`,
      `Send \`Service-Worker-Allowed: ${scope}\` with it.`,
    );
  } else if (!page.pathname.startsWith(scope)) {
    const todo = `Serve the worker from /, or send \`Service-Worker-Allowed: /\` with it and register it with { scope: '/' }.`;
    findings.wrong('scope', `the worker controls pages below ${scope}, and this one is ${page.pathname}`, todo);
    // Where the manifest is looked for once that is done.
    site.scope = '/';
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
  if (findings.all.some(({ check }) => check === 'routes')) return;
  const given = workerScripts.flatMap(({ facts }) =>
    (facts.calls.get('GET') ?? []).flatMap((call) => {
      const moments = momentsOf(facts, call, facts.places.get(call));
      const all = moments.map(({ given: each }) => textOf(meantBy(facts, call.arguments[0], each)));
      return all.length > 0 ? all : [textOf(meantBy(facts, call.arguments[0]))];
    }),
  );
  const routes = given.filter((path) => path !== null);
  if (!listing || listing.entries.size === 0 || routes.length === 0) {
    findings.notChecked(
      'routes',
      routes.length === 0 ? 'none is seen in the scripts of the worker' : 'there is no list of files',
    );
    return;
  }
  const { take } = readRoutes(routes);
  const paths = [...listing.entries.keys()];
  // As a request spells it.
  const routed = paths.filter((path) => take(new URL(`https://a${path}`).pathname)).length;
  if (routed < paths.length && routes.length < given.length) {
    findings.notChecked('routes', `some are made when the worker runs, beside ${routes.join(', ')}`);
  } else if (routed === 0) {
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
