/**
 * `latchkey serve`: opens the secrets and the stores, and starts the server.
 * Promise: everything is loaded before the server is announced. A running server reads no code, so
 * an upgrade may replace its files.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AccountsOptions } from '../../accounts/options.ts';
import { PasswordHasher } from '../../accounts/password-hasher.ts';
import { createApp, type App } from '../../app/app.ts';
import { reasonOf } from '../../errors.ts';
import type { Router } from '../../http/router.ts';
import { listen, type Server } from '../../http/server.ts';
import type { TlsOptions } from '../../http/tls.ts';
import { ignoreFailure } from '../../journal/system-errors.ts';
import type { LimitCounts } from '../../limits/counts.ts';
import { Sessions } from '../../sessions/sessions.ts';
import { CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';
import { readSecrets } from '../secrets/secret-file.ts';
import { readSecretVariable } from '../secrets/secret-variable.ts';
import { whenUnlocked } from '../stores/lock-wait.ts';
import { errorLog } from '../stores/store-errors.ts';
import { openStores, type OpenedStores } from '../stores/stores.ts';
import { readVersion } from '../version.ts';
import type { ServeConfig, SourcedServeConfig } from './flags.ts';
import type { SetHangupActions } from './hangups.ts';
import { listenProblem } from './listen-errors.ts';
import { startText } from './serve-start.ts';
import { stopOnSignals, stopperOf } from './signals.ts';
import type { TlsPaths } from './tls-files.ts';
import { warningsOf } from './warnings.ts';

/** The options of `Accounts` that the application and the administration share, with one hasher. */
type SharedAccounts = Omit<AccountsOptions, 'limits'>;

/**
 * How long a signal waits for a start that is under way. Then the process ends all the same: its
 * locks stay, and the next start removes them.
 */
const MAX_START_MS = 2_000;

/**
 * Starts the server. It runs until a signal or the loss of one of its files stops it. A signal that
 * comes before it listens stops it too. It leaves no lock, unless the start goes on for more than
 * two seconds after the signal.
 * @param setHangupActions see `watchHangups`
 * @throws Error if it cannot start
 */
export async function serve(
  config: SourcedServeConfig,
  log: Log,
  setHangupActions: SetHangupActions,
): Promise<void> {
  const { data } = config;
  const tlsPaths = tlsPathsOf(config);
  const certificate = tlsPaths && await readCertificate(tlsPaths, log);
  const secretPath = join(data, 'secret');
  const secretVariable = await readSecretVariable(config.environment, log);
  const secrets = secretVariable ?? await readSecrets(secretPath, log);
  const secretFile = secretVariable === undefined ? secretPath : undefined;
  const version = await readVersion();
  const starting = openAndListen(config, secrets.texts, certificate, log);
  let administration: Promise<() => Promise<void>> | undefined;
  let isClosing = false;
  const close = async () => {
    isClosing = true;
    const started = await Promise.race([starting.catch(ignoreFailure), delay(MAX_START_MS)]);
    if (started === undefined) return;
    // Both at the same time, because each waits for its requests in flight. Both need the stores.
    const ends = await Promise.allSettled([
      started.server.close(),
      administration?.then((stop) => stop()),
    ]);
    await started.stores.close();
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };
  const stop = stopperOf(close, log);
  const onStopSignal = stopOnSignals(stop);
  const onLostTerminal = () => onStopSignal('SIGHUP');
  setHangupActions({ stop: onLostTerminal });
  // Clients are served from here on, so they do not wait for what only operators need.
  const started = await starting.catch((error: unknown) => {
    if (!isClosing) throw error;
  });
  // A signal that has come meanwhile ends the process.
  if (started === undefined || isClosing) return;
  const { server, stores, app, accounts } = started;
  try {
    void stores.lost?.then(({ cause }) => stop(reasonOf(cause), true));
    if (config.users === 'file') administration = startAdministration(accounts, data, log);
    await administration;
    const { reload } = await import('./reload.ts');
    if (isClosing) return;
    setHangupActions({
      stop: onLostTerminal,
      reload: () => reload({ auth: app.auth, secretFile, server, tlsPaths }, log),
    });
    const places = { version, stores: stores.summary, secrets: secrets.summary };
    announce(server.url, places, config, log);
  } catch (error) {
    if (isClosing) return;
    await close().catch(ignoreFailure);
    throw error;
  }
}

/** What a server consists of once clients can reach it. */
interface Started {
  readonly stores: OpenedStores;
  readonly accounts: SharedAccounts;
  readonly app: App;
  readonly server: Server;
}

/** @throws CommandError or AuthError if the server cannot start; then no store stays open */
async function openAndListen(
  config: SourcedServeConfig,
  secrets: readonly string[],
  certificate: TlsOptions | undefined,
  log: Log,
): Promise<Started> {
  const { users, data } = config;
  const hasSessions = config.sessions !== 'off';
  const hasLimits = config.throttle === 'on';
  const stores = await whenUnlocked(() => {
    return openStores({ users, hasSessions, hasLimits, data }, log);
  }, explainLock);
  try {
    const accounts = accountsOf(config, stores);
    const app = appOf(config, secrets, accounts, stores.counts, log);
    return { stores, accounts, app, server: await start(app, config, certificate) };
  } catch (error) {
    await stores.close();
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
    onError: errorLog(log, config.users),
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
