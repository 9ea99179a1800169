// The coordinator's WebSocket, and ICE servers.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { protocolVersion, SOCKET_PATH } from '../../../build/border.js';
import { socketForm } from '../../../web/socket-url.js';
import * as limits from '../limits.js';
import { reasonOf, todoOf } from './answers.js';
import { iceForm, partsOf } from './ice.js';
import { memberText } from './script.js';
import { meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */

/** Others have members of that name too. */
const isSocket = (/** @type {string} */ text) => text.includes('/') && URL.canParse(text, 'https://host');

/** Where the page looks for the coordinator, as far as its scripts say so. @param {Case} site */
export function socketUrl({ scripts, page }) {
  const given = scripts.flatMap(({ facts }) =>
    facts.starts.map(({ arguments: [options] }) => textOf(meantBy(facts, writtenOf(facts, options)?.members.get('socket')))),
  );
  const said = given.find((text) => text !== null && URL.canParse(text, page.href));
  const url = new URL(said ?? memberText(scripts, 'socket', isSocket) ?? SOCKET_PATH, page);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  return url;
}

/** @typedef {{ welcome: true } | { status: number, body: string } | { error: string }} Reply */

/** @param {Case} site @param {URL} url @returns {Promise<Reply>} */
function knock({ page, signal, bounds }, url) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { origin: page.origin, handshakeTimeout: bounds.answerMs });
    const end = (/** @type {Reply} */ reply) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve(reply);
      socket.terminate();
    };
    const stop = () => {
      reject(signal.reason);
      end({ error: '' });
    };
    const isOpen = () => socket.readyState === WebSocket.OPEN;
    const timer = setTimeout(() => end({ error: isOpen() ? 'it says nothing' : 'it did not answer in time' }), bounds.answerMs);
    signal.addEventListener('abort', stop);
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'hello', version: protocolVersion, browser: randomBytes(16).toString('hex') }));
    });
    socket.on('message', (data) => {
      const text = data.toString();
      if (/"origin-refused"/.test(text)) end({ status: 403, body: text.slice(0, 100) });
      else end(/"welcome"/.test(text) ? { welcome: true } : { error: `it says ${text.slice(0, 100)}` });
    });
    socket.on('unexpected-response', (_, response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('error', () => {});
      response.on('close', () => end({ status: response.statusCode ?? 0, body: body.slice(0, 100) }));
    });
    socket.on('error', (error) => end({ error: reasonOf(error) }));
    socket.on('close', (status, reason) => end({ error: `it closes the connection (${status} ${reason})` }));
  });
}

const forward =
  'Forward WebSocket upgrades of that path to the server that has the coordinator (nginx: proxy_http_version 1.1; ' +
  'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade").';

/** What to do about a coordinator that refuses, by the code that it says. @type {Record<string, string>} */
const refusals = {
  'rate-limited':
    'If a proxy stands in front, let it add to X-Forwarded-For and count it in trustProxy (--trust-proxy); if many visitors ' +
    'share an address, raise socketsPerAddress.',
  'too-many-peers': 'That coordinator has no room for more visitors: start others beside it on one Redis (--redis).',
  'version-mismatch': 'That coordinator is of another version: install the release at it that the site has.',
  'engine-failed': 'That coordinator has failed: its log says why. Start it again.',
  'shutting-down': 'That coordinator ends: look again when another one has taken its place.',
  'token-refused': "The token in the page's `socket` is too old, or of another key or site: the coordinator's log says which.",
};

