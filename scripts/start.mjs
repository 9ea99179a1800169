#!/usr/bin/env node
// npm start: the demo site for a person, on one port, until Ctrl-C.
//   node scripts/start.mjs [--port=8080]
import { buildAll } from './build.mjs';
import { say } from './run.mjs';
import { setup } from './setup.mjs';

const wanted = Number(
  process.argv
    .slice(2)
    .find((arg) => arg.startsWith('--port='))
    ?.slice(7) ??
    process.env.PORT ??
    8080,
);

try {
  await setup('demo');
  await buildAll();
  const { makeSite } = await import('./demo/assets.mjs');
  const { Origin, serveFolder, strictPolicy } = await import('../tests/e2e/harness/index.mjs');
  say('demo site');
  const inner = await serveFolder(await makeSite());
  const origin = await Origin.start({ ...inner, port: wanted, headers: strictPolicy }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${wanted} is in use; choose another: npm start -- --port=9000`);
  });
  process.stdout.write(
    `${origin.url} is ready. Open it in two browsers (or one window and one private window). Ctrl-C ends it.\n`,
  );
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await origin.close();
      process.exit(0);
    });
  }
} catch (error) {
  say(error.message);
  process.exit(1);
}
