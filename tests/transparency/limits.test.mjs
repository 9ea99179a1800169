// What is documented as different stands in docs/limits.md, sentence by sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documented } from './documented.mjs';

test('docs/limits.md has a line for each kind of difference, and there are thirty at the most', () => {
  const limits = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');
  for (const { kind, limit } of documented) assert.ok(limits.includes(`\n- ${limit}\n`), kind);
  assert.ok(documented.length <= 30);
});
