#!/usr/bin/env -S node --
/**
 * The command. The only file that touches the process: its arguments, its environment, its console and its signals.
 * Exit codes: 0 done, 1 it could not be done, 2 the command was not understood.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv, styleText } from 'node:util';
import { createApp } from '../app.ts';
import { HELP, INSPECT, oneOf, readArguments, SERVE_FLAGS, SERVE_HELP, tryOut } from './flags.ts';
import { UsageError, wholeNumber, type Arguments } from './flags.ts';
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { generateSecret } from '../crypto/secret.ts';
import { AuthError, reasonOf } from '../errors.ts';
import { EVENTS } from '../events.ts';
import { isShared, ownerProblems, processUser } from './file-trust.ts';
import { textOfError } from '../error-text.ts';
import { listen, type Server } from '../http/server.ts';
import { checkedTls, type TlsOptions } from '../http/tls.ts';
import { describeToken, refusalOf } from './inspect.ts';
import { keptSecrets, secretsIn } from './secret-file.ts';
import { JsonFileUserStore } from '../users/json-file.ts';
import { MemoryUserStore } from '../users/memory.ts';
import { openPool } from './pg-pool.ts';
import { PostgresUserStore } from '../users/postgres.ts';
import type { UserStore } from '../users/store.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);

async function main([command, ...args]: string[]): Promise<void> {
  const isHelp = [command, ...args].some((arg) => arg === '--help' || arg === '-h') || command === 'help';
  if (isHelp) console.log(command === 'serve' ? SERVE_HELP : HELP);
  else if (command === '--version') console.log(JSON.parse(await readFile(MANIFEST, 'utf8')).version);
  else if (command === 'serve') await serve(readArguments({ args, options: SERVE_FLAGS }).values);
  else if (command === 'secret' && readArguments({ args })) console.log(generateSecret());
  else if (command === 'inspect') await inspect(readArguments({ args, ...INSPECT }));
  else throw new UsageError('expected a command: serve, secret or inspect');
}

async function serve(flags: Arguments<{ options: typeof SERVE_FLAGS }>['values']): Promise<void> {
  const envFile = flags['env-file'];
  if (envFile !== undefined) await attempt('--env-file', () => loadEnvFile(envFile), 'name another file');
  const { HOST, PORT, LATCHKEY_SECRET } = process.env;
  const host = (flags.host ?? (HOST || '127.0.0.1')).replace(/^\[(.*)\]$/, '$1');
  const [portName, portText] = flags.port === undefined ? ['PORT', PORT || '3000'] : ['--port', flags.port];
  const port = wholeNumber(portName, portText, 0, 65_535);
  const lifetimeSeconds = wholeNumber('--lifetime', flags.lifetime, 1, 1_000_000_000);
  const minPasswordLength = wholeNumber('--min-password-length', flags['min-password-length'], 1, 256);
  const commonPasswords = flags['common-passwords'];
  const mayBeCommon = oneOf('--common-passwords', commonPasswords, ['refuse', 'allow']) === 'allow';
  const logN = wholeNumber('--scrypt-cost', flags['scrypt-cost'], 1, 20);
  const trustProxy = wholeNumber('--trust-proxy', flags['trust-proxy'], 0, 100);
  const maxConnections = wholeNumber('--max-connections', flags['max-connections'], 1, 1_000_000);
  const limits = oneOf('--throttle', flags.throttle, ['on', 'off']) === 'on' ? {} : false;
  const note = oneOf('--log', flags.log, ['none', 'json']) === 'json' ? noteAsJson() : noteAsText;
  const onError = (error: unknown) => note('error', textOfError(error));
  for (const [flag, value] of [['--host', host], ['--data', flags.data]]) {
    if (value === '') throw new UsageError(`${flag} expected a value that is not empty`);
  }
  const where = whereUsersAre(flags.users);
  const tls = await readTls(flags);
  if (logN < 17) note('warning', `--scrypt-cost ${logN} makes stolen hashes easy to guess: use 17 or more`);

  const { secret, secretPlace } = await readSecrets(join(flags.data, 'secret'), LATCHKEY_SECRET, note);
  const usersPath = join(flags.data, 'users.jsonl');
  const { users, usersPlace, close, lost } = await openUsers(where, usersPath, note);
  try {
    const passwords = new PasswordHasher({ logN });
    const rules = { lifetimeSeconds, minPasswordLength, limits, trustProxy };
    const list = mayBeCommon ? { isForbidden: () => false } : {};
    const app = createApp({ secret, users, passwords, ...rules, ...list, onError });
    const start = () => listen(app, { host, port, maxConnections, ...(tls && { tls }) });
    const server = await attempt('cannot listen', start, 'use another --port or --host');
    const stop = stopOnce(server, close);
    // A terminal that closes sends SIGHUP.
    stopOnSignal(['SIGINT', 'SIGTERM', ...(tls === undefined ? ['SIGHUP'] : [])], stop);
    void lost?.then((error) => {
      note('error', `the server stops: ${reasonOf(error.cause)}`);
      process.exitCode = 1;
      stop();
    });
    if (tls !== undefined) renewTlsOnSignal(server, () => readTls(flags), note);
    else if (!/^http:\/\/(127\.|\[::1\])/.test(server.url)) {
      note('warning', 'plain HTTP shows passwords to the network: use --tls-cert, or a TLS proxy before it');
    }
    console.log(`latchkey listens on ${server.url}, users ${usersPlace}, ${secretPlace}. Try it:\n`);
    console.log(tryOut(server.url, minPasswordLength));
  } catch (error) {
    await close();
    throw error;
  }
}

/** As process.loadEnvFile, which trips over a byte order mark and says of any file that it is not there. */
async function loadEnvFile(path: string): Promise<void> {
  const text = (await readFile(path, 'utf8')).replace(/^\ufeff/, '');
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value;
}

