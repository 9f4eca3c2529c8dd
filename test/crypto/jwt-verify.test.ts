/**
 * Jwt.verify: the order of its checks, and the known faults of other libraries. A token that is
 * refused for its content has the right MAC, and a similar token is accepted.
 */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { AuthError, decodeUnverified, Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict, verdictOf, type Verifier } from '../support/assertions.ts';
import { INHERITED_NAMES, NOT_STRINGS } from '../support/hostile.ts';
import { callsOf, withPolluted } from '../support/spies.ts';
import {
  base64url,
  CLAIMS,
  claimsJson,
  FORGER,
  NOW,
  OWN_HEADER,
  seal,
  SECRET,
  tokenOf,
} from '../support/tokens.ts';

const jwtWith = (options: Partial<JwtOptions>) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith({});
const expect = (expected: string, tokens: readonly unknown[], judge: Verifier = jwt) =>
  assertVerdict(judge, expected, tokens);

const FOREIGN_HEADER = '{"alg":"HS256","kid":"1"}';

/** A token for each JSON text as the value of one claim, and of one header parameter. */
const withClaim = (name: string, ...texts: string[]) =>
  texts.map((json) => tokenOf(claimsJson({ [name]: json })));
const withHeader = (name: string, ...texts: string[]) =>
  texts.map((json) => tokenOf(CLAIMS, `{"alg":"HS256","${name}":${json}}`));

/**
 * The names of the decoders and parsers that ran. Buffer.from(text, 'utf8') does not count: it
 * encodes, for the MAC.
 */
function decodersRun(use: () => unknown): string[] {
  const ran: string[] = [];
  const watched: [object, string][] = [
    [JSON, 'parse'],
    [Buffer, 'from'],
    [Buffer.prototype, 'toString'],
  ];
  watched.push([TextDecoder.prototype, 'decode'], [globalThis, 'atob']);
  const restore = watched.map(([owner, name]) => {
    const real: (...given: unknown[]) => unknown = Reflect.get(owner, name);
    Reflect.set(owner, name, function (this: unknown, ...given: unknown[]) {
      if (name !== 'from' || given[1] !== 'utf8') ran.push(name);
      return Reflect.apply(real, this, given);
    });
    return () => Reflect.set(owner, name, real);
  });
  try {
    use();
  } finally {
    restore.forEach((put) => put());
  }
  return ran;
}

test('no decoder and no parser runs on a token whose MAC fails, whatever its bytes', () => {
  const mac = 'A'.repeat(43);
  const forged = [OWN_HEADER, FOREIGN_HEADER].map((header) => tokenOf(CLAIMS, header, FORGER));
  forged.push(
    tokenOf().slice(0, -1),
    `${tokenOf()}.`,
    `/w.wK8.${mac}`,
    `x.y.${'\u00e9'.repeat(43)}`,
    '.'.repeat(9000),
  );
  for (const text of [
    '', '{}', '{"alg":"none"}', '{"crit":["x"]}', '\ufeff{}', '['.repeat(1000), '\0', '\ud800',
  ]) {
    for (const part of [text, base64url(text)]) {
      forged.push(`${part}.${part}`, `${part}.${part}.`, `${part}.${part}.${mac}`);
    }
  }
  for (const token of forged) {
    let got = '';
    assert.deepEqual(
      decodersRun(() => (got = verdictOf(() => jwt.verify(token)))),
      [],
      JSON.stringify(token),
    );
    assert.match(got, /^ERR_JWT_(SIGNATURE|MALFORMED|TOO_LONG)$/, JSON.stringify(token));
  }
  // With the right MAC they run: for the payload, and for a header that sign does not write.
  for (const [token, segments] of [
    [tokenOf(), 1],
    [tokenOf(CLAIMS, FOREIGN_HEADER), 2],
  ] as const) {
    const ran = decodersRun(() => jwt.verify(token));
    for (const name of ['from', 'parse']) {
      assert.equal(ran.filter((one) => one === name).length, segments, name);
    }
  }
});

