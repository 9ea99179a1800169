// What the load and the servers say to each other: real texts, and the same ones for every contender.
import { createHash } from 'node:crypto';

const hash = (text) => createHash('sha256').update(text).digest('hex');
export const rootOf = (name) => hash(`root ${name}`);
export const browserOf = (name) => hash(`browser ${name}`).slice(0, 32);

/** What Chromium offers for one data channel, without its candidates. */
export const sdp = [
  'v=0',
  'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'a=extmap-allow-mixed',
  'a=msid-semantic: WMS',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  'a=ice-ufrag:4ZcD',
  'a=ice-pwd:2/1muCWoOi3uLifh0NuRHlBA',
  'a=ice-options:trickle',
  'a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24',
  'a=setup:actpass',
  'a=mid:0',
  'a=sctp-port:5000',
  'a=max-message-size:262144',
  '',
].join('\r\n');

/** Beside the description, or where the contender has no such place, in it. */
export const candidates = ['192.0.2.17', '198.51.100.4', '203.0.113.9'].map(
  (address, i) =>
    `candidate:${842163049 + i} 1 udp ${2122260223 - i} ${address} ${50000 + i} typ host generation 0 ufrag 4ZcD network-id 1`,
);
export const sdpWithCandidates = `${sdp}${candidates.map((candidate) => `a=${candidate}\r\n`).join('')}`;

const [root, peer] = [rootOf(''), 4294967295];
const bytesOf = (message) => JSON.stringify(message).length;
/** Bytes of an ask, of what tells a holder of it, and of its answer: in the relay as many as ours have. */
export const askBytes = bytesOf({ type: 'ask', roots: [root] });
export const introductionBytes = bytesOf({ type: 'introduce', peer, offer: true });
export const answerBytes = bytesOf({ type: 'answer', roots: [root], peers: [1], introduced: [peer] });
