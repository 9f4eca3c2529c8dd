/**
 * Reads arguments and environment variables by a table of flags. `help-text.ts` makes the help of
 * the same table.
 * Promise: no message repeats a positional argument, or the value of a flag that is marked as
 * secret. It repeats the name of an unknown flag only if that is short and of small letters.
 * Accepted: the value of any other flag is repeated if it is wrong, also if it is a password that
 * was typed in the wrong place.
 */
import { util } from '../node-modules.ts';
import { mostSimilar } from '../similar-name.ts';
import { UsageError } from './command-errors.ts';

/** The values that a flag accepts. */
export interface Kind<T> {
  /** Stands for the value in the help, such as `<seconds>`. */
  readonly placeholder: string;
  /** Completes the message "--flag expected ...". */
  readonly expected: string;
  /** @returns the value, or undefined if the text is not of this kind */
  readonly parse: (text: string) => T | undefined;
  /** @returns what a message puts after "got" for a wrong text; default: the text itself */
  readonly problemOf?: (text: string) => string | undefined;
  /** Whether the text may hold a password, so that no message may repeat it. */
  readonly isSecret?: boolean;
  /** Whether the flag takes no value. `parse` then gets the name of the flag in its place. */
  readonly isSwitch?: boolean;
}

export interface Flag<T> {
  /** With its hyphens, such as `--port`. */
  readonly name: string;
  /** A second name that still works. The help does not show it. */
  readonly formerName?: string;
  /** The heading above the flag in the help. */
  readonly group: string;
  /** A phrase. The help adds the default and the variable to it. */
  readonly help: string;
  readonly kind: Kind<T>;
  /** The value, as text, if neither the flag nor the variable is set. */
  readonly defaultText?: string;
  /** The environment variable that is read if the flag is absent. An empty one counts as unset. */
  readonly variable?: string;
}

/** A table of flags with values of any types. */
export type AnyFlags = Readonly<Record<string, Flag<unknown>>>;

interface WithDefault {
  readonly defaultText: string;
}

/** The flag of a member with this type. Only a member that may be undefined needs no default. */
type FlagFor<T> = undefined extends T ? Flag<NonNullable<T>> : Flag<NonNullable<T>> & WithDefault;

/** A table of flags, one for each member of a configuration. */
export type Flags<Config> = { readonly [Name in keyof Config]: FlagFor<Config[Name]> };

const DIGITS = /^\d+$/;

/** @returns the kind of whole numbers from `min` to `max` */
export function wholeNumber(placeholder: string, min: number, max: number): Kind<number> {
  const parse = (text: string) => {
    const number = Number(text);
    const isWithin = DIGITS.test(text) && number >= min && number <= max;
    return isWithin ? number : undefined;
  };
  return { placeholder, expected: `a whole number from ${min} to ${max}`, parse };
}

/** @returns the kind that accepts these words only */
export function oneOf<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  const parse = (text: string) => words.find((word) => word === text);
  return { placeholder: words.join('|'), expected: words.join(' or '), parse };
}

/** @returns the kind of texts that are not empty */
export function someText(placeholder: string, expected: string): Kind<string> {
  return { placeholder, expected, parse: (text) => text === '' ? undefined : text };
}

/** The kind of a flag without a value, such as `--json`. */
export const noValue: Kind<true> = {
  placeholder: '',
  expected: 'no value',
  parse: () => true,
  isSwitch: true,
};

/** The positional arguments that a command takes: those that are not flags. */
export interface Positionals {
  readonly count: number;
  /** How many may follow them; none by default. */
  readonly optionalCount?: number;
  /** Completes the message "expected ...". */
  readonly expected: string;
}

/** The place where the operator can change a value. */
export interface Source {
  readonly kind: 'flag' | 'variable' | 'default';
  /** Such as `--port`, `environment variable PORT` or `default of --port`, for messages. */
  readonly name: string;
}

/** A value as text, and where it comes from. */
export interface SourcedText {
  readonly text: string;
  readonly source: Source;
}

/** Arguments as they were typed. */
export interface Arguments {
  /**
   * The flags that were typed, by the names in the table. Of a repeated flag the last one counts,
   * so that an operator can override the flags of a script, such as those of `npm start`.
   */
  readonly typed: ReadonlyMap<string, SourcedText>;
  readonly positionals: readonly string[];
}

/** A value that is taken for the next flag, unless it is written as `--flag=value`. */
export const LIKE_A_FLAG: RegExp = /^-./s;

/** A longer name, or one with other characters, could be a token or a password. */
const HARMLESS_NAME = /^--?[a-z-]{1,24}$/;

/**
 * @throws UsageError for an unknown flag, a flag without a value, or too many or too few positional
 *   arguments
 */
