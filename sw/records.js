// Records: how the origin sends a resource, read from the store and written there. The core says when, and what one says.
import { DO_KEEP_RECORD, DO_NEED_RECORD, RECORD_READ, RESOURCE } from '../build/border.js';
import { callText, soon, tell } from './engine.js';
import { expectWrite } from './unwritten.js';

/**
 * What is to be written, by key: where the store opens late, or never, no more gathers than the newest of each listed file.
 * @type {Map<string, string>}
 */
const records = new Map();
let done = () => {};

/** @param {import('./storage.js').StoreKeeper} storage */
export const recordPerformer = (storage) =>
  /** @satisfies {Partial<import('../build/border.js').Performer>} */ ({
    async [DO_NEED_RECORD]({ exchange }) {
      const [key] = callText(RESOURCE, exchange).split('\n');
      const reading = storage.open().then((store) => store.record(key));
      tell(RECORD_READ, `${key}\n${await soon(reading, '')}`, exchange);
    },

    [DO_KEEP_RECORD]: ({ exchange }) => {
      const [key, text] = callText(RESOURCE, exchange).split(/\n.*?\n(.*)/s);
      if (!records.size) done = expectWrite();
      records.set(key, text);
    },
  });

/** Writes what was kept since the last time. */
export function writeRecords(/** @type {import('./store.js').Store} */ store) {
  const written = [...records].map(([key, text]) => key && store.putRecord(key, text));
  records.clear();
  void Promise.allSettled(written).then(done);
}
