// The scripts of the repository, as somebody types them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, run } from '../../scripts/run.mjs';

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