test('verify checks the outline of a token, then its MAC, its header, its claims and its times', () => {
  const expired = { ...CLAIMS, exp: NOW - 300 };
  expect('ERR_JWT_SIGNATURE', [`.${seal('x.y')}`, tokenOf('{', '{"alg":"none"}', FORGER)]);
  expect('ERR_JWT_ALGORITHM', [tokenOf('{', '{"alg":"none"}')]);
  expect('ERR_JWT_PAYLOAD', [tokenOf('{')]);
  expect('ERR_JWT_AUDIENCE', [tokenOf({ ...expired, aud: 'x' })]);
  expect('ERR_JWT_EXPIRED', [tokenOf(expired)]);
  // The times are checked in the order of the original system.
  const late = (code: string, members: object) =>
    expect(
      code,
      [tokenOf({ ...expired, iat: NOW - 99, ...members })],
      jwtWith({ maxAgeSeconds: 0 }),
    );
  late('ERR_JWT_ISSUED_IN_FUTURE', { iat: NOW + 99, nbf: NOW + 99 });
  late('ERR_JWT_NOT_YET_VALID', { nbf: NOW + 99 });
  late('ERR_JWT_EXPIRED', {});
  late('ERR_JWT_TOO_OLD', { exp: NOW + 99 });
});

// RFC 7515 §7.1.
test('a token is a string of three segments, no longer than the limit', () => {
  const token = tokenOf();
  const [header, payload, mac] = token.split('.');
  expect('accepted', [token]);
  expect('ERR_JWT_MALFORMED', [
    '', '.', header, `${header}.${payload}`, token.replaceAll('.', ' '), Object(token),
  ]);
  expect(
    'ERR_JWT_MALFORMED',
    NOT_STRINGS.map((value) => (Array.isArray(value) ? [token] : value)),
  );
  expect('ERR_JWT_SIGNATURE', ['..', `${header}.${payload}.`, `${token}.`, `.${token}`]);
  expect('ERR_JWT_SIGNATURE', [
    `${header}..${payload}.${mac}`, `JWT ${token}`, `${token}\n`, `"${token}"`,
  ]);
  expect('ERR_JWT_HEADER', [seal(`.${payload}`)]);
  expect('ERR_JWT_PAYLOAD', [seal(`${header}.`)]);
  expect('accepted', [token], jwtWith({ maxTokenLength: token.length }));
  expect('ERR_JWT_TOO_LONG', [token], jwtWith({ maxTokenLength: token.length - 1 }));
  expect('ERR_JWT_SIGNATURE', [`x.y.${'A'.repeat(8192 - 4)}`]);
  expect('ERR_JWT_TOO_LONG', [`x.y.${'A'.repeat(8193 - 4)}`]);
});

test('hono, jsonwebtoken: header and payload are JSON objects, not null, an array or a primitive', () => {
  const texts = [
    '', ' ', 'null', '[]', '[{}]', '"x"', '1', 'true', '{', '{}{}', '{"a":1,}', "{'a':1}",
    '{"a":NaN}',
  ];
  const lenient = jwtWith({ requiredClaims: [] });
  expect(
    'ERR_JWT_PAYLOAD',
    texts.map((text) => tokenOf(text)),
    lenient,
  );
  expect(
    'ERR_JWT_HEADER',
    texts.map((text) => tokenOf('{}', text)),
    lenient,
  );
  expect('accepted', [tokenOf('{}'), tokenOf(' {\r\n} ', '\t{ "alg" : "HS256" }\n')], lenient);
});

// RFC 7515 §4 and RFC 7519 §4 allow this. The same rule must hold for an escaped name.
test('of duplicate members the last one counts', () => {
  expect('accepted', withClaim('exp', `1,"\\u0065xp":${NOW}`));
  expect('accepted', [tokenOf(CLAIMS, '{"alg":"none","\\u0061lg":"HS256"}')]);
  expect('ERR_JWT_EXPIRED', withClaim('exp', `${NOW},"\\u0065xp":1`));
  expect('ERR_JWT_ALGORITHM', withHeader('\\u0061lg', '"none"'));
  expect('ERR_JWT_EXTENSION', withHeader('\\u0063rit', '[]', '[],"crit":[]'));
});

