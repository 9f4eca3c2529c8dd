/**
 * `latchkey users import`: inserts the users of an export, or of a Flask application.
 * Promise: an import can be run again. It never changes a user, and removes only one that this or
 * an earlier import has added. It brings back no user who was removed in this store.
 * Accepted: it keeps all removed names of the store in memory, and the ids of the users that it
 * adds.
 */
import { PasswordHasher } from '../../accounts/password-hasher.ts';
import { isAuthError, isUnreadableHashError } from '../../errors.ts';
import type { RemovedName, User } from '../../users/store.ts';
import { isFromBeforeRemoval } from '../administration/import-rules.ts';
import {
  pagesOf,
  PARALLEL_CHANGES,
  type UserAdministration,
} from '../administration/user-administration.ts';
import { readFlaskLine } from './flask-lines.ts';
import { readJsonLine, type ImportEntry } from './import-lines.ts';
import { readLines, type InputLine } from './line-reader.ts';

/** How many lines of each kind an import had. */
export interface ImportResult {
  /** Users that were inserted, and that no later line has removed again. */
  readonly added: number;
  /** Users that were there already, with the same hash. */
  readonly present: number;
  /**
   * Removed names that the store keeps now. Also those that have a user in the store, if this user
   * refuses the tokens from before the removal.
   */
  readonly removedNames: number;
  /** Lines that were reported. */
  readonly refused: number;
}

type Outcome = 'added' | 'present' | 'removedNames' | { readonly problem: string };
type Target = Pick<
  UserAdministration,
  'exportUser' | 'exportRemovedNames' | 'importUser' | 'importRemovedName' | 'remove'
>;

/** For each name in the store that no user has: the time of its last removal. */
type Removals = ReadonlyMap<string, number>;

/** What all lines of an import share. */
interface ImportRun {
  readonly administration: Target;
  /** The ids of the users that it has added. */
  readonly added: Set<string>;
}

/** A line that is being imported. */
interface PendingLine {
  readonly number: number;
  /** Undefined if the line is refused. */
  readonly id: string | undefined;
  readonly outcome: Promise<Outcome>;
}

/**
 * Imports lines of `exportUsers`, or lines `username,hash`. The first line that can be decoded
 * decides which of the two all lines are. Empty lines are skipped.
 * @param report is called for each refused line, in the order of the lines. The problem repeats no
 *   part of the line.
 * @throws AuthError or CommandError if the store or the server fails. By then the lines before the
 *   failure are imported, and perhaps some after it.
 */
export async function importUsers(
  administration: Target,
  input: AsyncIterable<Uint8Array | string>,
  report: (lineNumber: number, problem: string) => void,
): Promise<ImportResult> {
  const run = { administration, added: new Set<string>() };
  const counts = { present: 0, removedNames: 0, refused: 0 };
  const pending: PendingLine[] = [];
  const finishFirst = async () => {
    const [line] = pending;
    if (line === undefined) return;
    const outcome = await line.outcome;
    pending.shift();
    if (typeof outcome === 'string') {
      if (outcome !== 'added') counts[outcome] += 1;
    } else {
      counts.refused += 1;
      report(line.number, outcome.problem);
    }
  };
  const read = entryReader(await removalsOf(administration));
  try {
    for await (const line of readLines(input)) {
      if ('text' in line && line.text === '') continue;
      pending.push(beginLine(run, line.number, read(line), pending));
      if (pending.length === PARALLEL_CHANGES) await finishFirst();
    }
    while (pending.length > 0) await finishFirst();
  } finally {
    // The caller closes the administration, so no line may still be under way after an error.
    await Promise.allSettled(pending.map(({ outcome }) => outcome));
  }
  return { added: run.added.size, ...counts };
}

async function removalsOf(administration: Target): Promise<Removals> {
  const removals = new Map<string, number>();
  for await (const names of pagesOf((after) => administration.exportRemovedNames(after))) {
    for (const { id, removedAt } of names) removals.set(id, removedAt);
  }
  return removals;
}

