#!/usr/bin/env -S node --
/**
 * The command line: its commands, its exit codes and the errors that end it.
 * Exit codes: 0 done, 1 failed, 2 usage error.
 */
import { readFile } from 'node:fs/promises';
import { generateSecret } from '../crypto/secret.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf } from '../errors.ts';
import { parseArguments } from './arguments.ts';
import { UsageError } from './command-errors.ts';
import { readServeConfig, SERVE_HELP } from './flags.ts';
import { inspect, INSPECT_HELP } from './inspect.ts';
import { serve } from './serve.ts';

const HELP = `latchkey: sign-up and login with JSON Web Tokens

Usage: latchkey <command> [options]

Commands:
  serve              run the server: POST /signup, POST /auth and GET /hello
  secret             print a new secret for signing tokens
  inspect <token>    print what a token says, and whether it verifies

Options:
  -h, --help         show this help
  --version          show the version

"latchkey <command> --help" shows the options of a command.
"latchkey serve" needs none: it listens on 127.0.0.1 and prints lines to try.`;

const SECRET_HELP = `Usage: latchkey secret

Print a new secret: 32 random bytes in base64url, on one line.

"latchkey serve" makes its own secret on the first start. Use this one for
LATCHKEY_SECRET, or as a new first line of the secret file to rotate secrets.`;

interface Command {
  readonly help: string;
  readonly run: (args: readonly string[]) => Promise<void>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['serve', { help: SERVE_HELP, run: async (given) => serve(await readServeConfig(given)) }],
  ['secret', { help: SECRET_HELP, run: printSecret }],
  ['inspect', { help: INSPECT_HELP, run: inspect }],
]);

const MANIFEST = new URL('../../package.json', import.meta.url);

const [name = '', ...args] = process.argv.slice(2);
const command = COMMANDS.get(name);

async function main(): Promise<void> {
  const isHelp = [name, ...args].some((arg) => ['--help', '-h'].includes(arg)) || name === 'help';
  if (isHelp) console.log(command?.help ?? HELP);
  else if (name === '--version') console.log(JSON.parse(await readFile(MANIFEST, 'utf8')).version);
  else if (command !== undefined) await command.run(args);
  else throw new UsageError(`expected a command: ${[...COMMANDS.keys()].join(', ')}`);
}

async function printSecret(given: readonly string[]): Promise<void> {
  parseArguments(given, {}, 0);
  console.log(generateSecret());
}

/** Tells of an error in one line, and sets the exit code. */
function fail(error: unknown): void {
  const isUsage = error instanceof UsageError;
  const help = command === undefined ? 'latchkey --help' : `latchkey ${name} --help`;
  console.error(`latchkey: ${reasonOf(error)}${isUsage ? ` (see: ${help})` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}

// The reader of the output, such as a pager or a log collector, may go away. The server stays.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isReaderGone = error.code === 'EPIPE';
  if (name !== 'serve' && !isReaderGone) fail(new Error(`${error.message}: write elsewhere`));
});
// Node itself would print every property of the error and of its causes.
process.on('uncaughtException', (error) => {
  console.error(`latchkey: ${textOfError(error)}`);
  process.exit(1);
});
await main().catch((error: unknown) => {
  fail(error);
  // What was begun is not waited for, such as a connection that is refused slowly.
  process.exit();
});
