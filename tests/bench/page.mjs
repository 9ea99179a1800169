// What a transfer costs the page that it runs in: long tasks, and main-thread time per MB received.
import {setTimeout as delay} from 'node:timers/promises';
import {closing, fileUrl, openPair, transferOurs} from './ours.mjs';
import {median, rounded} from './stats.mjs';

const bytes = 32 * 1024 * 1024;

/** In the page: notes every task of more than 50 ms. */
function watch() {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const {duration} of list.getEntries()) globalThis.longTasks.push(Math.round(duration));
  }).observe({type: 'longtask'});
}

/** What the main thread of a visitor's page does: `begin()`, then `end()` gives `{ms, span, longTasks}`. */
async function gauge(visitor) {
  const session = await visitor.context.newCDPSession(visitor.page);
  await session.send('Performance.enable');
  await visitor.run(watch);
  const taskMs = async () => {
    const {metrics} = await session.send('Performance.getMetrics');
    return 1000 * metrics.find(({name}) => name === 'TaskDuration').value;
  };
  let [from, began] = [0, 0];
  return {
    async begin() {
      await visitor.run(() => void (globalThis.longTasks.length = 0));
      [from, began] = [await taskMs(), performance.now()];
    },
    async end() {
      const ms = await taskMs() - from;
      const span = performance.now() - began;
      // The observer is told of a task after its end.
      await delay(100);
      return {ms, span, longTasks: await visitor.run(() => [...globalThis.longTasks])};
    },
  };
}

/** Milliseconds of main thread in `span` with nothing to do. */
async function idle(gauges, span) {
  await Promise.all(gauges.map((each) => each.begin()));
  await delay(span);
  return (await Promise.all(gauges.map((each) => each.end()))).map(({ms}) => ms);
}

export function measure({say, runs = 5}) {
  return closing(async (keep) => {
    const {seeder, reader} = await openPair(runs, bytes, keep);
    const gauges = [await gauge(reader), await gauge(seeder)];
    const raw = {receiving: [], seeding: []};
    for (let run = 0; run < runs; ++run) {
      await Promise.all(gauges.map((each) => each.begin()));
      const {ms} = await transferOurs(reader, fileUrl(run));
      const [receiving, seeding] = await Promise.all(gauges.map((each) => each.end()));
      const resting = await idle(gauges, receiving.span);
      for (const [name, taken, rest] of [['receiving', receiving, resting[0]], ['seeding', seeding, resting[1]]]) {
        const cost = {msPerMB: rounded((taken.ms - rest) / (bytes / 1e6)), longTasks: taken.longTasks};
        raw[name].push(cost);
        say(`${name} ${cost.msPerMB} ms of main thread per MB, long tasks [${cost.longTasks}], in ${Math.round(ms)} ms`);
      }
    }
    return {
      json: {
        longTasks: raw.receiving.reduce((sum, each) => sum + each.longTasks.length, 0),
        mainThreadMsPerMB: median(raw.receiving.map(({msPerMB}) => msPerMB)),
      },
      raw,
    };
  });
}
