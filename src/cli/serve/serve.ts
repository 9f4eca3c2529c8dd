/**
 * `latchkey serve`: opens the secrets and the stores, and starts the server.
 * Promise: everything is loaded before the server is announced. A running server reads no code, so
 * an upgrade may replace its files.
 */
import { join } from 'node:path';
import type { AccountsOptions } from '../../accounts/options.ts';
import { PasswordHasher } from '../../accounts/password-hasher.ts';
import { createApp, type App } from '../../app/app.ts';
import { textOfError } from '../../error-text.ts';
import { reasonOf } from '../../errors.ts';
import type { Router } from '../../http/router.ts';
import { listen, type Server } from '../../http/server.ts';
import type { TlsOptions } from '../../http/tls.ts';
import type { LimitCounts } from '../../limits/counts.ts';
import { Sessions } from '../../sessions/sessions.ts';
import { CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';
import { readSecrets } from '../secrets/secret-file.ts';
import { readSecretVariable } from '../secrets/secret-variable.ts';
import { whenUnlocked } from '../stores/lock-wait.ts';
import { openStores, type OpenedStores } from '../stores/stores.ts';
import { readVersion } from '../version.ts';
import type { ServeConfig, SourcedServeConfig } from './flags.ts';
import type { watchHangups } from './hangups.ts';
import { listenProblem } from './listen-errors.ts';
import { startText } from './serve-start.ts';
import { stopOnSignals, stopperOf } from './signals.ts';
import type { TlsPaths } from './tls-files.ts';
import { warningsOf } from './warnings.ts';

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
  setHangupActions: ReturnType<typeof watchHangups>,
): Promise<void> {
  const { data } = config;
  const tlsPaths = tlsPathsOf(config);
  const certificate = tlsPaths && await readCertificate(tlsPaths, log);
  const secretPath = join(data, 'secret');
  const secretVariable = await readSecretVariable(config.environment, log);
  const secrets = secretVariable ?? await readSecrets(secretPath, log);
  const secretFile = secretVariable === undefined ? secretPath : undefined;
  const version = await readVersion();
  const hasSessions = config.sessions !== 'off';
  const stores = await whenUnlocked(() => {
    const hasLimits = config.throttle === 'on';
    return openStores({ users: config.users, hasSessions, hasLimits, data }, log);
  }, explainLock);
  const accounts = accountsOf(config, stores);
  let server: Server | undefined;
  let administration: Promise<() => Promise<void>> | undefined;
  let isClosing = false;
  const close = async () => {
    isClosing = true;
    // At once, because each waits for its requests in flight.
    try {
      await Promise.all([server?.close(), administration?.then((stop) => stop())]);
    } finally {
      await stores.close();
    }
  };
  try {
    const app = appOf(config, secrets.texts, accounts, stores.counts, log);
    const listening = await start(app, config, certificate);
    server = listening;
    // Clients are served from here on, so they do not wait for what only operators need.
    if (config.users === 'file') administration = startAdministration(accounts, data, log);
    const stop = stopperOf(close, log);
    const onStopSignal = stopOnSignals(stop);
    void stores.lost?.then(({ cause }) => stop(reasonOf(cause), true));
    await administration;
    const { reload } = await import('./reload.ts');
    // A signal has come meanwhile.
    if (isClosing) return;
    setHangupActions({
      reload: () => reload({ auth: app.auth, secretFile, server: listening, tlsPaths }, log),
      stop: () => onStopSignal('SIGHUP'),
    });
    const places = { version, stores: stores.summary, secrets: secrets.summary };
    announce(listening.url, places, config, log);
  } catch (error) {
    await close();
    throw error;
  }
}

function explainLock(locked: Error): CommandError {
  const holder = 'It is another server of this folder, or a "latchkey users" that still runs';
  return new CommandError(`${reasonOf(locked)}. ${holder}.`, { cause: locked });
}

/** Tells the operator and the log that the server listens, and what weakens it. */
function announce(
  url: string,
  places: { readonly version: string; readonly stores: string; readonly secrets: string },
  config: SourcedServeConfig,
  log: Log,
): void {
  for (const warning of warningsOf(config, url)) log('warning', warning);
  log('start', `listens on ${url}`, { url, ...places });
  console.log(startText({
    url,
    socket: config.socket,
    places: `${places.stores}, ${places.secrets}`,
    page: config.page === 'on',
    minPasswordLength: config.minPasswordLength,
    isTerminal: process.stdout.isTTY,
  }));
}

function tlsPathsOf({ tlsCert, tlsKey }: ServeConfig): TlsPaths | undefined {
  return tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined;
}

/** Loads the code for TLS, which most starts do not need. */
async function readCertificate(paths: TlsPaths, log: Log): Promise<TlsOptions> {
  const { readTls } = await import('./tls-files.ts');
  return readTls(paths, log);
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

/**
 * Loads the administration, and starts it.
 * @returns a function that stops it, to be called before the stores are closed
 */
async function startAdministration(
  accounts: SharedAccounts,
  data: string,
  log: Log,
): Promise<() => Promise<void>> {
  const { actionLog, serveAdministration } = await import('../administration/administration.ts');
  const { IdleSessions } = await import('../administration/idle-sessions.ts');
  const { StoreAdministration } = await import('../administration/store-administration.ts');
  const idleSessions = new IdleSessions(data, log);
  const administration = new StoreAdministration({
    ...accounts,
    openIdleSessions: () => idleSessions.open(),
    onAction: actionLog(log),
  });
  const stop = await serveAdministration(data, administration, log);
  return async () => {
    await stop?.();
    await idleSessions.close();
  };
}

function appOf(
  config: ServeConfig,
  secrets: readonly string[],
  accounts: SharedAccounts,
  counts: LimitCounts | undefined,
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
    limits: config.throttle === 'on' && { ...(counts && { counts }) },
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
