/** Usernames that are refused at a terminal before it is asked for a password. */
import assert from 'node:assert/strict';
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { idOfUser } from '../../../src/cli/administration/user-lookup.ts';
import { users } from '../../../src/cli/users/users.ts';
import { MemoryUserStore } from '../../../src/index.ts';
import { OLD } from '../../support/account-service.ts';
import { emptyFolder } from '../../support/run-command.ts';
import { folderWithUsers, logsIn } from '../../support/run-users.ts';
import { administrationOf, userOf } from '../../support/transfers.ts';

/**
 * Runs a subcommand as on a terminal.
 * @param answer what is typed at each prompt
 * @returns what it has shown, also if it fails
 */
async function typed(line: string, answer: string) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const prompts = new PassThrough();
  const output = new PassThrough();
  let shown = '';
  prompts.on('data', (text) => {
    shown += String(text);
    if (String(text).endsWith(': ')) input.write(`${answer}\r`);
  });
  const log: string[] = [];
  const error = await users(line.split(' '), { input, output, prompts }, (_event, detail) => {
    log.push(detail);
  }).then(() => undefined, String);
  return { error, shown, stdout: String(output.read() ?? ''), log };
}

const PROMPTS = 'New password: \nThe same again: \n';

describe('a username at a terminal', { timeout: 60_000 }, () => {
  it('is refused before the prompt if a password could not be set', async () => {
    const data = await folderWithUsers();
    const REFUSED = [
      [`set-password sam --data ${data}`, /there is no such user/],
      [`set-password joe --data ${data}/none`, /Name the folder of the server/],
      [`add JOE --data ${data}`, /User already exists/],
      [`add a\u200bb --data ${data}`, /invisible characters/],
      [`set-password a\u200bb --data ${data}`, /there is no such user/],
    ] as const;
    for (const [line, message] of REFUSED) {
      const { error, shown } = await typed(line, 'battery staple');
      assert.match(error ?? '', message);
      assert.equal(shown, '', line);
    }
    assert.equal(await logsIn(data, 'joe', OLD), true);
  });

  it('is accepted where the password can be set, and each warning is told once', async () => {
    const data = await folderWithUsers();
    await chmod(join(data, 'users.jsonl'), 0o666);
    const set = await typed(`set-password JOE --data ${data}`, 'battery staple');
    assert.deepEqual([set.error, set.shown], [undefined, PROMPTS]);
    assert.equal(set.stdout, 'joe: the password is set, and all sessions have ended\n');
    assert.ok(set.log.length > 0);
    assert.equal(new Set(set.log).size, set.log.length);
    const added = await typed(`add sam --data ${data}`, 'battery staple');
    assert.deepEqual(
      [added.error, added.shown, added.stdout],
      [undefined, PROMPTS, 'sam: added\n'],
    );
    assert.equal(await logsIn(data, 'sam', 'battery staple'), true);
  });

  it('is asked for where add would create the file, and Ctrl-C creates nothing', async () => {
    const data = join(await emptyFolder(), 'new');
    const refused = await typed(`add joe --data ${data}`, '\x03');
    assert.deepEqual([refused.shown, refused.log], ['New password: \n', []]);
    await assert.rejects(readdir(data), { code: 'ENOENT' });
  });
});

it('a user is found by the exact id first, then by any spelling of the name', async () => {
  const store = new MemoryUserStore();
  for (const id of ['Joe', 'joe', 'ann']) store.insert(userOf(id));
  const administration = administrationOf(store);
  const FOUND = [
    ['Joe', 'Joe'],
    ['JOE', 'joe'],
    ['joe', 'joe'],
    ['Ann', 'ann'],
    ['sam', undefined],
  ];
  for (const [username, id] of FOUND) {
    assert.equal(await idOfUser(administration, username ?? ''), id);
  }
});
