/** scrypt behind a queue: hashing that neither fills the memory nor starves the disk. */
import { hashPassword, isAffordable, needsRehash, verifyPassword, type ScryptCost } from '../crypto/password.ts';
import { integerBetween, readOptions, type Checks } from '../options.ts';
import { networkOf } from '../limits/network.ts';
import { usualConcurrency, WorkQueue } from './work-queue.ts';


/** The cost of new hashes, and how much work may pile up. */
export interface PasswordHasherOptions {
  /** log2 of scrypt's N; 1 to 20, default 17: 128 MiB and about half a second a run, OWASP's first choice. */
  readonly logN?: number;
  /** scrypt's block size; 1 to 32, default 8. */
  readonly r?: number;
  /** scrypt's parallelisation; 1 to 16, default 1. 128·N·r·p may be up to 1 GiB. */
  readonly p?: number;
  /** Runs at once; 1 to 1024, default one for each core, but less than libuv's pool has threads, which files need. */
  readonly maxConcurrent?: number;
  /** Runs waiting for one of those to end; 0 to 100,000, default as many as begin within some 4 seconds. */
  readonly maxQueued?: number;
}

const OPTION_CHECKS: Checks<PasswordHasherOptions> = {
  logN: integerBetween(1, 20),
  r: integerBetween(1, 32),
  p: integerBetween(1, 16),
  maxConcurrent: integerBetween(1, 1024),
  maxQueued: integerBetween(0, 100_000),
};

/**
 * Hashes and verifies passwords. Clients take turns; the jobs of one client are first come first
 * served.
 */
export class PasswordHasher {
  readonly #cost: ScryptCost;
  readonly #queue: WorkQueue;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: PasswordHasherOptions = {}) {
    const own = readOptions(options, OPTION_CHECKS);
    const { logN = 17, r = 8, p = 1, maxConcurrent = usualConcurrency() } = own;
    // At the default cost 8 runs of half a second. The work grows with N·r·p.
    const runsInTime = Math.min(Math.max(1, Math.floor(2 ** 23 / (2 ** logN * r * p))), 1000);
    const { maxQueued = maxConcurrent * runsInTime } = own;
    this.#cost = { logN, r, p };
    this.#queue = new WorkQueue(maxConcurrent, maxQueued);
    if (isAffordable(this.#cost)) return;
    throw new RangeError(`"logN" expected 128·N·r·p up to 1 GiB, N below 2^(16·r), got ${logN} with r ${r}, p ${p}`);
  }

  /**
   * @param password of at most 1024 UTF-16 code units; taken in Unicode NFC, never trimmed
   * @param signal gives up, as long as it waits for its turn
   * @param address of the client, if it is known. The queue is shared among clients: an IPv4 address
   *   or an IPv6 /64 is one.
   * @returns a PHC string: `$scrypt$ln=17,r=8,p=1$salt$key`
   * @throws TypeError if it is no string; AuthError ERR_PASSWORD_INVALID (a lone surrogate, NUL),
   *   ERR_PASSWORD_TOO_LONG, ERR_BUSY, ERR_ABORTED
   */
  hash(password: string, signal?: AbortSignal, address = ''): Promise<string> {
    const job = () => hashPassword(password, this.#cost);
    return this.#queue.run({ kind: 'hash', client: networkOf(address) }, job, signal);
  }

  /**
   * @param password as for hash; where `stored` is of Werkzeug it is taken as it comes
   * @param stored a PHC scrypt string, or one of Werkzeug (Flask); undefined, where there is no such user, takes the
   *   same work and answers false
   * @param signal as for hash
   * @param address as for hash
   * @returns whether it is the password, compared in constant time
   * @throws as hash, and AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs more than 1 GiB
   */
  verify(
    password: string,
    stored: string | undefined,
    signal?: AbortSignal,
    address = '',
  ): Promise<boolean> {
    const job = () => verifyPassword(password, stored, this.#cost);
    return this.#queue.run({ kind: 'verify', client: networkOf(address) }, job, signal);
  }

  /**
   * @returns whether to make the hash anew at the next login: the stored one is Werkzeug's or takes
   *   less work (N·r·p), or the same work with a shorter salt or key
   * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs more than 1 GiB
   */
  needsRehash(stored: string): boolean {
    return needsRehash(stored, this.#cost);
  }
}
