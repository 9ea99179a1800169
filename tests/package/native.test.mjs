// The native builds: the preset native-debug takes the compiler that it finds, on Debian g++. The sanitizers' clang, which
// runs the tests, warns of other things.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { inParallel, root, run } from '../../scripts/run.mjs';

test('g++ takes every source of the core, by the flags of native-debug', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'peer-cdn-native-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { code, output } = await run('cmake', ['--preset', 'native-debug', '-B', folder, '-DCMAKE_CXX_COMPILER=g++']);
  assert.equal(code, 0, output);
  const commands = JSON.parse(await readFile(join(folder, 'compile_commands.json'), 'utf8'));
  const core = commands.filter(({ file }) => file.startsWith(join(root, 'src/')));
  assert.ok(core.length > 0);
  const complaints = [];
  await inParallel(core, availableParallelism(), async ({ command, directory, file }) => {
    // Warnings come from the front end, which needs a quarter of the time.
    const check = command.replace(/ -o \S+ -c /, ' -fsyntax-only ');
    assert.notEqual(check, command, command);
    const result = await run('sh', ['-c', check], { cwd: directory });
    if (result.code !== 0) complaints.push(`${relative(root, file)}\n${result.output}`);
  });
  assert.deepEqual(complaints, []);
});