/** @returns the secrets, and what to say of the place where they stand */
async function readSecrets(path: string, variable: string | undefined, note: Note) {
  const remedy = 'chown and chmod it, use another --data, or set LATCHKEY_SECRET';
  const kept = () => attempt(path, () => keptSecrets(path, processUser()), remedy);
  const found = variable === undefined
    ? await kept()
    : { text: variable, isNew: false, isShared: false, warnings: [] };
  const place = variable === undefined ? path : 'LATCHKEY_SECRET';
  const secret = await attempt(place, () => secretsIn(found.text), 'put there what "latchkey secret" prints');
  if (found.isShared) note('warning', sharedWarning(path));
  for (const warning of found.warnings) note('warning', `${path}: ${warning}`);
  const what = secret.length === 1 ? 'secret' : `${secret.length} secrets, the first to sign,`;
  return { secret, secretPlace: `${what} in ${place}${found.isNew ? ' (made now, mode 0600)' : ''}` };
}

/** @returns certificate and key, if they are asked for, once they are seen to fit */
async function readTls(flags: { 'tls-cert'?: string; 'tls-key'?: string }): Promise<TlsOptions | undefined> {
  const { 'tls-cert': certPath, 'tls-key': keyPath } = flags;
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (!certPath) throw new UsageError('--tls-cert expected a file, since --tls-key has one');
  if (!keyPath) throw new UsageError('--tls-key expected a file, since --tls-cert has one');
  const read = (flag: string, path: string) => attempt(flag, () => readFile(path), 'name a file in PEM');
  const pair = { cert: await read('--tls-cert', certPath), key: await read('--tls-key', keyPath) };
  return attempt('--tls-cert, --tls-key', () => checkedTls(pair), 'name a certificate and its key, in PEM');
}

type WhereUsersAre = 'memory' | 'file' | URL;

/** @returns where --users says that they are: in memory, in a file or in a database of PostgreSQL */
function whereUsersAre(users: string): WhereUsersAre {
  if (users === 'memory' || users === 'file') return users;
  if (/^postgres(?:ql)?:\/\//.test(users) && URL.canParse(users)) {
    const url = new URL(users);
    // Behind an unescaped / ? or # a part of the password would be printed as the place of the users.
    if (!`${url.pathname}${url.search}${url.hash}`.includes('@')) return url;
  }
  const expected = 'postgres://user@host/database, with / ? # @ in a password written as %2F %3F %23 %40';
  throw new UsageError(`--users expected "memory", "file" or ${expected}`);
}

interface OpenUsers {
  readonly users: UserStore;
  /** What the place is called in messages. */
  readonly usersPlace: string;
  readonly close: () => Promise<void>;
  /** Resolves once the users that were opened are no longer those that the file has. */
  readonly lost?: Promise<AuthError>;
}

async function openUsers(where: WhereUsersAre, path: string, note: Note): Promise<OpenUsers> {
  if (where === 'memory') {
    return { users: new MemoryUserStore(), usersPlace: 'in memory until it stops', close: async () => undefined };
  }
  if (where !== 'file') return openPostgres(where, note);
  const waitText = 'still opening it, up to 10 seconds if another process may have it open';
  const waiting = setTimeout(() => note('warning', `${path}: ${waitText}`), 3_000);
  const users = await JsonFileUserStore.open(path).finally(() => clearTimeout(waiting));
  const { discardedBytes, discardedPath } = users;
  if (discardedBytes > 0) {
    const what = `cut off ${discardedBytes} bytes of an interrupted last write`;
    note('warning', `${path}: ${what} and saved them in ${discardedPath}`);
  }
  await warnOfOthers(path, note).catch(async (error: unknown) => {
    await users.close();
    throw error;
  });
  return { users, usersPlace: `in ${path}`, close: () => users.close(), lost: users.lost };
}

/** Other users that read the hashes can guess passwords, and those that write them can add users. */
async function warnOfOthers(path: string, note: Note): Promise<void> {
  if (await isShared(path)) note('warning', sharedWarning(path));
  for (const { text, isGrave } of await ownerProblems(path, processUser())) {
    if (isGrave) note('warning', `${path}: ${text}, who could add users`);
  }
}

const sharedWarning = (path: string) => `${path} can be read by other users: chmod 600 ${path}`;

