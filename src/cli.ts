#!/usr/bin/env node
/**
 * The command. The only file that touches the process: its arguments, its environment, its console and its signals.
 * Exit codes: 0 done, 1 it could not be done, 2 it was not asked for rightly.
 */
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { createApp } from './app.ts';
import { PasswordHasher } from './auth/password-hasher.ts';
import { decodeUnverified, generateSecret, Jwt } from './crypto/jwt.ts';
import { AuthError } from './errors.ts';
import type { Router } from './http/router.ts';
import { listen, type Server } from './http/server.ts';
import { JsonFileUserStore } from './users/json-file.ts';
import { MemoryUserStore } from './users/memory.ts';
import type { UserStore } from './users/store.ts';

const HELP = `Usage: latchkey <command>

  serve              sign-up and login over HTTP: POST /signup, POST /auth, GET /hello
  secret             print a new secret
  inspect <token>    print what a token says, without verifying it

  --help             this text, or that of a command: latchkey serve --help
  --version`;

const SERVE_HELP = `Usage: latchkey serve [options]

  --host <address>             where to listen (HOST; default 127.0.0.1)
  --port <number>              0 to 65535; 0 takes any free one (PORT; default 3000)
  --data <folder>              for users and the secret; made if missing (default ./latchkey-data)
  --users memory|file          where users are kept (default file: <data>/users.jsonl)
  --lifetime <seconds>         of a token, 1 to 1000000000 (default 3000)
  --min-password-length <n>    in characters, 1 to 256 (default 8)
  --scrypt-cost <log2 N>       1 to 20; each step doubles time and memory (default 17)
  --env-file <file>            read environment variables from a file

The secret is LATCHKEY_SECRET, or <data>/secret, which is made on the first start.`;