test('CVE-2015-9235, CVE-2026-22817, CVE-2026-22818: the header has no say in how a token is verified', () => {
  const names = [
    'none', 'None', 'nOnE', 'NONE', '', 'HS384', 'HS512', 'RS256', 'ES256', 'hs256', 'HS256 ',
    'HS256\0',
  ];
  const values: unknown[] = [...names, null, [], ['HS256'], {}, { toString: 'HS256' }, 256, true];
  const headers = [
    '{}',
    '{"ALG":"HS256"}',
    ...values.map((alg) => JSON.stringify({ alg, typ: 'JWT' })),
  ];
  const tokens = headers.map((header) => tokenOf(CLAIMS, header));
  expect('ERR_JWT_ALGORITHM', tokens);
  expect(
    'ERR_JWT_SIGNATURE',
    tokens.map((token) => token.slice(0, -43)),
  );
  expect(
    'ERR_JWT_SIGNATURE',
    headers.map((header) => tokenOf(CLAIMS, header, FORGER)),
  );
  expect('accepted', [tokenOf(CLAIMS, '{"alg":"HS256","typ":"JWT"}')]);

  // Correct signatures of other algorithms, with the same secret or with a key of the attacker.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const signed = (alg: string, macOf: (input: string) => Buffer) => {
    const input = `${base64url(`{"alg":"${alg}","typ":"JWT"}`)}.${base64url(claimsJson({}))}`;
    return `${input}.${macOf(input).toString('base64url')}`;
  };
  const hmac = (hash: string) => (input: string) => createHmac(hash, SECRET).update(input).digest();
  const rsa = (input: string) => sign('sha256', Buffer.from(input), privateKey);
  expect('ERR_JWT_SIGNATURE', [
    signed('HS384', hmac('sha384')),
    signed('HS512', hmac('sha512')),
    signed('RS256', rsa),
  ]);
  expect('accepted', [signed('HS256', hmac('sha256'))]);
});

test('CVE-2018-0114: a key in the header, its address or its name changes nothing', () => {
  const key = base64url(FORGER);
  const headers = [
    { jwk: { kty: 'oct', k: key, alg: 'HS256' } },
    { jku: 'https://example.com/k' },
    { x5u: 'https://example.com/k' },
    { x5c: [key] },
    { x5t: key },
    { k: key },
    { kid: '../dev/null' },
    { kid: { $ne: 1 } },
    { kid: null },
    { jwk: null },
  ].map((header) => JSON.stringify({ alg: 'HS256', ...header }));
  expect(
    'ERR_JWT_SIGNATURE',
    headers.map((header) => tokenOf(CLAIMS, header, FORGER)),
  );
  expect(
    'accepted',
    headers.map((header) => tokenOf(CLAIMS, header)),
  );
});

test('CVE-2022-21449: a signature of zeros, of ones or of another length is refused', () => {
  const [header, payload, mac = ''] = tokenOf().split('.');
  const bytes = Buffer.from(mac, 'base64url');
  const wrong = [Buffer.alloc(32), Buffer.alloc(32, 255), Buffer.alloc(31), Buffer.alloc(33)].map(
    base64url,
  );
  wrong.push(
    base64url(bytes.subarray(0, 31)),
    base64url(bytes.toReversed()),
    bytes.toString('hex'),
    mac.toLowerCase(),
  );
  wrong.push('', '0'.repeat(43), mac.slice(1), `${mac}A`, '\u00e9'.repeat(43));
  expect(
    'ERR_JWT_SIGNATURE',
    wrong.map((other) => `${header}.${payload}.${other}`),
  );
  expect('accepted', [`${header}.${payload}.${base64url(bytes)}`]);
});

