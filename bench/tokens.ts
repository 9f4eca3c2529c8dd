/** Contests about tokens: latchkey, the bare calls of Node, and other libraries. */
import assert from 'node:assert/strict';
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { Jwt } from './harness/built.ts';
import type { Contest, Way } from './harness/contest.ts';
import { SECRET } from './harness/secret.ts';

/** Another library. Each function returns claims, a token or a promise of these, or it throws. */
export interface TokenPeer {
  /** Makes a token for 300 seconds with `iat`, `exp` and the given username as `identity`. */
  readonly sign?: Way;
  readonly verify?: Way;
  /** Left out by a library that has no token cache. */
  readonly verifyCached?: Way;
}

const LIFETIME = 300;
const KEY = createSecretKey(SECRET, 'utf8');
const encode = (text: string) => Buffer.from(text).toString('base64url');
const HEADER = encode('{"typ":"JWT","alg":"HS256"}');

const macOf = (signingInput: string) =>
  createHmac('sha256', KEY).update(signingInput).digest('base64url');

/** The least work that makes the same token from the same claims. */
function bareSign(claims: object): string {
  const iat = Math.floor(Date.now() / 1000);
  const payload = JSON.stringify({ iat, nbf: iat, exp: iat + LIFETIME, ...claims });
  const signingInput = `${HEADER}.${encode(payload)}`;
  return `${signingInput}.${macOf(signingInput)}`;
}

/** The token that jsonwebtoken makes: another header, and no nbf. */
function tokenOfJsonwebtoken(identity: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const payload = JSON.stringify({ identity, iat, exp: iat + LIFETIME });
  const signingInput = `${encode('{"alg":"HS256","typ":"JWT"}')}.${encode(payload)}`;
  return `${signingInput}.${macOf(signingInput)}`;
}

/** The least work that detects a forgery. It checks no header, no claim and no time. */
function bareVerify(token: string): unknown {
  const dot = token.lastIndexOf('.');
  const given = Buffer.from(token.slice(dot + 1));
  const expected = Buffer.from(macOf(token.slice(0, dot)));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error('the MAC is wrong');
  }
  return JSON.parse(Buffer.from(token.slice(token.indexOf('.') + 1, dot), 'base64url').toString());
}

interface Times {
  readonly nbf: number;
  readonly exp: number;
}

const cachedClaims = new Map<string, Times>();

/** The least work of a cache: a look-up by the whole token, and both times against the clock. */
function bareCached(token: string): unknown {
  const known = cachedClaims.get(token);
  const now = Date.now() / 1000;
  if (known !== undefined && known.nbf <= now && now < known.exp) return known;
  const claims = bareVerify(token) as Times;
  cachedClaims.set(token, claims);
  return claims;
}

const jwt = new Jwt<{ identity: string }>({ secret: SECRET, cacheSize: 0 });
/** Some of the other libraries write no nbf. */
const lenient = new Jwt<{ identity: string }>({
  secret: SECRET,
  requiredClaims: ['iat', 'exp'],
  cacheSize: 0,
});
const cachedJwt = new Jwt<{ identity: string }>({ secret: SECRET });

const USERS = Array.from({ length: 100 }, (_, n) => `user${n}`);
const TOKENS = USERS.map((identity) => bareSign({ identity }));
const FOREIGN_TOKENS = USERS.map(tokenOfJsonwebtoken);
const [GOOD = ''] = TOKENS;
const REFUSED = new Set(['refused']);
const TURN = 400;
/** How many calls of a library that returns promises are in flight, as in a server. */
const IN_FLIGHT = 32;

/** A new string that V8 has not hashed yet, as each request brings one. */
const fresh = (text: string) => Buffer.from(text, 'latin1').toString('latin1');
const freshOf = (all: readonly string[]) => {
  return Array.from({ length: TURN }, (_, n) => fresh(all[n % all.length] ?? ''));
};

/** Changes the last character but one, which carries six bits of the MAC. */
const forged = (token: string) =>
  `${token.slice(0, -2)}${token.at(-2) === 'A' ? 'B' : 'A'}${token.at(-1)}`;
const GARBAGE = ['garbage', 'a.b', '', 'x'.repeat(200), 'a.b.c', `${GOOD}.x`];

const outcomeOf =
  (way: Way): Way =>
  (token) => {
    try {
      const answer = way(token);
      return answer instanceof Promise ? answer.catch(() => 'refused') : answer;
    } catch {
      return 'refused';
    }
  };

/** @returns the function with this name of each library that has it */
function waysOf(
  peers: Readonly<Record<string, TokenPeer>>,
  name: keyof TokenPeer,
): Record<string, Way> {
  const able = Object.entries(peers).map(([peer, library]) => [peer, library[name]] as const);
  return Object.fromEntries(able.filter((pair): pair is [string, Way] => pair[1] !== undefined));
}

const sameClaims = (answers: readonly unknown[]) => {
  for (const answer of answers) {
    assert.deepEqual({ ...(answer as object) }, { ...(answers[0] as object) });
  }
};

/** The names of the contests, for goals. */
export const NAMES = {
  sign: 'sign',
  verify: 'verify',
  foreign: 'verify, a token of jsonwebtoken',
  cached: 'verify, cached',
  forged: 'refuse a wrong MAC',
  garbage: 'refuse garbage',
} as const;

/** @param peers other libraries, by name */
export function tokenContests(
  peers: Readonly<Record<string, TokenPeer>>,
  rounds: number,
): Contest[] {
  const shared = { rounds, inFlight: IN_FLIGHT };
  const sign: Contest = {
    ...shared,
    name: NAMES.sign,
    inputs: () => freshOf(USERS),
    ways: {
      bare: (identity) => bareSign({ identity }),
      latchkey: (identity) => jwt.sign({ identity }),
      ...waysOf(peers, 'sign'),
    },
    agree: (tokens, identity) => {
      for (const token of tokens) assert.equal(lenient.verify(String(token)).identity, identity);
    },
  };
  const verify: Contest = {
    ...shared,
    name: NAMES.verify,
    inputs: () => freshOf(TOKENS),
    agree: sameClaims,
    ways: { bare: bareVerify, latchkey: (token) => jwt.verify(token), ...waysOf(peers, 'verify') },
  };
  const foreign: Contest = {
    ...verify,
    name: NAMES.foreign,
    inputs: () => freshOf(FOREIGN_TOKENS),
    ways: { ...verify.ways, latchkey: (token) => lenient.verify(token) },
  };
  const cached: Contest = {
    ...shared,
    name: NAMES.cached,
    inputs: () => freshOf(TOKENS),
    agree: sameClaims,
    ways: {
      bare: bareCached,
      latchkey: (token) => cachedJwt.verify(token),
      ...waysOf(peers, 'verifyCached'),
    },
  };
  const refusing = (name: string, inputs: readonly string[]): Contest => {
    const refusers = { latchkey: (token: string) => jwt.verify(token), ...waysOf(peers, 'verify') };
    const ways = Object.fromEntries(
      Object.entries(refusers).map(([who, way]) => [who, outcomeOf(way)]),
    );
    return {
      ...shared,
      name,
      inputs: () => freshOf(inputs),
      agree: (answers) => assert.deepEqual(new Set(answers.slice(1)), REFUSED),
      ways: { 'latchkey, valid token': () => jwt.verify(GOOD), ...ways },
    };
  };
  return [
    sign,
    verify,
    foreign,
    cached,
    refusing(NAMES.forged, TOKENS.map(forged)),
    refusing(NAMES.garbage, GARBAGE),
  ];
}
