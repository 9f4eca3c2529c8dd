/** The options of PasswordHasher. crypto/password tests its hashes, and work-queue its queue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswordHasher, type PasswordHasherOptions } from '../../src/accounts/password-hasher.ts';
import { cheapPasswords } from '../support/app.ts';
import { assertRefusedOption } from '../support/assertions.ts';
import { INHERITED_NAMES, NOT_AMOUNTS, NOT_OPTIONS } from '../support/hostile.ts';
import { withPolluted } from '../support/spies.ts';

const hasher = cheapPasswords();

test('a member that every object inherits is not an option of a PasswordHasher', async () => {
  let own = hasher;
  await withPolluted({ logN: 2, r: 1, p: 2, maxConcurrent: 1, maxQueued: 0 }, () => {
    own = new PasswordHasher({ logN: 1 });
  });
  const hashes = await Promise.all(Array.from({ length: 3 }, () => own.hash('x')));
  for (const stored of hashes) assert.match(stored, /^\$scrypt\$ln=1,r=8,p=1\$/);
});

test('a message that names the culprit: N in place of its log2 hears that logN is a log2', () => {
  assert.throws(() => new PasswordHasher({ logN: 16_384 }), {
    name: 'RangeError',
    message: '"logN" expected a whole number from 1 to 20 (log2 of N), got 16384',
  });
  new PasswordHasher({ logN: Math.log2(16_384) });
});

test('an option of the wrong kind, out of bounds or unknown is refused; one at its bound is taken', () => {
  const bounds: Record<keyof PasswordHasherOptions, [min: number, max: number]> = {
    logN: [1, 20],
    r: [1, 32],
    p: [1, 16],
    maxConcurrent: [1, 1024],
    maxQueued: [0, 100_000],
  };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const make = (value: unknown) => new PasswordHasher({
      ...(name !== 'logN' && { logN: 1 }),
      [name]: value,
    });
    for (const value of [...NOT_AMOUNTS, min - 1, max + 1, min + 0.5, 2 ** 53]) {
      assertRefusedOption(
        () => make(value),
        name,
        value,
        typeof value === 'number' ? RangeError : TypeError,
      );
    }
    for (const value of [min, max, undefined]) make(value);
  }
  for (const name of ['N', 'cost', 'salt', 'rounds', ...INHERITED_NAMES]) {
    assertRefusedOption(() => new PasswordHasher(Object.fromEntries([[name, 1]])), name);
  }
  for (const value of NOT_OPTIONS) {
    assertRefusedOption(() => new PasswordHasher(value as never), 'options', value);
  }
  for (const [dear, affordable] of [
    [{ logN: 20, r: 9 }, { logN: 20, r: 8 }],
    [{ logN: 20, p: 2 }, { logN: 19, p: 2 }],
    [{ logN: 16, r: 1 }, { logN: 15, r: 1 }],
  ] as const) {
    assertRefusedOption(() => new PasswordHasher(dear), 'logN', dear, RangeError);
    new PasswordHasher(affordable);
  }
});