test('a signature is compared in constant time, as text, once for each secret', async () => {
  const secret = [FORGER, SECRET];
  const tokens = [
    [tokenOf(CLAIMS, OWN_HEADER, FORGER), 1],
    [tokenOf(), 2],
    [tokenOf({}, '{}', '?'), 2],
  ] as const;
  for (const [token, times] of tokens) {
    const compared = await callsOf('timingSafeEqual', () =>
      verdictOf(() => jwtWith({ secret }).verify(token)),
    );
    assert.deepEqual(
      compared.map((pair) => pair.map(String).map(({ length }) => length)),
      Array(times).fill([43, 43]),
    );
  }
});

test('CVE-2022-39227, CVE-2023-51774: neither JSON nor an encrypted token is taken for a signed one', () => {
  const token = tokenOf();
  const [header, payload, signature] = token.split('.');
  const flattened = JSON.stringify({ protected: header, payload, signature });
  const general = JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
  expect('ERR_JWT_MALFORMED', [flattened, general]);
  expect('ERR_JWT_SIGNATURE', [
    `{"${token}":1}`, `{"x":"${token}`, `{"protected":"${token}`, `${token}{}`,
  ]);
  const jweHeader = base64url('{"alg":"dir","enc":"A128GCM"}');
  const encrypted = `${jweHeader}..${payload}.${payload}.${signature}`;
  expect('ERR_JWT_SIGNATURE', [
    encrypted,
    `${token}.${payload}.${signature}`,
    seal(`${header}.${payload}..`),
  ]);
  expect('accepted', [token]);
});

test('CVE-2024-51744: a token that is forged and expired is reported as forged', () => {
  const expired = { ...CLAIMS, exp: 1 };
  expect('ERR_JWT_SIGNATURE', [
    tokenOf(expired, OWN_HEADER, FORGER),
    tokenOf(CLAIMS, OWN_HEADER, FORGER),
  ]);
  expect('ERR_JWT_EXPIRED', [tokenOf(expired)]);
  expect('accepted', [tokenOf()]);
});

test('CVE-2025-30204: a megabyte of dots is refused by position alone', async () => {
  const dots = '.'.repeat(1_048_576);
  const macs = await callsOf('createHmac', () => {
    expect('ERR_JWT_TOO_LONG', [dots]);
    expect('ERR_JWT_SIGNATURE', [dots], jwtWith({ maxTokenLength: dots.length }));
  });
  assert.equal(macs.length, 0);
});

// RFC 7515 §4.1.11, RFC 7797 §6.
test('CVE-2025-59420, CVE-2026-32597, CVE-2026-35042: crit and b64 are refused, whatever their value', () => {
  const values = [
    '["x"]', '[]', 'null', '"x"', '["alg"]', '["b64"]', '["exp","exp"]', 'false', 'true', '{}', '0',
  ];
  expect('ERR_JWT_EXTENSION', [...withHeader('crit', ...values), ...withHeader('b64', ...values)]);
  expect('accepted', [...withHeader('crits', ...values), ...withHeader('B64', ...values)]);
  expect('accepted', [...withClaim('crit', ...values), ...withClaim('b64', ...values)]);
});

