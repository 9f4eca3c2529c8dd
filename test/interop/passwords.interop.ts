/** Password hashes of other implementations verify here, and ours verify there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scrypt } from '@noble/hashes/scrypt.js';
import { PasswordHasher } from '../../src/accounts/password-hasher.ts';
import { pythonWith } from './python.ts';

const hasher = new PasswordHasher({ logN: 4 });
const PASSWORDS = [
  'correct horse battery staple',
  'caf\u00e9',
  '\u{1f511} \u540d\u524d',
  'x'.repeat(200),
  ' x ',
];

const passlib = pythonWith(
  'passlib.hash',
  `
from passlib.hash import scrypt
if value["op"] == "hash":
    cheap = scrypt.using(rounds=4, block_size=value["r"], parallelism=value["p"])
    answer = cheap.hash(value["password"])
else:
    answer = scrypt.verify(value["password"], value["stored"])`,
);

// scrypt came to Werkzeug with version 2.3.
const werkzeug = pythonWith(
  'werkzeug.security; werkzeug.security.generate_password_hash("x", "scrypt")',
  `
from werkzeug.security import generate_password_hash
answer = generate_password_hash(value["password"], value["method"])`,
);

test('PHC strings of passlib verify here, and ours verify there', async (t) => {
  if (passlib === undefined) return t.skip('no Python here has passlib');
  for (const password of PASSWORDS) {
    const theirs: string = String(await passlib({ op: 'hash', password, r: 8, p: 2 }));
    assert.equal(await hasher.verify(password, theirs), true, theirs);
    assert.equal(await hasher.verify(`${password}!`, theirs), false, theirs);
    const ours = await hasher.hash(password);
    assert.equal(await passlib({ op: 'verify', password, stored: ours }), true, ours);
    assert.equal(
      await passlib({ op: 'verify', password: `${password}!`, stored: ours }),
      false,
      ours,
    );
  }
});

test('hashes of Werkzeug verify here, without normalization, and need a rehash', async (t) => {
  if (werkzeug === undefined) return t.skip('no Python here has Werkzeug 2.3 or later');
  for (const method of ['scrypt', 'scrypt:1024:4:2']) {
    for (const password of [...PASSWORDS, 'cafe\u0301']) {
      const theirs: string = String(await werkzeug({ password, method }));
      assert.match(theirs, /^scrypt:\d+:\d:\d\$/);
      assert.equal(await hasher.verify(password, theirs), true, theirs);
      assert.equal(await hasher.verify(`${password}!`, theirs), false, theirs);
      assert.equal(hasher.needsRehash(theirs), true);
    }
  }
});

test('our key is the key that scrypt of @noble/hashes derives', async () => {
  for (const [logN, r, p] of [
    [4, 8, 1],
    [10, 1, 3],
    [14, 8, 1],
    [6, 32, 16],
  ] as const) {
    const own = new PasswordHasher({ logN, r, p });
    for (const password of PASSWORDS) {
      const [, , , salt = '', key] = (await own.hash(password)).split('$');
      const derived = scrypt(password, Buffer.from(salt, 'base64'), {
        N: 2 ** logN,
        r,
        p,
        dkLen: 32,
      });
      assert.equal(key, Buffer.from(derived).toString('base64').replace(/=$/, ''));
    }
  }
});
