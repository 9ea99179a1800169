// The coordinator's counters in the text format of Prometheus. Few and fixed names: no address, root or site is in them.

/**
 * [name, help, type] of what stats() counts.
 * @typedef {import('./coordinator.js').CoordinatorStats} CoordinatorStats
 * @type {Record<Exclude<keyof CoordinatorStats, 'isRedisReached'>, [string, string, 'gauge' | 'counter']>}
 */
const described = {
  peers: ['sockets', 'Sockets that are open', 'gauge'],
  sites: ['sites', 'Origins that they belong to', 'gauge'],
  introductions: ['introductions_total', 'Pairs introduced', 'counter'],
  relayed: ['relayed_total', 'Signals relayed', 'counter'],
  notIntroduced: ['not_introduced_total', 'Signals to somebody never introduced, ignored', 'counter'],
  refused: ['refused_total', 'Peers told off and closed', 'counter'],
  originsRefused: ['origins_refused_total', 'Handshakes refused because of their Origin', 'counter'],
  tokensRefused: ['tokens_refused_total', 'Handshakes refused because of their token', 'counter'],
  addressesRefused: ['addresses_refused_total', 'Handshakes refused because their address has too many sockets', 'counter'],
  proxyHeadersRefused: [
    'proxy_headers_refused_total',
    'Connections refused, because no proxy that is trusted said whose they are',
    'counter',
  ],
  siblings: ['siblings', 'Other coordinators that are reached over Redis', 'gauge'],
  framesRefused: ['frames_refused_total', 'What came over Redis and cannot be used', 'counter'],
  slow: ['slow_total', 'Sockets ended because they did not read or answer', 'counter'],
};

/** @param {boolean} isReached @returns {[string, string, string, number]} */
const redisLine = (isReached) => ['peer_cdn_redis_reached', 'Whether Redis is reached', 'gauge', Number(isReached)];

/**
 * @param {import('./coordinator.js').CoordinatorStats} stats
 * @param {boolean} isReady
 * @param {boolean} hasRedis whether it is to use Redis
 */
export function metricsOf(stats, isReady, hasRedis) {
  const { user, system } = process.cpuUsage();
  /** @type {[string, string, string, number][]} */
  const lines = [
    ['peer_cdn_ready', 'Whether visitors may come', 'gauge', Number(isReady)],
    ...(hasRedis ? [redisLine(stats.isRedisReached)] : []),
    ...Object.entries(described).map(
      ([key, [name, help, type]]) =>
        /** @type {[string, string, string, number]} */ ([
          `peer_cdn_${name}`,
          help,
          type,
          stats[/** @type {keyof typeof described} */ (key)],
        ]),
    ),
    ['process_cpu_seconds_total', 'Processor time of this process', 'counter', (user + system) / 1e6],
    ['process_resident_memory_bytes', 'Memory of this process', 'gauge', process.memoryUsage.rss()],
  ];
  return lines.map(([name, help, type, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`).join('');
}
