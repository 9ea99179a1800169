// The demo's service worker: the lines that the README shows.
importScripts('/peer-cdn/sw.js');

const {CachePlugin, DelegatePlugin, NetworkPlugin, strategies: {ordered}} = PeerCDN;
const cache = new CachePlugin({version: 1});
const delegate = new DelegatePlugin();
const network = new NetworkPlugin();

const cdn = new PeerCDN();
for (const route of ['/heavy', '/media', '/gallery']) {
  cdn.GET(route, ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
}
cdn.register();
