/** The flags of `latchkey serve`, each in one place: its help, its default and what it accepts. */
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import {
  helpOf,
  helpRow,
  oneOf,
  parseArguments,
  readFlags,
  someText,
  valueOf,
  wholeNumber,
  type Flags,
  type Kind,
} from './arguments.ts';
import { attempt, UsageError } from './command-errors.ts';

/** Where the users are kept. A URL leads to a database of PostgreSQL. */
export type UsersPlace = 'file' | 'memory' | URL;

/** What the server is started with. */
export interface ServeConfig {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** How many proxies in front append to X-Forwarded-For. */
  readonly trustProxy: number;
  /** A path. The certificate and its key are both given or both absent. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** The folder of the user file and the secret. */
  readonly data: string;
  readonly users: UsersPlace;
  readonly lifetimeSeconds: number;
  /** In code points. */
  readonly minPasswordLength: number;
  readonly commonPasswords: 'refuse' | 'allow';
  /** log2 of scrypt's N. */
  readonly scryptCost: number;
  readonly throttle: 'on' | 'off';
  readonly maxConnections: number;
  readonly log: 'none' | 'json';
  readonly envFile: string | undefined;
}

const POSTGRES_URL = /^postgres(?:ql)?:\/\//;
const URL_FORM = 'postgres://user@host/database';

const usersKind: Kind<UsersPlace> = {
  hint: 'file|memory|<URL>',
  expected: `memory, file or ${URL_FORM} (in a password, write / ? # @ as %2F %3F %23 %40)`,
  read: parseUsersFlag,
  isSecret: true,
};

function parseUsersFlag(text: string): UsersPlace | undefined {
  if (text === 'memory' || text === 'file') return text;
  if (!POSTGRES_URL.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  // After an unescaped / ? or # in a password, its rest would be taken for the path, the query or
  // the fragment, and messages name the path.
  const isPasswordCut = `${url.pathname}${url.search}${url.hash}`.includes('@');
  return isPasswordCut ? undefined : url;
}

const HOST_IN_BRACKETS = /^\[(.*)\]$/;

const hostKind: Kind<string> = {
  hint: '<address>',
  expected: 'an address or a host name',
  read: (text) => text.replace(HOST_IN_BRACKETS, '$1') || undefined,
};

export const SERVE_FLAGS: Flags<ServeConfig> = {
  host: {
    name: '--host',
    group: 'Listening',
    help: 'address to listen on',
    kind: hostKind,
    variable: 'HOST',
    fallback: '127.0.0.1',
  },
  port: {
    name: '--port',
    group: 'Listening',
    help: 'port, 0 for any free one',
    kind: wholeNumber('<number>', 0, 65_535),
    variable: 'PORT',
    fallback: '3000',
  },
  trustProxy: {
    name: '--trust-proxy',
    group: 'Listening',
    help: 'number of reverse proxies in front',
    kind: wholeNumber('<n>', 0, 100),
    fallback: '0',
  },
  tlsCert: {
    name: '--tls-cert',
    group: 'Listening',
    help: 'serve HTTPS with this certificate chain, in PEM',
    kind: pemFile('--tls-key'),
  },
  tlsKey: {
    name: '--tls-key',
    group: 'Listening',
    help: 'private key, in PEM; SIGHUP reloads both files',
    kind: pemFile('--tls-cert'),
  },
  data: {
    name: '--data',
    group: 'Users',
    help: 'folder for the user file and the secret',
    kind: someText('<folder>', 'a folder'),
    fallback: './latchkey-data',
  },
  users: {
    name: '--users',
    group: 'Users',
    help: 'user store; <URL> is postgres://...',
    kind: usersKind,
    fallback: 'file',
  },
  lifetimeSeconds: {
    name: '--lifetime',
    group: 'Tokens',
    help: 'token lifetime in seconds',
    kind: wholeNumber('<seconds>', 1, 1_000_000_000),
    fallback: '3000',
  },
  minPasswordLength: {
    name: '--min-password-length',
    group: 'Passwords',
    help: 'minimum length in characters',
    kind: wholeNumber('<n>', 1, 256),
    fallback: '8',
  },
  commonPasswords: {
    name: '--common-passwords',
    group: 'Passwords',
    help: 'refuse or allow the 3,000 most used passwords',
    kind: oneOf('refuse', 'allow'),
    fallback: 'refuse',
  },
  scryptCost: {
    name: '--scrypt-cost',
    group: 'Passwords',
    help: 'scrypt cost; each step doubles time and memory',
    kind: wholeNumber('<log2 N>', 1, 20),
    fallback: '17',
  },
  throttle: {
    name: '--throttle',
    group: 'Limits',
    help: 'rate limit on logins and signups',
    kind: oneOf('on', 'off'),
    fallback: 'on',
  },
  maxConnections: {
    name: '--max-connections',
    group: 'Limits',
    help: 'maximum open connections',
    kind: wholeNumber('<n>', 1, 1_000_000),
    fallback: '1000000',
  },
  log: {
    name: '--log',
    group: 'Logging',
    help: 'write events to stderr as JSON lines',
    kind: oneOf('none', 'json'),
    fallback: 'none',
  },
  envFile: {
    name: '--env-file',
    group: 'Environment',
    help: 'read environment variables from this file',
    kind: someText('<file>', 'a file'),
  },
};

function pemFile(other: string): Kind<string> {
  return someText('<file>', `a PEM file, together with ${other}`);
}

const SECRET_ROW = helpRow(
  'LATCHKEY_SECRET',
  'secrets, one a line: the first signs, all verify',
  'default: file "secret" in --data, made if missing',
);

export const SERVE_HELP: string = `Usage: latchkey serve [options]

Run the server: POST /signup, POST /auth and GET /hello. A flag wins over its
environment variable. Ctrl-C finishes open requests and stops.

${helpOf(SERVE_FLAGS)}
${SECRET_ROW}`;

/**
 * Reads the arguments of `latchkey serve`, after the file of `--env-file` into the environment.
 * @throws UsageError if an argument or a variable is wrong; Error if the file cannot be read
 */
export async function readServeConfig(args: readonly string[]): Promise<ServeConfig> {
  const given = parseArguments(args, SERVE_FLAGS, 0);
  const { envFile } = SERVE_FLAGS;
  const path = valueOf(envFile, given.texts.get(envFile.name), {});
  if (path !== undefined) await attempt(envFile.name, () => loadEnvFile(path), 'name another file');
  const config = readFlags(SERVE_FLAGS, given, process.env);
  checkTlsPair(config);
  return config;
}

function checkTlsPair({ tlsCert, tlsKey }: ServeConfig): void {
  if ((tlsCert === undefined) === (tlsKey === undefined)) return;
  const { name, kind } = tlsCert === undefined ? SERVE_FLAGS.tlsCert : SERVE_FLAGS.tlsKey;
  throw new UsageError(`${name} expected ${kind.expected}`);
}

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * Sets variables that are not set yet. `process.loadEnvFile` fails at a byte order mark, and calls
 * every file missing that it cannot read.
 */
async function loadEnvFile(path: string): Promise<void> {
  const text = (await readFile(path, 'utf8')).replace(BYTE_ORDER_MARK, '');
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value;
}
