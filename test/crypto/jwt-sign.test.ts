/**
 * Holds Jwt to what it writes, to its options and which secrets it takes, to the vectors of the RFCs, and to telling
 * nobody a secret.
 */
import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decodeUnverified, generateSecret, Jwt, type JwtOptions, type SignOptions } from '../../src/jwt.ts';
import { allSaid, assertRefusedOption, assertVerdict } from '../support/assertions.ts';
import { base64url, CLAIMS, claimsJson } from '../support/tokens.ts';
import { callsOf } from '../support/spies.ts';
import { MARKER, NOW, OWN_HEADER, tokenOf, webCryptoMac } from '../support/tokens.ts';
import { verdictOf } from '../support/assertions.ts';
import { withPolluted } from '../support/spies.ts';
import { INHERITED_NAMES, NOT_AMOUNTS, NOT_FUNCTIONS, NOT_OPTIONS, NOT_STRINGS, NOT_TEXTS } from '../support/hostile.ts';
import { SECRET } from '../support/tokens.ts';

const jwtWith = (options: object = {}) => new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith();
const textOf = (token: string) => token.split('.', 2).map((segment) => `${Buffer.from(segment, 'base64url')}`);

test('a token is the constant header, the claims with iat, nbf and exp, and the MAC of both', () => {
  const token = jwtWith({ now: () => NOW + 0.75 }).sign({ identity: 'joe' });
  assert.equal(token.split('.')[0], 'eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9');
  assert.deepEqual(textOf(token), [OWN_HEADER, `{"iat":${NOW},"nbf":${NOW},"exp":${NOW + 300},"identity":"joe"}`]);
  assert.equal(token, tokenOf(textOf(token)[1]));
  const rows: [options: Partial<JwtOptions>, claims: object, signOptions: SignOptions | undefined, added: object][] = [
    [{ lifetimeSeconds: 60 }, {}, undefined, { exp: NOW + 60 }],
    [{ lifetimeSeconds: 60 }, {}, {}, { exp: NOW + 60 }],
    [{ lifetimeSeconds: 60 }, {}, { lifetimeSeconds: 0.5 }, { exp: NOW + 0.5 }],
    [{ lifetimeSeconds: 0 }, {}, { header: undefined }, { exp: NOW }],
    [{ notBeforeSeconds: 5 }, {}, undefined, { nbf: NOW + 5 }],
    [{ issuer: 'a', audience: 'b' }, {}, undefined, { iss: 'a', aud: 'b' }],
    [{ audience: ['b', 'c'] }, {}, undefined, { aud: ['b', 'c'] }],
    [{ audience: ['b', 'c'] }, { aud: 'c', exp: NOW + 1, nbf: NOW - 1, iat: NOW - 2 }, { lifetimeSeconds: 9 }, {}],
    [{}, JSON.parse('{"__proto__":1,"constructor":2}'), undefined, {}],
  ];
  for (const [options, claims, signOptions, added] of rows) {
    const judge = jwtWith(options);
    const { identity: _, ...times } = CLAIMS;
    assert.deepEqual(judge.verify(judge.sign(claims, signOptions)), { ...times, ...added, ...claims });
  }
});

test('sign adds header parameters, but never alg, crit or b64', () => {
  const header = (options: SignOptions, judge = jwt) => textOf(judge.sign({}, options))[0];
  assert.equal(header({ header: { kid: '1' } }), '{"typ":"JWT","kid":"1","alg":"HS256"}');
  assert.equal(header({ header: { x: 1 } }, jwtWith({ type: 'at+jwt' })), '{"typ":"at+jwt","x":1,"alg":"HS256"}');
  assert.equal(header({ header: {} }), OWN_HEADER);
  assert.equal(header({}), OWN_HEADER);
  for (const name of ['alg', 'crit', 'b64']) {
    for (const value of ['HS256', 'none', [], undefined, null, true]) {
      assertRefusedOption(() => jwt.sign({}, { header: { [name]: value } }), 'header', { [name]: value });
    }
    // What is inherited would be left out.
    assertRefusedOption(() => jwt.sign({}, { header: Object.create({ [name]: 'none' }) }), 'header', name);
  }
  for (const value of NOT_OPTIONS) {
    assertRefusedOption(() => jwt.sign({}, { header: value as never }), 'header', value);
  }
});

