// Settings of a server: by flag, environment and file, in that order.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configBytes } from '../../src/server/limits.js';
import { readSettings, settings } from '../../src/server/settings.js';
import { makeFolder } from './folder.mjs';

function fileOf(t, content) {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return join(makeFolder(t, { 'config.json': text }), 'config.json');
}

test('a flag goes before the environment, and the environment before the file', (t) => {
  const config = fileOf(t, { port: 1, host: 'file', maxLifetime: 60, proxyProtocol: true });
  const environment = { PEER_CDN_PORT: '2', PEER_CDN_HOST: 'environment', PATH: '/bin' };
  assert.deepEqual(readSettings({ config, port: '3' }, true, environment), {
    port: 3,
    host: 'environment',
    maxLifetime: 60,
    proxyProtocol: true,
  });
  assert.deepEqual(readSettings({}, true, { PEER_CDN_CONFIG: config, PEER_CDN_PROXY_PROTOCOL: 'false' }).proxyProtocol, false);
});

/** One value of each kind, as a flag, as the environment and as a file have it. */
const samples = {
  text: ['a', 'a', 'a'],
  number: ['61', '61', 61],
  list: [['a', 'b'], 'a, b', ['a', 'b']],
  flag: [true, 'true', true],
};
for (const [name, { kind, flag, bounds, forms }] of Object.entries(settings)) {
  test(`${name} is the same by flag, environment and file`, (t) => {
    const few = forms && [forms[0], forms[0], forms[0]];
    const [byFlag, byVariable, byFile] = few ?? (bounds?.most < 61 ? ['2', '2', 2] : samples[kind]);
    const variable = `PEER_CDN_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
    const said = { [name]: byFile };
    assert.deepEqual(readSettings({ [flag]: byFlag }, true, {}), said);
    assert.deepEqual(readSettings({}, true, { [variable]: byVariable }), said);
    assert.deepEqual(readSettings({ config: fileOf(t, said) }, true, {}), said);
  });
}

const refused = [
  ['an unknown key of a file', { file: { prot: 1 } }, 'unknown-option', /'prot' in .*config\.json.*port/],
  ['an inherited name', { file: '{"__proto__": {}}' }, 'unknown-option', /'__proto__'/],
  ['a number that is a text', { file: { port: '1' } }, 'bad-value', /port in .* takes a whole number from 0 to 65535/],
  ['a number that is too large', { file: { port: 65536 } }, 'bad-value', /port/],
  [
    'a key that stands twice',
    { file: '{"port": 1, "host": "a", "port" : 2}' },
    'bad-value',
    /"port" stands twice in .*config\.json/,
  ],
  ['a list that is a text', { file: { origins: 'https://a.example' } }, 'bad-value', /origins in .* takes a list of texts/],
  ['a text that is null', { file: { redis: null } }, 'bad-value', /redis in .* takes a text/],
  ['a flag that is a number', { file: { proxyProtocol: 1 } }, 'bad-value', /true or false/],
  ['a file that is a list', { file: [] }, 'bad-value', /must have one object/],
  ['a file that is no JSON', { file: '{"tokenKeys": ["secret"' }, 'bad-value', /is not JSON/],
  ['an empty file', { file: '' }, 'bad-value', /is not JSON/],
  ['a huge file', { file: ' '.repeat(configBytes + 1) }, 'bad-value', /more than/],
  ['an unknown variable', { variables: { PEER_CDN_PROT: '1' } }, 'unknown-option', /PEER_CDN_PROT: .*PEER_CDN_PORT/],
  ['a variable that is no number', { variables: { PEER_CDN_PORT: 'x' } }, 'bad-value', /PEER_CDN_PORT takes a whole number/],
  ['a variable that is neither true nor false', { variables: { PEER_CDN_PROXY_PROTOCOL: 'yes' } }, 'bad-value', /true or false/],
  ['a variable without the keys that it names', { variables: { PEER_CDN_TOKEN_KEYS: '' } }, 'bad-value', /PEER_CDN_TOKEN_KEYS/],
];
for (const [what, { file, variables = {} }, code, message] of refused) {
  test(`${what} is refused by its name`, (t) => {
    const flags = file === undefined ? {} : { config: fileOf(t, file) };
    assert.throws(
      () => readSettings(flags, true, variables),
      (error) => error.code === code && message.test(error.message) && !error.message.includes('secret'),
    );
  });
}

test('a file that is not there is said so', () => {
  assert.throws(() => readSettings({ config: '' }, true, {}), { code: 'bad-value', message: /--config takes a file, not ''/ });
  assert.throws(() => readSettings({ config: '/nowhere/at.json' }, true, {}), { code: 'ENOENT' });
});

for (const service of ['peer-cdn', 'peer-cdn-coordinator', 'peer-cdn-redis', 'peer-cdn-metrics']) {
  test(`what Kubernetes puts into the environment of a service named ${service} is no setting`, () => {
    const name = service.toUpperCase().replaceAll('-', '_');
    const environment = {
      [`${name}_SERVICE_HOST`]: '10.0.0.1',
      [`${name}_SERVICE_PORT`]: '8081',
      [`${name}_SERVICE_PORT_HTTP`]: '8081',
      [`${name}_PORT`]: 'tcp://10.0.0.1:8081',
      [`${name}_PORT_8081_TCP`]: 'tcp://10.0.0.1:8081',
      [`${name}_PORT_8081_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_8081_TCP_PORT`]: '8081',
      [`${name}_PORT_8081_TCP_ADDR`]: '10.0.0.1',
      PEER_CDN_HOST: '',
    };
    assert.deepEqual(readSettings({}, true, environment), {});
  });
}

test('serve leaves alone what only a coordinator has, of the environment they share', () => {
  assert.deepEqual(readSettings({}, false, { PEER_CDN_METRICS_PORT: '1' }), {});
});

test('the guide has every setting', () => {
  const guide = readFileSync(new URL('../../docs/coordinator.md', import.meta.url), 'utf8');
  for (const [name, { flag }] of Object.entries(settings)) {
    const variable = `PEER_CDN_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
    assert.match(guide, new RegExp(`^\\| \`--${flag}[[ \`].*\\| \`${variable}\` \\| \`${name}\` \\|`, 'm'), name);
  }
});