export function parseArguments(
  args: readonly string[],
  flags: AnyFlags,
  { count, optionalCount = 0, expected }: Positionals,
): Arguments {
  const known = namesOf(flags);
  const options = [...known].map(([name, { kind }]) => {
    const type = kind.isSwitch === true ? 'boolean' as const : 'string' as const;
    return [name.slice('--'.length), { type }] as const;
  });
  const { tokens, positionals } = util.parseArgs({
    args: [...args],
    options: Object.fromEntries(options),
    allowPositionals: true,
    // So that all messages are our own.
    strict: false,
    tokens: true,
  });
  const typed = new Map<string, SourcedText>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { rawName, value, inlineValue } = token;
    const flag = known.get(rawName);
    if (flag === undefined) throw unknownFlag(rawName, args[token.index] ?? '', known);
    const source = { kind: 'flag', name: rawName } as const;
    if (flag.kind.isSwitch === true) {
      if (value !== undefined) throw new UsageError(`${rawName} expected no value`);
      typed.set(flag.name, { text: rawName, source });
      continue;
    }
    const isNextFlag = !inlineValue && LIKE_A_FLAG.test(value ?? '');
    if (value === undefined || isNextFlag) {
      const hint = isNextFlag ? ` (a value that begins with a hyphen follows ${rawName}=)` : '';
      throw new UsageError(`${rawName} expected ${flag.kind.expected}, got no value${hint}`);
    }
    typed.set(flag.name, { text: value, source });
  }
  const { length } = positionals;
  const maxCount = count + optionalCount;
  if (length < count) checkValues(flags, typed);
  if (length < count || length > maxCount) {
    // In "expected flags only, got 2" the 2 would read as the value of an argument.
    const got = maxCount === 0 ? '' : `, got ${length}`;
    throw new UsageError(`expected ${expected}${got}`);
  }
  return { typed, positionals };
}

/**
 * Checks the values that were typed. Called if positional arguments are missing: a flag may have
 * taken one as its value, and a message about that flag then helps more.
 * @throws UsageError for a value that is not of its kind
 */
function checkValues(flags: AnyFlags, typed: ReadonlyMap<string, SourcedText>): void {
  for (const flag of Object.values(flags)) {
    const sourced = typed.get(flag.name);
    if (sourced !== undefined) parseText(flag, sourced);
  }
}

/** @returns each flag by its name and by its former name */
function namesOf(flags: AnyFlags): ReadonlyMap<string, Flag<unknown>> {
  const entries = Object.values(flags).flatMap((flag) => {
    const names = [flag.name, ...(flag.formerName === undefined ? [] : [flag.formerName])];
    return names.map((name) => [name, flag] as const);
  });
  return new Map(entries);
}

/**
 * @param name as parseArgs reads it: of `-port` it is `-p`
 * @param arg the whole argument, which may hold a secret
 */
function unknownFlag(
  name: string,
  arg: string,
  known: ReadonlyMap<string, Flag<unknown>>,
): UsageError {
  const hint = hintOn(name, arg, known);
  return new UsageError(`unknown flag${HARMLESS_NAME.test(name) ? ` ${name}` : ''}${hint}`);
}

/** @returns what the operator may have meant, with a colon before it; '' if that is not clear */
function hintOn(
  name: string,
  arg: string,
  known: ReadonlyMap<string, Flag<unknown>>,
): string {
  // A secret must not be an argument, because other system users can see it.
  if (name === '--secret') return ': set LATCHKEY_SECRET, or use a secret file';
  const similar = mostSimilar(arg.split('=', 1).join(), [...known.keys(), '--help']);
  const meant = similar && (known.get(similar)?.name ?? similar);
  return meant === undefined ? '' : `: did you mean ${meant}?`;
}

/** The variables that a flag falls back on. */
export interface Environment {
  readonly values: Readonly<Record<string, string | undefined>>;
  /** The variables that a file has set. The process got all others when it started. */
  readonly loaded?: LoadedVariables;
}

interface LoadedVariables {
  readonly file: string;
  readonly names: readonly string[];
}

/**
 * @returns the value of each flag: the one that was typed, else that of its variable, else its
 *   default
 * @throws UsageError if a value is not of its kind
 */
export function readFlags<Config extends object>(
  flags: Flags<Config>,
  args: Arguments,
  env: Environment,
): Config {
  const values = Object.entries<Flag<unknown>>(flags).map(([member, flag]) => {
    const sourced = textOfFlag(flag, args, env);
    return [member, sourced && parseText(flag, sourced)];
  });
  return Object.fromEntries(values) as Config;
}

/** @throws UsageError if the text is not of the kind of its flag */
export function parseText<T>({ kind }: Pick<Flag<T>, 'kind'>, { text, source }: SourcedText): T {
  const { parse, expected, isSecret, problemOf } = kind;
  const value = parse(text);
  if (value !== undefined) return value;
  const got = isSecret === true ? '' : `, got ${problemOf?.(text) ?? JSON.stringify(text)}`;
  throw new UsageError(`${source.name} expected ${expected}${got}`);
}

export function textOfFlag(
  flag: Flag<unknown> & WithDefault,
  args: Arguments,
  env: Environment,
): SourcedText;
export function textOfFlag(
  flag: Flag<unknown>,
  args: Arguments,
  env: Environment,
): SourcedText | undefined;
/** @returns the text that decides the value of a flag; undefined if there is none */
export function textOfFlag(
  { name, variable, defaultText }: Flag<unknown>,
  { typed }: Arguments,
  env: Environment,
): SourcedText | undefined {
  const typedText = typed.get(name);
  if (typedText !== undefined) return typedText;
  const text = variable === undefined ? undefined : env.values[variable];
  if (variable !== undefined && text !== undefined && text !== '') {
    return { text, source: { kind: 'variable', name: placeOf(variable, env) } };
  }
  if (defaultText === undefined) return undefined;
  return { text: defaultText, source: { kind: 'default', name: `default of ${name}` } };
}

/** @returns the variable and the file that sets it, for messages */
export function placeOf(variable: string, { loaded }: Environment): string {
  if (loaded?.names.includes(variable)) return `${variable} in ${loaded.file}`;
  return `environment variable ${variable}`;
}
