importScripts('/peer-cdn/sw.js');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies } = PeerCDN;
const cache = new CachePlugin({ version: 1 });
const delegate = new DelegatePlugin();
const network = new NetworkPlugin();
const cdn = new PeerCDN();
cdn.GET('/models', strategies.ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
cdn.register();
