/** The flags of `latchkey serve`: for each its help, its default and the values that it accepts. */
import {
  oneOf,
  parseArguments,
  readFlags,
  someText,
  textOfFlag,
  wholeNumber,
  type Environment,
  type Flags,
  type Kind,
  type Positionals,
  type Source,
} from '../arguments.ts';
import { UsageError } from '../command-errors.ts';
import { helpOf, helpRow } from '../help-text.ts';
import { textLog, type Log } from '../log.ts';
import { ENVIRONMENT_FLAG, environmentOf, leewayFlag } from '../shared-flags.ts';
import { storeKind, type StoreChoice } from '../stores/store-choice.ts';
import {
  checkSocket,
  CONNECTION_FLAGS,
  listenVariables,
  type ConnectionConfig,
} from './connection-flags.ts';
import { originList } from './cors-flag.ts';
import {
  sessionConfigOf,
  SESSION_FLAG_GROUP,
  SESSION_FLAGS,
  type SessionConfig,
} from './session-flags.ts';

/** The configuration of `latchkey serve`. */
export interface ServeConfig extends SessionConfig, ConnectionConfig {
  readonly host: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
  /** The number of reverse proxies in front that append to X-Forwarded-For. */
  readonly trustProxy: number;
  /** The path of the certificate. It is given if and only if `tlsKey` is. */
  readonly tlsCert: string | undefined;
  /** The path of the private key. */
  readonly tlsKey: string | undefined;
  /** The folder of the files of users and sessions, and of the secret. */
  readonly data: string;
  readonly users: StoreChoice;
  readonly lifetimeSeconds: number;
  readonly leewaySeconds: number;
  /** In code points. */
  readonly minPasswordLength: number;
  readonly commonPasswords: 'refuse' | 'allow';
  /** log2 of scrypt's N. */
  readonly scryptCost: number;
  readonly throttle: 'on' | 'off';
  readonly maxConnections: number;
  /** Whether `GET /` is a page on which a person can try the routes. */
  readonly page: 'on' | 'off';
  /** The origins of pages whose scripts may read the replies; undefined for none. */
  readonly cors: readonly string[] | undefined;
  readonly log: 'none' | 'json';
  /** The path of a file with lines `NAME=value`. */
  readonly environmentFile: string | undefined;
}

/** The configuration, and where some of it comes from. */
export interface SourcedServeConfig extends ServeConfig {
  /** The flag, the variable or the default that decides the host. */
  readonly hostSource: Source;
  readonly portSource: Source;
  /** All variables, also HOST and PORT beside `--socket`. LATCHKEY_SECRET is read from it. */
  readonly environment: Environment;
}

const HOST_IN_BRACKETS = /^\[(.*)\]$/;

const hostKind: Kind<string> = {
  placeholder: '<address>',
  expected: 'an address or a host name',
  parse: (text) => text.replace(HOST_IN_BRACKETS, '$1') || undefined,
};

const pemFile: Kind<string> = someText('<file>', 'a file in PEM');

const STORAGE_GROUP = 'Storage of users and sessions';
const OPERATION_GROUP = 'Log and environment';

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
  ...CONNECTION_FLAGS,
  trustProxy: {
    name: '--trust-proxy',
    group: 'Listening',
    help: 'trusted proxies, for X-Forwarded-For',
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
    help: 'key of the certificate (PEM); SIGHUP reloads both',
    kind: pemFile,
  },
  data: {
    name: '--data',
    group: STORAGE_GROUP,
    help: 'folder, made if missing',
    kind: someText('<folder>', 'a folder'),
    defaultText: './latchkey-data',
  },
  users: {
    name: '--users',
    group: STORAGE_GROUP,
    help: 'store; <URL> begins with postgres://',
    kind: storeKind,
    defaultText: 'file',
  },
  lifetimeSeconds: {
    name: '--lifetime',
    group: SESSION_FLAG_GROUP,
    help: 'token lifetime in seconds',
    kind: wholeNumber('<seconds>', 1, 1_000_000_000),
    defaultText: '3000',
  },
  leewaySeconds: leewayFlag(SESSION_FLAG_GROUP, 'seconds by which clocks may differ'),
  ...SESSION_FLAGS,
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
    help: 'each step doubles time and memory',
    kind: wholeNumber('<log2 N>', 1, 20),
    defaultText: '17',
  },
  throttle: {
    name: '--throttle',
    group: 'Limits',
    help: 'limit password guesses and signups',
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
  page: {
    name: '--page',
    group: 'Browsers',
    help: 'serve a page at / to try the routes',
    kind: oneOf('on', 'off'),
    defaultText: 'off',
  },
  cors: {
    name: '--cors',
    group: 'Browsers',
    help: 'origins of web pages that may call this server',
    kind: originList,
  },
  log: {
    name: '--log',
    group: OPERATION_GROUP,
    help: 'json: all events to stderr, as JSON',
    kind: oneOf('none', 'json'),
    defaultText: 'none',
  },
  environmentFile: {
    ...ENVIRONMENT_FLAG,
    // Node 20 takes a flag of this name for itself, also behind the script.
    formerName: '--env-file',
    group: OPERATION_GROUP,
    help: 'file of NAME=value lines; the environment wins',
  },
};

const SECRET_ROW = helpRow(
  'LATCHKEY_SECRET',
  'secrets, one per line: the first signs, all verify',
  'default: file "secret" in --data',
);

const PASSWORD_ROW = helpRow('PGPASSWORD', 'password of the database, not in the URL');

export const SERVE_HELP: string = `Usage: latchkey serve [options]

Run the server: POST /signup, /auth, GET /hello, /health and, for sessions, GET
/sessions, POST /refresh, /logout, /sessions/end, /password, /account/remove.
Flags override variables. Warnings and errors go to stderr. Ctrl-C finishes open
requests and stops. For trials, "npm start" in a clone allows weak passwords.

${helpOf(SERVE_FLAGS)}
${SECRET_ROW}
${PASSWORD_ROW}`;

const NO_POSITIONALS: Positionals = {
  count: 0,
  expected: 'flags only, such as --port 4000 (with npm: npm start -- --port 4000)',
};

/**
 * Reads the arguments of `latchkey serve`. If `--environment` is given, first adds the variables of
 * that file to `process.env`.
 * @throws UsageError if an argument or a variable is wrong
 * @throws CommandError if the file cannot be read, or a line of it is wrong
 */
export async function readServeConfig(
  args: readonly string[],
  log: Log = textLog,
): Promise<SourcedServeConfig> {
  const parsed = parseArguments(args, SERVE_FLAGS, NO_POSITIONALS);
  const environment = await environmentOf(parsed, log);
  const variables = listenVariables(environment, parsed);
  const config = readFlags(SERVE_FLAGS, parsed, variables);
  checkTlsPair(config);
  checkSocket(config, parsed);
  const { source: hostSource } = textOfFlag(SERVE_FLAGS.host, parsed, variables);
  const { source: portSource } = textOfFlag(SERVE_FLAGS.port, parsed, variables);
  const sessions = sessionConfigOf(config, parsed);
  return { ...config, ...sessions, hostSource, portSource, environment };
}

function checkTlsPair({ tlsCert, tlsKey }: ServeConfig): void {
  if (tlsCert === undefined && tlsKey !== undefined) {
    throw new UsageError('--tls-key needs --tls-cert as well');
  }
  if (tlsCert !== undefined && tlsKey === undefined) {
    throw new UsageError('--tls-cert needs --tls-key as well');
  }
}
