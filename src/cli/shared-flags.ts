/** The flags that several commands have. */
import {
  parseText,
  someText,
  wholeNumber,
  type Arguments,
  type Environment,
  type Flag,
} from './arguments.ts';
import type { Log } from './log.ts';

/** A clock that is wrong by more than a day must be set, and leeway does not help. */
const MAX_LEEWAY_SECONDS = 86_400;

/** @returns the flag for the leeway of clocks */
export function leewayFlag(
  group: string,
  help: string,
): Flag<number> & { readonly defaultText: string } {
  return {
    name: '--leeway',
    group,
    help,
    kind: wholeNumber('<seconds>', 0, MAX_LEEWAY_SECONDS),
    defaultText: '10',
  };
}

export const ENVIRONMENT_FLAG: Pick<Flag<string>, 'name' | 'kind'> = {
  name: '--environment',
  kind: someText('<file>', 'a file'),
};

/** Loads the file of `--environment`, if the flag was typed. */
export async function environmentOf({ typed }: Arguments, log: Log): Promise<Environment> {
  const sourced = typed.get(ENVIRONMENT_FLAG.name);
  if (sourced === undefined) return { values: process.env };
  const file = parseText(ENVIRONMENT_FLAG, sourced);
  const { loadEnvironmentFile } = await import('./environment-file.ts');
  // The name that was typed may be the former one.
  const names = await loadEnvironmentFile(sourced.source.name, file, log);
  return { values: process.env, loaded: { file, names } };
}