async function openPostgres(url: URL, note: Note): Promise<OpenUsers> {
  // Without the name and the password.
  const usersPlace = `in PostgreSQL at ${url.host}${url.pathname}`;
  const pool = openPool(url, (error) => note('error', textOfError(error)));
  const users = new PostgresUserStore(pool);
  const createTable = () => users.createTable().catch((error: AuthError) => Promise.reject(error.cause));
  await attempt(`users ${usersPlace}`, createTable, 'mend that, or use another --users');
  return { users, usersPlace, close: () => pool.end() };
}

async function inspect({ values, positionals }: Arguments<typeof INSPECT>): Promise<void> {
  // Whoever copies a token out of a header may have its scheme before it.
  const [token, ...others] = positionals.map((it) => it.trim().replace(/^\w+ +/, ''));
  if (token === undefined || others.length > 0) throw new UsageError('inspect expected one token');
  const told = await attempt('no token', () => describeToken(token), 'pass a whole token alone');
  const path = values['secret-file'];
  if (path === undefined) return console.log(`${told}\nThe signature was not checked: anybody may have written this.`);
  const read = async () => secretsIn(await readFile(path, 'utf8'));
  const secrets = await attempt('--secret-file', read, 'name a file with what "latchkey secret" printed');
  const refusal = refusalOf(token, secrets);
  const verdict = refusal ? `It does not verify now: ${refusal.message} (${refusal.code})` : 'It verifies now.';
  const isColored = process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'];
  console.log(`${told}\n${isColored ? styleText(refusal ? 'red' : 'green', verdict) : verdict}`);
  if (refusal !== undefined) process.exitCode = 1;
}

/** @returns what lets requests in flight end and closes the store. The process then ends by itself. */
function stopOnce(server: Server, closeUsers: () => Promise<void>): () => void {
  let isStopping = false;
  const stop = async () => {
    await server.close();
    await closeUsers();
    // Lines that nobody reads would keep the process from ending by itself.
    setTimeout(() => process.exit(), 1_000).unref();
  };
  return () => {
    if (isStopping) return;
    isStopping = true;
    stop().catch(fail);
  };
}

/** A second signal ends the process at once. */
function stopOnSignal(signals: readonly string[], stop: () => void): void {
  let stoppedAt: number | undefined;
  const onSignal = () => {
    // npm passes on the Ctrl-C that the terminal has sent too: two signals within 250 ms are one.
    if (stoppedAt !== undefined && performance.now() - stoppedAt > 250) process.exit(1);
    stoppedAt ??= performance.now();
    stop();
  };
  for (const signal of signals) process.on(signal, onSignal);
}

/** Connections to come get the new certificate; where there is none that fits, the old one goes on. */
function renewTlsOnSignal(server: Server, read: () => Promise<TlsOptions | undefined>, note: Note): void {
  process.on('SIGHUP', async () => {
    try {
      const tls = await read();
      if (tls !== undefined) server.renewTls(tls);
      note('tls', 'read the certificate again');
    } catch (error) {
      note('error', `the old certificate goes on: ${reasonOf(error)}`);
    }
  });
}

type Note = (event: string, detail: string) => void;

const noteAsText: Note = (_event, detail) => say(`latchkey: ${detail.replace(/\s*[\r\n]\s*/g, ' | ')}`);

/** Logs what happens, a JSON object a line, and answers what logs the rest. */
function noteAsJson(): Note {
  const log = (event: string, fields: object) => {
    const line = JSON.stringify({ time: new Date().toISOString(), event, ...fields });
    // In ASCII nothing ends a line, or steers the terminal that shows it.
    say(line.replace(/[^ -~]/g, (hidden) => `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`));
  };
  for (const [event, { name }] of Object.entries(EVENTS)) subscribe(name, (message) => log(event, Object(message)));
  return (event, detail) => log(event, { detail });
}

/** Lines that nobody reads are dropped, not piled up in memory. */
function say(line: string): void {
  if (process.stderr.writableLength < 2 ** 20) console.error(line);
}

/** Does a job. Should it fail, the message tells of what, why, and what to do about it. */
async function attempt<T>(what: string, job: () => T | Promise<T>, remedy: string): Promise<T> {
  try {
    return await job();
  } catch (error) {
    throw new Error(`${what}: ${reasonOf(error).replace(/\.$/, '')}: ${remedy}`);
  }
}

function fail(error: unknown): void {
  const isUsage = error instanceof UsageError;
  const help = isUsage ? ` (see: latchkey ${process.argv[2] === 'serve' ? 'serve ' : ''}--help)` : '';
  console.error(`latchkey: ${reasonOf(error)}${help}`);
  process.exitCode = isUsage ? 2 : 1;
}

// Whoever reads the output, a pager or a log collector, may go away. That is no reason to end a server.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (process.argv[2] !== 'serve' && error.code !== 'EPIPE') fail(new Error(`${error.message}: write elsewhere`));
});
// Node itself would print every property of the error, and of its causes.
process.on('uncaughtException', (error) => {
  console.error(`latchkey: ${textOfError(error)}`);
  process.exit(1);
});
await main(process.argv.slice(2)).catch((error: unknown) => {
  fail(error);
  // Whatever was begun, such as a connection that is refused slowly, is not waited for.
  process.exit();
});
