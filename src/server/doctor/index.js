// Looks at a site from outside, as a visitor's browser would.
import * as limits from '../limits.js';
import { reasonOf } from './answers.js';
import { checkFiles } from './files.js';
import { Findings } from './findings.js';
import { checkManifest } from './manifest.js';
import { workerUrl } from './named.js';
import { checkIce, checkSocket, socketUrl } from './network.js';
import { checkPage, checkScript } from './page.js';
import { checkPolicies } from './policies.js';
import { checkRoutes, checkWorker } from './worker.js';

/** @typedef {import('./findings.js').Finding} Finding */

/**
 * @typedef {object} DoctorOptions
 * @property {string} [worker] the service worker's script; default: what the page's scripts name, else '/sw.js'
 * @property {string[]} [ice] ICE servers to try
 * @property {number} [timeoutMs] for all of it; default 45 s
 */

/** How it begins why a check was not reached. */
export const OUT_OF_TIME = 'the time was over (--timeout)';

/** Every check, so that what was not reached is named. */
const names = [
  'page',
  'page script',
  'worker',
  'scope',
  'CSP',
  'manifest',
  'manifest is fresh',
  'routes',
  'digest lists',
  'files',
  'coordinator',
  'ICE servers',
];

/**
 * @param {string} url
 * @param {import('./findings.js').Case['options']} options
 * @param {AbortSignal} signal
 * @param {import('./findings.js').Bounds} bounds
 * @returns {import('./findings.js').Case}
 */
function caseOf(url, options, signal, bounds) {
  const seen = {
    waitsFor: '',
    html: '',
    policies: [],
    isEmbedder: false,
    scripts: [],
    missing: [],
    isHidden: false,
    scope: '/',
    workerScripts: [],
  };
  return { page: new URL(url), base: new URL(url), findings: new Findings(), signal, options, bounds, ...seen };
}

/**
 * Compares all files of a live site with its manifest, however long that takes.
 * @param {string} url of the site, or of its manifest
 */
export async function examineFiles(url) {
  const bounds = { answerMs: limits.doctorAnswerMs, files: limits.manifestEntries, fileBytes: Infinity };
  const site = caseOf(url, {}, new AbortController().signal, bounds);
  const path = site.page.pathname.endsWith('.json') ? site.page.pathname : undefined;
  await checkFiles(site, await checkManifest(site, path));
  return { url: site.page.href, ok: site.findings.all.every(({ state }) => state !== 'wrong'), findings: site.findings.all };
}

/**
 * Never rejects, but for a URL that is none.
 * @param {string} url
 * @param {DoctorOptions} [options]
 * @returns {Promise<{ url: string, ok: boolean, findings: Finding[] }>} ok: nothing is wrong
 */
export async function examine(url, { worker, ice, timeoutMs = limits.doctorMs } = {}) {
  const signal = AbortSignal.timeout(timeoutMs);
  const answerMs = Math.min(limits.doctorAnswerMs, Math.max(limits.doctorAnswerLeastMs, timeoutMs * limits.doctorAnswerShare));
  const bounds = { answerMs, files: limits.doctorFiles, fileBytes: limits.doctorFileBytes };
  const site = caseOf(url, { worker, ice }, signal, bounds);
  const { findings } = site;
  try {
    if (await checkPage(site)) {
      await checkScript(site);
      const script = await workerUrl(site);
      await checkWorker(site, script);
      const socket = socketUrl(site);
      await checkPolicies(site, script, socket);
      const listing = await checkManifest(site);
      checkRoutes(site, listing);
      await Promise.all([checkSocket(site, socket), checkIce(site)]);
      await checkFiles(site, listing);
    }
  } catch (error) {
    if (!signal.aborted) findings.wrong('page', reasonOf(error), 'This is a fault of peer-cdn doctor: please report it.');
  }
  const seen = new Set(findings.all.map(({ check }) => check));
  const late = site.waitsFor ? `${OUT_OF_TIME} before ${site.waitsFor} had answered` : OUT_OF_TIME;
  const why = signal.aborted ? late : 'what comes before it is wrong';
  for (const name of names) if (!seen.has(name)) findings.notChecked(name, why);
  const all = findings.all.sort((a, b) => names.indexOf(a.check) - names.indexOf(b.check));
  return { url: site.page.href, ok: all.every(({ state }) => state !== 'wrong'), findings: all };
}
