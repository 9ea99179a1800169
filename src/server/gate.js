// The way into a coordinator: which upgrades of its server become sockets, and which reports it takes. Others are told why not.
import { Socket as Connection } from 'node:net';
import { WebSocketServer } from 'ws';
import { addressOf, isForwarded, miscounted, networkOf } from './address.js';
import { allowedOrigin, mayReport, refusalOf, refuse } from './admission.js';
import * as limits from './limits.js';
import { answerReport, readReport } from './reports.js';
import { refuseSocket, socketOf } from './sockets.js';
import { readToken } from './tokens.js';
import { Visitors } from './visitors.js';

/** @typedef {import('./upgrades.js').Take} Take */
/** @typedef {import('./upgrades.js').Taker} Taker */

/** @implements {Taker} */
export class Gate {
  refused = { originsRefused: 0, tokensRefused: 0, addressesRefused: 0, handshakesRefused: 0 };
  #handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.messageBytes,
    maxFragments: limits.messageFragments,
    // ws counts pings by what waits to be sent, and ends a socket without a word.
    autoPong: false,
    perMessageDeflate: false,
  });
  #options;
  #sites;
  #hops;
  /** Whether the connections' addresses are what a balancer says. */
  #isTold;
  #visitors;
  #warnings;
  #coordinator;
  /** What came here already: a host may hand an upgrade over twice. @type {WeakSet<import('node:stream').Duplex>} */
  #taken = new WeakSet();

  /**
   * @param {import('./options.js').AttachOptions} options
   * @param {ReturnType<typeof import('./options.js').readOptions>} read what readOptions() says of them
   * @param {import('./coordinator-warnings.js').CoordinatorWarnings} warnings
   * @param {import('./coordinator.js').Coordinator} coordinator
   */
  constructor(options, { sites, hops, socketsPerAddress }, warnings, coordinator) {
    this.#options = options;
    this.#sites = sites;
    this.#hops = hops;
    this.#isTold = Boolean(options.proxyProtocol);
    this.#visitors = new Visitors(socketsPerAddress);
    this.#warnings = warnings;
    this.#coordinator = coordinator;
    this.#handshakes.on('wsClientError', ({ message }, socket) => {
      this.refused.handshakesRefused++;
      refuse(socket, '400 Bad Request', `bad-handshake: ${message}`);
    });
  }

  /** @type {Taker['knows']} */
  knows = (request) => mayReport(request, this.#sites, this.#hops > 0);

  /** @type {Take} */
  upgrade = (request, socket, head) => {
    if (this.#taken.has(socket)) return this.#warnings.upgradeTaken();
    this.#taken.add(socket);
    const origin = this.#originOf(request);
    if (!origin) {
      this.refused.originsRefused++;
      this.#refuseOrigin(request, socket, head);
      return;
    }
    const { refused, covered } = this.#readToken(request, origin);
    if (refused) {
      this.refused.tokensRefused++;
      this.#warnings.tokenRefused(origin, refused);
      refuse(socket, '401 Unauthorized', "token-refused: the socket's URL takes ?token=, of this site and not too old");
      return;
    }
    if (!this.#coordinator.isReady) {
      this.refused.handshakesRefused++;
      refuse(socket, '503 Service Unavailable', 'shutting-down: this coordinator ends', { isForNow: true });
      return;
    }
    const address = this.#addressOf(request);
    const network = address && networkOf(address);
    if (!network && !this.#isTold && this.#hops === 0 && isForwarded(request)) this.#warnings.proxyNotTrusted();
    const isMiscounted = miscounted(request, this.#hops);
    if (isMiscounted) this.#warnings.proxiesMiscounted(this.#hops, isMiscounted);
    if (!this.#visitors.admits(network)) {
      this.refused.addressesRefused++;
      const { most } = this.#visitors;
      this.#warnings.addressRefused(origin, most);
      const reason = `rate-limited: this address has ${most} sockets open, the most that one may have`;
      refuse(socket, '429 Too Many Requests', reason, { isForNow: true });
      return;
    }
    this.#shakeHands(request, socket, head, (webSocket) => {
      this.#visitors.enter(network);
      socket.once('close', () => this.#visitors.leave(network));
      this.#coordinator.accept(socketOf(webSocket, socket), { origin, address, covered });
    });
  };

  /**
   * Refuses what Node could not read as a request, or what did not come whole in time.
   * @param {NodeJS.ErrnoException} error
   * @param {import('node:stream').Duplex} socket
   */
  refuseRequest({ code }, socket) {
    const isSilent = socket instanceof Connection && socket.bytesRead === 0;
    // A visitor who goes, or a balancer that looks whether we are there, refuses itself.
    if (code === 'ECONNRESET' || isSilent || !socket.writable) return void socket.destroy();
    this.refused.handshakesRefused++;
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      refuse(socket, '408 Request Timeout', 'timed-out: the request did not come whole in time');
    } else if (code === 'HPE_HEADER_OVERFLOW') {
      refuse(socket, '431 Request Header Fields Too Large', 'bad-handshake: the head of the request is too long');
    } else refuse(socket, '400 Bad Request', 'bad-handshake: this is no request of HTTP');
  }

  /** @type {Taker['report']} */
  report = (request, response) => {
    if (this.knows(request)) return void this.#report(request, response);
    if (request.headers.origin !== undefined) this.#warnings.originRefused(refusalOf(request, this.#sites, this.#hops > 0));
    this.#refuseReport(request, response, 'origin-refused');
  };

  /**
   * ws throws at a socket that another WebSocket server of the host has taken, and nobody in the host's process would catch it.
   * @type {(...upgrade: [...Parameters<Take>, (webSocket: import('ws').WebSocket) => void]) => void}
   */
  #shakeHands(request, socket, head, then) {
    try {
      this.#handshakes.handleUpgrade(request, socket, head ?? Buffer.alloc(0), then);
    } catch (error) {
      if (!/more than once/.test(/** @type {Error} */ (error).message)) throw error;
      this.#warnings.upgradeTaken();
    }
  }

  /** The origin of a page that may come. @param {import('node:http').IncomingMessage} request */
  #originOf(request) {
    return allowedOrigin(request, this.#sites, this.#hops > 0);
  }

  /** @param {import('node:http').IncomingMessage} request */
  #addressOf(request) {
    return addressOf(request, this.#hops, this.#isTold);
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {string} origin
   * @returns {ReturnType<typeof readToken>}
   */
  #readToken(request, origin) {
    const { tokenKeys } = this.#options;
    if (tokenKeys === undefined) return {};
    const token = new URLSearchParams(String(request.url).split('?')[1]).get('token');
    return token === null ? { refused: 'missing' } : readToken(tokenKeys, token, origin);
  }

  /**
   * No browser shows a page the status of a handshake. So the page is let in, told, and let out.
   * @type {Take}
   */
  #refuseOrigin(request, socket, head) {
    const code = 'origin-refused';
    if (request.headers.origin === undefined) {
      const reason = `${code}: only pages may come, and they name their site in the header Origin`;
      return refuse(socket, '403 Forbidden', reason);
    }
    this.#warnings.originRefused(refusalOf(request, this.#sites, this.#hops > 0));
    this.#shakeHands(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {});
      webSocket.send(JSON.stringify({ type: 'error', code }));
      refuseSocket(webSocket, code);
    });
  }

  /** @type {(...report: Parameters<Taker['report']>) => Promise<void>} */
  async #report(request, response) {
    const address = this.#addressOf(request);
    const network = address === null ? '' : (networkOf(address) ?? '');
    const body = await readReport(request);
    if (body === null) return this.#refuseReport(request, response, 'timed-out');
    const code = this.#coordinator.report(body, network);
    // Nothing is said by an engine that is closed.
    answerReport(request, response, code === undefined ? 'shutting-down' : code);
  }

  /** @type {(...refusal: [...Parameters<Taker['report']>, import('./reports.js').Refusal]) => void} */
  #refuseReport(request, response, code) {
    this.#coordinator.refuseReport();
    answerReport(request, response, code);
  }
}
