/** The users of a file are moved to PostgreSQL, as src/cli/deployment.md says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { send } from '../support/app.ts';
import { shellBlock } from '../support/documents.ts';
import { command, emptyFolder, run, serve, stop } from '../support/run-command.ts';
import { ownDatabase, PG, skip } from '../support/postgres.ts';

const JOE = { username: 'joe', password: 'correct horse' };

describe('a server that moves to PostgreSQL', { skip }, () => {
  const { database } = ownDatabase();

  test('the commands of the page take the users along, also when they run twice', async () => {
    const cwd = await emptyFolder();
    const env = { LATCHKEY_PG: PG };
    const first = await serve('serve --port 0 --scrypt-cost 1', { cwd });
    assert.equal((await send(`${first.url}/signup`, 'POST', JOE)).status, 200);
    await stop(first);
    const define = `latchkey() { ${command().map((word) => `'${word}'`).join(' ')} "$@"; }`;
    const move = shellBlock('latchkey users export --data')
      .replace('postgres://user@host/database', `'${database.href}'`);
    const script = ['bash', '-euo', 'pipefail', '-c', `${define}\n${move}`];
    for (let times = 0; times < 2; times += 1) {
      const { code, stderr } = await run('', { cwd, env, command: script });
      assert.equal(code, 0, stderr);
    }
    const flags = `serve --port 0 --scrypt-cost 1 --users ${database.href}`;
    const second = await serve(flags, { cwd, env });
    assert.equal((await send(`${second.url}/auth`, 'POST', JOE)).status, 200);
    await stop(second);
  });
});
