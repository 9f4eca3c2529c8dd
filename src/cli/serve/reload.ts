/**
 * Reads the secrets, the certificate and the key of a running server again.
 * Promise: if a file cannot be used, the server goes on with what it has, and logs an error. A
 * wrong secret file does not keep it from renewing the certificate and its key, nor the other way
 * round.
 */
import { reasonOf } from '../../errors.ts';
import type { App } from '../../app/app.ts';
import type { Server } from '../../http/server.ts';
import type { Log } from '../log.ts';
import { rereadSecrets } from '../secrets/secret-file.ts';
import { readTls, type TlsPaths } from './tls-files.ts';

/** The files to read, and the objects that get their contents. */
export interface Renewable {
  readonly auth: Pick<App['auth'], 'renewSecret'>;
  /** Undefined if the secrets come from LATCHKEY_SECRET. */
  readonly secretFile: string | undefined;
  readonly server: Pick<Server, 'renewTls'>;
  /** Undefined without TLS. The certificate and its key are renewed together or not at all. */
  readonly tlsPaths: TlsPaths | undefined;
}

/** Renews what it can. It logs each success and each failure, and never rejects. */
export async function reload(
  { auth, secretFile, server, tlsPaths }: Renewable,
  log: Log,
): Promise<void> {
  try {
    await renewSecrets(auth, secretFile, log);
  } catch (error) {
    log('error', `the old secret stays in use: ${reasonOf(error)}`);
  }
  if (tlsPaths === undefined) return;
  try {
    server.renewTls(await readTls(tlsPaths, log));
    log('tls', 'the certificate was reloaded');
  } catch (error) {
    log('error', `the old certificate stays in use: ${reasonOf(error)}`);
  }
}

async function renewSecrets(
  auth: Renewable['auth'],
  path: string | undefined,
  log: Log,
): Promise<void> {
  if (path === undefined) {
    const reason = 'LATCHKEY_SECRET is read at the start, so only a restart can change it';
    log('reload', `the secret stays in use: ${reason}`);
    return;
  }
  const secrets = await rereadSecrets(path, log);
  auth.renewSecret(secrets);
  const note = secrets.length === 1 ? '' : ', of which the first signs';
  log('reload', `the secrets were reloaded: ${secrets.length} in ${path}${note}`);
}
