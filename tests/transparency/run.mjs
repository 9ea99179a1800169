// One engine: the combinations in a page with peer-cdn and in two without it, side by side.
import { setTimeout as delay } from 'node:timers/promises';

import { openChromium, openFirefox, openWebKit, until } from '../e2e/harness/index.mjs';
import { observablesOf } from './compare.mjs';
import { makeFolder, Origin } from './origin.mjs';

/** Combinations at the same time in one page: fewer than the connections that a browser opens to one host. */
const width = 4;
/** Of those whose answers are held back: each keeps its connection for seconds. */
const heldWidth = 2;
/** In one call of a page. */
const batch = 60;
/** Firefox stops a worker that has had nothing to do for so long, where a test says so. */
const idleMs = 500;
const settleMs = 20_000;

const chromiumStops = (visitor) => visitor.stopWorkers();
const firefoxStops = () => delay(3 * idleMs);

/** `stoppable` opens a browser whose workers `stop` can stop; without one they live as long as they like. */
const engines = {
  chromium: { open: () => openChromium(), stop: chromiumStops },
  firefox: {
    open: () => openFirefox(),
    stoppable: () =>
      openFirefox({
        preferences: { 'dom.serviceWorkers.idle_timeout': idleMs, 'dom.serviceWorkers.idle_extended_timeout': idleMs },
      }),
    stop: firefoxStops,
  },
  webkit: { open: () => openWebKit() },
};

/** The combinations that an engine can be asked for. */
export const possible = (engine, combinations) =>
  combinations.filter(({ stage }) => engines[engine].stop || !stage.includes('stopped'));

/** In the page. */
const observeAll = ({ list, places, width }) =>
  globalThis.suite.each(list, width, (each) => globalThis.suite.observe(each, places));
const observeDocument = () => ({
  title: document.title,
  root: document.documentElement.localName,
  url: location.pathname.replace(/.*\//, '') + location.search,
  referrer: document.referrer,
  type: document.contentType,
});
const warmAll = ({ list, width }) => globalThis.suite.each(list, width, globalThis.suite.warm).then(() => true);
const askWorker = (word) =>
  new Promise((resolve) => {
    const { controller } = navigator.serviceWorker ?? {};
    if (!controller) return resolve('none');
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    controller.postMessage(word, [port2]);
  });

/** One site with one visitor. */
class Side {
  /** @type {Record<string, Record<string, string>>} by key */
  seen = {};
  /** What happened, by key: who, what, when. @type {Record<string, [string, string, number][]>} */
  steps = {};

  constructor(origin, isOurs) {
    this.origin = origin;
    this.isOurs = isOurs;
  }

  get #places() {
    return { site: this.origin.url, other: this.origin.other };
  }

  /** Opens the runner, twice: the second time its worker is there from the first request on. */
  async open(visitor) {
    this.visitor = visitor;
    for (let i = 0; i < 2; ++i) await visitor.visit(`${this.origin.url}/runner.html`);
  }

  async warm(list) {
    await this.visitor.run(warmAll, { list, width });
    if (this.isOurs) await this.#settle();
  }

  /** The worker writes to its store when nobody waits: until two looks, one after the other, find the same. */
  async #settle() {
    let before = -1;
    await until(
      'the store is written',
      async () => {
        const { length } = await this.visitor.stored();
        const isSame = length === before && this.origin.isIdle;
        before = length;
        return isSame;
      },
      { withinMs: settleMs, everyMs: 700 },
    ).catch(() => {});
  }

  async measure(list, atOnce = width) {
    this.origin.mark(list.map(({ key }) => key));
    const isNavigation = ({ probe }) => probe === 'navigation';
    const isHeld = ({ file }) => file.kind.includes('held');
    const isFrame = ({ probe }) => probe === 'frame';
    const asked = list.filter((each) => !isNavigation(each) && !isFrame(each));
    for (const [some, most] of [
      [asked.filter((each) => !isHeld(each)), atOnce],
      [asked.filter(isHeld), Math.min(atOnce, heldWidth)],
      // A call counts as the visitor's own act for some seconds, and what frames ask for says so (Sec-Fetch-User).
      ...list.filter(isFrame).map((each) => [[each], 1]),
    ]) {
      const found = await this.visitor.run(observeAll, { list: some, places: this.#places, width: most });
      for (const [key, { steps = [], ...seen }] of Object.entries(found)) {
        this.seen[key] = seen;
        this.#note(key, 'page', steps);
      }
    }
    for (const combination of list.filter(isNavigation)) await this.#navigate(combination);
    if (!this.isOurs) return;
    // A worker that was stopped has forgotten what it was asked before that.
    for (const [pathname, ...step] of await this.visitor.run(askWorker, 'steps')) {
      const key = pathname.match(/^\/c\/([0-9a-f]+)\//)?.[1];
      if (key) this.#note(key, 'worker', [step]);
    }
  }

  #note(key, who, steps) {
    this.steps[key] ??= [];
    this.steps[key].push(...steps.map(([what, at]) => [who, what, at]));
  }

  /** What a whole tab shows: no page can ask for that. */
  async #navigate({ key, file }) {
    const tab = await this.visitor.newTab();
    try {
      await tab.goto(`${this.origin.url}/c/${key}/file.${file.extension}`);
      const seen = await this.visitor.run(observeDocument, undefined, tab);
      this.seen[key] = Object.fromEntries(Object.entries(seen).map(([name, value]) => [`document ${name}`, String(value)]));
    } catch (error) {
      this.seen[key] = { error: error.name };
    } finally {
      await tab.close();
    }
  }

  /** One after the other, each as the first that a new worker is asked. */
  async measureStopped(list, stop) {
    for (const combination of list) {
      for (let turn = 0; turn < 3; ++turn) {
        const life = this.isOurs ? await this.visitor.run(askWorker, 'life') : '';
        if (this.isOurs) await stop(this.visitor);
        await this.measure([combination], 1);
        if (!this.isOurs || (await this.visitor.run(askWorker, 'life')) !== life) break;
        if (turn === 2) this.seen[combination.key].stopped = 'it was not';
      }
    }
  }

  /** When nothing is under way any more, what the origin was asked joins what the page saw. */
  async finish(list) {
    await until('the origin is idle', () => this.origin.isIdle, { withinMs: settleMs }).catch(() => {});
    for (const combination of list) {
      const entries = this.origin.entries(combination.key);
      Object.assign(this.seen[combination.key], observablesOf(entries, combination));
      for (const { steps } of entries) this.#note(combination.key, 'origin', steps);
    }
  }
}