test('what verify would refuse is not signed', () => {
  const notClaims = NOT_STRINGS.filter((value) => typeof value !== 'object' || value === null || Array.isArray(value));
  for (const claims of [...notClaims, 'x']) assertRefusedOption(() => jwt.sign(claims as never), 'claims', claims);
  const rows: [options: Partial<JwtOptions>, refused: object, signed: object, name?: string][] = [
    [{}, { exp: null }, { exp: 0 }, 'exp'],
    [{}, { exp: `${NOW}` }, { exp: NOW }, 'exp'],
    [{}, { sub: 1 }, { sub: '1' }],
    [{}, { iss: ['x'] }, { iss: 'x' }],
    [{}, { aud: 'x' }, {}],
    [{ audience: 'x' }, { aud: ['y'] }, { aud: ['y', 'x'] }],
    [{ issuer: 'x' }, { iss: 'y' }, { iss: 'x' }],
    [{ requiredClaims: ['role'] }, {}, { role: 0 }],
    [{ requiredClaims: ['role'] }, { role: null }, { role: false }],
    [{}, { toJSON: () => ({ exp: 'never' }) }, { toString: 'x' }, 'toJSON'],
  ];
  for (const [options, refused, signed, name = 'claims'] of rows) {
    const judge = jwtWith({ ...options, now: () => 0, leewaySeconds: Number.MAX_VALUE });
    assertRefusedOption(() => judge.sign(refused), name, refused);
    assertVerdict(judge, 'accepted', [judge.sign(signed)]);
  }
  // What verify would say is the cause.
  const causes: [claims: object, header: Record<string, unknown>, code: string][] = [
    [{ sub: null }, {}, 'ERR_JWT_CLAIM_INVALID'],
    [{ aud: 'x' }, {}, 'ERR_JWT_AUDIENCE'],
    [{}, { typ: 'x' }, 'ERR_JWT_TYPE'],
  ];
  for (const [claims, header, code] of causes) {
    const isItsCause = ({ cause }: Error) => verdictOf(() => assert.fail(cause as Error)) === code;
    assert.throws(() => jwt.sign(claims, { header }), isItsCause, code);
  }
  // The header is held to the same rule.
  for (const header of [{ typ: 'at+jwt' }, { typ: null }]) {
    assertRefusedOption(() => jwt.sign({}, { header }), 'header', header);
  }
  assertVerdict(jwt, 'accepted', [jwt.sign({}, { header: { typ: 'application/jwt', toString: 'x' } })]);
});

test('a token longer than verify reads is not signed', () => {
  const judge = jwtWith({ maxTokenLength: 256 });
  const lengths = Array.from({ length: 200 }, (_, length) => jwt.sign({ x: 'x'.repeat(length) }).length);
  const [fits, exceeds] = [lengths.lastIndexOf(256), lengths.findIndex((length) => length > 256)];
  assertVerdict(judge, 'accepted', [judge.sign({ x: 'x'.repeat(fits) })]);
  assertRefusedOption(() => judge.sign({ x: 'x'.repeat(exceeds) }), 'claims', 'a long one', RangeError);
});

test('the first secret signs and every one verifies, so that secrets can be rotated', () => {
  const [old, fresh] = [jwtWith({ secret: [SECRET] }), jwtWith({ secret: [MARKER, SECRET] })];
  assert.equal(fresh.sign({}), jwtWith({ secret: MARKER }).sign({}));
  assertVerdict(fresh, 'accepted', [old.sign({}), fresh.sign({})]);
  assertVerdict(old, 'ERR_JWT_SIGNATURE', [fresh.sign({})]);
});

