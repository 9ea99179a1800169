// What a transfer costs the page that it runs in: long tasks, and main-thread time per MB received; beside it a raw data
// channel between the same pages, so that it is known which long tasks are the machine's.
import { setTimeout as delay } from 'node:timers/promises';
import { patientWorker } from '../e2e/harness/index.mjs';
import { closing, fileUrl, openPair, read, transferOurs, unwatch } from './ours.mjs';
import { connectRaw } from './raw.mjs';
import { interleave, median, rounded } from './stats.mjs';

const bytes = 32 * 1024 * 1024;
// The first of them is not watched.
const fallbackRuns = 3;

// The observer is told of a task after its end; and what is written when the last byte was there is part of a transfer.
const afterwards = 1500;

/**
 * A plain worker before ours: streams as many bytes from memory, in pieces like ours, in as many milliseconds. A page that
 * reads faster is woken less often for the same bytes.
 */
const memoryWorker = `addEventListener('fetch', (event) => {
  const { pathname, searchParams } = new URL(event.request.url);
  if (pathname !== '/memory') return;
  const piece = new Uint8Array(128 * 1024);
  let left = ${bytes};
  const began = performance.now();
  event.respondWith(
    new Response(
      new ReadableStream({
        async pull(controller) {
          if (left === 0) return controller.close();
          const due = began + (1 - left / ${bytes}) * Number(searchParams.get('ms'));
          const early = due - performance.now();
          if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
          controller.enqueue(piece.slice());
          left -= piece.length;
        },
      }),
    ),
  );
});
${patientWorker()}`;

/** The same site, where the page runs the engine itself. */
const fallbackPage = {
  '/fallback.html': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/fallback.js"></script>',
  '/fallback.js': `delete globalThis.Worker;
const { start } = await import('/peer-cdn/index.js');
window.peerCdn = await start({ worker: '/sw.js' });
document.documentElement.dataset.state = peerCdn.active ? 'ready' : 'off: ' + peerCdn.reason;`,
};

/** In the page: notes every task of more than 50 ms, and the frames of an animation that come late. */
function watch(isAnimated) {
  globalThis.longTasks = [];
  globalThis.lateFrames = 0;
  let last = performance.now();
  const frame = (now) => {
    // Of 60 a second: one or more were left out.
    if (now - last > 25) globalThis.lateFrames++;
    last = now;
    requestAnimationFrame(frame);
  };
  if (isAnimated) requestAnimationFrame(frame);
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
async function gauge(visitor, isAnimated) {
  const session = await visitor.context.newCDPSession(visitor.page);
  // The thread's own time: waits for a processor are the machine's.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await visitor.run(watch, isAnimated);
  const taskMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  let [from, began] = [0, 0];
  return {
    async begin() {
      await visitor.run(() => {
        globalThis.longTasks.length = 0;
        globalThis.lateFrames = 0;
      });
      [from, began] = [await taskMs(), performance.now()];
    },
    async end() {
      await delay(afterwards);
      const ms = (await taskMs()) - from;
      const span = performance.now() - began;
      const { longTasks, lateFrames } = await visitor.run(() => ({ longTasks: [...longTasks], lateFrames }));
      return { ms, span, longTasks, lateFrames };
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
    const { seeder, reader, site } = await openPair(runs + fallbackRuns, bytes, keep, {
      '/sw.js': memoryWorker,
      ...fallbackPage,
    });
    const channel = await connectRaw(seeder, reader);
    const tasks = await watchTasks(reader);
    let gauges = [await gauge(reader, true), await gauge(seeder, false)];
    const watched = async (name, work) => {
      await Promise.all([...gauges, tasks].map((each) => each.begin()));
      const ms = await work();
      const [receiving, seeding] = await Promise.all(gauges.map((each) => each.end()));
      const busiestMs = await tasks.end();
      const resting = await idle(gauges, receiving.span);
      const cost = ({ ms: taken, longTasks, lateFrames }, rest) => ({
        msPerMB: rounded((taken - rest) / (bytes / 1e6)),
        longTasks,
        lateFrames,
      });
      const costs = { receiving: cost(receiving, resting[0]), seeding: cost(seeding, resting[1]), busiestMs };
      say(`${name} in ${Math.round(ms)} ms, main thread per MB and long tasks: ${JSON.stringify(costs)}`);
      return costs;
    };
    let lastMs = 0;
    const raw = await interleave(
      {
        ours: (run) => watched('ours', async () => (lastMs = (await transferOurs(reader, fileUrl(run))).ms)),
        raw: () => watched('raw', () => channel.transfer(bytes)),
        reading: () => watched('reading alone', async () => (await read(reader, `/memory?ms=${lastMs}`)).ms),
      },
      runs,
    );
    for (const visitor of [seeder, reader]) {
      await visitor.visit(`${site.url}/fallback.html`);
      await unwatch(visitor);
    }
    await transferOurs(reader, fileUrl(runs));
    gauges = [await gauge(reader, true), await gauge(seeder, false)];
    raw.fallback = [];
    for (let i = 1; i < fallbackRuns; i++) {
      raw.fallback.push(await watched('fallback', async () => (await transferOurs(reader, fileUrl(runs + i))).ms));
    }
    const longTasks = (list) => list.flatMap(({ receiving }) => receiving.longTasks).length;
    const lateFrames = (list) => list.reduce((sum, { receiving }) => sum + receiving.lateFrames, 0);
    const received = (list) => median(list.map(({ receiving }) => receiving.msPerMB));
    const reading = received(raw.reading);
    return {
      json: {
        msPerMB: rounded(received(raw.ours) - reading),
        withReadingMsPerMB: received(raw.ours),
        rawMsPerMB: received(raw.raw),
        sentMsPerMB: median(raw.ours.map(({ seeding }) => seeding.msPerMB)),
        busiestTaskMs: Math.max(...raw.ours.map(({ busiestMs }) => busiestMs)),
        longTasks: longTasks(raw.ours),
        rawLongTasks: longTasks(raw.raw),
        lateFrames: lateFrames(raw.ours),
        rawLateFrames: lateFrames(raw.raw),
        fallbackMsPerMB: rounded(received(raw.fallback) - reading),
      },
      raw,
    };
  });
}
