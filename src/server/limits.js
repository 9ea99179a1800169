// Bounds that only the server's sockets and files have. The protocol's are in src/base/limits.hpp.

import { siblingSilence } from '../../build/border.js';

export {
  manifestEntries,
  manifestVersion,
  messageBytes,
  pathBytes,
  pieceBytesMax,
  pieceBytesMin,
  piecesPerResource,
  reportBytes,
  tokenRoots,
} from '../../build/border.js';

/** A newcomer is told at most 20,000 marks, 220 KB. Who is 1 MiB behind does not read. */
export const bufferedBytes = 1024 * 1024;
/** Of frames for sockets: what a turn of a busy process has for all of them. More is memory for that turn alone. */
export const framesBytes = 256 * 1024;
/** Who is refused for now is asked to come back after this, the longest that pages wait (reconnect_max). */
export const retryAfterSeconds = 60;
/** No name in the DNS is longer. */
export const hostLength = 253;
/** For a page's report to come whole: it is one packet. */
export const reportMs = 10_000;
/** For a connection's header of the PROXY protocol: a packet that was lost is sent again within 3 s. */
export const proxyHeaderMs = 5000;
/** Sockets of one visitor's network: a school or a company behind one address. */
export const socketsPerAddress = 500;
/** A label that an operator's classifier gives to a visitor's address: 'AS64496', 'DE', ... */
export const labelLength = 64;
/** Proxies drop sockets that are idle for a minute. */
export const heartbeatMs = 30_000;
/** Files that a process has open beside its visitors' sockets: Node's own, its tools', Redis, a log. */
export const otherFiles = 64;
/** Pings and pongs that a socket may send between two of our pings. Browsers send one pong, other clients some pings. */
export const controlFrames = 500;
/** Fragments of one message. Browsers send it whole, and no proxy cuts it into fragments of 128 bytes. */
export const messageFragments = 128;
/** The pings of a heartbeat are spread over it in so many steps. */
export const heartbeatSteps = 30;
/** What an operator may say: proxies that stand one behind the other, and sockets of one address. */
export const proxyHops = 10;
export const socketsPerAddressMax = 1_000_000;
/** A load: sockets, how many open at a time, for how long one may take, and how long all may ask. */
export const loadSockets = 50_000;
export const loadOpening = 50;
export const loadOpenMs = 10_000;
export const loadSeconds = 24 * 3600;
/** For all that a coordinator says to a socket that is open: one to whom a crowd comes back takes a while. */
export const loadAnswerMs = 30_000;
/** It asks in steps, and what is under way at its end has so long. */
export const loadStepMs = 5;
export const loadEndMs = 1000;
/** A coordinator introduces an asker once in 2 s, when its first 60 introductions are used up. */
export const loadAsksPerSocketSecond = 0.5;
/** A file of settings. */
export const configBytes = 64 * 1024;
/** The shortest lifetime that an operator may give to sockets, in seconds, and the longest: a week. */
export const lifetimeSecondsMin = 60;
export const lifetimeSecondsMax = 7 * 24 * 3600;
/** Of its sites, processes without Redis look for others that serve so many: forged origins must not fill the disk. */
export const sitesLookedAt = 20;
/** A coordinator that drains closes its sockets over so long, in steps. */
export const drainMs = 10_000;
export const drainStepMs = 100;
/** For a connection to Redis. */
export const redisConnectMs = 5000;
/** The next try follows after this, then after twice as long, and so on; a random half of it is taken off. */
export const redisRetryMs = 250;
export const redisRetryMostMs = 5000;
/** Our own heartbeat comes back over Redis each second. Where it does not, Redis is lost, though its connections seem open. */
export const redisSilenceMs = siblingSilence;
/** For a socket to finish its closing handshake. */
export const closeMs = 1000;
/** An operator is told of pages that may not come so often at most, and so much of what they say of themselves. */
export const refusalToldMs = 60_000;
export const toldBytes = 200;
/** An upgrade of a path that is not ours, while others listen too: whoever wants it has written something by then. */
export const unansweredMs = 10_000;
/** The folder is looked through again at most so often. */
export const rescanMs = 1000;
/** A longer file is no manifest: 10,000 entries with long paths and headers have less. */
export const manifestFileBytes = 64 * 1024 * 1024;
/** What is read of a file to see whether it is data or code. */
export const firstLookBytes = 1024;
/** Servers leave shorter files as they are. */
export const compressedBytes = 1024;
/** What is read of a file at once. */
export const readBytes = 1024 * 1024;
/** Files that are not listed are named up to here; then it is said how many more there are. */
export const warningsPerManifest = 100;
/**
 * Digests of a file's pieces that stand in the manifest itself, so that no list is fetched: of a file, and of all files. These
 * are 128 KiB of a manifest, which every visitor loads.
 */
export const digestsPerFile = 8;
export const digestsPerManifest = 2048;
/** More pieces than this are made larger, but no larger than that. */
export const piecesUsual = 128;
export const pieceBytesUsual = 128 * 1024;
/** Up to here a file is one piece: nothing of it is shown before all of it is there, 0.1 s at 2 MB/s. */
export const onePieceBytes = 256 * 1024;
/** All that `peer-cdn doctor` asks of a site, and the most that its user may give it. */
export const doctorMs = 45_000;
export const doctorSecondsMax = 3600;
/** One answer that it waits for, and each part of a body: 64 KiB in 15 s is slower than any site is meant to be. */
export const doctorAnswerMs = 15_000;
export const doctorPartBytes = 64 * 1024;
/** Of all its time one answer may take this part, so that one that never ends is told, and others are looked at. */
export const doctorAnswerShare = 1 / 6;
/** But however little time it has, a site is no fault that is slower than a share of it: then the rest is not checked. */
export const doctorAnswerLeastMs = 5000;
/** The files that it reads whole, and how long one may be. */
export const doctorFiles = 5;
export const doctorFileBytes = 16 * 1024 * 1024;
/** The scripts of a page, or of a worker, that it reads. */
export const doctorScripts = 30;
/** So many functions that call each other, or objects in each other, it follows; and so many steps in a script. */
export const doctorDepth = 8;
export const doctorSteps = 20_000;
/** Of the workers that a page names, so many are looked at. */
export const doctorWorkers = 5;
/** For a STUN server to answer: browsers repeat their question within that time too. */
export const doctorIceMs = 3000;
/** A manifest that is kept for longer holds up deployments. Browsers ask for it each minute. */
export const manifestKeptSeconds = 60;
/** No cache may keep a script longer whose name the next release has too: as long as browsers keep a worker's imports. */
export const scriptKeptSeconds = 24 * 3600;
