/** The options of Jwt and sign: their kinds and bounds, and that each is read once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertRefusedOption, assertVerdict } from '../support/assertions.ts';
import {
  INHERITED_NAMES,
  NOT_AMOUNTS,
  NOT_FUNCTIONS,
  NOT_OPTIONS,
  NOT_TEXTS,
} from '../support/hostile.ts';
import { withPolluted } from '../support/spies.ts';
import { CLAIMS, MARKER, NOW, SECRET, tokenOf } from '../support/tokens.ts';

const jwtWith = (options: object = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith();

// fast-jwt before 6.3: NaN, Infinity or '60s' as a tolerance switched the check of exp off. The
// CVEs are about regular expressions as expected values.
test('fast-jwt before 6.3, CVE-2026-35040, -35041: an option of the wrong kind or out of bounds is refused', () => {
  const notLists: unknown[] = NOT_TEXTS.filter((value) => !Array.isArray(value));
  notLists.push([''], [1], [['x']], [null], ['x', undefined], [/x/], new Set(['x']), {
    0: 'x',
    length: 1,
  });
  notLists.push([, 'x'], new Array(1));
  const amount = { refused: NOT_AMOUNTS, taken: [0, 0.5, Number.MAX_VALUE] };
  const table: Record<string, { refused: readonly unknown[]; taken: readonly unknown[] }> = {
    lifetimeSeconds: amount,
    notBeforeSeconds: amount,
    leewaySeconds: amount,
    maxAgeSeconds: amount,
    issuer: { refused: NOT_TEXTS, taken: ['x'] },
    type: { refused: NOT_TEXTS, taken: ['x'] },
    audience: { refused: [[], ...notLists], taken: ['x', ['x', 'y']] },
    requiredClaims: { refused: ['exp', ...notLists], taken: [[], ['iat']] },
    maxTokenLength: { refused: [...NOT_AMOUNTS, 0, 63, 64.5, 1_048_577], taken: [64, 1_048_576] },
    cacheSize: { refused: [...NOT_AMOUNTS, 0.5, 1_000_001], taken: [0, 1_000_000] },
    now: { refused: NOT_FUNCTIONS, taken: [() => NOW] },
  };
  for (const [name, { refused, taken }] of Object.entries(table)) {
    for (const value of refused) {
      const isOutOfBounds = typeof value === 'number' && /Seconds|Length|Size/.test(name);
      assertRefusedOption(
        () => jwtWith({ [name]: value }),
        name,
        value,
        isOutOfBounds ? RangeError : TypeError,
      );
    }
    for (const value of [...taken, undefined]) jwtWith({ [name]: value });
  }
  for (const value of NOT_AMOUNTS) {
    const kind = typeof value === 'number' ? RangeError : TypeError;
    assertRefusedOption(
      () => jwt.sign({}, { lifetimeSeconds: value as never }),
      'lifetimeSeconds',
      value,
      kind,
    );
  }
});

test('an unknown option is refused, whatever its value, and an inherited one is not an option', () => {
  const names = [
    'Secret', 'key', 'algorithm', 'algorithms', 'ignoreExpiration', 'expiresIn', 'leeway', '',
  ];
  for (const name of [...names, ...INHERITED_NAMES]) {
    for (const value of [1, undefined]) {
      assertRefusedOption(() => jwtWith(Object.fromEntries([[name, value]])), name, value);
      assertRefusedOption(() => jwt.sign({}, Object.fromEntries([[name, value]])), name, value);
    }
  }
  // A Map, or a promise that was not awaited, would pass for an object without options.
  for (const options of [
    ...NOT_OPTIONS, new Map([['lifetimeSeconds', 1]]), Promise.resolve({}), new Date(), /x/,
  ]) {
    assertRefusedOption(() => new Jwt(options as never), 'options', options);
    assertRefusedOption(() => jwt.sign({}, options as never), 'options', options);
  }
  assertRefusedOption(() => new Jwt(undefined as never), 'options');
  assertRefusedOption(() => new Jwt(Object.create({ secret: SECRET })), 'secret');
  const inheriting: JwtOptions = Object.assign(Object.create({ leewaySeconds: 1e9, nonsense: 1 }), {
    secret: SECRET,
  });
  assertVerdict(new Jwt(inheriting), 'ERR_JWT_EXPIRED', [tokenOf()]);
});

test('options are read once and copied, so that later changes have no effect', () => {
  let reads = 0;
  const [secret, audience, requiredClaims] = [[SECRET], ['us'], ['exp']];
  const options: JwtOptions = {
    secret,
    audience,
    requiredClaims,
    now: () => NOW,
    get leewaySeconds() {
      reads += 1;
      return reads === 1 ? 0 : NaN;
    },
  };
  const judge = new Jwt<object>(options);
  const token = judge.sign({});
  secret.unshift(MARKER);
  audience.push('them');
  requiredClaims.push('role');
  assert.equal(reads, 1);
  assert.equal(judge.sign({}), token);
  assertVerdict(judge, 'accepted', [token]);
  assertVerdict(judge, 'ERR_JWT_AUDIENCE', [tokenOf({ ...CLAIMS, aud: 'them' })]);
  assertVerdict(judge, 'ERR_JWT_EXPIRED', [tokenOf({ exp: NOW, aud: 'us' })]);
});

test('a member that every object inherits is not an option of sign, given some or none', async () => {
  const [none, some] = [jwt.sign({}), jwt.sign({}, {})];
  await withPolluted({ lifetimeSeconds: 1e9, header: { kid: 'a' } }, () => {
    assert.deepEqual([jwt.sign({}), jwt.sign({}, {})], [none, some]);
  });
});

test('a member that every object inherits is not an option of a Jwt', async () => {
  const inherited = {
    audience: 'them',
    issuer: 'them',
    type: 'at+jwt',
    maxAgeSeconds: 1,
    leewaySeconds: 1e9,
    requiredClaims: ['role'],
    maxTokenLength: 64,
    cacheSize: 0,
    lifetimeSeconds: 1e9,
    notBeforeSeconds: 99,
    header: { kid: 'a' },
  };
  const old = { iat: NOW - 200, nbf: NOW - 200, exp: NOW + 100 };
  const own = new Jwt({ secret: SECRET, now: () => NOW }).sign({ identity: 'joe' });
  await withPolluted(inherited, () => {
    const judge = new Jwt({ secret: SECRET, now: () => NOW });
    assertVerdict(judge, 'accepted', [tokenOf(old), own]);
    assertVerdict(judge, 'ERR_JWT_AUDIENCE', [tokenOf({ ...old, aud: 'them' })]);
    assertVerdict(judge, 'ERR_JWT_EXPIRED', [tokenOf({ ...old, exp: NOW - 10 })]);
    assert.equal(judge.sign({ identity: 'joe' }), own);
  });
});
