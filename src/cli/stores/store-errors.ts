/**
 * The errors of an open store, for an operator: what to do, and lines of the log that say so.
 * Promise: while a store fails, the log has the same line at most once in 10 seconds, however many
 * requests are refused.
 */
import { textOfError } from '../../error-text.ts';
import { isAuthError, reasonOf } from '../../errors.ts';
import { remedyOf } from '../../journal/system-errors.ts';
import { isErrorNamed } from '../../values.ts';
import { sentenceOf } from '../command-errors.ts';
import type { Log } from '../log.ts';
import { locationOf, lostTableRemedyOf, postgresRemedyOf } from './postgres-remedies.ts';
import type { StoreChoice } from './store-choice.ts';

const MIN_MS_BETWEEN_LINES = 10_000;

/** The kinds of errors that a mistake in the code has. A store that is away causes none of them. */
const KINDS_OF_MISTAKES = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'];

/** Captures the code of the system. A running server sends its error to a command as text. */
const FAILED_WRITE = / cannot be written: (E[A-Z]+): /;

/**
 * @param cause that of an ERR_STORE
 * @returns sentences: what an operator can do; '' if only the message can tell
 */
export function storeRemedyOf(cause: unknown, users: StoreChoice): string {
  if (users instanceof URL) return postgresRemedyOf(cause);
  const reason = reasonOf(cause);
  const [, code] = FAILED_WRITE.exec(reason) ?? [];
  if (code === undefined) return '';
  const error = Object.assign(new Error(reason), { code });
  return sentenceOf(remedyOf(error, 'move the data folder to another disk'));
}

/**
 * Logs the errors of requests. That of a store is one line: the store, the reason, and what to do.
 * Any other error has its stack, because it may be a mistake in the code.
 * @param users where the users are
 * @param nowMs a monotonic clock
 */
export function errorLog(
  log: Log,
  users: StoreChoice,
  nowMs: () => number = () => performance.now(),
): (error: unknown) => void {
  const told = new Map<string, { readonly atMs: number; repeats: number }>();
  return (error) => {
    const text = isOfStore(error) ? storeErrorText(error.cause, users) : textOfError(error);
    const atMs = nowMs();
    const last = told.get(text);
    if (last !== undefined && atMs - last.atMs < MIN_MS_BETWEEN_LINES) {
      last.repeats += 1;
      return;
    }
    for (const [old, line] of told) {
      if (atMs - line.atMs >= MIN_MS_BETWEEN_LINES) told.delete(old);
    }
    told.set(text, { atMs, repeats: 0 });
    log('error', last?.repeats ? `${text} (${last.repeats} more since the last such line)` : text);
  };
}

function isOfStore(error: unknown): error is Error {
  if (!isAuthError(error) || error.code !== 'ERR_STORE') return false;
  return !KINDS_OF_MISTAKES.some((kind) => isErrorNamed(error.cause, kind));
}

function storeErrorText(cause: unknown, users: StoreChoice): string {
  const subject = users instanceof URL ? `store ${locationOf(users)}: ` : '';
  const remedy = lostTableRemedyOf(cause) ?? storeRemedyOf(cause, users);
  return `${subject}${reasonOf(cause)}${remedy && `. ${remedy}`}`;
}
