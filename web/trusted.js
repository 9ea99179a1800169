// A script's URL where the site demands Trusted Types, under the policy `peer-cdn`. The scripts are the site's own: ours, or
// those that it named.

/** @type {{ createScriptURL: (url: string) => any } | null | undefined} */
let policy;

/** @param {unknown} url a string, a URL, or a TrustedScriptURL, which is used as it is @returns {any} */
export function trusted(url) {
  if (typeof url !== 'string' && !(url instanceof URL)) return url;
  try {
    policy ??= /** @type {any} */ (globalThis).trustedTypes?.createPolicy('peer-cdn', {
      createScriptURL: (/** @type {string} */ each) => each,
    });
  } catch {
    // The site's policy has no such name, or another copy of us has taken it.
    policy = null;
  }
  return policy ? policy.createScriptURL(String(url)) : String(url);
}
