// What one test opens, closed again when it ends, however it ends.
import {openChromium, openFirefox} from './browsers.mjs';
import {openSite} from './site.mjs';

/** @param {import('node:test').TestContext} t */
export function scene(t) {
  const open = [];
  t.after(async () => {
    await Promise.allSettled(open.reverse().map((one) => one.close()));
  });
  const keep = async (opening) => {
    const one = await opening;
    open.push(one);
    return one;
  };
  return {
    /** @param {Parameters<typeof openSite>} args */
    site: (...args) => keep(openSite(...args)),
    chromium: (options) => keep(openChromium(options)),
    firefox: (options) => keep(openFirefox(options)),
    keep,
  };
}
