/** The users of a file are moved to PostgreSQL, as src/cli/deployment.md says. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { send } from '../support/app.ts';
import { JOE, signup } from '../support/command-client.ts';
import { shellBlock } from '../support/documents.ts';
import { commandIn, emptyFolder, ROOT, run, serve, stop } from '../support/run-command.ts';
import { ownDatabase, PG, skip } from '../support/postgres.ts';

describe('a server that moves to PostgreSQL', { skip }, () => {
  const { database } = ownDatabase();

  test('the commands of the page take the users along, also when they run twice', async () => {
    // A clone in which pg is installed.
    const cwd = await emptyFolder();
    for (const name of ['src', 'package.json', 'tsconfig.json']) {
      cpSync(join(ROOT, name), join(cwd, name), { recursive: true });
    }
    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(PG, join(cwd, 'node_modules/pg'));
    const words = commandIn(cwd);
    const where = { cwd, command: words };
    const first = await serve('serve --port 0 --scrypt-cost 1', where);
    assert.equal(await signup(first.url, JOE), 200);
    await stop(first);
    const define = `latchkey() { ${words.map((word) => `'${word}'`).join(' ')} "$@"; }`;
    const move = shellBlock('set -o pipefail')
      .replace('postgres://user@host/database', `'${database.href}'`);
    const script = ['bash', '-euo', 'pipefail', '-c', `${define}\n${move}`];
    for (let times = 0; times < 2; times += 1) {
      const { code, stderr } = await run('', { cwd, command: script });
      assert.equal(code, 0, stderr);
    }
    const second = await serve(`serve --port 0 --scrypt-cost 1 --users ${database.href}`, where);
    assert.equal((await send(`${second.url}/auth`, 'POST', JOE)).status, 200);
    await stop(second);
  });
});
