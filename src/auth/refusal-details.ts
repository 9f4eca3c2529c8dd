/**
 * The details of refusals: for the log, what is probably wrong with a request. A client gets the
 * statuses and bodies of Flask-JWT alone, which say little about its mistake.
 * Promise: a detail is a constant text. It repeats nothing that a client sent, except for a few
 * words such as `undefined`, which a program sends by mistake.
 * Promise: only a request that was refused already is looked at, and no part of a token is decoded
 * before its signature was verified.
 */
import { decodeUnverified } from '../crypto/jwt.ts';
import { isAuthError } from '../errors.ts';
import { ownMember } from '../values.ts';
import { withDetail } from './error-reply.ts';
import { REFRESH_TYPE } from './refresh-token.ts';

/** What JavaScript writes in place of a token that is missing. */
const WORDS: readonly string[] = ['undefined', 'null'];

const OBJECT = /^\[object\b/;
const QUOTATION_MARK = /^["'`\u2018-\u201f]|["'`\u2018-\u201f]$/;
const ENCODED = /%(?:2e|20|22)/i;
const SEPARATOR_AT_END = /[,;]$/;
const LINE_BREAK = /[\r\n]/;
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
    if (OBJECT.test(second)) return objectDetail(`${second} ${third}`);
    if (isScheme(second)) return 'the header has its scheme twice';
    if (second.endsWith(',')) return 'the request has two Authorization headers, or a list in one';
    return 'the header has more parts than a scheme and a token';
  }
  if (scheme.toLowerCase() === 'basic') return 'the header is one of Basic authentication';
  if (TOKEN.test(text)) return 'the header is a token without a scheme before it';
  if (second === '') return tokenWordDetail(text) ?? 'the header is one word: it has no scheme';
  if (QUOTATION_MARK.test(scheme)) return 'the header is in quotation marks';
  return 'the scheme is none of the option "schemes"';
}

function objectDetail(text: string): string {
  const isPromise = text.startsWith('[object Promise]');
  if (isPromise) return 'the token is the text "[object Promise]": the client does not await it';
  return 'the token is the text "[object Object]": the client sends the object that holds it';
}

function tokenWordDetail(token: string): string | undefined {
  const word = WORDS.find((name) => name === token);
  return word === undefined ? undefined : `the token is the text "${word}"`;
}

/** @returns what is probably wrong with a token that is not three segments, or has a wrong MAC */
function outlineDetail(token: unknown): string | undefined {
  if (typeof token !== 'string') return undefined;
  const word = tokenWordDetail(token);
  if (word !== undefined) return word;
  if (OBJECT.test(token)) return objectDetail(token);
  if (QUOTATION_MARK.test(token)) return 'the token is in quotation marks';
  if (LINE_BREAK.test(token)) return 'the token has a line break in it';
  if (SEPARATOR_AT_END.test(token)) return 'the token has a comma or a semicolon at its end';
  if (ENCODED.test(token)) return 'the token is URL-encoded';
  // The limit keeps a megabyte of dots from making a long list.
  const segments = token.split('.', 6);
  if (segments.length === 1) return 'the token has no dots: it is an opaque token or an API key';
  if (segments.length === 2) return 'the token has two of three segments: it was cut off';
  if (segments.length === 5) return 'the token has five segments: it is encrypted (JWE)';
  if (segments.length > 3) return 'the token has more than three segments';
  return signatureDetail(segments[2] ?? '');
}

const HS256_CHARACTERS = 43;

function signatureDetail({ length }: string): string | undefined {
  if (length === 0) return 'the token has no signature';
  if (length < HS256_CHARACTERS) {
    return 'the signature is shorter than that of HS256: it was cut off';
  }
  if (length === HS256_CHARACTERS) return undefined;
  return 'the signature is longer than that of HS256: the token has another alg';
}

/** @returns what `typ` says about a token whose signature was verified */
function typeDetail(token: string): string | undefined {
  const type = ownMember(headerOf(token), 'typ');
  if (type === REFRESH_TYPE) return 'the token is a refresh token, which only a refresh takes';
  if (type === 'JWT') return 'the token is an access token, in place of one of another type';
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
 * @param error what a verification threw, which may be anything
 * @param token the token, or what a hook returned in its place
 * @returns the error. It is a copy with a detail, if it is a refusal that can be explained.
 */
export function withTokenDetail(error: unknown, token: unknown): unknown {
  if (!isAuthError(error)) return error;
  switch (error.code) {
    case 'ERR_JWT_MALFORMED':
    case 'ERR_JWT_SIGNATURE':
    case 'ERR_JWT_TOO_LONG':
      return withDetail(error, outlineDetail(token));
    // These two come after the signature was verified.
    case 'ERR_JWT_TYPE':
    case 'ERR_JWT_AUDIENCE':
      return withDetail(error, typeDetail(String(token)));
    default:
      return error;
  }
}

/**
 * @returns what `verify` returns for a token
 * @throws what `verify` throws, with a detail if it is a refusal that can be explained
 */
export function explaining<Result>(token: string, verify: (token: string) => Result): Result {
  try {
    return verify(token);
  } catch (error) {
    throw withTokenDetail(error, token);
  }
}

/** Why a session is refused, as far as that is known without another query of the store. */
export const SESSION_DETAILS = {
  unknown: 'the session was ended, was idle for too long, or never existed',
  reused: 'the refresh token was replaced before, so its session has ended now: it may be stolen',
  noUser: 'the hook "identity" found no user for the refresh token',
  otherUser: 'the hook "claims" names another user than the refresh token',
  withoutSession: 'the token has no session: sessions are required, or all were ended since',
} as const;

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
