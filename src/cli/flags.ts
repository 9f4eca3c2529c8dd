/** The flags of `latchkey serve`: for each its help, its default and the values that it accepts. */
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import {
  helpOf,
  helpRow,
  oneOf,
  parseArguments,
  readFlags,
  someText,
  valueOfFlag,
  wholeNumber,
  type Flags,
  type Kind,
  type Positionals,
} from './arguments.ts';
import { attempt, UsageError } from './command-errors.ts';

/** The store of the accounts. A URL names a PostgreSQL database. */
export type UserStoreChoice = 'file' | 'memory' | URL;

/** The configuration of `latchkey serve`. */
export interface ServeConfig {
  readonly host: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
  /** The number of reverse proxies in front that append to X-Forwarded-For. */
  readonly trustProxy: number;
  /** The path of the certificate. It is given if and only if `tlsKey` is. */
  readonly tlsCert: string | undefined;
  /** The path of the private key. */
  readonly tlsKey: string | undefined;
  /** The folder of the user file and the secret. */
  readonly data: string;
  readonly users: UserStoreChoice;
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

const POSTGRES_URL = /^postgres(?:ql)?:\/\//i;

/** A URL without a host. Captures the scheme, the username, the password, the port and the rest. */
const EMPTY_HOST = /^(\w+:\/\/)(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(?::(\d*))?((?:[/?#].*)?)$/s;

const URL_FORM = 'postgres://user@host/database';
const URL_ESCAPES = 'in a password, write / ? # @ as %2F %3F %23 %40';

const usersKind: Kind<UserStoreChoice> = {
  placeholder: 'file|memory|<URL>',
  expected: `file, memory or ${URL_FORM} (${URL_ESCAPES})`,
  parse: parseUsersFlag,
  isSecret: true,
};

function parseUsersFlag(text: string): UserStoreChoice | undefined {
  if (text === 'memory' || text === 'file') return text;
  const url = POSTGRES_URL.test(text) ? parseUrl(text) : undefined;
  if (url === undefined) return undefined;
  // At an unescaped / ? or # in a password the rest of the password becomes the path, the query or
  // the fragment of the URL, with an @ in it. Messages show the path.
  const isPasswordCut = `${url.pathname}${url.search}${url.hash}`.includes('@');
  return isPasswordCut ? undefined : url;
}

/**
 * RFC 3986 §3.2 lets the host be empty behind a username, as in
 * `postgres://user@/database?host=/run/postgresql`, and so does PostgreSQL. The class URL does not.
 * Username, password and port then move into the query, where pg reads them too.
 */
function parseUrl(text: string): URL | undefined {
  const [, scheme, user, password, port, rest] = EMPTY_HOST.exec(text) ?? [];
  const urlText = scheme === undefined ? text : `${scheme}${rest}`;
  if (!URL.canParse(urlText)) return undefined;
  const url = new URL(urlText);
  const moved = Object.entries({ user, password, port }).flatMap(([name, value = '']) => {
    // In a query + stands for a space, and & begins the next parameter.
    return value === '' ? [] : [`${name}=${value.replace(/[+&]/g, encodeURIComponent)}`];
  });
  if (moved.length > 0) url.search = moved.concat(url.search.slice(1) || []).join('&');
  return url;
}

const HOST_IN_BRACKETS = /^\[(.*)\]$/;

const hostKind: Kind<string> = {
  placeholder: '<address>',
  expected: 'an address or a host name',
  parse: (text) => text.replace(HOST_IN_BRACKETS, '$1') || undefined,
};

const pemFile: Kind<string> = someText('<file>', 'a file in PEM');

export const SERVE_FLAGS: Flags<ServeConfig> = {
  host: {
    name: '--host',
    group: 'Listening',
    help: 'address to listen on',
    kind: hostKind,
    variable: 'HOST',
    defaultText: '127.0.0.1',
  },
  port: {
    name: '--port',
    group: 'Listening',
    help: 'port; 0 for any free port',
    kind: wholeNumber('<number>', 0, 65_535),
    variable: 'PORT',
    defaultText: '3000',
  },
  trustProxy: {
    name: '--trust-proxy',
    group: 'Listening',
    help: 'number of reverse proxies in front',
    kind: wholeNumber('<n>', 0, 100),
    defaultText: '0',
  },
  tlsCert: {
    name: '--tls-cert',
    group: 'Listening',
    help: 'serve HTTPS with this certificate chain (PEM)',
    kind: pemFile,
  },
  tlsKey: {
    name: '--tls-key',
    group: 'Listening',
    help: 'its private key in PEM; SIGHUP reloads both files',
    kind: pemFile,
  },
  data: {
    name: '--data',
    group: 'Users',
    help: 'folder of user file and secret, created if missing',
    kind: someText('<folder>', 'a folder'),
    defaultText: './latchkey-data',
  },
  users: {
    name: '--users',
    group: 'Users',
    help: 'user store; <URL> begins with postgres://',
    kind: usersKind,
    defaultText: 'file',
  },
  lifetimeSeconds: {
    name: '--lifetime',
    group: 'Tokens',
    help: 'token lifetime in seconds',
    kind: wholeNumber('<seconds>', 1, 1_000_000_000),
    defaultText: '3000',
  },
  minPasswordLength: {
    name: '--min-password-length',
    group: 'Passwords',
    help: 'minimum length in characters',
    kind: wholeNumber('<n>', 1, 256),
    defaultText: '8',
  },
  commonPasswords: {
    name: '--common-passwords',
    group: 'Passwords',
    help: 'refuse or allow the 3,000 most used passwords',
    kind: oneOf('refuse', 'allow'),
    defaultText: 'refuse',
  },
  scryptCost: {
    name: '--scrypt-cost',
    group: 'Passwords',
    help: 'scrypt cost; each step doubles time and memory',
    kind: wholeNumber('<log2 N>', 1, 20),
    defaultText: '17',
  },
  throttle: {
    name: '--throttle',
    group: 'Limits',
    help: 'rate limit on logins and signups',
    kind: oneOf('on', 'off'),
    defaultText: 'on',
  },
  maxConnections: {
    name: '--max-connections',
    group: 'Limits',
    help: 'maximum open connections',
    kind: wholeNumber('<n>', 1, 1_000_000),
    defaultText: '1000000',
  },
  log: {
    name: '--log',
    group: 'Logging',
    help: 'json: log all events to stderr, as JSON lines',
    kind: oneOf('none', 'json'),
    defaultText: 'none',
  },
  envFile: {
    name: '--env-file',
    group: 'Environment',
    help: 'read environment variables from this file',
    kind: someText('<file>', 'a file'),
  },
};

const SECRET_ROW = helpRow(
  'LATCHKEY_SECRET',
  'secrets, one per line: the first signs, all verify',
  'default: file "secret" in --data',
);

export const SERVE_HELP: string = `Usage: latchkey serve [options]

Run the server: POST /signup, POST /auth and GET /hello. Flags override
environment variables. Ctrl-C finishes open requests and stops. Warnings and
errors go to stderr, as text unless --log json is given.

${helpOf(SERVE_FLAGS)}
${SECRET_ROW}`;

const NO_POSITIONALS: Positionals = {
  count: 0,
  expected: 'no argument but flags (with npm start, flags follow "--")',
};

/**
 * Reads the arguments of `latchkey serve`. If `--env-file` is given, first adds the variables of
 * that file to `process.env`.
 * @throws UsageError if an argument or a variable is wrong
 * @throws CommandError if the file cannot be read
 */
export async function readServeConfig(args: readonly string[]): Promise<ServeConfig> {
  const given = parseArguments(args, SERVE_FLAGS, NO_POSITIONALS);
  const { envFile } = SERVE_FLAGS;
  const path = valueOfFlag(envFile, given.texts.get(envFile.name), {});
  if (path !== undefined) {
    await attempt(envFile.name, 'Name a file that the server can read.', () => loadEnvFile(path));
  }
  const config = readFlags(SERVE_FLAGS, given, process.env);
  checkTlsPair(config);
  return config;
}

function checkTlsPair({ tlsCert, tlsKey }: ServeConfig): void {
  if (tlsCert === undefined && tlsKey !== undefined) {
    throw new UsageError('--tls-key needs --tls-cert as well');
  }
  if (tlsCert !== undefined && tlsKey === undefined) {
    throw new UsageError('--tls-cert needs --tls-key as well');
  }
}

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * Sets the variables of the file that the environment does not have. `process.loadEnvFile` is not
 * used: it loses the first variable behind a byte order mark, and reports a file that it may not
 * read as missing.
 */
async function loadEnvFile(path: string): Promise<void> {
  const text = (await readFile(path, 'utf8')).replace(BYTE_ORDER_MARK, '');
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value;
}
