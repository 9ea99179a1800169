// A coordinator's options, read when it is made: a mistake fails there, and not at the first visitor.
import { SOCKET_PATH } from '../../build/border.js';
import { readOrigins } from './admission.js';
import * as limits from './limits.js';
import { attachNames, badOption as wrong, checkKinds } from './names.js';
import { checkToken } from './tokens.js';

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
 * @param {import('./coordinator.js').AttachOptions} options
 */
export function readOptions(options) {
  checkKinds(options, attachNames, 'attach()');
  const path = options.path ?? SOCKET_PATH;
  checkPath(path);
  const { origins, tokenKeys } = options;
  const isList = Array.isArray(origins) && origins.length > 0;
  if ((origins ?? undefined) !== undefined && !isList) {
    throw wrong(
      `origins takes a list of sites, as ['https://example.org'], not ${typeof origins === 'string' ? `'${origins}'` : JSON.stringify(origins)}`,
    );
  }
  if (tokenKeys !== undefined) checkToken(tokenKeys, '', '');
  const socketsPerAddress = options.socketsPerAddress ?? limits.socketsPerAddress;
  if (!Number.isInteger(socketsPerAddress) || socketsPerAddress < 1) {
    throw wrong(`socketsPerAddress takes a whole number from 1, not ${socketsPerAddress}`);
  }
  // True is one.
  const hops = Number(options.trustProxy ?? 0);
  return { path, sites: isList ? readOrigins(origins) : null, hops, socketsPerAddress };
}
