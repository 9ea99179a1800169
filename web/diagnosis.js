// What diagnose() answers: which part is missing, who could be reached by which way, and where the last responses came from.

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/**
 * How a peer is reached: in the same network, straight through the internet, or by a TURN server.
 * @typedef {'local' | 'direct' | 'relayed'} Path
 */

/**
 * @typedef {object} Reached
 * @property {number} tried connections that this page has made
 * @property {Path[]} paths of those that are open now
 */

/**
 * @typedef {object} Diagnosed
 * @property {string} url
 * @property {number} bytes the length of the response
 * @property {number} fromCache bytes of it that this visitor had
 * @property {number} fromPeers bytes of it that other visitors sent
 * @property {number} fromOrigin bytes of it that the site's server sent, or the browser's HTTP cache
 * @property {ErrorCode | null} code why it broke off, or null
 */

/**
 * @typedef {object} Diagnosis
 * @property {boolean} active whether the page takes part
 * @property {ErrorCode[]} missing the parts that are not there or refuse, the worst first
 * @property {'worker' | 'page' | null} engine where it runs
 * @property {Reached} peers
 * @property {Diagnosed[]} responses the last ones that are over, the newest last
 */

/**
 * By which way a connection goes, or null if it is not open.
 * @param {RTCPeerConnection} connection
 * @returns {Promise<Path | null>}
 */
export async function pathOf(connection) {
  if (connection.connectionState !== 'connected') return null;
  const stats = /** @type {Map<string, any>} */ (await connection.getStats());
  const all = [...stats.values()];
  const transport = all.find(({ selectedCandidatePairId }) => selectedCandidatePairId);
  // Firefox names no pair of a transport, and Chromium may have nominated more than one.
  const pair =
    stats.get(transport?.selectedCandidatePairId) ?? all.find(({ type, nominated }) => type === 'candidate-pair' && nominated);
  if (!pair) return null;
  const types = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id)?.candidateType);
  if (types.includes('relay')) return 'relayed';
  return types.every((type) => type === 'host') ? 'local' : 'direct';
}
