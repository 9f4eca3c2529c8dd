/**
 * The command line: its commands, its exit codes and the errors that end it.
 * Exit codes: 0 done, 1 failed, 2 usage error, 129 the terminal of the server has closed.
 */
import { readFile } from 'node:fs/promises';
import { generateSecret } from '../crypto/secret.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf } from '../errors.ts';
import { mostSimilar } from '../similar-name.ts';
import { parseArguments, type Positionals } from './arguments.ts';
import { UsageError } from './command-errors.ts';
import { readServeConfig, SERVE_HELP } from './flags.ts';
import { watchHangups } from './hangups.ts';
import { INSPECT_HELP } from './inspect-flags.ts';
import { oneLine } from './log.ts';

const HELP = `latchkey: sign-up and login with JSON Web Tokens

Usage: latchkey <command> [options]

Commands:
  serve              run the server: signup, login, sessions and GET /hello
  secret             print a new secret for signing tokens
  inspect <token>    decode a token; with --secret-file, also verify it

Options:
  -h, --help         show this help
  --version          show the version

"latchkey <command> --help" shows the options of a command.
"latchkey serve" works without options: it listens on 127.0.0.1, port 3000, and
prints curl commands to try. "npm start" in a clone is the same for trials: it
allows weak passwords, and serves a page to try the routes in a browser.`;

const SECRET_HELP = `Usage: latchkey secret

Print a new secret: 32 random bytes in base64url, on one line.

"latchkey serve" creates a secret file on the first start. Use this command for
LATCHKEY_SECRET, or for a new first line of the secret file to rotate secrets.`;

interface Command {
  readonly help: string;
  readonly run: (args: readonly string[]) => Promise<void>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['serve', { help: SERVE_HELP, run: runServe }],
  ['secret', { help: SECRET_HELP, run: printSecret }],
  ['inspect', { help: INSPECT_HELP, run: runInspect }],
]);

const MANIFEST = new URL('../../package.json', import.meta.url);

const HELP_WORDS: readonly string[] = ['help', '--help', '-h'];

const [first = '', ...rest] = process.argv.slice(2);
// `latchkey help serve` is `latchkey serve --help`.
const name = first === 'help' ? rest[0] ?? '' : first;
const command = COMMANDS.get(name);

async function main(): Promise<void> {
  const isHelp = HELP_WORDS.includes(first) || rest.includes('--help') || rest.includes('-h');
  if (isHelp) console.log(command?.help ?? HELP);
  else if (name === '--version') console.log(JSON.parse(await readFile(MANIFEST, 'utf8')).version);
  else if (command !== undefined) await command.run(rest);
  else throw unknownCommand();
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

/** Loads the server only here, because the other commands do not need its many files. */
async function runServe(args: readonly string[]): Promise<void> {
  // First: SIGHUP would end the process during a slow start.
  const setHangupActions = watchHangups();
  const [config, { serve }] = await Promise.all([readServeConfig(args), import('./serve.ts')]);
  await serve(config, setHangupActions);
}

async function runInspect(args: readonly string[]): Promise<void> {
  const { inspect } = await import('./inspect.ts');
  await inspect(args);
}

const NO_POSITIONALS: Positionals = { count: 0, expected: 'no argument' };

async function printSecret(args: readonly string[]): Promise<void> {
  parseArguments(args, {}, NO_POSITIONALS);
  console.log(generateSecret());
}

/** Prints the message of an error on one line, and sets the exit code. */
function fail(error: unknown): void {
  const isUsage = error instanceof UsageError;
  const help = command === undefined ? 'latchkey --help' : `latchkey ${name} --help`;
  console.error(`latchkey: ${oneLine(reasonOf(error))}${isUsage ? ` (see: ${help})` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}

/** Ends the process because of an error that nothing caught. */
function endByError(error: unknown): void {
  console.error(`latchkey: ${textOfError(error)}`);
  process.exit(1);
}

// The process that reads the output, such as a pager or a log collector, may end before this one.
// The server goes on without it.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isReaderGone = error.code === 'EPIPE';
  if (first === 'serve' || isReaderGone) return;
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
