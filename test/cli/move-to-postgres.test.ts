/** The users of a file are moved to PostgreSQL, as src/cli/users.md says, between real servers. */
import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { send } from '../support/app.ts';
import { command, emptyFolder, ROOT, run, serve, stop } from '../support/run-command.ts';
import { JOE } from '../support/command-client.ts';
import { shellBlock } from '../support/documents.ts';
import { ownDatabase, skip } from '../support/postgres.ts';

describe('a server that moves to PostgreSQL', { skip }, () => {
  const { database } = ownDatabase();

  test('the commands of the page take the users along, and leave no old file', async () => {
    // A folder in which pg is installed.
    const cwd = await emptyFolder();
    await symlink(join(ROOT, 'test/interop/node_modules'), join(cwd, 'node_modules'));
    const define = `latchkey() { ${command().map((word) => `'${word}'`).join(' ')} "$@"; }`;
    const shell = async (block: string) => {
      const lines = block.replaceAll(/postgres:\S+/g, `'${database.href}'`);
      const bash = ['bash', '-euc', `${define}\n${lines}`];
      const { code, stdout, stderr } = await run('', { cwd, command: bash });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const first = await serve('serve --port 0 --scrypt-cost 1', { cwd });
    for (const username of ['joe', 'ann']) {
      assert.equal((await send(`${first.url}/signup`, 'POST', { ...JOE, username })).status, 200);
    }
    await shell('latchkey users remove ann');
    await stop(first);

    const said = (added: number, present: number) => {
      const counts = `${added} user${added === 1 ? '' : 's'} added, ${present} present already`;
      return `exported 1 user\n${counts}, 1 removed name\n`;
    };
    const move = shellBlock('latchkey users export');
    assert.equal(await shell(move), said(1, 0));
    assert.equal(await shell(move), said(0, 1));
    const second = await serve(`serve --port 0 --scrypt-cost 1 --users ${database.href}`, { cwd });
    const { status, body } = await send(`${second.url}/auth`, 'POST', JOE);
    assert.equal(status, 200);
    await shell(shellBlock('latchkey users logout --all --users'));
    const headers = { Authorization: `JWT ${Object(body).access_token}` };
    assert.equal((await send(`${second.url}/hello`, 'GET', undefined, headers)).status, 401);
    await stop(second);
    // A command that lacks `--users` must not change the files of before.
    const { code, stderr } = await run('users disable joe', { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /users\.jsonl does not exist/);
  });
});
