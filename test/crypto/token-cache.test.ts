/**
 * The token cache: exact, bounded and filled by verify alone. The times of a cached token are
 * checked at every call. The number of MACs that a token costs shows whether it was cached.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict, verdictOf } from '../support/assertions.ts';
import { collectGarbage } from '../support/garbage.ts';
import { callsOf } from '../support/spies.ts';
import { CLAIMS, FORGER, NOW, OWN_HEADER, seal, SECRET, tokenOf } from '../support/tokens.ts';

const jwtWith = (options: Partial<JwtOptions> = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const tokenFor = (jti: unknown) => tokenOf({ ...CLAIMS, jti: String(jti) });

/** How many MACs each of these tokens costs, in this order. */
async function macsFor(jwt: Jwt<object>, ...tokens: readonly string[]): Promise<number[]> {
  const macs: number[] = [];
  for (const token of tokens) {
    macs.push((await callsOf('createHmac', () => verdictOf(() => jwt.verify(token)))).length);
  }
  return macs;
}

test('a token costs a MAC the first time and none after that, unless the cache is off', async () => {
  const token = tokenFor('a');
  assert.deepEqual(await macsFor(jwtWith(), token, token, token), [1, 0, 0]);
  assert.deepEqual(await macsFor(jwtWith({ cacheSize: 1 }), token, token), [1, 0]);
  assert.deepEqual(await macsFor(jwtWith({ cacheSize: 0 }), token, token), [1, 1]);
});

test('without a cache a Jwt keeps no claims alive', async () => {
  const claimsKept = async (cacheSize: number) => {
    const jwt = jwtWith({ cacheSize });
    const kept = Array.from({ length: 50 }, (_, n) => new WeakRef(jwt.verify(tokenFor(n))));
    await collectGarbage();
    const count = kept.filter((claims) => claims.deref() !== undefined).length;
    assertVerdict(jwt, 'accepted', [tokenFor(0)]);
    return count;
  };
  assert.deepEqual([await claimsKept(0), await claimsKept(50), await claimsKept(10)], [0, 50, 10]);
});

test('CVE-2026-35039: two tokens never share an entry, however alike they are', () => {
  const jwt = jwtWith();
  const all = Array.from({ length: 300 }, (_, n) => ({ ...CLAIMS, identity: `user-${n}` }));
  const tokens = all.map((claims) => tokenOf(claims));
  for (let round = 0; round < 3; round += 1) {
    assert.deepEqual(
      tokens.map((token) => jwt.verify(token)),
      all,
    );
    tokens.reverse();
    all.reverse();
  }
});

// V8 hashes a string of more than 16,383 characters by its length alone.
test('a token so long that look-ups would be slow is not cached', async () => {
  const jwt = jwtWith({ maxTokenLength: 20_000 });
  const rest = JSON.stringify({ ...CLAIMS, x: '' }).length;
  const [longest, longer] = [12_226, 12_227].map((bytes) =>
    tokenOf({ ...CLAIMS, x: 'x'.repeat(bytes - rest) }),
  );
  assert.deepEqual([longest?.length, longer?.length], [16_383, 16_384]);
  assert.deepEqual(
    await macsFor(jwt, longest ?? '', longest ?? '', longer ?? '', longer ?? ''),
    [1, 0, 1, 1],
  );
});

test('the cache compares whole tokens: one that differs in a character is verified on its own', () => {
  const jwt = jwtWith();
  const [token, other] = [tokenFor('a'), tokenFor('b')];
  assertVerdict(jwt, 'accepted', [token, other]);
  const [header, payload = '', mac = ''] = token.split('.');
  const [, otherPayload, otherMac] = other.split('.');
  const forged = [
    `${header}.${otherPayload}.${mac}`,
    `${header}.${payload}.${otherMac}`,
    mac,
    payload,
    token + other,
  ];
  forged.push(
    token.toLowerCase(), `${token}=`, ` ${token}`, `${token} `, token.slice(0, -1), `${token}\0`,
  );
  for (let at = 0; at < token.length; at += 1) {
    forged.push(`${token.slice(0, at)}~${token.slice(at + 1)}`);
  }
  for (const text of forged) {
    assert.notEqual(
      verdictOf(() => jwt.verify(text)),
      'accepted',
      text,
    );
  }
  assertVerdict(jwt, 'ERR_JWT_MALFORMED', [Object(token), [token], { toString: () => token }]);
  assertVerdict(jwt, 'accepted', [token, other]);
});

