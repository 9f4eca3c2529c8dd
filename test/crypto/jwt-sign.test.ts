/**
 * Jwt.sign: what a token holds, what sign refuses, the vectors of the RFCs, and that no error shows
 * a secret.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified, Jwt, type JwtOptions, type SignOptions } from '../../src/jwt.ts';
import { allSaid, assertRefusedOption, assertVerdict, verdictOf } from '../support/assertions.ts';
import { NOT_OPTIONS, NOT_STRINGS } from '../support/hostile.ts';
import {
  base64url,
  CLAIMS,
  claimsJson,
  MARKER,
  NOW,
  OWN_HEADER,
  SECRET,
  tokenOf,
  webCryptoMac,
} from '../support/tokens.ts';

const jwtWith = (options: object = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith();
const textOf = (token: string) =>
  token.split('.', 2).map((segment) => `${Buffer.from(segment, 'base64url')}`);

test('a token is the constant header, the claims with iat, nbf and exp, and the MAC of both', () => {
  const token = jwtWith({ now: () => NOW + 0.75 }).sign({ identity: 'joe' });
  assert.equal(token.split('.')[0], 'eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9');
  assert.deepEqual(textOf(token), [
    OWN_HEADER,
    `{"iat":${NOW},"nbf":${NOW},"exp":${NOW + 300},"identity":"joe"}`,
  ]);
  assert.equal(token, tokenOf(textOf(token)[1]));
  const rows: [
    options: Partial<JwtOptions>,
    claims: object,
    signOptions: SignOptions | undefined,
    added: object,
  ][] = [
    [{ lifetimeSeconds: 60 }, {}, undefined, { exp: NOW + 60 }],
    [{ lifetimeSeconds: 60 }, {}, {}, { exp: NOW + 60 }],
    [{ lifetimeSeconds: 60 }, {}, { lifetimeSeconds: 0.5 }, { exp: NOW + 0.5 }],
    [{ lifetimeSeconds: 0 }, {}, { header: undefined }, { exp: NOW }],
    [{ notBeforeSeconds: 5 }, {}, undefined, { nbf: NOW + 5 }],
    [{ issuer: 'a', audience: 'b' }, {}, undefined, { iss: 'a', aud: 'b' }],
    [{ audience: ['b', 'c'] }, {}, undefined, { aud: ['b', 'c'] }],
    [
      { audience: ['b', 'c'] },
      { aud: 'c', exp: NOW + 1, nbf: NOW - 1, iat: NOW - 2 },
      { lifetimeSeconds: 9 },
      {},
    ],
    [{}, JSON.parse('{"__proto__":1,"constructor":2}'), undefined, {}],
  ];
  for (const [options, claims, signOptions, added] of rows) {
    const judge = jwtWith(options);
    const { identity: _, ...times } = CLAIMS;
    assert.deepEqual(judge.verify(judge.sign(claims, signOptions)), {
      ...times,
      ...added,
      ...claims,
    });
  }
});

test('sign adds header parameters, but never alg, crit or b64', () => {
  const header = (options: SignOptions, judge = jwt) => textOf(judge.sign({}, options))[0];
  assert.equal(header({ header: { kid: '1' } }), '{"typ":"JWT","kid":"1","alg":"HS256"}');
  assert.equal(
    header({ header: { x: 1 } }, jwtWith({ type: 'at+jwt' })),
    '{"typ":"at+jwt","x":1,"alg":"HS256"}',
  );
  assert.equal(header({ header: {} }), OWN_HEADER);
  assert.equal(header({}), OWN_HEADER);
  for (const name of ['alg', 'crit', 'b64']) {
    for (const value of ['HS256', 'none', [], undefined, null, true]) {
      assertRefusedOption(() => jwt.sign({}, { header: { [name]: value } }), 'header', {
        [name]: value,
      });
    }
    // Inherited members would be left out.
    assertRefusedOption(
      () => jwt.sign({}, { header: Object.create({ [name]: 'none' }) }),
      'header',
      name,
    );
  }
  for (const value of NOT_OPTIONS) {
    assertRefusedOption(() => jwt.sign({}, { header: value as never }), 'header', value);
  }
});

test('sign refuses what verify would refuse', () => {
  const notClaims = NOT_STRINGS.filter(
    (value) => typeof value !== 'object' || value === null || Array.isArray(value),
  );
  for (const claims of [...notClaims, 'x']) {
    assertRefusedOption(() => jwt.sign(claims as never), 'claims', claims);
  }
  const rows: [options: Partial<JwtOptions>, refused: object, signed: object, name?: string][] = [
    [{}, { exp: null }, { exp: 0 }, 'exp'],
    [{}, { exp: `${NOW}` }, { exp: NOW }, 'exp'],
    [{}, { sub: 1 }, { sub: '1' }],
    [{}, { iss: ['x'] }, { iss: 'x' }],
    [{}, { aud: 'x' }, {}],
    [{ audience: 'x' }, { aud: ['y'] }, { aud: ['y', 'x'] }],
    [{ issuer: 'x' }, { iss: 'y' }, { iss: 'x' }],
    [{ requiredClaims: ['role'] }, {}, { role: 0 }],
    [{ requiredClaims: ['iss'] }, {}, { iss: 'us' }],
    [{ requiredClaims: ['role'] }, { role: null }, { role: false }],
    [{}, { toJSON: () => ({ exp: 'never' }) }, { toString: 'x' }, 'toJSON'],
  ];
  for (const [options, refused, signed, name = 'claims'] of rows) {
    const judge = jwtWith({ ...options, now: () => 0, leewaySeconds: Number.MAX_VALUE });
    assertRefusedOption(() => judge.sign(refused), name, refused);
    assertVerdict(judge, 'accepted', [judge.sign(signed)]);
  }
  // The refusal of verify is the cause.
  const causes: [claims: object, header: Record<string, unknown>, code: string][] = [
    [{ sub: null }, {}, 'ERR_JWT_CLAIM_INVALID'],
    [{ aud: 'x' }, {}, 'ERR_JWT_AUDIENCE'],
    [{}, { typ: 'x' }, 'ERR_JWT_TYPE'],
  ];
  for (const [claims, header, code] of causes) {
    const isItsCause = ({ cause }: Error) => verdictOf(() => assert.fail(cause as Error)) === code;
    assert.throws(() => jwt.sign(claims, { header }), isItsCause, code);
  }
  // The same rule holds for the header.
  for (const header of [{ typ: 'at+jwt' }, { typ: null }]) {
    assertRefusedOption(() => jwt.sign({}, { header }), 'header', header);
  }
  assertVerdict(jwt, 'accepted', [
    jwt.sign({}, { header: { typ: 'application/jwt', toString: 'x' } }),
  ]);
});

test('sign refuses to make a token that is too long for verify', () => {
  const judge = jwtWith({ maxTokenLength: 256 });
  const lengths = Array.from(
    { length: 200 },
    (_, length) => jwt.sign({ x: 'x'.repeat(length) }).length,
  );
  const [fits, exceeds] = [lengths.lastIndexOf(256), lengths.findIndex((length) => length > 256)];
  assertVerdict(judge, 'accepted', [judge.sign({ x: 'x'.repeat(fits) })]);
  assertRefusedOption(
    () => judge.sign({ x: 'x'.repeat(exceeds) }),
    'claims',
    'a long one',
    RangeError,
  );
});

test('hono: no secret and no token is told by an error, by inspection or as JSON', () => {
  assert.ok(
    allSaid(new Error('x', { cause: { secret: MARKER } })).includes(MARKER),
    'what is told would be seen',
  );
  const judge = jwtWith({ secret: [SECRET, MARKER], issuer: 'us' });
  const token = tokenOf(
    { ...CLAIMS, iss: 'us', x: MARKER },
    `{"alg":"HS256","kid":"${MARKER}"}`,
    MARKER,
  );
  const [header = '', payload = '', mac = ''] = token.split('.');
  assertVerdict(judge, 'accepted', [token]);
  const forged = [token.slice(1), `${token}=`, MARKER, `${header}.${payload}.`, token.repeat(99)];
  const payloads = [
    `{${MARKER}`,
    `"${MARKER}"`,
    claimsJson({ exp: `"${MARKER}"` }),
    { ...CLAIMS, iss: MARKER },
  ];
  const headers = [`{${MARKER}`, `{"alg":"${MARKER}"}`, `{"alg":"HS256","typ":"${MARKER}"}`];
  const options = [
    MARKER,
    { secret: `-----BEGIN ${MARKER}` },
    { secret: MARKER.slice(0, 31) },
    { secret: [[MARKER]] },
  ];
  const claims = [
    MARKER,
    { sub: [MARKER] },
    { x: MARKER.repeat(999) },
    { [Symbol.toStringTag]: MARKER },
  ];
  const uses: (() => unknown)[] = [
    ...options.map((wrong) => () => new Jwt(wrong as never)),
    ...['lifetimeSeconds', 'audience', 'now', 'cacheSize'].map(
      (name) => () => jwtWith({ [name]: [{ MARKER }] }),
    ),
    ...forged.map((text) => () => judge.verify(text)),
    ...payloads.map((wrong) => () => judge.verify(tokenOf(wrong))),
    ...headers.map((wrong) => () => judge.verify(tokenOf(CLAIMS, wrong))),
    ...claims.map((wrong) => () => judge.sign(wrong as never)),
    () => judge.sign({}, { header: { alg: MARKER } }),
    () => decodeUnverified(`${base64url(`{${MARKER}`)}.${payload}.${mac}`),
  ];
  const said = uses.map((use) => {
    let error: unknown;
    assert.throws(use, (thrown) => Boolean((error = thrown)), String(use));
    return allSaid(error);
  });
  said.push(allSaid(judge), allSaid(Object.getOwnPropertyDescriptors(judge)));
  const hidden = [MARKER, SECRET, header, payload, mac];
  for (const secret of [MARKER, SECRET]) {
    hidden.push(base64url(secret), Buffer.from(secret).toString('hex'));
  }
  for (const text of said) {
    for (const secret of hidden) assert.ok(!text.includes(secret.slice(0, 20)), text);
  }
});

// RFC 7515 appendix A.1, which is also RFC 7519 §3.1. The header holds a line break, and exp is in
// 2011.
test('the token of RFC 7515 A.1 and RFC 7519 3.1 verifies until its exp', () => {
  const token =
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9' +
    '.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt' +
    'cGxlLmNvbS9pc19yb290Ijp0cnVlfQ' +
    '.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  const k =
    'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
  const secret = Buffer.from(k, 'base64url');
  const at = (now: number) =>
    jwtWith({ secret, requiredClaims: ['exp'], leewaySeconds: 0, now: () => now });
  const claims = { iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true };
  assert.deepEqual(at(1300819379).verify(token), claims);
  assertVerdict(at(1300819380), 'ERR_JWT_EXPIRED', [token]);
});

// RFC 4231 §4. HMAC pads a short key with zeros (RFC 2104 §2), so the test may pad it to 32 bytes.
test('the MAC is HMAC-SHA256, as in RFC 4231 and in WebCrypto', async () => {
  const counted = Buffer.from(Array.from({ length: 25 }, (_, n) => n + 1)).toString('hex');
  const sixth = 'Test Using Larger Than Block-Size Key - Hash Key First';
  const seventh =
    'This is a test using a larger than block-size key and a larger than block-size data. ' +
    'The key needs to be hashed before being used by the HMAC algorithm.';
  const vectors: [key: string, data: string | Uint8Array, mac: string][] = [
    [
      '0b'.repeat(20),
      'Hi There',
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      '4a656665',
      'what do ya want for nothing?',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      'aa'.repeat(20),
      Buffer.alloc(50, 0xdd),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    ],
    [
      counted,
      Buffer.alloc(50, 0xcd),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
    ['0c'.repeat(20), 'Test With Truncation', 'a3b6167473100ee06e0c796c2955552b'],
    ['aa'.repeat(131), sixth, '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'],
    ['aa'.repeat(131), seventh, '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2'],
  ];
  for (const [hex, data, mac] of vectors) {
    const key = Buffer.from(hex, 'hex');
    assert.equal((await webCryptoMac(key, data)).toString('hex').slice(0, mac.length), mac);
    const secret = Buffer.concat([key, Buffer.alloc(Math.max(0, 32 - key.length))]);
    const token = jwtWith({ secret }).sign({ data: String(data) });
    assert.equal(token.slice(-43), base64url(await webCryptoMac(key, token.slice(0, -44))));
  }
});

test('tokens recorded from other implementations verify, with more header members in any order', () => {
  const payload =
    'eyJpZGVudGl0eSI6ImpvZSIsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAzMDB9';
  const [alg, algTyp] = ['eyJhbGciOiJIUzI1NiJ9', 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'];
  const algTypKid = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjIwMjMtMTEifQ';
  const algKidTyp = 'eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjMtMTEiLCJ0eXAiOiJKV1QifQ';
  const recorded: [maker: string, header: string, mac: string][] = [
    [
      'jsonwebtoken 9.0.3, fast-jwt 6.3.6, PyJWT 2.6.0',
      algTyp,
      'zBdzNgVUXvVD8sXEobCsISlh-Y5_OXdme38te5-DWGs',
    ],
    ['jose 6.2.18', alg, 'Yvckowc7LN9xAMXZV_R92tLSwi86FB9fUZOJ9TbbKF8'],
    ['jose 6.2.18 with typ and kid', algTypKid, 'KDTkVUNUe_GZa67y8w-i1gWRbGoZw9O1gG-pQH2Ce0o'],
    ['PyJWT 2.6.0 with kid', algKidTyp, 'alaN1vTwWQms79zM9IdGUM5CarbeO6CWvatbPNnKkb4'],
  ];
  for (const [maker, header, mac] of recorded) {
    assert.deepEqual(jwt.verify(`${header}.${payload}.${mac}`), CLAIMS, maker);
  }
});
