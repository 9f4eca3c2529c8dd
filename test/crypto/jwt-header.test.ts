/**
 * Jwt.verify remembers the last header of another maker that passed its checks. How often
 * JSON.parse runs shows whether a header was parsed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict } from '../support/assertions.ts';
import { collectGarbage } from '../support/garbage.ts';
import { withPolluted } from '../support/spies.ts';
import {
  base64url,
  CLAIMS,
  FORGER,
  NOW,
  OWN_HEADER,
  seal,
  SECRET,
  tokenOf,
} from '../support/tokens.ts';

/** The headers that jsonwebtoken and jose write. */
const JSONWEBTOKEN = '{"alg":"HS256","typ":"JWT"}';
const JOSE = '{"alg":"HS256"}';

const jwtWith = (options: Partial<JwtOptions> = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, cacheSize: 0, ...options });

let made = 0;
/** A token that no other call returns. */
function tokenBy(header: string, secret = SECRET): string {
  made += 1;
  return tokenOf({ ...CLAIMS, jti: String(made) }, header, secret);
}

/** The texts that JSON.parse gets. */
function parsedBy(use: () => unknown): string[] {
  const { parse } = JSON;
  const texts: string[] = [];
  try {
    JSON.parse = (text: string) => {
      texts.push(text);
      return parse(text);
    };
    use();
  } finally {
    JSON.parse = parse;
  }
  return texts;
}

/** Verifies a new token with each header. @returns the headers that were parsed */
function headersParsed(jwt: Jwt<object>, ...headers: readonly string[]): string[] {
  const tokens = headers.map((header) => tokenBy(header));
  const texts = parsedBy(() => {
    for (const token of tokens) assert.equal(typeof jwt.verify(token), 'object');
  });
  return texts.filter((text) => headers.includes(text));
}

test('a header that passed once: the next token with it is verified without parsing it', () => {
  const jwt = jwtWith();
  assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN, JSONWEBTOKEN, JSONWEBTOKEN), [JSONWEBTOKEN]);
  // The header of sign is known from the start, and takes the place of no other.
  assert.deepEqual(headersParsed(jwt, OWN_HEADER, JSONWEBTOKEN, OWN_HEADER), []);
  // Another Jwt has seen no header.
  assert.deepEqual(headersParsed(jwtWith(), JSONWEBTOKEN), [JSONWEBTOKEN]);
  // The claims are those of each token.
  for (const identity of ['joe', 'ann']) {
    const token = tokenOf({ ...CLAIMS, identity }, JSONWEBTOKEN);
    assert.deepEqual(jwt.verify(token), { ...CLAIMS, identity });
  }
});

test('a header that passed once: two that alternate both pass, and each is parsed again', () => {
  const jwt = jwtWith();
  const alternating = [JSONWEBTOKEN, JOSE, JSONWEBTOKEN, JOSE];
  assert.deepEqual(headersParsed(jwt, ...alternating), alternating);
  assert.deepEqual(headersParsed(jwt, JOSE, JOSE, OWN_HEADER, JOSE), []);
});

test('a header that passed once: one that is refused is never remembered, and displaces none', () => {
  const refused: [header: string, code: string][] = [
    ['{"alg":"none"}', 'ERR_JWT_ALGORITHM'],
    ['{"alg":"HS512","typ":"JWT"}', 'ERR_JWT_ALGORITHM'],
    ['{"alg":"HS256","typ":"at+jwt"}', 'ERR_JWT_TYPE'],
    ['{"alg":"HS256","crit":["exp"]}', 'ERR_JWT_EXTENSION'],
    ['{"alg":"HS256","b64":true}', 'ERR_JWT_EXTENSION'],
    ['{"alg":"HS256"', 'ERR_JWT_HEADER'],
    ['null', 'ERR_JWT_HEADER'],
    ['', 'ERR_JWT_HEADER'],
  ];
  for (const [header, code] of refused) {
    // Before and after a header has been remembered.
    const jwt = jwtWith();
    assertVerdict(jwt, code, [tokenBy(header), tokenBy(header)]);
    assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN), [JSONWEBTOKEN]);
    assertVerdict(jwt, code, [tokenBy(header), tokenBy(header)]);
    assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN), [], header);
  }
  // So is one whose token has a wrong MAC, which is not parsed at all.
  const jwt = jwtWith();
  const forged = tokenBy(JSONWEBTOKEN, FORGER);
  assert.deepEqual(parsedBy(() => assertVerdict(jwt, 'ERR_JWT_SIGNATURE', [forged, forged])), []);
  assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN), [JSONWEBTOKEN]);
  assertVerdict(jwt, 'ERR_JWT_SIGNATURE', [tokenBy(JOSE, FORGER), tokenBy('{}', FORGER)]);
  assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN), []);
});

test('a header that passed once: a part of it, or another spelling of it, is another header', () => {
  const jwt = jwtWith();
  const segment = base64url(JSONWEBTOKEN);
  const payload = base64url(JSON.stringify(CLAIMS));
  assertVerdict(jwt, 'accepted', [tokenBy(JSONWEBTOKEN)]);
  const others = [segment.slice(0, -1), segment.slice(1), `${segment}=`, `${segment} `, ''];
  assertVerdict(jwt, 'ERR_JWT_HEADER', others.map((other) => seal(`${other}.${payload}`)));
  assertVerdict(jwt, 'accepted', [seal(`${segment}.${payload}`)]);
});

test('a header that passed once: prototype pollution changes no verdict about it', async () => {
  const typed = jwtWith({ type: 'JWT' });
  await withPolluted({ alg: 'HS256', typ: 'JWT' }, () => {
    // A header that passes for its inherited members would be remembered for good.
    assertVerdict(typed, 'ERR_JWT_ALGORITHM', [tokenBy('{"typ":"JWT"}')]);
    assertVerdict(typed, 'ERR_JWT_TYPE', [tokenBy(JOSE)]);
  });
  assertVerdict(typed, 'ERR_JWT_ALGORITHM', [tokenBy('{"typ":"JWT"}')]);
  assertVerdict(typed, 'ERR_JWT_TYPE', [tokenBy(JOSE)]);
  const pollution = { alg: 'none', typ: 'x', crit: ['x'], b64: false };
  await withPolluted(pollution, () => {
    assertVerdict(typed, 'accepted', [tokenBy(JSONWEBTOKEN), tokenBy(JSONWEBTOKEN)]);
  });
  await withPolluted(pollution, () => assertVerdict(typed, 'accepted', [tokenBy(JSONWEBTOKEN)]));
});

test('a header that passed once: it keeps nothing else of its token in memory', async () => {
  const large = tokenOf({ ...CLAIMS, x: 'x'.repeat(700_000) }, JSONWEBTOKEN);
  const sizeOfHeap = async () => {
    await collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await sizeOfHeap();
  const judges = Array.from({ length: 40 }, () => {
    const jwt = jwtWith({ maxTokenLength: 1_048_576 });
    // Each from bytes of its own, as a request has them.
    jwt.verify(Buffer.from(large, 'latin1').toString('latin1'));
    return jwt;
  });
  const kept = (await sizeOfHeap()) - before;
  for (const jwt of judges) assert.deepEqual(headersParsed(jwt, JSONWEBTOKEN), []);
  assert.ok(kept < 4 * large.length, `${kept} bytes for ${judges.length} headers`);
});
