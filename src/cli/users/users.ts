/**
 * `latchkey users`: lists, changes and moves the users of a server. A server that has the user file
 * open makes the changes itself; otherwise the command opens the store.
 * Promise: no message repeats a username that was typed, unless a user has this name. It may be a
 * password, typed in the wrong place.
 * Accepted: a message repeats the name of a file that was typed.
 */
import { stat } from 'node:fs/promises';
import { newUsername } from '../../accounts/username.ts';
import { AuthError, isAuthError, reasonOf } from '../../errors.ts';
import { hasCode, ignoreFailure } from '../../journal/system-errors.ts';
import { openAdministration } from '../administration/open-administration.ts';
import type { UserAdministration, UserChange } from '../administration/user-administration.ts';
import { idOfUser } from '../administration/user-lookup.ts';
import { CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';
import { writeOutput } from '../output.ts';
import { printable } from '../printable.ts';
import { retryWhile } from '../retry.ts';
import { passwordWarningOf } from '../stores/store-choice.ts';
import { storeRemedyOf } from '../stores/store-errors.ts';
import { readPassword, type PasswordInput } from './password-prompt.ts';
import { releasedAtSignal } from './release-at-signal.ts';
import { exportTarget, importSource } from './transfer-files.ts';
import { exportUsers } from './user-export.ts';
import { importUsers } from './user-import.ts';
import { listUsers } from './user-list.ts';
import { readUsersCall, type UsersCall } from './users-flags.ts';
import type { SubcommandName } from './users-subcommands.ts';

/** A server whose queue of passwords is full refuses a new one, which changes nothing. */
const BUSY_WAIT = { maxWaitMs: 30_000, pauseMs: 100 } as const;

/** Standard input, output and error. */
export interface Streams {
  readonly input: PasswordInput;
  readonly output: NodeJS.WritableStream;
  /** Shows the prompts of a password. */
  readonly prompts: NodeJS.WritableStream;
}

/**
 * Runs one subcommand. At SIGINT, SIGTERM and SIGHUP, the process releases the store and ends.
 * @param args what follows `latchkey users`
 * @throws UsageError, or CommandError if the subcommand fails, also for an unknown user
 * @throws InterruptedError after Ctrl-C at the prompt of a password
 */
export async function users(args: readonly string[], streams: Streams, log: Log): Promise<void> {
  const call = await readUsersCall(args, log);
  const warning = passwordWarningOf(call.users);
  if (warning !== undefined) log('warning', warning);
  try {
    await JOBS[call.subcommand](call, streams, log);
  } catch (error) {
    throw isAuthError(error) ? explained(error, call) : error;
  }
}

type Job = (call: UsersCall, streams: Streams, log: Log) => Promise<void>;

const JOBS: Readonly<Record<SubcommandName, Job>> = {
  list,
  add,
  'set-password': setPassword,
  disable: forUser((administration, username) => administration.disable(username), (change) => {
    return `disabled, and ${endOfTokens(change)}`;
  }),
  enable: forUser((administration, username) => administration.enable(username), () => 'enabled'),
  logout,
  remove: forUser((administration, username) => administration.remove(username), (change) => {
    return `removed, and ${endOfTokens(change)}`;
  }),
  export: exportAll,
  import: importAll,
};

/** Tokens of a user who is disabled or removed are refused, also where no sessions are kept. */
function endOfTokens({ sessions }: UserChange): string {
  return sessions === 'ended' ? 'all sessions have ended' : 'tokens from before are refused';
}

async function list(call: UsersCall, { output }: Streams, log: Log): Promise<void> {
  await withAdministration(call, log, (administration) => {
    return listUsers(administration, output, call.isJson);
  });
}

async function add(call: UsersCall, streams: Streams, log: Log): Promise<void> {
  const { id } = await changeWithPassword(call, streams, log, (administration, password) => {
    return administration.add(usernameOf(call), password);
  });
  await writeOutput(streams.output, `${printable(id)}: added\n`);
}

async function setPassword(call: UsersCall, streams: Streams, log: Log): Promise<void> {
  const change = await changeWithPassword(call, streams, log, (administration, password) => {
    return administration.setPassword(usernameOf(call), password);
  });
  if (change === undefined) throw new CommandError(UNKNOWN_USER);
  const consequence = change.sessions === 'ended'
    ? ', and all sessions have ended'
    : '. No sessions are kept here: tokens from before work until they expire';
  await writeOutput(streams.output, `${printable(change.id)}: the password is set${consequence}\n`);
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
}, () => 'all sessions have ended');

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
 * The password is read while the store is closed. So a user file is not locked while a person
 * types. At a terminal, a username that could only be refused is refused before the prompt.
 */
