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
import type { ServeConfig, SourcedServeConfig } from './flags.ts';
import { listenProblem } from './listen-errors.ts';
import type { Log } from './log.ts';
import { readSecrets } from './secret-file.ts';
import { readSecretVariable } from './secret-variable.ts';
import { startText } from './serve-start.ts';
import { stopOnSignal, stopperOf } from './signals.ts';
import { openStores, type OpenedStores } from './stores.ts';
import { readTls, reloadTlsOnSignal, type TlsPaths } from './tls-files.ts';
import { readVersion } from './version.ts';
import { warningsOf } from './warnings.ts';

/** A terminal that closes sends SIGHUP. With TLS, SIGHUP reloads the certificate instead. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const STOP_SIGNALS_WITH_TLS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Starts the server. It runs until a signal or the loss of one of its files stops it.
 * @throws Error if it cannot start
 */
export async function serve(config: SourcedServeConfig, log: Log): Promise<void> {
  const { data } = config;
  const tlsPaths = tlsPathsOf(config);
  // A renewal of the certificate may send SIGHUP during a slow start.
  const reloadFrom = tlsPaths && reloadTlsOnSignal(tlsPaths, log);
  const certificate = tlsPaths && await readTls(tlsPaths, log);
  const secrets = await readSecretVariable(config.environment, log)
    ?? await readSecrets(join(data, 'secret'), log);
  const version = await readVersion();
  const hasSessions = config.sessions !== 'off';
  const stores = await openStores({ users: config.users, hasSessions, data }, log);
  try {
    const server = await start(appOf(config, secrets.texts, stores, log), config, certificate);
    const stop = stopperOf(async () => {
      await server.close();
      await stores.close();
    }, log);
    stopOnSignal(tlsPaths === undefined ? STOP_SIGNALS : STOP_SIGNALS_WITH_TLS, stop);
    void stores.lost?.then(({ cause }) => stop(reasonOf(cause), true));
    reloadFrom?.(server);
    for (const warning of warningsOf(config, server.url)) log('warning', warning);
    const { url } = server;
    const places = { stores: stores.summary, secrets: secrets.summary };
    log('start', `listens on ${url}`, { url, version, ...places });
    console.log(startText({
      url,
      places: `${places.stores}, ${places.secrets}`,
      hasPage: config.page === 'on',
      minPasswordLength: config.minPasswordLength,
      isTerminal: process.stdout.isTTY,
    }));
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
  const { host, port, maxConnections } = config;
  try {
    return await listen(app, { host, port, maxConnections, ...(tls && { tls }) });
  } catch (error) {
    throw new CommandError(listenProblem(error, config), { cause: error });
  }
}
