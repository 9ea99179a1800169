// Tokens: who may join where a site says so.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mintToken, turnCredentials } from '../../src/server/index.js';
import { readSettings } from '../../src/server/settings.js';
import { readToken } from '../../src/server/tokens.js';
import { coordinatorFor, Visitor } from './visitor.mjs';

const key = 'a key of the site';
const site = 'https://a.example';
/** @param {Parameters<typeof readToken>} given */
const checked = (...given) => readToken(...given).refused ?? 'good';
/** What any signer may sign. */
const signed = (claims) => {
  const body = `a.${Buffer.from(claims).toString('base64url')}`;
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
};

test('a token is good for its site and its time, by any of the keys', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const token = mintToken(key, { site, seconds: 60 });
  assert.equal(checked(key, token, site), 'good');
  assert.equal(checked(['a newer key of it', key], token, site), 'good');
  assert.equal(checked(key, token, 'https://b.example'), 'of-another-site');
  assert.equal(checked('another key of it', token, site), 'forged');
  t.mock.timers.tick(60_000);
  assert.equal(checked(key, token, site), 'expired');
});

test("the guide's way to make a token fits the coordinator that has the same variable, with several keys too", () => {
  const guide = readFileSync(new URL('../../docs/coordinator.md', import.meta.url), 'utf8');
  const [, keys] = /^const keys = (.*?);/m.exec(guide);
  for (const list of ['a-key-of-the-site', 'a-newer-key-of-it,a-key-of-the-site']) {
    const variables = { PEER_CDN_TOKEN_KEYS: list };
    const token = mintToken(new Function('process', `return ${keys}`)({ env: variables }), { site });
    assert.equal(checked(readSettings({}, true, variables).tokenKeys, token, site), 'good', list);
  }
  assert.throws(() => mintToken(new Function('process', `return ${keys}`)({ env: {} }), { site }), { code: 'bad-token-keys' });
});

/** A time from the environment is a text: one that is added to a number would make a token for ever. */
const mistaken = {
  'a time that is a text': { seconds: '3600' },
  'a time that is no number': { seconds: NaN },
  'a time without end': { seconds: Infinity },
  'a misspelt name': { second: 60 },
};
for (const [what, options] of Object.entries(mistaken)) {
  test(`${what} makes no token, and no credentials`, () => {
    assert.throws(() => mintToken(key, { site, ...options }), { code: 'bad-option' });
    assert.throws(() => turnCredentials('secret', { urls: 'turn:turn.example.org', ...options }), { code: 'bad-option' });
  });
}

test('a token that another language has written by the guide is good', () => {
  // As written there: what a JSON library of another language puts between the members does not matter.
  const encoded = (/** @type {Buffer} */ bytes) =>
    bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  const expires = Math.floor(Date.now() / 1000) + 60;
  const body = `a.${encoded(Buffer.from(`{"expires": ${expires}, "site": "${site}"}\n`))}`;
  assert.equal(checked(key, `${body}.${encoded(createHmac('sha256', key).update(body).digest())}`, site), 'good');
});

test('what names no site makes no token, and what names no server no credentials', () => {
  for (const options of [
    undefined,
    {},
    { site: 'a.example' },
    { site: 'https://*.example' },
    { site: 'file:///a' },
    { site: 5 },
  ]) {
    assert.throws(() => mintToken(key, options), { code: 'bad-option' });
  }
  for (const options of [undefined, {}, { urls: '' }, { urls: [] }, { urls: 5 }]) {
    assert.throws(() => turnCredentials('secret', options), { code: 'bad-option' });
  }
  for (const secret of ['', undefined]) {
    assert.throws(() => turnCredentials(secret, { urls: 'turn:turn.example.org' }), { code: 'bad-option' });
  }
});

test('an option that is undefined or null is as if nobody had said it', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  for (const nothing of [undefined, null]) {
    assert.equal(mintToken(key, { site, seconds: nothing }), mintToken(key, { site }));
    const urls = 'turn:turn.example.org';
    assert.deepEqual(
      turnCredentials('secret', { urls, seconds: nothing, visitor: nothing }),
      turnCredentials('secret', { urls }),
    );
  }
});

test('a token whose time is no number is expired', () => {
  assert.equal(checked(key, signed(JSON.stringify({ site, expires: '17959990013600' })), site), 'expired');
});

test('a token of a signer that signs no claims is forged, and nothing throws', () => {
  for (const claims of ['', 'no json', '{', 'null', '5', '"https://a.example"']) {
    assert.match(checked(key, signed(claims), site), /^(forged|of-another-site)$/, claims);
  }
});

test('what is no token of ours is forged, whatever it is', () => {
  const token = mintToken(key, { site });
  const [form, claims, signature] = token.split('.');
  const more = Buffer.from(JSON.stringify({ site: 'https://b.example', expires: 9e9 })).toString('base64url');
  for (const bad of [
    '',
    '.',
    '..',
    form,
    `${form}.${claims}`,
    `${form}.${claims}.`,
    `${form}.${claims}.${signature}.x`,
    `b.${claims}.${signature}`,
    `${form}.${more}.${signature}`,
    `${form}.${claims}.${signature.slice(1)}`,
    `${form}.${claims}.${signature}A`,
    `${token} `,
  ]) {
    assert.equal(checked(key, bad, site), 'forged', bad);
  }
});

const roots = ['ab', 'cd'].map((pair) => pair.repeat(32));
const beginning = (root) => root.slice(0, 16);

