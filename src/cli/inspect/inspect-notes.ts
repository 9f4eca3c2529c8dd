/**
 * What `latchkey inspect` adds to a verdict: what was around the token, of which kind the token is,
 * whether its signature is right, and if it is not, the probable reason. `Jwt.verify` has one
 * message for every wrong signature, because it decodes nothing that it has not verified.
 * Promise: no note repeats a secret.
 */
import { REFRESH_AUDIENCE, REFRESH_TYPE } from '../../auth/refresh-token.ts';
import { HS256_CHARACTERS } from '../../auth/token-mistakes.ts';
import { Jwt } from '../../crypto/jwt.ts';
import type { JwtOptions } from '../../crypto/jwt-options.ts';
import { isAuthError, type AuthError } from '../../errors.ts';
import { ownMember } from '../../values.ts';

/** A token as it was found in an argument. */
export interface FoundToken {
  readonly token: string;
  /** What was around it, such as `a scheme`. */
  readonly removed: ReadonlySet<string>;
}

/** A token, decoded. */
export interface TokenParts {
  readonly header: object;
  readonly claims: object;
}

/** A token: an object in base64url begins with eyJ, or with e30, eyA or ew. */
const TOKEN = /(?<=^|%20|[^\w.-])e[3wy][\w-]*(?:\.[\w-]*){2}(?![\w.=-])/;

/** Line breaks that a mail or a terminal puts into a token, but not one behind its scheme. */
const LINE_BREAKS = /(?<=[\w.-])(?<!bearer|jwt)[^\S ]*\n\s*(?=[\w.-])/gi;

