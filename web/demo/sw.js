// The demo's service worker: the lines that the README shows, with more patience.
importScripts('/peer-cdn/sw.js');

const {
  CachePlugin,
  DelegatePlugin,
  NetworkPlugin,
  strategies: { ordered },
} = PeerCDN;
const cache = new CachePlugin({ version: 1 });
// A site that would rather wait a little than have an image sent twice: by default the network begins when it would be
// done itself, and on a busy machine a few images of a gallery come from both.
const delegate = new DelegatePlugin({ patience: 4 });
const network = new NetworkPlugin();

const cdn = new PeerCDN();
for (const route of ['/heavy', '/media', '/gallery']) {
  cdn.GET(route, ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
}
cdn.register();
