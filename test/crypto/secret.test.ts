/** Secrets: which ones Jwt accepts, which look like key files, how bytes count, and rotation. */
import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { generateSecret, Jwt } from '../../src/jwt.ts';
import { assertRefusedOption, assertVerdict, type Verifier } from '../support/assertions.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { callsOf } from '../support/spies.ts';
import { base64url, MARKER, NOW, SECRET } from '../support/tokens.ts';

const jwtWith = (options: object = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });
const jwt = jwtWith();
const expect = (expected: string, tokens: readonly unknown[], judge: Verifier = jwt) =>
  assertVerdict(judge, expected, tokens);

test('the first secret signs and every one verifies, so that secrets can be rotated', () => {
  const [old, fresh] = [jwtWith({ secret: [SECRET] }), jwtWith({ secret: [MARKER, SECRET] })];
  assert.equal(fresh.sign({}), jwtWith({ secret: MARKER }).sign({}));
  assertVerdict(fresh, 'accepted', [old.sign({}), fresh.sign({})]);
  assertVerdict(old, 'ERR_JWT_SIGNATURE', [fresh.sign({})]);
});

test('GHSA-869p-cjfg-cm3x, CVE-2026-44351, GHSA-8wpc-h4q6-8fxv: no empty key reaches the MAC', async () => {
  const empty = [
    '',
    undefined,
    null,
    [],
    [''],
    new Uint8Array(0),
    Buffer.alloc(0),
    createSecretKey(Buffer.alloc(0)),
  ];
  const macs = await callsOf('createHmac', () => {
    for (const secret of empty) {
      for (const given of [secret, [secret], [SECRET, secret], [secret, SECRET]]) {
        assert.throws(
          () => jwtWith({ secret: given }).sign({}),
          /^(Range|Type)Error: "secret" expected /,
        );
      }
    }
  });
  assert.deepEqual(macs, []);
  assert.equal(
    (await callsOf('createHmac', () => jwtWith({ secret: [SECRET] }).sign({}))).length,
    1,
  );
});

// RFC 7518 §3.2.
test('CVE-2022-23529, CVE-2022-23539 to -23541, CVE-2025-45767, -45768: a secret has 32 bytes or more', () => {
  const forms = (size: number) => [
    new Uint8Array(size),
    Buffer.alloc(size),
    createSecretKey(Buffer.alloc(size)),
  ];
  const short = ['', 'x', 'x'.repeat(31), `${'\u00e9'.repeat(15)}x`, ...forms(0), ...forms(31)];
  for (const secret of short) {
    assertRefusedOption(() => jwtWith({ secret }), 'secret', secret, RangeError);
    assertRefusedOption(() => jwtWith({ secret: [SECRET, secret] }), 'secret', secret, RangeError);
  }
  for (const secret of [
    'x'.repeat(32),
    '\u00e9'.repeat(16),
    '\u{1f511}'.repeat(8),
    ...forms(32),
    ...forms(1000),
  ]) {
    assertVerdict(jwtWith({ secret: [secret] }), 'accepted', [jwtWith({ secret }).sign({})]);
  }
  const long = 'x'.repeat(40);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const others = [
    ...NOT_STRINGS,
    { toString: () => long },
    Object(long),
    [[long]],
    [, long],
    new ArrayBuffer(40),
  ];
  others.push(
    `${long}\ud800`,
    new Uint16Array(40),
    new DataView(new ArrayBuffer(40)),
    /x{40}/,
    publicKey,
    privateKey,
  );
  for (const secret of others) {
    const isShortList = Array.isArray(secret) && typeof secret[0] === 'string';
    assertRefusedOption(
      () => jwtWith({ secret }),
      'secret',
      secret,
      isShortList ? RangeError : TypeError,
    );
  }
  // A variable that is missing in process.env, and a look-up that found nothing.
  for (const secret of [undefined, null]) {
    assert.throws(() => jwtWith({ secret }), { message: new RegExp(`got ${secret}$`) });
  }
});

