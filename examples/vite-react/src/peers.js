import { start } from 'peer-cdn';

/** One for the page. Components await it before they ask for heavy files. */
export const peers = start({ worker: `${import.meta.env.BASE_URL}sw.js` });
