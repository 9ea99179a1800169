// Where a visitor is, by what the request and its proxies say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, visitorOf } from '../../src/server/address.js';
import { Visitors } from '../../src/server/visitors.js';
import { coordinatorFor, Visitor } from './visitor.mjs';

test('an address is its network, or nothing where it says nothing', () => {
  const cases = {
    '203.0.113.7': '203.0.113.7',
    '203.0.113.7:4711': '203.0.113.7',
    ' "203.0.113.7" ': '203.0.113.7',
    '::ffff:203.0.113.7': '203.0.113.7',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
    '[2001:db8:1:2::6]:443': '2001:db8:1:2',
    '2001:db8::1': '2001:db8:0:0',
    '"[2001:DB8::9]"': '2001:db8:0:0',
    '2001:db8:0:0:1::': '2001:db8:0:0',
    '127.0.0.1': null,
    '::1': null,
    '::': null,
    '::ffff:10.0.0.1': null,
    '10.1.2.3': null,
    '172.31.0.1': null,
    '172.32.0.1': '172.32.0.1',
    '192.168.1.1': null,
    '100.64.0.1': null,
    '169.254.1.1': null,
    'fe80::1%eth0': null,
    'fd00::1': null,
    unknown: null,
    _hidden: null,
    '': null,
    '1.2.3': null,
  };
  for (const [text, network] of Object.entries(cases)) assert.equal(networkOf(text), network, text);
});

test('the last proxies are believed, as many as there are, and nobody else', () => {
  const request = (headers, remoteAddress = '198.51.100.1') => ({ headers, socket: { remoteAddress } });
  const cases = [
    [{}, 0, '198.51.100.1'],
    [{ 'x-forwarded-for': '203.0.113.7' }, 0, null],
    [{ forwarded: 'for=203.0.113.7' }, 0, null],
    [{ via: '1.1 somebody' }, 0, null],
    [{ 'x-forwarded-for': '203.0.113.7' }, 1, '203.0.113.7'],
    [{ 'x-forwarded-for': 'invented, 203.0.113.7' }, 1, '203.0.113.7'],
    [{ 'x-forwarded-for': 'invented, 203.0.113.7, 10.0.0.1' }, 2, '203.0.113.7'],
    [{ 'x-forwarded-for': '203.0.113.7' }, 2, null],
    [{}, 1, null],
    [{ forwarded: 'for=invented, proto=https;for="[2001:db8::1]:80";by=x' }, 1, '2001:db8:0:0'],
    [{ forwarded: 'for=unknown' }, 1, null],
  ];
  for (const [headers, hops, network] of cases) assert.equal(visitorOf(request(headers), hops), network, JSON.stringify(headers));
});

test('a network has so many sockets, and what goes makes room', () => {
  const visitors = new Visitors(2);
  assert.equal(visitors.enter('a'), visitors.enter('a'));
  assert.equal(visitors.admits('a'), false);
  assert.notEqual(visitors.enter('b'), visitors.enter(null));
  assert.equal(visitors.enter(null), 0);
  assert.equal(visitors.admits(null), true);
  visitors.leave('a');
  assert.equal(visitors.admits('a'), true);
});

const from = (address) => ({ headers: { 'x-forwarded-for': address } });

test('an address that has all its sockets is refused with rate-limited, others are not', async (t) => {
  const told = [];
  const onWarning = ({ code, message }) => told.push(`${code}: ${message}`);
  const { coordinator, url } = await coordinatorFor(t, { trustProxy: 1, socketsPerAddress: 2, onWarning });
  const visitors = [1, 2].map(() => new Visitor(url, from('203.0.113.7')));
  for (const visitor of visitors) await visitor.next('welcome');
  const body = 'rate-limited: this address has 2 sockets open, the most that one may have\n';
  for (let i = 0; i < 2; i++) {
    await assert.rejects(new Visitor(url, from('203.0.113.7')).opened, { status: 429, body, retryAfter: '60' });
  }
  // The operator hears it once a minute at most, and of no address.
  assert.equal(told.length, 1);
  assert.match(told[0], /^rate-limited: .*2 sockets.*socketsPerAddress/);
  assert.doesNotMatch(told[0], /203/);
  await new Visitor(url, from('203.0.113.8')).next('welcome');
  // An address that says nothing is not limited.
  for (let i = 0; i < 4; i++) await new Visitor(url, from('10.0.0.1')).next('welcome');
  visitors[0].socket.close();
  await visitors[0].closed;
  await new Visitor(url, from('203.0.113.7')).next('welcome');
  assert.equal(coordinator.stats().addressesRefused, 2);
});

test('a proxy that is not trusted is told of once', async (t) => {
  const warnings = [];
  const { url } = await coordinatorFor(t, { onWarning: (warning) => warnings.push(warning) });
  await new Visitor(url).next('welcome');
  assert.equal(warnings.length, 0);
  for (let i = 0; i < 2; i++) await new Visitor(url, from('203.0.113.7')).next('welcome');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['proxy-not-trusted'],
  );
  assert.match(warnings[0].message, /trustProxy/);
  assert.doesNotMatch(warnings[0].message, /203/);
});

test('trustProxy is a number of proxies', async (t) => {
  for (const trustProxy of [-1, 1.5, 'x']) await assert.rejects(coordinatorFor(t, { trustProxy }), TypeError);
});
