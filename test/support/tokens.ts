/**
 * Tokens made with node:crypto alone, so that a forged or malformed token can carry the right MAC.
 */
import crypto, { webcrypto } from 'node:crypto';

/** 32 characters, for tests alone. */
export const SECRET = 'a secret for tests, of 32 bytes.';

/** The time of most tests, in seconds since 1970. */
export const NOW = 1_700_000_000;
export const CLAIMS = { identity: 'joe', iat: NOW, nbf: NOW, exp: NOW + 300 };
export const OWN_HEADER = '{"typ":"JWT","alg":"HS256"}';
/** The secret of an attacker who forges tokens. */
export const FORGER = 'the secret of a forger, 32 bytes';
/** A secret that no message, log or file may contain. */
export const MARKER = 'MARKER-that-must-never-appear-in-a-message';

export const base64url = (bytes: string | Uint8Array): string =>
  Buffer.from(bytes).toString('base64url');
/** base64 without padding, as in PHC strings. */
export const base64 = (bytes: string | Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** Appends the right MAC to any signing input. */
export function seal(signingInput: string, key: string | Uint8Array = SECRET): string {
  const mac = crypto.createHmac('sha256', key).update(signingInput).digest('base64url');
  return `${signingInput}.${mac}`;
}

/** A token with the right MAC. Strings and bytes are used unchanged, so they need not be JSON. */
export function tokenOf(
  payload: string | object = CLAIMS,
  header: string | Uint8Array = OWN_HEADER,
  key = SECRET,
) {
  const isRaw = typeof payload === 'string' || payload instanceof Uint8Array;
  return seal(`${base64url(header)}.${base64url(isRaw ? payload : JSON.stringify(payload))}`, key);
}

/**
 * Claims as JSON text, for values that JSON.stringify cannot write. A member that is undefined is
 * left out.
 */
export function claimsJson(members: Record<string, string | undefined>): string {
  const all = { identity: '"joe"', iat: `${NOW}`, nbf: `${NOW}`, exp: `${NOW + 300}`, ...members };
  const written = Object.entries(all).filter(([, json]) => json !== undefined);
  return `{${written.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`;
}

/** HMAC-SHA256 of WebCrypto: a second implementation, which also takes short keys. */
export async function webCryptoMac(key: Uint8Array, message: string | Uint8Array): Promise<Buffer> {
  const imported = await webcrypto.subtle.importKey(
    'raw',
    Buffer.from(key),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  return Buffer.from(await webcrypto.subtle.sign('HMAC', imported, Buffer.from(message)));
}
