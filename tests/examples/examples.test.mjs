// The sites of examples/, each installed by its own lock beside the packed package, started as its README says, and visited by
// two browsers: what the second one's page shows came from the first.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../../scripts/run.mjs';
import { until } from '../e2e/harness/index.mjs';
import { pack } from '../integration/folder.mjs';
import { inFront, isRight, share } from '../integration/two-visitors.mjs';
import { answering, freePort, listening, nginxTool, start } from '../server/debian.mjs';

const execute = promisify(execFile);
const minute = 60_000;

/** Where the packed package lies as a repository would, with the examples in it. */
let folder;
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-examples-'));
  await execute('tar', ['-xzf', await pack(folder), '--strip-components=1', '-C', folder]);
  const { stdout } = await execute('git', ['ls-files', '--others', '--cached', '--exclude-standard', 'examples'], { cwd: root });
  for (const file of stdout.trim().split('\n')) fs.cpSync(path.join(root, file), path.join(folder, file));
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const npm = { path: 'npm' };

/** `npm start` there, told of a port. */
const npmStart =
  (...more) =>
  (t, { cwd, port }) =>
    start(t, { ...npm, env: { PORT: String(port) } }, ['start', '--', ...more.map((each) => each.replace('<port>', port))], {
      cwd,
      asGroup: true,
    });

async function startNginx(t, { cwd, port, url }) {
  const socketPort = await freePort();
  const coordinator = npmStart('--port', String(socketPort), '--origin', url)(t, { cwd, port });
  await listening(socketPort);
  const config = fs.readFileSync(path.join(cwd, 'nginx.conf'), 'utf8');
  fs.writeFileSync(path.join(cwd, 'nginx.conf'), config.replace('8080', port).replace('8081', socketPort));
  // Workers of nginx that root starts are somebody else.
  fs.chmodSync(folder, 0o755);
  start(t, await nginxTool(), ['-p', cwd, '-c', 'nginx.conf'], { cwd, asGroup: true });
  return coordinator;
}

/** How each is started, which browser flags it needs, and what its page has when all is there. */
const examples = {
  plain: { begin: npmStart('--port', '<port>'), shows: () => document.images[0].naturalWidth > 0 },
  'vite-react': { begin: npmStart('--port', '<port>', '--host', '127.0.0.1') },
  hls: { begin: npmStart('--port', '<port>'), shows: () => document.querySelector('video').readyState >= 3 },
  three: {
    begin: npmStart(),
    // A machine without a graphics card draws by itself.
    flags: ['--enable-unsafe-swiftshader'],
    shows: () => document.querySelector('canvas').getContext('webgl2') !== null,
  },
  wasm: {
    begin: npmStart('--port', '<port>'),
    shows: () => /nearest star is \w+, at/.test(document.querySelector('#nearest').textContent),
  },
  next: { begin: npmStart('--port', '<port>') },
  nginx: { begin: startNginx, needs: nginxTool },
};

for (const [name, { begin, needs, flags = [], shows = () => true }] of Object.entries(examples)) {
  test(`examples/${name}`, { timeout: 5 * minute }, async (t) => {
    if (needs && !(await needs())) return t.skip('nginx is not to be had here');
    const cwd = path.join(folder, 'examples', name);
    await execute('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], { cwd, maxBuffer: 1 << 26 });
    const [port, outerPort] = [await freePort(), await freePort()];
    const url = `http://localhost:${outerPort}`;
    const { output, child } = await begin(t, { cwd, port, url });
    const isOver = new Promise((_, reject) => child.once('exit', () => reject(new Error(`it ended:\n${output()}`))));
    await Promise.race([answering(port), isOver]);
    const origin = await inFront(t, port, outerPort);
    await isRight(url);
    const errors = [];
    const [, second] = await share(t, origin, (visitor) => visitor.visit(url, { ready: false }), { flags, errors });
    await until('the page says where its bytes came from', () =>
      second.run(() => /[1-9]\d* bytes from peers/.test(document.body.textContent)),
    );
    await until('the page shows what it is for', () => second.run(shows));
    assert.deepEqual(errors, []);
    return undefined;
  });
}
