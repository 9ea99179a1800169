// Two lists of observables side by side, and the control beside itself.

const rangeStart = ({ headers }) => Number(headers.range?.match(/\d+/)?.[0] ?? -1);
/** The value of what is not there. No header says so. */
export const missing = '(nothing)';
const listed = (values) => values.join(' | ') || missing;

/** What an origin's log says of one combination, as observables. */
export function observablesOf(entries, { file, abort, read, probe }) {
  // How often a player asks is chance; its first question is not.
  const isPlayed = probe === 'media';
  const chosen = isPlayed ? entries.slice(0, 1) : [...entries];
  // Which of several that are on their way together arrives first is chance too.
  chosen.sort((a, b) => a.name.localeCompare(b.name) || rangeStart(a) - rangeStart(b));
  const isStopped = Boolean(abort) || ['cancel', 'unread'].includes(read) || /held|cut/.test(file.kind);
  const seen = {};
  if (!isPlayed) seen['origin: requests'] = String(chosen.length);
  if (!isPlayed && !isStopped) seen['origin: body bytes'] = String(chosen.reduce((sum, { sent }) => sum + sent, 0));
  if (/held/.test(file.kind)) seen['origin: client'] = chosen.some(({ isHeld }) => isHeld) ? 'stays' : 'goes';
  seen['origin: what'] = listed(chosen.map(({ method, side, name }) => `${method} ${side === 'site' ? '' : '//'}${name}`));
  seen['origin: status'] = listed(chosen.map(({ status }) => status));
  for (const name of new Set(chosen.flatMap(({ headers }) => Object.keys(headers)))) {
    const values = chosen.map(({ headers }) => headers[name] ?? '-');
    // Each range counts; of the other headers, what they say.
    seen[`origin: ${name}`] = listed(name === 'range' ? values : [...new Set(values)]);
  }
  return seen;
}

const questions = new Set(['origin: requests', 'origin: what', 'origin: client']);
const namesOf = (...lists) => [...new Set(lists.flatMap((list) => Object.keys(list)))];

/**
 * Compares what was seen with peer-cdn with the control, which ran twice. An observable in which the control differs from itself
 * says nothing. A combination counts once: as different if any of its observables is and nobody documented it, else as unstable
 * if any is, else as documented, else as the same.
 * @param {string} engine
 * @param {import('./combinations.mjs').Combination[]} combinations
 * @param {{ ours: Record<string, object>, control: Record<string, object>, again: Record<string, object> }} seen by key
 * @param {{ kind: string, applies: (difference: object) => boolean }[]} table of what is documented
 */
export function compare(engine, combinations, { ours, control, again }, table) {
  const result = { same: 0, documented: 0, unstableCombinations: 0, unstable: [], different: [], kinds: new Map() };
  let differing = 0;
  for (const combination of combinations) {
    const { key, name } = combination;
    let isDifferent = false;
    let isUnstable = false;
    let isDocumented = false;
    // Where the origin was not asked at all, the headers of a request that was not made tell nothing more.
    const isUnasked = [ours, control].some((side) => side[key]['origin: what'] === missing);
    for (const observable of namesOf(ours[key], control[key], again[key])) {
      if (isUnasked && /^origin: [a-z-]+$/.test(observable) && !questions.has(observable)) continue;
      const [here, there, there2] = [ours, control, again].map((side) => side[key][observable] ?? missing);
      const difference = { engine, combination: name, observable, with: here, without: there };
      if (there !== there2) {
        isUnstable = true;
        result.unstable.push({ ...difference, again: there2 });
        continue;
      }
      if (here === there) continue;
      const found = table.find(({ applies }) =>
        applies({ ...difference, of: combination, ours: ours[key], control: control[key] }),
      );
      if (found) {
        isDocumented = true;
        result.kinds.set(found.kind, (result.kinds.get(found.kind) ?? 0) + 1);
      } else {
        isDifferent = true;
        result.different.push(difference);
      }
    }
    if (isDifferent) ++differing;
    else if (isUnstable) ++result.unstableCombinations;
    else if (isDocumented) ++result.documented;
    else ++result.same;
  }
  return { ...result, differing };
}