async function changeWithPassword<T>(
  call: UsersCall,
  { input, prompts }: Streams,
  log: Log,
  change: (administration: UserAdministration, password: string) => Promise<T>,
): Promise<T> {
  const logOnce = withoutRepeats(log);
  if (input.isTTY === true) await refuseBeforePrompt(call, logOnce);
  const password = await readPassword(input, prompts);
  return withAdministration(call, logOnce, (administration) => {
    return retryWhile('ERR_BUSY', BUSY_WAIT, () => change(administration, password));
  });
}

/** The store may be opened twice. Its warnings are logged once. */
function withoutRepeats(log: Log): Log {
  const logged = new Set<string>();
  return (event, detail, fields) => {
    if (logged.has(detail)) return;
    logged.add(detail);
    log(event, detail, fields);
  };
}

async function refuseBeforePrompt(call: UsersCall, log: Log): Promise<void> {
  const username = usernameOf(call);
  const isAdding = call.subcommand === 'add';
  if (isAdding) newUsername(username);
  const finding = withAdministration({ ...call, access: 'read' }, log, (administration) => {
    return idOfUser(administration, username);
  });
  if (isAdding) {
    // A store that cannot be read now may be one that this command creates.
    const taken = await finding.catch(ignoreFailure);
    if (taken !== undefined) throw new AuthError('ERR_USER_EXISTS');
  } else if (await finding === undefined) {
    throw new CommandError(UNKNOWN_USER);
  }
}

/** @param change resolves to undefined if there is no such user */
function forUser(
  change: (administration: UserAdministration, username: string) => Promise<UserChange | undefined>,
  resultOf: (change: UserChange) => string,
): Job {
  return async (call, { output }, log) => {
    const made = await withAdministration(call, log, (administration) => {
      return change(administration, usernameOf(call));
    });
    if (made === undefined) throw new CommandError(UNKNOWN_USER);
    await writeOutput(output, `${printable(made.id)}: ${resultOf(made)}\n`);
  };
}

function usernameOf({ argument }: UsersCall): string {
  if (argument === undefined) throw new TypeError('the table of flags requires a username');
  return argument;
}

async function withAdministration<T>(
  { users: choice, data, access }: UsersCall,
  log: Log,
  body: (administration: UserAdministration) => Promise<T>,
): Promise<T> {
  if (choice === 'file') await refuseFileAsFolder(data);
  const opening = openAdministration({ users: choice, data, access }, log);
  return releasedAtSignal(async () => (await opening).close(), async () => {
    const administration = await opening;
    try {
      return await body(administration);
    } finally {
      await administration.close();
    }
  });
}

async function refuseFileAsFolder(data: string): Promise<void> {
  const isFile = await stat(data).then((status) => !status.isDirectory(), (error: unknown) => {
    return hasCode(error, 'ENOTDIR');
  });
  if (!isFile) return;
  throw new CommandError(`${data} is not a folder. Name the folder of the server with --data.`);
}

const UNKNOWN_USER = 'there is no such user: "latchkey users list" shows all users';

const EXPLANATIONS: ReadonlyMap<unknown, string> = new Map([
  [
    'ERR_PASSWORD_HASH',
    'the user has no password that works: set one with "latchkey users set-password"',
  ],
]);

/** @returns a CommandError with words for an operator, such as what to do, and the reason */
function explained(
  refusal: Error & { readonly code: string },
  { users: choice }: UsersCall,
): CommandError {
  const { code, message } = refusal;
  const cause = refusal.cause === undefined ? '' : reasonOf(refusal.cause);
  const reason = message.includes(cause) ? '' : `: ${cause}`;
  const remedy = code === 'ERR_STORE' ? storeRemedyOf(refusal.cause, choice) : '';
  const retry = choice === 'file' ? ' Then run the command again.' : '';
  const advice = remedy && `. ${remedy}${retry}`;
  const text = EXPLANATIONS.get(code) ?? `${message}${reason}${advice}`;
  return new CommandError(text, { cause: refusal });
}
