// The arithmetic of the benchmarks: medians of interleaved runs, and their ratios.

/** The middle one; the mean of the two in the middle. @param {number[]} values */
export function median(values) {
  if (values.length === 0) throw new Error('a median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The value that `share` of all are at or below (nearest rank). @param {number[]} values @param {number} share 0..1 */
export function percentile(values, share) {
  if (values.length === 0) throw new Error('a percentile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Three digits are what such figures carry. @param {number} value */
export const rounded = (value) => Number(value.toPrecision(3));

/** How the medians compare: of rates higher is better, of times lower. */
export const ratio = (ours, theirs) => rounded(median(ours) / median(theirs));

/**
 * Runs each contender in turn, `runs` times over, every second round backwards: what the machine does meanwhile hits all
 * of them alike.
 * @template T
 * @param {Record<string, (run: number) => Promise<T>>} contenders
 * @param {number} runs
 * @param {(name: string, result: T) => void} [tell]
 * @returns {Promise<Record<string, T[]>>}
 */
export async function interleave(contenders, runs, tell = () => {}) {
  const names = Object.keys(contenders);
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let run = 0; run < runs; ++run) {
    for (const name of run % 2 ? [...names].reverse() : names) {
      const result = await contenders[name](run);
      results[name].push(result);
      tell(name, result);
    }
  }
  return results;
}
