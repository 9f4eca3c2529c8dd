#!/usr/bin/env -S node --
/**
 * The command. The only file that touches the process: its arguments, its environment, its console and its signals.
 * Exit codes: 0 done, 1 it could not be done, 2 it was not asked for rightly.
 */
import { randomUUID } from 'node:crypto';
import { chmod, link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { createApp } from './app.ts';
import { PasswordHasher } from './auth/password-hasher.ts';
import { decodeUnverified, generateSecret, Jwt } from './crypto/jwt.ts';
import { AuthError } from './errors.ts';
import { listen, type Server } from './http/server.ts';
import { ignore, makeFolder, syncFolder } from './users/disk.ts';
import { JsonFileUserStore } from './users/json-file.ts';
import { MemoryUserStore } from './users/memory.ts';
import { PostgresUserStore, type PgClient } from './users/postgres.ts';
import type { UserStore } from './users/store.ts';

const MANIFEST = new URL('../package.json', import.meta.url);

const HELP = `Usage: latchkey <command>

  serve              sign-up and login over HTTP: POST /signup, POST /auth, GET /hello
  secret             print a new secret
  inspect <token>    print what a token says, without verifying it

  --help             this text; latchkey serve --help has the options of serve
  --version`;

const SERVE_HELP = `Usage: latchkey serve [options]

  --host <address>             where to listen (HOST; default 127.0.0.1)
  --port <number>              0 to 65535; 0 takes any free one (PORT; default 3000)
  --data <folder>              for users and the secret; made if missing (default ./latchkey-data)
  --users memory|file|<URL>    default file: <data>/users.jsonl; or postgres://... (npm install pg)
  --lifetime <seconds>         of a token, 1 to 1000000000 (default 3000)
  --min-password-length <n>    in characters, 1 to 256 (default 8)
  --scrypt-cost <log2 N>       1 to 20; each step doubles time and memory (default 17)
  --env-file <file>            read environment variables from a file

The secret is LATCHKEY_SECRET, or <data>/secret, which is made on the first start.`;

const SERVE_FLAGS = {
  'host': { type: 'string' },
  'port': { type: 'string' },
  'env-file': { type: 'string' },
  'data': { type: 'string', default: './latchkey-data' },
  'users': { type: 'string', default: 'file' },
  'lifetime': { type: 'string', default: '3000' },
  'min-password-length': { type: 'string', default: '8' },
  'scrypt-cost': { type: 'string', default: '17' },
} as const satisfies ParseArgsConfig['options'];

/** It was not asked for rightly. */
class UsageError extends Error {}

async function main([command, ...args]: string[]): Promise<void> {
  const isHelp = [command, ...args].some((arg) => arg === '--help' || arg === '-h') || command === 'help';
  if (isHelp) console.log(command === 'serve' ? SERVE_HELP : HELP);
  else if (command === '--version') console.log(JSON.parse(await readFile(MANIFEST, 'utf8')).version);
  else if (command === 'serve') await serve(readArguments({ args, options: SERVE_FLAGS }).values);
  else if (command === 'secret') console.log(readArguments({ args }) && generateSecret());
  else if (command === 'inspect') await inspect(readArguments({ args, allowPositionals: true }).positionals);
  else throw new UsageError('expected a command: serve, secret or inspect');
}

async function serve(flags: Arguments<{ options: typeof SERVE_FLAGS }>['values']): Promise<void> {
  const envFile = flags['env-file'];
  if (envFile !== undefined) await attempt('--env-file', () => process.loadEnvFile(envFile), 'name another file');
  const { HOST, PORT, LATCHKEY_SECRET } = process.env;
  const host = flags.host ?? (HOST || '127.0.0.1');
  const [portName, portText] = flags.port === undefined ? ['PORT', PORT || '3000'] : ['--port', flags.port];
  const port = wholeNumber(portName, portText, 0, 65_535);
  const lifetimeSeconds = wholeNumber('--lifetime', flags.lifetime, 1, 1_000_000_000);
  const minPasswordLength = wholeNumber('--min-password-length', flags['min-password-length'], 1, 256);
  const logN = wholeNumber('--scrypt-cost', flags['scrypt-cost'], 1, 20);
  if (host === '' || flags.data === '') throw new UsageError('--host and --data expected a value that is not empty');
  const where = whereUsersAre(flags.users);
  if (logN < 17) console.error(`latchkey: --scrypt-cost ${logN} makes stolen hashes easy to guess: use 17 or more`);

  const secretPath = join(flags.data, 'secret');
  const kept = () => attempt(secretPath, () => keptSecret(secretPath), 'use another --data');
  const [secret, secretPlace] = LATCHKEY_SECRET === undefined ? await kept() : [LATCHKEY_SECRET, 'LATCHKEY_SECRET'];
  const check = () => {
    // What other bytes are read as. Any number of secrets would be the same then.
    if (secret.includes('\ufffd')) throw new TypeError('"secret" expected text in UTF-8, got other bytes');
    return new Jwt({ secret });
  };
  await attempt(secretPlace, check, 'put there what "latchkey secret" prints');
  const { users, usersPlace, close } = await openUsers(where, join(flags.data, 'users.jsonl'));
  try {
    const passwords = new PasswordHasher({ logN });
    const app = createApp({ secret, users, passwords, lifetimeSeconds, minPasswordLength, onError: logError });
    const server = await attempt('cannot listen', () => listen(app, { host, port }), 'use another --port or --host');
    stopOnSignal(server, close);
    console.log(`latchkey listens on ${server.url}, users ${usersPlace}, secret in ${secretPlace}. Try it:\n`);
    console.log(tryOut(server.url, minPasswordLength));
  } catch (error) {
    await close();
    throw error;
  }
}

type WhereUsersAre = 'memory' | 'file' | URL;

/** @returns where --users says that they are: in memory, in a file or in a PostgreSQL */
function whereUsersAre(users: string): WhereUsersAre {
  if (users === 'memory' || users === 'file') return users;
  if (/^postgres(?:ql)?:\/\//.test(users) && URL.canParse(users)) {
    const url = new URL(users);
    // Behind these a part of the password would be told as the place of the users.
    if (!`${url.pathname}${url.search}${url.hash}`.includes('@')) return url;
  }
  const expected = 'postgres://user@host/database, with / ? # @ in a password written as %2F %3F %23 %40';
  throw new UsageError(`--users expected "memory", "file" or ${expected}`);
}

interface OpenUsers {
  readonly users: UserStore;
  /** How to call the place where they are. */
  readonly usersPlace: string;
  readonly close: () => Promise<void>;
}

async function openUsers(where: WhereUsersAre, path: string): Promise<OpenUsers> {
  if (where === 'memory') {
    return { users: new MemoryUserStore(), usersPlace: 'in memory until it stops', close: async () => undefined };
  }
  if (where !== 'file') return openPostgres(where);
  const users = await JsonFileUserStore.open(path);
  if (users.discardedBytes > 0) {
    console.error(`latchkey: ${path}: cut off ${users.discardedBytes} bytes of an unfinished last write`);
  }
  return { users, usersPlace: `in ${path}`, close: () => users.close() };
}

/** The package pg is no dependency: it is loaded here, from beside this one, and only if it is needed. */
async function openPostgres(url: URL): Promise<OpenUsers> {
  const load: Promise<PgPackage> = import('pg' as string);
  const { default: pg } = await load.catch(() => {
    throw new Error('--users: PostgreSQL takes the package pg, which is not there: npm install pg');
  });
  // A database that does not answer keeps nobody waiting, nor does a statement go on that nobody waits for any more.
  const limits = { connectionTimeoutMillis: 3_000, query_timeout: 3_000, statement_timeout: 3_000 };
  // Idle connections do not keep the process alive.
  const pool = new pg.Pool({ allowExitOnIdle: true, ...limits, connectionString: url.href });
  // A connection broke while nobody used it. The next query gets another one.
  pool.on('error', logError);
  const users = new PostgresUserStore(pool);
  // Without the name and the password.
  const usersPlace = `in PostgreSQL at ${url.host}${url.pathname}`;
  const createTable = () => users.createTable().catch((error: AuthError) => Promise.reject(error.cause));
  await attempt(`users ${usersPlace}`, createTable, 'mend that, or use another --users');
  return { users, usersPlace, close: () => pool.end() };
}

/** As much of the package pg as is used. */
interface PgPackage {
  readonly default: { readonly Pool: new (options: object) => PgPool };
}

interface PgPool extends PgClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  end(): Promise<void>;
}

