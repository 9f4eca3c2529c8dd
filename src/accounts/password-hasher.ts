/**
 * scrypt (RFC 7914) behind a bounded queue.
 * Promise: hashing uses a bounded amount of memory. By default it leaves one thread of libuv's pool
 * for files, if the pool has more than one.
 */
import {
  hashPassword,
  isAffordable,
  needsRehash,
  parse as parseHash,
  verifyPassword,
  type ScryptCost,
} from '../crypto/password.ts';
import { AuthError, isAuthError } from '../errors.ts';
import { integerBetween, readOptions, type Checks } from '../options.ts';
import { networkOf } from '../limits/network.ts';
import { propertyOf } from '../values.ts';
import { defaultConcurrency, WorkQueue } from './work-queue.ts';

/** The cost of new hashes and the bounds of the queue. */
export interface PasswordHasherOptions {
  /**
   * log2 of scrypt's N; 1 to 20, default 17. With r = 8 and p = 1, OWASP's first choice, a run
   * takes 128 MiB and about half a second.
   */
  readonly logN?: number;
  /** scrypt's block size; 1 to 32, default 8. */
  readonly r?: number;
  /** scrypt's parallelisation; 1 to 16, default 1. N·r·p may be up to 2^23. */
  readonly p?: number;
  /**
   * Runs of scrypt at once; 1 to 1024. Default: min(cores, threads of libuv's pool - 1), and at
   * least 1. File operations need a thread of the pool too.
   */
  readonly maxConcurrent?: number;
  /**
   * Runs that wait for their turn; 0 to 100,000. Default: as many as start within about 4 seconds.
   */
  readonly maxQueued?: number;
}

const OPTION_CHECKS: Checks<PasswordHasherOptions> = {
  logN: integerBetween(1, 20, ' (log2 of N)'),
  r: integerBetween(1, 32),
  p: integerBetween(1, 16),
  maxConcurrent: integerBetween(1, 1024),
  maxQueued: integerBetween(0, 100_000),
};

/** N·r·p that one core does in about 4 seconds: 8 runs at the default cost, 2^17·8·1. */
const WORK_IN_FOUR_SECONDS = 2 ** 23;

/**
 * Hashes and verifies passwords. The clients take turns. The jobs of one client run in the order of
 * the calls.
 * @example
 * const passwords = new PasswordHasher();
 * const hash = await passwords.hash(password);
 * console.log(await passwords.verify(password, hash)); // true
 */
export class PasswordHasher {
  readonly #cost: ScryptCost;
  readonly #queue: WorkQueue;

  /**
   * Makes a hasher; without options at the default cost of 128 MiB.
   * @example
   * new PasswordHasher({ logN: 15, p: 3 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: PasswordHasherOptions = {}) {
    const given = readOptions(options, OPTION_CHECKS);
    const { logN = 17, r = 8, p = 1, maxConcurrent = defaultConcurrency() } = given;
    const cost: ScryptCost = { logN, r, p };
    if (!isAffordable(cost)) {
      const expected = '128·N·r·p up to 1 GiB and N below 2^(16·r)';
      throw new RangeError(`"logN" expected ${expected}, got logN ${logN}, r ${r}, p ${p}`);
    }
    const { maxQueued = maxConcurrent * runsInFourSeconds(cost) } = given;
    this.#cost = cost;
    this.#queue = new WorkQueue(maxConcurrent, maxQueued);
  }

  /**
   * Hashes a password, once it is the turn of the client.
   * @param password of at most 1024 UTF-16 code units; normalised to NFC, never trimmed
   * @param signal aborting it takes a waiting job out of the queue; a run that has started goes on
   * @param address of the client. An IPv4 address or an IPv6 /64 is one client of the queue. All
   *   calls without an address are one client too.
   * @returns a PHC string: `$scrypt$ln=17,r=8,p=1$salt$key`
   * @throws TypeError if the password is not a string
   * @throws AuthError ERR_PASSWORD_INVALID for a lone surrogate or NUL; ERR_PASSWORD_TOO_LONG,
   *   ERR_ABORTED; ERR_BUSY if the queue is full, or, with a `cause`, if there is no memory for
   *   scrypt
   */
  hash(password: string, signal?: AbortSignal, address = ''): Promise<string> {
    const job = () =>
      hashPassword(password, this.#cost).catch((error) => explainMemoryError(error, this.#cost));
    return this.#queue.run({ kind: 'hash', client: networkOf(address) }, job, signal);
  }

  /**
   * Verifies a password, once it is the turn of the client.
   * @param password as for `hash`; for a hash of Werkzeug it is not normalised
   * @param stored a PHC scrypt string, or a hash of Werkzeug (Flask). Undefined stands for an
   *   unknown user: a decoy hash is verified, as much work as a new hash, and the result is false.
   * @param signal as for `hash`
   * @param address as for `hash`
   * @returns whether the password is right; the keys are compared in constant time
   * @throws as `hash`
   * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed, or above a bound that the options
   *   have: N 2^20, r 32, p 16, N·r·p 2^23
   */
  verify(
    password: string,
    stored: string | undefined,
    signal?: AbortSignal,
    address = '',
  ): Promise<boolean> {
    const job = () =>
      verifyPassword(password, stored, this.#cost).catch((error) => {
        return explainMemoryError(error, stored === undefined ? this.#cost : parseHash(stored));
      });
    return this.#queue.run({ kind: 'verify', client: networkOf(address) }, job, signal);
  }

  /**
   * Compares a stored hash with the cost of new ones.
   * @returns whether the next login must renew the hash: it is Werkzeug's, or takes less work
   *   (N·r·p) than a new one, or the same work with a shorter salt or key
   * @throws AuthError ERR_PASSWORD_HASH as `verify`
   */
  needsRehash(stored: string): boolean {
    return needsRehash(stored, this.#cost);
  }
}

/** @returns how many runs one core does in about 4 seconds; 1 to 1000 */
function runsInFourSeconds({ logN, r, p }: ScryptCost): number {
  const runs = Math.floor(WORK_IN_FOUR_SECONDS / (2 ** logN * r * p));
  return Math.min(Math.max(1, runs), 1000);
}

/**
 * What Node says if malloc fails in OpenSSL's scrypt. The text differs between the releases of
 * Node, and Node 22 gives no reason. The password and the cost have been checked before.
 */
const NO_MEMORY = /malloc.failure|^Deriving bits failed$/im;

/**
 * Throws an error of scrypt again, with an explanation if memory was missing. Too many runs at once
 * are load, and not a bug: a later run may succeed.
 * @param cost of the run
 * @throws AuthError ERR_BUSY if memory was missing. Its cause tells the operator how much, and the
 *   error of Node is the cause of that one.
 * @throws any other `error` unchanged
 */
function explainMemoryError(error: unknown, { logN, r }: ScryptCost): never {
  const lines = `${String(propertyOf(error, 'code'))}\n${String(propertyOf(error, 'message'))}`;
  if (isAuthError(error) || !NO_MEMORY.test(lines)) throw error;
  const mebibytes = Math.ceil((128 * 2 ** logN * r) / 2 ** 20);
  const text = `${mebibytes} MiB of memory for scrypt were not available: give the process more ` +
    'memory, or lower the cost of new hashes (logN, --scrypt-cost) or the number of runs at once ' +
    '(maxConcurrent, UV_THREADPOOL_SIZE)';
  throw new AuthError('ERR_BUSY', { cause: new Error(text, { cause: error }) });
}
