/**
 * `latchkey users`: lists, changes and moves the users of a server. A running server makes the
 * changes itself; otherwise the command opens the store.
 * Promise: no message repeats a username that was typed, unless a user has this name. It may be a
 * password, typed in the wrong place.
 * Accepted: a message repeats the name of a file that was typed.
 */
import { isAuthError, reasonOf } from '../errors.ts';
import { CommandError } from './command-errors.ts';
import type { Log } from './log.ts';
import { openAdministration } from './open-administration.ts';
import { writeOutput } from './output.ts';
import { readPassword, type PasswordInput } from './password-prompt.ts';
import { printable } from './printable.ts';
import { exportTarget, importSource } from './transfer-files.ts';
import type { UserAdministration } from './user-administration.ts';
import { exportUsers } from './user-export.ts';
import { importUsers } from './user-import.ts';
import { listUsers } from './user-list.ts';
import { readUsersCall, type UsersCall } from './users-flags.ts';

/** Standard input, output and error. */
export interface Streams {
  readonly input: PasswordInput;
  readonly output: NodeJS.WritableStream;
  /** Shows the prompts of a password. */
  readonly prompts: NodeJS.WritableStream;
}

/**
 * Runs one subcommand.
 * @param args what follows `latchkey users`
 * @throws UsageError, or CommandError if the subcommand fails, also for an unknown user
 * @throws InterruptedError after Ctrl-C at the prompt of a password
 */
export async function users(args: readonly string[], streams: Streams, log: Log): Promise<void> {
  const call = await readUsersCall(args, log);
  const job = JOBS.get(call.subcommand);
  if (job === undefined) throw new TypeError(`no job for ${call.subcommand}`);
  try {
    await job(call, streams, log);
  } catch (error) {
    throw isAuthError(error) ? explained(error) : error;
  }
}

type Job = (call: UsersCall, streams: Streams, log: Log) => Promise<void>;

const JOBS: ReadonlyMap<string, Job> = new Map<string, Job>([
  ['list', list],
  ['add', withPassword(async (administration, username, password) => {
    const { id } = await administration.add(username, password);
    return `${printable(id)}: added`;
  })],
  ['set-password', withPassword(async (administration, username, password) => {
    const change = await administration.setPassword(username, password);
    if (change === undefined) throw new CommandError(UNKNOWN_USER);
    return `${printable(change.id)}: the password is set, and all sessions have ended`;
  })],
  ['disable', forUser((administration, username) => {
    return administration.disable(username);
  }, 'disabled, and all sessions have ended')],
  ['enable', forUser((administration, username) => administration.enable(username), 'enabled')],
  ['logout', logout],
  ['remove', forUser((administration, username) => {
    return administration.remove(username);
  }, 'removed, and all sessions have ended')],
  ['export', exportAll],
  ['import', importAll],
]);

async function list(call: UsersCall, { output }: Streams, log: Log): Promise<void> {
  await withAdministration(call, log, (administration) => {
    return listUsers(administration, output, call.isJson);
  });
}

async function logout(call: UsersCall, streams: Streams, log: Log): Promise<void> {
  if (!call.isAll) return logoutOne(call, streams, log);
  const count = await withAdministration(call, log, async (administration) => {
    let { count: total, next } = await administration.logoutPage(undefined);
    while (next !== undefined) {
      const page = await administration.logoutPage(next);
      total += page.count;
      next = page.next;
    }
    return total;
  });
  await writeOutput(streams.output, `all sessions of ${counted(count, 'user')} have ended\n`);
}

const logoutOne = forUser((administration, username) => {
  return administration.logout(username);
}, 'all sessions have ended');

/** Standard output has either the export alone, or a message about the file of the export. */
async function exportAll(call: UsersCall, { output }: Streams, log: Log): Promise<void> {
  const { path, fill } = exportTarget(call.argument, output);
  const count = await withAdministration(call, log, (administration) => {
    return fill((target) => exportUsers(administration, target));
  });
  if (path !== undefined) await writeOutput(output, `exported ${counted(count, 'user')}\n`);
}

async function importAll(call: UsersCall, { input, output }: Streams, log: Log): Promise<void> {
  const source = await importSource(call.argument, input);
  try {
    const result = await withAdministration(call, log, (administration) => {
      return importUsers(administration, source.input, (line, problem) => {
        log('error', `line ${line}: ${problem}`);
      });
    });
    const { added, present, removedNames, refused } = result;
    const counts = `${counted(added, 'user')} added, ${present} present already`;
    await writeOutput(output, `${counts}, ${counted(removedNames, 'removed name')}\n`);
    if (refused > 0) throw new CommandError(`${counted(refused, 'line')} refused`);
  } finally {
    await source.close();
  }
}

/** @returns such as `1 user` or `2 users` */
function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * The password is read before the store is opened. So a user file is not locked while a person
 * types.
 */
function withPassword(
  change: (
    administration: UserAdministration,
    username: string,
    password: string,
  ) => Promise<string>,
): Job {
  return async (call, { input, output, prompts }, log) => {
    const username = usernameOf(call);
    const password = await readPassword(input, prompts);
    const result = await withAdministration(call, log, (administration) => {
      return change(administration, username, password);
    });
    await writeOutput(output, `${result}\n`);
  };
}

/** @param change resolves to undefined if there is no such user */
function forUser(
  change: (administration: UserAdministration, username: string) => Promise<object | undefined>,
  result: string,
): Job {
  return async (call, { output }, log) => {
    const username = usernameOf(call);
    const made = await withAdministration(call, log, (administration) => {
      return change(administration, username);
    });
    if (made === undefined) throw new CommandError(UNKNOWN_USER);
    await writeOutput(output, `${printable(username)}: ${result}\n`);
  };
}

function usernameOf({ argument }: UsersCall): string {
  if (argument === undefined) throw new TypeError('the table of flags requires a username');
  return argument;
}

async function withAdministration<T>(
  { users: choice, data, mayCreate, subcommand }: UsersCall,
  log: Log,
  body: (administration: UserAdministration) => Promise<T>,
): Promise<T> {
  const isRead = subcommand === 'list' || subcommand === 'export';
  const access = isRead ? 'read' : mayCreate ? 'create' : 'change';
  const administration = await openAdministration({ users: choice, data, access }, log);
  try {
    return await body(administration);
  } finally {
    await administration.close();
  }
}

const UNKNOWN_USER = 'there is no such user: "latchkey users list" shows all users';

const EXPLANATIONS: ReadonlyMap<unknown, string> = new Map([
  ['ERR_IDENTITY_UNKNOWN', UNKNOWN_USER],
  [
    'ERR_PASSWORD_HASH',
    'the user has no password that works: set one with "latchkey users set-password"',
  ],
]);

/** @returns a CommandError with words for an operator, such as what to do, and the reason */
function explained(refusal: Error & { readonly code: string }): CommandError {
  const { code, message, cause } = refusal;
  const reason = cause === undefined ? '' : `: ${reasonOf(cause)}`;
  return new CommandError(EXPLANATIONS.get(code) ?? `${message}${reason}`, { cause: refusal });
}
