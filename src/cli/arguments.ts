/**
 * Reading arguments by a table of flags. The help, the parser and the checks follow from the table.
 * Promise: a message never repeats an argument that may be a token or a password.
 */
import { parseArgs } from 'node:util';
import { UsageError } from './command-errors.ts';

/** What the text of a flag may be. */
export interface Kind<T> {
  /** Stands for the value in the help, such as `<seconds>`. */
  readonly hint: string;
  /** Completes "--flag expected ...". */
  readonly expected: string;
  /** @returns undefined if the text is not of this kind */
  readonly read: (text: string) => T | undefined;
  /** The text may hold a password, so that no message repeats it. */
  readonly isSecret?: boolean;
}

export interface Flag<T> {
  /** As it is typed, such as `--port`. */
  readonly name: string;
  /** The heading above the flag in the help. */
  readonly group: string;
  /** A phrase for the help. The default is added to it. */
  readonly help: string;
  readonly kind: Kind<T>;
  /** The default, as text. */
  readonly fallback?: string;
  /** The environment variable that is read if the flag is not given. Empty means not set. */
  readonly variable?: string;
}

/** A table of flags, whatever their values are. */
type AnyFlags = Readonly<Record<string, Flag<unknown>>>;

/** A flag for each member of a configuration. A member that may be undefined needs no default. */
export type Flags<Config> = {
  readonly [Name in keyof Config]: Flag<NonNullable<Config[Name]>> &
    (undefined extends Config[Name] ? unknown : { readonly fallback: string });
};

const DIGITS = /^\d+$/;

/** @returns the kind of whole numbers from `min` to `max` */
export function wholeNumber(hint: string, min: number, max: number): Kind<number> {
  const read = (text: string) => {
    const number = Number(text);
    const isWithin = DIGITS.test(text) && number >= min && number <= max;
    return isWithin ? number : undefined;
  };
  return { hint, expected: `a whole number from ${min} to ${max}`, read };
}

/** @returns the kind of a few words */
export function oneOf<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  const read = (text: string) => words.find((word) => word === text);
  return { hint: words.join('|'), expected: words.join(' or '), read };
}

/** @returns the kind of texts that are not empty */
export function someText(hint: string, expected: string): Kind<string> {
  return { hint, expected, read: (text) => text === '' ? undefined : text };
}

/** Arguments as they were typed. */
export interface Arguments {
  /** The text of each flag that was given, by its name. Of a repeated flag the last one counts. */
  readonly texts: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
}

/** What `util.parseArgs` adds to its message about an unknown flag. */
const HINT_AT_POSITIONALS = /\. To specify a positional argument .*/;
/** An unknown flag that is long enough to be a token. */
const LONG_FLAG = /'-[^' ]{24,}'/;

/** @throws UsageError for an unknown flag, a flag without a value, or too many positionals */
export function parseArguments(
  args: readonly string[],
  flags: AnyFlags,
  maxPositionals: number,
): Arguments {
  const names = Object.values(flags).map(({ name }) => name.slice('--'.length));
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const { values, positionals } = parse({ args: [...args], options, allowPositionals: true });
  if (positionals.length > maxPositionals) {
    throw new UsageError('too many arguments ("npm start" takes flags after "--")');
  }
  const given = Object.entries(values).map(([name, text]) => [`--${name}`, String(text)] as const);
  return { texts: new Map(given), positionals };
}

/** `util.parseArgs` with messages of one line. */
function parse<const Config extends Parameters<typeof parseArgs>[0]>(config: Config) {
  try {
    return parseArgs(config);
  } catch (error) {
    const line = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
    throw new UsageError(line.replace(HINT_AT_POSITIONALS, '').replace(LONG_FLAG, "'-...'"));
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @returns the value of each flag: of the flag itself, else of its variable, else its default
 * @throws UsageError if a value is not of its kind
 */
export function readFlags<Config extends object>(
  flags: Flags<Config>,
  { texts }: Arguments,
  env: Environment,
): Config {
  const values = Object.entries<Flag<unknown>>(flags).map(([member, flag]) => {
    return [member, valueOf(flag, texts.get(flag.name), env)];
  });
  return Object.fromEntries(values) as Config;
}

/** @throws UsageError if the value is not of its kind */
export function valueOf<T>(
  flag: Flag<T>,
  given: string | undefined,
  env: Environment,
): T | undefined {
  if (given !== undefined) return checked(flag.name, given, flag.kind);
  const { variable, fallback } = flag;
  const fromVariable = variable === undefined ? undefined : env[variable];
  if (variable !== undefined && fromVariable) return checked(variable, fromVariable, flag.kind);
  return fallback === undefined ? undefined : checked(flag.name, fallback, flag.kind);
}

function checked<T>(name: string, text: string, { read, expected, isSecret }: Kind<T>): T {
  const value = read(text);
  if (value !== undefined) return value;
  const got = isSecret === true ? '' : `, got ${JSON.stringify(text)}`;
  throw new UsageError(`${name} expected ${expected}${got}`);
}

/** @returns the flags of a table below the headings of their groups, for a help text */
export function helpOf(flags: AnyFlags): string {
  const groups = new Map<string, string[]>();
  for (const { name, group, help, kind, fallback, variable } of Object.values(flags)) {
    const lines = groups.get(group) ?? [`${group}:`];
    const notes = [
      ...(variable === undefined ? [] : [`env ${variable}`]),
      ...(fallback === undefined ? [] : [`default ${fallback}`]),
    ];
    lines.push(helpRow(`${name} ${kind.hint}`, help, notes.join(', ')));
    groups.set(group, lines);
  }
  return [...groups.values()].map((lines) => lines.join('\n')).join('\n\n');
}

/** Where the right column of the help begins, and where it ends. */
const COLUMN = 29;
const MAX_COLUMNS = 80;

/** @returns a row of two columns. What does not fit stands in the right column of the next line. */
export function helpRow(left: string, phrase: string, note = ''): string {
  const inBrackets = note === '' ? '' : `(${note})`;
  const oneLine = `${phrase} ${inBrackets}`.trimEnd();
  const isOneLine = oneLine.length <= MAX_COLUMNS - COLUMN;
  const right = isOneLine ? [oneLine] : [phrase, inBrackets];
  const indented = `  ${left}`;
  const isLeftTooLong = indented.length > COLUMN - 2;
  const rows = isLeftTooLong ? ['', ...right] : right;
  return rows
    .map((text, index) => `${(index === 0 ? indented : '').padEnd(COLUMN)}${text}`.trimEnd())
    .join('\n');
}
