/**
 * Hashes passwords with scrypt (RFC 7914) into PHC strings, and verifies them.
 * Promise: a stored hash is input. It is matched strictly, and its cost is capped before any work.
 * A password is compared in Unicode NFC (of RFC 8265 §4.2.2 only the normalisation), and never
 * trimmed or cut.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { AuthError } from '../errors.ts';

/** scrypt's N as log2 (1 to 20), block size r (1 to 32) and parallelisation p (1 to 16). */
export type ScryptCost = { readonly logN: number; readonly r: number; readonly p: number };

/** What a key is derived by. Werkzeug takes a password as it comes; we take it in NFC. */
type Recipe = ScryptCost & { readonly salt: Buffer; readonly isWerkzeug?: true };
type Hash = Recipe & { readonly key: Buffer };

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** The cap on N·r·p. With p = 1 a run takes 128·N·r bytes: at most 1 GiB, and about 5 seconds. */
const MAX_WORK = 2 ** 30 / 128;

/** In UTF-16 code units. Normalisation is quadratic at worst: a few milliseconds at this length. */
export const MAX_PASSWORD_LENGTH = 1024;

/**
 * Whether a hash can be made of a password: at most 1024 UTF-16 code units, without lone surrogates
 * and NUL.
 *
 * UTF-8 has no lone surrogates: all of them would become U+FFFD, and so one password.
 * RFC 2104 §2: HMAC pads a key of less than 64 bytes with zeros, so 'pass' and 'pass\0' would be
 * one password. Hence no NUL.
 * Accepted: HMAC hashes a key of more than 64 bytes first, so a long password and its SHA-256 are
 * one key. Nothing here stores or shows the plain SHA-256 of a password, and its bytes are hardly
 * ever UTF-8 text, as a password must be.
 */
export function isPossiblePassword(text: string): boolean {
  return text.length <= MAX_PASSWORD_LENGTH && text.isWellFormed() && !text.includes('\0');
}

/**
 * `$scrypt$ln=17,r=8,p=1$salt$key`. Salt and key are base64 (RFC 4648 §4) without padding, of 1 to
 * 64 and of 16 to 64 bytes; parsePhc refuses other spellings, and the `_` that `\w` has besides.
 * Each part can match in one way only, so matching is linear.
 */
const PHC = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([\w+/]{2,86})\$([\w+/]{22,86})$/;

/**
 * `scrypt:32768:8:1$salt$key`, as Werkzeug (Flask) writes it: N itself, the salt as text, the key
 * of 64 bytes in hex.
 */
const WERKZEUG =
  /^scrypt:([1-9]\d{0,6}):([1-9]\d?):([1-9]\d?)\$([A-Za-z0-9]{1,64})\$([0-9a-f]{128})$/;

/**
 * @param password a well-formed string of at most 1024 UTF-16 code units without NUL
 * @returns a PHC string with a new random salt of 16 bytes and a key of 32 bytes
 * @throws TypeError if the password is not a string
 * @throws AuthError ERR_PASSWORD_INVALID, ERR_PASSWORD_TOO_LONG
 * @throws the error of Node if there is no memory for the work
 */
export async function hashPassword(password: string, cost: ScryptCost): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...cost, salt }, KEY_BYTES);
  return `$scrypt$ln=${cost.logN},r=${cost.r},p=${cost.p}$${encode(salt)}$${encode(key)}`;
}

/**
 * Prevents user enumeration by timing: where nothing is stored, the same work is done for a decoy.
 * @param stored a PHC string or one of Werkzeug; undefined if there is no such user. The answer is
 *   then false, after the work of `cost`. A stored hash of another cost still takes another time;
 *   the first login renews it if it is weaker.
 * @returns whether the password is right; keys are compared in constant time
 * @throws as hashPassword; AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs too much
 */
export async function verifyPassword(
  password: string,
  stored: string | undefined,
  cost: ScryptCost,
): Promise<boolean> {
  const decoy = { ...cost, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
  const expected = stored === undefined ? decoy : parse(stored);
  const key = await derive(password, expected, expected.key.length);
  // The comparison comes first, so that it always takes place. A key that equals the decoy's is
  // refused too.
  return timingSafeEqual(key, expected.key) && stored !== undefined;
}

/**
 * @returns whether hashPassword would make a better hash: the stored one is Werkzeug's or takes
 *   less work (N·r·p), or the same work with a shorter salt or key. A hash is never replaced by one
 *   that is quicker to guess.
 * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs too much
 */
export function needsRehash(stored: string, cost: ScryptCost): boolean {
  const hash = parse(stored);
  const isShorter = hash.salt.length < SALT_BYTES || hash.key.length < KEY_BYTES;
  const missingWork = workOf(cost) - workOf(hash);
  return hash.isWerkzeug === true || missingWork > 0 || (missingWork === 0 && isShorter);
}

/** What a run takes in time and, with p = 1, in memory. */
const workOf = ({ logN, r, p }: ScryptCost): number => 2 ** logN * r * p;

/** RFC 7914 §2: N is a power of two, above 1 and below 2^(128·r/8). The other bounds are ours. */
export function isAffordable({ logN, r, p }: ScryptCost): boolean {
  const isPowerOfTwo = Number.isInteger(logN) && logN >= 1 && logN < 16 * r;
  return isPowerOfTwo && logN <= 20 && r <= 32 && p <= 16 && 2 ** logN * r * p <= MAX_WORK;
}

/** Runs scrypt on libuv's pool. The time depends on the cost; NFC takes a few milliseconds more. */
async function derive(password: string, recipe: Recipe, keyBytes: number): Promise<Buffer> {
  if (typeof password !== 'string') throw new TypeError('"password" expected a string, got none');
  if (password.length > MAX_PASSWORD_LENGTH) throw new AuthError('ERR_PASSWORD_TOO_LONG');
  if (!isPossiblePassword(password)) throw new AuthError('ERR_PASSWORD_INVALID');
  const { logN, r, p, salt, isWerkzeug } = recipe;
  const text = isWerkzeug ? password : password.normalize('NFC');
  const N = 2 ** logN;
  // OpenSSL counts its working set to the byte. Its default limit refuses N = 2^15 with r = 8.
  const maxmem = 128 * r * (N + p + 2);
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** @throws AuthError ERR_PASSWORD_HASH */
function parse(stored: string): Hash {
  const hash = typeof stored === 'string' ? (parsePhc(stored) ?? parseWerkzeug(stored)) : undefined;
  if (hash !== undefined && isAffordable(hash)) return hash;
  throw new AuthError('ERR_PASSWORD_HASH');
}

function parsePhc(stored: string): Hash | undefined {
  const match = PHC.exec(stored);
  if (match === null) return undefined;
  const [, logN, r, p, salt = '', key = ''] = match;
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
  const hash = { ...cost, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
  // Node decodes leniently, so both must encode to the same text again.
  return encode(hash.salt) === salt && encode(hash.key) === key ? hash : undefined;
}

function parseWerkzeug(stored: string): Hash | undefined {
  const match = WERKZEUG.exec(stored);
  if (match === null) return undefined;
  const [, N, r, p, salt = '', key = ''] = match;
  const cost = { logN: Math.log2(Number(N)), r: Number(r), p: Number(p) };
  return { ...cost, salt: Buffer.from(salt), key: Buffer.from(key, 'hex'), isWerkzeug: true };
}

/** @returns base64 (RFC 4648 §4) without padding */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').slice(0, Math.ceil((bytes.length * 4) / 3));
}