async function inspect([token, ...others]: string[]): Promise<void> {
  if (token === undefined || others.length > 0) throw new UsageError('inspect expected one token');
  const { header, claims } = await attempt('no token', () => decodeUnverified(token), 'pass a whole token alone');
  // A token can say anything, to a terminal too: what is invisible is written as an escape.
  const escape = (hidden: string) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`;
  const show = (value: object) => JSON.stringify(value, null, 2).replace(/[^\P{C}\n]/gu, escape);
  console.log(`header ${show(header)}\nclaims ${show(claims)}`);
  for (const [name, value] of Object.entries(claims)) {
    const isTime = ['exp', 'iat', 'nbf'].includes(name) && typeof value === 'number' && Math.abs(value) <= 8.64e12;
    if (isTime) console.log(`${name} is ${new Date(value * 1000).toISOString()}`);
  }
  console.log('The signature was not checked: anybody may have written this.');
}

type Arguments<Config extends ParseArgsConfig> = ReturnType<typeof parseArgs<Config>>;

function readArguments<const Config extends ParseArgsConfig>(config: Config): Arguments<Config> {
  try {
    return parseArgs(config);
  } catch (error) {
    // An argument is not repeated: it may be a token.
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') throw new UsageError('too many arguments; npm wants -- first');
    throw new UsageError(message.replaceAll('\n', ' ').replace(/\. To specify a positional argument .*/, ''));
  }
}

function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`${name} expected a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

/** @returns the secret in a file, which is made on the first start, and how to call the place where it stands */
async function keptSecret(path: string): Promise<[secret: string, place: string]> {
  const isNew = await makeSecret(path);
  return [(await readFile(path, 'utf8')).replace(/\r?\n$/, ''), isNew ? `${path} (made now, mode 0600)` : path];
}

/**
 * Makes the file of the secret, unless there is one. It gets its name only once it is whole and on disk, and of two
 * processes that make one at the same time one wins.
 */
async function makeSecret(path: string): Promise<boolean> {
  if (await stat(path).catch(ignore('ENOENT'))) return false;
  await makeFolder(dirname(path));
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, `${generateSecret()}\n`, { flag: 'wx', mode: 0o600, flush: true });
    await chmod(draft, 0o600); // whatever the umask
    await link(draft, path).catch(ignore('EEXIST'));
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

/** Lets what is in flight finish and closes the store; the process then ends by itself. A second signal ends it now. */
function stopOnSignal(server: Server, closeUsers: () => Promise<void>): void {
  let stoppedAt: number | undefined;
  const stop = async () => {
    // npm passes on the Ctrl-C that the terminal has sent already: two signals within 250 ms are one.
    if (stoppedAt !== undefined && performance.now() - stoppedAt > 250) process.exit(1);
    if (stoppedAt !== undefined) return;
    stoppedAt = performance.now();
    await server.close();
    await closeUsers();
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

/** Does a job. Should it fail, the message tells of what, why, and what to do about it. */
async function attempt<T>(what: string, job: () => T | Promise<T>, remedy: string): Promise<T> {
  try {
    return await job();
  } catch (error) {
    throw new Error(`${what}: ${reasonOf(error).replace(/\.$/, '')}: ${remedy}`);
  }
}

function reasonOf(error: unknown): string {
  // Where a name has several addresses there are several reasons.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

function fail(error: unknown): void {
  const isUsage = error instanceof UsageError;
  const help = isUsage ? ` (see: latchkey ${process.argv[2] === 'serve' ? 'serve ' : ''}--help)` : '';
  console.error(`latchkey: ${reasonOf(error)}${help}`);
  process.exitCode = isUsage ? 2 : 1;
}

// Whoever reads the output, a pager or a log collector, may go away. That is no reason to end a server.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
await main(process.argv.slice(2)).catch((error: unknown) => {
  fail(error);
  // Whatever was begun, such as a connection that is refused slowly, is not waited for.
  process.exit();
});
