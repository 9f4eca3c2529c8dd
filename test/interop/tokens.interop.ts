/**
 * Tokens of other implementations verify here, and ours verify there. Each side also refuses a
 * token of the other with one character of the MAC changed, so that no test passes because
 * everything is accepted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner, createVerifier } from 'fast-jwt';
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import { Jwt } from '../../src/crypto/jwt.ts';
import type { JwtOptions } from '../../src/crypto/jwt-options.ts';
import { pythonWith } from './python.ts';

const SECRET = 'a secret for tests, of 32 bytes.';
const BYTES = new TextEncoder().encode(SECRET);
const NOW = Math.floor(Date.now() / 1000);
const TIMES = { iat: NOW, nbf: NOW, exp: NOW + 300 };
const ISSUER = 'https://example.com';
/** The claims that sign adds. */
const ADDED = { ...TIMES, iss: ISSUER, aud: 'us' };

type Claims = Record<string, unknown>;

interface Peer {
  readonly sign: (claims: Claims, header: Claims) => string | Promise<string>;
  /** Throws for a token that it refuses, such as one of another issuer or for another audience. */
  readonly verify: (token: string) => unknown;
}

const HS256 = { alg: 'HS256' } as const;
const RULES = { algorithms: ['HS256' as const], issuer: ISSUER, audience: 'us' };

const pyJwt = pythonWith(
  'jwt',
  `
import jwt
if value["op"] == "sign":
    claims, secret, header = value["claims"], value["secret"], value["header"]
    answer = jwt.encode(claims, secret, algorithm="HS256", headers=header)
else:
    rules = {"algorithms": ["HS256"], "issuer": value["issuer"], "audience": "us"}
    answer = jwt.decode(value["token"], value["secret"], **rules)`,
);

const peers: Record<string, Peer | undefined> = {
  jsonwebtoken: {
    sign: (claims, header) =>
      jsonwebtoken.sign(claims, SECRET, { header: { ...HS256, ...header } }),
    verify: (token) => jsonwebtoken.verify(token, SECRET, RULES),
  },
  jose: {
    sign: (claims, header) =>
      new SignJWT(claims).setProtectedHeader({ ...HS256, ...header }).sign(BYTES),
    verify: async (token) => (await jwtVerify(token, BYTES, RULES)).payload,
  },
  'fast-jwt': {
    sign: (claims, header) =>
      createSigner({ key: SECRET, header: { ...HS256, ...header } })(claims),
    verify: createVerifier({
      key: SECRET,
      algorithms: ['HS256'],
      allowedIss: ISSUER,
      allowedAud: 'us',
    }),
  },
  PyJWT: pyJwt && {
    sign: async (claims, header) =>
      String(await pyJwt({ op: 'sign', claims, header, secret: SECRET })),
    verify: (token) => pyJwt({ op: 'verify', token, secret: SECRET, issuer: ISSUER }),
  },
};

const CASES: readonly [claims: Claims, header: Claims][] = [
  [{ identity: 'joe' }, {}],
  [
    { identity: 7, roles: ['a', 'b'], at: { home: true, far: null }, share: 0.1 },
    { kid: '2026-11' },
  ],
  [{ identity: 'z\u00f3\u0142\u0107 \u{1f511} \u2028 "\\', '\u540d\u524d': '' }, { kid: '' }],
  [{ sub: 'joe', jti: '1' }, { typ: 'JWT' }],
];

/** The token with one character of its MAC changed. */
const tampered = (token: string) =>
  token.slice(0, -10) + (token.at(-10) === 'A' ? 'B' : 'A') + token.slice(-9);

const jwtWith = (options: Partial<JwtOptions>) =>
  new Jwt<Claims>({ secret: SECRET, issuer: ISSUER, audience: 'us', ...options });

for (const [name, peer] of Object.entries(peers)) {
  test(`tokens of ${name} verify here, and ours verify there`, async (t) => {
    if (peer === undefined) return t.skip(`no Python here has ${name}`);
    const ours = jwtWith({});
    for (const [claims, header] of CASES) {
      for (const aud of ['us', ['them', 'us']]) {
        const all = { ...claims, ...ADDED, aud };
        const theirToken = await peer.sign(all, header);
        assert.deepEqual(ours.verify(theirToken), all);
        assert.throws(() => ours.verify(tampered(theirToken)), { code: 'ERR_JWT_SIGNATURE' });

        const ourToken = ours.sign(all, { header });
        assert.deepEqual(decodeProtectedHeader(ourToken), { typ: 'JWT', ...HS256, ...header });
        assert.deepEqual({ ...Object(await peer.verify(ourToken)) }, all);
        await assert.rejects(async () => peer.verify(tampered(ourToken)));
      }
    }
  });

  test(`${name} accepts what sign adds, not a wrong key, issuer, audience or time`, async (t) => {
    if (peer === undefined) return t.skip(`no Python here has ${name}`);
    const own = jwtWith({ now: () => NOW }).sign({ identity: 'joe' });
    assert.deepEqual({ ...Object(await peer.verify(own)) }, { identity: 'joe', ...ADDED });
    await assert.rejects(async () => peer.verify(jwtWith({ secret: `${SECRET}!` }).sign({})));
    const lenient = new Jwt<Claims>({ secret: SECRET, audience: ['us', 'them'] });
    const rows: [code: string, changed: Claims][] = [
      ['ERR_JWT_ISSUER', { iss: `${ISSUER}/` }],
      ['ERR_JWT_AUDIENCE', { aud: 'them' }],
      ['ERR_JWT_EXPIRED', { exp: NOW - 30 }],
      ['ERR_JWT_NOT_YET_VALID', { nbf: NOW + 300 }],
    ];
    for (const [code, changed] of rows) {
      const claims = { ...ADDED, ...changed };
      await assert.rejects(async () => peer.verify(lenient.sign(claims)), code);
      const theirs = await peer.sign(claims, {});
      assert.throws(() => jwtWith({}).verify(theirs), { code });
    }
  });
}

// RFC 7515 §2 demands a header in UTF-8. jsonwebtoken 9.0.3 writes Latin 1, which is other text.
test('a non-ASCII header of jsonwebtoken is refused, and its ASCII twin verifies', () => {
  const sign = (kid: string) => jsonwebtoken.sign(ADDED, SECRET, { header: { ...HS256, kid } });
  assert.throws(() => jwtWith({}).verify(sign('\u00e9')), { code: 'ERR_JWT_HEADER' });
  assert.equal(jwtWith({}).verify(sign('e')).iat, NOW);
});

test('a token of jsonwebtoken verifies where only the claims that it has are required', () => {
  const token = jsonwebtoken.sign({ id: 7 }, SECRET, { expiresIn: '15m' });
  // By default, jsonwebtoken writes no nbf.
  assert.throws(() => new Jwt({ secret: SECRET }).verify(token), { code: 'ERR_JWT_CLAIM_MISSING' });
  assert.equal(
    new Jwt<{ id: number }>({ secret: SECRET, requiredClaims: ['exp'] }).verify(token).id,
    7,
  );
});
