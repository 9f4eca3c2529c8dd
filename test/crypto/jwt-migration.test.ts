/**
 * What the pages tell programs that come from jsonwebtoken, and programs whose tokens are refused
 * with "Signature verification failed".
 */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { test } from 'node:test';
import { decodeUnverified, Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict } from '../support/assertions.ts';
import { base64url, CLAIMS, FORGER, NOW, OWN_HEADER, SECRET, tokenOf } from '../support/tokens.ts';

const jwtWith = (options: Partial<JwtOptions> = {}) =>
  new Jwt<Record<string, unknown>>({ secret: SECRET, now: () => NOW, ...options });

const inputOf = (alg: string) =>
  [{ alg, typ: 'JWT' }, CLAIMS].map((part) => base64url(JSON.stringify(part))).join('.');

test('Signature verification failed: each cause on the page, and its remedy', () => {
  const jwt = jwtWith();
  const token = tokenOf();
  const refused = (...tokens: readonly string[]) =>
    assertVerdict(jwt, 'ERR_JWT_SIGNATURE', tokens);

  // Another algorithm: the header tells.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [rs256, hs512] = [inputOf('RS256'), inputOf('HS512')];
  const signatures = [
    `${rs256}.${base64url(sign('sha256', Buffer.from(rs256), privateKey))}`,
    `${hs512}.${base64url(createHmac('sha512', SECRET).update(hs512).digest())}`,
  ];
  refused(...signatures);
  assert.deepEqual(
    signatures.map((text) => Reflect.get(decodeUnverified(text).header, 'alg')),
    ['RS256', 'HS512'],
  );

  // Something around the token.
  refused(`Bearer ${token}`, `JWT ${token}`, `"${token}"`, `'${token}'`);
  refused(` ${token}`, `${token}\n`, `${token}\r\n`);
  assertVerdict(jwt, 'accepted', [`${token}\n`.trim(), ` ${token}`.trim()]);

  // A secret that the other side decodes from base64.
  const text = randomBytes(32).toString('base64');
  const theirs = jwtWith({ secret: Buffer.from(text, 'base64') }).sign({});
  assertVerdict(jwtWith({ secret: text }), 'ERR_JWT_SIGNATURE', [theirs]);
  assertVerdict(jwtWith({ secret: Buffer.from(text, 'base64') }), 'accepted', [theirs]);

  // The line feed at the end of a secret file.
  const file = `${SECRET}\n`;
  assertVerdict(jwtWith({ secret: file }), 'ERR_JWT_SIGNATURE', [token]);
  assertVerdict(jwtWith({ secret: file.trim() }), 'accepted', [token]);

  // A rotation, and a token that was changed.
  const old = tokenOf(CLAIMS, OWN_HEADER, FORGER);
  refused(old, token.slice(0, -1), token.replace('.', '.x'));
  assertVerdict(jwtWith({ secret: [SECRET, FORGER] }), 'accepted', [old, token]);
});

test('clocks that differ: the code tells which is ahead, and leewaySeconds helps', () => {
  const token = jwtWith().sign({});
  const at = (now: number, leewaySeconds?: number) =>
    jwtWith({ now: () => now, ...(leewaySeconds !== undefined && { leewaySeconds }) });
  assertVerdict(at(NOW - 30), 'ERR_JWT_ISSUED_IN_FUTURE', [token]);
  assertVerdict(at(NOW - 30, 30), 'accepted', [token]);
  assertVerdict(at(NOW + 330), 'ERR_JWT_EXPIRED', [token]);
  assertVerdict(at(NOW + 330, 31), 'accepted', [token]);
  const withoutIat = tokenOf({ nbf: NOW, exp: NOW + 300 });
  const judge = jwtWith({ now: () => NOW - 30, requiredClaims: [] });
  assertVerdict(judge, 'ERR_JWT_NOT_YET_VALID', [withoutIat]);
});

test('coming from jsonwebtoken: the options that have a replacement have this one', () => {
  const jwt = jwtWith();
  // expiresIn, notBefore, maxAge: '1d', subject, jwtid, keyid.
  const claims = { sub: '7', jti: 'a' };
  const token = jwt.sign(claims, { lifetimeSeconds: 900, header: { kid: '1' } });
  assert.deepEqual(jwt.verify(token), { iat: NOW, nbf: NOW, exp: NOW + 900, ...claims });
  // complete.
  assert.deepEqual(decodeUnverified(token).header, { typ: 'JWT', kid: '1', alg: 'HS256' });
  const day = jwtWith({ maxAgeSeconds: 86_400, now: () => NOW + 86_411 });
  assertVerdict(day, 'ERR_JWT_TOO_OLD', [tokenOf({ ...CLAIMS, exp: NOW + 9e5 })]);
  // ignoreExpiration, for a renewal.
  const late = { now: () => NOW + 3600 };
  const expired = tokenOf();
  assertVerdict(jwtWith(late), 'ERR_JWT_EXPIRED', [expired]);
  assertVerdict(jwtWith({ ...late, leewaySeconds: 86_400 }), 'accepted', [expired]);
  // mutatePayload: what sign gets and what verify returns is not changed.
  assert.deepEqual(claims, { sub: '7', jti: 'a' });
  const verified = jwt.verify(token);
  assert.throws(() => Object.assign(verified, { role: 'admin' }), TypeError);
  assert.equal({ ...verified, role: 'admin' }.role, 'admin');
  // No callback, no text as a time, no algorithms, no function as a secret, no list of issuers.
  const wrong: readonly (readonly [name: string, value: unknown])[] = [
    ['lifetimeSeconds', '15m'], ['maxAgeSeconds', '1d'], ['algorithms', ['HS256']],
    ['ignoreExpiration', true], ['secret', () => SECRET], ['issuer', ['a', 'b']], ['issuer', /a/],
    ['audience', /a/], ['clockTimestamp', NOW],
  ];
  for (const [name, value] of wrong) {
    assert.throws(() => jwtWith({ [name]: value }), { message: RegExp(`^"${name}" expected `) });
  }
});
