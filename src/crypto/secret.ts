/**
 * Turns the secrets of a caller into keys for HMAC-SHA256 (RFC 7518 §3.2).
 * Promise: a secret has at least 32 bytes, whatever its form. A text that looks like a PEM, SSH or
 * JWK key is refused, also in base64.
 * Accepted: recognising key files is a safety net and not a proof. DER as raw bytes, hex and the
 * like pass. No check can tell whether bytes are random. Zeros at the end count as bytes, although
 * HMAC pads with zeros (RFC 2104 §2).
 */
import { createSecretKey, KeyObject, randomBytes } from 'node:crypto';
import { describe } from '../values.ts';

/** At least 32 bytes (RFC 7518 §3.2): of text in UTF-8, or of a KeyObject of type `secret`. */
export type Secret = string | Uint8Array | KeyObject;

/**
 * Makes a secret for signing tokens.
 * @returns 32 random bytes as 43 characters of base64url, to be used as text
 * @example console.log(generateSecret());
 */
export function generateSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * @param secret one secret or a list of them
 * @returns at least one key. The bytes are copied, so the caller may overwrite the secret.
 * @throws TypeError, or RangeError for a secret under 32 bytes; no message repeats the secret
 */
export function keysOf(secret: unknown): readonly [KeyObject, ...KeyObject[]] {
  const list: unknown[] = Array.isArray(secret) ? [...secret] : [];
  // An empty list is refused as a whole, like a value that is not a secret.
  const [first = keyOf(secret), ...others] = list.map((one, at) => keyOf(one, ` at index ${at}`));
  return [first, ...others];
}

/** @param place where in a list the secret is, for messages */
function keyOf(secret: unknown, place = ''): KeyObject {
  const copy = bytesOf(secret, place);
  const size = copy.length > 0 ? `${copy.length} bytes` : '0 bytes (is its variable set?)';
  if (copy.length < 32) throw new RangeError(messageOf('at least 32 bytes', size, place));
  if (isKeyFile(copy)) throw new TypeError(messageOf('random bytes', 'a PEM/SSH/JWK key', place));
  const key = createSecretKey(copy);
  copy.fill(0);
  return key;
}

const KINDS = 'a well-formed string, a Uint8Array, a secret KeyObject or a list of them';

function bytesOf(secret: unknown, place: string): Buffer {
  if (typeof secret === 'string' && secret.isWellFormed()) return Buffer.from(secret, 'utf8');
  // Copies the real bytes, whatever an overridden `length` says.
  if (isBytes(secret)) return Buffer.copyBytesFrom(secret);
  if (secret instanceof KeyObject && secret.type === 'secret') return secret.export();
  const got = typeof secret === 'number' ? 'a number' : describe(secret);
  throw new TypeError(messageOf(KINDS, got, place));
}

const messageOf = (kind: string, got: string, place: string) =>
  `"secret" expected the output of "npx --no latchkey secret", or ${kind}, got ${got}${place}`;

/**
 * Calls the built-in getter. It works for arrays of every realm (Jest has its own), no subclass or
 * member can override it, and for anything but a typed array it returns undefined.
 */
const isBytes = (value: unknown): value is Uint8Array =>
  Reflect.get(Uint8Array.prototype, Symbol.toStringTag, value) === 'Uint8Array';

const KEY_TEXT = /----BEGIN|ssh-(?:rsa|dss|ed)|ecdsa-sha2-|["'{,\\](?:kty|keys)\\*["']?:/;
/** `--BEGIN` in base64, at each of the three offsets that it can have. */
const PEM_IN_BASE64 = /LS1CRUdJ|LS0tQkV|LUJFR0/;
/** The start of an SSH key in base64: the length of the name of its type, and that name. */
const SSH_IN_BASE64 = /AAAA[A-I](?:3Nz|2Vj|nNr)/;
/** `{"kt` or `{"ke` in base64: the start of a JWK or of a set of them. */
const JWK_IN_BASE64 = /eyJr(?:dH|ZX)/;
/** Base64 of a key in DER: identifiers of RSA and EC at three offsets each, of Ed25519 at one. */
const DER_IN_BASE64 = /hkiG9w0B|KoZI(?:zj0|hvc)|qGS(?:M49A|Ib3D)|BQYDK2Vw/;

/** Recognises key files. A file may hold a public key, which others know, so it must not sign. */
function isKeyFile(bytes: Buffer): boolean {
  const text = visibleIn(bytes);
  if (KEY_TEXT.test(text) || KEY_TEXT.test(visibleIn(Buffer.from(text, 'base64')))) return true;
  return [PEM_IN_BASE64, SSH_IN_BASE64, JWK_IN_BASE64, DER_IN_BASE64].some((one) => one.test(text));
}

/**
 * Keeps visible ASCII only, so that white space, a byte order mark or UTF-16 hides nothing.
 * `filter` returns a new array that fills its whole buffer, so `buffer` holds just these bytes.
 */
function visibleIn(bytes: Buffer): string {
  return Buffer.from(bytes.filter((byte) => byte > 0x20 && byte < 0x7f).buffer).toString('latin1');
}
