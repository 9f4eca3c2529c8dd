/** What counts at a login of a program with its own users. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLimits } from '../../src/auth/login-limits.ts';
import { AuthError } from '../../src/index.ts';
import { throttleOf } from '../../src/limits/options.ts';

test('ERR_CREDENTIALS counts and is passed on, and no other error counts', async () => {
  const throttle = throttleOf({ triesPerAccount: 1 });
  const tryWith = (error: Error) => {
    return withLimits(throttle, 'joe', {}, () => Promise.reject(error));
  };
  const faults = [new Error('a fault'), new AuthError('ERR_BUSY'), new AuthError('ERR_STORE')];
  for (const error of faults) {
    for (let tries = 0; tries < 3; tries += 1) await assert.rejects(tryWith(error), error);
  }
  const own = new AuthError('ERR_CREDENTIALS', { description: 'No such user here' });
  await assert.rejects(tryWith(own), own);
  await assert.rejects(tryWith(own), { code: 'ERR_THROTTLED' });
  // Without limits every try is checked.
  const none = throttleOf(false);
  const check = () => Promise.reject(own);
  for (let tries = 0; tries < 200; tries += 1) {
    await assert.rejects(withLimits(none, 'joe', {}, check), own);
  }
});
