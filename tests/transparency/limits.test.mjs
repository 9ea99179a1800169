// What is documented as different stands in README's Limits, sentence by sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documented } from './documented.mjs';

test('README has a line for each kind of difference, and there are thirty at the most', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const limits = readme.slice(readme.indexOf('\n## Limits'), readme.indexOf('\n## Error codes'));
  for (const { kind, limit } of documented) assert.ok(limits.includes(`\n- ${limit}\n`), kind);
  assert.ok(documented.length <= 30);
});
