// Which `servers` browsers refuse, and which of them web/options.js finds before any connection is made.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { badOptions } from '../../web/options.js';
import { browsers, scene } from './harness/scene.mjs';

globalThis.location ??= /** @type {any} */ ({ href: 'https://site.test/' });

const stun = (urls) => ({ iceServers: [{ urls }] });
const turn = (urls) => ({ iceServers: [{ urls, username: 'u', credential: 'c' }] });

/** Told by their name, at once. */
const bad = [
  ...['stun:h:0', 'stun://h', 'stuns://h', 'stun:', 'stun:h:x', 'stun:h?transport=udp', 'stun:h?x=y', 'stun:[::1', 'stun:h/p'],
  ...['stun:u@h', 'stun:h#f', 'stun: h', 'stun:h h', 'x:h', '', 'stun', 'stun::5', 'turn:h', 'h', 'https://h'].map(String),
].map(stun);
bad.push(
  ...['turn:h:0', 'turn://h', 'turn:h?transport=sctp', 'turn:h?x=y', 'turn:h/p', 'turn:h?transport=', 'turn:h#f', 'turn:u@h'].map(
    turn,
  ),
  ...['turn:[::1', 'turn:'].map(turn),
  ...[[], null, 5, {}, ['stun:h', undefined], ['stun:h', 'stun:h:0']].map(stun),
  ...[{}, null, 'stun:h', 5, undefined].map((server) => ({ iceServers: [server] })),
  ...[{}, 'stun:h', null, 5].map((iceServers) => ({ iceServers })),
  { iceServers: [{ urls: 'turn:h', username: 'u' }] },
  { iceServers: [{ urls: 'turn:h', credential: 'c' }] },
  { iceServers: [{ urls: 'turn:h', username: '', credential: '' }] },
  // Longer than a message of TURN can say it.
  { iceServers: [{ urls: 'turn:h', username: 'u'.repeat(510), credential: 'c' }] },
  ...[...'"<>\\^|'].map((sign) => stun(`stun:a${sign}b`)),
  ...['none', 'Relay', '', null, 5].map((iceTransportPolicy) => ({ iceTransportPolicy })),
  ...['max', 'Balanced', '', null, 5].map((bundlePolicy) => ({ bundlePolicy })),
);

/** Taken. */
const good = [
  {},
  { iceServers: [] },
  { iceServers: undefined, iceTransportPolicy: undefined },
  { iceServers: [{ url: 'stun:h' }] },
  { iceTransportPolicy: 'relay', bundlePolicy: 'max-bundle' },
  ...['balanced', 'max-compat', undefined].map((bundlePolicy) => ({ bundlePolicy })),
  { iceServers: [{ urls: 'turn:h', username: 'u'.repeat(509), credential: 'c' }] },
  { iceTransportPolicy: 'all', iceServers: [{ urls: ['stun:h', 'turn:h?transport=udp'], username: 'u', credential: 'c' }] },
  ...[
    'stun:h',
    'stun:h:65535',
    'stun:[::1]',
    'stun:h ',
    ' stun:h',
    'STUN:h',
    'stun:\u00fc.de',
    'stun:a_b',
    'stun:1.2.3.4:99',
  ].map(stun),
  ...['turn:h', 'turns:h?transport=tcp', 'turn:[::1]:3478?transport=udp', ['stun:h', 'TURNS:h:5349']].map(turn),
];

const namesOf = (servers) => badOptions({ servers });

test('servers that no browser takes are told by their name', () => {
  for (const servers of bad) assert.match(namesOf(servers).join(), /^servers/, JSON.stringify(servers));
  for (const servers of good) assert.deepEqual(namesOf(servers), [], JSON.stringify(servers));
  const sets = { iceServers: [{ urls: new Set(['stun:h']) }, Object.create({ urls: 'turn:h', username: 'u', credential: 'c' })] };
  assert.deepEqual(namesOf(sets), []);
});

for (const browser of browsers) {
  test(`${browser} refuses and takes these servers alike`, async (t) => {
    const open = scene(t);
    const s = await open.site({});
    const visitor = await open[browser]();
    await visitor.visit(s.url);
    const taken = await visitor.run(
      (text) =>
        JSON.parse(text, (_, value) => (value === 'undefined' ? undefined : value)).map((servers) => {
          try {
            new RTCPeerConnection(servers).close();
            return true;
          } catch {
            return false;
          }
        }),
      JSON.stringify([...bad, ...good], (_, value) => (value === undefined ? 'undefined' : value)),
    );
    const said = [...bad, ...good].map((servers, i) => `${JSON.stringify(servers)}: ${taken[i]}`);
    assert.deepEqual(said, [
      ...bad.map((servers) => `${JSON.stringify(servers)}: false`),
      ...good.map((servers) => `${JSON.stringify(servers)}: true`),
    ]);
  });
}
