// Who may join: tokens that the site's own server makes for its visitors, and credentials for a TURN server.
import { createHmac, timingSafeEqual } from 'node:crypto';
import * as limits from './limits.js';
import { badOption, checkNames, outOfRange, tokenNames, turnNames } from './names.js';

/** Of this form; another one begins with another letter. */
const form = 'a';
/** Of a root, 64 digits, as many as a token has. */
const keyDigits = 16;
/** A token is for a page that opens now, and for its reconnects. */
export const tokenSeconds = 3600;

/** Seconds since 1970. @param {number | null | undefined} seconds from now on */
const timeIn = (seconds) => Math.floor(Date.now() / 1000 + (seconds ?? tokenSeconds));

/** @param {string} key @param {string} text */
const sign = (key, text) => createHmac('sha256', key).update(text).digest('base64url');

/** @param {string | string[]} keys */
function listed(keys) {
  const list = [keys].flat();
  if (list.length === 0 || list.some((key) => typeof key !== 'string' || key.length < 16)) {
    throw Object.assign(new TypeError('a key is a text of at least 16 characters'), { code: 'bad-token-keys' });
  }
  return list;
}

/**
 * @typedef {object} TokenOptions
 * @property {string} site the origin whose pages may use it, as 'https://example.com'
 * @property {number} [seconds] how long it may be used; default 3600
 * @property {string[]} [resources] the roots (64 hex digits, as the manifest has them) of the files for which the page may be
 *     introduced to others, at most 200; default: all files of the site
 */

/**
 * Makes a token, with the first of the keys. To rotate keys, put a new one in front, and take the old one away when its last
 * token has expired.
 * @param {string | string[]} keys of at least 16 characters each
 * @param {TokenOptions} options
 */
export function mintToken(keys, options) {
  const [key] = listed(keys);
  checkNames(options, [tokenNames], 'mintToken()');
  const { site, seconds, resources } = options;
  if (!site) throw badOption(`mintToken() takes ${tokenNames.site.form}`);
  if ((resources?.length ?? 0) > limits.tokenRoots) {
    throw outOfRange(`a token names at most ${limits.tokenRoots} resources; without them it covers all files of the site`);
  }
  const claims = {
    site: new URL(site).origin,
    expires: timeIn(seconds),
    ...(resources && { resources: resources.map((root) => root.slice(0, keyDigits)) }),
  };
  const body = `${form}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${body}.${sign(key, body)}`;
}

/** What is signed need not be JSON: not every signer is mintToken(). Null if it says nothing. @param {string} payload */
function parsed(payload) {
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString());
  } catch {
    return null;
  }
}

/** The beginnings of roots that a token names, one after another. Null if these are none. @param {unknown} resources */
function keysOf(resources) {
  if (!Array.isArray(resources) || resources.length > limits.tokenRoots) return null;
  if (!resources.every((root) => typeof root === 'string' && /^[0-9a-f]{16,64}$/.test(root))) return null;
  return Buffer.from(resources.map((root) => root.slice(0, keyDigits)).join(''), 'hex');
}

/**
 * What a token lets a page of that origin do.
 * @param {string | string[]} keys any of them may have signed it
 * @param {string} token
 * @param {string} site the page's origin
 * @returns {{ refused?: Refused, covered?: Buffer }} `covered`: the first eight bytes of each root that it names, if it does
 * @typedef {'missing' | 'forged' | 'expired' | 'of-another-site' | 'of-no-resources'} Refused
 */
export function readToken(keys, token, site) {
  const claims = claimsOf(keys, token);
  if (!claims) return { refused: 'forged' };
  if (claims.site !== site) return { refused: 'of-another-site' };
  // Its time may be a text.
  if (!(typeof claims.expires === 'number' && claims.expires * 1000 > Date.now())) return { refused: 'expired' };
  if (claims.resources === undefined) return {};
  const covered = keysOf(claims.resources);
  return covered ? { covered } : { refused: 'of-no-resources' };
}

/**
 * What was signed with one of the keys; null if nothing was.
 * @param {string | string[]} keys
 * @param {string} token
 */
function claimsOf(keys, token) {
  const known = listed(keys);
  const [first, payload, signature, ...more] = token.split('.');
  if (first !== form || !payload || !signature || more.length > 0) return null;
  const given = Buffer.from(signature);
  const isSigned = known.some((key) => {
    const expected = Buffer.from(sign(key, `${first}.${payload}`));
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
  return isSigned ? parsed(payload) : null;
}

/**
 * @typedef {object} TurnOptions
 * @property {string | string[]} urls of the server, as 'turn:turn.example.org'
 * @property {number} [seconds] how long they may be used; default 3600
 * @property {string} [visitor] stands in coturn's log
 */

/**
 * A visitor's name and password for a TURN server that shares a secret with us (coturn's `use-auth-secret`): one of the
 * `iceServers`.
 * @param {string} secret coturn's `static-auth-secret`
 * @param {TurnOptions} options
 */
export function turnCredentials(secret, options) {
  if (typeof secret !== 'string' || secret === '') throw badOption("turnCredentials() takes coturn's static-auth-secret");
  checkNames(options, [turnNames], 'turnCredentials()');
  const { urls, seconds, visitor } = options;
  if (!urls) throw badOption(`turnCredentials() takes ${turnNames.urls.form}`);
  const username = `${timeIn(seconds)}:${visitor ?? 'peer-cdn'}`;
  return { urls, username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}