// Every number: NaN, Infinity or '60s' as a tolerance switched expiry off in fast-jwt before 6.3. The CVEs: regular
// expressions as expectations.
test('fast-jwt before 6.3, CVE-2026-35040, -35041: an option of the wrong kind or out of bounds is refused', () => {
  const notLists: unknown[] = NOT_TEXTS.filter((value) => !Array.isArray(value));
  notLists.push([''], [1], [['x']], [null], ['x', undefined], [/x/], new Set(['x']), { 0: 'x', length: 1 });
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
      assertRefusedOption(() => jwtWith({ [name]: value }), name, value, isOutOfBounds ? RangeError : TypeError);
    }
    for (const value of [...taken, undefined]) jwtWith({ [name]: value });
  }
  for (const value of NOT_AMOUNTS) {
    const kind = typeof value === 'number' ? RangeError : TypeError;
    assertRefusedOption(() => jwt.sign({}, { lifetimeSeconds: value as never }), 'lifetimeSeconds', value, kind);
  }
});

test('an unknown option is refused, whatever its value; what is inherited is no option', () => {
  const names = ['Secret', 'key', 'algorithm', 'algorithms', 'ignoreExpiration', 'expiresIn', 'leeway', ''];
  for (const name of [...names, ...INHERITED_NAMES]) {
    for (const value of [1, undefined]) {
      assertRefusedOption(() => jwtWith(Object.fromEntries([[name, value]])), name, value);
      assertRefusedOption(() => jwt.sign({}, Object.fromEntries([[name, value]])), name, value);
    }
  }
  // A Map, or a promise that was not awaited, would be an object without options.
  for (const options of [...NOT_OPTIONS, new Map([['lifetimeSeconds', 1]]), Promise.resolve({}), new Date(), /x/]) {
    assertRefusedOption(() => new Jwt(options as never), 'options', options);
    assertRefusedOption(() => jwt.sign({}, options as never), 'options', options);
  }
  assertRefusedOption(() => new Jwt(undefined as never), 'options');
  assertRefusedOption(() => new Jwt(Object.create({ secret: SECRET })), 'secret');
  const inheriting: JwtOptions = Object.assign(Object.create({ leewaySeconds: 1e9, nonsense: 1 }), { secret: SECRET });
  assertVerdict(new Jwt(inheriting), 'ERR_JWT_EXPIRED', [tokenOf()]);
});

