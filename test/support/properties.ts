/**
 * Properties: random inputs from a seed, and what must hold for each of them. A property makes one
 * case from the random numbers that it is given, and throws if the case does not hold. It names the
 * outcome, so that a test can check that all outcomes occur.
 */
import assert from 'node:assert/strict';
import { randomInt, scryptSync } from 'node:crypto';
import type { TestContext } from 'node:test';
import { PasswordHasher } from '../../src/accounts/password-hasher.ts';
import { decodeUnverified, Jwt } from '../../src/crypto/jwt.ts';
import {
  base64,
  base64url,
  CLAIMS,
  NOW,
  OWN_HEADER,
  seal,
  SECRET,
  tokenOf,
  webCryptoMac,
} from './tokens.ts';
import { verdictOf } from './assertions.ts';
import {
  below,
  damaged,
  pick,
  randomClaims,
  randomHash,
  randomText,
  type Random,
} from './generators.ts';
import { IS_SHORT } from './long.ts';
import { randomFrom } from './random.ts';

export interface Property {
  readonly name: string;
  /** How many cases a test runs. In `npm test` it is a tenth, but at least 600 of so many. */
  readonly cases: number;
  /** All possible outcomes. */
  readonly outcomes: readonly string[];
  readonly check: (random: Random) => string | Promise<string>;
}

/**
 * Runs the case of one seed.
 * @returns its outcome
 * @throws Error that names the seed, if the case does not hold
 */
export async function runCase({ name, check }: Property, seed: number): Promise<string> {
  try {
    return await check(randomFrom(seed));
  } catch (error) {
    throw new Error(`does not hold: ${name}; seed ${seed} makes it the first case`, {
      cause: error,
    });
  }
}


/** Runs the cases of a test. SEED=n repeats those of an earlier run. */
export async function assertHolds(t: TestContext, property: Property): Promise<void> {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  const few = Math.min(property.cases, Math.max(600, property.cases / 10));
  const cases = IS_SHORT ? few : property.cases;
  t.diagnostic(`${cases} cases, SEED=${seed}`);
  const seen = new Set<string>();
  for (let index = 0; index < cases; index += 1) seen.add(await runCase(property, seed + index));
  assert.deepEqual([...seen].sort(), property.outcomes.toSorted());
}

const HEADERS = [
  OWN_HEADER,
  '{"alg":"HS256"}',
  '{"alg":"HS256","typ":"JWT","kid":"\u00e9"}',
  '{"alg":"none"}',
];
const now = () => NOW;
const jwt = new Jwt<Record<string, unknown>>({ secret: SECRET, now });
const hasher = new PasswordHasher({ logN: 1 });

/** A well-formed token with the right MAC. Most of them are accepted. */
function randomToken(random: Random): string {
  return tokenOf({ ...CLAIMS, ...randomClaims(random) }, pick(random, HEADERS));
}

/** Asserts that header and payload are canonical base64url of UTF-8, without a byte order mark. */
function assertCanonical(token: string): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const [header, payload] = token.split('.', 2).map((segment) => {
    const text = utf8.decode(Buffer.from(segment, 'base64url'));
    assert.equal(base64url(text), segment);
    return JSON.parse(text);
  });
  assert.deepEqual({ ...jwt.verify(token) }, payload);
  assert.deepEqual(decodeUnverified(token), { header, claims: payload });
}

/** Asserts that every part of a stored hash is in its canonical encoding. */
function assertCanonicalHash(stored: string): void {
  const [name = '', ...parts] = stored.split('$');
  if (name === '') {
    const [, cost = '', ...encoded] = parts;
    assert.match(cost, /^ln=[1-9]\d?,r=[1-9]\d?,p=[1-9]\d?$/);
    assert.deepEqual(
      encoded,
      encoded.map((part) => base64(Buffer.from(part, 'base64'))),
    );
    return;
  }
  const [, N = '', ...others] = name.split(':');
  assert.equal(
    name,
    ['scrypt', 2 ** Math.round(Math.log2(Number(N))), ...others.map(Number)].join(':'),
  );
  assert.match(parts[0] ?? '', /^[A-Za-z0-9]{1,64}$/);
  assert.equal(Buffer.from(parts[1] ?? '', 'hex').toString('hex'), parts[1]);
  assert.deepEqual([others.length, parts.length, parts[1]?.length], [2, 2, 128]);
}

