/**
 * `latchkey users import`: inserts the users of an export, or of a Flask application.
 * Promise: an import only inserts. It never changes or removes a user, so it can be run again.
 */
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { isAuthError } from '../errors.ts';
import type { RemovedName, User } from '../users/store.ts';
import { readFlaskLine } from './flask-lines.ts';
import { readJsonLine, type ImportEntry } from './import-lines.ts';
import { readLines, type InputLine } from './line-reader.ts';
import { PARALLEL_CHANGES, type UserAdministration } from './user-administration.ts';

/** How many lines of each kind an import had. */
export interface ImportResult {
  /** Users that were inserted. */
  readonly added: number;
  /** Users that were there already, with the same hash. */
  readonly present: number;
  /** Removed names that the store keeps now. */
  readonly removedNames: number;
  /** Lines that were reported. */
  readonly refused: number;
}

type Outcome = 'added' | 'present' | 'removedNames' | { readonly problem: string };
type Target = Pick<UserAdministration, 'exportUser' | 'importUser' | 'importRemovedName'>;

/** A line that is being imported. */
interface PendingLine {
  readonly number: number;
  /** Undefined if the line is refused. */
  readonly id: string | undefined;
  readonly outcome: Promise<Outcome>;
}

/**
 * Imports lines of `exportUsers`, or lines `username,hash`. The first line decides which of the two
 * all lines are. Empty lines are skipped.
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
  const counts = { added: 0, present: 0, removedNames: 0, refused: 0 };
  const pending: PendingLine[] = [];
  const finishFirst = async () => {
    const [line] = pending;
    if (line === undefined) return;
    const outcome = await line.outcome;
    pending.shift();
    if (typeof outcome === 'string') {
      counts[outcome] += 1;
    } else {
      counts.refused += 1;
      report(line.number, outcome.problem);
    }
  };
  const read = entryReader();
  try {
    for await (const line of readLines(input)) {
      if ('text' in line && line.text === '') continue;
      pending.push(begin(administration, line.number, read(line), pending));
      if (pending.length === PARALLEL_CHANGES) await finishFirst();
    }
    while (pending.length > 0) await finishFirst();
  } finally {
    // The caller closes the administration, so no line may still be under way after an error.
    await Promise.allSettled(pending.map(({ outcome }) => outcome));
  }
  return counts;
}

/** @returns a reader of all lines of one input */
function entryReader(): (line: InputLine) => ImportEntry {
  const passwords = new PasswordHasher();
  const createdAt = new Date().toISOString();
  let isJson: boolean | undefined;
  return (line) => {
    if ('problem' in line) return line;
    isJson ??= line.text.startsWith('{');
    return isJson ? readJsonLine(line.text) : readFlaskLine(line.text, passwords, createdAt);
  };
}

/**
 * Begins to import a line. If an earlier line of the same name is pending, waits for that one.
 * @param pending the lines before this one whose import has not finished
 */
function begin(
  administration: Target,
  number: number,
  entry: ImportEntry,
  pending: readonly PendingLine[],
): PendingLine {
  const id = idOf(entry);
  const earlier = id === undefined ? undefined : pending.findLast((line) => line.id === id);
  const outcome = outcomeOf(administration, entry, earlier);
  // `finishFirst` awaits it later and throws its error. Until then the rejection is not unhandled.
  outcome.catch(() => undefined);
  return { number, id, outcome };
}

function idOf(entry: ImportEntry): string | undefined {
  if ('user' in entry) return entry.user.id;
  return 'removedName' in entry ? entry.removedName.id : undefined;
}

async function outcomeOf(
  administration: Target,
  entry: ImportEntry,
  earlier: PendingLine | undefined,
): Promise<Outcome> {
  if ('problem' in entry) return { problem: entry.problem };
  await earlier?.outcome;
  try {
    return 'user' in entry
      ? await addUser(administration, entry.user)
      : await keepName(administration, entry.removedName);
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    return { problem };
  }
}

async function addUser(administration: Target, user: User): Promise<Outcome> {
  if (await administration.importUser(user)) return 'added';
  const stored = await administration.exportUser(user.id);
  if (stored?.passwordHash !== user.passwordHash) {
    return { problem: 'the name is taken, by a user with another hash' };
  }
  return isKept(stored, user.validAfter) ? 'present' : { problem: OLD_TOKENS };
}

async function keepName(administration: Target, name: RemovedName): Promise<Outcome> {
  if (await administration.importRemovedName(name)) return 'removedNames';
  const stored = await administration.exportUser(name.id);
  const isKeptByUser = stored !== undefined && isKept(stored, name.removedAt);
  return isKeptByUser ? 'removedNames' : { problem: 'the removed name has a user in this store' };
}

const OLD_TOKENS = 'the user is there, but accepts tokens from before "validAfter"';

/** @returns whether tokens without a session that are older than this time are refused */
function isKept({ validAfter = -1 }: User, seconds = -1): boolean {
  return validAfter >= seconds;
}

/** @returns why the store refuses this one line; undefined if it would refuse every line */
function problemOf(error: unknown): string | undefined {
  if (!isAuthError(error)) return undefined;
  if (error.code === 'ERR_PASSWORD_HASH') return 'its hash is not a scrypt hash that can be used';
  if (error.code === 'ERR_BODY_TOO_LARGE') return 'it is too long for the server';
  return error.code === 'ERR_BAD_REQUEST' ? error.message : undefined;
}
