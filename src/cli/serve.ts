/** `latchkey serve`: opens the secrets and the stores, and starts the server. */
import { join } from 'node:path';
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { createApp } from '../app/app.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf } from '../errors.ts';
import type { Router } from '../http/router.ts';
import { listen, type Server } from '../http/server.ts';
import type { TlsOptions } from '../http/tls.ts';
import { Sessions } from '../sessions/sessions.ts';
import { CommandError } from './command-errors.ts';
import { curlTarget } from './curl-target.ts';
import type { ServeConfig, SourcedServeConfig } from './flags.ts';
import { listenProblem } from './listen-errors.ts';
import { startJsonLog, textLog, type Log } from './log.ts';
import { readSecrets } from './secret-file.ts';
import { readSecretVariable } from './secret-variable.ts';
import { stopOnSignal, stopperOf } from './signals.ts';
import { openStores, type OpenedStores } from './stores.ts';
import { readTls, reloadTlsOnSignal, type TlsPaths } from './tls-files.ts';
import { warningsOf } from './warnings.ts';

/** A terminal that closes sends SIGHUP. With TLS, SIGHUP reloads the certificate instead. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const STOP_SIGNALS_WITH_TLS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Starts the server. It runs until a signal or the loss of one of its files stops it.
 * @throws Error if it cannot start
 */
export async function serve(config: SourcedServeConfig): Promise<void> {
  const { data } = config;
  const log = config.log === 'json' ? startJsonLog() : textLog;
  const tlsPaths = tlsPathsOf(config);
  // A renewal of the certificate may send SIGHUP during a slow start.
  const reloadFrom = tlsPaths && reloadTlsOnSignal(tlsPaths, log);
  const certificate = tlsPaths && await readTls(tlsPaths, log);
  const secrets = await readSecretVariable(config.environment, log)
    ?? await readSecrets(join(data, 'secret'), log);
  const hasSessions = config.sessions !== 'off';
  const stores = await openStores({ users: config.users, hasSessions, data }, log);
  try {
    const server = await start(appOf(config, secrets.texts, stores, log), config, certificate);
    const stop = stopperOf(async () => {
      await server.close();
      await stores.close();
    }, log);
    stopOnSignal(tlsPaths === undefined ? STOP_SIGNALS : STOP_SIGNALS_WITH_TLS, stop);
    void stores.lost?.then(({ cause }) => stop(`the server stops: ${reasonOf(cause)}`));
    reloadFrom?.(server);
    for (const warning of warningsOf(config, server.url)) log('warning', warning);
    const places = `${stores.summary}, ${secrets.summary}`;
    // A browser cannot open a Unix socket.
    const invitation = config.page === 'on' && config.socket === undefined
      ? `Open ${server.url}/ in a browser, or try it:`
      : 'Try it:';
    console.log(`latchkey listens on ${server.url}, ${places}. ${invitation}\n`);
    console.log(curlLines(curlTarget(server.url, config.socket), config.minPasswordLength));
  } catch (error) {
    await stores.close();
    throw error;
  }
}

function tlsPathsOf({ tlsCert, tlsKey }: ServeConfig): TlsPaths | undefined {
  return tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined;
}

function appOf(
  config: ServeConfig,
  secrets: readonly string[],
  { users, sessions: store }: OpenedStores,
  log: Log,
): Router {
  const { lifetimeSeconds, leewaySeconds, minPasswordLength, trustProxy, cors } = config;
  const sessions = store && new Sessions({
    store,
    idleSeconds: config.sessionIdleSeconds,
    maxSeconds: config.sessionMaxSeconds,
    isRequired: config.sessions === 'required',
  });
  return createApp({
    secret: secrets,
    users,
    ...(sessions && { sessions }),
    passwords: new PasswordHasher({ logN: config.scryptCost }),
    lifetimeSeconds,
    leewaySeconds,
    minPasswordLength,
    trustProxy,
    page: config.page === 'on',
    ...(cors && { cors }),
    limits: config.throttle === 'on' ? {} : false,
    ...(config.commonPasswords === 'allow' && { isForbidden: () => false }),
    onError: (error) => log('error', textOfError(error)),
  });
}

/** @throws CommandError if the server cannot listen */
async function start(
  app: Router,
  config: SourcedServeConfig,
  tls: TlsOptions | undefined,
): Promise<Server> {
  const { host, port, socket, maxConnections, keepAliveSeconds } = config;
  const place = socket === undefined ? { host, port } : { path: socket };
  try {
    return await listen(app, { ...place, maxConnections, keepAliveSeconds, ...(tls && { tls }) });
  } catch (error) {
    throw new CommandError(listenProblem(error, config), { cause: error });
  }
}

/**
 * @param target what curl needs before the path of a route
 * @returns lines to paste into a shell, with a password that the server accepts. `tee` shows the
 *   answer to the login. If it is a refusal, `sed` prints nothing, so TOKEN is empty, and the shell
 *   does not run the command that needs a token.
 */
function curlLines(target: string, minPasswordLength: number): string {
  const body = `{"username":"joe","password":"${examplePassword(minPasswordLength)}"}`;
  return `  JSON='Content-Type: application/json' BODY='${body}'
  curl ${target}/signup -H "$JSON" -d "$BODY"
  TOKEN=$(curl -sS ${target}/auth -H "$JSON" -d "$BODY" |
    tee /dev/stderr | sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p')
  curl ${target}/hello -H "Authorization: JWT \${TOKEN:?no token}"
  curl -i ${target}/hello`;
}

/**
 * @returns a password that the server accepts. It has a space, which no common password has, and no
 *   quotation mark, which would end the string in the shell.
 */
function examplePassword(minLength: number): string {
  const short = 'correct horse';
  const password = minLength > short.length ? `${short} battery staple` : short;
  return password.padEnd(minLength, 'staple');
}