/** What to do about a socket that welcomes nobody. @param {string} error */
function todoOfError(error) {
  // A coordinator says its code in a message, or as it closes the socket.
  const refusal = refusals[/(?:"code":"|\(\d+ )([a-z-]+)/.exec(error)?.[1] ?? ''];
  if (refusal) return refusal;
  // Whoever speaks WebSocket there, and otherwise, is another.
  if (/^it (?:says|closes)|subprotocol|Sec-WebSocket|Upgrade header|frame/i.test(error))
    return 'Something else answers there: give the coordinator a path of its own (`path` of attach(), `socket` of start()).';
  if (error.startsWith('the connection ended')) return forward;
  const run = 'Run a coordinator: attach(server), or `peer-cdn coordinator`.';
  return error.startsWith('nothing listens') ? run : todoOf(error, run);
}

/** What to do about an answer that is no upgrade. @param {number} status @param {string} body */
function todoOfAnswer(status, body) {
  const refusal = refusals[body.split(':', 1)[0]];
  if (refusal) return refusal;
  if (status >= 300 && status < 400) return 'Give start() the `socket` that this leads to: browsers follow no redirect there.';
  if (status >= 502 && status <= 504)
    return 'The proxy reaches no coordinator: run one (`peer-cdn coordinator`) where the proxy looks for it.';
  return `${forward} Where the host runs no server of yours, start() takes the coordinator's address: { socket: 'wss://...' }.`;
}

/** @param {Case} site @param {URL} url */
export async function checkSocket(site, url) {
  const { findings, page } = site;
  if (page.protocol === 'https:' && url.protocol === 'ws:') {
    findings.wrong(
      'coordinator',
      `${url.href} is not secure, and the page is`,
      'Give start() a socket of wss: browsers refuse mixed content.',
    );
    return;
  }
  if (!socketForm.test(url.href)) {
    findings.wrong('coordinator', `${url.href} is no URL of a WebSocket`, 'Give start() a path or a URL of wss:, without a #.');
    return;
  }
  const reply = await knock(site, url);
  if ('welcome' in reply) {
    findings.right('coordinator', `${url.href} welcomes a visitor of ${page.origin}`);
  } else if ('error' in reply) {
    findings.wrong('coordinator', `${url.href}: ${reply.error}`, todoOfError(reply.error));
  } else if (reply.status === 403 && /origin-refused/.test(reply.body)) {
    const todo = [
      'Keep the Host header at the proxy (nginx: proxy_set_header Host $http_host),',
      `or name the site: attach(server, { origins: ['${page.origin}'] }).`,
    ].join(' ');
    findings.wrong('coordinator', `${url.href} does not serve ${page.origin} (origin-refused)`, todo);
  } else if (reply.status === 401 && /^token-refused/.test(reply.body) && !url.searchParams.has('token')) {
    // The page gets one from the site's server, where no script shows it.
    findings.notChecked('coordinator', `${url.href} wants a token, and no script here has one`);
  } else {
    const { status, body } = reply;
    findings.wrong('coordinator', `${url.href} answers an upgrade with ${status}`, todoOfAnswer(status, body));
  }
}

/** A STUN binding request, and whether an answer is to it (RFC 8489). */
function stunQuestion() {
  const id = randomBytes(12);
  const question = Buffer.concat([Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), id]);
  return { question, isAnswer: (/** @type {Buffer} */ data) => data.length >= 20 && data.subarray(8, 20).equals(id) };
}

/** @param {string} host @param {number} port @param {AbortSignal} signal */
async function askUdp(host, port, signal) {
  const { address, family } = await lookup(host);
  const { question, isAnswer } = stunQuestion();
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    const again = setInterval(() => socket.send(question, port, address), limits.doctorIceMs / 6);
    const end = (/** @type {Error | null} */ error) => {
      clearInterval(again);
      clearTimeout(timer);
      signal.removeEventListener('abort', late);
      socket.close();
      if (error) reject(error);
      else resolve(undefined);
    };
    const late = () => end(new Error('it does not answer by UDP'));
    const timer = setTimeout(late, limits.doctorIceMs);
    signal.addEventListener('abort', late);
    socket.on('error', (error) => end(error));
    socket.on('message', (data) => isAnswer(data) && end(null));
    socket.send(question, port, address);
  });
}

/** @param {string} host @param {number} port @param {AbortSignal} signal */
function askTcp(host, port, signal) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: limits.doctorIceMs, signal });
    socket.on('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('timeout', () => socket.destroy(new Error('it does not answer by TCP')));
    socket.on('error', reject);
  });
}

/** @param {Case} site */
export async function checkIce({ findings, options, signal }) {
  if (!options.ice?.length) return findings.notChecked('ICE servers', 'none was given by --ice');
  for (const text of options.ice) {
    const found = partsOf(text);
    if (!found) {
      findings.wrong('ICE servers', `${text} is no URL of an ICE server`, iceForm);
      continue;
    }
    const { isSecure, host, port, transport } = found;
    const at = Number(port ?? (isSecure ? 5349 : 3478));
    const name = host.replace(/^\[|\]$/g, '');
    try {
      await (isSecure || transport === 'tcp' ? askTcp(name, at, signal) : askUdp(name, at, signal));
      findings.right('ICE servers', `${text} answers`);
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
      findings.wrong(
        'ICE servers',
        `${text}: ${code ?? message}`,
        'Look whether it runs, and whether a firewall lets that port through.',
      );
    }
  }
}
