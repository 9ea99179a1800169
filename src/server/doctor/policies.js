// Content-Security-Policies: what those of a page and of its workers allow.
import { ENGINE_PATH } from '../../../build/border.js';
import { answerOf, notScript } from './answers.js';
import { engineOf } from './findings.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Policy} Policy */

/** @param {string} text of a header or a meta element @returns {Policy[]} */
export function policiesOf(text) {
  return text
    .split(',')
    .map((policy) => {
      // Of two with one name the first holds.
      const directives = policy.split(';').reverse();
      const words = directives.map((directive) => directive.trim().split(/\s+/)).filter(([name]) => name);
      return new Map(words.map(([name, ...sources]) => [name.toLowerCase(), sources]));
    })
    .filter((policy) => policy.size > 0);
}

/** The sources that hold for a directive, or null: everything. @param {Policy} policy @param {string[]} names */
const sourcesOf = (policy, names) => names.map((name) => policy.get(name)).find(Boolean) ?? null;

/** Whether sources allow a URL. @param {string[]} sources @param {URL} url @param {URL} page */
function allows(sources, url, page) {
  // A page of https may open wss where its policy names https, and 'self' is about both (CSP 3, 6.7.2.8).
  const same = (/** @type {string} */ scheme) => scheme.replace(/^ws/, 'http').replace('https', 'http');
  const usualPort = /^(?:https|wss):$/.test(url.protocol) ? '443' : '80';
  return sources.some((source) => {
    if (source === "'self'") return url.host === page.host && same(url.protocol) === same(page.protocol);
    if (source === '*') return same(url.protocol) === 'http:';
    if (/^[a-z][a-z\d+.-]*:$/i.test(source)) return same(source.toLowerCase()) === same(url.protocol);
    const found = source.match(/^(?:([a-z][a-z\d+.-]*):\/\/)?(\*|(?:\*\.)?[^/:*]+)(?::(\d+|\*))?(\/.*)?$/i);
    if (!found || source.startsWith("'")) return false;
    const [, scheme, host, port, path] = found;
    const isHost = host === '*' || (host.startsWith('*.') ? url.hostname.endsWith(host.slice(1)) : host === url.hostname);
    const isPort = port === '*' || (port ?? usualPort) === (url.port || usualPort);
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

/** @param {Policy[]} policies */
const isWasmForbidden = (policies) => isForbidden(policies, ['script-src', 'default-src'], mayCompile);

/** @param {Case} site @param {Policy[]} policies @param {string} what */
export function checkWasm({ findings }, policies, what) {
  if (!isWasmForbidden(policies)) return true;
  const todo = `Add 'wasm-unsafe-eval' to its script-src (helmet: scriptSrc: ["'self'", "'wasm-unsafe-eval'"]).`;
  findings.wrong('CSP', `the ${what} may not compile WebAssembly`, todo);
  return false;
}

/**
 * Whether the worker may ask the site for what it answers: all that it fetches is under its own connect-src, images too.
 * @param {Case} site
 * @param {Policy[]} policies
 * @param {URL} worker
 */
export function checkFetches({ findings, page }, policies, worker) {
  if (!isForbidden(policies, ['connect-src', 'default-src'], (sources) => allows(sources, worker, page))) return;
  const todo = `Add 'self' to the connect-src that comes with ${worker.pathname}.`;
  findings.wrong('CSP', "the worker may not fetch the site's files", todo);
}

/** @param {Policy[]} policies */
const demandsTrusted = (policies) => policies.some((policy) => policy.get('require-trusted-types-for')?.includes("'script'"));

/** Whether scripts' URLs may pass: by the policy that we make, or by the default one of the site. @param {Policy[]} policies */
const mayTrust = (policies) =>
  policies.every((policy) => policy.get('trusted-types')?.some((name) => /^(?:\*|peer-cdn|default)$/.test(name)) ?? true);

/**
 * Whether a classic worker may import scripts by their names.
 * @param {Case} site
 * @param {Policy[]} policies
 * @param {Case['workerScripts'][number]['facts'][]} scripts
 */
export function checkImports({ findings }, policies, scripts) {
  // A worker that makes policies of its own may have a default one.
  if (!demandsTrusted(policies) || scripts.some(({ uses }) => uses.has('createPolicy'))) return;
  if (!scripts.some(({ importScripts }) => importScripts.some(({ isSure }) => isSure))) return;
  const module = "register a module (start({ workerType: 'module' })), which imports '/peer-cdn/sw.mjs'";
  const todo = `Send require-trusted-types-for with pages only, or ${module}.`;
  findings.wrong('CSP', 'the worker requires Trusted Types, and gives importScripts() a text', todo);
}

/** The engine's script where pages look for it if a bundle has swallowed it. @param {Case} site */
async function engineBeside(site) {
  const answer = await answerOf(site, ENGINE_PATH);
  if (notScript(answer) || typeof answer === 'string') return null;
  return { url: answer.url, policies: policiesOf(answer.headers.get('content-security-policy') ?? '') };
}

/**
 * Whether the engine may open the socket. It runs under the policy that its own script comes with; in a browser that runs it in
 * the page, or where that policy forbids it WebAssembly, under the page's.
 * @param {Case} site
 * @param {URL} socket
 */
async function checkConnect(site, socket) {
  const { findings, page, policies } = site;
  const engine = engineOf(site) ?? (await engineBeside(site));
  const ofEngine = engine?.policies ?? [];
  const mayOpen = (/** @type {Policy[]} */ of) =>
    !isForbidden(of, ['connect-src', 'default-src'], (sources) => allows(sources, socket, page));
  const todo = `Add ${socket.host === page.host ? "'self'" : socket.origin} to its connect-src.`;
  const isInPage = !engine || isWasmForbidden(ofEngine);
  if (engine && isInPage && !isWasmForbidden(policies)) {
    const what = `${engine.url.pathname} may not compile WebAssembly: its engine runs on the main thread`;
    findings.note('CSP', what, "Add 'wasm-unsafe-eval' to the script-src that comes with it, or send no policy with it.");
  }
  if (engine && !isInPage && !mayOpen(ofEngine)) {
    findings.wrong('CSP', `${engine.url.pathname}, which opens the socket, may not connect to ${socket.href}`, todo);
  } else if (!mayOpen(policies)) {
    if (isInPage) findings.wrong('CSP', `the page may not connect to ${socket.href}`, todo);
    else findings.note('CSP', `the page may not connect to ${socket.href}, where a browser runs the engine in it`, todo);
  }
}

/**
 * Whether the page may use the worker and the coordinator.
 * @param {Case} site
 * @param {import('./named.js').Named} worker
 * @param {URL} socket
 */
export async function checkPolicies(site, { url: worker, isStart }, socket) {
  const { findings, page, policies } = site;
  const before = findings.all.length;
  if (policies.some((policy) => policy.get('sandbox')?.includes('allow-same-origin') === false)) {
    const todo = 'Take sandbox out, or add allow-same-origin to it.';
    findings.wrong('CSP', 'the page is in a sandbox without an origin, where browsers have no service workers', todo);
  }
  checkWasm(site, policies, 'page');
  const workerNames = ['worker-src', 'child-src', 'script-src', 'default-src'];
  // 'strict-dynamic' and nonces are of elements: a worker's script is allowed by them too.
  const isWorkerFine = (/** @type {string[]} */ sources) => sources.includes("'strict-dynamic'") || allows(sources, worker, page);
  if (isForbidden(policies, workerNames, isWorkerFine)) {
    const isNone = policies.some((policy) => sourcesOf(policy, workerNames)?.includes("'none'"));
    const todo = isNone ? "Write 'self' for 'none' in its worker-src." : "Add 'self' to its worker-src.";
    findings.wrong('CSP', `the page may not use the worker ${worker.pathname}`, todo);
  }
  await checkConnect(site, socket);
  if (isForbidden(policies, ['webrtc'], (sources) => !sources.includes("'block'"))) {
    findings.wrong('CSP', "the page may not use WebRTC (webrtc 'block')", "Take webrtc 'block' out.");
  }
  if (demandsTrusted(policies) && !mayTrust(policies)) {
    const todo = 'Allow the policy `peer-cdn` in its trusted-types, or give start() TrustedScriptURLs as `worker` and `engine`.';
    const state = isStart ? 'wrong' : 'note';
    findings[state]('CSP', 'it requires Trusted Types, and does not allow the policy `peer-cdn`', todo);
  }
  if (findings.all.length > before) return;
  findings.right('CSP', policies.length > 0 ? "the page's allows all that is needed" : 'the page has none');
}