/** What people copy together with a token. */
const AROUND: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['white space', /^\s|\s$/],
  ['quotation marks', /["'`\u2018-\u201f]/],
  ['the header name', /authorization:/i],
  ['a scheme', /\b(?:bearer|jwt)(?:\s|%20)/i],
];

/** Finds a token in other text, such as the scheme `Bearer` or the reply to a login. */
export function findToken(argument: string): FoundToken {
  const joined = argument.trim().replace(LINE_BREAKS, '');
  const [token] = TOKEN.exec(joined) ?? [];
  if (token === undefined) return { token: argument.trim(), removed: new Set() };
  const [before = '', after = ''] = joined.split(token);
  const named = AROUND.filter(([, pattern]) => pattern.test(argument));
  const removed = new Set(named.map(([name]) => name));
  if (joined !== argument.trim()) removed.add('line breaks');
  const rest = AROUND.reduce((text, [, pattern]) => {
    return text.replace(RegExp(pattern, `g${pattern.flags}`), '');
  }, `${before} ${after}`);
  if (rest.trim() !== '') removed.add('other text');
  return { token, removed };
}

/** @returns a note if anything was around a token */
export function surroundingsNotes({ removed }: FoundToken): string[] {
  if (removed.size === 0) return [];
  const list = [...removed].join(', ');
  return [`Ignored around the token: ${list}. Jwt.verify accepts only the token itself.`];
}

/** Options of a `Jwt` that decide which kind of token it accepts. */
export type TokenKind = Pick<JwtOptions, 'type' | 'audience'>;

/** Any token but a refresh token. */
const ACCESS: TokenKind = {};

const REFRESH: TokenKind = { type: REFRESH_TYPE, audience: REFRESH_AUDIENCE };

/**
 * @param parts need not be verified, because `Jwt.verify` checks the type and the audience again
 * @returns the kind of token that its type and its audience name
 */
export function kindOf({ header, claims }: TokenParts): TokenKind {
  const isRefresh = ownMember(header, 'typ') === REFRESH_TYPE
    && ownMember(claims, 'aud') === REFRESH_AUDIENCE;
  return isRefresh ? REFRESH : ACCESS;
}

/** @returns notes about the kind of a token, and about its session */
export function kindNotes(parts: TokenParts): string[] {
  const notes: string[] = [];
  if (kindOf(parts) === REFRESH) {
    notes.push('This is a refresh token: POST /refresh takes it, a guard does not.');
  }
  if (ownMember(parts.claims, 'sid') !== undefined) {
    notes.push('It names a session: only the server knows whether that session has ended.');
  }
  return notes;
}

/** The refusals of `Jwt.verify` that come before the signature is known to be right. */
const UNVERIFIED_CODES: readonly string[] = [
  'ERR_JWT_MALFORMED',
  'ERR_JWT_TOO_LONG',
  'ERR_JWT_SIGNATURE',
];

/** What a program can set so that it accepts a token that `inspect` refuses. */
const OPTION_HINTS: ReadonlyMap<string, string> = new Map([
  ['ERR_JWT_AUDIENCE', 'inspect knows no audience: a Jwt needs the option "audience"'],
  ['ERR_JWT_TYPE', 'inspect expects the typ JWT: a Jwt needs the option "type"'],
  [
    'ERR_JWT_CLAIM_MISSING',
    'inspect expects exp, iat and nbf: a Jwt needs the option "requiredClaims"',
  ],
]);

/**
 * @param alg the member of the header, which may be anything
 * @param secrets those that the token was verified with
 * @returns notes about the signature
 */
export function refusalNotes(
  { code }: AuthError,
  token: string,
  alg: unknown,
  secrets: readonly string[],
): string[] {
  if (code === 'ERR_JWT_SIGNATURE') return [signatureNote(token, alg, secrets)];
  if (UNVERIFIED_CODES.includes(code)) return [];
  const hint = OPTION_HINTS.get(code);
  const advice = hint === undefined ? '' : ` But ${hint} to accept the token.`;
  return [`The signature is right.${advice}`];
}

/** @returns a note about a token that cannot have been signed with HS256, whatever the secret */
export function outlineNotes(token: string, alg: unknown): string[] {
  const note = alg === 'HS256' ? cutNote(token) : algorithmNote(alg);
  return note === undefined ? [] : [note];
}

const NAME_OF_ALGORITHM = /^[\w-]{1,20}$/;

/**
 * @param alg the member of the header, which may be anything
 * @param secrets none of them signed the token
 * @returns what the reason probably is
 */
export function signatureNote(token: string, alg: unknown, secrets: readonly string[]): string {
  if (alg !== 'HS256') return algorithmNote(alg);
  const cut = cutNote(token);
  if (cut !== undefined) return cut;
  const used = secrets.flatMap(variantsOf).find(({ key }) => isSignedWith(token, key));
  if (used !== undefined) return `The token was signed with ${used.explanation}.`;
  return 'The token was signed with another secret, or was changed later.';
}

function algorithmNote(alg: unknown): string {
  const isName = typeof alg === 'string' && NAME_OF_ALGORITHM.test(alg);
  const found = `Its alg is ${isName ? alg : 'not HS256'}`;
  return `${found}; latchkey verifies HS256 only: the issuer has to sign with a shared secret.`;
}

/** @returns a note if the last segment cannot be a signature of HS256 */
function cutNote(token: string): string | undefined {
  const signature = token.slice(token.lastIndexOf('.') + 1);
  const { length } = signature;
  if (length !== HS256_CHARACTERS) {
    const problem = `The signature has ${length} characters, that of HS256 has ${HS256_CHARACTERS}`;
    return `${problem}: the token was cut off or changed.`;
  }
  // One signature has one spelling: the last two bits of its last character are zero.
  if (Buffer.from(signature, 'base64url').toString('base64url') === signature) return undefined;
  return 'The signature is not canonical base64url: the token was cut off or changed.';
}

/** What the other side may have used in place of a secret. */
interface Variant {
  readonly key: Buffer;
  /** Completes "signed with". */
  readonly explanation: string;
}

const ENCODINGS: readonly (readonly [encoding: BufferEncoding, form: RegExp])[] = [
  ['hex', /^(?:[0-9a-f]{2})+$/i],
  ['base64', /^[a-z0-9+/]+={0,2}$/i],
  ['base64url', /^[\w-]+={0,2}$/],
];

const MIN_SECRET_BYTES = 32;

/** What stays around a secret that a program did not trim. */
const ADDITIONS: readonly (readonly [before: string, after: string, name: string])[] = [
  ['', '\n', 'a line break after it'],
  ['', '\r\n', 'a line break after it'],
  ['', ' ', 'a space after it'],
  ['LATCHKEY_SECRET=', '', 'the name of the variable before it'],
  ['"', '"', 'quotation marks around it'],
  ["'", "'", 'quotation marks around it'],
];

function variantsOf(secret: string): readonly Variant[] {
  const encodings = ENCODINGS.filter(([, form]) => form.test(secret));
  const decoded = encodings.map(([encoding]) => {
    const key = Buffer.from(secret, encoding);
    const adviceForProgram = key.length < MIN_SECRET_BYTES
      ? `They are ${key.length} bytes, too few for latchkey, which needs ${MIN_SECRET_BYTES}`
      : `In a program use Buffer.from(secret, '${encoding}')`;
    const adviceForServer = 'For latchkey serve, the other side must use the text itself';
    const problem = `the decoded bytes of the secret (${encoding})`;
    const explanation = `${problem}. ${adviceForProgram}. ${adviceForServer}`;
    return { key, explanation };
  });
  const longer = ADDITIONS.map(([before, after, name]) => {
    const key = Buffer.from(`${before}${secret}${after}`);
    return { key, explanation: `the secret and ${name}: the other side has to leave that out` };
  });
  return [...decoded, ...longer];
}

/** The block of SHA-256. HMAC fills a shorter key up with zeros (RFC 2104 §2). */
const BLOCK_BYTES = 64;

function isSignedWith(token: string, key: Buffer): boolean {
  // A key that is shorter than Jwt accepts may have signed the token all the same.
  const padding = Buffer.alloc(Math.max(0, BLOCK_BYTES - key.length));
  try {
    return refusalOf(token, [Buffer.concat([key, padding])])?.code !== 'ERR_JWT_SIGNATURE';
  } catch {
    // Jwt refuses this key, such as a PEM.
    return false;
  }
}

/**
 * @returns the reason why the token is not valid now with these secrets, or undefined if it is.
 *   `latchkey serve` also refuses a valid token of a user that does not exist, or of a session that
 *   has ended.
 * @throws TypeError or RangeError for a secret that Jwt refuses
 */
export function refusalOf(
  token: string,
  secret: readonly (string | Uint8Array)[],
  leewaySeconds = 0,
  kind: TokenKind = ACCESS,
): AuthError | undefined {
  const jwt = new Jwt({ secret: [...secret], leewaySeconds, ...kind });
  try {
    jwt.verify(token);
    return undefined;
  } catch (error) {
    if (isAuthError(error)) return error;
    throw error;
  }
}
