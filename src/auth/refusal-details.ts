/**
 * The details of refusals: for the log, what is probably wrong with a request. A client gets the
 * statuses and bodies of Flask-JWT alone, which say little about its mistake.
 * Promise: a detail is a constant text. It repeats nothing that a client sent, except for a few
 * words such as `undefined`, which a program sends by mistake.
 * Promise: only a request that was refused already is looked at, and no part of a token is decoded
 * before its signature was verified.
 */
import { decodeUnverified } from '../crypto/jwt.ts';
import { AuthError, changedRefusal, isAuthError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { ownMember } from '../values.ts';
import { REFRESH_TYPE } from './refresh-token.ts';
import {
  signatureMistakeIn,
  tokenMistakeIn,
  type SignatureMistake,
  type TokenMistake,
} from './token-mistakes.ts';

const TOKEN_DETAILS: Readonly<Record<TokenMistake, string>> = {
  'empty': 'the token is an empty text',
  'undefined': 'the token is the text "undefined"',
  'null': 'the token is the text "null"',
  'promise': 'the token is the text "[object Promise]": the client does not await the promise',
  'object':
    'the token is the text "[object Object]": the client sends the object that holds the token',
  'basic': 'the header is one of Basic authentication',
  'quoted': 'the token is in quotation marks',
  'line break': 'the token has a line break in it',
  'separator': 'the token has a comma or a semicolon at its end',
  'encoded': 'the token is URL-encoded',
  'one segment': 'the token has no dots: it is an opaque token or an API key',
  'two segments': 'the token has two of three segments: it was cut off',
  'five segments': 'the token has five segments: it is encrypted (JWE)',
  'too many segments': 'the token has more than three segments',
};

const SIGNATURE_DETAILS: Readonly<Record<SignatureMistake, string>> = {
  missing: 'the token has no signature',
  short: 'the signature is shorter than that of HS256: it was cut off',
  long: 'the signature is longer than that of HS256: the token has another alg',
};

/** The mistakes that explain a whole header. The others explain the token in it alone. */
const HEADER_MISTAKES: ReadonlySet<TokenMistake> = new Set(['undefined', 'null', 'basic']);

/** Three or five segments, as a JWS or a JWE has. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*(?:\.[\w-]*\.[\w-]*)?$/;
const AROUND_HEADER = /^[ \t]+|[ \t]+$/g;

/**
 * @param authorization the header, which has no accepted scheme or not exactly two parts
 * @param schemes the accepted ones
 * @returns what is probably wrong with the header
 */
export function headerDetail(authorization: string, schemes: readonly string[]): string {
  const text = authorization.replace(AROUND_HEADER, '');
  const [scheme = '', second = '', third] = text.split(/[ \t]+/, 3);
  const isScheme = (part: string) => {
    return schemes.some((accepted) => accepted.toLowerCase() === part.toLowerCase());
  };
  if (isScheme(scheme)) {
    if (second === '') return 'the header has a scheme and no token: the token was an empty text';
    if (isScheme(second)) return 'the header has its scheme twice';
    if (second.endsWith(',')) return 'the request has two Authorization headers, or a list in one';
    const mistake = tokenMistakeIn(`${second} ${third}`);
    if (mistake === 'promise' || mistake === 'object') return TOKEN_DETAILS[mistake];
    return 'the header has more parts than a scheme and a token';
  }
  if (TOKEN.test(text)) return 'the header is a token without a scheme before it';
  const mistake = tokenMistakeIn(text);
  if (mistake !== undefined && HEADER_MISTAKES.has(mistake)) return TOKEN_DETAILS[mistake];
  if (second === '') return 'the header is one word: it has no scheme';
  if (mistake === 'quoted') return 'the header is in quotation marks';
  return 'the option "schemes" does not have this scheme';
}

/** @returns what is probably wrong with a malformed or too long token, or one with a wrong MAC */
function tokenDetail(token: unknown): string | undefined {
  if (typeof token !== 'string') return undefined;
  const mistake = tokenMistakeIn(token);
  if (mistake !== undefined) return TOKEN_DETAILS[mistake];
  const signatureMistake = signatureMistakeIn(token);
  return signatureMistake && SIGNATURE_DETAILS[signatureMistake];
}

/** @returns what `typ` says about a token whose signature was verified */
function typeDetail(token: string): string | undefined {
  const type = ownMember(headerOf(token), 'typ');
  if (type === REFRESH_TYPE) return 'the token is a refresh token, which only a refresh takes';
  if (type === 'JWT') return 'the token is an access token, where one of another type is expected';
  return undefined;
}

/** @returns the header; an empty one if a hook `decode` has verified another text than the token */
function headerOf(token: string): object {
  try {
    return decodeUnverified(token).header;
  } catch {
    return {};
  }
}

/**
 * @returns what `verify` returns for a token, or resolves to
 * @throws what `verify` throws, with a detail if it is a refusal that can be explained
 */
export async function explainRefusals<Result>(
  token: string,
  verify: () => MaybePromise<Result>,
): Promise<Result> {
  try {
    return await verify();
  } catch (error) {
    throw withTokenDetail(error, token);
  }
}

/**
 * @param error what a verification threw, which may be anything
 * @param token the token, or what a hook returned in its place
 * @returns the error; a copy with a detail, if it is a refusal that can be explained
 */
export function withTokenDetail(error: unknown, token: unknown): unknown {
  if (!isAuthError(error)) return error;
  switch (error.code) {
    case 'ERR_JWT_MALFORMED':
    case 'ERR_JWT_SIGNATURE':
    case 'ERR_JWT_TOO_LONG':
      return withDetail(error, tokenDetail(token));
    // These two come after the signature was verified.
    case 'ERR_JWT_TYPE':
    case 'ERR_JWT_AUDIENCE':
      return withDetail(error, typeDetail(String(token)));
    default:
      return error;
  }
}

/**
 * @returns a copy of the refusal with this detail. Without a detail, or if the refusal has one
 *   already, it is the refusal itself. It also returns an instance of a subclass unchanged, which a
 *   hook may throw, because a copy would lose the class.
 */
function withDetail(refusal: AuthError, detail: string | undefined): AuthError {
  const isPlain = Object.getPrototypeOf(refusal) === AuthError.prototype;
  if (detail === undefined || !isPlain || refusal.detail !== undefined) return refusal;
  return changedRefusal(refusal, { detail, body: refusal.body });
}

type SessionFault = 'unknown' | 'reused' | 'noUser' | 'otherUser' | 'withoutSession';

/** Why a session is refused, as far as that is known without another query of the store. */
export const SESSION_DETAILS: Readonly<Record<SessionFault, string>> = {
  unknown: 'the session was ended, has expired, or never existed',
  reused:
    'the refresh token was used again after it was replaced: it may be stolen, so its session ' +
    'was ended',
  noUser: 'the hook "identity" found no user for the refresh token',
  otherUser: 'the hook "claims" names another user than the refresh token',
  withoutSession: 'the token has no session: sessions are required, or all were ended since',
};

/** @returns why a hook may have found no user for the claim that names it */
export function identityDetail(claim: unknown, name: string): string | undefined {
  if (claim === undefined) return `the token has no claim "${name}"`;
  if (typeof claim === 'string') return undefined;
  const kind = typeof claim === 'number' ? 'a number' : 'not a string';
  return `the claim "${name}" is ${kind}; Accounts finds users by a string`;
}

/** @returns which of these members are not strings, or are empty; undefined if all are filled */
export function fieldDetail(body: object, ...names: readonly string[]): string | undefined {
  const faults = names.flatMap((name) => {
    const value = ownMember(body, name);
    if (typeof value !== 'string') return [`the body has no string "${name}"`];
    return value === '' ? [`the string "${name}" of the body is empty`] : [];
  });
  return faults.length === 0 ? undefined : faults.join(', and ');
}
