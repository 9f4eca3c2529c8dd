/** Errors that end the command, each told in one line: what happened, and what to do about it. */
import { reasonOf } from '../errors.ts';

/** The command line or an environment variable is wrong. The command ends with exit code 2. */
export class UsageError extends Error {}

/**
 * Runs a job.
 * @param what what the job is about, such as a path or a flag; the message begins with it
 * @param remedy what the operator can do if the job fails; the message ends with it
 * @throws Error with the reason of the failure between the two
 */
export async function attempt<T>(
  what: string,
  job: () => T | Promise<T>,
  remedy: string,
): Promise<T> {
  try {
    return await job();
  } catch (error) {
    const reason = reasonOf(error).replace(/\.$/, '');
    throw new Error(`${what}: ${reason}: ${remedy}`);
  }
}
