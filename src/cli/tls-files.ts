/** The certificate and its key, read from files at the start and again at each SIGHUP. */
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

/** @throws Error if a file cannot be read, or if the key does not belong to the certificate */
export async function readTls(paths: TlsPaths): Promise<TlsOptions> {
  const read = (flag: string, path: string) => {
    return attempt(flag, () => readFile(path), 'name a file in PEM');
  };
  const pair = {
    cert: await read('--tls-cert', paths.cert),
    key: await read('--tls-key', paths.key),
  };
  const remedy = 'name a certificate and its key, in PEM';
  return attempt('--tls-cert, --tls-key', () => checkedTls(pair), remedy);
}

/**
 * At SIGHUP new connections get the new certificate. If it cannot be read, or does not fit its key,
 * the old one stays.
 */
export function renewTlsOnSignal(server: Server, paths: TlsPaths, log: Log): void {
  process.on('SIGHUP', async () => {
    try {
      server.renewTls(await readTls(paths));
      log('tls', 'the certificate was reloaded');
    } catch (error) {
      log('error', `the old certificate stays in use: ${reasonOf(error)}`);
    }
  });
}
