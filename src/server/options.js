// A coordinator's options, read when it is made: a mistake fails there, and not at the first visitor.
import { SOCKET_PATH } from '../../build/border.js';
import { readOrigins } from './admission.js';
import * as limits from './limits.js';
import { attachNames, badOption as wrong, checkKinds, shown } from './names.js';
import { readToken } from './tokens.js';

/**
 * @typedef {object} AttachOptions
 * @property {string} [path] where clients connect; default '/peer-cdn/ws'
 * @property {string[]} [origins] sites that may use it, as 'https://example.com' or 'https://*.example.com'; default: only
 *     pages of the host that the request names
 * @property {boolean | number} [trustProxy] how many proxies stand in front (true is 1): the host is taken from
 *     X-Forwarded-Host, the visitor's address from X-Forwarded-For or Forwarded, which the proxies must set; default 0
 * @property {boolean} [proxyProtocol] a balancer in front says whose each connection is (the PROXY protocol, version 1 or 2), on
 *     the whole server and as long as it lives: connections without that are refused; default false
 * @property {string[]} [proxies] who may say so, as '192.0.2.1' or '192.0.2.0/24'; default: this machine and private networks
 * @property {number} [socketsPerAddress] sockets of one IPv4 address, or of one /64, where the address is known; default 500
 * @property {(address: string) => string | null | undefined} [classify] a short label for a visitor's address (its AS number, its
 *     country), at most 64 characters, asked once for each socket: visitors of one label are introduced first, after those of one
 *     network. Null, undefined and '': not known. It is not asked of loopback, link-local and private addresses, because they
 *     say nothing of a visitor
 * @property {number} [maxLifetime] seconds until a socket is closed, so that visitors spread over processes that came later:
 *     each lives for at least half of that, by chance. At least 60; default: none is closed
 * @property {(warning: any) => void} [onWarning] `{ code, message }`, and more that fits, as `site`: what an operator should
 *     know, as an entry of your own log. It names no address and no visitor; default: a warning of the process
 * @property {string | string[]} [tokenKeys] only pages with a token may come: one that mintToken() made with any of these keys,
 *     as `?token=` of the socket's URL; default: any page of an allowed origin
 * @property {string} [redis] a URL, as 'redis://localhost:6379' or 'rediss://user:password@host:6380': coordinators on one Redis
 *     act as one, behind any load balancer. Needs the package `redis`
 * @property {(error: Error) => void} [onError] the coordinator failed and is closed; the server lives on
 */

/** A path as requests name it. @param {unknown} path */
function checkPath(path) {
  if (typeof path !== 'string' || !/^\/[^?#]*$/.test(path)) {
    throw wrong(`path must begin with / and have no query, not ${path}`);
  }
  const { pathname } = new URL(`http://localhost${path}`);
  if (path.startsWith('//') || pathname !== path) {
    throw wrong(`path must be as browsers send it, not '${path}': browsers send '${pathname.replace(/^\/+/, '/')}'`);
  }
}

/**
 * Throws of what cannot work, and says what to write instead.
 * @param {AttachOptions} options
 */
export function readOptions(options) {
  checkKinds(options, attachNames, 'attach()');
  const path = options.path ?? SOCKET_PATH;
  checkPath(path);
  const { origins, tokenKeys } = options;
  const isList = Array.isArray(origins) && origins.length > 0;
  if ((origins ?? undefined) !== undefined && !isList) {
    throw wrong(`origins takes a list of sites, as ['https://example.org'], not ${shown(origins)}`);
  }
  if (tokenKeys !== undefined) readToken(tokenKeys, '', '');
  // True is one.
  const hops = Number(options.trustProxy ?? 0);
  const socketsPerAddress = options.socketsPerAddress ?? limits.socketsPerAddress;
  return { path, sites: isList ? readOrigins(origins) : null, hops, socketsPerAddress };
}
