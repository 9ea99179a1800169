// Where a visitor is, by what the request and its proxies say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, networkOf } from '../../src/server/address.js';
import { nowhere, Places } from '../../src/server/places.js';
import { Salt } from '../../src/server/salt.js';
import { Visitors } from '../../src/server/visitors.js';
import { coordinatorFor, rootOf, Visitor } from './visitor.mjs';

test('an address is its network, or nothing where it says nothing', () => {
  const cases = {
    '203.0.113.7': '203.0.113.7',
    '203.0.113.7:4711': '203.0.113.7',
    ' "203.0.113.7" ': '203.0.113.7',
    '::ffff:203.0.113.7': '203.0.113.7',
    '::ffff:cb00:7107': '203.0.113.7',
    '[0:0:0:0:0:FFFF:203.0.113.7]:443': '203.0.113.7',
    '0000:0000:0000:0000:0000:ffff:0001:0203': null,
    '::ffff:0:203.0.113.7': '0:0:0:0',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
    '[2001:db8:1:2::6]:443': '2001:db8:1:2',
    '2001:db8::1': '2001:db8:0:0',
    '"[2001:DB8::9]"': '2001:db8:0:0',
    '2001:db8:0:0:1::': '2001:db8:0:0',
    '64:ff9b::203.0.113.7': '203.0.113.7',
    '[64:ff9b::cb00:7107]:443': '203.0.113.7',
    '0064:FF9B:0:0:0:0:CB00:7107': '203.0.113.7',
    '64:ff9b::10.0.0.1': null,
    '64:ff9b:1::203.0.113.7': '64:ff9b:1:0',
    '[2001:db8::6]:_hidden': '2001:db8:0:0',
    '203.0.113.7:_a.b-c': '203.0.113.7',
    '127.0.0.1': null,
    '::1': null,
    '::': null,
    '::ffff:10.0.0.1': null,
    '::ffff:a00:1': null,
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
    [{ forwarded: 'for=invented, proto=https;for="[2001:db8::1]:80";by=x' }, 1, '2001:db8::1'],
    [{ forwarded: 'for=unknown' }, 1, null],
  ];
  for (const [headers, hops, address] of cases) assert.equal(addressOf(request(headers), hops), address, JSON.stringify(headers));
});

test('a network has so many sockets, and what goes makes room', () => {
  const visitors = new Visitors(2);
  visitors.enter('a');
  assert.equal(visitors.admits('a'), true);
  for (const network of ['a', 'b', null]) visitors.enter(network);
  assert.equal(visitors.admits('a'), false);
  assert.equal(visitors.admits('b'), true);
  assert.equal(visitors.admits(null), true);
  visitors.leave('a');
  assert.equal(visitors.admits('a'), true);
});

const day = 24 * 3600 * 1000;
const noon = 20_000.5 * day;

/** Coordinators' salts on one clock, which may differ by so much. */
function salts(...ahead) {
  const clock = { now: noon };
  return { clock, salts: ahead.map((ms) => new Salt(() => clock.now + ms)) };
}
test('a network is a number under the salt of the day, which nobody knows from the network', () => {
  const [
    {
      salts: [one],
    },
    {
      salts: [other],
    },
  ] = [salts(0), salts(0)];
  assert.deepEqual(one.numbersOf('203.0.113.7'), one.numbersOf('203.0.113.7'));
  const numbers = [one, other].flatMap((salt) => ['203.0.113.7', '203.0.113.8'].map((network) => salt.numbersOf(network)));
  assert.equal(new Set(numbers.flatMap(({ today, before }) => [today, before])).size, 8);
});

test('the salt turns each day, and those who came a day apart still know each other', () => {
  const {
    clock,
    salts: [salt],
  } = salts(0);
  const [first, second, third] = [0, 1, 2].map((days) => {
    clock.now = noon + days * day;
    return salt.numbersOf('203.0.113.7');
  });
  assert.equal(second.before, first.today);
  assert.equal(third.before, second.today);
  assert.equal(new Set([first, second, third].map(({ today }) => today)).size, 3);
  assert(![third.today, third.before].includes(first.today));
});

