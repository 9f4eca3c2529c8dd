/**
 * The command line: its commands, its exit codes and the errors that end it.
 * Exit codes: 0 done, 1 failed, 2 usage error, 129 the terminal of the server has closed, 130
 * stopped by Ctrl-C at a prompt. A signal ends `users` with 128 plus its number.
 */
import { generateSecret } from '../crypto/secret.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf } from '../errors.ts';
import { isUnexplained, limitRemedyOf } from '../journal/system-errors.ts';
import { mostSimilar } from '../similar-name.ts';
import { isError } from '../values.ts';
import { parseArguments, type Positionals } from './arguments.ts';
import { InterruptedError, UsageError } from './command-errors.ts';
import { isJsonLog, oneLine, startJsonLog, textLog, type Log } from './log.ts';
import { readVersion } from './version.ts';

const HELP = `latchkey: sign-up and login with JSON Web Tokens

Usage: latchkey <command> [options]

Commands:
  serve              run the server: signup, login, sessions and GET /hello
  users <subcommand> list, add, disable and remove users, and set passwords
  secret             print a new secret for signing tokens
  inspect <token>    decode a token; with --secret-file, also verify it

Options:
  -h, --help         show this help
  --version          show the version

"latchkey <command> --help" shows the options of a command.
"latchkey serve" works without options: it listens on 127.0.0.1, port 3000. On a
terminal it prints curl commands to try. "npm start" in a clone is for trials:
it allows weak passwords, and serves a page to try the routes in a browser.`;

const SECRET_HELP = `Usage: latchkey secret

Print a new secret: 32 random bytes in base64url, on one line.

"latchkey serve" creates a secret file on the first start. Use this command for
LATCHKEY_SECRET, or for a new first line of the secret file to rotate secrets.`;

/** Each command loads its own code, because every file that is loaded delays the start. */
interface Command {
  /** @param args what follows the name of the command */
  readonly helpOf: (args: readonly string[]) => Promise<string>;
  readonly run: (args: readonly string[]) => Promise<void>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['serve', {
    helpOf: async () => (await import('./serve/flags.ts')).SERVE_HELP,
    run: runServe,
  }],
  ['users', {
    helpOf: async (args) => (await import('./users/users-flags.ts')).usersHelp(args),
    run: runUsers,
  }],
  ['secret', {
    helpOf: async () => SECRET_HELP,
    run: printSecret,
  }],
  ['inspect', {
    helpOf: async () => (await import('./inspect/inspect-flags.ts')).INSPECT_HELP,
    run: async (args) => (await import('./inspect/inspect.ts')).inspect(args),
  }],
]);

const HELP_WORDS: readonly string[] = ['help', '--help', '-h'];

const [first = '', ...others] = process.argv.slice(2);
// `latchkey help serve` is `latchkey serve --help`.
const [name = '', ...rest] = first === 'help' ? others : [first, ...others];
const command = COMMANDS.get(name);

async function main(): Promise<void> {
  if (isHelp()) console.log((await command?.helpOf(rest)) ?? HELP);
  else if (name === '--version') console.log(await readVersion());
  else if (command !== undefined) await command.run(rest);
  else throw unknownCommand();
}

function isHelp(): boolean {
  // Behind `--` there are no flags: a user may have the name -h.
  const end = others.indexOf('--');
  const flags = end === -1 ? others : others.slice(0, end);
  if (name === 'users' && rest[0] === 'help') return true;
  return HELP_WORDS.includes(first) || flags.includes('--help') || flags.includes('-h');
}

/** An unknown command is not repeated, because it may be a token. */
function unknownCommand(): UsageError {
  const known = [...COMMANDS.keys()];
  const expected = `expected ${known.join(', ')}`;
  const isMissing = name === '' || name.startsWith('-');
  if (isMissing) return new UsageError(`a command is missing: ${expected}`);
  const meant = mostSimilar(name, known);
  return new UsageError(`unknown command: ${meant ? `did you mean ${meant}?` : expected}`);
}

/** The log in JSON, as soon as the arguments ask for it. */
let jsonLog: Log | undefined;

async function runServe(args: readonly string[]): Promise<void> {
  // Done first. Otherwise a SIGHUP during a slow start would end the process.
  const { watchHangups } = await import('./serve/hangups.ts');
  const setHangupActions = watchHangups();
  if (isJsonLog(args)) jsonLog = startJsonLog();
  const log = jsonLog ?? textLog;
  const { readServeConfig } = await import('./serve/flags.ts');
  const config = await readServeConfig(args, log);
  const { serve } = await import('./serve/serve.ts');
  await serve(config, log, setHangupActions);
}

async function runUsers(args: readonly string[]): Promise<void> {
  const { users } = await import('./users/users.ts');
  const { stdin: input, stdout: output, stderr: prompts } = process;
  await users(args, { input, output, prompts }, textLog);
}

const NO_POSITIONALS: Positionals = { count: 0, expected: 'no argument' };

async function printSecret(args: readonly string[]): Promise<void> {
  parseArguments(args, {}, NO_POSITIONALS);
  console.log(generateSecret());
}

/** Writes an error that ends the command to stderr. */
function report(text: string): void {
  if (jsonLog === undefined) console.error(`latchkey: ${text}`);
  else jsonLog('error', text);
}

/** Prints the message of an error on one line, and sets the exit code. */
function fail(error: unknown): void {
  if (error instanceof InterruptedError) {
    process.exitCode = 130;
    return;
  }
  const isUsage = error instanceof UsageError;
  const help = command === undefined ? 'latchkey --help' : `latchkey ${name} --help`;
  const note = isUsage ? ` (see: ${help})` : limitNoteOf(error);
  report(`${oneLine(reasonOf(error))}${note}`);
  process.exitCode = isUsage ? 2 : 1;
}

/** @returns what to do if a file of the code cannot be loaded, because a limit was reached */
function limitNoteOf(error: unknown): string {
  const remedy = isError(error) && isUnexplained(error) ? limitRemedyOf(error) : undefined;
  return remedy === undefined ? '' : `: ${remedy}`;
}

/** Ends the process because of an error that nothing caught. */
function endByError(error: unknown): void {
  report(textOfError(error));
  process.exit(1);
}

// The process that reads the output, such as a pager or a log collector, may end before this one.
// The server goes on without it.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isReaderGone = error.code === 'EPIPE';
  // `users` reports the error itself: it waits for each write.
  if (first === 'serve' || first === 'users' || isReaderGone) return;
  fail(new Error(`cannot write to stdout: ${error.message}`));
});
// Node itself would print every property of the error and of its causes.
process.on('uncaughtException', endByError);
// In Bun a rejection that nothing handles is not an uncaughtException.
process.on('unhandledRejection', endByError);
await main().catch((error: unknown) => {
  fail(error);
  // Does not wait for work in progress, such as a connection to a database that does not answer.
  process.exit();
});
