/**
 * Turns what the caller gives as a secret into keys for HMAC-SHA256 (RFC 7518 §3.2).
 * Promise: at least 32 bytes on every path, and no text that looks like a PEM, SSH or JWK key, in base64 or not.
 * Accepted: that is a net and no proof, through which DER bytes, hex and the like pass. Whether bytes are random cannot
 * be seen. Zeros at their end are counted, although HMAC adds as many itself (RFC 2104 §2).
 */
import { createSecretKey, KeyObject, randomBytes } from 'node:crypto';

/** At least 32 bytes (RFC 7518 §3.2). A string counts as its UTF-8 bytes; a KeyObject must be of type `secret`. */
export type Secret = string | Uint8Array | KeyObject;

/** @returns a new secret: 32 random bytes, written as 43 characters of base64url that are meant to be used as text */
export function generateSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * @param secret one secret or a list of them
 * @returns at least one key. The bytes are copied, so that the caller may wipe its own.
 * @throws TypeError, or RangeError for a secret under 32 bytes; the message never shows the value
 */
export function keysOf(secret: unknown): readonly [KeyObject, ...KeyObject[]] {
  const [first, ...others]: unknown[] = Array.isArray(secret) ? secret : [secret];
  return [keyOf(first), ...others.map(keyOf)];
}

function keyOf(secret: unknown): KeyObject {
  const bytes = bytesOf(secret);
  if (bytes.length < 32) throw new RangeError(`"secret" expected at least 32 bytes, got ${bytes.length}`);
  if (looksLikeKeyFile(bytes)) throw new TypeError('"secret" expected random bytes, got a PEM, SSH or JWK key');
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

function bytesOf(secret: unknown): Buffer {
  if (typeof secret === 'string' && secret.isWellFormed()) return Buffer.from(secret, 'utf8');
  // The copy is as long as the bytes are, whatever a `length` of the caller's own says.
  if (isBytes(secret)) return Buffer.copyBytesFrom(secret);
  if (secret instanceof KeyObject && secret.type === 'secret') return secret.export();
  const got = secret === undefined || secret === null ? String(secret) : `another ${typeof secret}`;
  throw new TypeError(`"secret" expected a string, a Uint8Array, a secret KeyObject or a list of them, got ${got}`);
}

/**
 * By the getter that Uint8Array has itself. It answers for arrays of every realm, such as that of
 * Jest, and no subclass or member can replace it. For anything but a typed array it answers
 * undefined.
 */
const isBytes = (value: unknown): value is Uint8Array =>
  Reflect.get(Uint8Array.prototype, Symbol.toStringTag, value) === 'Uint8Array';

/** Who passes a key file where a secret belongs may be passing a public key, and what is public signs nothing. */
function looksLikeKeyFile(bytes: Buffer): boolean {
  const text = visibleIn(bytes);
  if (KEY_TEXT.test(text) || KEY_TEXT.test(visibleIn(Buffer.from(text, 'base64')))) return true;
  return ALGORITHM_IN_BASE64.test(text) || KEY_TEXT_IN_BASE64.test(text);
}

/** The identifiers of RSA and EC in DER, at the offsets they can have in base64; of Ed25519 at one. */
const ALGORITHM_IN_BASE64 = /hkiG9w0B|KoZI(?:zj0|hvc)|qGS(?:M49A|Ib3D)|BQYDK2Vw/;

/** `--BEGIN` at three offsets; length and name at the start of an SSH key; `{"kt`, `{"ke` of a JWK. */
const KEY_TEXT_IN_BASE64 = /LS1CRUdJ|LS0tQkV|LUJFR0|AAAA[A-I](?:3Nz|2Vj|nNr)|eyJr(?:dH|ZX)/;

const KEY_TEXT = /----BEGIN|ssh-(?:rsa|dss|ed)|ecdsa-sha2-|["'{,\\](?:kty|keys)\\*["']?:/;

/**
 * All but visible ASCII is taken out, so that no white space, byte order mark or UTF-16 hides the
 * rest. The result of `filter` is an array with a buffer of its own, which is taken without another
 * copy.
 */
function visibleIn(bytes: Buffer): string {
  return Buffer.from(bytes.filter((byte) => byte > 0x20 && byte < 0x7f).buffer).toString('latin1');
}