// RFC 7515 §4.1.9, RFC 8725 §3.11.
test('typ is optional by default, required when configured, and compared as a media type', () => {
  const none = [tokenOf(CLAIMS, '{"alg":"HS256"}')];
  const jwts = withHeader('typ', '"JWT"', '"jwt"', '"application/jwt"', '"Application/JWT"');
  const accessTokens = withHeader('typ', '"at+jwt"', '"AT+JWT"', '"application/at+jwt"');
  const others = withHeader(
    'typ', '"x"', '""', 'null', '1', '["JWT"]', '{}', '"JWT "', '"text/jwt"',
  );
  others.push(...withHeader('typ', '"xapplication/jwt"', '"application/application/jwt"'));
  for (const [type, accepted, refused] of [
    [undefined, [...none, ...jwts], accessTokens],
    ['JWT', jwts, [...none, ...accessTokens]],
    ['application/jwt', jwts, [...none, ...accessTokens]],
    ['at+jwt', accessTokens, [...none, ...jwts]],
    // "application/" may be left out only at the start, and only if no other slash follows.
    ['a/b', withHeader('typ', '"a/b"', '"A/B"'), withHeader('typ', '"application/a/b"')],
    [
      'a-b',
      withHeader('typ', '"a-b"', '"application/a-b"'),
      withHeader('typ', '"a-application/b"'),
    ],
    // The Kelvin sign, which toLowerCase turns into a k.
    ['k', withHeader('typ', '"k"', '"K"'), withHeader('typ', '"\u212a"')],
  ] as const) {
    const judge = jwtWith(type === undefined ? {} : { type });
    expect('accepted', [...accepted, judge.sign({})], judge);
    expect('ERR_JWT_TYPE', [...refused, ...others], judge);
  }
});

test('any JS library: no name of a claim or a header parameter is found in a prototype', async () => {
  for (const name of INHERITED_NAMES) {
    const judge = jwtWith({ requiredClaims: [name] });
    expect('ERR_JWT_CLAIM_MISSING', [tokenOf(), ...withClaim(`x${name}`, '1')], judge);
    const claims = judge.verify(tokenOf(`{"${name}":{"admin":true},${claimsJson({}).slice(1)}`));
    assert.deepEqual(Object.entries(claims)[0], [name, { admin: true }]);
    assert.equal(Reflect.get(claims, 'admin'), undefined, name);
  }
  expect('ERR_JWT_CLAIM_MISSING', [tokenOf(`{"__proto__":${claimsJson({})}}`)]);
  expect('ERR_JWT_ALGORITHM', [tokenOf(CLAIMS, '{"__proto__":{"alg":"HS256"}}')]);
  expect('accepted', withHeader('__proto__', '{"crit":[]}'));
  // Members that another library put into Object.prototype count as missing.
  const typed = jwtWith({ type: 'JWT' });
  const fillers = {
    alg: 'HS256',
    typ: 'JWT',
    exp: NOW + 300,
    aud: 'us',
    iss: 'us',
    sub: 5,
    jti: {},
  };
  await withPolluted(fillers, () => {
    expect('ERR_JWT_ALGORITHM', [tokenOf(CLAIMS, '{}'), tokenOf(CLAIMS, '{"typ":"JWT"}')]);
    expect('ERR_JWT_TYPE', [tokenOf(CLAIMS, '{"alg":"HS256"}')], typed);
    expect('ERR_JWT_CLAIM_MISSING', withClaim('exp', 'null'));
    expect('accepted', [tokenOf()]);
    for (const options of [{ audience: 'us' }, { issuer: 'us' }]) {
      expect('ERR_JWT_CLAIM_MISSING', [tokenOf()], jwtWith(options));
    }
  });
  expect('accepted', [tokenOf(CLAIMS, '{"alg":"HS256","typ":"JWT"}')], typed);
});

test('every secret of a list verifies; a bad token costs one MAC per secret, a bad outline none', async () => {
  const secret = ['first', 'second', 'third', 'fourth', 'fifth'].map((name) =>
    name.padEnd(32, '.'),
  );
  const macs = async (token: string) =>
    (await callsOf('createHmac', () => verdictOf(() => jwtWith({ secret }).verify(token)))).length;
  for (const [index, own] of secret.entries()) {
    const token = tokenOf(CLAIMS, FOREIGN_HEADER, own);
    expect('accepted', [token], jwtWith({ secret }));
    expect('accepted', [token], jwtWith({ secret: own }));
    expect('ERR_JWT_SIGNATURE', [token], jwtWith({ secret: secret.toSpliced(index, 1) }));
    assert.equal(await macs(token), index + 1);
  }
  const forged = tokenOf(CLAIMS, OWN_HEADER, FORGER);
  expect('ERR_JWT_SIGNATURE', [forged], jwtWith({ secret }));
  assert.equal(await macs(forged), 5);
  for (const outline of [`${forged}.`, forged.slice(0, -1), 'x'.repeat(8193)]) {
    assert.equal(await macs(outline), 0);
  }
});

