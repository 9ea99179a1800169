// The suite: in each engine, what a page and the origin see with peer-cdn and without it.
import { combinations } from './combinations.mjs';
import { compare, missing } from './compare.mjs';
import { documented } from './documented.mjs';
import { engineNames } from './engines.mjs';
import { possible, runEngine } from './run.mjs';

const grouped = (list, of) => {
  const groups = new Map();
  for (const each of list) groups.set(of(each), [...(groups.get(of(each)) ?? []), each]);
  return [...groups].sort(([, a], [, b]) => b.length - a.length);
};

const cut = (text) => (text.length > 120 ? `${text.slice(0, 117)}...` : text);

/** What was noted of a combination on one side, in order, in ms since its page began. */
function told(steps = []) {
  const begins = steps.find(([who]) => who === 'page')?.[2] ?? steps[0]?.[2];
  const since = steps.filter(([, , at]) => at >= begins).sort(([, , a], [, , b]) => a - b);
  return since.map(([who, what, at]) => `${at - begins} ${who} ${what}`).join('; ') || missing;
}

function describe({ different, unstable, kinds, unmet, happened }) {
  const lines = [];
  for (const [observable, list] of grouped(different, (each) => each.observable)) {
    lines.push(`different: ${observable} (${list.length})`);
    for (const each of list) {
      lines.push(`  ${each.engine}: ${each.combination}`, `    with    ${cut(each.with)}`, `    without ${cut(each.without)}`);
    }
  }
  for (const { engine, combination, observable, without, again } of unstable) {
    lines.push(`unstable: ${engine}: ${combination}: ${observable}: ${cut(without)} / ${cut(again)}`);
  }
  for (const [combination, sides] of happened) {
    lines.push(`what happened: ${combination}`, ...Object.entries(sides).map(([side, steps]) => `  ${side}: ${steps}`));
  }
  for (const [kind, count] of kinds) lines.push(`documented: ${kind} (${count})`);
  for (const kind of unmet) lines.push(`documented, but not met: ${kind}`);
  return lines.join('\n');
}

/**
 * Runs the suite: the figures, and a text to read.
 * @param {{ engines: string[], only?: string, isShort?: boolean, times?: number, say: (text: string) => void }} options
 */
export async function transparency({ engines, only = '', isShort = false, times = 1, say }) {
  const chosen = combinations({ only, isShort, times });
  const result = { compared: 0, same: 0, documented: 0, unstable: 0, kinds: 0, different: [] };
  const kinds = new Map();
  const unstable = [];
  const happened = new Map();
  for (const engine of engines) {
    const list = possible(engine, chosen);
    const { steps, ...seen } = await runEngine(engine, list, say);
    const found = compare(engine, list, seen, documented);
    result.compared += found.same + found.documented + found.differing;
    result.same += found.same;
    result.documented += found.documented;
    result.unstable += found.unstableCombinations;
    result.different.push(...found.different);
    unstable.push(...found.unstable);
    const isOdd = new Set([...found.different, ...found.unstable].map(({ combination }) => combination));
    for (const { name, key } of list.filter((each) => isOdd.has(each.name))) {
      const [ours, control, again] = steps.map((side) => told(side[key]));
      happened.set(`${engine}: ${name}`, { with: ours, without: control, again });
    }
    for (const [kind, count] of found.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  }
  result.kinds = kinds.size;
  // Only a run of everything shows that a line of the table is of no use any more.
  const isAll = !isShort && only === '' && times === 1 && engineNames.every((engine) => engines.includes(engine));
  const unmet = isAll ? documented.map(({ kind }) => kind).filter((kind) => !kinds.has(kind)) : [];
  return { result, report: describe({ different: result.different, unstable, kinds, unmet, happened }) };
}
