/**
 * The secrets of the server in LATCHKEY_SECRET, which the environment or a file sets.
 * Promise: a wrong variable is a usage error, so that systemd does not start the server again.
 */
import { stat } from 'node:fs/promises';
import { ignoreFailure } from '../../journal/system-errors.ts';
import { mostSimilar } from '../../similar-name.ts';
import { placeOf, type Environment } from '../arguments.ts';
import { CommandError, UsageError } from '../command-errors.ts';
import { warnOfSystemUsers } from '../stores/file-trust.ts';
import type { Log } from '../log.ts';
import { FORGING, summaryOf, type Secrets } from './secret-file.ts';
import { secretsIn } from './secret-text.ts';

const VARIABLE = 'LATCHKEY_SECRET';

/**
 * Warns if other system users can reach the file that sets the variable.
 * @returns undefined if the variable is not set
 * @throws UsageError if it is empty, or holds a secret that must not be used
 */
export async function readSecretVariable(
  env: Environment,
  log: Log,
): Promise<Secrets | undefined> {
  const text = env.values[VARIABLE];
  if (text === undefined) {
    warnOfSimilarName(env, log);
    return undefined;
  }
  const place = placeOf(VARIABLE, env);
  const texts = usableSecrets(text, place);
  if (env.loaded?.names.includes(VARIABLE)) await warnOfReaders(env.loaded.file, log);
  return { texts, summary: summaryOf(texts, VARIABLE) };
}

/** Without a warning, no operator would notice that the server ignores a misspelt variable. */
function warnOfSimilarName(env: Environment, log: Log): void {
  const similar = Object.keys(env.values).find((name) => mostSimilar(name, [VARIABLE]));
  if (similar === undefined) return;
  const place = env.loaded?.names.includes(similar) ? env.loaded.file : 'the environment';
  const problem = `it sets a name similar to ${VARIABLE}, and latchkey ignores that name`;
  log('warning', `${place}: ${problem}`);
}

function usableSecrets(text: string, place: string): readonly string[] {
  if (text === '') {
    const remedy = 'unset it, or set it to the output of "latchkey secret"';
    throw new UsageError(`${place} is set but empty: ${remedy}`);
  }
  try {
    return secretsIn(text, place);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

async function warnOfReaders(path: string, log: Log): Promise<void> {
  // A pipe has no mode that matters, and may have ended.
  const status = await stat(path).catch(ignoreFailure);
  if (!status?.isFile()) return;
  await warnOfSystemUsers(path, 'use another file', FORGING, log);
}
