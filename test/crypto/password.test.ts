/**
 * Password hashes: the vectors of RFC 7914, the PHC string format, Werkzeug's hashes, and the same
 * work for an unknown user. The tests observe the calls of scrypt in node:crypto, which still run.
 * No test here measures time.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto, { scryptSync } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { PasswordHasher, type PasswordHasherOptions } from '../../src/accounts/password-hasher.ts';
import { isPossiblePassword } from '../../src/crypto/password.ts';
import { cheapPasswords } from '../support/app.ts';
import { allSaid, verdictOf } from '../support/assertions.ts';
import { childPath } from '../support/compiled.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { IS_SHORT } from '../support/long.ts';
import { callsOf } from '../support/spies.ts';
import { base64, MARKER } from '../support/tokens.ts';

const hasher = cheapPasswords();
const zeros = (length: number) => base64(new Uint8Array(length));
const phc = (cost: string, salt = zeros(16), key = zeros(32)) => `$scrypt$${cost}$${salt}$${key}`;

/** The value of a promise, or the code of the AuthError that it rejects with. */
const outcome = (promise: Promise<unknown>) =>
  promise.catch((error) => verdictOf(() => assert.fail(error as Error)));

test('a hash is a PHC string of its cost, 16 bytes of new salt and 32 bytes of key, and verifies', async () => {
  for (const [options, cost] of [
    [{}, 'ln=17,r=8,p=1'],
    [{ logN: 1 }, 'ln=1,r=8,p=1'],
    [{ logN: 2, r: 1, p: 3 }, 'ln=2,r=1,p=3'],
  ] as const) {
    const own = new PasswordHasher(options);
    const stored = await own.hash('correct horse');
    assert.match(stored, /^\$scrypt\$ln=\d+,r=\d,p=\d\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.ok(stored.startsWith(`$scrypt$${cost}$`), stored);
    assert.deepEqual(
      [await own.verify('correct horse', stored), own.needsRehash(stored)],
      [true, false],
    );
  }
  const hashes = await Promise.all(Array.from({ length: 20 }, () => hasher.hash('same')));
  const salts = hashes.map((stored) => Buffer.from(stored.split('$')[3] ?? '', 'base64'));
  for (let at = 0; at < 16; at += 1) {
    assert.ok(new Set(salts.map((salt) => salt[at])).size > 1, `byte ${at}`);
  }
  assert.equal(await hasher.verify('other', hashes[0]), false);
});

// RFC 7914 §12. We refuse the empty salt of its first vector. The last one is exactly at our cap of
// 1 GiB.
test('the vectors of RFC 7914 verify, as PHC strings', async () => {
  const hex = (text: string) => Buffer.from(text, 'hex');
  const vectors: [password: string, salt: string, cost: string, key: Buffer][] = [
    [
      'password',
      'NaCl',
      'ln=10,r=8,p=16',
      hex(
        'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162' +
          '2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
      ),
    ],
    [
      'pleaseletmein',
      'SodiumChloride',
      'ln=14,r=8,p=1',
      hex(
        '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3e' +
          'a9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
      ),
    ],
    [
      'pleaseletmein',
      'SodiumChloride',
      'ln=20,r=8,p=1',
      hex(
        '2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4d' +
          'abe5ee9820adaa478e56fd8f4ba5d09ffa1c6d927c40f4c337304049e8a952fbcbf45c6fa77a41a4',
      ),
    ],
  ];
  for (const [password, salt, cost, key] of IS_SHORT ? vectors.slice(0, -1) : vectors) {
    const stored = phc(cost, base64(salt), base64(key));
    assert.equal(await hasher.verify(password, stored), true, cost);
    if (salt === 'NaCl') assert.equal(await hasher.verify('Password', stored), false);
  }
  assert.equal(await outcome(hasher.verify('', phc('ln=4,r=1,p=1', ''))), 'ERR_PASSWORD_HASH');
});

test('PHC strings of another implementation verify (passlib 1.7.4)', async () => {
  const stored =
    '$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$5WMkVwY83WqULlaI2SogWKvQqHPLvft6ohrJPoe+ShA';
  assert.equal(await hasher.verify('p\u00e4ssword', stored), true);
  assert.equal(await hasher.verify('password', stored), false);
});

// Recorded from generate_password_hash. The password of the third row is the letter e with
// a combining accent: Werkzeug does not normalise it.
test('hashes of a Flask application (Werkzeug 3.1.8) verify, and are renewed whatever their cost', async () => {
  const rows: [password: string, other: string, ...stored: string[]][] = [
    [
      'correct horse battery staple',
      'correct horse battery stapl',
      'scrypt:32768:8:1$nyCUr7mGWnWhsvmG$',
      'ee05b652d3434f7bfed0fe9fb9b009da50c4f156e5d5ed2bf74cc83dc77a5353',
      '2dfd8eec0a4cebc94641bbd16811f59cd238a922b8010771f6deb5216a813057',
    ],
    [
      'caf\u00e9',
      'cafe\u0301',
      'scrypt:32768:8:1$8xiwfNc5d347pkGY$',
      'a1a95e17e2a1273c454a5525636eab076249ca16e2d3146b18f570c9cc242196',
      'cecb047a6d73f7ce39e88099e1e780974416a8096f772bebdc0b74b66a99a3a4',
    ],
    [
      'cafe\u0301',
      'caf\u00e9',
      'scrypt:32768:8:1$5vQNbvPH7gIJ2oMK$',
      '003187719d47d91ec55d19a416b01c3ab40089df4afb9179f294930af8554b11',
      '02b97bc1ca67bea1064d9aca7cfe94ddce9f05c7f46d2e7e2d63d0fce506da93',
    ],
    [
      'small',
      'Small',
      'scrypt:1024:4:2$eaFTohAj$',
      'a3311021b01454218ac26b19b548c83b46067c670b93fb7043de0d9b3443b276',
      'be4e95a71533598893854240f5c12b957e13e7125ff7028969c946d176ee549d',
    ],
  ];
  for (const [password, other, ...parts] of rows) {
    const stored = parts.join('');
    assert.equal(await hasher.verify(password, stored), true, stored);
    assert.equal(await hasher.verify(other, stored), false, stored);
    assert.equal(hasher.needsRehash(stored), true);
  }
});

test('a malformed hash of Werkzeug, or one that costs too much, is refused before any work', async () => {
  const key = '0123456789abcdef'.repeat(8);
  const hashes = (...all: string[]) => all.map((cost) => `scrypt:${cost}$salt$${key}`);
  const own = `scrypt:2:8:1$salt$${key}`;
  const salts = (...all: string[]) => all.map((salt) => `scrypt:2:8:1$${salt}$${key}`);
  const rows = [
    [own, ` ${own}`, `${own} `, `${own}\n`, `${own}$`, `$${own}`, own.toUpperCase(), own + own],
    [own, own.slice(0, -1), `${own}0`, own.replace('salt$', 'salt'), own.replace('salt$', '$')],
    [
      own,
      ...['pbkdf2:sha256', 'sha256', 'Scrypt', 'xscrypt', ''].map((id) =>
        own.replace('scrypt', id),
      ),
    ],
    [own, own.replace(key, key.toUpperCase()), own.replace(key, ''), own.replace('f', 'g')],
    hashes(
      '2:8:1', '2:8', '2', '2:8:1:1', ':8:1', '2::1', '2:8:', '2,8,1', '02:8:1', '+2:8:1',
      '2.0:8:1', '1e1:8:1',
    ),
    hashes(
      '4:8:1', '0:8:1', '1:8:1', '3:8:1', '5:8:1', '4095:8:1', '4097:8:1', '0x4:8:1', '-4:8:1',
      '4 :8:1',
    ),
    hashes('2:8:1', '2:0:1', '2:08:1', '2:8:0', '2:8:01', '2:x:1', '2:8:x'),
    hashes(
      '1048576:8:1', '2097152:4:1', '1048575:8:1', '1048576:9:1', '1048576:8:2', '16777216:1:1',
      '99999999:1:1',
    ),
    [...hashes('2:32:16'), ...hashes('2:33:1', '2:99:1', '2:320:1', '2:8:17', '2:8:99', '2:8:160')],
    hashes('32768:1:1', '65536:1:1'),
    salts('S4lt', '', 'sa lt', 's.lt', 's\u00e4lt', 'salt\n', 'sa/lt', '$'),
    salts('a', 'a'.repeat(65), 'a'.repeat(1_000_000)),
    [...salts('a'.repeat(64)), `scrypt:2:8:1$$${key}`],
  ];
  const runs = await callsOf('scrypt', async () => {
    for (const [accepted, ...refused] of rows) {
      assert.equal(
        verdictOf(() => hasher.needsRehash(accepted as string)),
        'accepted',
        accepted,
      );
      for (const stored of refused) {
        const label = `${stored.slice(0, 60)} beside ${accepted?.slice(0, 60)}`;
        assert.equal(
          verdictOf(() => hasher.needsRehash(stored)),
          'ERR_PASSWORD_HASH',
          label,
        );
        assert.equal(await outcome(hasher.verify('x', stored)), 'ERR_PASSWORD_HASH', label);
      }
    }
  });
  assert.equal(runs.length, 0);
  // scrypt gets N itself and the salt as text, and must return a key of 64 bytes.
  const [given] = await callsOf('scrypt', () => hasher.verify('x', own));
  assert.deepEqual(given?.slice(0, 4), [
    'x',
    Buffer.from('salt'),
    64,
    { N: 2, r: 8, p: 1, maxmem: 128 * 8 * 5 },
  ]);
});

// RFC 4648 §10, without padding. The last column is another encoding of the same bytes (§3.2,
// §3.5).
test('a salt has exactly one valid encoding: base64 as in RFC 4648', async () => {
  const salts = [
    ['f', 'Zg', 'Zh'],
    ['fo', 'Zm8', 'Zm9'],
    ['foo', 'Zm9v', 'Zm9v='],
    ['foob', 'Zm9vYg', 'Zm9vYg=='],
  ];
  salts.push(['fooba', 'Zm9vYmE', 'Zm9vYmF'], ['foobar', 'Zm9vYmFy', 'Zm9vYmFy ']);
  for (const [salt = '', right, wrong] of salts) {
    const key = base64(scryptSync('x', salt, 32, { N: 2, r: 8, p: 1 }));
    assert.equal(await hasher.verify('x', phc('ln=1,r=8,p=1', right, key)), true, right);
    assert.equal(
      await outcome(hasher.verify('x', phc('ln=1,r=8,p=1', wrong, key))),
      'ERR_PASSWORD_HASH',
      wrong,
    );
  }
});

test('a stored hash that is not exactly a PHC scrypt string within the caps is refused before any work', async () => {
  const own = phc('ln=1,r=8,p=1');
  const costs = (...all: string[]) => all.map((cost) => phc(cost));
  const salts = (...all: string[]) => all.map((salt) => phc('ln=1,r=8,p=1', salt));
  const keys = (...all: string[]) => all.map((key) => phc('ln=1,r=8,p=1', zeros(16), key));
  // The first entry of each row is accepted, and all others are refused.
  const rows: readonly (readonly unknown[])[] = [
    [
      own, '', '$', own.slice(1), ` ${own}`, `${own} `, `${own}\n`, `${own}$`, `${own}=`, `$${own}`,
      own.toUpperCase(),
    ],
    [
      own,
      ...['scrypt2', 'Scrypt', 'argon2id', 'scrypt$v=1', ''].map((id) => own.replace('scrypt', id)),
      own + own,
    ],
    [
      own,
      ...NOT_STRINGS,
      Object(own),
      [own],
      { toString: () => own },
      `${own}${'A'.repeat(1_000_000)}`,
    ],
    costs(
      'ln=1,r=8,p=1', 'ln=0,r=8,p=1', 'ln=01,r=8,p=1', 'ln=+1,r=8,p=1', 'ln=-1,r=8,p=1',
      'ln=1.0,r=8,p=1',
    ),
    costs(
      'ln=1,r=8,p=1', 'ln=1e0,r=8,p=1', 'ln=0x1,r=8,p=1', 'ln= 1,r=8,p=1', 'ln=,r=8,p=1',
      'ln=\uff11,r=8,p=1',
    ),
    costs(
      'ln=1,r=8,p=1', 'N=2,r=8,p=1', 'r=8,ln=1,p=1', 'ln=1,r=8', 'ln=1,p=1', 'ln=1,r=8,p=1,x=1',
      'ln=1, r=8,p=1',
    ),
    costs(
      'ln=1,r=8,p=1', 'ln=1,r=0,p=1', 'ln=1,r=08,p=1', 'ln=1,r=8,p=0', 'ln=1,r=8,p=01',
      'ln=1,r=8,p=1,p=1',
    ),
    // The caps on N, r, p and 128·N·r·p (1 GiB), and RFC 7914 §2: N below 2^(16·r).
    costs('ln=20,r=4,p=1', 'ln=21,r=4,p=1', 'ln=99,r=4,p=1', 'ln=200,r=4,p=1'),
    costs('ln=1,r=32,p=1', 'ln=1,r=33,p=1', 'ln=1,r=99,p=1', 'ln=1,r=320,p=1'),
    costs('ln=1,r=8,p=16', 'ln=1,r=8,p=17', 'ln=1,r=8,p=99', 'ln=1,r=8,p=160'),
    costs('ln=20,r=8,p=1', 'ln=20,r=9,p=1', 'ln=20,r=8,p=2'),
    costs('ln=15,r=1,p=1', 'ln=16,r=1,p=1'),
    // 1 to 64 bytes of salt and 16 to 64 bytes of key, each with one valid encoding.
    salts('AA', '', 'A', 'AB', 'AAAAA', 'AA==', 'AA=', 'A A', 'AA\n'),
    salts('A+/A', 'A-_A', 'A+_A'),
    salts(zeros(64), zeros(65), 'A'.repeat(1_000_000)),
    keys(
      zeros(16),
      zeros(15),
      '',
      `${zeros(16).slice(0, -1)}B`,
      `${zeros(16)}==`,
      zeros(16).replace('A', '-'),
    ),
    keys(zeros(64), zeros(65)),
  ];
  const runs = await callsOf('scrypt', async () => {
    for (const [accepted, ...refused] of rows as string[][]) {
      assert.equal(
        verdictOf(() => hasher.needsRehash(accepted as string)),
        'accepted',
        accepted,
      );
      for (const stored of refused) {
        const label = `${String(stored).slice(0, 100)} beside ${accepted}`;
        assert.equal(
          verdictOf(() => hasher.needsRehash(stored)),
          'ERR_PASSWORD_HASH',
          label,
        );
        if (stored !== undefined) {
          assert.equal(await outcome(hasher.verify('x', stored)), 'ERR_PASSWORD_HASH', label);
        }
      }
    }
  });
  assert.equal(runs.length, 0);
  assert.equal((await callsOf('scrypt', () => hasher.verify('x', own))).length, 1);
});

test('a hash is renewed if its cost, salt or key is less than that of a new one, and not if it is more', () => {
  const own = new PasswordHasher({ logN: 2, r: 8, p: 2 });
  const salted = (length: number) => phc('ln=2,r=8,p=2', zeros(length));
  const keyed = (length: number) => phc('ln=2,r=8,p=2', zeros(16), zeros(length));
  const weaker = [
    phc('ln=1,r=8,p=2'), phc('ln=2,r=7,p=2'), phc('ln=2,r=8,p=1'), salted(15), keyed(31),
  ];
  const enough = [
    phc('ln=3,r=8,p=2'), phc('ln=2,r=9,p=2'), phc('ln=2,r=8,p=3'), salted(17), keyed(33),
    salted(16),
  ];
  for (const stored of weaker) assert.equal(own.needsRehash(stored), true, stored);
  for (const stored of enough) assert.equal(own.needsRehash(stored), false, stored);
});

test('a hash that is quicker to guess never replaces one that takes more work', () => {
  const rows: [ours: PasswordHasherOptions, cost: string, isRenewed: boolean][] = [
    [{ logN: 3, r: 8, p: 1 }, 'ln=2,r=8,p=2', false], // the same work
    [{ logN: 3, r: 8, p: 1 }, 'ln=2,r=8,p=3', false],
    [{ logN: 2, r: 8, p: 2 }, 'ln=4,r=8,p=1', false],
    [{ logN: 2, r: 8, p: 2 }, 'ln=2,r=16,p=1', false],
    [{ logN: 2, r: 8, p: 2 }, 'ln=1,r=32,p=1', false],
    [{ logN: 3, r: 8, p: 1 }, 'ln=1,r=8,p=3', true],
    [{ logN: 4, r: 8, p: 1 }, 'ln=2,r=8,p=3', true],
    [{ logN: 2, r: 8, p: 2 }, 'ln=3,r=7,p=1', true],
  ];
  for (const [ours, cost, isRenewed] of rows) {
    assert.equal(
      new PasswordHasher(ours).needsRehash(phc(cost)),
      isRenewed,
      `${cost} beside ${JSON.stringify(ours)}`,
    );
  }
  // A hash with a short salt or key is renewed, unless the new hash takes less work.
  const own = new PasswordHasher({ logN: 2, r: 8, p: 2 });
  for (const [salt, key] of [
    [zeros(15), zeros(32)],
    [zeros(16), zeros(31)],
  ] as const) {
    assert.equal(own.needsRehash(phc('ln=3,r=8,p=1', salt, key)), true);
    assert.equal(own.needsRehash(phc('ln=3,r=8,p=2', salt, key)), false);
  }
});

// RFC 2104 §2: HMAC hashes a key of more than 64 bytes first.
test('the SHA-256 of a long password is the same key to scrypt, but not a possible password', async () => {
  const isText = (digest: Buffer) =>
    `${digest}`.isWellFormed() && Buffer.from(`${digest}`).equals(digest);
  const long = 'x'.repeat(65);
  const digest = crypto.createHash('sha256').update(long).digest();
  const cost = { N: 2, r: 8, p: 1 };
  assert.deepEqual(scryptSync(long, 'salt', 32, cost), scryptSync(digest, 'salt', 32, cost));
  assert.notDeepEqual(
    scryptSync('x'.repeat(64), 'salt', 32, cost),
    scryptSync(digest, 'salt', 32, cost),
  );
  // The bytes of this digest are not UTF-8, so no password can encode to them.
  assert.equal(isText(digest), false);
  assert.equal(await hasher.verify(digest.toString('utf8'), await hasher.hash(long)), false);
});

// RFC 8265 §4.2.2 (OpaqueString): NFC and nothing else.
test('a password is compared in NFC, and not trimmed, cut or folded', async () => {
  const long = 'x'.repeat(1023);
  const rows: [password: string, same: string[], others: string[]][] = [
    [
      '\u00e9\uac00\u212b',
      ['e\u0301\u1100\u1161A\u030a', '\u00e9\uac00\u00c5'],
      ['e\uac00\u212b', '\u00c9\uac00A'],
    ],
    [
      'pass',
      [],
      [
        ' pass', 'pass ', 'pass\n', 'pass\0', '\0pass', 'Pass', '\uff50ass', 'pas', '',
        'pass\ufeff',
      ],
    ],
    ['\ufb01', [], ['fi']],
    ['', [], [' ', '\0']],
    [`${long}x`, [], [long, `${long}y`, `y${long}`]],
    ['\u{1f511}'.repeat(512), [], ['\u{1f511}'.repeat(511), '\ufffd'.repeat(512)]],
  ];
  for (const [password, same, others] of rows) {
    const stored = await hasher.hash(password);
    for (const text of [password, ...same]) {
      assert.equal(await hasher.verify(text, stored), true, JSON.stringify(text));
    }
    // HMAC pads a short key with zeros, so for scrypt 'pass' and 'pass\0' are the same password.
    for (const text of others) {
      assert.notEqual(await outcome(hasher.verify(text, stored)), true, JSON.stringify(text));
    }
  }
});

test('an impossible password is refused before any work, whether or not the user exists', async () => {
  const stored = await hasher.hash('x');
  const uses: ((password: string) => Promise<unknown>)[] = [
    (password) => hasher.hash(password),
    (password) => hasher.verify(password, stored),
    (password) => hasher.verify(password, undefined),
  ];
  const refused: Record<string, string[]> = {
    ERR_PASSWORD_TOO_LONG: [
      'x'.repeat(1025),
      `${'\u{1f511}'.repeat(512)}x`,
      'e\u0301'.repeat(513),
      'x'.repeat(1e7),
    ],
    // In UTF-8 each lone surrogate would become U+FFFD.
    ERR_PASSWORD_INVALID: [
      '\ud83d',
      '\udd11',
      'a\ud83db',
      '\udd11\ud83d',
      '\ud83d\ud83d\udd11',
      // HMAC pads a short key with NUL.
      '\0',
      'x\0',
      '\0x',
      'x\0x',
    ],
  };
  const runs = await callsOf('scrypt', async () => {
    for (const use of uses) {
      for (const [code, passwords] of Object.entries(refused)) {
        for (const text of passwords) {
          assert.equal(await outcome(use(text)), code, text.slice(0, 20));
        }
      }
      for (const value of NOT_STRINGS) {
        const isTypeError = { name: 'TypeError', message: /^"password" expected .+, got .+$/ };
        await assert.rejects(use(value as string), isTypeError, String(value));
      }
    }
  });
  assert.equal(runs.length, 0);
  assert.equal(await hasher.verify('\u{1f511}', await hasher.hash('\u{1f511}')), true);
});

// Login and confirmPassword ask this before they count a try.
test('a password of more than 1024 UTF-16 code units is not a possible one', () => {
  assert.equal(isPossiblePassword('x'.repeat(1024)), true);
  assert.equal(isPossiblePassword('x'.repeat(1025)), false);
});

// Otherwise the time would show which users exist (user enumeration).
test('for an unknown user verify does the same work and returns false', async () => {
  for (const cost of [
    { logN: 1, r: 8, p: 1 },
    { logN: 3, r: 2, p: 4 },
  ]) {
    const own = new PasswordHasher(cost);
    const stored = await own.hash('x');
    /** The result, and the arguments of scrypt: the length of the salt, and not the callback. */
    const work = async (password: string, target: string | undefined) => {
      let answer: unknown;
      const runs = await callsOf(
        'scrypt',
        async () => (answer = await own.verify(password, target)),
      );
      return [
        answer,
        runs.map(([text, salt, length, options]) => [
          text,
          (salt as Buffer).length,
          length,
          options,
        ]),
      ];
    };
    const maxmem = 128 * cost.r * (2 ** cost.logN + cost.p + 2);
    const run = (password: string) => [
      [password, 16, 32, { N: 2 ** cost.logN, r: cost.r, p: cost.p, maxmem }],
    ];
    assert.deepEqual(await work('x', stored), [true, run('x')]);
    assert.deepEqual(await work('y', stored), [false, run('y')]);
    assert.deepEqual(await work('x', undefined), [false, run('x')]);
    const random = await callsOf('randomBytes', () => own.verify('x', undefined));
    assert.deepEqual(random, [[16], [32]], 'a random salt and key');
  }
});

test('a password that gives the key of the decoy is refused all the same', async (t) => {
  const known = Buffer.alloc(32);
  t.mock.method(crypto, 'randomBytes', (length: number) =>
    length === 32 ? known : Buffer.alloc(length),
  );
  syncBuiltinESMExports();
  const [key = ''] = (await hasher.hash('x')).split('$').slice(-1);
  known.set(Buffer.from(key, 'base64'));
  assert.equal(await hasher.verify('x', undefined), false);
  t.mock.restoreAll();
  syncBuiltinESMExports();
});

test('a key is compared in constant time, once for each password', async () => {
  const stored = await hasher.hash('x');
  for (const password of ['x', 'y']) {
    const compared = await callsOf('timingSafeEqual', () => hasher.verify(password, stored));
    assert.deepEqual(
      compared.map((pair) => pair.map((bytes) => (bytes as Buffer).length)),
      [[32, 32]],
    );
  }
});

const isLinux = process.platform === 'linux';
test(
  'a run for which there is no memory rejects, and the next one works',
  { skip: !isLinux },
  async () => {
    // Node uses WebAssembly internally, which would reserve gigabytes of address space.
    const args = ['--disable-wasm-trap-handler', childPath('memory')];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    assert.deepEqual(JSON.parse(stdout), { isRefused: true, isSilent: true, next: true });
  },
);

test('no password and no hash is told by an error or by inspection', async () => {
  const stored = phc('ln=1,r=8,p=1', base64(MARKER), base64(MARKER));
  const busy = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 1 });
  const uses: (() => Promise<unknown>)[] = [
    () => hasher.hash(`${MARKER}\ud800`),
    () => hasher.hash(MARKER.repeat(99)),
    () => hasher.hash([MARKER] as never),
    () => hasher.verify({ MARKER } as never, stored),
    () => hasher.verify(MARKER, `${stored}!`),
    () => hasher.verify(MARKER, stored.replace('ln=1,r=8', 'ln=20,r=9')),
    async () => hasher.needsRehash(MARKER),
    async () => new PasswordHasher({ logN: MARKER as never }),
    async () => new PasswordHasher(MARKER as never),
    () => Promise.all(Array.from({ length: 9 }, () => busy.hash(MARKER))),
  ];
  const said = await Promise.all(
    uses.map((use) => use().then(() => assert.fail(String(use)), allSaid)),
  );
  for (const text of [...said, allSaid(hasher)]) {
    for (const secret of [MARKER, base64(MARKER)]) {
      assert.ok(!text.includes(secret.slice(0, 20)), text);
    }
  }
});
