// The classic worker script, for importScripts: puts PeerCDN on the worker's global scope.
import PeerCDN from './index.js';

/** @type {any} */ (self).PeerCDN = PeerCDN;
