/** `latchkey users` over real files, in this process and as the real command. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { users } from '../../../src/cli/users/users.ts';
import { CommandError, UsageError } from '../../../src/cli/command-errors.ts';
import { OLD, weakHash } from '../../support/account-service.ts';
import { send } from '../../support/app.ts';
import { signup } from '../../support/command-client.ts';
import { LONG, someOf } from '../../support/long.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  run,
  serve,
  start,
} from '../../support/run-command.ts';
import {
  folderWithUsers,
  logsIn,
  runUsers,
  sessionCounts,
  withStores,
} from '../../support/run-users.ts';
import { userNamed } from '../../support/user-files.ts';

const STREAMS = { input: process.stdin, output: process.stdout, prompts: process.stderr };

describe('latchkey users, while no server runs', { concurrency: 2, timeout: 120_000 }, () => {
  it('adds a user with the password of standard input, in a folder that it makes', async () => {
    const data = join(await emptyFolder(), 'new');
    const { stdout, log } = await runUsers(`add Joe --data ${data}`, 'correct horse\n');
    assert.equal(stdout, 'joe: added\n');
    assert.match(log.join('\n'), /^.*users\.jsonl did not exist, and has been created$/);
    const { passwordHash } = await withStores(data, ({ users }) => users.find('joe')) ?? {};
    assert.match(passwordHash ?? '', /^\$scrypt\$ln=17,/);
    const again = runUsers(`add joe --data ${data}`, 'correct horse\n');
    await assert.rejects(again, { message: 'User already exists' });
  });

  it('sets a password, and ends the sessions of this user alone', async () => {
    const data = await folderWithUsers();
    const { stdout } = await runUsers(`set-password JOE --data ${data}`, 'battery staple\n');
    assert.equal(stdout, 'joe: the password is set, and all sessions have ended\n');
    assert.deepEqual(await sessionCounts(data), [0, 2]);
    assert.equal(await logsIn(data, 'joe', OLD), false);
    assert.equal(await logsIn(data, 'joe', 'battery staple'), true);
  });

  it('disables, lists and enables a user, who keeps the password', async () => {
    const data = await folderWithUsers();
    const disabled = await runUsers(`disable JOE --data ${data}`);
    assert.equal(disabled.stdout, 'joe: disabled, and all sessions have ended\n');
    assert.deepEqual(await sessionCounts(data), [0, 2]);
    assert.equal(await logsIn(data, 'joe', OLD), false);
    const table = (await runUsers(`list --data ${data}`)).stdout.split('\n');
    assert.match(table[2] ?? '', /^joe {2}Joe .* disabled$/);
    assert.match(table[1] ?? '', /^ann {2}ann .* enabled$/);
    const lines = (await runUsers(`list --json --data ${data}`)).stdout.trimEnd().split('\n');
    const listed = lines.map((line) => JSON.parse(line));
    assert.deepEqual(listed.map(({ id, isDisabled }) => [id, isDisabled]), [
      ['ann', false],
      ['joe', true],
    ]);
    assert.equal((await runUsers(`enable Joe --data ${data}`)).stdout, 'joe: enabled\n');
    assert.equal(await logsIn(data, 'joe', OLD), true);
  });

  it('ends the sessions of one user, and of all', async () => {
    const data = await folderWithUsers();
    const one = await runUsers(`logout Ann --data ${data}`);
    assert.equal(one.stdout, 'ann: all sessions have ended\n');
    assert.deepEqual(await sessionCounts(data), [2, 0]);
    const all = await runUsers(`logout --all --data ${data}`);
    assert.equal(all.stdout, 'all sessions of 2 users have ended\n');
    assert.deepEqual(await sessionCounts(data), [0, 0]);
    assert.equal(await logsIn(data, 'ann', OLD), true);
  });

  it('removes a user, whose name can be used again', async () => {
    const data = await folderWithUsers();
    const { stdout } = await runUsers(`remove JOE --data ${data}`);
    assert.equal(stdout, 'joe: removed, and all sessions have ended\n');
    assert.deepEqual(await sessionCounts(data), [0, 2]);
    const file = await readFile(join(data, 'users.jsonl'), 'utf8');
    assert.match(file, /"op":"remove","id":"joe"/);
    await assert.rejects(runUsers(`remove joe --data ${data}`), CommandError);
  });

  it('says that no sessions ended where none are kept', async () => {
    const data = await folderWithUsers();
    await unlink(join(data, 'sessions.jsonl'));
    const set = await runUsers(`set-password joe --data ${data}`, 'battery staple\n');
    const consequence = 'No sessions are kept here: tokens from before work until they expire';
    assert.equal(set.stdout, `joe: the password is set. ${consequence}\n`);
    for (const [subcommand, result] of [['disable', 'disabled'], ['remove', 'removed']]) {
      const { stdout } = await runUsers(`${subcommand} joe --data ${data}`);
      assert.equal(stdout, `joe: ${result}, and tokens from before are refused\n`);
    }
    for (const target of ['ann', '--all']) {
      const failed = runUsers(`logout ${target} --data ${data}`);
      await assert.rejects(failed, /^Error: No sessions are kept here/i);
    }
  });

  it('says what to name if the folder is a file, or lies below one', async () => {
    const file = join(await emptyFolder(), 'users.jsonl');
    await writeFile(file, '');
    for (const data of [file, join(file, 'data')]) {
      for (const subcommand of ['list', 'add joe']) {
        const failed = runUsers(`${subcommand} --data ${data}`, 'correct horse\n');
        const remedy = 'Name the folder of the server with --data.';
        await assert.rejects(failed, { message: `${data} is not a folder. ${remedy}` });
      }
    }
  });

  it('gives the reason of an error of the store once', async () => {
    const data = await emptyFolder();
    await mkdir(join(data, 'users.jsonl'));
    await assert.rejects(runUsers(`list --data ${data}`), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.message.split('EISDIR').length, 2, error.message);
      return true;
    });
  });

  it('exports the users to a file, and imports them elsewhere, again and again', async () => {
    const data = await folderWithUsers();
    const [other, file] = [await emptyFolder(), join(await emptyFolder(), 'export')];
    const exported = await runUsers(`export ${file} --data ${data}`);
    assert.equal(exported.stdout, 'exported 2 users\n');
    const lines = await readFile(file, 'utf8');
    assert.equal((await runUsers(`export --data ${data}`)).stdout, lines);
    const first = await runUsers(`import ${file} --data ${other}`);
    assert.equal(first.stdout, '2 users added, 0 present already, 0 removed names\n');
    const again = await runUsers(`import - --data ${other}`, lines);
    assert.equal(again.stdout, '0 users added, 2 present already, 0 removed names\n');
    assert.equal((await runUsers(`export - --data ${other}`)).stdout, lines);
    assert.equal(await logsIn(other, 'joe', OLD), true);
  });

  it('imports what it can, names each refused line by its number, and fails then', async () => {
    const data = await folderWithUsers();
    const input = `hunter2\nsam,${weakHash}\njoe,${weakHash}x\n`;
    const log: string[] = [];
    const failed = runUsers(`import --data ${data}`, input, log);
    await assert.rejects(failed, { message: '2 lines refused' });
    assert.deepEqual(log.map((detail) => detail.split(':')[0]), ['line 1', 'line 3']);
    assert.doesNotMatch(log.join(), /hunter2/);
    assert.equal(await logsIn(data, 'sam', OLD), true);
  });

  it('fails for an unknown user, and does not repeat the name', async () => {
    const data = await folderWithUsers();
    for (const subcommand of someOf(['disable', 'enable', 'remove', 'logout', 'set-password'])) {
      const failed = runUsers(`${subcommand} hunter2 --data ${data}`, 'correct horse\n');
      await assert.rejects(failed, (error) => {
        assert.ok(error instanceof CommandError && !(error instanceof UsageError));
        const message = 'there is no such user: "latchkey users list" shows all users';
        assert.equal(error.message, message);
        return true;
      });
    }
  });

  it('says why a password, a name or an account without a password is refused', async () => {
    const data = await folderWithUsers();
    await withStores(data, ({ users }) => users.insert(userNamed('sam', '!')));
    const REFUSED: readonly [line: string, input: string, message: RegExp][] = [
      ['set-password joe', 'short\n', /^Password must have 8 to \d+ characters$/],
      ['set-password joe', 'password1\n', /^Password is the username, or too easy to guess$/],
      ['set-password joe', 'one line\nand another\n', /second line/],
      ['add \u200bjoe', 'correct horse\n', /^Username must not have invisible characters/],
      ['enable sam', '', /^the user has no password that works: .*"latchkey users set-password"$/],
    ];
    for (const [line, input, message] of someOf(REFUSED)) {
      await assert.rejects(runUsers(`${line} --data ${data}`, input), (error) => {
        assert.ok(error instanceof CommandError);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(await logsIn(data, 'joe', OLD), true);
  });
});

const needsDevFull = { skip: process.platform !== 'linux' };

describe('latchkey users, as a command', { concurrency: 2, timeout: 120_000 }, () => {
  it('changes the users of a running server, whose next answer knows it', async () => {
    const data = await emptyFolder();
    const server = await serve(`serve --port 0 --scrypt-cost 1 --data ${data}`);
    const joe = { username: 'joe', password: 'correct horse' };
    const changed = { ...joe, password: 'battery staple' };
    const statusOf = async (user: object) => {
      return (await send(`${server.url}/auth`, 'POST', user)).status;
    };
    assert.equal(await signup(server.url, joe), 200);
    const { body } = await send(`${server.url}/auth`, 'POST', joe);
    const headers = { Authorization: `JWT ${Object(body).access_token}` };
    const helloStatus = async () => {
      return (await send(`${server.url}/hello`, 'GET', undefined, headers)).status;
    };
    assert.equal(await helloStatus(), 200);

    const setting = start(`users set-password Joe --data ${data}`);
    setting.child.stdin.end('battery staple\n');
    const stdout = 'joe: the password is set, and all sessions have ended\n';
    assert.deepEqual(await setting.ended, { code: 0, stdout, stderr: '' });
    assert.deepEqual([await helloStatus(), await statusOf(joe)], [401, 401]);
    assert.equal(await statusOf(changed), 200);

    await runUsers(`disable joe --data ${data}`);
    assert.equal(await statusOf(changed), 401);
    await runUsers(`enable joe --data ${data}`);
    assert.equal(await statusOf(changed), 200);
    await runUsers(`add ann --data ${data}`, 'correct horse');
    assert.equal(await statusOf({ ...joe, username: 'ann' }), 200);
    assert.match((await runUsers(`list --data ${data}`)).stdout, /^ann .*\njoe .*enabled\n$/m);
    const all = await runUsers(`logout --all --data ${data}`);
    assert.equal(all.stdout, 'all sessions of 2 users have ended\n');
    await runUsers(`remove joe --data ${data}`);
    assert.equal(await statusOf(changed), 401);
  });

  it('ends with 2 for a password in the arguments, which it does not repeat', async () => {
    const ended = await run('users add joe hunter2');
    assertRefused(ended, 2, [/one argument, the username/, /\(see: latchkey users --help\)/]);
    assert.doesNotMatch(ended.stderr, /hunter2/);
  });

  it('ends with 1 for a folder without users, and creates nothing there', async () => {
    const cwd = await emptyFolder();
    assertRefused(await run('users remove -- -h', { cwd }), 1, [/users\.jsonl.*--data/]);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('ends with 130 after Ctrl-C at the prompt, and leaves the terminal as it was', async () => {
    const cwd = await emptyFolder();
    const line = [...command(), 'users', 'add', 'joe'].join(' ');
    const script = ['script', '-qec', `${line}; echo "code $?"; stty -a`, '/dev/null'];
    const prompted = start('', { command: script, cwd });
    prompted.child.stdout.once('data', () => prompted.child.stdin.write('secret\x03'));
    const { stdout } = await prompted.ended;
    assert.match(stdout, /^New password: \r\ncode 130\r\n[^]* icanon [^]* echo /);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('ends with 1 and one line if the list cannot be written', needsDevFull, async () => {
    const data = await folderWithUsers();
    const toFullDisk = ['sh', '-c', '"$@" > /dev/full', 'sh', ...command()];
    const ended = await run(`users list --data ${data}`, { command: toFullDisk });
    assertRefused(ended, 1, [/cannot write the output: .*ENOSPC/]);
  });

  it('says what to do if the disk refuses a change or an export', LONG, async () => {
    const folderWithMany = async () => {
      const data = await folderWithUsers();
      await withStores(data, async ({ users }) => {
        for (const name of 'abcdefghij') await users.insert(userNamed(name.repeat(200)));
      });
      return data;
    };
    const limited = ['sh', '-c', 'ulimit -f 2 && exec "$@"', 'sh', ...command()];
    const data = await folderWithMany();
    const path = join(data, 'export');
    const exporting = await run(`users export ${path} --data ${data}`, { command: limited });
    assertRefused(exporting, 1, [RegExp(`${path}: EFBIG.*\\. Raise .* or name another file\\.`)]);
    assert.ok(!(await readdir(data)).some((name) => name.startsWith('export')));
    const removing = `users remove ann --data ${await folderWithMany()}`;
    const removed = await run(removing, { command: limited });
    const step = /cannot be written: EFBIG.*\. Raise the limit .* another disk\. Then run the comm/;
    assertRefused(removed, 1, [step]);
  });

  it('warns of a password in the URL, in the words of the server', async () => {
    const warnings: string[] = [];
    // No database is at this port, and pg may not be installed.
    for (const user of ['joe', 'joe:marker']) {
      const args = ['list', '--users', `postgres://${user}@127.0.0.1:1/db`];
      const listing = users(args, STREAMS, (event, detail) => warnings.push(`${event} ${detail}`));
      await assert.rejects(listing, CommandError);
    }
    assert.equal(warnings.length, 1);
    const warning = /^warning --users: other system users can see the password in .* PGPASSWORD /;
    assert.match(warnings.join(), warning);
  });

  it('ends with 0 if the reader of the list ends first', async () => {
    const listing = start(`users list --data ${await folderWithUsers()}`);
    listing.child.stdout.destroy();
    assert.deepEqual(await listing.ended, { code: 0, stdout: '', stderr: '' });
  });
});
