// The type checker reads the bodies of the page's and the server's JavaScript: what is misspelt there fails, and not first
// before a visitor.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

let folder;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'peer-cdn-types-'));
  for (const name of ['sw', 'web', 'src/server', 'package.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  mkdirSync(join(folder, 'build'));
  for (const name of readdirSync(join(root, 'build')).filter((each) => /\.d\.m?ts$/.test(each))) {
    cpSync(join(root, 'build', name), join(folder, 'build', name));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const check = (project) => run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], { cwd: folder });

function edit(file, from, to) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  assert.ok(text.includes(from), `${file} has ${from}`);
  writeFileSync(path, text.replace(from, to));
}

/** Of each project: what it says, and what somebody wrote instead. */
const misspelt = {
  web: {
    'a call of the core': ['web/engine.js', 'this.#core.tell(PEER_HIDDEN)', "this.#core.tell('PEER_HIDDEN')"],
    'the arguments of a call': ['web/resources.js', 'tell(PEER_HELD, handle, begin, end)', 'tell(PEER_HELD, handle, begin)'],
    'what the core asks for': ['web/engine.js', '[OUT_COMPANY]: ({ resource }) =>', '[OUT_COMPANIES]: ({ resource }) =>'],
    'an error code': ['web/readers.js', "'not-in-manifest'", "'not-in-the-manifest'"],
    'a code that the page judges by': ['web/page.js', "message.code === 'malformed-manifest'", "message.code === 'malformed'"],
    'a field of a message of the worker': ['web/shared.js', 'news.done', 'news.isDone'],
    'a message to the worker': ['web/bridge.js', "this.#post('company'", "this.#post('companies'"],
    'a field of a request of the worker': [
      'web/stream.js',
      '{ begin, end, origin, patience }',
      '{ begin, end, origins, patience }',
    ],
    "a call of the page's": ['web/engine.js', "hand('restart', [pair])", "hand('restart', [pair, 1, 2])"],
    'a call of the engine': ['web/page.js', "this.#call('networkChanged', [])", "this.#call('networkChange', [])"],
    'a limit': ['web/seeder.js', 'segmentBytes } from', 'segmentByte } from'],
    'an event': ['web/shared.js', "this.#emit('peers'", "this.#emit('peer'"],
  },
  'src/server': {
    'a call of the engine': ['src/server/running-engine.js', 'engine.wake(now)', 'engine.awake(now)'],
    'the arguments of a call': ['src/server/coordinator.js', 'engine.join(origin, place, now)', 'engine.join(origin, place)'],
    'a call of the core': ['src/server/engine.js', 'this.#core.wake(now)', 'this.#core.awake(now)'],
    'an output': ['src/server/engine.js', 'order === SOCKET_RENUMBER)', 'order === SOCKET_RENUMBERED)'],
    'an error code': ['src/server/coordinator.js', "'too-many-peers'", "'too-many'"],
    'a limit': ['src/server/manifest.js', 'limits.manifestEntries) {', 'limits.manifestEntry) {'],
    'a field of a manifest': ['src/server/manifest.js', 'this.#manifest.resources[url]', 'this.#manifest.resource[url]'],
    'an option of the command': ['src/server/cli.js', "values['any-query']", "values['anyquery']"],
  },
};

for (const [project, cases] of Object.entries(misspelt)) {
  test(`${project}/ passes as it is`, async () => {
    const { code, output } = await check(project);
    assert.equal(code, 0, output);
  });

  for (const [name, [file, from, to]] of Object.entries(cases)) {
    test(`${name} that is misspelt in ${file} fails`, async () => {
      edit(file, from, to);
      const { code, output } = await check(project);
      edit(file, to, from);
      assert.notEqual(code, 0, `${to} passes`);
      assert.ok(output.startsWith(`${file}(`), output);
    });
  }
}
