/** What the command line tries again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryWhile } from '../../src/cli/retry.ts';
import { AuthError } from '../../src/errors.ts';

const TIMES = { maxWaitMs: 30_000, pauseMs: 1 } as const;

/** Makes a task that is refused with these codes, one after the other. */
function refusedWith(...codes: readonly ('ERR_BUSY' | 'ERR_STORE')[]) {
  let tries = 0;
  const task = async () => {
    const code = codes[tries];
    tries += 1;
    if (code !== undefined) throw new AuthError(code);
    return tries;
  };
  return { task, tries: () => tries };
}

test('a task is run again until it is no longer refused', async () => {
  const { task } = refusedWith('ERR_BUSY', 'ERR_BUSY');
  assert.equal(await retryWhile('ERR_BUSY', TIMES, task), 3);
});

test('a task that is refused with another code is run once', async () => {
  const { task, tries } = refusedWith('ERR_STORE');
  await assert.rejects(retryWhile('ERR_BUSY', TIMES, task), { code: 'ERR_STORE' });
  assert.equal(tries(), 1);
});

test('after the longest wait the next refusal is final', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += 15_000));
  const { task, tries } = refusedWith('ERR_BUSY', 'ERR_BUSY', 'ERR_BUSY');
  await assert.rejects(retryWhile('ERR_BUSY', TIMES, task), { code: 'ERR_BUSY' });
  assert.equal(tries(), 2);
});
