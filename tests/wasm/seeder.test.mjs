// The seeding side over a store of which the browser reads some runs late, or never.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { runReadWait } from '../../build/border.js';
import { Seeder } from '../../web/seeder.js';

const root = 'ab'.repeat(32);
const resource = { root, pieceBytes: 4 };
const never = new Promise(() => {});

/** A seeder of one resource with these runs, by their first piece: what the browser gives of each. */
function seederOf(runs) {
  const held = new Map(Object.keys(runs).map((begin) => [Number(begin), [Number(begin), Number(begin) + 1]]));
  const resources = {
    get: () => resource,
    runs: (_, piece) => (held.has(piece) ? [held.get(piece)] : []),
    lost: (_, [begin]) => held.delete(begin),
  };
  const store = Promise.resolve({ readRun: async (_, begin) => runs[begin] });
  const seeder = new Seeder(resources, store, {});
  return { held, read: (piece) => new Promise((tell) => seeder.read(1, piece, 0, 4, 0, tell)) };
}

const response = (text) => new Response(text);
const silent = { arrayBuffer: () => never };

test('a run that the browser never reads is lost, and the blocks asked for after it are answered', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  for (const hung of [never, silent]) {
    // Runs of two segments, so that neither is read for the other.
    const far = (1 << 20) / 4;
    const { held, read } = seederOf({ 0: hung, [far]: response('good') });
    const answers = [read(0), read(far)];
    let answered = 0;
    for (const answer of answers) void answer.then(() => answered++);
    await new Promise(setImmediate);
    assert.equal(answered, 0, 'answers keep their order');
    mock.timers.tick(runReadWait);
    assert.equal(await answers[0], null);
    assert.equal(Buffer.from(await answers[1]).toString(), 'good');
    assert.deepEqual([...held.keys()], [far], 'only the run that was not read is lost');
  }
});
