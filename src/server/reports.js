// What pages report (src/signal/reports.hpp), as requests of an http server bring it.
import * as limits from './limits.js';

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */

/**
 * What a report that is refused is answered with: its code, and what it means, for whoever tries it by hand.
 * @satisfies {Record<string, [status: number, meaning: string]>}
 */
const refusals = {
  'origin-refused': [403, 'only pages of a site that the coordinator serves report, and they name it in the header Origin'],
  'malformed-message': [400, 'a report is a JSON object of whole numbers that can be true, as start({ report }) sends it'],
  'version-mismatch': [400, 'this coordinator reads another version of reports'],
  'message-too-long': [413, `a report has at most ${limits.reportBytes} bytes`],
  'rate-limited': [429, 'too many reports came lately'],
  'timed-out': [408, 'the report did not come in time'],
  'shutting-down': [503, 'this coordinator ends'],
};

/** @typedef {keyof typeof refusals} Refusal */

/** The body, or as much as tells that it is too long. Null: it did not come whole in time. @param {Request} request */
export const readReport = (request) =>
  new Promise((/** @type {(body: Buffer | null) => void} */ resolve) => {
    let body = Buffer.alloc(0);
    const timer = setTimeout(resolve, limits.reportMs, null).unref();
    const end = (/** @type {Buffer | null} */ read) => {
      clearTimeout(timer);
      resolve(read);
    };
    request.on('error', () => {});
    request.once('close', () => end(null));
    request.once('end', () => end(body));
    request.on('data', (chunk) => {
      if (body.length > limits.reportBytes) return;
      body = Buffer.concat([body, chunk]);
      if (body.length > limits.reportBytes) end(body);
    });
  });

/**
 * Answers a report. What still comes of it is read, but not for long: a connection that ends with unread bytes may lose the
 * answer.
 * @param {Request} request
 * @param {Response} response
 * @param {Refusal | null} code null: it was taken
 */
export function answerReport(request, response, code) {
  response.on('error', () => {});
  // A host that routes by itself may have lost patience. Nobody would catch what it throws to answer twice.
  if (response.headersSent) return;
  if (!request.complete) {
    const timer = setTimeout(() => request.destroy(), limits.closeMs).unref();
    request.once('close', () => clearTimeout(timer));
    request.resume();
    if (request.httpVersionMajor < 2) response.setHeader('connection', 'close');
  }
  if (code === null) return void response.writeHead(204).end();
  const [status, meaning] = refusals[code];
  if (status === 429 || status === 503) response.setHeader('retry-after', limits.retryAfterSeconds);
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(`${code}: ${meaning}\n`);
}