const SERVE_FLAGS = {
  'help': { type: 'boolean', short: 'h' },
  'host': { type: 'string' },
  'port': { type: 'string' },
  'data': { type: 'string', default: './latchkey-data' },
  'users': { type: 'string', default: 'file' },
  'lifetime': { type: 'string', default: '3000' },
  'min-password-length': { type: 'string', default: '8' },
  'scrypt-cost': { type: 'string', default: '17' },
  'env-file': { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

/** npm passes on the Ctrl-C that the terminal has sent already: two signals this close together are one. */
const SAME_SIGNAL_MS = 250;

/** It was not asked for rightly. */
class UsageError extends Error {}

/** It could not be done, and the message says what to do. */
class Failure extends Error {}

async function main([command, ...args]: string[]): Promise<void> {
  if (command === 'serve') return serve(args);
  if (command === 'secret') return secret(args);
  if (command === 'inspect') return inspect(args);
  if (command === '--help' || command === '-h' || command === 'help') return console.log(HELP);
  if (command === '--version' || command === '-v') return console.log(await version());
  throw new UsageError('expected a command: serve, secret or inspect');
}

async function serve(args: string[]): Promise<void> {
  const { values: flags } = readArguments({ args, options: SERVE_FLAGS });
  if (flags.help) return console.log(SERVE_HELP);
  if (flags['env-file'] !== undefined) loadEnvironment(flags['env-file']);
  const { HOST, PORT, LATCHKEY_SECRET } = process.env;
  const host = flags.host ?? (HOST || '127.0.0.1');
  const [portName, portText] = flags.port === undefined ? ['PORT', PORT || '3000'] : ['--port', flags.port];
  const port = wholeNumber(portName, portText, 0, 65_535);
  const lifetimeSeconds = wholeNumber('--lifetime', flags.lifetime, 1, 1_000_000_000);
  const minPasswordLength = wholeNumber('--min-password-length', flags['min-password-length'], 1, 256);
  const logN = wholeNumber('--scrypt-cost', flags['scrypt-cost'], 1, 20);
  if (host === '' || flags.data === '') throw new UsageError('--host and --data expected a value that is not empty');
  if (flags.users !== 'memory' && flags.users !== 'file') throw new UsageError('--users expected "memory" or "file"');
  if (logN < 17) console.error(`latchkey: --scrypt-cost ${logN} makes stolen hashes easy to guess: use 17 or more`);

  const { secret, place } =
    LATCHKEY_SECRET === undefined ? await keptSecret(flags.data) : environmentSecret(LATCHKEY_SECRET);
  const usersPath = join(flags.data, 'users.jsonl');
  const users: UserStore = flags.users === 'memory' ? new MemoryUserStore() : await openUsers(usersPath);
  try {
    const passwords = new PasswordHasher({ logN });
    const app = createApp({ secret, users, passwords, lifetimeSeconds, minPasswordLength, onError: logError });
    const server = await listenOn(app, host, port);
    stopOnSignal(server, users);
    const usersPlace = flags.users === 'memory' ? 'users in memory until it stops' : `users in ${usersPath}`;
    console.log(`latchkey listens on ${server.url}, ${usersPlace}, secret ${place}. Try it:\n`);
    console.log(tryOut(server.url, minPasswordLength));
  } catch (error) {
    await users.close?.();
    throw error;
  }
}

function secret(args: string[]): void {
  const { values } = readArguments({ args, options: { help: { type: 'boolean', short: 'h' } } });
  console.log(values.help ? 'Usage: latchkey secret\n\nPrints 32 random bytes in base64url.' : generateSecret());
}

function inspect(args: string[]): void {
  const options = { help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = readArguments({ args, options, allowPositionals: true });
  if (values.help) return console.log('Usage: latchkey inspect <token>\n\nPrints what a token says, unverified.');
  const [token, ...others] = positionals;
  if (token === undefined || others.length > 0) throw new UsageError('inspect expected one token');
  const { header, claims } = decodeUnverified(token);
  // A token can say anything, to a terminal too: what is invisible is written as an escape.
  const show = (value: object) =>
    JSON.stringify(value, null, 2).replace(/[^\P{C}\n]/gu, (character) => JSON.stringify(character).slice(1, -1));
  console.log(`header ${show(header)}\nclaims ${show(claims)}`);
  for (const [name, value] of Object.entries(claims)) {
    const isTime = ['exp', 'iat', 'nbf'].includes(name) && Math.abs(Number(value)) <= 8.64e12;
    if (isTime) console.log(`${name} is ${new Date(Number(value) * 1000).toISOString()}`);
  }
  console.log('The signature was not checked: anybody may have written this.');
}

async function version(): Promise<unknown> {
  const manifest: { version?: unknown } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}

function readArguments<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // An argument is not repeated: it may be a token.
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') throw new UsageError('there is an argument too many');
    throw new UsageError(message.replaceAll('\n', ' ').replace(/\. To specify a positional argument .*/, ''));
  }
}

function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`${name} expected a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

function loadEnvironment(path: string): void {
  try {
    process.loadEnvFile(path);
  } catch (error) {
    throw new Failure(`--env-file: ${path} cannot be read (${reasonOf(error)}): name a file with lines NAME=value`);
  }
}

interface PlacedSecret {
  readonly secret: string;
  readonly place: string;
}

function environmentSecret(secret: string): PlacedSecret {
  return checkedSecret({ secret, place: 'in LATCHKEY_SECRET' }, 'put the output of "latchkey secret" there');
}

/** The secret in the data folder, made there on the first start. */
async function keptSecret(folder: string): Promise<PlacedSecret> {
  const path = join(folder, 'secret');
  const place = `in ${path}`;
  try {
    const kept = await readFile(path, 'utf8').catch(ifMissing);
    if (kept === undefined) return { secret: await makeSecret(folder, path), place: `${place} (made now, mode 0600)` };
    const secret = kept.replace(/\r?\n$/, '');
    return checkedSecret({ secret, place }, 'restore it from a backup, or delete it to have one made');
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`${path} cannot be used (${reasonOf(error)}): choose another folder with --data`);
  }
}

/** The file has its name only once it is whole and on disk, and of two processes that make one, one wins. */
async function makeSecret(folder: string, path: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await rm(draft, { force: true });
  await writeFile(draft, `${generateSecret()}\n`, { flag: 'wx', mode: 0o600, flush: true });
  try {
    await link(draft, path).catch((error) => ifCode(error, 'EEXIST'));
  } finally {
    await rm(draft);
  }
  return (await readFile(path, 'utf8')).trimEnd();
}

function checkedSecret(placed: PlacedSecret, remedy: string): PlacedSecret {
  try {
    new Jwt({ secret: placed.secret });
    return placed;
  } catch (error) {
    throw new Failure(`the secret ${placed.place}: ${reasonOf(error)}: ${remedy}`);
  }
}

async function openUsers(path: string): Promise<UserStore> {
  try {
    const users = await JsonFileUserStore.open(path);
    const { discardedBytes } = users;
    if (discardedBytes > 0) console.error(`latchkey: ${path}: cut off ${discardedBytes} bytes of an unfinished last line`);
    return users;
  } catch (error) {
    const remedy = error instanceof AuthError && error.code === 'ERR_STORE' ? ': choose another folder with --data' : '';
    throw new Failure(`${reasonOf(error)}${remedy}`);
  }
}

async function listenOn(app: Router, host: string, port: number): Promise<Server> {
  try {
    return await listen(app, { host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new Failure(`port ${port} of ${host} is in use: choose another with --port`);
    if (code === 'EACCES') throw new Failure(`port ${port} is not allowed: choose one from 1024 up with --port`);
    throw new Failure(`${host} cannot be listened on (${reasonOf(error)}): choose an address of this machine with --host`);
  }
}

/** Lets what is in flight finish and closes the store; the process then ends by itself. A second signal ends it now. */
function stopOnSignal(server: Server, users: UserStore): void {
  let stoppingSince: number | undefined;
  const stop = async () => {
    const now = performance.now();
    if (stoppingSince !== undefined && now - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
    if (stoppingSince !== undefined) return;
    stoppingSince = now;
    await server.close();
    await users.close?.();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop().catch(fail));
}

/** Four lines to paste into a shell. */
function tryOut(url: string, minPasswordLength: number): string {
  const json = "-H 'Content-Type: application/json'";
  const body = `-d '{"username":"joe","password":"${'pass'.padEnd(minPasswordLength, 'word')}"}'`;
  return `  curl ${url}/signup ${json} ${body}
  TOKEN=$(curl -s ${url}/auth ${json} ${body} | cut -d '"' -f 4)
  curl ${url}/hello -H "Authorization: JWT $TOKEN"
  curl -i ${url}/hello`;
}

/** One line for what became a 5xx. */
function logError(error: unknown): void {
  const reason = error instanceof AuthError && error.cause instanceof Error ? error.cause : error;
  const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
  console.error(`latchkey: ${text.replace(/\s*[\r\n]\s*/g, ' | ')}`);
}

function ifMissing(error: unknown): undefined {
  return ifCode(error, 'ENOENT');
}

/** Takes an error with this code for an answer, and throws any other. */
function ifCode(error: unknown, code: string): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === code)) throw error;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fail(error: unknown): void {
  const help = error instanceof UsageError ? ' (see: latchkey --help)' : '';
  console.error(`latchkey: ${reasonOf(error)}${help}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

await main(process.argv.slice(2)).catch(fail);
