/** The words of a command line, read strictly. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command was not understood. */
export class UsageError extends Error {}

/** What {@link readArguments} answers. */
export type Arguments<Config extends ParseArgsConfig> = ReturnType<typeof parseArgs<Config>>;

/** `util.parseArgs` with messages of one line. @throws UsageError */
export function readArguments<const Config extends ParseArgsConfig>(config: Config): Arguments<Config> {
  try {
    return parseArgs(config);
  } catch (error) {
    // An argument is not repeated: it may be a token.
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') throw new UsageError('too many arguments; npm wants -- first');
    throw new UsageError(message.replaceAll('\n', ' ').replace(/\. To specify a positional argument .*/, ''));
  }
}

/** @throws UsageError if the value of a flag or a variable is no whole number within bounds */
export function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`${name} expected a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

/** @throws UsageError if the value of a flag is none of its choices */
export function oneOf(name: string, value: string, choices: readonly string[]): string {
  if (choices.includes(value)) return value;
  throw new UsageError(`${name} expected ${choices.join(' or ')}, got ${JSON.stringify(value)}`);
}
