/**
 * Hashes passwords with scrypt (RFC 7914) into PHC strings, and verifies them.
 * Promise: a stored hash is treated as input. Its format is matched strictly, and its cost is
 * capped before any work. A password is normalised to Unicode NFC (RFC 8265 §4.2.2; nothing else is
 * taken from there) and never trimmed or cut. For Werkzeug's hashes it is not even normalised.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { AuthError } from '../errors.ts';

/** scrypt's N as log2 (1 to 20), block size r (1 to 32) and parallelisation p (1 to 16). */
export type ScryptCost = { readonly logN: number; readonly r: number; readonly p: number };

/** The inputs of scrypt besides the password. `isWerkzeug`: the password is not normalised. */
type Recipe = ScryptCost & { readonly salt: Buffer; readonly isWerkzeug?: true };
type Hash = Recipe & { readonly key: Buffer };

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** The cap on N·r·p. With p = 1 a run needs 128·N·r bytes: at most 1 GiB, and about 4 seconds. */
const MAX_WORK = 2 ** 30 / 128;

/** In UTF-16 code units. Normalisation takes quadratic time at worst: here a few milliseconds. */
export const MAX_PASSWORD_LENGTH = 1024;

/**
 * Whether a password can be hashed: at most 1024 UTF-16 code units, without lone surrogates and
 * without NUL.
 *
 * UTF-8 cannot hold a lone surrogate: each would become U+FFFD, so different passwords would match.
 * RFC 2104 §2: HMAC pads a key of less than 64 bytes with zeros, so 'pass' and 'pass\0' would match
 * too.
 * Accepted: HMAC hashes a key of more than 64 bytes first, so a long password and its SHA-256 give
 * the same key. latchkey does not store or show the plain SHA-256 of a password, and its bytes are
 * hardly ever valid UTF-8, as a password must be.
 */
export function isPossiblePassword(text: string): boolean {
  return text.length <= MAX_PASSWORD_LENGTH && text.isWellFormed() && !text.includes('\0');
}

/**
 * `$scrypt$ln=17,r=8,p=1$salt$key`. Salt (1 to 64 bytes) and key (16 to 64 bytes) are base64
 * (RFC 4648 §4) without padding. The pattern lets `_` and some stray bits pass; parsePhc refuses
 * them. Each part can match in one way only, so matching takes linear time.
 */
const PHC = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([\w+/]{2,86})\$([\w+/]{22,86})$/;

/**
 * `scrypt:32768:8:1$salt$key`, as Werkzeug (Flask) writes it: N itself instead of its log2, the
 * salt as text, and a key of 64 bytes in hex.
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
 * Prevents user enumeration by timing: for an unknown user it does the same work on a decoy.
 * @param stored a PHC string or a hash of Werkzeug; undefined if there is no such user. The result
 *   is then false, after the work of `cost`.
 *   Accepted: a stored hash of another cost takes another time. The first login renews a weaker
 *   hash.
 * @returns whether the password is right; keys are compared in constant time
 * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs too much
 * @throws as hashPassword does for the password
 */
export async function verifyPassword(
  password: string,
  stored: string | undefined,
  cost: ScryptCost,
): Promise<boolean> {
  const decoy = { ...cost, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
  const expected = stored === undefined ? decoy : parse(stored);
  const key = await derive(password, expected, expected.key.length);
  // The comparison comes first, so that it also runs for an unknown user. Even a key that equals
  // the key of the decoy is refused.
  return timingSafeEqual(key, expected.key) && stored !== undefined;
}

/**
 * @returns whether hashPassword would make a better hash: the stored one is Werkzeug's or takes
 *   less work (N·r·p), or the same work with a shorter salt or key. Except for Werkzeug's, a hash
 *   is never replaced by one that is quicker to guess.
 * @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs too much
 */
export function needsRehash(stored: string, cost: ScryptCost): boolean {
  const hash = parse(stored);
  const isShorter = hash.salt.length < SALT_BYTES || hash.key.length < KEY_BYTES;
  const missingWork = workOf(cost) - workOf(hash);
  return hash.isWerkzeug === true || missingWork > 0 || (missingWork === 0 && isShorter);
}

/** N·r·p. The time of a run is proportional to it; with p = 1 its memory is too. */
const workOf = ({ logN, r, p }: ScryptCost): number => 2 ** logN * r * p;

/** RFC 7914 §2: N is a power of two, above 1 and below 2^(128·r/8). The other caps are ours. */
export function isAffordable({ logN, r, p }: ScryptCost): boolean {
  const isValidN = Number.isInteger(logN) && logN >= 1 && logN < 16 * r;
  return isValidN && logN <= 20 && r <= 32 && p <= 16 && 2 ** logN * r * p <= MAX_WORK;
}

/** Runs scrypt on libuv's pool. The time depends on the cost; NFC adds at most milliseconds. */
async function derive(password: string, recipe: Recipe, keyBytes: number): Promise<Buffer> {
  if (typeof password !== 'string') throw new TypeError('"password" expected a string, got none');
  if (password.length > MAX_PASSWORD_LENGTH) throw new AuthError('ERR_PASSWORD_TOO_LONG');
  if (!isPossiblePassword(password)) throw new AuthError('ERR_PASSWORD_INVALID');
  const { logN, r, p, salt, isWerkzeug } = recipe;
  const text = isWerkzeug ? password : password.normalize('NFC');
  const N = 2 ** logN;
  // The exact working set of OpenSSL. The default limit of Node refuses N = 2^15 with r = 8.
  const maxmem = 128 * r * (N + p + 2);
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, { N, r, p, maxmem }, (error, key) => {
      if (error) reject(error); // on success null in Node, and undefined in Bun
      else resolve(key);
    });
  });
}

/** @throws AuthError ERR_PASSWORD_HASH if `stored` is malformed or costs too much */
export function parse(stored: string): Hash {
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
  // Node decodes leniently. Canonical base64 encodes back to the same text.
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
