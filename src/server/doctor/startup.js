// What throws while the worker's script first runs, as far as that is certain without running it: such a worker does not start.
import { isLike, meant } from '../names.js';
import { classes, classOf, strategies, timesOf, typingErrors } from './calls.js';
import { isOurs } from './findings.js';
import { isBefore, momentsOf } from './runs.js';
import { nameOf, pathOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */
/** @typedef {import('./findings.js').Findings} Findings */
/** @typedef {import('./findings.js').Script} Script */
/** @typedef {import('./script.js').Node} Node */

const words = (/** @type {string} */ text) => new Set(text.split(/\s+/).filter(Boolean));

/** All that a service worker has of names that begin with a small letter. Of others nobody knows what browsers will have. */
const small = words(`
  addEventListener removeEventListener dispatchEvent atob btoa caches clients console cookieStore createImageBitmap
  crossOriginIsolated crypto fetch fonts globalThis importScripts indexedDB isSecureContext location name navigator origin
  performance queueMicrotask registration reportError scheduler self serviceWorker skipWaiting structuredClone trustedTypes
  setTimeout setInterval clearTimeout clearInterval undefined escape unescape eval isFinite isNaN parseFloat parseInt decodeURI
  decodeURIComponent encodeURI encodeURIComponent chrome browser arguments constructor hasOwnProperty isPrototypeOf
  propertyIsEnumerable toLocaleString toString valueOf languages storage close postMessage webkitURL
`);

/** What only pages have. */
const ofPages = words(`
  window document localStorage sessionStorage parent top frames opener history screen alert confirm prompt open matchMedia
  getComputedStyle requestAnimationFrame cancelAnimationFrame requestIdleCallback XMLHttpRequest Image Audio Option Node Element
  HTMLElement HTMLImageElement HTMLVideoElement HTMLCanvasElement Document Window DOMParser MutationObserver IntersectionObserver
  ResizeObserver RTCPeerConnection AudioContext Storage customElements visualViewport
`);
/** What only Node, and what bundlers make of it, has. */
const ofNode = words('require module exports process global Buffer __dirname __filename');

/** Where something is, for whoever mends it. @param {Script} script @param {Node} at */
const placeOf = ({ url, text }, at) => `${url.pathname}:${text.slice(0, at.start).split('\n').length}`;

/** @param {Script['facts']['reads']} reads */
const inOrder = (reads) => reads.toSorted((a, b) => a.at.start - b.at.start);

/** @param {Findings} findings */
export const throwing = (findings) => (/** @type {string} */ what, /** @type {string} */ todo) =>
  findings.wrong('worker', `${what}: so the worker does not start`, todo);

/**
 * Whether some script may define a name. In our own script names stand for other things too.
 * @param {Script[]} scripts
 * @param {string} name
 */
function isDefined(scripts, name) {
  const [ours, others] = [true, false].map((each) => scripts.filter(({ text }) => isOurs(text) === each));
  const reads = others.flatMap(({ facts }) => facts.reads.filter(({ at }) => at.name === name)).length;
  return timesOf(others, name) > reads || ours.some(({ facts }) => facts.assigned.has(name) || facts.declared.has(name));
}

/** What to do about a name that nothing defines. @param {string} name @param {Script} script */
function todoOfName(name, { facts }) {
  if (classes.includes(name) && name !== 'PeerCDN') return `Name it before: const { ${name} } = PeerCDN;`;
  if (strategies.includes(name)) return `Name it before: const { strategies: { ${name} } } = PeerCDN;`;
  if (name === 'PeerCDN')
    return "Add importScripts('/peer-cdn/sw.js') before; in a module: import PeerCDN from '/peer-cdn/sw.mjs'.";
  if (ofPages.has(name)) return `Only pages have ${name}: ${name === 'window' ? 'write self' : 'leave it out of the worker'}.`;
  if (ofNode.has(name)) return 'Browsers have no such name: bundle the worker.';
  const like = [...facts.declared, ...classes].find((each) => isLike(name, each, Math.min(typingErrors, name.length / 3)));
  return like ? `Did you mean ${like}?` : 'Name it before, or look at its spelling.';
}

/**
 * Whether all names that are certainly read are there.
 * @param {Findings} findings
 * @param {Script[]} all
 */
export function checkNames(findings, all) {
  const before = findings.all.length;
  const throws = throwing(findings);
  // Whatever a text that is run defines is not seen.
  if (all.some(({ facts }) => facts.identifiers.has('eval'))) return true;
  for (const script of all) {
    const { facts, url } = script;
    const isSure = (/** @type {Script['facts']['reads'][number]} */ { at, place }) => momentsOf(facts, at, place).length > 0;
    const told = new Set();
    const isMeant = (/** @type {string} */ name) =>
      ofPages.has(name) ||
      ofNode.has(name) ||
      classes.some((each) => isLike(name, each, typingErrors)) ||
      (/^[a-z_$]/.test(name) && !small.has(name) && !/^on[a-z]+$/.test(name));
    for (const read of inOrder(facts.reads)) {
      const { name } = read.at;
      const around = facts.parents.get(read.at);
      const isAsked = around?.type === 'UnaryExpression' && /^(?:typeof|delete)$/.test(around.operator);
      if (isAsked || told.has(name) || !isMeant(name) || isDefined(all, name) || !isSure(read)) continue;
      told.add(name);
      throws(`it uses ${name} (${placeOf(script, read.at)}), which nothing defines`, todoOfName(name, script));
    }
    for (const read of inOrder(facts.early)) {
      const { name } = read.at;
      if (told.has(name) || !isSure(read)) continue;
      told.add(name);
      throws(`it uses ${name} (${placeOf(script, read.at)}) before it has a value`, `Move the line that makes ${name} up.`);
    }
    const ours = all.filter(({ text }) => isOurs(text)).map((each) => each.url.href);
    const moments = facts.importScripts
      .filter(({ name }) => URL.canParse(name, url.href) && ours.includes(new URL(name, url).href))
      .map(({ moment }) => moment);
    const early = inOrder(facts.reads).find(
      ({ at, place }) =>
        at.name === 'PeerCDN' &&
        moments.length > 0 &&
        momentsOf(facts, at, place).some((moment) => moments.every((each) => each && isBefore(moment, each))),
    );
    if (early && findings.all.length === before)
      throws(`it uses PeerCDN (${placeOf(script, early.at)}) before importScripts() loads it`, 'Move importScripts() up.');
  }
  return findings.all.length === before;
}

/** What a worker's instance of PeerCDN has: its own, and of every EventTarget. */
const methods = words(`
  GET register staticRoutes addEventListener removeEventListener dispatchEvent constructor hasOwnProperty isPrototypeOf
  propertyIsEnumerable toLocaleString toString valueOf
`);

/**
 * Whether PeerCDN has all that is certainly asked of it.
 * @param {Findings} findings
 * @param {Script[]} all
 */
export function checkMembers(findings, all) {
  const before = findings.all.length;
  const throws = throwing(findings);
  const isAssigned = (/** @type {string} */ name) => all.some(({ facts }) => facts.assigned.has(name));
  for (const { facts, text } of all) {
    if (isOurs(text)) continue;
    for (const { callee } of facts.news) {
      const [whole, name, ...more] = pathOf(facts, callee) ?? [];
      if (whole !== 'PeerCDN' || !name || more.length > 0 || classes.includes(name) || isAssigned(name)) continue;
      throws(`PeerCDN has no ${name}`, `Of PeerCDN ${meant(name, classes.slice(1))}`);
    }
    for (const [call, place] of facts.places) {
      const { callee } = call;
      if (callee.type !== 'MemberExpression' || classOf(facts, callee.object) !== 'PeerCDN') continue;
      const name = nameOf(callee.property, callee.computed);
      if (name === null || methods.has(name) || isAssigned(name) || momentsOf(facts, call, place).length === 0) continue;
      throws(`a PeerCDN has no ${name}()`, `Of PeerCDN ${meant(name, ['GET', 'register', 'staticRoutes', 'addEventListener'])}`);
    }
  }
  return findings.all.length === before;
}
