/** `latchkey serve`: opens the secrets and the stores, and starts the server. */
import { join } from 'node:path';
import type { AccountsOptions } from '../accounts/options.ts';
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { createApp, type App } from '../app/app.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf } from '../errors.ts';
import type { Router } from '../http/router.ts';
import { listen, type Server } from '../http/server.ts';
import type { TlsOptions } from '../http/tls.ts';
import { Sessions } from '../sessions/sessions.ts';
import { actionLog, serveAdministration } from './administration.ts';
import { CommandError } from './command-errors.ts';
import { curlTarget } from './curl-target.ts';
import type { ServeConfig, SourcedServeConfig } from './flags.ts';
import type { SetHangupActions } from './hangups.ts';
import { IdleSessions } from './idle-sessions.ts';
import { listenProblem } from './listen-errors.ts';
import { whenUnlocked } from './lock-wait.ts';
import type { Log } from './log.ts';
import { reload } from './reload.ts';
import { readSecrets } from './secret-file.ts';
import { readSecretVariable } from './secret-variable.ts';
import { startText } from './serve-start.ts';
import { stopOnSignal, stopperOf } from './signals.ts';
import { StoreAdministration } from './store-administration.ts';
import { openStores, type OpenedStores } from './stores.ts';
import { readTls, type TlsPaths } from './tls-files.ts';
import { readVersion } from './version.ts';
import { warningsOf } from './warnings.ts';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Options of both the application and the administration. They share one queue for hashes. */
type SharedAccounts = Omit<AccountsOptions, 'limits'>;

/**
 * Starts the server. It runs until a signal or the loss of one of its files stops it.
 * @param setHangupActions called once the server listens
 * @throws Error if it cannot start
 */
export async function serve(
  config: SourcedServeConfig,
  log: Log,
  setHangupActions: SetHangupActions,
): Promise<void> {
  const { data } = config;
  const tlsPaths = tlsPathsOf(config);
  const certificate = tlsPaths && await readTls(tlsPaths, log);
  const secretPath = join(data, 'secret');
  const secretVariable = await readSecretVariable(config.environment, log);
  const secrets = secretVariable ?? await readSecrets(secretPath, log);
  const secretFile = secretVariable === undefined ? secretPath : undefined;
  const version = await readVersion();
  const hasSessions = config.sessions !== 'off';
  const opened = await whenUnlocked(() => {
    return openStores({ users: config.users, hasSessions, data }, log);
  }, explainLock);
  const accounts = accountsOf(config, opened);
  const stores = config.users === 'file'
    ? await withAdministration(opened, accounts, data, log)
    : opened;
  try {
    const app = appOf(config, secrets.texts, accounts, log);
    const server = await start(app, config, certificate);
    const stop = stopperOf(async () => {
      await server.close();
      await stores.close();
    }, log);
    const onStopSignal = stopOnSignal(STOP_SIGNALS, stop);
    void stores.lost?.then(({ cause }) => stop(reasonOf(cause), true));
    setHangupActions({
      reload: () => reload({ auth: app.auth, secretFile, server, tlsPaths }, log),
      stop: () => onStopSignal('SIGHUP'),
    });
    for (const warning of warningsOf(config, server.url)) log('warning', warning);
    const { url } = server;
    const places = { stores: stores.summary, secrets: secrets.summary };
    log('start', `listens on ${url}`, { url, version, ...places });
    console.log(startText({
      url,
      curlTarget: curlTarget(url, config.socket),
      places: `${places.stores}, ${places.secrets}`,
      // A browser cannot open a Unix socket.
      hasPage: config.page === 'on' && config.socket === undefined,
      minPasswordLength: config.minPasswordLength,
      isTerminal: process.stdout.isTTY,
    }));
  } catch (error) {
    await stores.close();
    throw error;
  }
}

function explainLock(locked: Error): CommandError {
  const holder = 'It is another server of this folder, or a "latchkey users" that still runs';
  return new CommandError(`${reasonOf(locked)}. ${holder}.`, { cause: locked });
}

function tlsPathsOf({ tlsCert, tlsKey }: ServeConfig): TlsPaths | undefined {
  return tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined;
}

function accountsOf(
  config: ServeConfig,
  { users, sessions: store }: OpenedStores,
): SharedAccounts {
  const sessions = store && new Sessions({
    store,
    idleSeconds: config.sessionIdleSeconds,
    maxSeconds: config.sessionMaxSeconds,
    isRequired: config.sessions === 'required',
  });
  return {
    users,
    ...(sessions && { sessions }),
    passwords: new PasswordHasher({ logN: config.scryptCost }),
    minPasswordLength: config.minPasswordLength,
    ...(config.commonPasswords === 'allow' && { isForbidden: () => false }),
  };
}

/** Starts the administration. @returns the stores, with a `close` that first stops it */
async function withAdministration(
  stores: OpenedStores,
  accounts: SharedAccounts,
  data: string,
  log: Log,
): Promise<OpenedStores> {
  const idleSessions = new IdleSessions(data, log);
  const administration = new StoreAdministration({
    ...accounts,
    openIdleSessions: () => idleSessions.open(),
    onAction: actionLog(log),
  });
  const stop = await serveAdministration(data, administration, log);
  return {
    ...stores,
    close: async () => {
      await stop?.();
      try {
        await idleSessions.close();
      } finally {
        await stores.close();
      }
    },
  };
}

function appOf(
  config: ServeConfig,
  secrets: readonly string[],
  accounts: SharedAccounts,
  log: Log,
): App {
  const { lifetimeSeconds, leewaySeconds, trustProxy, cors } = config;
  return createApp({
    ...accounts,
    secret: secrets,
    lifetimeSeconds,
    leewaySeconds,
    trustProxy,
    page: config.page === 'on',
    ...(cors && { cors }),
    limits: config.throttle === 'on' ? {} : false,
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
