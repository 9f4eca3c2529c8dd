/**
 * The subcommands of `latchkey users`: their flags, their arguments and their help. They are apart
 * from `users.ts`, so that `--help` does not load the code for stores.
 */
import { mostSimilar } from '../similar-name.ts';
import {
  noValue,
  parseArguments,
  readFlags,
  someText,
  type AnyFlags,
  type Arguments,
  type Flags,
  type Positionals,
} from './arguments.ts';
import { UsageError } from './command-errors.ts';
import { environmentOf, SERVE_FLAGS } from './flags.ts';
import { helpOf } from './help-text.ts';
import { textLog, type Log } from './log.ts';
import { lastingStoreKind, type LastingStoreChoice } from './store-choice.ts';

/** The flags that every subcommand has. */
export interface UsersConfig {
  /** The folder of the server, for the choice `file`. */
  readonly data: string;
  readonly users: LastingStoreChoice;
  /** The path of a file with lines `NAME=value`. */
  readonly environmentFile: string | undefined;
}

const GROUP = 'Options';

export const USERS_FLAGS: Flags<UsersConfig> = {
  data: {
    name: '--data',
    group: GROUP,
    help: 'folder of the server',
    kind: someText('<folder>', 'a folder'),
    defaultText: './latchkey-data',
  },
  users: {
    name: '--users',
    group: GROUP,
    help: 'store; <URL> begins with postgres://',
    kind: lastingStoreKind,
    defaultText: 'file',
  },
  environmentFile: {
    name: SERVE_FLAGS.environmentFile.name,
    group: GROUP,
    help: 'file of NAME=value lines, such as PGPASSWORD',
    kind: someText('<file>', 'a file'),
  },
};

const JSON_FLAG = {
  name: '--json',
  group: GROUP,
  help: 'one JSON object a line, for programs',
  kind: noValue,
};

const ALL_FLAG = {
  name: '--all',
  group: GROUP,
  help: 'end the sessions of all users',
  kind: noValue,
};

/** One of the subcommands. */
export interface Subcommand {
  /** The usage, behind `latchkey users`. */
  readonly usage: string;
  /** A phrase for the list of all subcommands. */
  readonly phrase: string;
  /** What the help says in full, in lines of at most 80 columns. */
  readonly description: string;
  readonly flags: AnyFlags;
  readonly positionals: Positionals;
  /** Whether it creates a missing user file. The others fail, as the folder may be mistyped. */
  readonly mayCreate?: boolean;
}

const NO_ARGUMENT: Positionals = { count: 0, expected: 'flags only' };

const USERNAME: Positionals = { count: 1, expected: 'one argument, the username' };

/** A second argument is probably the password, which no message repeats. */
const USERNAME_AND_NO_PASSWORD: Positionals = {
  count: 1,
  expected: 'one argument, the username (the password is typed at a prompt, or piped in)',
};

const FILE: Positionals = { count: 0, optionalCount: 1, expected: 'one file, or -' };

const PASSWORD_SOURCE = `On a terminal, the command asks for the password twice, and hides it.
Otherwise the only line of standard input is the password. It is never an
argument, because other system users can see the arguments of a process.`;

const ENTRIES: readonly (readonly [name: string, subcommand: Subcommand])[] = [
  ['list', {
    usage: 'list [--json]',
    phrase: 'list all users',
    description: 'List all users, sorted by id: id, username, time of creation and state.',
    flags: { ...USERS_FLAGS, json: JSON_FLAG },
    positionals: NO_ARGUMENT,
  }],
  ['add', {
    usage: 'add <username>',
    phrase: 'create a user',
    description: `Create a user, as a sign-up does.\n\n${PASSWORD_SOURCE}`,
    flags: USERS_FLAGS,
    positionals: USERNAME_AND_NO_PASSWORD,
    mayCreate: true,
  }],
  ['set-password', {
    usage: 'set-password <username>',
    phrase: 'set a new password, and end all sessions',
    description: `Set a new password, and end all sessions of the user. A disabled user stays
disabled.\n\n${PASSWORD_SOURCE}`,
    flags: USERS_FLAGS,
    positionals: USERNAME_AND_NO_PASSWORD,
  }],
  ['disable', {
    usage: 'disable <username>',
    phrase: 'refuse logins and tokens of a user',
    description: 'End all sessions of a user, and refuse the logins and the tokens of the user.',
    flags: USERS_FLAGS,
    positionals: USERNAME,
  }],
  ['enable', {
    usage: 'enable <username>',
    phrase: 'let a disabled user log in again',
    description: 'Let a disabled user log in again, with the password that the user has.',
    flags: USERS_FLAGS,
    positionals: USERNAME,
  }],
  ['logout', {
    usage: 'logout <username> | --all',
    phrase: 'end all sessions of a user, or of all users',
    description: 'End all sessions of a user, or with --all those of all users.',
    flags: { ...USERS_FLAGS, all: ALL_FLAG },
    positionals: {
      count: 0,
      optionalCount: 1,
      expected: 'one argument, the username, or --all',
    },
  }],
  ['remove', {
    usage: 'remove <username>',
    phrase: 'remove a user, and end all sessions',
    description: `Remove a user, and end all sessions of the user. The name can be used again. No
token from before is valid for its next user.`,
    flags: USERS_FLAGS,
    positionals: USERNAME,
  }],
  ['export', {
    usage: 'export [<file>|-]',
    phrase: 'write all users, with their password hashes',
    description: `Write all users with their password hashes, and the names of removed users: one
JSON object a line, to a new file or to standard output.`,
    flags: USERS_FLAGS,
    positionals: FILE,
  }],
  ['import', {
    usage: 'import [<file>|-]',
    phrase: 'insert the users of an export, or of Flask',
    description: `Insert the users of an export, or those of lines "username,hash" of a Flask
application, from a file or from standard input. No user that exists is changed,
so it can be run again. Each line that is refused is named by its number. The
exit code is then 1.`,
    flags: USERS_FLAGS,
    positionals: FILE,
    mayCreate: true,
  }],
];