/** @returns a reader of all lines of one input */
function entryReader(removals: Removals): (line: InputLine) => ImportEntry {
  const passwords = new PasswordHasher();
  const createdAt = new Date().toISOString();
  let isJson: boolean | undefined;
  return (line) => {
    if ('problem' in line) return line;
    isJson ??= line.text.startsWith('{');
    const entry = isJson
      ? readJsonLine(line.text)
      : readFlaskLine(line.text, passwords, createdAt);
    if (!('user' in entry)) return entry;
    const removedAt = removals.get(entry.user.id);
    // A line of Flask does not say whether its user is from before the removal.
    if (!isJson && removedAt !== undefined) return { problem: REMOVED_NAME };
    return isFromBeforeRemoval(entry.user, removedAt) ? { problem: REMOVED_USER } : entry;
  };
}

/**
 * Begins to import a line. If an earlier line of the same name is pending, waits for that one.
 * @param pending the lines before this one whose import has not finished
 */
function beginLine(
  run: ImportRun,
  number: number,
  entry: ImportEntry,
  pending: readonly PendingLine[],
): PendingLine {
  const id = idOf(entry);
  const earlier = id === undefined ? undefined : pending.findLast((line) => line.id === id);
  const outcome = outcomeOf(run, entry, earlier);
  // `finishFirst` awaits it later and throws its error. Without this, a rejection before that would
  // count as unhandled.
  outcome.catch(() => undefined);
  return { number, id, outcome };
}

function idOf(entry: ImportEntry): string | undefined {
  if ('user' in entry) return entry.user.id;
  return 'removedName' in entry ? entry.removedName.id : undefined;
}

async function outcomeOf(
  run: ImportRun,
  entry: ImportEntry,
  earlier: PendingLine | undefined,
): Promise<Outcome> {
  if ('problem' in entry) return { problem: entry.problem };
  await earlier?.outcome;
  try {
    return 'user' in entry
      ? await addUser(run, entry.user)
      : await importRemoval(run, entry.removedName);
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    return { problem };
  }
}

async function addUser({ administration, added }: ImportRun, user: User): Promise<Outcome> {
  if (await insertOrKeepName(administration, user)) {
    added.add(user.id);
    return 'added';
  }
  const stored = await administration.exportUser(user.id);
  if (stored?.passwordHash !== user.passwordHash) {
    return { problem: 'the name is taken, by a user with another hash' };
  }
  return refusesTokensUpTo(stored, user.validAfter) ? 'present' : { problem: OLD_TOKENS };
}

/**
 * If the hash is refused, the name stays free. Tokens from before `validAfter` must not work for
 * its next user, so the name is kept as a removed one.
 */
async function insertOrKeepName(administration: Target, user: User): Promise<boolean> {
  try {
    return await administration.importUser(user);
  } catch (error) {
    const { id, validAfter } = user;
    const isHashRefused = isUnreadableHashError(error);
    if (isHashRefused && validAfter !== undefined) {
      await administration.importRemovedName({ id, removedAt: validAfter });
    }
    throw error;
  }
}

async function importRemoval(
  { administration, added }: ImportRun,
  name: RemovedName,
): Promise<Outcome> {
  if (await administration.importRemovedName(name)) return 'removedNames';
  const { id, removedAt } = name;
  const stored = await administration.exportUser(id);
  if (stored !== undefined && refusesTokensUpTo(stored, removedAt)) return 'removedNames';
  // The user was removed while the export was made.
  if (stored !== undefined && added.has(id) && isFromBeforeRemoval(stored, removedAt)) {
    await administration.remove(id);
    added.delete(id);
    if (await administration.importRemovedName(name)) return 'removedNames';
  }
  return { problem: 'the removed name has a user in this store' };
}

/** @returns whether this user refuses all tokens without a session issued up to this time */
function refusesTokensUpTo({ validAfter }: User, seconds: number | undefined): boolean {
  return seconds === undefined || (validAfter !== undefined && validAfter >= seconds);
}

const OLD_TOKENS = 'the user is there, but accepts tokens from before "validAfter"';
const REMOVED_USER = 'this user was removed here';
const REMOVED_NAME = 'a user of this name was removed here: use "latchkey users add" for a new one';

/** @returns why the store refuses this one line; undefined if it would refuse every line */
function problemOf(error: unknown): string | undefined {
  if (!isAuthError(error)) return undefined;
  if (error.code === 'ERR_PASSWORD_HASH') return 'its hash is not a scrypt hash that can be used';
  if (error.code === 'ERR_BODY_TOO_LARGE') return 'it is too long for the server';
  return error.code === 'ERR_BAD_REQUEST' ? error.message : undefined;
}
