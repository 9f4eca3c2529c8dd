/**
 * What the tests of src/crypto share, and others use: tokens made with node:crypto alone, so that a hostile one has the
 * right MAC; verdicts; a look at what was called, and at what was said.
 */
import assert from 'node:assert/strict';
import crypto, { webcrypto } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';
import { AuthError } from '../src/errors.ts';
import { SECRET } from './support.ts';

/** When most tests happen. */
export const NOW = 1_700_000_000;
export const CLAIMS = { identity: 'joe', iat: NOW, nbf: NOW, exp: NOW + 300 };
export const OWN_HEADER = '{"typ":"JWT","alg":"HS256"}';
/** What tokens are forged with. */
export const FORGER = 'the secret of who forges tokens.';
/** What nobody may be told. */
export const MARKER = 'MARKER-that-nobody-should-ever-see-again';

export const base64url = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64url');
/** base64 without padding, as in PHC strings. */
export const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** Appends the right MAC, whatever the signing input is. */
export function seal(signingInput: string, key: string | Uint8Array = SECRET): string {
  return `${signingInput}.${crypto.createHmac('sha256', key).update(signingInput).digest('base64url')}`;
}

/** A token with the right MAC. Strings and bytes are taken as they are, so that they need not be JSON. */
export function tokenOf(payload: string | object = CLAIMS, header: string | Uint8Array = OWN_HEADER, key = SECRET) {
  const isRaw = typeof payload === 'string' || payload instanceof Uint8Array;
  return seal(`${base64url(header)}.${base64url(isRaw ? payload : JSON.stringify(payload))}`, key);
}

/** Claims as JSON text, for values that JSON.stringify cannot write. A member that is undefined is left out. */
export function claimsJson(members: Record<string, string | undefined>): string {
  const all = { identity: '"joe"', iat: `${NOW}`, nbf: `${NOW}`, exp: `${NOW + 300}`, ...members };
  const written = Object.entries(all).filter(([, json]) => json !== undefined);
  return `{${written.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`;
}

/** `accepted`, or the code of the AuthError. Any other error is passed on. */
export function verdictOf(use: () => unknown): string {
  try {
    use();
    return 'accepted';
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
}

export interface Verifier {
  verify(token: string): unknown;
}

/** Every one of these, which need not be strings, gets the same verdict. */
export function assertVerdict(jwt: Verifier, expected: string, tokens: readonly unknown[]): void {
  assert.notEqual(tokens.length, 0);
  for (const token of tokens) {
    const read = String(token).split('.', 2).map((part) => `${Buffer.from(part, 'base64url')}`.slice(0, 200));
    assert.equal(verdictOf(() => jwt.verify(token as string)), expected, `${read.join('.')} ${inspect(token)}`);
  }
}

/** The caller's mistake: a TypeError (the wrong kind) or a RangeError (out of bounds), in one grammar. */
export function assertRefusedOption(use: () => void, name: string, value?: unknown, kind: Function = TypeError): void {
  const label = `${name}: ${inspect(value)}`;
  assert.throws(use, kind, label);
  assert.throws(use, { message: /^"\w*" expected [^\n]+, got [^\n]+$/ }, label);
  assert.throws(use, ({ message }: Error) => message.startsWith(`"${name}" `), label);
}

/** All that an error, or anything else, can be made to tell, down to the last cause. */
export function allSaid(subject: unknown): string {
  const said = [inspect(subject, { showHidden: true, depth: Infinity }), JSON.stringify(subject), String(subject)];
  if (subject instanceof Error) said.push(subject.message, `${subject.stack}`, allSaid(subject.cause));
  return said.join('\n');
}

/** Runs `use` and tells how a function of node:crypto was called meanwhile. It does its work all the same. */
export async function callsOf(
  name: 'createHmac' | 'randomBytes' | 'scrypt' | 'timingSafeEqual',
  use: (calls: readonly unknown[][]) => unknown,
): Promise<readonly unknown[][]> {
  const calls: unknown[][] = [];
  const real = crypto[name];
  const put = (value: unknown) => {
    Object.assign(crypto, { [name]: value });
    syncBuiltinESMExports();
  };
  put((...given: unknown[]) => {
    calls.push(given);
    return Reflect.apply(real, crypto, given);
  });
  try {
    await use(calls);
  } finally {
    put(real);
  }
  return calls;
}

/** Runs `use` while every object inherits these members, as another library may bring it about. */
export async function withPolluted(members: object, use: () => unknown): Promise<void> {
  Object.assign(Object.prototype, members);
  try {
    await use();
  } finally {
    for (const name of Object.keys(members)) Reflect.deleteProperty(Object.prototype, name);
  }
}

/** HMAC-SHA256 as WebCrypto computes it, a second implementation that also takes short keys. */
export async function webCryptoMac(key: Uint8Array, message: string | Uint8Array): Promise<Buffer> {
  const imported = await webcrypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return Buffer.from(await webcrypto.subtle.sign('HMAC', imported, Buffer.from(message)));
}