test('deeply nested JSON is frozen at every level, or refused, and causes no other error', () => {
  const judge = jwtWith({ maxTokenLength: 1_048_576, cacheSize: 0 });
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const depth = Math.floor(780_000 / (open.length + 1));
    const nest = open.repeat(depth) + 0 + close.repeat(depth);
    let reached = 0;
    let value: unknown = judge.verify(tokenOf(`{"nest":${nest},${claimsJson({}).slice(1)}`));
    for (; typeof value === 'object' && value !== null; value = Object.values(value)[0]) {
      assert.ok(Object.isFrozen(value));
      reached += 1;
    }
    assert.equal(reached, depth + 1);
    expect('accepted', withHeader('x', nest), judge);
    expect('ERR_JWT_PAYLOAD', withClaim('x', nest.slice(0, -1)), judge);
    expect('ERR_JWT_AUDIENCE', withClaim('aud', nest), judge);
  }
});

test('a clock that does not return a finite number lets no token pass', () => {
  const token = tokenOf();
  for (const answer of [
    NaN, Infinity, -Infinity, undefined, null, `${NOW}`, BigInt(NOW), new Date(NOW),
  ]) {
    let now: unknown = NOW;
    const judge = jwtWith({ now: () => now as number });
    expect('accepted', [token], judge);
    now = answer;
    const unseen = tokenOf({ ...CLAIMS, jti: '1' });
    for (const use of [
      () => judge.verify(token),
      () => judge.verify(unseen),
      () => judge.sign({}),
    ]) {
      const name = typeof answer === 'number' ? 'RangeError' : 'TypeError';
      assert.throws(use, { name, message: /^"now" expected .+, got .+$/ }, String(answer));
    }
  }
  // The default is the clock of the system, in seconds.
  const real = new Jwt({ secret: SECRET });
  const before = Math.floor(Date.now() / 1000);
  const { iat = NaN } = real.verify(real.sign({}));
  assert.ok(iat >= before && iat <= Date.now() / 1000, `${iat}`);
});

test('decodeUnverified reads a token of any signer, and checks its form as strictly as verify', () => {
  const foreign = tokenOf(CLAIMS, FOREIGN_HEADER, FORGER);
  assert.deepEqual(decodeUnverified(foreign), {
    header: { alg: 'HS256', kid: '1' },
    claims: CLAIMS,
  });
  const judge = { verify: decodeUnverified };
  expect('accepted', [foreign.slice(0, -43), 'e30.e30.'], judge);
  expect(
    'ERR_JWT_MALFORMED',
    ['', 'a.b', `${foreign}.`, '.'.repeat(100_000), ...NOT_STRINGS],
    judge,
  );
  const sized = (length: number) => `e30.e30.${'x'.repeat(length - 8)}`;
  expect('accepted', [sized(1_048_576)], judge);
  expect('ERR_JWT_TOO_LONG', [sized(1_048_577)], judge);
  expect('ERR_JWT_HEADER', ['e30=.e30.', tokenOf('{}', 'null')], judge);
  expect('ERR_JWT_PAYLOAD', ['e30.e30 .', tokenOf('[]')], judge);
});

test('each refusal is a new error object, and a program may add members to it', () => {
  for (const token of [
    'junk', 'x'.repeat(9000), `${tokenOf(CLAIMS)}x`, tokenOf({ ...CLAIMS, exp: 0 }),
  ]) {
    const [first, second] = [0, 1].map((): unknown => {
      try {
        return jwt.verify(token);
      } catch (error) {
        return error;
      }
    });
    assert.ok(first instanceof AuthError && second instanceof AuthError);
    assert.notEqual(first.headers, second.headers);
    assert.ok(Object.isExtensible(first) && first !== second);
  }
});
