// What a transfer costs the page that it runs in: long tasks, and main-thread time per MB received; beside it a raw data
// channel between the same pages, so that it is known which long tasks are the machine's.
import { setTimeout as delay } from 'node:timers/promises';
import { closing, fileUrl, openPair, transferOurs } from './ours.mjs';
import { connectRaw } from './raw.mjs';
import { interleave, median, rounded } from './stats.mjs';

const bytes = 32 * 1024 * 1024;

// The observer is told of a task after its end; and what is written when the last byte was there is part of a transfer.
const afterwards = 1500;

/** In the page: notes every task of more than 50 ms. */
function watch() {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) globalThis.longTasks.push(Math.round(duration));
  }).observe({ type: 'longtask' });
}

/** Milliseconds of processor of the page's longest task: a long one that took few of them waited for a processor. */
async function watchTasks(visitor) {
  const session = await visitor.context.browser().newBrowserCDPSession();
  const threads = new Map();
  let events = [];
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const event of value) {
      if (event.name === 'thread_name') threads.set(event.tid, event.args.name);
      else if (event.tdur !== undefined) events.push(event);
    }
  });
  return {
    begin: () => session.send('Tracing.start', { traceConfig: { includedCategories: ['toplevel'] } }),
    async end() {
      const over = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
      await session.send('Tracing.end');
      await over;
      const tasks = events.filter(({ name, tid }) => name.endsWith('RunTask') && threads.get(tid) === 'CrRendererMain');
      events = [];
      return rounded(Math.max(0, ...tasks.map(({ tdur }) => tdur)) / 1000);
    },
  };
}

/** What the main thread of a visitor's page does: `begin()`, then `end()` gives `{ms, span, longTasks}`. */
async function gauge(visitor) {
  const session = await visitor.context.newCDPSession(visitor.page);
  await session.send('Performance.enable');
  await visitor.run(watch);
  const taskMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  let [from, began] = [0, 0];
  return {
    async begin() {
      await visitor.run(() => void (globalThis.longTasks.length = 0));
      [from, began] = [await taskMs(), performance.now()];
    },
    async end() {
      await delay(afterwards);
      const ms = (await taskMs()) - from;
      const span = performance.now() - began;
      return { ms, span, longTasks: await visitor.run(() => [...globalThis.longTasks]) };
    },
  };
}

/** Milliseconds of main thread in `span` with nothing to do. */
async function idle(gauges, span) {
  await Promise.all(gauges.map((each) => each.begin()));
  await delay(span - afterwards);
  return (await Promise.all(gauges.map((each) => each.end()))).map(({ ms }) => ms);
}

export function measure({ say, runs = 5 }) {
  return closing(async (keep) => {
    const { seeder, reader } = await openPair(runs, bytes, keep);
    const channel = await connectRaw(seeder, reader);
    const tasks = await watchTasks(reader);
    const gauges = [await gauge(reader), await gauge(seeder)];
    const watched = async (name, work) => {
      await Promise.all([...gauges, tasks].map((each) => each.begin()));
      const ms = await work();
      const [receiving, seeding] = await Promise.all(gauges.map((each) => each.end()));
      const busiestMs = await tasks.end();
      const resting = await idle(gauges, receiving.span);
      const cost = (taken, rest) => ({ msPerMB: rounded((taken.ms - rest) / (bytes / 1e6)), longTasks: taken.longTasks });
      const costs = { receiving: cost(receiving, resting[0]), seeding: cost(seeding, resting[1]), busiestMs };
      say(`${name} in ${Math.round(ms)} ms, main thread per MB and long tasks: ${JSON.stringify(costs)}`);
      return costs;
    };
    const raw = await interleave(
      {
        ours: (run) => watched('ours', async () => (await transferOurs(reader, fileUrl(run))).ms),
        raw: () => watched('raw', () => channel.transfer(bytes)),
      },
      runs,
    );
    const longTasks = (list) => list.flatMap(({ receiving }) => receiving.longTasks).length;
    return {
      json: {
        longTasks: longTasks(raw.ours),
        rawLongTasks: longTasks(raw.raw),
        busiestTaskMs: Math.max(...raw.ours.map(({ busiestMs }) => busiestMs)),
        mainThreadMsPerMB: median(raw.ours.map(({ receiving }) => receiving.msPerMB)),
      },
      raw,
    };
  });
}