test('a token covers the files that it names, and all of the site if it names none', () => {
  assert.equal(readToken(key, mintToken(key, { site }), site).covered, undefined);
  const { covered } = readToken(key, mintToken(key, { site, resources: roots }), site);
  assert.equal(covered.toString('hex'), roots.map(beginning).join(''));
  assert.equal(readToken(key, mintToken(key, { site, resources: [] }), site).covered.length, 0);
});

for (const resources of ['ab'.repeat(32), ['ab'], ['AB'.repeat(32)], [5], [null], {}, Array(201).fill(roots[0])]) {
  test(`no token is made for the files ${JSON.stringify(resources).slice(0, 40)}`, () =>
    assert.throws(() => mintToken(key, { site, resources }), { code: 'bad-option' }));
}

test('of files that another signer names, 16 digits or more of each root are enough, and anything else is told', () => {
  const of = (resources) => signed(JSON.stringify({ site, expires: 9e9, resources }));
  assert.deepEqual(
    readToken(key, of([roots[0], beginning(roots[1])]), site).covered,
    Buffer.from('ab'.repeat(8) + 'cd'.repeat(8), 'hex'),
  );
  for (const bad of [
    null,
    'ab'.repeat(8),
    {},
    [5],
    ['ab'.repeat(7)],
    ['AB'.repeat(8)],
    ['ab'.repeat(33)],
    Array(201).fill(roots[0]),
  ]) {
    assert.equal(checked(key, of(bad), site), 'of-no-resources', JSON.stringify(bad).slice(0, 40));
  }
});

test('a page is introduced only for what its token covers, as who has it and as who wants it', async (t) => {
  const { coordinator, url } = await coordinatorFor(t, { origins: [site], tokenKeys: [key] });
  const enter = async (browser, resources) => {
    const visitor = new Visitor(`${url}?token=${mintToken(key, { site, resources })}`, { origin: site, browser });
    await visitor.next('welcome');
    return visitor;
  };
  const ask = async (visitor) => {
    visitor.say({ type: 'ask', roots });
    return (await visitor.next('answer')).peers;
  };
  const ann = await enter('ann', [roots[0]]);
  ann.say({ type: 'have', add: roots });
  assert.deepEqual(await ask(ann), [0, 0]);
  assert.deepEqual(await ask(await enter('bob')), [1, 0]); // ann has both, and is covered for one
  assert.deepEqual(await ask(await enter('cat', [roots[1]])), [0, 0]); // nobody can be offered for it
  const { introductions, notCovered } = coordinator.stats();
  assert.deepEqual({ introductions, notCovered }, { introductions: 1, notCovered: 3 });
});

test('keys that are too short are refused when the server starts', async (t) => {
  for (const tokenKeys of ['short', [], ['']]) await assert.rejects(coordinatorFor(t, { tokenKeys }), TypeError);
});

test('where tokens are asked for, a page without a good one is refused, and counted', async (t) => {
  const { coordinator, url } = await coordinatorFor(t, { origins: [site, 'https://b.example'], tokenKeys: [key] });
  const token = mintToken(key, { site });
  await new Visitor(`${url}?token=${token}`, { origin: site }).next('welcome');
  const refused = {
    status: 401,
    body: "token-refused: the socket's URL takes ?token=, of this site and not too old\n",
  };
  await assert.rejects(new Visitor(url, { origin: site }).opened, refused);
  await assert.rejects(new Visitor(`${url}?token=${token}x`, { origin: site }).opened, refused);
  await assert.rejects(new Visitor(`${url}?token=${token}`, { origin: 'https://b.example' }).opened, refused);
  const { tokensRefused, peers } = coordinator.stats();
  assert.deepEqual({ tokensRefused, peers }, { tokensRefused: 3, peers: 1 });
});

test('an operator is told what is wrong with a token', async (t) => {
  const told = [];
  const onWarning = ({ code, message }) => told.push([code, message]);
  const sites = [site, 'https://b.example'];
  const { url } = await coordinatorFor(t, { origins: sites, tokenKeys: [key], onWarning });
  const { now } = performance;
  t.after(() => (performance.now = now));
  const refusals = [
    ['', site, /has no \?token=/],
    [`?token=${mintToken(key, { site })}x`, site, /another key/],
    [`?token=${mintToken(key, { site })}`, sites[1], /for another site/],
    [`?token=${mintToken(key, { site, seconds: -1 })}`, site, /too old: .*clock/],
    [`?token=${signed(JSON.stringify({ site, expires: 9e9, resources: 'all' }))}`, site, /no list of at most 200 roots/],
  ];
  for (const [i, [query, origin, message]] of refusals.entries()) {
    performance.now = () => now.call(performance) + i * 60_000;
    await assert.rejects(new Visitor(url + query, { origin }).opened, { status: 401 });
    assert.deepEqual(told.length, i + 1);
    assert.equal(told[i][0], 'token-refused');
    assert.match(told[i][1], message);
  }
});

test('TURN credentials are what coturn computes from the shared secret', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const { urls, username, credential } = turnCredentials('secret', { urls: 'turn:turn.example', seconds: 60, visitor: 'ann' });
  assert.equal(urls, 'turn:turn.example');
  assert.equal(username, '1000000060:ann');
  assert.equal(credential, createHmac('sha1', 'secret').update('1000000060:ann').digest('base64'));
});
