// The coordinator's counters in the text format of Prometheus. Few and fixed names: no address, root or site is in them.

/**
 * @typedef {object} CoordinatorStats
 * @property {number} peers sockets that are open
 * @property {number} sites origins that they belong to
 * @property {number} introductions pairs introduced since the start
 * @property {number} relayed descriptions and candidates relayed
 * @property {number} notIntroduced messages to somebody never introduced, ignored
 * @property {number} notCovered files, asked for or announced, that a page's token does not cover
 * @property {number} passedOver files announced too fast, or more than there is room for: others do not find them at that page
 * @property {number} refused sockets of visitors told off and closed, or for which there was no room
 * @property {number} siblings other coordinators that are reached over Redis
 * @property {number} framesRefused what came over Redis and cannot be used
 * @property {boolean} isRedisReached whether Redis is reached; false without one
 * @property {number} originsRefused handshakes answered with 403
 * @property {number} tokensRefused handshakes answered with 401, because of their token
 * @property {number} addressesRefused handshakes answered with 429, because the address has too many sockets
 * @property {number} handshakesRefused handshakes answered with 400, which are none, and with 503, while it ends
 * @property {number} proxyHeadersRefused connections closed, because they did not begin with what a proxy says of them
 * @property {number} connectionsRefused connections closed, because the server has as many as it may have
 * @property {number} slow sockets ended because they did not read or answer
 * @property {number} reports what pages reported of themselves (`start({ report })`), and what follows are the sums
 * @property {number} reportsRefused
 * @property {number} fromPeers bytes of responses, by their source
 * @property {number} fromOrigin
 * @property {number} fromCache
 * @property {number} wasted bytes that came for nothing
 * @property {number} localTried connections that could have gone inside one network, and those that did
 * @property {number} localOpen
 * @property {number} directTried the same, straight through the internet
 * @property {number} directOpen
 * @property {number} relayedTried the same, over a TURN server
 * @property {number} relayedOpen
 */

/**
 * [name, help, type] of what stats() counts. What has a label follows what has the same name.
 * @type {Record<Exclude<keyof CoordinatorStats, 'isRedisReached'>, [string, string, 'gauge' | 'counter']>}
 */
const described = {
  peers: ['sockets', 'Sockets that are open', 'gauge'],
  sites: ['sites', 'Origins that they belong to', 'gauge'],
  introductions: ['introductions_total', 'Pairs introduced', 'counter'],
  relayed: ['relayed_total', 'Signals relayed', 'counter'],
  notIntroduced: ['not_introduced_total', 'Signals to somebody never introduced, ignored', 'counter'],
  notCovered: ['not_covered_total', "Files, asked for or announced, that a page's token does not cover", 'counter'],
  passedOver: ['passed_over_total', 'Files announced too fast, or more than there is room for', 'counter'],
  refused: ['refused_total', 'Sockets of visitors told off and closed, or for which there was no room', 'counter'],
  originsRefused: ['origins_refused_total', 'Handshakes refused because of their Origin', 'counter'],
  tokensRefused: ['tokens_refused_total', 'Handshakes refused because of their token', 'counter'],
  addressesRefused: ['addresses_refused_total', 'Handshakes refused because their address has too many sockets', 'counter'],
  handshakesRefused: ['handshakes_refused_total', 'Handshakes refused because they are none, or come too late', 'counter'],
  proxyHeadersRefused: [
    'proxy_headers_refused_total',
    'Connections refused, because no proxy that is trusted said whose they are',
    'counter',
  ],
  connectionsRefused: ['connections_refused_total', 'Connections refused, because as many as may be are open', 'counter'],
  siblings: ['siblings', 'Other coordinators that are reached over Redis', 'gauge'],
  framesRefused: ['frames_refused_total', 'What came over Redis and cannot be used', 'counter'],
  slow: ['slow_total', 'Sockets ended because they did not read or answer', 'counter'],
  reports: ['reports_total', 'Reports of pages that were taken', 'counter'],
  reportsRefused: ['reports_refused_total', 'Reports of pages that were refused', 'counter'],
  fromPeers: reportedBytes('peers'),
  fromOrigin: reportedBytes('origin'),
  fromCache: reportedBytes('cache'),
  wasted: ['reported_wasted_bytes_total', 'Bytes that came for nothing, as pages reported them', 'counter'],
  localTried: reportedTries('local'),
  directTried: reportedTries('direct'),
  relayedTried: reportedTries('relayed'),
  localOpen: reportedConnections('local'),
  directOpen: reportedConnections('direct'),
  relayedOpen: reportedConnections('relayed'),
};

/** @param {string} source @returns {[string, string, 'counter']} */
function reportedBytes(source) {
  return [`reported_bytes_total{source="${source}"}`, 'Bytes of responses by their source, as pages reported them', 'counter'];
}

/** @param {string} route @returns {[string, string, 'counter']} */
function reportedTries(route) {
  const help = 'Connections that could have gone this way, as pages reported them';
  return [`reported_connections_tried_total{route="${route}"}`, help, 'counter'];
}

/** @param {string} route @returns {[string, string, 'counter']} */
function reportedConnections(route) {
  return [`reported_connections_total{route="${route}"}`, 'Connections that opened, as pages reported them', 'counter'];
}

/** @param {boolean} isReached @returns {[string, string, string, number]} */
const redisLine = (isReached) => ['peer_cdn_redis_reached', 'Whether Redis is reached', 'gauge', Number(isReached)];

/**
 * @param {CoordinatorStats} stats
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
  let before = '';
  const texts = lines.map(([name, help, type, value]) => {
    const bare = name.split('{', 1)[0];
    const head = bare === before ? '' : `# HELP ${bare} ${help}\n# TYPE ${bare} ${type}\n`;
    before = bare;
    return `${head}${name} ${value}\n`;
  });
  return texts.join('');
}