export const SUBCOMMANDS: ReadonlyMap<string, Subcommand> = new Map(ENTRIES);

const SUBCOMMAND_COLUMNS = 26;

const SUBCOMMAND_ROWS: readonly string[] = ENTRIES.map(([, { usage, phrase }]) => {
  return `  ${usage.padEnd(SUBCOMMAND_COLUMNS)} ${phrase}`;
});

const OVERVIEW = `Usage: latchkey users <subcommand> [options]

List, change and move the users of a server, also while it runs. A change is
effective at the next request.

Subcommands:
${SUBCOMMAND_ROWS.join('\n')}

${helpOf(USERS_FLAGS)}

"latchkey users <subcommand> --help" says more. A username that begins with a
hyphen follows "--": latchkey users disable -- -joe`;

/** @param args what follows `latchkey users` */
export function usersHelp(args: readonly string[]): string {
  const subcommand = SUBCOMMANDS.get(args[0] ?? '');
  if (subcommand === undefined) return OVERVIEW;
  const { usage, description, flags } = subcommand;
  return `Usage: latchkey users ${usage} [options]\n\n${description}\n\n${helpOf(flags)}`;
}

/** What was typed behind `latchkey users`. */
export interface UsersCall extends UsersConfig {
  readonly subcommand: string;
  /** The argument of the subcommand, such as a username. */
  readonly argument: string | undefined;
  readonly isJson: boolean;
  readonly isAll: boolean;
  readonly mayCreate: boolean;
}

/**
 * Reads the arguments. If `--environment` is given, first adds the variables of that file to
 * `process.env`.
 * @param args what follows `latchkey users`
 * @throws UsageError if an argument is wrong
 * @throws CommandError if the file of `--environment` cannot be read, or a line of it is wrong
 */
export async function readUsersCall(
  args: readonly string[],
  log: Log = textLog,
): Promise<UsersCall> {
  const [name = '', ...rest] = args;
  const subcommand = SUBCOMMANDS.get(name);
  if (subcommand === undefined) throw unknownSubcommand(name);
  const parsed = parseArguments(rest, subcommand.flags, subcommand.positionals);
  if (parsed.typed.get(USERS_FLAGS.users.name)?.text === 'memory') {
    const reason = 'only the process of the server can reach users in memory';
    throw new UsageError(`${USERS_FLAGS.users.name} memory: ${reason}`);
  }
  const isAll = parsed.typed.has(ALL_FLAG.name);
  const [argument] = parsed.positionals;
  checkTarget(subcommand, parsed, isAll);
  const config = readFlags(USERS_FLAGS, parsed, await environmentOf(parsed, log));
  return {
    ...config,
    subcommand: name,
    argument,
    isJson: parsed.typed.has(JSON_FLAG.name),
    isAll,
    mayCreate: subcommand.mayCreate === true,
  };
}

/** For a subcommand with `--all`: requires a username or `--all`, and not both. */
function checkTarget(
  { flags, positionals: { expected } }: Subcommand,
  { positionals: { length } }: Arguments,
  isAll: boolean,
): void {
  const isEither = Object.values(flags).includes(ALL_FLAG);
  if (isEither && isAll === (length === 1)) {
    throw new UsageError(`expected ${expected}, got ${isAll ? 'both' : 'neither'}`);
  }
}

/** An unknown subcommand is not repeated, because it may be a password. */
function unknownSubcommand(name: string): UsageError {
  const known = [...SUBCOMMANDS.keys()];
  const expected = `expected ${known.join(', ')}`;
  const isMissing = name === '' || name.startsWith('-');
  if (isMissing) return new UsageError(`a subcommand is missing: ${expected}`);
  const meant = mostSimilar(name, known);
  return new UsageError(`unknown subcommand: ${meant ? `did you mean ${meant}?` : expected}`);
}
