/** Reads the certificate and its private key from files, at the start and at each SIGHUP. */
import { readFile } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';
import type { Server } from '../http/server.ts';
import { checkedTls, type TlsOptions } from '../http/tls.ts';
import { attempt } from './command-errors.ts';
import type { Log } from './log.ts';

export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
}

/** @throws CommandError if a file cannot be read, or the key does not belong to the certificate */
export async function readTls(paths: TlsPaths): Promise<TlsOptions> {
  const read = (flag: string, path: string) => {
    return attempt(flag, 'Name a file in PEM that the server can read.', () => readFile(path));
  };
  const pair = {
    cert: await read('--tls-cert', paths.cert),
    key: await read('--tls-key', paths.key),
  };
  const remedy = 'Name a certificate and its private key, in PEM.';
  return attempt('--tls-cert, --tls-key', remedy, () => checkedTls(pair));
}

/**
 * Reloads the files at each SIGHUP. From then on new connections get the new certificate. If
 * `readTls` refuses the files, the server keeps the old certificate.
 */
export function reloadTlsOnSignal(server: Server, paths: TlsPaths, log: Log): void {
  process.on('SIGHUP', async () => {
    try {
      server.renewTls(await readTls(paths));
      log('tls', 'the certificate was reloaded');
    } catch (error) {
      log('error', `the old certificate stays in use: ${reasonOf(error)}`);
    }
  });
}
