/** Errors that end the command, each on one line: what happened, and what the operator can do. */
import { reasonOf } from '../errors.ts';
import { hasCode, limitRemedyOf } from '../journal/system-errors.ts';
import { propertyOf } from '../values.ts';

/** An error whose message is complete: it says what happened and what to do. */
export class CommandError extends Error {}

/** The command line or an environment variable is wrong. The command ends with exit code 2. */
export class UsageError extends CommandError {}

/** The operator pressed Ctrl-C at a prompt. The command ends with exit code 130, as in a shell. */
export class InterruptedError extends CommandError {}

const LAST_PERIOD = /\.$/;

/** The secret itself, or a key, typed in the place of a path. */
const LIKE_A_SECRET = /^[^./\\]{32,}$/;

/**
 * Runs a job, and explains its failure.
 * @param subject the path or the flag that the job is about
 * @param remedy a sentence that says what the operator can do, or a function of the error that
 *   returns one. A limit of the system, such as the number of open files, has its own remedy.
 * @throws CommandError `<subject>: <reason>. <remedy>`, or the CommandError that the job throws
 */
export async function attempt<T>(
  subject: string,
  remedy: string | ((error: unknown) => string),
  job: () => T | Promise<T>,
): Promise<T> {
  try {
    return await job();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const reason = reasonWithoutSecret(error);
    throw new CommandError(`${subject}: ${reason}. ${adviceOn(error, remedy)}`, { cause: error });
  }
}

function adviceOn(error: unknown, remedy: string | ((error: unknown) => string)): string {
  const limitRemedy = limitRemedyOf(error);
  if (limitRemedy !== undefined) return sentenceOf(limitRemedy);
  return typeof remedy === 'string' ? remedy : remedy(error);
}

/** @returns the message of an error, unless it holds a path that may be a secret */
function reasonWithoutSecret(error: unknown): string {
  const isMissing = hasCode(error, 'ENOENT', 'ENAMETOOLONG');
  if (isMissing && LIKE_A_SECRET.test(String(propertyOf(error, 'path')))) {
    return 'it names a file that does not exist';
  }
  return reasonOf(error).replace(LAST_PERIOD, '');
}

/** @param phrase one that begins with a small letter and has no period */
export function sentenceOf(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;
}
