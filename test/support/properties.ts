/**
 * Properties: random inputs from a seed, and what must hold for each of them. A property makes one
 * case from the random numbers that it is given, and throws if the case does not hold. It names the
 * outcome, so that a test can check that all outcomes occur.
 */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
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
import { randomFrom } from './random.ts';

/** Numbers from 0 up to 1. */
type Random = () => number;

interface Property {
  readonly name: string;
  /** How many cases `npm test` runs. */
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

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, from: ArrayLike<T>): T => from[below(random, from.length)] as T;

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const ALPHABETS = [
  'abc0 ',
  BASE64URL,
  '.',
  '=+/$,:{}[]"\\',
  '\0\t\n\r\x7f\u00a0\u200b\u2028\ufeff\ufffd',
  '\u00e9e\u0301\u00df\u0130\u4e2d\uac00',
  '\ud83d\udd11\ud800\udfff', // halves of surrogate pairs: some meet, some do not
];

/** Text of up to `max` UTF-16 code units, lone surrogates among them. */
function randomText(random: Random, max = 24): string {
  const alphabets = [pick(random, ALPHABETS), pick(random, ALPHABETS)];
  return Array.from({ length: below(random, max + 1) }, () =>
    pick(random, pick(random, alphabets)),
  ).join('');
}

/** A value that survives JSON.stringify and JSON.parse unchanged. */
function randomJson(random: Random, depth = 3): unknown {
  const kind = below(random, depth > 0 ? 8 : 6);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return below(random, 2 ** 31);
  if (kind === 3) return (random() - 0.5) * 10 ** (below(random, 600) - 300);
  if (kind < 6) return randomText(random);
  const items = Array.from({ length: below(random, 4) }, () => randomJson(random, depth - 1));
  if (kind === 6) return items;
  return Object.fromEntries(items.map((item) => [randomName(random), item]));
}

/** Claims of an application, awkward names among them. */
function randomClaims(random: Random): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: below(random, 5) }, () => [randomName(random), randomJson(random)]),
  );
}

/**
 * The JSON.parse of Node 24 and 26 may read a name with an escape as another name, which holds a
 * backslash (nodejs/node#63785). verify answers what JSON.parse answers, so such names are made
 * only on a Node that reads them correctly.
 */
JSON.parse('{"h":[],"\\\\":0}');
const readsEscapedNames = Object.keys(JSON.parse('{"h":1,"\\"":2}') as object).includes('"');

function randomName(random: Random): string {
  if (random() < 0.2) return pick(random, ['__proto__', 'constructor', 'toString', '', '0']);
  const name = `x${randomText(random, 8)}`;
  return readsEscapedNames || !JSON.stringify(name).includes('\\') ? name : 'x';
}

/**
 * The text with one bit of one character flipped, or with one character replaced, added, left out
 * or doubled. Never the same text.
 */
function damaged(random: Random, text: string): string {
  const at = below(random, text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at + 1)];
  const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << below(random, 8)));
  const other = pick(random, pick(random, ALPHABETS));
  const ways = [
    before + flipped + after,
    before + other + after,
    before + other + text.slice(at),
    before + after,
  ];
  ways.push(before + text.slice(at, at + 1) + text.slice(at));
  const different = ways.filter((way) => way !== text);
  return pick(random, different);
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

/** A stored hash within the cost limits, in our form or in that of Werkzeug. */
function randomHash(random: Random): string {
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(random, 256));
  const [logN, r, p] = [1 + below(random, 15), 1 + below(random, 32), 1 + below(random, 16)];
  if (random() < 0.4) {
    const salt = Array.from({ length: 1 + below(random, 64) }, () =>
      pick(random, BASE64URL.slice(0, 62)),
    ).join('');
    return `scrypt:${2 ** logN}:${r}:${p}$${salt}$${Buffer.from(bytes(64)).toString('hex')}`;
  }
  const [salt, key] = [bytes(1 + below(random, 64)), bytes(16 + below(random, 49))].map((part) =>
    base64(part),
  );
  return `$scrypt$ln=${logN},r=${r},p=${p}$${salt}$${key}`;
}

/** Asserts that every part of a stored hash is in its canonical spelling. */
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
    name: 'an accepted token has the one spelling of its content, even if damaged before signing',
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
