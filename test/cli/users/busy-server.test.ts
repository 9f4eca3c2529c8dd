/** Changes that a busy server refuses at first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onceNotBusy } from '../../../src/cli/users/busy-server.ts';
import { AuthError } from '../../../src/errors.ts';

/** Makes a change that is refused with these codes, one after the other. */
function refusedWith(...codes: readonly ('ERR_BUSY' | 'ERR_STORE')[]) {
  let tries = 0;
  const change = async () => {
    const code = codes[tries];
    tries += 1;
    if (code !== undefined) throw new AuthError(code);
    return tries;
  };
  return { change, tries: () => tries };
}

test('a change is tried again until the server has time for it', async () => {
  assert.equal(await onceNotBusy(refusedWith('ERR_BUSY', 'ERR_BUSY').change), 3);
});

test('a change that is refused for another reason is tried once', async () => {
  const { change, tries } = refusedWith('ERR_STORE');
  await assert.rejects(onceNotBusy(change), { code: 'ERR_STORE' });
  assert.equal(tries(), 1);
});

test('a server that stays busy refuses the change after 30 seconds', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += 15_000));
  const { change, tries } = refusedWith('ERR_BUSY', 'ERR_BUSY', 'ERR_BUSY');
  await assert.rejects(onceNotBusy(change), { code: 'ERR_BUSY' });
  assert.equal(tries(), 2);
});
