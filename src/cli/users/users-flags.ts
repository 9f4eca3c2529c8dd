/**
 * The arguments of `latchkey users`, and its help. They are apart from `users.ts`, so that `--help`
 * does not load the code for stores.
 */
import { mostSimilar } from '../../similar-name.ts';
import { LIKE_A_FLAG, parseArguments, readFlags, type Arguments } from '../arguments.ts';
import { UsageError } from '../command-errors.ts';
import { environmentOf } from '../shared-flags.ts';
import { helpOf } from '../help-text.ts';
import { textLog, type Log } from '../log.ts';
import type { AdministrationAccess } from '../administration/open-administration.ts';
import {
  ALL_FLAG,
  JSON_FLAG,
  NO_ARGUMENT,
  SUBCOMMAND_NAMES,
  SUBCOMMANDS,
  USERS_FLAGS,
  type Subcommand,
  type SubcommandName,
  type UsersConfig,
} from './users-subcommands.ts';

const SUBCOMMAND_COLUMNS = 26;

const SUBCOMMAND_ROWS: readonly string[] = SUBCOMMAND_NAMES.map((name) => {
  const { usage, phrase } = SUBCOMMANDS[name];
  return `  ${usage.padEnd(SUBCOMMAND_COLUMNS)} ${phrase}`;
});

const OVERVIEW = `Usage: latchkey users <subcommand> [options]

List, change and move users. A running server applies each change at once.

Subcommands:
${SUBCOMMAND_ROWS.join('\n')}

${helpOf(USERS_FLAGS)}

"latchkey users <subcommand> --help" says more. A username that begins with a
hyphen follows "--": latchkey users disable -- -joe
Exit codes: 0 done; 1 failed, or no such user; 2 usage error; 130 after Ctrl-C.`;

/** @param args what follows `latchkey users`; a first word `help` is skipped */
export function usersHelp(args: readonly string[]): string {
  const { name } = splitArguments(args[0] === 'help' ? args.slice(1) : args);
  if (name === undefined) return OVERVIEW;
  const { usage, description, flags } = SUBCOMMANDS[name];
  return `Usage: latchkey users ${usage} [options]\n\n${description}\n\n${helpOf(flags)}`;
}

/** What was typed behind `latchkey users`. */
export interface UsersCall extends UsersConfig {
  readonly subcommand: SubcommandName;
  /** The argument of the subcommand, such as a username. */
  readonly argument: string | undefined;
  readonly isJson: boolean;
  readonly isAll: boolean;
  readonly access: AdministrationAccess;
}

/**
 * Reads the arguments. If `--environment` is given, first adds the variables of that file to
 * `process.env`.
 * @param args what follows `latchkey users`
 * @throws UsageError if an argument is wrong
 * @throws CommandError if the file of `--environment` cannot be read, or a line of it is wrong
 */
export async function readUsersCall(
  args: readonly string[],
  log: Log = textLog,
): Promise<UsersCall> {
  const { name, rest } = subcommandIn(args);
  const subcommand = SUBCOMMANDS[name];
  const parsed = parseArguments(rest, subcommand.flags, subcommand.positionals);
  refuseMemory(parsed);
  const isAll = parsed.typed.has(ALL_FLAG.name);
  const [argument] = parsed.positionals;
  requireUserOrAll(subcommand, parsed, isAll);
  const config = readFlags(USERS_FLAGS, parsed, await environmentOf(parsed, log));
  return {
    ...config,
    subcommand: name,
    argument,
    isJson: parsed.typed.has(JSON_FLAG.name),
    isAll,
    access: subcommand.access,
  };
}

/** What was typed: flags may also stand before the subcommand. */
interface SplitArguments {
  /** The text in the place of the subcommand; '' if it is missing. */
  readonly typedName: string;
  /** Undefined if no subcommand has this name. */
  readonly name: SubcommandName | undefined;
  readonly before: readonly string[];
  readonly behind: readonly string[];
}

function splitArguments(args: readonly string[]): SplitArguments {
  const withValue = Object.values(USERS_FLAGS).map((flag) => flag.name);
  let index = 0;
  while (LIKE_A_FLAG.test(args[index] ?? '')) {
    index += withValue.includes(args[index] ?? '') ? 2 : 1;
  }
  const typedName = args[index] ?? '';
  const name = SUBCOMMAND_NAMES.find((known) => known === typedName);
  return { typedName, name, before: args.slice(0, index), behind: args.slice(index + 1) };
}

/** @throws UsageError. An unknown subcommand is not repeated, because it may be a password. */
function subcommandIn(
  args: readonly string[],
): { readonly name: SubcommandName; readonly rest: readonly string[] } {
  const { typedName, name, before, behind } = splitArguments(args);
  if (name !== undefined) return { name, rest: [...before, ...behind] };
  // Reports a wrong flag first, because its value may stand in the place of the subcommand.
  parseArguments(before, USERS_FLAGS, NO_ARGUMENT);
  const expected = `expected ${SUBCOMMAND_NAMES.join(', ')}`;
  if (typedName === '') throw new UsageError(`a subcommand is missing: ${expected}`);
  const meant = mostSimilar(typedName, SUBCOMMAND_NAMES);
  throw new UsageError(`unknown subcommand: ${meant ? `did you mean ${meant}?` : expected}`);
}

function refuseMemory({ typed }: Arguments): void {
  const { name } = USERS_FLAGS.users;
  if (typed.get(name)?.text !== 'memory') return;
  throw new UsageError(`${name} memory: only the process of the server can reach users in memory`);
}

/** For a subcommand with `--all`: requires a username or `--all`, and not both. */
function requireUserOrAll(
  { flags, positionals: { expected } }: Subcommand,
  { positionals: { length } }: Arguments,
  isAll: boolean,
): void {
  const takesAll = Object.values(flags).includes(ALL_FLAG);
  if (takesAll && isAll === (length === 1)) {
    throw new UsageError(`expected ${expected}, got ${isAll ? 'both' : 'neither'}`);
  }
}
