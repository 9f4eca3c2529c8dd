/** The arguments of `latchkey users`, its help, and the tables of its page. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError, UsageError } from '../../../src/cli/command-errors.ts';
import { readUsersCall, usersHelp, type UsersCall } from '../../../src/cli/users/users-flags.ts';
import { SUBCOMMANDS, USERS_FLAGS } from '../../../src/cli/users/users-subcommands.ts';
import { rowsOf } from '../../support/documents.ts';
import { emptyFolder } from '../../support/run-command.ts';

const read = (line: string): Promise<UsersCall> => readUsersCall(line.split(' '));

test('the arguments name the subcommand, the user and the store', async () => {
  const DEFAULTS = {
    data: './latchkey-data',
    users: 'file',
    environmentFile: undefined,
    argument: undefined,
    isJson: false,
    isAll: false,
    access: 'change',
  };
  const READ: readonly [line: string, expected: Partial<UsersCall>][] = [
    ['list', { subcommand: 'list', access: 'read' }],
    ['list --json --data d', { subcommand: 'list', access: 'read', isJson: true, data: 'd' }],
    ['add joe --users file', { subcommand: 'add', argument: 'joe', access: 'create' }],
    ['set-password joe', { subcommand: 'set-password', argument: 'joe' }],
    ['disable --data=d joe', { subcommand: 'disable', argument: 'joe', data: 'd' }],
    ['enable joe', { subcommand: 'enable', argument: 'joe' }],
    ['logout joe', { subcommand: 'logout', argument: 'joe' }],
    ['logout --all', { subcommand: 'logout', isAll: true }],
    ['remove joe', { subcommand: 'remove', argument: 'joe' }],
    ['export', { subcommand: 'export', access: 'read' }],
    ['export users.txt', { subcommand: 'export', access: 'read', argument: 'users.txt' }],
    ['import -', { subcommand: 'import', argument: '-', access: 'create' }],
    ['--data d list --json', { subcommand: 'list', access: 'read', isJson: true, data: 'd' }],
    ['--data=d --all logout', { subcommand: 'logout', isAll: true, data: 'd' }],
    ['remove -- --json', { subcommand: 'remove', argument: '--json' }],
  ];
  for (const [line, expected] of READ) {
    assert.deepEqual(await read(line), { ...DEFAULTS, ...expected }, line);
  }
  const url = 'postgres://joe@localhost/users';
  assert.equal(String((await read(`list --users ${url}`)).users), url);
});

test('a wrong argument is a usage error, which repeats nothing that may be a password', async () => {
  const NAMES = 'expected list, add, set-password, disable, enable, logout, remove';
  const PASSWORD = '(the password is typed at a prompt, or piped in)';
  const REFUSED: readonly [line: string, message: string | RegExp][] = [
    ['', RegExp(`^a subcommand is missing: ${NAMES}`)],
    ['--data d', RegExp(`^a subcommand is missing: ${NAMES}`)],
    ['--data', '--data expected a folder, got no value'],
    ['--data d hunter2', RegExp(`^unknown subcommand: ${NAMES}`)],
    ['--dta d list', 'unknown flag --dta: did you mean --data?'],
    ['--all list', 'unknown flag --all'],
    ['hunter2', RegExp(`^unknown subcommand: ${NAMES}`)],
    ['remvoe joe', 'unknown subcommand: did you mean remove?'],
    ['list hunter2', 'expected flags only'],
    ['add joe hunter2', `expected one argument, the username ${PASSWORD}, got 2`],
    ['set-password joe hunter2', `expected one argument, the username ${PASSWORD}, got 2`],
    ['add', `expected one argument, the username ${PASSWORD}, got 0`],
    ['remove joe hunter2', 'expected one argument, the username, got 2'],
    ['add joe --password hunter2', 'unknown flag --password'],
    ['add joe --json', 'unknown flag --json'],
    ['list --all', 'unknown flag --all'],
    ['list --json=yes', '--json expected no value'],
    ['logout', 'expected one argument, the username, or --all, got neither'],
    ['logout joe --all', 'expected one argument, the username, or --all, got both'],
    ['logout joe ann', 'expected one argument, the username, or --all, got 2'],
    ['list --users memory', /^--users memory: only the process of the server can reach users in /],
    ['list --users hunter2', /^--users expected file or postgres:\/\/[^"]*$/],
    ['export one two', 'expected one file, or -, got 2'],
    ['list --data', '--data expected a folder, got no value'],
  ];
  for (const [line, message] of REFUSED) {
    await assert.rejects(read(line), (error) => {
      assert.ok(error instanceof UsageError, line);
      assert.match(error.message, message instanceof RegExp ? message : RegExp(/^/));
      if (typeof message === 'string') assert.equal(error.message, message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  }
});

test('the file of --environment sets variables, such as PGPASSWORD', async () => {
  const file = join(await emptyFolder(), 'environment');
  await writeFile(file, 'LATCHKEY_TEST_OF_USERS=set\n');
  assert.equal((await read(`list --environment ${file}`)).environmentFile, file);
  assert.equal(process.env['LATCHKEY_TEST_OF_USERS'], 'set');
  await writeFile(file, 'no assignment\n');
  await assert.rejects(read(`list --environment ${file}`), (error) => {
    return error instanceof CommandError && !(error instanceof UsageError);
  });
});

test('the help of each subcommand names its flags in 80 columns', () => {
  const helpsOfSubcommands = Object.entries(SUBCOMMANDS).map(([name, { flags }]) => {
    return [name, flags] as const;
  });
  const helps = [['', USERS_FLAGS] as const, ...helpsOfSubcommands];
  assert.ok(helps.length > 7);
  for (const [name, flags] of helps) {
    const help = usersHelp(name === '' ? [] : [name, 'joe', '--help']);
    const lines = help.split('\n');
    assert.ok(lines[0]?.startsWith(`Usage: latchkey users ${name}`), help);
    assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80), help);
    for (const flag of Object.values(flags)) assert.ok(help.includes(`  ${flag.name} `), help);
  }
  assert.equal(usersHelp(['help']), usersHelp([]));
  assert.equal(usersHelp(['help', 'add']), usersHelp(['add']));
  assert.equal(usersHelp(['--data', 'd', 'add', '--help']), usersHelp(['add']));
  for (const name of Object.keys(SUBCOMMANDS)) {
    assert.match(usersHelp([]), RegExp(`^  ${name} `, 'm'));
  }
});

test('the page has a row for each subcommand and for each flag', () => {
  const usages = rowsOf('## The subcommands').map(([usage = '']) => usage.split('`')[1]);
  const expected = Object.values(SUBCOMMANDS).map(({ usage }) => `latchkey users ${usage}`);
  assert.deepEqual(usages, expected);
  const flags = rowsOf('## Flags').map(([name = '']) => name.replaceAll('`', ''));
  const all = Object.values(SUBCOMMANDS).flatMap((subcommand) => {
    return Object.values(subcommand.flags).map(({ name }) => name);
  });
  assert.deepEqual(flags.toSorted(), [...new Set(all)].toSorted());
});