test('the real bytes of a secret count, whatever its own length says', () => {
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
    return Object.defineProperties(bytes, {
      length: { get },
      byteLength: { get },
      [Symbol.iterator]: { get },
    });
  };
  const subclassed = (size: number) =>
    Object.setPrototypeOf(Buffer.from('x'.repeat(size)), Lying.prototype);
  const foreign = (size: number): Uint8Array => runInNewContext(`new Uint8Array(${size})`);
  const shared = (size: number) => new Uint8Array(new SharedArrayBuffer(size));
  const growable = (size: number) => Reflect.construct(ArrayBuffer, [size, { maxByteLength: 64 }]);
  const short: unknown[] = [31, 4, 0].flatMap((size) => [
    lying(new Uint8Array(size)),
    lying(Buffer.alloc(size)),
    subclassed(size),
    foreign(size),
    lying(foreign(size)),
    shared(size),
    new Uint8Array(growable(size)),
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
  // These really have 32 bytes.
  const bytes = Buffer.from(SECRET);
  const fill = (array: Uint8Array) => (Uint8Array.prototype.set.call(array, bytes), array);
  const twins = [
    lying(Buffer.from(bytes), 4),
    lying(fill(new Uint8Array(32)), 99),
    fill(foreign(32)),
    fill(shared(32)),
  ];
  twins.push(
    fill(new Uint8Array(growable(32))),
    Object.setPrototypeOf(Buffer.from(bytes), Lying.prototype),
  );
  for (const secret of twins) assertVerdict(jwt, 'accepted', [jwtWith({ secret }).sign({})]);
  // These only look like bytes.
  const fakes: unknown[] = [
    Object.create(Uint8Array.prototype),
    new Proxy(new Uint8Array(40), {}),
    { length: 40 },
  ];
  fakes.push({ [Symbol.toStringTag]: 'Uint8Array', length: 40 }, new Uint8ClampedArray(40));
  for (const secret of fakes) assertRefusedOption(() => jwtWith({ secret }), 'secret', 'a fake');
});

// Also GHSA-ww5h-9m49-7xx4 and GHSA-g3jj-5cmm-3hxx.
test('CVE-2022-29217, CVE-2023-48223, CVE-2026-34950: a key file is not a secret, in any disguise', () => {
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ed25519'),
  ];
  const jwk = JSON.stringify(pairs[0]?.publicKey.export({ format: 'jwk' }));
  const body = 'A'.repeat(60);
  // A text, and what to replace in it so that it no longer looks like a key file.
  const texts: [text: string, part: string, harmless: string][] = [
    [`-----BEGIN PUBLIC KEY-----\n${body}`, 'BEGIN', 'BEGUN'],
    [`-----BEGIN CERTIFICATE-----\n${body}`, 'BEGIN', 'BEGIX'],
    [`---- BEGIN SSH2 PUBLIC KEY ----\n${body}`, '----', '---'],
    [`ssh-rsa ${body} joe@example`, 'rsa', 'rsx'],
    [`ssh-dss ${body}`, 'dss', 'dsx'],
    [`ssh-ed25519 ${body}`, 'ed25', 'ex25'],
    [`sk-ssh-ed25519@openssh.com ${body}`, 'ssh-', 'xsh-'],
    [`ecdsa-sha2-nistp256 ${body}`, 'sha2-', 'sha2_'],
    [`ecdsa-sha2-nistp384 ${body}`, 'ecdsa', 'excdsa'],
    [jwk, '"kty"', '"typ"'],
    [jwk.replaceAll(/[:,]/g, ' $& \n'), '"kty"', '"typ"'],
    [`{"keys":[],"x":"${body}"}`, '"keys":', '"keys"'],
    [base64url(`{"keys":[],"x":"${body}"}`), 'eyJrZX', 'eyJrZY'],
    // JSON in JSON, the output of inspect, and base64: of a JWK, and of PEM at each offset.
    [JSON.stringify(JSON.stringify(jwk)), 'kty', 'typ'],
    [inspect(JSON.parse(jwk)), 'kty', 'typ'],
    [inspect({ kid: '7', ...JSON.parse(jwk) }), 'kty', 'typ'],
    [jwk.replaceAll('"', "'"), 'kty', 'typ'],
    [base64url(jwk.replace(/^.*("kty":"..").*$/, `{$1,"x":"${body}"}`)), 'eyJr', 'eyJs'],
    [base64url(`-----BEGIN X-----${body}`), 'LS1CRUdJ', 'LS1CRUdK'],
    [base64url(`\n-----BEGIN X-----${body}`), 'LS0tQkV', 'LS0tQkW'],
    [base64url(`\n\n-----BEGIN X-----${body}`), 'LUJFR0', 'LUJFR1'],
    // The DER identifiers of RSA, EC and Ed25519 in base64 at each offset, and SSH keys in base64.
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
    ...[' \r\n\t', '\ufeff', '\u200b\u2060', '# my key\n', 'x'.repeat(99)].map(
      (junk) => (text: string) => junk + text,
    ),
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
  // Real keys, with the BEGIN and END lines and without.
  for (const { publicKey, privateKey } of pairs) {
    const key = publicKey.export({ format: 'jwk' });
    // A JWK with another member first, and indented.
    for (const text of [
      JSON.stringify(key),
      JSON.stringify({ kid: '7', ...key }),
      JSON.stringify(key, null, 2),
    ]) {
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

test('generateSecret returns 32 random bytes as base64url', () => {
  const secrets = Array.from({ length: 100 }, generateSecret);
  assert.equal(new Set(secrets).size, 100);
  for (const secret of secrets) assert.match(secret, /^[\w-]{43}$/);
  const bytes = secrets.map((secret) => Buffer.from(secret, 'base64url'));
  assert.equal(bytes[0]?.length, 32);
  // No byte is the same in all secrets. For random bytes the chance of that is 1 in 256^99.
  for (let at = 0; at < 32; at += 1) {
    assert.ok(new Set(bytes.map((secret) => secret[at])).size > 1, `byte ${at}`);
  }
  jwtWith({ secret: secrets });
});

test('a secret is not held as text: once its Jwt is made, it is gone from the heap', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-heap-'));
  // A snapshot does not hold the bytes of a Buffer, so it shows the text only if a string holds it.
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
    // Small Buffers share one pool of memory, which a snapshot does not show.
    const shared = Buffer.from(Buffer.from('x').buffer);
    assert.ok(!shared.includes(bytes.toString('base64url')), 'what was copied is wiped');
    const held = { text: bytes.toString('base64url') };
    assert.equal(isInHeap(), true, 'what is held is seen');
    assert.deepEqual([made.length, held.text.length], [2, 43]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a secret as a string, as bytes and as a KeyObject is the same secret, and is copied', () => {
  const text = 'a secret of 32 bytes in \u00fcnicode.';
  const own = new Uint8Array(Buffer.from(text));
  const judges = [text, Buffer.from(text), own, createSecretKey(own)].map((secret) =>
    jwtWith({ secret }),
  );
  own.fill(0);
  for (const judge of judges) {
    expect(
      'accepted',
      judges.map((other) => other.sign({})),
      judge,
    );
  }
});