const refusal = /^ERR_JWT_/;

export const PROPERTIES: readonly Property[] = [
  {
    name: 'a token with one bit or one character changed is refused',
    cases: 40_000,
    outcomes: ['refused'],
    check(random) {
      const token = randomToken(random);
      const changed = damaged(random, token);
      assert.match(
        verdictOf(() => jwt.verify(changed)),
        refusal,
        changed,
      );
      return 'refused';
    },
  },
  {
    name: 'an accepted token is the one encoding of its content, even if damaged before signing',
    cases: 20_000,
    outcomes: ['accepted', 'refused'],
    check(random) {
      const claims = JSON.stringify({ ...CLAIMS, ...randomClaims(random) });
      const texts = [pick(random, HEADERS), claims].map((text) =>
        random() < 0.2 ? damaged(random, text) : text,
      );
      const segments = texts
        .map(base64url)
        .map((text) => (random() < 0.2 ? damaged(random, text) : text));
      const token = seal(segments.join('.'));
      const got = verdictOf(() => jwt.verify(token));
      if (got === 'accepted') assertCanonical(token);
      else assert.match(got, refusal, token);
      return got === 'accepted' ? got : 'refused';
    },
  },
  {
    name: 'verify returns the claims given to sign, and sign agrees with node:crypto and JSON',
    cases: 12_000,
    outcomes: ['signed'],
    check(random) {
      const claims = randomClaims(random);
      const token = jwt.sign(claims);
      const expected = JSON.stringify({ iat: NOW, nbf: NOW, exp: NOW + 300, ...claims });
      assert.equal(token, tokenOf(expected));
      assert.equal(JSON.stringify(jwt.verify(token)), expected);
      assertCanonical(token);
      return 'signed';
    },
  },
  {
    name: 'the MAC is that of WebCrypto, for a key of any length',
    cases: 3000,
    outcomes: ['signed'],
    async check(random) {
      const secret = Uint8Array.from({ length: 32 + below(random, 120) }, () => below(random, 256));
      const token = new Jwt({ secret, now }).sign(randomClaims(random));
      assert.equal(token.slice(-43), base64url(await webCryptoMac(secret, token.slice(0, -44))));
      return 'signed';
    },
  },
  {
    name: 'any text is refused with an AuthError and no other error, even with the right MAC',
    cases: 15_000,
    outcomes: ['refused'],
    check(random) {
      const parts = Array.from({ length: 1 + below(random, 4) }, () => randomText(random, 60));
      const text = parts.join('.');
      for (const token of [text, seal(text)]) {
        assert.match(
          verdictOf(() => jwt.verify(token)),
          refusal,
          token,
        );
      }
      const read = verdictOf(() => decodeUnverified(text));
      assert.match(read, refusal, text);
      assert.equal(
        verdictOf(() => hasher.needsRehash(text)),
        'ERR_PASSWORD_HASH',
        text,
      );
      return 'refused';
    },
  },
  {
    name: 'a damaged password hash is refused with an AuthError, or is canonical for another hash',
    cases: 10_000,
    outcomes: ['accepted', 'refused'],
    check(random) {
      const stored = damaged(random, randomHash(random));
      const got = verdictOf(() => hasher.needsRehash(stored));
      if (got === 'accepted') assertCanonicalHash(stored);
      else assert.equal(got, 'ERR_PASSWORD_HASH', stored);
      return got === 'accepted' ? got : 'refused';
    },
  },
  {
    name: 'a password hash is that of node:crypto for the same text in NFC',
    cases: 300,
    outcomes: ['hashed', 'refused'],
    async check(random) {
      const password = randomText(random);
      if (!password.isWellFormed() || password.includes('\0')) {
        await assert.rejects(hasher.hash(password), { code: 'ERR_PASSWORD_INVALID' });
        return 'refused';
      }
      const [, , , salt = '', key] = (await hasher.hash(password)).split('$');
      const expected = scryptSync(password.normalize('NFC'), Buffer.from(salt, 'base64'), 32, {
        N: 2,
        r: 8,
        p: 1,
      });
      assert.equal(key, base64(expected));
      return 'hashed';
    },
  },
];
