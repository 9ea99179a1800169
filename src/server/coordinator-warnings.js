// What a coordinator tells its operator. No warning names an address or a visitor.
import * as limits from './limits.js';
import { call, warnProcess } from './warnings.js';

/** @typedef {{ code: string, message: string } & Record<string, unknown>} Warning */

/** What is wrong with a token, and what helps. @type {Record<import('./tokens.js').Refused, string>} */
const tokens = {
  missing: "its socket's URL has no ?token=",
  forged: 'its token was made with another key, or is not whole',
  'of-another-site': 'its token is for another site',
  'of-no-resources': `its resources are no list of at most ${limits.tokenRoots} roots, each by 16 hex digits or more`,
  expired: 'its token is too old: give mintToken() more seconds, or set the clock of the machine that makes tokens',
};

export class CoordinatorWarnings {
  #listener;
  /** When the operator was told last, by the code of a warning that is not always told. @type {Map<string, number>} */
  #toldAt = new Map();

  /** @param {((warning: any) => void) | null | undefined} listener none: the process is warned */
  constructor(listener) {
    this.#listener = listener;
  }

  /** @param {Warning} warning */
  tell(warning) {
    call(this.#listener ?? warnProcess, warning);
  }

  /** Tells of a code again only when so many milliseconds are over. @param {Warning} warning @param {number} ms */
  #tellAfter(warning, ms) {
    const now = performance.now();
    if (now < (this.#toldAt.get(warning.code) ?? -Infinity) + ms) return;
    this.#toldAt.set(warning.code, now);
    this.tell(warning);
  }

  /** @param {Warning} warning */
  #tellOnce(warning) {
    this.#tellAfter(warning, Infinity);
  }

  /** A crowd repeats a refusal, so the operator is told of it once a minute. @param {Warning} warning */
  #tellOfRefusal(warning) {
    this.#tellAfter(warning, limits.refusalToldMs);
  }

  /** @param {string} message refusalOf() a page */
  originRefused(message) {
    this.#tellOfRefusal({ code: 'origin-refused', message });
  }

  /** @param {string} site @param {keyof typeof tokens} why */
  tokenRefused(site, why) {
    const message = `a page of ${site} was refused: ${tokens[why]}`;
    this.#tellOfRefusal({ site, code: 'token-refused', message });
  }

  /** @param {string} site @param {number} sockets that the address has */
  addressRefused(site, sockets) {
    const message =
      `an address that has ${sockets} sockets open was refused one more: if many visitors share it, raise socketsPerAddress; ` +
      'if it is a proxy of yours, count it in trustProxy';
    this.#tellOfRefusal({ site, sockets, code: 'rate-limited', message });
  }

  /** @param {string} site */
  tooManyPeers(site) {
    const message = `a page of ${site} was refused, because this process has no room for more: start others on the same redis`;
    this.#tellOfRefusal({ site, code: 'too-many-peers', message });
  }

  /** @param {number} connections that the server has */
  connectionRefused(connections) {
    const message =
      `the server has ${connections} connections open, and refused one more: raise the limit of open files (ulimit -n, ` +
      'LimitNOFILE of systemd) or maxConnections of your own server, or start more processes on one redis';
    this.#tellOfRefusal({ connections, code: 'too-many-connections', message });
  }

  upgradeTaken() {
    const message =
      'an upgrade was handed over that is taken already: of all listeners of upgrades let one only call handleUpgrade(), and ' +
      'give other WebSocket servers a path of their own';
    this.#tellOnce({ code: 'upgrade-taken', message });
  }

  /** @param {string} why */
  proxyHeaderRefused(why) {
    const message =
      `a header of the PROXY protocol was refused, because ${why}: let the balancer send it (HAProxy: send-proxy-v2), name the ` +
      'balancer in proxies, and let tools that ask for /health or /metrics come by another port (metricsPort)';
    this.#tellOnce({ code: 'proxy-header-refused', message });
  }

  /** Without it every visitor would have the proxy's address: nobody would be near anybody, and no limit would hold. */
  proxyNotTrusted() {
    const message =
      'a proxy stands in front, so the addresses of visitors are not known: set trustProxy to the number of proxies ' +
      'that add to X-Forwarded-For or Forwarded';
    this.#tellOnce({ code: 'proxy-not-trusted', message });
  }

  /** @param {number} hops @param {'fewer' | 'more'} there are than hops says */
  proxiesMiscounted(hops, there) {
    const had = {
      fewer:
        "fewer addresses, so that the visitor's is not known: let each proxy add the address that it sees, and count them again",
      more: "a private address in the visitor's place, behind a public one: count the proxy that has the private address too",
    };
    const message = `trustProxy is ${hops}, and a handshake came whose X-Forwarded-For (or Forwarded) has ${had[there]}`;
    this.#tellOnce({ code: 'address-untold', message });
  }

  /** @param {string} site @param {number} other the number of a process */
  processesApart(site, other) {
    const message =
      `process ${other} of this machine serves ${site} too, and visitors of the two never meet: give both the same redis ` +
      '(attach(server, { redis }), --redis)';
    this.tell({ site, process: other, code: 'processes-apart', message });
  }

  frameRefused() {
    const message =
      'what came over Redis cannot be used: something else writes to our channels, or a coordinator of another version, or ' +
      'there are too many coordinators';
    this.#tellOnce({ code: 'frame-refused', message });
  }

  /** @param {string} message what is wrong with the operator's classifier */
  classifyFailed(message) {
    this.tell({ code: 'classify-failed', message });
  }
}
