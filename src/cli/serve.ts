/** `latchkey serve`: opens the secrets and the users, and serves them until it is stopped. */
import { join } from 'node:path';
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { createApp } from '../app.ts';
import { textOfError } from '../error-text.ts';
import { reasonOf, type AuthError } from '../errors.ts';
import type { Router } from '../http/router.ts';
import { listen, type Server } from '../http/server.ts';
import { attempt } from './command-errors.ts';
import type { ServeConfig } from './flags.ts';
import { logAsJson, logAsText, type Log } from './log.ts';
import { readSecrets } from './secret-file.ts';
import { stopOnce, stopOnSignal } from './signals.ts';
import { readTls, renewTlsOnSignal, type TlsPaths } from './tls-files.ts';
import { openUsers, type OpenUsers } from './user-store.ts';

/** N = 2^17 is OWASP's first choice for scrypt. */
const SAFE_SCRYPT_COST = 17;

const LOOPBACK_URL = /^http:\/\/(127\.|\[::1\])/;

/** A terminal that closes sends SIGHUP. With TLS, SIGHUP reloads the certificate instead. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const STOP_SIGNALS_WITH_TLS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Starts the server, which then runs until a signal, or the loss of its user file, stops it.
 * @throws Error if it cannot start
 */
export async function serve(config: ServeConfig): Promise<void> {
  const { data, scryptCost } = config;
  const log = config.log === 'json' ? logAsJson() : logAsText;
  const tlsPaths = tlsPathsOf(config);
  const tls = tlsPaths && await readTls(tlsPaths);
  if (scryptCost < SAFE_SCRYPT_COST) {
    const problem = `--scrypt-cost ${scryptCost} makes stolen hashes easy to guess`;
    log('warning', `${problem}: use ${SAFE_SCRYPT_COST} or more`);
  }
  const secrets = await readSecrets(join(data, 'secret'), process.env['LATCHKEY_SECRET'], log);
  const users = await openUsers(config.users, join(data, 'users.jsonl'), log);
  try {
    const app = appOf(config, secrets.texts, users, log);
    const { host, port, maxConnections } = config;
    const start = () => listen(app, { host, port, maxConnections, ...(tls && { tls }) });
    const server = await attempt('cannot listen', start, 'use another --port or --host');
    const stop = stopperOf(server, users, log);
    stopOnSignal(tlsPaths === undefined ? STOP_SIGNALS : STOP_SIGNALS_WITH_TLS, stop);
    if (tlsPaths !== undefined) {
      renewTlsOnSignal(server, tlsPaths, log);
    } else if (!LOOPBACK_URL.test(server.url)) {
      const remedy = 'use --tls-cert and --tls-key, or a TLS proxy in front';
      log('warning', `plain HTTP shows passwords to the network: ${remedy}`);
    }
    console.log(
      `latchkey listens on ${server.url}, users ${users.place}, ${secrets.place}. Try it:\n`,
    );
    console.log(curlLines(server.url, config.minPasswordLength));
  } catch (error) {
    await users.close();
    throw error;
  }
}

function tlsPathsOf({ tlsCert, tlsKey }: ServeConfig): TlsPaths | undefined {
  return tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined;
}

function appOf(
  config: ServeConfig,
  secret: readonly string[],
  { users }: OpenUsers,
  log: Log,
): Router {
  const { lifetimeSeconds, minPasswordLength, trustProxy } = config;
  return createApp({
    secret,
    users,
    passwords: new PasswordHasher({ logN: config.scryptCost }),
    lifetimeSeconds,
    minPasswordLength,
    trustProxy,
    limits: config.throttle === 'on' ? {} : false,
    ...(config.commonPasswords === 'allow' && { isForbidden: () => false }),
    onError: (error) => log('error', textOfError(error)),
  });
}

/** @returns what stops the server. The loss of the user file stops it too, with exit code 1. */
function stopperOf(server: Server, { close, lost }: OpenUsers, log: Log): () => void {
  const fail = (detail: string) => {
    log('error', detail);
    process.exitCode = 1;
  };
  const closeAll = async () => {
    await server.close();
    await close();
  };
  const stop = stopOnce(closeAll, (error) => fail(reasonOf(error)));
  const stopLost = (error: AuthError) => {
    fail(`the server stops: ${reasonOf(error.cause)}`);
    stop();
  };
  void lost?.then(stopLost);
  return stop;
}

/** @returns four commands to paste into a shell, with a password that the server accepts */
export function curlLines(url: string, minPasswordLength: number): string {
  const json = "-H 'Content-Type: application/json'";
  const body = `-d '{"username":"joe","password":"${examplePassword(minPasswordLength)}"}'`;
  return `  curl ${url}/signup ${json} ${body}
  TOKEN=$(curl -s ${url}/auth ${json} ${body} | cut -d '"' -f 4)
  curl ${url}/hello -H "Authorization: JWT $TOKEN"
  curl -i ${url}/hello`;
}

/** It has a space, which no common password has, and nothing that single quotes do not hold. */
function examplePassword(minLength: number): string {
  const short = 'correct horse';
  const password = minLength > short.length ? `${short} battery staple` : short;
  return password.padEnd(minLength, 'staple');
}
