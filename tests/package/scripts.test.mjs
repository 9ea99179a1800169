// The scripts of the repository, as somebody types them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

for (const name of ['test', 'bench', 'demo']) {
  test(`npm run ${name} says how it is called, and refuses what it does not know`, async () => {
    const call = (...args) => run(process.execPath, [join(root, `scripts/${name}.mjs`), ...args]);
    const help = await call('--help');
    assert.deepEqual([help.code, help.output.split(':')[0]], [0, 'usage']);
    for (const unknown of ['--helb', 'nothing']) {
      const { code, output } = await call(unknown);
      assert.equal(code, 2, unknown);
      assert.match(output, new RegExp(`${unknown}[^]*usage: npm`));
    }
  });
}

test('a script whose output nobody reads to its end ends as it would, and says nothing of that', async () => {
  const script = join(root, 'scripts/size.mjs');
  const { code } = await run(process.execPath, [script]);
  const child = spawn(process.execPath, [script]);
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  child.stdout.destroy();
  const [status] = await once(child, 'close');
  assert.deepEqual([status, said], [code, '']);
});
