// Entries of a manifest that are bad, each in one way, for the tests of whoever reads manifests.
const root = 'ab'.repeat(32);
const good = { bytes: 5, pieceBytes: 65536, root, type: 'a/b' };

/** [what is wrong, the entry]: what worker and page refuse alike. */
export const badEntries = [
  ['null', null],
  ['a text', 'x'],
  ['a number', 5],
  ['a list', [good]],
  ['nothing', {}],
  ['no bytes', { ...good, bytes: undefined }],
  ['bytes as a text', { ...good, bytes: '5' }],
  ['no length', { ...good, bytes: 0 }],
  ['half a byte', { ...good, bytes: 5.5 }],
  ['too long', { ...good, bytes: 2 ** 36 }],
  ['a size of pieces', { ...good, pieceBytes: 1000 }],
  ['pieces as a list', { ...good, pieceBytes: [65536] }],
  ['no root', { ...good, root: null }],
  ['a short root', { ...good, root: 'ab' }],
  ['a root that is a list', { ...good, root: [root] }],
  ['a root in capitals', { ...good, root: root.toUpperCase() }],
  ['a type that is none', { ...good, type: 5 }],
  ['a type of null', { ...good, type: null }],
  ['any query as a text', { ...good, anyQuery: 'yes' }],
  ['any query as a number', { ...good, anyQuery: 1 }],
  ['headers of null', { ...good, headers: null }],
  ['headers as a text', { ...good, headers: 'a: b' }],
  ['headers as a list', { ...good, headers: [['a', 'b']] }],
  ['a header of null', { ...good, headers: { a: null } }],
  ['a header that is an object', { ...good, headers: { a: { toString: 1 } } }],
  ['a header with a line end', { ...good, headers: { a: 'b\nc' } }],
  ['a type with a line end', { ...good, type: 'a/b\nx' }],
  ['a name of a header with a line end', { ...good, headers: { 'a\nb': 'c' } }],
  ['the length of another entry with its root', { ...good, bytes: 6 }],
];

/** What the worker refuses; a page cannot be harmed by it. */
export const badForTheWorker = [
  ['a cookie', { ...good, headers: { 'set-cookie': 'a=b' } }],
  ['any query of one query', { ...good, anyQuery: true }, '/q?a'],
  ['a long path', good, `/${'a'.repeat(2048)}`],
  ['no path', good, ''],
  ['a relative path', good, 'a.bin'],
  ['the name of a prototype', good, '__proto__'],
  ['another host', good, '//evil.example/a'],
  ['a line end', good, '/a\nb'],
];