test('options are read once and copied, so that what changes later changes nothing', () => {
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

test('GHSA-869p-cjfg-cm3x, CVE-2026-44351, GHSA-8wpc-h4q6-8fxv: no empty key reaches the MAC', async () => {
  const empty = ['', undefined, null, [], [''], new Uint8Array(0), Buffer.alloc(0), createSecretKey(Buffer.alloc(0))];
  const macs = await callsOf('createHmac', () => {
    for (const secret of empty) {
      for (const given of [secret, [secret], [SECRET, secret], [secret, SECRET]]) {
        assert.throws(() => jwtWith({ secret: given }).sign({}), /^(Range|Type)Error: "secret" expected /);
      }
    }
  });
  assert.deepEqual(macs, []);
  assert.equal((await callsOf('createHmac', () => jwtWith({ secret: [SECRET] }).sign({}))).length, 1);
});

// RFC 7518 §3.2.
test('CVE-2022-23529, CVE-2022-23539 to -23541, CVE-2025-45767, -45768: a secret has 32 bytes or more', () => {
  const forms = (size: number) => [new Uint8Array(size), Buffer.alloc(size), createSecretKey(Buffer.alloc(size))];
  const short = ['', 'x', 'x'.repeat(31), `${'\u00e9'.repeat(15)}x`, ...forms(0), ...forms(31)];
  for (const secret of short) {
    assertRefusedOption(() => jwtWith({ secret }), 'secret', secret, RangeError);
    assertRefusedOption(() => jwtWith({ secret: [SECRET, secret] }), 'secret', secret, RangeError);
  }
  for (const secret of ['x'.repeat(32), '\u00e9'.repeat(16), '\u{1f511}'.repeat(8), ...forms(32), ...forms(1000)]) {
    assertVerdict(jwtWith({ secret: [secret] }), 'accepted', [jwtWith({ secret }).sign({})]);
  }
  const long = 'x'.repeat(40);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const others = [...NOT_STRINGS, { toString: () => long }, Object(long), [[long]], [, long], new ArrayBuffer(40)];
  others.push(`${long}\ud800`, new Uint16Array(40), new DataView(new ArrayBuffer(40)), /x{40}/, publicKey, privateKey);
  for (const secret of others) {
    const isShortList = Array.isArray(secret) && typeof secret[0] === 'string';
    assertRefusedOption(() => jwtWith({ secret }), 'secret', secret, isShortList ? RangeError : TypeError);
  }
  // What process.env answers where nothing is set, and what a look-up answers that found nothing.
  for (const secret of [undefined, null]) {
    assert.throws(() => jwtWith({ secret }), { message: new RegExp(`got ${secret}$`) });
  }
});

test('a secret has as many bytes as it really has, whatever its own length says', () => {
  class Lying extends Buffer {
    override get length() {
      return 32;
    }
    override get byteLength() {
      return 32;
    }
    static get [Symbol.species]() {
      return Array;
    }
  }
  const lying = (bytes: Uint8Array, length = 32) => {
    const get = () => length;
    return Object.defineProperties(bytes, { length: { get }, byteLength: { get }, [Symbol.iterator]: { get } });
  };
  const subclassed = (size: number) => Object.setPrototypeOf(Buffer.from('x'.repeat(size)), Lying.prototype);
  const foreign = (size: number): Uint8Array => runInNewContext(`new Uint8Array(${size})`);
  const shared = (size: number) => new Uint8Array(new SharedArrayBuffer(size));
  const growable = (size: number) => Reflect.construct(ArrayBuffer, [size, { maxByteLength: 64 }]);
  const short: unknown[] = [31, 4, 0].flatMap((size) => [
    lying(new Uint8Array(size)), lying(Buffer.alloc(size)), subclassed(size), foreign(size), lying(foreign(size)),
    shared(size), new Uint8Array(growable(size)),
  ]);
  const detached = new Uint8Array(40);
  structuredClone(detached, { transfer: [detached.buffer] });
  const shrunk = growable(40);
  const outOfBounds = new Uint8Array(shrunk, 0, 40);
  Reflect.apply(Reflect.get(shrunk, 'resize'), shrunk, [8]);
  for (const secret of [...short, detached, outOfBounds]) {
    for (const given of [secret, [SECRET, secret]]) {
      assertRefusedOption(() => jwtWith({ secret: given }), 'secret', 'a short one', RangeError);
    }
  }
  // The twins have 32 bytes, and all of them count.
  const bytes = Buffer.from(SECRET);
  const fill = (array: Uint8Array) => (Uint8Array.prototype.set.call(array, bytes), array);
  const twins = [lying(Buffer.from(bytes), 4), lying(fill(new Uint8Array(32)), 99), fill(foreign(32)), fill(shared(32))];
  twins.push(fill(new Uint8Array(growable(32))), Object.setPrototypeOf(Buffer.from(bytes), Lying.prototype));
  for (const secret of twins) assertVerdict(jwt, 'accepted', [jwtWith({ secret }).sign({})]);
  // These only look like bytes.
  const fakes: unknown[] = [Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(40), {}), { length: 40 }];
  fakes.push({ [Symbol.toStringTag]: 'Uint8Array', length: 40 }, new Uint8ClampedArray(40));
  for (const secret of fakes) assertRefusedOption(() => jwtWith({ secret }), 'secret', 'a fake');
});

// Also GHSA-ww5h-9m49-7xx4 and GHSA-g3jj-5cmm-3hxx.
test('CVE-2022-29217, CVE-2023-48223, CVE-2026-34950: a key file is no secret, however it is disguised', () => {
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ed25519'),
  ];
  const jwk = JSON.stringify(pairs[0]?.publicKey.export({ format: 'jwk' }));
  const body = 'A'.repeat(60);
  // A text, and what to replace in it so that it is any other text.
  const texts: [text: string, part: string, harmless: string][] = [
    [`-----BEGIN PUBLIC KEY-----\n${body}`, 'BEGIN', 'BEGUN'],
    [`-----BEGIN CERTIFICATE-----\n${body}`, 'BEGIN', 'BEGUN'],
    [`---- BEGIN SSH2 PUBLIC KEY ----\n${body}`, '----', '-_-'],
    [`ssh-rsa ${body} joe@example`, 'ssh-', 'ssl-'],
    [`ssh-dss ${body}`, 'ssh-', 'ssl-'],
    [`ssh-ed25519 ${body}`, 'ssh-', 'ssl-'],
    [`sk-ssh-ed25519@openssh.com ${body}`, 'ssh-', 'ssl-'],
    [`ecdsa-sha2-nistp256 ${body}`, 'ecdsa', 'edcsa'],
    [jwk, '"kty"', '"typ"'],
    [jwk.replaceAll(/[:,]/g, ' $& \n'), '"kty"', '"typ"'],
    [`{"keys":[],"x":"${body}"}`, '"keys"', '"kids"'],
    // JSON in JSON, what inspect shows, and in base64: PEM wherever it begins, and keys of SSH without their names.
    [JSON.stringify(JSON.stringify(jwk)), 'kty', 'typ'],
    [inspect(JSON.parse(jwk)), 'kty', 'typ'],
    [base64url(jwk.replace(/^.*("kty":"..").*$/, `{$1,"x":"${body}"}`)), 'eyJr', 'eyJs'],
    [base64url(`-----BEGIN X-----${body}`), 'LS1CRUdJ', 'LS1CRUdK'],
    [base64url(`\n-----BEGIN X-----${body}`), 'LS0tQkV', 'LS0tQkW'],
    [base64url(`\n\n-----BEGIN X-----${body}`), 'LUJFR0', 'LUJFR1'],
    // What names RSA, EC and Ed25519 in DER, in base64 from wherever it begins.
    [`hkiG9w0BAQEF${body}`, '9w0B', '9w0C'],
    [`KoZIhvcNAQEB${body}`, 'Ihvc', 'Ihvd'],
    [`qGSIb3DQEBAQ${body}`, 'Ib3D', 'Ib3E'],
    [`KoZIzj0CAQYI${body}`, 'Izj0', 'Izj1'],
    [`qGSM49AgEGCC${body}`, 'M49A', 'M49B'],
    [`BQYDK2VwAyEA${body}`, 'K2Vw', 'K2Vx'],
    [`AAAAB3NzaC1yc2EAAAADAQAB${body}`, 'AAAAB3Nz', 'AAAAB3Na'],
    [`AAAAC3NzaC1lZDI1NTE5AAAA${body}`, 'AAAAC3Nz', 'AAAAC3Na'],
    [`AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYA${body}`, 'AAAAE2Vj', 'AAAAE2Vk'],
    [`AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5z${body}`, 'GnNrLXNzaC1l', 'GnMrLXNzaC0l'],
  ];
  const disguises: ((text: string) => string | Uint8Array)[] = [
    (text) => text,
    ...[' \r\n\t', '\ufeff', '\u200b\u2060', '# my key\n', 'x'.repeat(99)].map((junk) => (text: string) => junk + text),
    (text) => [...text].join('\u200b'),
    (text) => [...text].join('\x7f'),
    (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
    (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
  ];
  for (const [text, part, harmless] of texts) {
    for (const disguise of disguises) {
      const bytes = Buffer.from(disguise(text));
      for (const secret of [disguise(text), bytes, createSecretKey(bytes), [SECRET, bytes]]) {
        assertRefusedOption(() => jwtWith({ secret }), 'secret', text);
      }
      jwtWith({ secret: disguise(text.replaceAll(part, harmless)) });
    }
  }
  // Real keys, with the lines around them and without.
  for (const { publicKey, privateKey } of pairs) {
    const key = publicKey.export({ format: 'jwk' });
    // Whatever stands first in it, and however it is set.
    for (const text of [JSON.stringify(key), JSON.stringify({ kid: '7', ...key }), JSON.stringify(key, null, 2)]) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const secret = Buffer.from(text).toString(encoding);
        assertRefusedOption(() => jwtWith({ secret }), 'secret', secret);
      }
    }
    const files = [publicKey.export({ format: 'pem', type: 'spki' })];
    files.push(privateKey.export({ format: 'pem', type: 'pkcs8' }));
    for (const pem of files) {
      const bare = `${pem}`.replace(/-----.*-----\n/g, '');
      for (const secret of [`${pem}`, bare, ` ${bare.replaceAll('\n', '')}`]) {
        assertRefusedOption(() => jwtWith({ secret }), 'secret', secret);
      }
    }
  }
});

