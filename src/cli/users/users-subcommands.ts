/** The tables of `latchkey users`: its subcommands, their flags and their arguments. */
import {
  noValue,
  someText,
  type AnyFlags,
  type Flag,
  type Flags,
  type Positionals,
} from '../arguments.ts';
import { ENVIRONMENT_FLAG } from '../shared-flags.ts';
import type { AdministrationAccess } from '../administration/open-administration.ts';
import { lastingStoreKind, type LastingStoreChoice } from '../stores/store-choice.ts';

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
    help: 'store, or URL of PostgreSQL without password',
    kind: lastingStoreKind,
    defaultText: 'file',
  },
  environmentFile: {
    ...ENVIRONMENT_FLAG,
    group: GROUP,
    help: 'file of NAME=value lines, such as PGPASSWORD',
  },
};

export const JSON_FLAG: Flag<true> = {
  name: '--json',
  group: GROUP,
  help: 'one JSON object a line, for programs',
  kind: noValue,
};

export const ALL_FLAG: Flag<true> = {
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
  /** How it uses the users: the store is opened for no more than that. */
  readonly access: AdministrationAccess;
}

export const NO_ARGUMENT: Positionals = { count: 0, expected: 'flags only' };

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

export const SUBCOMMAND_NAMES = [
  'list',
  'add',
  'set-password',
  'disable',
  'enable',
  'logout',
  'remove',
  'export',
  'import',
] as const;

export type SubcommandName = (typeof SUBCOMMAND_NAMES)[number];

export const SUBCOMMANDS: Readonly<Record<SubcommandName, Subcommand>> = {
  list: {
    usage: 'list [--json]',
    phrase: 'list all users',
    description: 'List all users, sorted by id: id, username, time of creation and state.',
    flags: { ...USERS_FLAGS, json: JSON_FLAG },
    positionals: NO_ARGUMENT,
    access: 'read',
  },
  add: {
    usage: 'add <username>',
    phrase: 'create a user',
    description: `Create a user, as a sign-up does.\n\n${PASSWORD_SOURCE}`,
    flags: USERS_FLAGS,
    positionals: USERNAME_AND_NO_PASSWORD,
    access: 'create',
  },
  'set-password': {
    usage: 'set-password <username>',
    phrase: 'set a new password, and end all sessions',
    description: `Set a new password, and end all sessions of the user. A disabled user stays
disabled.\n\n${PASSWORD_SOURCE}`,
    flags: USERS_FLAGS,
    positionals: USERNAME_AND_NO_PASSWORD,
    access: 'change',
  },
  disable: {
    usage: 'disable <username>',
    phrase: 'refuse logins and tokens of a user',
    description: 'End all sessions of a user, and refuse the logins and the tokens of the user.',
    flags: USERS_FLAGS,
    positionals: USERNAME,
    access: 'change',
  },
  enable: {
    usage: 'enable <username>',
    phrase: 'let a disabled user log in again',
    description: 'Let a disabled user log in again, with the password that the user has.',
    flags: USERS_FLAGS,
    positionals: USERNAME,
    access: 'change',
  },
  logout: {
    usage: 'logout <username> | --all',
    phrase: 'end all sessions of a user, or of all users',
    description: 'End all sessions of a user, or with --all those of all users.',
    flags: { ...USERS_FLAGS, all: ALL_FLAG },
    positionals: {
      count: 0,
      optionalCount: 1,
      expected: 'one argument, the username, or --all',
    },
    access: 'change',
  },
  remove: {
    usage: 'remove <username>',
    phrase: 'remove a user, and end all sessions',
    description: `Remove a user, and end all sessions of the user. The name can be used again. No
token from before is valid for its next user.`,
    flags: USERS_FLAGS,
    positionals: USERNAME,
    access: 'change',
  },
  export: {
    usage: 'export [<file>|-]',
    phrase: 'write all users, with their password hashes',
    description: `Write all users with their password hashes, and the names of removed users: one
JSON object a line, to a new file or to standard output. With --users file, root
writes the new file as the owner of the data folder. To write it where only root
may, run (umask 077; latchkey users export > file).`,
    flags: USERS_FLAGS,
    positionals: FILE,
    access: 'read',
  },
  import: {
    usage: 'import [<file>|-]',
    phrase: 'insert the users of an export, or of Flask',
    description: `Insert the users of an export, or those of lines "username,hash" of a Flask
application, from a file or from standard input. No user that exists is changed,
so it can be run again. Each line that is refused is named by its number. The
exit code is then 1.`,
    flags: USERS_FLAGS,
    positionals: FILE,
    access: 'create',
  },
};
