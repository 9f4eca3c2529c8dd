/** How long the command line waits for a file that another process has open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../../src/index.ts';
import { CommandError } from '../../../src/cli/command-errors.ts';
import { whenUnlocked } from '../../../src/cli/stores/lock-wait.ts';
import { AuthError } from '../../../src/errors.ts';
import { assertRefused, emptyFolder, run, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };
const explain = () => new CommandError('explained');

test('only a lock is waited for', async () => {
  let tries = 0;
  const result = whenUnlocked(async () => {
    tries += 1;
    if (tries < 3) throw new AuthError('ERR_STORE_LOCKED');
    return 'open';
  }, explain);
  assert.equal(await result, 'open');
  assert.equal(tries, 3);
  const damaged = new AuthError('ERR_STORE_DAMAGED');
  await assert.rejects(whenUnlocked(() => Promise.reject(damaged), explain), damaged);
});

test('a server waits for a command that has the file, and then starts', async () => {
  const data = await emptyFolder();
  const command = await JsonFileUserStore.open(join(data, 'users.jsonl'));
  const watcher = watch(data);
  const claimed = once(watcher, 'change');
  const starting = serve(`serve --port 0 --data ${data}`, { env });
  // The server has tried to take the lock.
  await claimed.finally(() => watcher.close());
  await command.close();
  assert.equal((await stop(await starting)).code, 0);
});

test('a server that finds the lock held says who may hold it', async () => {
  const data = await emptyFolder();
  await using _holder = await JsonFileUserStore.open(join(data, 'users.jsonl'));
  const words = /is in use by process \d+: stop that process first\. It is another server of this/;
  assertRefused(await run(`serve --port 0 --data ${data}`, { env }), 1, [words, /still runs\.$/m]);
});