test('a log has one of two forms, wherever it is said', (t) => {
  const file = (log) => readSettings({ config: fileOf(t, { log }) }, true, {});
  assert.deepEqual(file('json'), { log: 'json' });
  assert.deepEqual(readSettings({}, false, { PEER_CDN_LOG: 'plain' }), { log: 'plain' });
  for (const wrong of ['', 'JSON', 1, true]) assert.throws(() => file(wrong), /log in .* takes plain or json/, String(wrong));
  assert.throws(() => readSettings({ log: 'xml' }, true, {}), /--log takes plain or json, not 'xml'/);
  assert.throws(() => readSettings({}, true, { PEER_CDN_LOG: 'xml' }), /PEER_CDN_LOG takes plain or json/);
});

test('a file may begin with the mark of a Windows editor', (t) => {
  assert.deepEqual(readSettings({ config: fileOf(t, '\ufeff{"port": 1}') }, true, {}), { port: 1 });
});

test('a text of a file that has a colon is no key', (t) => {
  const said = { origins: ['a', ':b', ':c'], host: '":"' };
  assert.deepEqual(readSettings({ config: fileOf(t, said) }, true, {}), said);
});

test('a folder is no configuration, and an empty text is no host', (t) => {
  assert.throws(() => readSettings({ config: makeFolder(t, {}) }, true, {}), /is a folder, not a configuration/);
  assert.throws(() => readSettings({ config: fileOf(t, { host: '' }) }, true, {}), /host .* takes a text/);
  assert.throws(() => readSettings({ host: '' }, true, {}), /--host takes a text, not ''/);
});
