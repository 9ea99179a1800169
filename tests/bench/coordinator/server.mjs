// One server of the coordinator's benchmark, in a process of its own, which tells its parent what it uses.
//   node --expose-gc server.mjs <kind> [path of bittorrent-tracker's server, or ours' URL of Redis]
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { attach } from '../../../src/server/index.js';
import { askBytes, introductionBytes } from './words.mjs';

const listen = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));

/** What `ws` itself costs: as many messages of as many bytes, to sockets whose numbers stand in front. Nothing is parsed. */
async function openRelay() {
  const server = createServer();
  const sockets = [];
  const numberAt = (data, at) =>
    (data[at] - 48) * 1000 + (data[at + 1] - 48) * 100 + (data[at + 2] - 48) * 10 + data[at + 3] - 48;
  const webSockets = new WebSocketServer({ server, clientTracking: false, perMessageDeflate: false });
  webSockets.on('connection', (socket) => {
    // The first message is the socket's own number.
    socket.once('message', (data) => {
      sockets[Number(data.toString())] = socket;
    });
    socket.on('message', (data) => {
      if (data.length < 8) return;
      // Of an ask the holder is told.
      if (data.length === askBytes) sockets[numberAt(data, 4)].send(data.subarray(0, introductionBytes), { binary: false });
      else sockets[numberAt(data, 0)].send(data, { binary: false });
    });
  });
  return listen(server);
}

async function openTracker(path) {
  const { default: Tracker } = await import(path);
  const tracker = new Tracker({ udp: false, http: false, ws: true, stats: false });
  return new Promise((done) => tracker.listen(0, '127.0.0.1', () => done(tracker.http.address().port)));
}

async function openOurs(redis) {
  const server = createServer();
  attach(server, {
    origins: ['http://a.example'],
    redis,
    // Of several that are alone the benchmark knows.
    onWarning: ({ code, message }) => code === 'processes-apart' || console.error(`${code}: ${message}`),
  });
  return listen(server);
}

const [kind, path] = process.argv.slice(2);
const port = await { ours: openOurs, tracker: openTracker, relay: openRelay }[kind](path);
process.on('disconnect', () => process.exit());
process.on('message', (what) => {
  if (what === 'collect') globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  process.send({ cpuMicros: user + system, user, system, ...process.memoryUsage() });
});
process.send({ port });
