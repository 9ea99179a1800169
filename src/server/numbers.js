// What each number may be that somebody sets: by a flag, by the environment, in a file, or as an option of a call.
import * as limits from './limits.js';

/** @typedef {{ least: number, most: number, isPower?: true }} Bounds a power: of two */

/** By the name that it has as an option; without one, by its flag's. @satisfies {Record<string, Bounds>} */
export const numbers = {
  /** 0: any that is free. */
  port: { least: 0, most: 65535 },
  metricsPort: { least: 0, most: 65535 },
  trustProxy: { least: 0, most: limits.proxyHops },
  socketsPerAddress: { least: 1, most: limits.socketsPerAddressMax },
  maxLifetime: { least: limits.lifetimeSecondsMin, most: limits.lifetimeSecondsMax },
  pieceBytes: { least: limits.pieceBytesMin, most: limits.pieceBytesMax, isPower: true },
  /** One has nobody to be introduced to. */
  sockets: { least: 2, most: limits.loadSockets },
  /** 0: the sockets only open. */
  asks: { least: 0, most: limits.loadSockets * limits.loadAsksPerSocketSecond },
  seconds: { least: 1, most: limits.loadSeconds },
  timeout: { least: 1, most: limits.doctorSecondsMax },
};

/** @typedef {keyof typeof numbers} NumberName */

/** As a sentence says it. @param {Bounds} bounds */
export const formOf = ({ least, most, isPower }) => `a ${isPower ? 'power of two' : 'whole number'} from ${least} to ${most}`;

/** @param {Bounds} bounds @param {unknown} value */
export const isWithin = ({ least, most, isPower }, value) =>
  typeof value === 'number' && Number.isInteger(isPower ? Math.log2(value) : value) && value >= least && value <= most;

/** A text as the number that it means: digits only. NaN if it means none of these. @param {Bounds} bounds @param {string} text */
export function numberIn(bounds, text) {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return isWithin(bounds, number) ? number : Number.NaN;
}
