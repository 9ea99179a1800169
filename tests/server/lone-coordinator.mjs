// A coordinator in a process of its own, which tells its parent the port.
//   node lone-coordinator.mjs <origin> [URL of Redis]
import { serveCoordinator } from '../../src/server/index.js';

const [origin, redis] = process.argv.slice(2);
const { port, drain } = await serveCoordinator({ port: 0, origins: [origin], redis });
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => drain(3000).then(() => process.exit()));
process.send(port);