const inBatches = (list) =>
  Array.from({ length: Math.ceil(list.length / batch) }, (_, i) => list.slice(i * batch, (i + 1) * batch));

/**
 * What each side saw.
 * @param {string} engine
 * @param {import('./combinations.mjs').Combination[]} combinations
 * @param {(text: string) => void} say
 */
export async function runEngine(engine, combinations, say) {
  const { open, stoppable, stop } = engines[engine];
  const { folder, remove } = makeFolder(combinations);
  const toClose = [];
  const keep = (one) => (toClose.push(one), one);
  try {
    const sides = [];
    for (const isOurs of [true, false, false]) {
      sides.push(new Side(keep(await Origin.start(combinations, isOurs ? folder : null)), isOurs));
    }
    const all = (work) => Promise.all(sides.map(work));
    const through = async (opening, parts) => {
      await all(async (side) => side.open(keep(await opening())));
      for (const [what, list, work] of parts) {
        let done = 0;
        for (const some of inBatches(list)) {
          await all((side) => work(side, some));
          done += some.length;
          say(`${engine}: ${what} ${done} of ${list.length}`);
        }
      }
    };
    const isStopped = ({ stage }) => stage.includes('stopped');
    const isSecond = ({ stage }) => stage.includes('second');
    const stopped = combinations.filter(isStopped);
    const others = combinations.filter((each) => !isStopped(each));
    const stages = (list, measure) => [
      ['visited', list.filter(isSecond), (side, some) => side.warm(some)],
      ['compared', list, measure],
    ];
    const lastStage = stages(stopped, (side, some) => side.measureStopped(some, stop));
    await through(open, [...stages(others, (side, some) => side.measure(some)), ...(stoppable ? [] : lastStage)]);
    if (stoppable && stopped.length > 0) {
      await all((side) => side.visitor.close());
      await through(stoppable, lastStage);
    }
    await all((side) => side.finish(combinations));
    const [ours, control, again] = sides.map(({ seen }) => seen);
    return { ours, control, again, steps: sides.map((side) => side.steps) };
  } finally {
    await Promise.allSettled(toClose.reverse().map((one) => one.close()));
    remove();
  }
}
