/**
 * How Jwt.verify checks the registered claims. For each token that is refused there is a similar
 * one that is accepted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict, type Verifier } from '../support/assertions.ts';
import { claimsJson, NOW, SECRET, tokenOf } from '../support/tokens.ts';

const jwtWith = (options: Partial<JwtOptions>) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith({});
const expect = (expected: string, tokens: readonly unknown[], judge: Verifier = jwt) =>
  assertVerdict(judge, expected, tokens);

/** A token for each JSON text as the value of one claim. */
const withClaim = (name: string, ...texts: string[]) =>
  texts.map((json) => tokenOf(claimsJson({ [name]: json })));

// RFC 7519 §4.1.3.
test('CVE-2020-26160: an aud of any kind is compared, each of its values whole', () => {
  const others = [
    '[]', '["x"]', '[["us"]]', '1', '{}', '{"us":"us"}', '{"0":"us","length":1}', 'null', 'true',
    '""',
  ];
  others.push(
    '[""]', '["us",1]', '["us",null]', '["us",["us"]]', '"u"', '"us "', '"US"', '"usx"',
    '["x","y"]',
  );
  const ours = ['"us"', '["us"]', '["x","us"]', '["us","us"]'];
  for (const judge of ['us', ['us'], ['them', 'us']].map((audience) => jwtWith({ audience }))) {
    expect('ERR_JWT_AUDIENCE', withClaim('aud', ...others), judge);
    expect('ERR_JWT_CLAIM_MISSING', [tokenOf()], judge);
    expect('accepted', withClaim('aud', ...ours), judge);
  }
  expect(
    'accepted',
    withClaim('aud', '"them"', '["them","x"]'),
    jwtWith({ audience: ['us', 'them'] }),
  );
  // Without a configured audience no value is ours.
  expect('ERR_JWT_AUDIENCE', withClaim('aud', ...others, ...ours));
  expect('accepted', [tokenOf()]);
});

// RFC 7519 §4.1.1, §4.1.2, §4.1.7.
test('CVE-2024-53861, fast-jwt before 5.0.6: iss, sub and jti are strings, the issuer is compared whole', () => {
  const judge = jwtWith({ issuer: 'https://a.example' });
  const others = [
    'https://a.exampl', 'https://a.example/', 'a.example', 'HTTPS://a.example', '',
    'https://a.example ',
  ];
  expect('ERR_JWT_ISSUER', withClaim('iss', ...others.map((text) => JSON.stringify(text))), judge);
  expect('ERR_JWT_CLAIM_MISSING', [tokenOf()], judge);
  expect('accepted', withClaim('iss', '"https://a.example"'), judge);
  expect('ERR_JWT_CLAIM_INVALID', withClaim('iss', '["https://a.example"]', 'null'), judge);
  for (const name of ['iss', 'sub', 'jti']) {
    expect(
      'ERR_JWT_CLAIM_INVALID',
      withClaim(name, '["x"]', '[]', 'null', '0', '1', 'false', 'true', '{}'),
    );
    expect('accepted', withClaim(name, '"x"', '""'));
  }
});

test('CVE-2026-44459: exp, nbf and iat are finite numbers, and none is skipped for being falsy', () => {
  const lenient = jwtWith({ requiredClaims: [] });
  for (const name of ['exp', 'nbf', 'iat']) {
    const wrong = withClaim(
      name, '""', '1e400', '-1e400', '{}', '[]', 'true', 'false', `"${NOW}"`, `[${NOW}]`,
    );
    expect('ERR_JWT_CLAIM_INVALID', wrong);
    expect('ERR_JWT_CLAIM_INVALID', [...wrong, ...withClaim(name, 'null')], lenient);
    expect('ERR_JWT_CLAIM_MISSING', withClaim(name, 'null'));
    expect(
      name === 'exp' ? 'ERR_JWT_EXPIRED' : 'accepted',
      withClaim(name, '0', '-0', '0.0e5', '-1e308'),
    );
    expect('accepted', withClaim(name, `${NOW}`, `${NOW}.5`, `${NOW}e0`));
  }
  expect('ERR_JWT_TOO_OLD', withClaim('iat', '0', '-1e308'), jwtWith({ maxAgeSeconds: 60 }));
});

