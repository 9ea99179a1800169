// A message of the coordinator as the text that crosses the border, and back (src/bind/fields.hpp).

const isClean = (/** @type {string} */ text) => !text.includes('\0') && !text.includes('\x01');

/** One value with the letter of its type; '' of one that no message has. @param {unknown} value @returns {string} */
function valued(value) {
  if (typeof value === 'string') return isClean(value) ? `s${value}` : '';
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? `n${value}` : 'n';
  if (typeof value === 'boolean') return value ? 'b1' : 'b0';
  return '';
}

const listed = (/** @type {unknown[]} */ list) => `l${list.map((each) => `${valued(each)}\x01`).join('')}`;

/** The members of an object and, one level down, of its objects and of those in its lists. @param {unknown} object */
export const toText = (object) =>
  membersOf(object, '', (name, value) =>
    Array.isArray(value) ? value.map((each, i) => membersOf(each, `${name}.${i}.`)).join('') : membersOf(value, `${name}.`),
  );

/**
 * @param {unknown} object
 * @param {string} prefix
 * @param {(name: string, value: unknown) => string} below the members of what a member holds
 * @returns {string}
 */
function membersOf(object, prefix, below = () => '') {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return '';
  const members = Object.entries(object).map(([name, value]) => {
    if (!isClean(name)) return '';
    const text = Array.isArray(value) ? listed(value) : valued(value);
    return `${text && `${prefix}${name}\0${text}\0`}${below(name, value)}`;
  });
  return members.join('');
}

/** @param {string} text @returns {unknown} */
function parsed(text) {
  const rest = text.slice(1);
  if (text[0] === 's') return rest;
  if (text[0] === 'n') return Number(rest);
  if (text[0] === 'b') return rest === '1';
  if (text[0] === 'l') return rest.split('\x01').slice(0, -1).map(parsed);
  return {};
}

/** @param {string} text */
export function toObject(text) {
  /** @type {Record<string, any>} */
  const object = {};
  const parts = text.split('\0');
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const path = parts[i].split('.');
    const name = /** @type {string} */ (path.pop());
    const holder = path.reduce((inner, each) => (inner[each] ??= {}), object);
    holder[name] = parsed(parts[i + 1]);
  }
  return object;
}
