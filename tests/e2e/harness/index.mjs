// The harness of the end-to-end tests: an origin that counts, sites made of generated files, and real browsers. The demo and
// the benchmarks use it too; scene.mjs, what a test opens, belongs to node:test.
export { openChromium, openFirefox, openWebKit, Visitor } from './browsers.mjs';
export { Origin } from './origin.mjs';
export { documentedWorker, openSite, patientWorker, randomBytes, serveFolder, sha256, strictPolicy } from './site.mjs';
export { until, within } from './until.mjs';
