/**
 * Hashes passwords with scrypt (RFC 7914) into PHC strings, and verifies them.
 * Promise: a stored string is input, so it is matched strictly and its cost is capped before it is obeyed; a password
 * is compared in Unicode NFC (of RFC 8265 §4.2.2 the normalisation alone) and never trimmed or cut.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { AuthError } from '../errors.ts';

/** scrypt's N as log2 (1 to 20), block size r (1 to 32) and parallelisation p (1 to 16). */
export type ScryptCost = { readonly logN: number; readonly r: number; readonly p: number };

/** Werkzeug takes the text of a password as it comes; we take it in NFC. */
type Hash = ScryptCost & { readonly salt: Buffer; readonly key: Buffer; readonly isWerkzeug?: true };

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** The cap on 128·N·r·p: with p = 1 that is the memory of a run, and it bounds the time to about 5 seconds. */
const MAX_COST_BYTES = 2 ** 30;

/** In UTF-16 code units. Normalisation is quadratic in the worst case: a few milliseconds at this length. */
export const MAX_PASSWORD_LENGTH = 1024;

/**
 * Whether a hash can be made of a password: at most 1024 UTF-16 code units, without lone surrogates
 * and NUL.
 *
 * UTF-8 has no lone surrogates: all of them would become U+FFFD, and so one password.
 * RFC 2104 §2: HMAC fills a key of less than 64 bytes up with zeros, so 'pass' and 'pass\0' would
 * be one password. Hence no NUL. It hashes a key of more than 64 bytes first, so a long password
 * and its SHA-256 are one key. That is accepted: nothing here stores or shows the plain SHA-256 of
 * a password, and its bytes are hardly ever UTF-8 text, as a password must be.
 */
export function isPossiblePassword(password: string): boolean {
  const { length } = password;
  return length <= MAX_PASSWORD_LENGTH && password.isWellFormed() && !password.includes('\0');
}

/**
 * `$scrypt$ln=17,r=8,p=1$salt$key`, the last two in base64 (RFC 4648 §4) without padding: 1 to 64 and 16 to 64 bytes.
 * Each part can match in one way only, so matching is linear.
 */
const PHC = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{2,86})\$([A-Za-z0-9+/]{22,86})$/;

/** `scrypt:32768:8:1$salt$key`, as Werkzeug (Flask) writes it: N itself, the salt as text, 64 bytes in hex. */
const WERKZEUG = /^scrypt:([1-9]\d{0,6}):([1-9]\d?):([1-9]\d?)\$([A-Za-z0-9]{1,64})\$([0-9a-f]{128})$/;

/**
 * @param password a well-formed string of at most 1024 UTF-16 code units without NUL
 * @returns a PHC string with 16 random bytes of salt and a key of 32 bytes
 * @throws TypeError if it is no string; AuthError ERR_PASSWORD_INVALID, ERR_PASSWORD_TOO_LONG; Node's, without memory
 */
export async function hashPassword(password: string, cost: ScryptCost): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...cost, salt }, KEY_BYTES);
  return `$scrypt$ln=${cost.logN},r=${cost.r},p=${cost.p}$${encode(salt)}$${encode(key)}`;
}

/**
 * @param stored a PHC string or one of Werkzeug, or undefined where there is no such user: the answer is then false,
 *   after the work of `cost`, so that the time does not tell who has an account. A hash of another cost than `cost`
 *   still tells; if it is weaker, the first login renews it.
 * @returns whether it is the password; compared in constant time
 * @throws as hashPassword, and AuthError ERR_PASSWORD_HASH if `stored` is malformed or too dear
 */
export async function verifyPassword(password: string, stored: string | undefined, cost: ScryptCost): Promise<boolean> {
  const decoy = { ...cost, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
  const expected = stored === undefined ? decoy : parse(stored);
  const key = await derive(password, expected, expected.key.length);
  // The comparison comes first, for its time. A key that happens to be the decoy's opens nothing.
  return timingSafeEqual(key, expected.key) && stored !== undefined;
}

/**
 * @returns whether hashPassword makes a better hash now: the stored one is Werkzeug's or takes less
 *   work (N·r·p), or the same work with a shorter salt or key. A hash that is lower in one part of
 *   the cost and higher in another is not replaced by one that is quicker to guess.
 * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or too dear
 */
export function needsRehash(stored: string, cost: ScryptCost): boolean {
  const hash = parse(stored);
  const isShorter = hash.salt.length < SALT_BYTES || hash.key.length < KEY_BYTES;
  const missing = workOf(cost) - workOf(hash);
  return hash.isWerkzeug === true || missing > 0 || (missing === 0 && isShorter);
}

/** What a run takes in time, and with p = 1 in memory too. */
const workOf = ({ logN, r, p }: ScryptCost): number => 2 ** logN * r * p;

/** RFC 7914 §2 wants N to be a power of two, above 1 and below 2^(128·r/8); the rest is our own cap. */
export function isAffordable({ logN, r, p }: ScryptCost): boolean {
  const isPowerOfTwo = Number.isInteger(logN) && logN >= 1 && logN < 16 * r;
  return isPowerOfTwo && logN <= 20 && r <= 32 && p <= 16 && 128 * 2 ** logN * r * p <= MAX_COST_BYTES;
}

/** scrypt on libuv's pool. Its time depends on the cost; normalisation takes a few milliseconds at most. */
async function derive(password: string, recipe: Omit<Hash, 'key'>, keyBytes: number): Promise<Buffer> {
  if (typeof password !== 'string') throw new TypeError('"password" expected a string, got another type');
  if (password.length > MAX_PASSWORD_LENGTH) throw new AuthError('ERR_PASSWORD_TOO_LONG');
  if (!isPossiblePassword(password)) throw new AuthError('ERR_PASSWORD_INVALID');
  const { logN, r, p, salt, isWerkzeug } = recipe;
  const text = isWerkzeug ? password : password.normalize('NFC');
  const N = 2 ** logN;
  // OpenSSL counts its working set to the byte, and its default limit refuses N = 2^15 with r = 8.
  const maxmem = 128 * r * (N + p + 2);
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** @throws AuthError ERR_PASSWORD_HASH. A cost of NaN, where nothing matched, is not affordable. */
function parse(stored: string): Hash {
  if (typeof stored === 'string') {
    const hash = stored.startsWith('$') ? parsePhc(stored) : parseWerkzeug(stored);
    if (hash !== undefined && isAffordable(hash)) return hash;
  }
  throw new AuthError('ERR_PASSWORD_HASH');
}

function parsePhc(stored: string): Hash | undefined {
  const [, logN, r, p, salt = '', key = ''] = PHC.exec(stored) ?? [];
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
  const hash = { ...cost, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
  // Node decodes leniently, so both must encode to what came in.
  return encode(hash.salt) === salt && encode(hash.key) === key ? hash : undefined;
}

function parseWerkzeug(stored: string): Hash {
  const [, N, r, p, salt = '', key = ''] = WERKZEUG.exec(stored) ?? [];
  const cost = { logN: Math.log2(Number(N)), r: Number(r), p: Number(p) };
  return { ...cost, salt: Buffer.from(salt, 'utf8'), key: Buffer.from(key, 'hex'), isWerkzeug: true };
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').slice(0, Math.ceil((bytes.length * 4) / 3));
}
