// How two lists of observables are judged.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compare, missing, observablesOf } from './compare.mjs';

const combination = { key: 'a', name: 'fetch', probe: 'fetch', file: { kind: 'plain' } };

/** One combination, by what the three saw of it. */
const judge = (ours, control, again, table = []) =>
  compare('chromium', [combination], { ours: { a: ours }, control: { a: control }, again: { a: again } }, table);

const counts = ({ same, documented, differing, unstableCombinations }) => [same, documented, differing, unstableCombinations];

test('what is equal everywhere is the same', () => {
  assert.deepEqual(counts(judge({ status: '200' }, { status: '200' }, { status: '200' })), [1, 0, 0, 0]);
});

test('what differs from a control that agrees with itself is different, and told with both values', () => {
  const found = judge({ status: '200' }, { status: '304' }, { status: '304' });
  assert.deepEqual(counts(found), [0, 0, 1, 0]);
  assert.deepEqual(found.different, [
    { engine: 'chromium', combination: 'fetch', observable: 'status', with: '200', without: '304' },
  ]);
});

test('an observable that only one side has is different', () => {
  assert.equal(judge({}, { 'header date': 'there' }, { 'header date': 'there' }).different[0].with, missing);
  assert.equal(judge({ error: 'TypeError' }, {}, {}).different[0].without, missing);
});

test('where the control differs from itself nothing is different, and the combination is unstable', () => {
  const found = judge({ status: '1' }, { status: '2' }, { status: '3' });
  assert.deepEqual(counts(found), [0, 0, 0, 1]);
  assert.equal(found.unstable.length, 1);
});

test('an unstable observable hides no other one', () => {
  const found = judge({ at: '1', status: '200' }, { at: '2', status: '404' }, { at: '3', status: '404' });
  assert.deepEqual(counts(found), [0, 0, 1, 0]);
});

test('a difference that the table knows is documented, and its kind is counted', () => {
  const table = [{ kind: 'dates', applies: ({ observable }) => observable === 'header date' }];
  const found = judge({ at: '1' }, { at: '1', 'header date': 'there' }, { at: '1', 'header date': 'there' }, table);
  assert.deepEqual(counts(found), [0, 1, 0, 0]);
  assert.deepEqual([...found.kinds], [['dates', 1]]);
});

test('a combination with one difference that the table does not know is different', () => {
  const table = [{ kind: 'dates', applies: ({ observable }) => observable === 'header date' }];
  const found = judge(
    { status: '200' },
    { status: '304', 'header date': 'there' },
    { status: '304', 'header date': 'there' },
    table,
  );
  assert.deepEqual(counts(found), [0, 0, 1, 0]);
});

test('of an origin that was not asked the missing headers are not told again', () => {
  const asked = observablesOf(
    [{ name: 'file', side: 'site', method: 'GET', status: 200, sent: 5, headers: { accept: '*/*' } }],
    combination,
  );
  const found = judge(observablesOf([], combination), asked, asked);
  assert.deepEqual(
    found.different.map(({ observable }) => observable),
    ['origin: requests', 'origin: body bytes', 'origin: what'],
  );
});

test('the log tells each range in order, and what several requests say alike once', () => {
  const request = (range) => ({
    name: 'file',
    side: 'site',
    method: 'GET',
    status: 206,
    sent: 5,
    headers: { range, accept: '*/*' },
  });
  const seen = observablesOf([request('bytes=5-9'), request('bytes=0-4')], combination);
  assert.equal(seen['origin: range'], 'bytes=0-4 | bytes=5-9');
  assert.equal(seen['origin: accept'], '*/*');
  assert.equal(seen['origin: body bytes'], '10');
});
