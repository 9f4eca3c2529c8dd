/** Reads the file that `--environment`, or `--secret-file` of `inspect`, names. */
import { readFile } from 'node:fs/promises';
import { attempt } from './command-errors.ts';
import { textLog, type Log } from './log.ts';
import { explainIfSlow } from './slow-job.ts';

/**
 * @param flag the name of the flag, for messages
 * @param remedy a sentence: what the operator can do if the file cannot be read
 * @returns the file, decoded as UTF-8
 * @throws CommandError if it cannot be read
 */
export async function readNamedFile(
  flag: string,
  path: string,
  remedy: string,
  log: Log = textLog,
): Promise<string> {
  const explainWait = () => {
    log('warning', `${flag}: still reading: it may be a pipe that no program writes to`);
  };
  return explainIfSlow(attempt(flag, remedy, () => readFile(path, 'utf8')), explainWait);
}
