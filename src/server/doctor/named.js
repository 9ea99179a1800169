// Where the worker's script is, as the page says it.
import * as limits from '../limits.js';
import { answerOf, notScript, textOfBody } from './answers.js';
import { behindBase, besideOf, calledName, meantBy, textOf, writtenOf } from './values.js';

/** @typedef {import('./findings.js').Case} Case */

/**
 * @typedef {object} Named
 * @property {URL} url
 * @property {string} from who says so
 * @property {'classic' | 'module' | ''} type '' if nobody says it
 * @property {string | null} scope that is asked for it
 * @property {boolean} isStart a page gives the name to start(), as a text
 */

/** Who says where the worker is, if no script is seen to. */
export const usualName = 'the usual name';

/**
 * What a script's URL is made of: a policy of Trusted Types gives back what it gets, and a page may be without one.
 * @param {Case['scripts'][number]['facts']} facts
 * @param {import('./script.js').Node | undefined} node
 * @returns {import('./script.js').Node | undefined}
 */
function urlIn(facts, node, left = limits.doctorDepth) {
  const of = meantBy(facts, node);
  const within = (/** @type {import('./script.js').Node | undefined} */ part) => urlIn(facts, part, left - 1);
  if (!of || left === 0) return of;
  if (of.type === 'ChainExpression') return within(of.expression);
  if (of.type === 'CallExpression' && calledName(of) === 'createScriptURL') return within(of.arguments[0]);
  if (of.type === 'LogicalExpression') return within(of.right);
  if (of.type !== 'ConditionalExpression') return of;
  const [one, other] = [within(of.consequent), within(of.alternate)];
  return textOf(one) === textOf(other) ? one : of;
}

/**
 * What the page's scripts register, or give to start(), each with its options.
 * @param {Case['scripts'][number]} script
 */
function registered({ facts }) {
  const calls = (facts.calls.get('register') ?? []).filter(({ callee }) => callee.object.property?.name === 'serviceWorker');
  const ofRegister = calls.map(({ arguments: [name, options] }) => ({
    name,
    key: 'type',
    options,
    written: writtenOf(facts, options),
  }));
  const optionsOf = (/** @type {import('./script.js').Node} */ options) => {
    const written = writtenOf(facts, options);
    const name = written?.members.get('worker');
    return name ? [{ name, key: 'workerType', options, written }] : [];
  };
  const ofStart = facts.starts.flatMap(({ arguments: [options] }) => optionsOf(options));
  // Other libraries have workers too. A build may have shortened the name of start().
  const ofOthers = (facts.members.get('worker') ?? []).flatMap(({ of }) => optionsOf(of));
  const all = [...ofRegister, ...(ofStart.length > 0 ? ofStart : ofOthers)];
  return all.map((each) => ({ ...each, isStart: ofStart.includes(each), name: urlIn(facts, each.name) }));
}

/** As which kind of script a worker is registered. @param {ReturnType<typeof registered>[number]} how @returns {Named['type']} */
function typeOf({ key, options, written }) {
  if (!options) return 'classic';
  const member = written?.members.get(key);
  const said = member ? textOf(member) : written?.isWhole ? 'classic' : '';
  return said === 'classic' || said === 'module' ? said : '';
}

/**
 * Where the worker's script is: what was said, what the page's scripts name, or the usual name.
 * @param {Case} site
 * @returns {Promise<Named>}
 */
export async function workerUrl(site) {
  const { options, scripts, page, base } = site;
  const all = scripts.flatMap((script) =>
    registered(script).flatMap((how) => {
      const { name, isStart } = how;
      const beside = besideOf(name);
      const text = beside ?? textOf(name) ?? behindBase(name);
      const from = beside === null ? base : script.url;
      if (text === null || !URL.canParse(text, from.href)) return [];
      // Other members of that name are the site's own.
      const scope = textOf(meantBy(script.facts, how.written?.members.get('scope')));
      return [{ url: new URL(text, from), type: typeOf(how), scope, isStart }];
    }),
  );
  const scopeOf = (/** @type {URL} */ { href }) =>
    all.find(({ url, scope }) => url.href === href && scope !== null)?.scope ?? null;
  if (options.worker) {
    const url = new URL(options.worker, page);
    const type = all.find((each) => each.url.href === url.href)?.type ?? '';
    return { url, from: '--worker', type, scope: scopeOf(url), isStart: false };
  }
  const started = all.filter(({ isStart }) => isStart);
  const named = started.length > 0 ? started : all;
  if (named.length === 0) {
    return { url: new URL('/sw.js', page), from: usualName, type: '', scope: null, isStart: false };
  }
  const found = await likeOurs(site, named);
  return { ...found, scope: scopeOf(found.url), from: "the page's scripts" };
}

/**
 * The worker that has peer-cdn in it, by its looks: a page may register others, for pushed messages say. Else the first.
 * @template {{ url: URL }} Found
 * @param {Case} site
 * @param {Found[]} named
 */
async function likeOurs(site, named) {
  const urls = [...new Set(named.map(({ url }) => url.href))].filter((href) => new URL(href).origin === site.page.origin);
  for (const href of urls.length > 1 ? urls.slice(0, limits.doctorWorkers) : []) {
    const answer = await answerOf(site, href);
    if (notScript(answer) || typeof answer === 'string' || !/peer-?cdn/i.test(textOfBody(answer))) continue;
    return /** @type {Found} */ (named.find(({ url }) => url.href === href));
  }
  return named[0];
}
