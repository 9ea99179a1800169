// A message of the coordinator as the text that crosses the border, and back (src/bind/fields.hpp).

/** @typedef {string | number | boolean | (string | number)[]} Value */

const isClean = (/** @type {string} */ text) => !text.includes('\0') && !text.includes('\x01');

/** One value with the letter of its type; '' of one that no message has. @param {unknown} value @returns {string} */
function valued(value) {
  if (typeof value === 'string') return isClean(value) ? `s${value}` : '';
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? `n${value}` : 'n';
  if (typeof value === 'boolean') return value ? 'b1' : 'b0';
  if (!Array.isArray(value)) return '';
  // No list of ours has lists; one that has many, each inside the last, would be too deep for the stack.
  const elements = value.map((each) => (Array.isArray(each) ? '' : valued(each)));
  return elements.every((each) => /^[sn]/.test(each)) ? `l${elements.map((each) => `${each}\x01`).join('')}` : '';
}

/** The members of an object and, one level down, of its objects. @param {unknown} object @returns {string} */
export function toText(object, prefix = '') {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return '';
  const members = Object.entries(object).map(([name, value]) => {
    if (!prefix && value?.constructor === Object) return toText(value, `${name}.`);
    const text = isClean(name) ? valued(value) : '';
    return text && `${prefix}${name}\0${text}\0`;
  });
  return members.join('');
}

/** @param {string} text @returns {Value} */
function parsed(text) {
  const rest = text.slice(1);
  if (text[0] === 's') return rest;
  if (text[0] === 'n') return Number(rest);
  if (text[0] === 'b') return rest === '1';
  return /** @type {(string | number)[]} */ (rest.split('\x01').slice(0, -1).map(parsed));
}

/** @param {string} text @returns {Record<string, unknown>} */
export function toObject(text) {
  /** @type {Record<string, any>} */
  const object = {};
  const parts = text.split('\0');
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const [name, inner] = parts[i].split('.');
    if (inner) (object[name] ??= {})[inner] = parsed(parts[i + 1]);
    else object[name] = parsed(parts[i + 1]);
  }
  return object;
}
