/** GET /health of the real command, whose data folder is on a disk that is full for a while. */
import assert from 'node:assert/strict';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { propertyOf } from '../../src/values.ts';
import { send } from '../support/app.ts';
import { works } from '../support/exfat.ts';
import { command, emptyFolder, serve, stop } from '../support/run-command.ts';

const skip = !works('mount -t tmpfs none /mnt') && 'the system refuses a mount namespace';

/** Writes a file until the disk is full. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    assert.equal(propertyOf(error, 'code'), 'ENOSPC');
  } finally {
    closeSync(file);
  }
}

const TITLE = 'a full disk is 503 from the first write that fails until there is room again';

test(TITLE, { skip, timeout: 60_000 }, async () => {
  const cwd = await emptyFolder();
  await mkdir(join(cwd, 'data'), { mode: 0o700 });
  const mount = 'mount -t tmpfs -o size=400k,mode=700 none data && exec "$@"';
  const words = ['unshare', '--mount', 'sh', '-c', mount, 'sh', ...command()];
  const flags = 'serve --port 0 --data data --scrypt-cost 1 --throttle off';
  const server = await serve(flags, { cwd, command: words });
  const health = async () => (await send(`${server.url}/health`, 'GET')).status;
  let signups = 0;
  const signUp = async () => {
    signups += 1;
    const body = { username: `user${signups}`, password: 'correct horse' };
    return (await send(`${server.url}/signup`, 'POST', body)).status;
  };
  // The answer of a check holds for a second.
  const until = async (status: number) => {
    while ((await health()) !== status) await delay(50);
  };

  assert.deepEqual([await health(), await signUp()], [200, 200]);
  // The mount is in the namespace of the server alone.
  const path = join('/proc', String(server.child.pid), 'root', cwd, 'data/other-file');
  fill(path);
  // The last block of the file takes some more users.
  while ((await signUp()) === 200) assert.ok(signups < 100);
  await until(503);
  assert.equal(await signUp(), 503);
  rmSync(path);
  await until(200);
  assert.equal(await signUp(), 200);
  const { stderr } = await stop(server);
  assert.match(stderr, /users\.jsonl cannot be written: ENOSPC/);
});
