// The site of this worker, a scope and a manifest. Whatever has a name ends as src/base/site.hpp says.
import { SITE } from '../build/border.js';
import { callText } from './engine.js';
import { scope } from './scope.js';

/** The worker's scope, as a page finds it at its registration. */
export const scopeUrl = () => scope.registration.scope;

/** A path with its query. @param {string} url */
export const pathOf = (url) => {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
};

/** How the names of this site end; undefined while that is not known, or the core is off. @type {string | undefined} */
let end;

/** @param {string} manifest its path */
export function nameSite(manifest) {
  end = callText(SITE, `${pathOf(scopeUrl())}\n${manifest}`);
}

export const siteEnd = () => end;
