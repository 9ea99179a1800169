// Tokens: who may join where a site says so.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mintToken, turnCredentials } from '../../src/server/index.js';
import { readSettings } from '../../src/server/settings.js';
import { checkToken } from '../../src/server/tokens.js';
import { coordinatorFor, Visitor } from './visitor.mjs';

const key = 'a key of the site';
const site = 'https://a.example';

test('a token is good for its site and its time, by any of the keys', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const token = mintToken(key, { site, seconds: 60 });
  assert.equal(checkToken(key, token, site), 'good');
  assert.equal(checkToken(['a newer key of it', key], token, site), 'good');
  assert.equal(checkToken(key, token, 'https://b.example'), 'of-another-site');
  assert.equal(checkToken('another key of it', token, site), 'forged');
  t.mock.timers.tick(60_000);
  assert.equal(checkToken(key, token, site), 'expired');
});

test("the guide's way to make a token fits the coordinator that has the same variable, with several keys too", () => {
  const guide = readFileSync(new URL('../../docs/coordinator.md', import.meta.url), 'utf8');
  const [, keys] = /^const keys = (.*?);/m.exec(guide);
  for (const list of ['a-key-of-the-site', 'a-newer-key-of-it,a-key-of-the-site']) {
    const variables = { PEER_CDN_TOKEN_KEYS: list };
    const token = mintToken(new Function('process', `return ${keys}`)({ env: variables }), { site });
    assert.equal(checkToken(readSettings({}, true, variables).tokenKeys, token, site), 'good', list);
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
  assert.equal(checkToken(key, `${body}.${encoded(createHmac('sha256', key).update(body).digest())}`, site), 'good');
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
  const body = `a.${Buffer.from(JSON.stringify({ site, expires: '17959990013600' })).toString('base64url')}`;
  const token = `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
  assert.equal(checkToken(key, token, site), 'expired');
});

test('a token of a signer that signs no claims is forged, and nothing throws', () => {
  for (const signed of ['', 'no json', '{', 'null', '5', '"https://a.example"']) {
    const body = `a.${Buffer.from(signed).toString('base64url')}`;
    const token = `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
    assert.match(checkToken(key, token, site), /^(forged|of-another-site)$/, signed);
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
    assert.equal(checkToken(key, bad, site), 'forged', bad);
  }
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
