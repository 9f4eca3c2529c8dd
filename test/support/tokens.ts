/**
 * Tokens made with node:crypto alone, so that a forged or malformed one can carry the right MAC.
 */
import crypto, { webcrypto } from 'node:crypto';

/** 32 characters, for tests alone. */
export const SECRET = 'a secret for tests, of 32 bytes.';

/** When most tests happen. */
export const NOW = 1_700_000_000;
export const CLAIMS = { identity: 'joe', iat: NOW, nbf: NOW, exp: NOW + 300 };
export const OWN_HEADER = '{"typ":"JWT","alg":"HS256"}';
/** What tokens are forged with. */
export const FORGER = 'the secret of who forges tokens.';
/** What nobody may be told. */
export const MARKER = 'MARKER-that-nobody-should-ever-see-again';

export const base64url = (bytes: string | Uint8Array): string =>
  Buffer.from(bytes).toString('base64url');
/** base64 without padding, as in PHC strings. */
export const base64 = (bytes: string | Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** Appends the right MAC, whatever the signing input is. */
export function seal(signingInput: string, key: string | Uint8Array = SECRET): string {
  return `${signingInput}.${crypto.createHmac('sha256', key).update(signingInput).digest('base64url')}`;
}

/** A token with the right MAC. Strings and bytes are taken as they are, so that they need not be JSON. */
export function tokenOf(
  payload: string | object = CLAIMS,
  header: string | Uint8Array = OWN_HEADER,
  key = SECRET,
) {
  const isRaw = typeof payload === 'string' || payload instanceof Uint8Array;
  return seal(`${base64url(header)}.${base64url(isRaw ? payload : JSON.stringify(payload))}`, key);
}

/** Claims as JSON text, for values that JSON.stringify cannot write. A member that is undefined is left out. */
export function claimsJson(members: Record<string, string | undefined>): string {
  const all = { identity: '"joe"', iat: `${NOW}`, nbf: `${NOW}`, exp: `${NOW + 300}`, ...members };
  const written = Object.entries(all).filter(([, json]) => json !== undefined);
  return `{${written.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`;
}

/** HMAC-SHA256 as WebCrypto computes it, a second implementation that also takes short keys. */
export async function webCryptoMac(key: Uint8Array, message: string | Uint8Array): Promise<Buffer> {
  const imported = await webcrypto.subtle.importKey(
    'raw',
    key,
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  return Buffer.from(await webcrypto.subtle.sign('HMAC', imported, Buffer.from(message)));
}
