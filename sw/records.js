// Records: how the origin sends a resource, read from the store and written there. The core says when, and what one says.
import { DO_KEEP_RECORD, DO_NEED_RECORD, RECORD_READ, RESOURCE, runWait } from '../build/border.js';
import { callText, soon, tell } from './engine.js';
import { expectWrite } from './unwritten.js';
import { within } from './within.js';

/** Keys and texts of those that are to be written. @type {string[][]} */
const records = [];
let done = () => {};

/** @param {import('./storage.js').StoreKeeper} storage */
export const recordPerformer = (storage) =>
  /** @satisfies {Partial<import('../build/border.js').Performer>} */ ({
    async [DO_NEED_RECORD]({ exchange }) {
      const [key] = callText(RESOURCE, exchange).split('\n');
      const read = async () => (await storage.open()).record(key);
      tell(RECORD_READ, `${key}\n${await soon(read(), '')}`, exchange);
    },

    [DO_KEEP_RECORD]: ({ exchange }) => {
      if (records.length === 0) done = expectWrite();
      records.push(callText(RESOURCE, exchange).split(/\n.*?\n(.*)/s));
    },
  });

/** Writes what was kept since the last time. @param {import('./storage.js').StoreKeeper} storage */
export function writeRecords(storage) {
  const written = records.splice(0).map(
    ([key, text]) =>
      key &&
      within(
        runWait,
        storage.open().then((store) => store.putRecord(key, text)),
      ),
  );
  void Promise.allSettled(written).then(done);
}
