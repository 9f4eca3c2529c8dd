/** The server when another program, or another server, takes its user file. */
import assert from 'node:assert/strict';
import {
  appendFile,
  copyFile,
  cp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { lockFile } from '../../../src/journal/file-lock.ts';
import { send } from '../../support/app.ts';
import { ANN, JOE, signup } from '../../support/command-client.ts';
import { someOf } from '../../support/long.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  logLines,
  run,
  serve,
} from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';
import { childOf, stageOf } from '../../support/user-files.ts';

const env = { LATCHKEY_SECRET: SECRET };

describe('latchkey serve', { concurrency: 4, timeout: 120_000 }, () => {
  type Lose = (folder: string, users: string) => Promise<unknown>;

  /** How a server can lose its user file, and what it logs then. */
  const LOSSES: Readonly<Record<string, readonly [lose: Lose, words: RegExp]>> = {
    'an operator edits the file in place': [
      async (_folder, users) => writeFile(users, `${await readFile(users, 'utf8')}\n`),
      /another program modified it: restart this process/,
    ],
    'an editor replaces the file': [
      async (folder, users) => {
        await copyFile(users, join(folder, 'edited'));
        await rename(join(folder, 'edited'), users);
      },
      /another program replaced it: restart this process/,
    ],
    'logrotate moves the file': [
      (_folder, users) => rename(users, `${users}.1`),
      /another program removed it: restore it, then restart/,
    ],
    'logrotate copies and truncates the file': [
      (_folder, users) => truncate(users),
      /another program modified it: restart this process/,
    ],
    'a backup is restored over the file': [
      (folder, users) => copyFile(join(folder, 'users.backup'), users),
      /another program modified it: restart this process/,
    ],
    'the data folder is removed': [
      (folder) => rm(folder, { recursive: true }),
      /its lock is gone: it was removed, or another process took over .*restart/,
    ],
    'the lock is removed': [
      async (folder) => {
        const names = await readdir(folder);
        for (const name of names) if (name.includes('.lock.')) await rm(join(folder, name));
      },
      /its lock is gone: it was removed, or another process took over .*restart/,
    ],
  };

  it('ends with 1 within seconds, and says why, when it has lost its user file', async () => {
    await Promise.all(someOf(Object.entries(LOSSES)).map(async ([what, [lose, words]], index) => {
      const cwd = await emptyFolder();
      const folder = join(cwd, 'latchkey-data');
      const isJson = index % 2 === 0;
      const flags = `--port 0 --scrypt-cost 1 --log ${isJson ? 'json' : 'none'}`;
      const { url, ended } = await serve(`serve ${flags}`, { cwd, env });
      await cp(join(folder, 'users.jsonl'), join(folder, 'users.backup'));
      assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
      await lose(folder, join(folder, 'users.jsonl'));
      const { code, stdout, stderr } = await ended;
      assert.equal(code, 1, what);
      assert.match(stderr, words, what);
      const lastLine = isJson ? logLines(stderr).at(-1) : stdout.trimEnd().split('\n').at(-1);
      const stopped = isJson ? /event: 'stop'.* any more: / : /^'latchkey stopped: .* any more: /s;
      assert.match(inspect(lastLine, { breakLength: Infinity }), stopped, what);
      const asJson = /^\{"time":"[^"]+","event":"error","detail":"the server stops: /m;
      assert.match(stderr, isJson ? asJson : /^latchkey: the server stops: /m, what);
      assert.match(stderr, /latchkey-data\/users\.jsonl cannot be used any more: /, what);
      await assert.rejects(fetch(`${url}/hello`), what);
      // The server writes nothing at its end, so a file that is gone stays gone.
      const found = await stat(join(folder, 'users.jsonl')).catch(() => undefined);
      const isGone = ['logrotate moves the file', 'the data folder is removed'].includes(what);
      assert.equal(found === undefined, isGone, what);
    }));
  });

  it('ends with 1 at once when a signup finds the file changed, and answers it', async () => {
    const cwd = await emptyFolder();
    const { url, ended } = await serve('serve --port 0 --scrypt-cost 1', { cwd, env });
    await appendFile(join(cwd, 'latchkey-data/users.jsonl'), '\n');
    const changed = await readFile(join(cwd, 'latchkey-data/users.jsonl'));
    const statuses = await Promise.all([signup(url, JOE), signup(url, ANN)]);
    assert.deepEqual(statuses, [503, 503]);
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    const reason = 'users\\.jsonl cannot be written: another program modified it: ';
    assert.match(stderr, RegExp(`^latchkey: the server stops: .*${reason}`, 'm'));
    assert.deepEqual(await readFile(join(cwd, 'latchkey-data/users.jsonl')), changed);
  });

  const stage = stageOf('another PID namespace');
  const skip = stage === undefined && 'the system refuses a PID namespace';
  const inContainer = [...(stage ?? []), ...command()];

  it('refuses a folder that the server of another container still serves', { skip }, async () => {
    const cwd = await emptyFolder();
    const where = { cwd, env, command: inContainer };
    const old = await serve('serve --port 0 --scrypt-cost 1', where);
    const refused = await run('serve --port 0', where);
    const holder = 'process 1, maybe of another container or machine';
    assertRefused(refused, 1, [RegExp(`users\\.jsonl is in use by ${holder}: stop `)]);
    assert.equal((await send(`${old.url}/signup`, 'POST', JOE)).status, 200);
    kill(childOf(old.child.pid), 'SIGTERM');
    assert.deepEqual((await old.ended).code, 0);
    const next = await serve('serve --port 0 --scrypt-cost 1', where);
    assert.equal((await send(`${next.url}/auth`, 'POST', JOE)).status, 200);
    kill(childOf(next.child.pid), 'SIGTERM');
    assert.deepEqual((await next.ended).code, 0);
  });

  it('ends with 1 if another process took its lock while it was suspended', { skip }, async () => {
    const cwd = await emptyFolder();
    const where = { cwd, env, command: inContainer };
    const { child, url, ended } = await serve('serve --port 0 --scrypt-cost 1', where);
    const server = childOf(child.pid);
    kill(server, 'SIGSTOP');
    const path = join(cwd, 'latchkey-data/users.jsonl');
    const lock = await lockFile(path, { heartbeatMs: 50, pollMs: 50, pollsUntilStale: 20 });
    const content = await readFile(path);
    kill(server, 'SIGCONT');
    const answer = await send(`${url}/signup`, 'POST', JOE).catch(() => undefined);
    assert.notEqual(answer?.status, 200);
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    assert.match(stderr, /^latchkey: the server stops: .*its lock is gone: .*suspended: restart/m);
    await lock.confirm();
    await lock.release();
    assert.ok((await readFile(path, 'utf8')).startsWith(content.toString()));
  });
});
