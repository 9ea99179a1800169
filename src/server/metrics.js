// The coordinator's counters in the text format of Prometheus. Few and fixed names: no address, root or site is in them.

/** [name, help, type] of what stats() counts. @type {Record<string, [string, string, 'gauge' | 'counter']>} */
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
  slow: ['slow_total', 'Sockets ended because they did not read or answer', 'counter'],
};

/** @param {Record<string, number>} stats @param {boolean} isReady */
export function metricsOf(stats, isReady) {
  const { user, system } = process.cpuUsage();
  /** @type {[string, string, string, number][]} */
  const lines = [
    ['peer_cdn_ready', 'Whether visitors may come', 'gauge', Number(isReady)],
    ...Object.entries(described).map(
      ([key, [name, help, type]]) =>
        /** @type {[string, string, string, number]} */ ([`peer_cdn_${name}`, help, type, stats[key]]),
    ),
    ['process_cpu_seconds_total', 'Processor time of this process', 'counter', (user + system) / 1e6],
    ['process_resident_memory_bytes', 'Memory of this process', 'gauge', process.memoryUsage.rss()],
  ];
  return lines.map(([name, help, type, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`).join('');
}
