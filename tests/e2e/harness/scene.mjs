// What one test opens, closed again when it ends, however it ends.
import { after } from 'node:test';

import { openChromium, openFirefox, openWebKit } from './browsers.mjs';
import { openSite } from './site.mjs';

/**
 * Chromium processes of this test file that no test uses now. A process takes seconds of a processor to start; each site
 * has a port, and so an origin, of its own, to which workers, caches and storage belong.
 * @type {import('./browsers.mjs').Visitor[]}
 */
const idle = [];
after(() => Promise.allSettled(idle.map((browser) => browser.close())));

// One of each is enough while somebody waits: the long run says PEER_CDN_ENGINES=all.
const chosen = (list) => (process.env.PEER_CDN_ENGINES === 'all' ? list : list.slice(0, 1));

/** The browsers that tests of both of them go through. */
export const browsers = chosen(/** @type {const} */ (['chromium', 'firefox']));

/** Where a page's engine runs: in each browser in a worker, and where there is none, in the page. `options` are a visitor's. */
export const engines = chosen([
  { where: 'chromium', kind: 'chromium', options: {} },
  { where: 'firefox', kind: 'firefox', options: {} },
  { where: 'the engine in the page', kind: 'chromium', options: { init: () => delete globalThis.Worker } },
]);

/** @param {import('node:test').TestContext} t */
export function scene(t) {
  const open = [];
  const borrowed = [];
  t.after(async () => {
    await Promise.allSettled(open.reverse().map((one) => one.close()));
    for (const browser of borrowed) {
      if (browser.isAlive) idle.push(browser);
      else await browser.close();
    }
  });
  /** A visitor in a process that nobody else is in. */
  const borrow = async (init) => {
    const browser = idle.pop() ?? (await openChromium());
    borrowed.push(browser);
    return browser.anotherPage(init);
  };
  const keep = async (opening) => {
    const one = await opening;
    open.push(one);
    return one;
  };
  return {
    /** @param {Parameters<typeof openSite>} args */
    site: (...args) => keep(openSite(...args)),
    /**
     * A visitor in a Chromium process of its own: one that was started before, unless it is to have flags.
     * @param {Parameters<typeof openChromium>[0]} [options]
     */
    chromium: ({ flags = [], init } = {}) => keep(flags.length > 0 ? openChromium({ flags, init }) : borrow(init)),
    firefox: (options) => keep(openFirefox(options)),
    webkit: (options) => keep(openWebKit(options)),
    keep,
  };
}
