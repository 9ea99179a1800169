// A script's URL where the site demands Trusted Types, under the policy `peer-cdn`. The scripts are the site's own: ours, or
// those that it named.

// A policy is made once a page; we are several bundles.
const KEY = Symbol.for('peer-cdn.policy');
/** @type {any} */
const here = globalThis;

/** @param {unknown} url a string, a URL, or a TrustedScriptURL, which is used as it is @returns {any} */
export function trusted(url) {
  if (typeof url !== 'string' && !(url instanceof URL)) return url;
  try {
    here[KEY] ??= here.trustedTypes?.createPolicy('peer-cdn', { createScriptURL: (/** @type {string} */ each) => each });
  } catch {
    // The site's policy has no such name.
  }
  return here[KEY]?.createScriptURL(String(url)) ?? String(url);
}