test('coordinators take the oldest salt, whoever speaks first, and keep it in step where one is a day ahead', () => {
  const {
    clock,
    salts: [old],
  } = salts(0);
  clock.now += 1000;
  const [young, early] = [new Salt(() => clock.now), new Salt(() => clock.now + day)];
  const before = old.numbersOf('203.0.113.7');
  assert.equal(old.hear(Buffer.from(young.toText())), true);
  assert.deepEqual(old.numbersOf('203.0.113.7'), before);
  assert.equal(young.hear(Buffer.from(old.toText())), false);
  assert.deepEqual(young.numbersOf('203.0.113.7'), before);
  assert.equal(young.hear(Buffer.from(old.toText())), false);
  // Its clock is a day ahead.
  assert.equal(early.hear(Buffer.from(old.toText())), false);
  assert.equal(early.numbersOf('203.0.113.7').before, before.today);
  assert.equal(old.hear(Buffer.from(early.toText())), false);
  clock.now += day;
  assert.equal(old.numbersOf('203.0.113.7').before, before.today);
  assert.deepEqual(young.numbersOf('203.0.113.7'), old.numbersOf('203.0.113.7'));
});

test('what is no salt changes nothing', () => {
  const {
    salts: [salt],
  } = salts(0);
  const before = salt.numbersOf('203.0.113.7');
  const good = { day: 20_000, born: 0, salt: '0'.repeat(64) };
  const bad = [
    { ...good, day: 19_998 },
    { ...good, day: 20_002 },
    { ...good, day: '20000' },
    { ...good, born: -1 },
  ];
  bad.push({ ...good, born: null }, { ...good, salt: '0'.repeat(63) }, { ...good, salt: 7 }, null, [], 7);
  for (const said of bad) assert.equal(salt.hear(Buffer.from(JSON.stringify(said))), false);
  assert.equal(salt.hear(Buffer.from('{')), false);
  assert.deepEqual(salt.numbersOf('203.0.113.7'), before);
  salt.hear(Buffer.from(JSON.stringify(good)));
  assert.notDeepEqual(salt.numbersOf('203.0.113.7'), before);
});

test("a classifier's label is asked for the whole address, and what is none is unknown and told once", () => {
  const asked = [];
  const told = [];
  const labels = { '203.0.113.7': 'AS64496', '203.0.113.8': 'AS64496', '2001:db8::1': 'DE', '192.0.2.1': '', '192.0.2.2': null };
  const garbage = {
    '192.0.2.3': 7,
    '192.0.2.4': 'x'.repeat(65),
    '192.0.2.5': Promise.reject(new Error('late')),
    '192.0.2.6': {},
    // Rows of a strict database: looking at them throws.
    '192.0.2.8': new Proxy({}, { get: () => assert.fail('no such column') }),
    '192.0.2.9': Object.defineProperty({}, 'then', { get: () => assert.fail('no such column') }),
  };
  const classify = (address) => {
    asked.push(address);
    if (address === '192.0.2.7') throw new Error(`no ${address}`);
    return { ...labels, ...garbage }[address];
  };
  const places = new Places(new Salt(), classify, (message) => told.push(message));
  const labelOf = (address) => places.of(address).label.today;
  assert.notEqual(labelOf('203.0.113.7'), 0);
  assert.equal(labelOf('203.0.113.7'), labelOf('203.0.113.8'));
  assert.notEqual(labelOf('2001:db8::1'), labelOf('203.0.113.7'));
  for (const address of ['192.0.2.1', '192.0.2.2', '198.51.100.1']) assert.equal(labelOf(address), 0);
  assert.deepEqual(told, []);
  for (const address of [...Object.keys(garbage), '192.0.2.7']) assert.equal(labelOf(address), 0, address);
  assert.equal(told.length, 1);
  assert.doesNotMatch(told[0], /192/);
  const before = asked.length;
  assert.equal(places.of(null), nowhere);
  assert.equal(asked.length, before);
});