// RFC 7519 §4.1.4: refused on or after exp. §4.1.5: refused before nbf. §4.1.6 has no rule for iat;
// here it has the rule of nbf.
test('exp, nbf, iat and the age are judged to the second on both sides of the leeway', () => {
  for (const [leeway, options] of [
    [10, {}],
    [10, { leewaySeconds: 10 }],
    [0, { leewaySeconds: 0 }],
  ] as const) {
    const aged = { ...options, maxAgeSeconds: 60 };
    for (const [name, edge, before, at, after, judge] of [
      ['exp', NOW - leeway, 'ERR_JWT_EXPIRED', 'ERR_JWT_EXPIRED', 'accepted', jwtWith(options)],
      ['nbf', NOW + leeway, 'accepted', 'accepted', 'ERR_JWT_NOT_YET_VALID', jwtWith(options)],
      ['iat', NOW + leeway, 'accepted', 'accepted', 'ERR_JWT_ISSUED_IN_FUTURE', jwtWith(options)],
      ['iat', NOW - leeway - 60, 'ERR_JWT_TOO_OLD', 'accepted', 'accepted', jwtWith(aged)],
    ] as const) {
      // Fractions are compared exactly too: a quarter of a second is exact in binary.
      expect(before, withClaim(name, `${edge - 1}`, `${edge - 0.25}`), judge);
      expect(at, withClaim(name, `${edge}`, `${edge}.0`), judge);
      expect(after, withClaim(name, `${edge + 1}`, `${edge + 0.25}`), judge);
    }
  }
  expect(
    'ERR_JWT_CLAIM_MISSING',
    [tokenOf({})],
    jwtWith({ maxAgeSeconds: 60, requiredClaims: [] }),
  );
  expect('accepted', [tokenOf({ iat: NOW })], jwtWith({ maxAgeSeconds: 0, requiredClaims: [] }));
});

test('a required claim must be an own member that is not null; any other may be absent', () => {
  const names = ['exp', 'iat', 'nbf', 'role'];
  for (const name of names) {
    const without = [tokenOf(claimsJson({ role: '""', [name]: undefined }))];
    expect(name === 'role' ? 'accepted' : 'ERR_JWT_CLAIM_MISSING', without);
    expect('ERR_JWT_CLAIM_MISSING', without, jwtWith({ requiredClaims: [name] }));
    expect(
      'accepted',
      without,
      jwtWith({ requiredClaims: names.filter((other) => other !== name) }),
    );
  }
  const judge = jwtWith({ requiredClaims: ['role'] });
  expect('ERR_JWT_CLAIM_MISSING', withClaim('role', 'null'), judge);
  expect(
    'accepted',
    [...withClaim('role', '""', '0', 'false', '[]', '{}'), tokenOf({ role: 'x' })],
    judge,
  );
});

test('a refusal names the wrong claim', () => {
  const rows: [
    options: Partial<JwtOptions>,
    claims: Record<string, string | undefined>,
    message: string,
  ][] = [
    [{}, { nbf: undefined }, 'Token is missing the "nbf" claim'],
    [{ requiredClaims: ['role'] }, {}, 'Token is missing the "role" claim'],
    [{ audience: 'us' }, {}, 'Token is missing the "aud" claim'],
    [{ issuer: 'us' }, {}, 'Token is missing the "iss" claim'],
    [
      { requiredClaims: [], maxAgeSeconds: 1 },
      { iat: undefined },
      'Token is missing the "iat" claim',
    ],
    [{}, { exp: 'true' }, 'Expiration Time claim (exp) must be a number.'],
    [{}, { nbf: '""' }, 'Not Before claim (nbf) must be a number.'],
    [{}, { iat: '[]' }, 'Issued At claim (iat) must be a number.'],
    [{}, { iss: '1' }, 'Issuer claim (iss) must be a string.'],
    [{}, { sub: 'null' }, 'Subject claim (sub) must be a string.'],
    [{}, { jti: '{}' }, 'JWT ID claim (jti) must be a string.'],
  ];
  for (const [options, claims, message] of rows) {
    assert.throws(() => jwtWith(options).verify(tokenOf(claimsJson(claims))), {
      name: 'AuthError',
      message,
    });
  }
});
