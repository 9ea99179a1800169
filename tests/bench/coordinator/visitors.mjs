// Visitors in a process of their own: a crowd asks so many times a second, whatever comes back, and says how long relaying took.
//   node visitors.mjs <kind> <port> <sockets> [first]
// `first` is the first socket's number, so that two such crowds of one server are strangers.
import { crowdOf, paced } from './load.mjs';

const [kind, port, sockets, first] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const crowd = crowdOf(kind, port, { first });
await crowd.open(sockets);
process.on('disconnect', () => process.exit());
process.on('message', async ({ count, perSecond, round }) => {
  crowd.relayMs = [];
  const began = performance.now();
  await paced(count, perSecond, (i) =>
    crowd.introduce(i % sockets, ((i % sockets) + 7 * (round + Math.floor(i / sockets) + 1)) % sockets),
  );
  process.send({ relayMs: crowd.relayMs, ms: performance.now() - began });
});
process.send({});
