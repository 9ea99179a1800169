// A release says nothing of the project that its owner has not said.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { published, refusals } from '../../scripts/release.mjs';
import { root } from '../../scripts/run.mjs';

const owner = { repository: 'https://git.example/x.git', homepage: 'https://x.example', bugs: 'https://git.example/x/issues' };
const changelog = '# Changelog\n\n## 1.2.3\n\nNews.\n\n## 1.2.2\n';
const good = { owner, version: '1.2.3', changelog };

test('a release with all that it needs is not refused', () => assert.deepEqual(refusals(good), []));

const bad = {
  'a field of the owner is empty': [{ owner: { ...owner, homepage: '' } }, /owner\.json: homepage/],
  'a field of the owner is missing': [{ owner: {} }, /owner\.json: repository/],
  'a field of the owner is no https URL': [{ owner: { ...owner, bugs: 'mailto:x@x.example' } }, /owner\.json: bugs/],
  'the version is not the newest of the changelog': [{ version: '1.2.4' }, /begins with 1\.2\.3/],
  'the changelog calls it unreleased': [{ changelog: changelog.replace('1.2.3', '1.2.3 (unreleased)') }, /unreleased/],
};
for (const [what, [change, said]] of Object.entries(bad)) {
  test(`a release is refused where ${what}`, () => assert.match(refusals({ ...good, ...change }).join('\n'), said));
}

test("the published package names the owner's places, and the sources name none", () => {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  const { repository, homepage, bugs, name } = JSON.parse(published(text, owner));
  assert.deepEqual(
    [repository.url, homepage, bugs.url, name],
    ['git+https://git.example/x.git', owner.homepage, owner.bugs, 'peer-cdn'],
  );
  for (const field of ['repository', 'homepage', 'bugs']) assert.equal(JSON.parse(text)[field], undefined);
});
