/** Commands that a signal ends while they have files open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { emptyFolder, ROOT, start } from '../../support/run-command.ts';

/** The exit code of a shell after each signal. */
const CODES = [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const;

/** Begins an export, and then something that cannot be released. The export never ends. */
const EXPORT = `
  import { exportTarget } from './src/cli/users/transfer-files.ts';
  import { releasedAtSignal } from './src/cli/users/release-at-signal.ts';
  const never = new Promise(() => setInterval(() => undefined, 1e6));
  await exportTarget(process.env.TARGET, process.stdout).fill((output) => {
    output.write('one\\n', () => console.log('begun'));
    return releasedAtSignal(() => Promise.reject(new Error('made by the test')), () => never);
  });
`;

describe('a signal during latchkey users', { concurrency: 2, timeout: 60_000 }, () => {
  for (const [signal, code] of CODES) {
    it(`${signal} releases the files, and ends the command with ${code}`, async () => {
      const data = await emptyFolder();
      const { child, ended } = start(`users import - --data ${data}`);
      // The first line says that the file was created. Then the import waits for its input.
      await once(child.stderr, 'data');
      assert.ok((await readdir(data)).length > 1, 'the file is locked');
      child.kill(signal);
      assert.equal((await ended).code, code);
      assert.deepEqual(await readdir(data), ['users.jsonl']);
    });
  }

  it('SIGTERM removes the draft of an export, though another release fails', async () => {
    const folder = await emptyFolder();
    const { child, ended } = start('', {
      cwd: ROOT,
      command: [process.execPath, '--import', 'tsx', '--input-type=module', '-e', EXPORT],
      env: { TARGET: join(folder, 'users') },
    });
    await once(child.stdout, 'data');
    assert.match((await readdir(folder)).join(), /^users\.[0-9a-f-]{36}$/);
    child.kill('SIGTERM');
    assert.deepEqual(await ended, { code: 143, stdout: 'begun\n', stderr: '' });
    assert.deepEqual(await readdir(folder), []);
  });
});
