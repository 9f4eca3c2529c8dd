/** Reads the certificate and its private key from files, at the start and at each SIGHUP. */
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { reasonOf } from '../../errors.ts';
import { checkedTls, type TlsOptions } from '../../http/tls.ts';
import { attempt, CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';

export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
}

/** The option at the start of a message of `checkedTls`. */
const OPTION = /^"(cert|key)" /;

/**
 * Reads and checks both files. Warns of a certificate that is not valid now.
 * @throws CommandError if a file cannot be read, or the server cannot use the certificate and the
 *   key
 */
export async function readTls(paths: TlsPaths, log: Log): Promise<TlsOptions> {
  const pair = {
    cert: await readPem('--tls-cert', paths.cert),
    key: await readPem('--tls-key', paths.key),
  };
  try {
    const tls = checkedTls(pair);
    warnOfTimes(tls, paths.cert, log);
    return tls;
  } catch (error) {
    throw new CommandError(problemOf(error, paths), { cause: error });
  }
}

const BUN_PROBLEM = 'TLS does not work in Bun: serve behind a TLS proxy, or use Node';

/** @returns the message of `checkedTls`, with the flag and the path of the file in question */
function problemOf(error: unknown, { cert, key }: TlsPaths): string {
  const ofCert = `--tls-cert: ${cert}`;
  const ofKey = `--tls-key: ${key}`;
  const reason = reasonOf(error);
  const [start = '', option] = OPTION.exec(reason) ?? [];
  if (option === undefined) {
    // Bun lacks some of the settings of TLS, and its error seems to be about the certificate.
    if ('bun' in process.versions) return BUN_PROBLEM;
    return `${ofCert}, ${ofKey}: ${reason}`;
  }
  return `${option === 'cert' ? ofCert : ofKey}: ${reason.slice(start.length)}`;
}

function readPem(flag: string, path: string): Promise<Buffer> {
  return attempt(flag, 'Name a file in PEM that the server can read.', async () => {
    // A pipe might never end, and could not be read again at SIGHUP.
    if (!(await stat(path)).isFile()) throw new Error(`${path} is not a regular file`);
    return readFile(path);
  });
}

/** Clients refuse such a certificate, but a clock may be wrong, and a test may need it. */
function warnOfTimes({ cert }: TlsOptions, path: string, log: Log): void {
  const { validFrom, validTo } = new X509Certificate(cert);
  const now = Date.now();
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  const consequence = 'clients will refuse it, unless the clock of this machine is wrong';
  if (to.getTime() < now) {
    log('warning', `--tls-cert: ${path} expired on ${to.toISOString()}: ${consequence}`);
  }
  if (from.getTime() > now) {
    const start = from.toISOString();
    log('warning', `--tls-cert: ${path} is not valid before ${start}: ${consequence}`);
  }
}