test('only a token that passed every check is cached, so a client without one cannot fill the cache', async () => {
  const rules = {
    audience: 'us',
    issuer: 'us',
    type: 'JWT',
    maxAgeSeconds: 60,
    maxTokenLength: 400,
  };
  const jwt = jwtWith({ ...rules, cacheSize: 1 });
  const claims = { ...CLAIMS, iss: 'us', aud: 'us' };
  const token = tokenOf(claims);
  assertVerdict(jwt, 'accepted', [token]);
  const times = [{ exp: 1 }, { nbf: NOW + 99 }, { iat: NOW + 99 }, { iat: 1 }];
  const contents = [{ aud: 'x' }, { iss: 'x' }, { sub: 1 }, { x: 'x'.repeat(300) }];
  const headers = ['{}', '{"alg":"HS256"}', '{"alg":"HS256","typ":"JWT","crit":[]}', '['];
  const refused = [
    ...Array.from({ length: 500 }, (_, n) => tokenOf({ ...claims, n }, OWN_HEADER, FORGER)),
    ...[...times, ...contents].map((members) => tokenOf({ ...claims, ...members })),
    ...headers.map((header) => tokenOf(claims, header)),
    ...['', 'x', '..', `${token}.`, token.slice(1), tokenOf('['), seal('.')],
  ];
  for (const text of refused) {
    assert.notEqual(
      verdictOf(() => jwt.verify(text)),
      'accepted',
      text,
    );
  }
  assert.deepEqual(await macsFor(jwt, token), [0]);
  const expired = tokenOf({ ...claims, exp: 1 });
  assert.deepEqual(
    await macsFor(jwt, expired, expired),
    [1, 1],
    'what is refused costs its MAC each time',
  );
  assert.deepEqual(
    await macsFor(jwt, tokenOf({ ...claims, n: 1 }), token),
    [1, 1],
    'what is accepted takes the place',
  );
});

test('the cache is bounded, and the entry that was used last stays', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map(tokenFor) as [string, string, string];
  assert.deepEqual(await macsFor(jwtWith({ cacheSize: 1 }), a, b, a), [1, 1, 1]);
  assert.deepEqual(
    await macsFor(jwtWith({ cacheSize: 2 }), a, b, c, b, c, a),
    [1, 1, 1, 0, 0, 1],
    'the oldest goes',
  );
  assert.deepEqual(
    await macsFor(jwtWith({ cacheSize: 2 }), a, b, a, c, a, b),
    [1, 1, 0, 1, 0, 1],
    'a hit renews',
  );
  assert.deepEqual(await macsFor(jwtWith({ cacheSize: 3 }), a, b, c, a, b, c), [1, 1, 1, 0, 0, 0]);
  // A hit spares an entry only once: c evicts b and spares a, then d evicts a.
  const turned = jwtWith({ cacheSize: 2 });
  const [d, e] = [tokenFor('d'), tokenFor('e')];
  assert.deepEqual(await macsFor(turned, a, b, a, c, d, e, a), [1, 1, 0, 1, 1, 1, 1]);
  // The default size is 1000.
  const many = Array.from({ length: 1001 }, (_, n) => tokenFor(n));
  const jwt = jwtWith();
  assertVerdict(jwt, 'accepted', many);
  assert.deepEqual(await macsFor(jwt, many[1] ?? '', many[0] ?? ''), [0, 1]);
  // A cache of 3000 evicts three at a time.
  const large = Array.from({ length: 3001 }, (_, n) => tokenFor(n));
  const roomy = jwtWith({ cacheSize: 3000 });
  assertVerdict(roomy, 'accepted', large.slice(0, 3000));
  assert.deepEqual(await macsFor(roomy, ...large.slice(0, 3), ...large.slice(3000)), [0, 0, 0, 1]);
  assert.deepEqual(await macsFor(roomy, ...large.slice(3, 7).reverse()), [0, 1, 1, 1]);
});

