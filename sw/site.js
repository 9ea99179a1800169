// The site of this worker, a scope and a manifest. Whatever has a name ends as src/base/site.hpp says.
import { SITE } from '../build/border.js';
import { callText } from './engine.js';
import { scope } from './scope.js';

/** The worker's scope, as a page finds it at its registration. */
export const scopeUrl = () => scope.registration?.scope ?? new URL('/', location.href).href;

/** How the names of this site end; undefined while that is not known, or the core is off. @type {string | undefined} */
let end;

/** @param {string} manifest its path */
export function nameSite(manifest) {
  const { pathname, search } = new URL(scopeUrl());
  end = callText(SITE, `${pathname}${search}\n${manifest}`);
}

export const siteEnd = () => end;
