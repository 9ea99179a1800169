// Every number that somebody may set: what it takes, wherever it is said, and what is told of another.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadOptions } from '../../src/server/cli-load.js';
import { attach, makeManifest, serveCoordinator } from '../../src/server/index.js';
import { formOf, isWithin, numberIn, numbers } from '../../src/server/numbers.js';
import { readSettings, settings } from '../../src/server/settings.js';
import { makeFolder } from './folder.mjs';

const cli = fileURLToPath(new URL('../../src/server/cli.js', import.meta.url));

/** Texts that are no number, or none of any option's. */
const none = [
  '',
  ' ',
  '-1',
  '1.5',
  '1e9',
  '1e3',
  '0x50',
  '+80',
  ' 80',
  '80 ',
  '8 0',
  'NaN',
  'Infinity',
  'eighty',
  '9'.repeat(400),
  '\u0668\u0660',
];
/** The same of a program or a file. */
const noneOfValues = [-1, 1.5, NaN, Infinity, -Infinity, 1e300, '80', true, [], {}];

for (const [name, bounds] of Object.entries(numbers)) {
  test(`${name} is ${formOf(bounds)}`, () => {
    for (const text of none) assert(Number.isNaN(numberIn(bounds, text)), `'${text}'`);
    for (const value of noneOfValues) assert(!isWithin(bounds, value), String(value));
    for (const value of [bounds.least, bounds.most]) {
      assert.equal(numberIn(bounds, String(value)), value);
      assert(isWithin(bounds, value));
    }
    assert(!isWithin(bounds, bounds.least - 1) && !isWithin(bounds, bounds.most + 1));
    assert(Number.isNaN(numberIn(bounds, String(bounds.most + 1))));
    assert.equal(isWithin(bounds, bounds.least * 1.5), !bounds.isPower && Number.isInteger(bounds.least * 1.5));
  });
}

/** What takes a number as the text of a flag: [the name, who reads it, the flag]. */
const load = (flag) => (text) => loadOptions('ws://a', { sockets: '50000', [flag]: text });
const readers = ['sockets', 'asks', 'seconds'].map((name) => [name, load(name), `--${name}`]);
for (const [name, { flag, bounds }] of Object.entries(settings)) {
  const variable = `PEER_CDN_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  if (!bounds) continue;
  readers.push([name, (text) => readSettings({ [flag]: text }, true, {}), `--${flag}`]);
  readers.push([name, (text) => readSettings({}, true, { [variable]: text }), variable]);
}
for (const [name, read, where] of readers) {
  test(`${where} says what it takes, of any text that is none`, () => {
    const bounds = numbers[name];
    // An empty variable is as if it was not set.
    for (const text of [...none, String(bounds.least - 1), String(bounds.most + 1)].filter((each) => each || where[0] === '-')) {
      const message = `${where} takes ${formOf(bounds)}, not '${text}'\nTry: peer-cdn --help`;
      assert.throws(() => read(text), { code: 'bad-value', status: 2, message }, `'${text}'`);
    }
    read(String(bounds.least));
    read(String(bounds.most));
  });
}

test('of few sockets a load asks for few introductions', () => {
  const asked = (sockets, asks) => loadOptions('ws://a', { sockets, asks }).perSecond;
  assert.deepEqual([asked('10', '5'), asked('2', '1'), asked('2', '0'), asked('3')], [5, 1, 0, 1]);
  assert.throws(() => asked('10', '6'), { code: 'bad-value', message: /--asks takes a whole number from 0 to 5, not '6'/ });
});

test('a file says numbers as numbers', (t) => {
  for (const [name, { bounds }] of Object.entries(settings).filter(([, each]) => each.bounds)) {
    const read = (value) => {
      const folder = makeFolder(t, { 'a.json': `{"${name}": ${JSON.stringify(value)}}` });
      return readSettings({ config: join(folder, 'a.json') }, true, {})[name];
    };
    assert.deepEqual([read(bounds.least), read(bounds.most)], [bounds.least, bounds.most]);
    for (const wrong of [...noneOfValues, bounds.least - 1, bounds.most + 1, null]) {
      assert.throws(() => read(wrong), { code: 'bad-value', message: new RegExp(`^${name} in .* takes ${formOf(bounds)}\n`) });
    }
  }
});

/** What takes a number as an option of a call: [the name, the call]. */
const calls = [
  ['port', (port) => serveCoordinator({ port })],
  ['metricsPort', (metricsPort) => serveCoordinator({ port: 0, metricsPort })],
  ['trustProxy', (trustProxy) => attach(createServer(), { trustProxy })],
  ['socketsPerAddress', (socketsPerAddress) => attach(createServer(), { socketsPerAddress })],
  ['maxLifetime', (maxLifetime) => attach(createServer(), { maxLifetime })],
  ['pieceBytes', (pieceBytes) => makeManifest('/nowhere', { pieceBytes })],
];
for (const [name, call] of calls) {
  test(`a program's ${name} is refused when it is none`, async () => {
    const { least, most } = numbers[name];
    const taken = ['port', 'metricsPort'].includes(name) ? ['80'] : name === 'trustProxy' ? [true] : [];
    for (const wrong of [...noneOfValues.filter((each) => !taken.includes(each)), least - 1, most + 1]) {
      const message = new RegExp(`^${name} takes .*, not `);
      await assert.rejects(async () => call(wrong), { code: 'bad-option', message }, `${wrong}`);
    }
  });
}

test('an option that is null was not given', async () => {
  const coordinator = attach(createServer(), { socketsPerAddress: null, maxLifetime: null, trustProxy: null });
  await coordinator.close();
});

const site = ['--origin', 'https://example.org'];
/** Each flag once in its command: what nobody could mean, and the same flag twice. */
const flags = [
  [['doctor', 'localhost:1'], '--timeout', '0'],
  [['doctor', 'localhost:1'], '--timeout', '45000'],
  [['load', 'ws://localhost:1'], '--sockets', '1'],
  [['load', 'ws://localhost:1'], '--asks', '-1'],
  [['load', 'ws://localhost:1'], '--seconds', '0'],
  [['manifest', '/nowhere'], '--piece-bytes', '1000'],
  [['serve', '/nowhere'], '--piece-bytes', '98304'],
  [['serve', '/nowhere'], '--port', '65536'],
  [['serve', '/nowhere'], '--trust-proxy', '11'],
  [['coordinator', ...site], '--port', '1e3'],
  [['coordinator', ...site], '--metrics-port', ''],
  [['coordinator', ...site], '--sockets-per-address', '0'],
  [['coordinator', ...site], '--max-lifetime', '59'],
];
for (const [command, flag, value] of flags) {
  test(`peer-cdn ${command[0]} ${flag}=${value} is refused, and ${flag} twice`, () => {
    const run = (...args) => spawnSync(process.execPath, [cli, ...command, ...args], { encoding: 'utf8' });
    const wrong = run(`${flag}=${value}`);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, new RegExp(`^peer-cdn: bad-value: ${flag} takes a .* from \\d+ to \\d+, not '${value}'\n`));
    const twice = run(`${flag}=1`, `${flag}=2`);
    assert.equal(twice.status, 2);
    assert.match(twice.stderr, new RegExp(`^peer-cdn: bad-arguments: ${flag} is given twice\n`));
  });
}