test('visitors of one label meet first, and the classifier is asked once for each socket', async (t) => {
  const asked = [];
  const classify = (address) => {
    asked.push(address);
    return `AS${address.split('.')[2]}`;
  };
  const { url } = await coordinatorFor(t, { trustProxy: 1, classify });
  const come = async (address, name, roots = []) => {
    const visitor = new Visitor(url, { ...from(address), browser: name });
    const { peer } = await visitor.next('welcome');
    if (roots.length > 0) visitor.say({ type: 'have', add: roots, remove: [] });
    visitor.say({ type: 'ask', roots: [] });
    await visitor.next('answer');
    return { visitor, peer };
  };
  const near = [];
  for (let i = 0; i < 12; i++) {
    const isNear = i % 3 === 0;
    const { peer } = await come(isNear ? `203.0.113.${i}` : `203.0.99.${i}`, `holder ${i}`, [rootOf('film')]);
    if (isNear) near.push(peer);
  }
  const { visitor } = await come('203.0.113.200', 'asker');
  visitor.say({ type: 'ask', roots: [rootOf('film')] });
  const met = [];
  for (let i = 0; i < 4; i++) met.push((await visitor.next('introduce')).peer);
  assert.deepEqual(met.sort(), near.sort());
  assert.equal(asked.length, 13);
});

test('the classifier is not asked of addresses that say nothing of a visitor', async (t) => {
  const asked = [];
  const { url } = await coordinatorFor(t, { trustProxy: 1, classify: (address) => void asked.push(address) });
  for (const address of ['127.0.0.1', '::1', '10.1.2.3', '192.168.1.2', '169.254.1.2', '100.64.1.2', 'fd00::1', 'fe80::1']) {
    await new Visitor(url, from(address)).next('welcome');
  }
  await new Visitor(url, from('203.0.113.7')).next('welcome');
  assert.deepEqual(asked, ['203.0.113.7']);
});

test('a classifier that throws harms nobody, and is told of once', async (t) => {
  const warnings = [];
  const classify = () => {
    throw new TypeError('no database at 203.0.113.7');
  };
  const { url } = await coordinatorFor(t, { trustProxy: 1, classify, onWarning: (warning) => warnings.push(warning) });
  for (let i = 0; i < 3; i++) await new Visitor(url, from('203.0.113.7')).next('welcome');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['classify-failed'],
  );
  assert.match(warnings[0].message, /TypeError/);
  assert.doesNotMatch(warnings[0].message, /203/);
  for (const classifier of ['AS1', 7, {}]) await assert.rejects(coordinatorFor(t, { classify: classifier }), TypeError);
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

test('proxies that say less than they should are told of once, and what they say of a private network is enough', async (t) => {
  const warnings = [];
  const { url } = await coordinatorFor(t, { trustProxy: 2, onWarning: (warning) => warnings.push(warning) });
  const headers = (list) => ({ headers: list === undefined ? {} : { 'x-forwarded-for': list } });
  for (const list of ['203.0.113.7, 10.0.0.2', '10.0.0.3, 10.0.0.2']) await new Visitor(url, headers(list)).next('welcome');
  assert.deepEqual(warnings, []);
  for (const list of [undefined, '203.0.113.7', '', ' , 10.0.0.2', 'unknown, 10.0.0.2'])
    await new Visitor(url, headers(list)).next('welcome');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['address-untold'],
  );
  assert.match(warnings[0].message, /trustProxy is 2/);
});

test('a proxy of a private network that is not counted is told of once: its address hides all visitors', async (t) => {
  const warnings = [];
  const { url } = await coordinatorFor(t, { trustProxy: 1, onWarning: (warning) => warnings.push(warning) });
  for (let i = 0; i < 2; i++) await new Visitor(url, from('203.0.113.7, 10.0.0.2')).next('welcome');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['address-untold'],
  );
  assert.match(warnings[0].message, /trustProxy is 1, .*count the proxy that has the private address/);
  assert.doesNotMatch(warnings[0].message, /203|10\.0/);
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