test('fast-jwt before 6.3.6: a remembered token is judged by the clock to the second, as a new one is', async () => {
  let now = NOW;
  const token = tokenOf({ ...CLAIMS, nbf: NOW - 5 });
  const later = tokenOf({ ...CLAIMS, iat: NOW - 99, nbf: NOW });
  const rows: [token: string, options: Partial<JwtOptions>, by: number, expected: string][] = [
    [token, {}, -11, 'ERR_JWT_ISSUED_IN_FUTURE'],
    [token, {}, -10, 'accepted'],
    [token, {}, 309, 'accepted'],
    [token, {}, 310, 'ERR_JWT_EXPIRED'],
    [token, { leewaySeconds: 0 }, -1, 'ERR_JWT_ISSUED_IN_FUTURE'],
    [token, { leewaySeconds: 0 }, 299, 'accepted'],
    [token, { leewaySeconds: 0 }, 300, 'ERR_JWT_EXPIRED'],
    [token, { maxAgeSeconds: 60 }, 70, 'accepted'],
    [token, { maxAgeSeconds: 60 }, 71, 'ERR_JWT_TOO_OLD'],
    [later, {}, -11, 'ERR_JWT_NOT_YET_VALID'],
    [later, {}, -10, 'accepted'],
  ];
  for (const [text, options, by, expected] of rows) {
    now = NOW;
    const jwt = jwtWith({ ...options, now: () => now });
    assertVerdict(jwt, 'accepted', [text]);
    now = NOW + by;
    const macs = await callsOf('createHmac', () => assertVerdict(jwt, expected, [text]));
    assert.equal(macs.length, 0, `${by} seconds later it was remembered`);
    assertVerdict(jwtWith({ ...options, now: () => now }), expected, [text]);
  }
});

test('each Jwt has its own cache, so a secret that was rotated out verifies no token', () => {
  const token = tokenOf();
  assertVerdict(jwtWith(), 'accepted', [token, token]);
  assertVerdict(jwtWith({ secret: [FORGER, SECRET] }), 'accepted', [token, token]);
  assertVerdict(jwtWith({ secret: FORGER }), 'ERR_JWT_SIGNATURE', [token, token]);
  assertVerdict(jwtWith({ issuer: 'us' }), 'ERR_JWT_CLAIM_MISSING', [token, token]);
});

test('cached claims cannot be changed', () => {
  const jwt = jwtWith();
  const token = tokenOf({ ...CLAIMS, roles: ['user'], at: { home: true } });
  const claims = jwt.verify(token) as { exp: number; roles: string[]; at: object };
  const changes = [
    () => (claims.exp = 9e9),
    () => claims.roles.push('admin'),
    () => Object.assign(claims.at, { home: false }),
    () => Object.defineProperty(claims, 'admin', { value: true }),
    () => Object.setPrototypeOf(claims, { admin: true }),
  ];
  for (const change of changes) assert.throws(change, TypeError);
  assert.deepEqual(jwt.verify(token), { ...CLAIMS, roles: ['user'], at: { home: true } });
});

test('an expired token never evicts a valid one, however often it is sent', async () => {
  let now = NOW;
  const jwt = new Jwt<object>({ secret: SECRET, now: () => now, cacheSize: 2 });
  const [old, valid, other] = [tokenOf({ ...CLAIMS, exp: NOW + 1 }), tokenFor('a'), tokenFor('b')];
  assert.deepEqual(await macsFor(jwt, old, valid), [1, 1]);
  now = NOW + 11;
  assert.deepEqual(
    await macsFor(jwt, old, old, other, valid, other),
    [0, 0, 1, 0, 0],
    'the expired one went',
  );
});

test('if every token of a full cache was used, a new token still evicts one of them', async () => {
  const jwt = jwtWith({ cacheSize: 500 });
  const tokens = Array.from({ length: 501 }, (_, n) => tokenFor(n));
  assertVerdict(jwt, 'accepted', [
    ...tokens.slice(0, 500),
    ...tokens.slice(0, 500),
    ...tokens.slice(500),
  ]);
  // The first hundred moved behind all others, so the next one was evicted.
  assert.deepEqual(
    await macsFor(jwt, ...tokens.slice(0, 100), ...tokens.slice(101)),
    Array<number>(500).fill(0),
  );
  assert.deepEqual(await macsFor(jwt, tokens[100] ?? ''), [1]);
});