test('generateSecret answers 32 random bytes as base64url', () => {
  const secrets = Array.from({ length: 100 }, generateSecret);
  assert.equal(new Set(secrets).size, 100);
  for (const secret of secrets) assert.match(secret, /^[\w-]{43}$/);
  const bytes = secrets.map((secret) => Buffer.from(secret, 'base64url'));
  assert.equal(bytes[0]?.length, 32);
  // No byte is always the same, which of a hundred random ones happens once in 256 to the power of 99.
  for (let at = 0; at < 32; at += 1) assert.ok(new Set(bytes.map((secret) => secret[at])).size > 1, `byte ${at}`);
  jwtWith({ secret: secrets });
});

test('hono: no secret and no token is told by an error, by inspection or as JSON', () => {
  assert.ok(allSaid(new Error('x', { cause: { secret: MARKER } })).includes(MARKER), 'what is told would be seen');
  const judge = jwtWith({ secret: [SECRET, MARKER], issuer: 'us' });
  const token = tokenOf({ ...CLAIMS, iss: 'us', x: MARKER }, `{"alg":"HS256","kid":"${MARKER}"}`, MARKER);
  const [header = '', payload = '', mac = ''] = token.split('.');
  assertVerdict(judge, 'accepted', [token]);
  const forged = [token.slice(1), `${token}=`, MARKER, `${header}.${payload}.`, token.repeat(99)];
  const payloads = [`{${MARKER}`, `"${MARKER}"`, claimsJson({ exp: `"${MARKER}"` }), { ...CLAIMS, iss: MARKER }];
  const headers = [`{${MARKER}`, `{"alg":"${MARKER}"}`, `{"alg":"HS256","typ":"${MARKER}"}`];
  const options = [MARKER, { secret: `-----BEGIN ${MARKER}` }, { secret: MARKER.slice(0, 31) }, { secret: [[MARKER]] }];
  const claims = [MARKER, { sub: [MARKER] }, { x: MARKER.repeat(999) }, { [Symbol.toStringTag]: MARKER }];
  const uses: (() => unknown)[] = [
    ...options.map((wrong) => () => new Jwt(wrong as never)),
    ...['lifetimeSeconds', 'audience', 'now', 'cacheSize'].map((name) => () => jwtWith({ [name]: [{ MARKER }] })),
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
  for (const secret of [MARKER, SECRET]) hidden.push(base64url(secret), Buffer.from(secret).toString('hex'));
  for (const text of said) {
    for (const secret of hidden) assert.ok(!text.includes(secret.slice(0, 20)), text);
  }
});

test('a secret is not held as text: once its Jwt is made, the heap has it no more', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-heap-'));
  // The bytes of a Buffer are no part of a snapshot, so that its text is there only where somebody holds it.
  const bytes = randomBytes(32);
  const isInHeap = () => {
    const snapshot = readFileSync(writeHeapSnapshot(join(folder, 'heap')), 'latin1');
    return snapshot.includes(bytes.toString('base64url'));
  };
  const makers = (secret: string) => [jwtWith({ secret }), jwtWith({ secret: [SECRET, secret] })];
  try {
    const made = makers(bytes.toString('base64url'));
    for (const one of made) one.verify(one.sign({}));
    assert.equal(isInHeap(), false);
    // Small Buffers share one piece of memory. A snapshot does not show it, and it goes wherever one of them goes.
    const shared = Buffer.from(Buffer.from('x').buffer);
    assert.ok(!shared.includes(bytes.toString('base64url')), 'what was copied is wiped');
    const held = { text: bytes.toString('base64url') };
    assert.equal(isInHeap(), true, 'what is held is seen');
    assert.deepEqual([made.length, held.text.length], [2, 43]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// RFC 7515 appendix A.1, which is also RFC 7519 §3.1: the header holds a line break, and exp is in 2011.
test('the token of RFC 7515 A.1 and RFC 7519 3.1 verifies until its exp', () => {
  const token =
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9' +
    '.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ' +
    '.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  const k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
  const secret = Buffer.from(k, 'base64url');
  const at = (now: number) => jwtWith({ secret, requiredClaims: ['exp'], leewaySeconds: 0, now: () => now });
  const claims = { iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true };
  assert.deepEqual(at(1300819379).verify(token), claims);
  assertVerdict(at(1300819380), 'ERR_JWT_EXPIRED', [token]);
});

// RFC 4231 §4. A short key is padded with zeros (RFC 2104 §2), so it can be given as one of 32 bytes.
test('the MAC is HMAC-SHA256: WebCrypto agrees with RFC 4231, and we agree with WebCrypto for its keys', async () => {
  const counted = Buffer.from(Array.from({ length: 25 }, (_, n) => n + 1)).toString('hex');
  const sixth = 'Test Using Larger Than Block-Size Key - Hash Key First';
  const seventh =
    'This is a test using a larger than block-size key and a larger than block-size data. ' +
    'The key needs to be hashed before being used by the HMAC algorithm.';
  const vectors: [key: string, data: string | Uint8Array, mac: string][] = [
    ['0b'.repeat(20), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    ['4a656665', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    ['aa'.repeat(20), Buffer.alloc(50, 0xdd), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [counted, Buffer.alloc(50, 0xcd), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
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

// RFC 4648 §10, without padding (§3.2), and §3.5 for the last column: the same bytes with a stray bit.
test('segments are decoded as RFC 4648 has it: what reaches the JSON parser is the text that was encoded', () => {
  const vectors = [['', '', '='], ['f', 'Zg', 'Zh'], ['fo', 'Zm8', 'Zm9'], ['foo', 'Zm9v', 'Zm9v=']];
  vectors.push(['foob', 'Zm9vYg', 'Zm9vYh'], ['fooba', 'Zm9vYmE', 'Zm9vYmF'], ['foobar', 'Zm9vYmFy', 'Zm9vYmFy ']);
  const { parse } = JSON;
  const parsed: string[] = [];
  try {
    JSON.parse = (text: string) => parsed.push(text);
    for (const segment of vectors.flatMap(([, right = '', stray = '']) => [right, stray])) {
      assert.throws(() => decodeUnverified(`${segment}.e30.`), { code: 'ERR_JWT_HEADER' });
    }
  } finally {
    JSON.parse = parse;
  }
  assert.deepEqual(parsed, vectors.map(([text]) => text));
});

test('tokens recorded from other implementations verify, whatever the order and number of header members', () => {
  const payload = 'eyJpZGVudGl0eSI6ImpvZSIsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAzMDB9';
  const [alg, algTyp] = ['eyJhbGciOiJIUzI1NiJ9', 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'];
  const algTypKid = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjIwMjMtMTEifQ';
  const algKidTyp = 'eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjMtMTEiLCJ0eXAiOiJKV1QifQ';
  const recorded: [maker: string, header: string, mac: string][] = [
    ['jsonwebtoken 9.0.3, fast-jwt 6.3.6, PyJWT 2.6.0', algTyp, 'zBdzNgVUXvVD8sXEobCsISlh-Y5_OXdme38te5-DWGs'],
    ['jose 6.2.18', alg, 'Yvckowc7LN9xAMXZV_R92tLSwi86FB9fUZOJ9TbbKF8'],
    ['jose 6.2.18 with typ and kid', algTypKid, 'KDTkVUNUe_GZa67y8w-i1gWRbGoZw9O1gG-pQH2Ce0o'],
    ['PyJWT 2.6.0 with kid', algKidTyp, 'alaN1vTwWQms79zM9IdGUM5CarbeO6CWvatbPNnKkb4'],
  ];
  for (const [maker, header, mac] of recorded) {
    assert.deepEqual(jwt.verify(`${header}.${payload}.${mac}`), CLAIMS, maker);
  }
});

test('what every object inherits is no option of sign, given some or none', async () => {
  const [none, some] = [jwt.sign({}), jwt.sign({}, {})];
  await withPolluted({ lifetimeSeconds: 1e9, header: { kid: 'a' } }, () => {
    assert.deepEqual([jwt.sign({}), jwt.sign({}, {})], [none, some]);
  });
});
