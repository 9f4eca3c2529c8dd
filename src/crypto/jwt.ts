/**
 * Signs and verifies JSON Web Tokens: HS256 in the compact serialisation, nothing else (RFC 7515,
 * RFC 7518 §3.2, RFC 7519, RFC 8725).
 * Promise: verify passes no byte of a token to a decoder or a JSON parser before it has checked the
 * MAC. Each token has exactly one valid encoding. A token cannot choose its algorithm or its key.
 */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { AuthError, rethrowRefusalAsTypeError } from '../errors.ts';
import { checkedClock, checkTimeClaim, DEFAULT_TOKEN_TIMES, readOptions } from '../options.ts';
import { isObject } from '../values.ts';
import { decodeText, encodeText } from './base64url.ts';
import { checkContent, checkTimes, type JwtClaims, type RegisteredClaims } from './claims.ts';
import { JWT_OPTION_CHECKS, SIGN_OPTION_CHECKS } from './jwt-options.ts';
import type { JwtOptions, SignOptions } from './jwt-options.ts';
import { copyObject, type JsonObject } from './json-value.ts';
import { keysOf } from './secret.ts';
import { TokenCache } from './token-cache.ts';

/**
 * Signs and verifies tokens under one set of rules. Secrets are held as KeyObjects in private
 * fields, where neither `util.inspect` nor `JSON.stringify` finds them.
 * @example const token = new Jwt({ secret }).sign({ identity: 'joe' });
 * @typeParam Claims the application's own claims, as sign takes and verify returns them
 */
export class Jwt<Claims extends object = Record<string, unknown>> {
  readonly #keys: readonly [KeyObject, ...KeyObject[]];
  readonly #rules: ReturnType<typeof rulesOf>;
  readonly #headerSegment: string;
  /** The last header that verify accepted and that differs from `#headerSegment`. */
  #foreignHeaderSegment: string | undefined;
  readonly #cache: TokenCache<JwtClaims>;

  /**
   * Makes a signer and verifier of tokens.
   * @example new Jwt({ secret, lifetimeSeconds: 3600 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: JwtOptions) {
    const own = readOptions(options, JWT_OPTION_CHECKS, ['secret']);
    this.#keys = keysOf(own.secret);
    this.#rules = rulesOf(own);
    this.#headerSegment = this.#encodeHeader({});
    this.#cache = new TokenCache(own.cacheSize ?? 1000);
  }

  /**
   * Signs with the first secret. Adds `iat` (now, in whole seconds), `nbf` and `exp`, and `iss` and
   * `aud` if they are configured. A claim of the same name in `claims` wins.
   * @param claims a plain object of JSON values, at most 100 levels deep. The token holds all of
   *   them, unchanged. Class instances, values that JSON cannot write and members that JSON would
   *   leave out are refused at every level. `exp`, `nbf` and `iat` are seconds since 1970, up to
   *   the year 9999.
   * @param options its `header` must meet the same conditions as `claims`
   * @returns a compact token (RFC 7515 §3.1) that verify of this Jwt accepts while its times allow
   * @throws TypeError for claims or a header of another kind, and for content that verify would
   *   refuse; `cause` is then the refusal
   * @throws RangeError for a number that is not finite, a time after the year 9999, more than 100
   *   levels and a token longer than `maxTokenLength`
   * @throws TypeError or RangeError for wrong options, and for a clock that returns a wrong time
   */
  sign(claims: Claims, options?: SignOptions): string {
    const own = options === undefined ? undefined : readOptions(options, SIGN_OPTION_CHECKS);
    const payloadSegment = this.#encodeClaims(claims, own?.lifetimeSeconds);
    const signingInput = `${this.#encodeHeader(own?.header)}.${payloadSegment}`;
    const token = `${signingInput}.${mac(this.#keys[0], signingInput)}`;
    if (token.length <= this.#rules.maxTokenLength) return token;
    throw new RangeError(`"claims" expected up to maxTokenLength characters, got ${token.length}`);
  }

  #encodeClaims(given: Claims, lifetimeSeconds = this.#rules.lifetimeSeconds): string {
    const copy = copyObject('claims', given);
    const iat = Math.floor(this.#rules.now());
    const nbf = iat + this.#rules.notBeforeSeconds;
    const exp = iat + lifetimeSeconds;
    const claims: JsonObject = { iat, nbf, exp, ...this.#rules.issuerAndAudience, ...copy };
    for (const name of ['iat', 'nbf', 'exp']) checkTimeClaim(name, claims[name], copy);
    rethrowRefusalAsTypeError('claims', () => checkContent(claims, this.#rules));
    return encodeText(jsonOf(claims));
  }

  #encodeHeader(given: object | undefined): string {
    if (given === undefined) return this.#headerSegment;
    const header = { typ: this.#rules.type ?? 'JWT', ...copyObject('header', given), alg: 'HS256' };
    rethrowRefusalAsTypeError('header', () => this.#checkHeader(header));
    return encodeText(jsonOf(header));
  }

  /**
   * Verifies a compact token, without a scheme such as `Bearer` before it. The time depends on the
   * length of the token, on whether the token is cached and on which secret fits. It does not
   * depend on where a wrong signature differs from the right one.
   * @returns the claims, deeply frozen. The type `Claims` is not checked: you trust the holders of
   *   your secret to sign such claims.
   * @throws AuthError ERR_JWT_* for any value that is not a valid token
   * @throws TypeError or RangeError for a clock that returns a wrong time, such as milliseconds
   */
  verify(token: string): Readonly<Claims & RegisteredClaims> {
    const entry = this.#cache.get(token);
    const claims = entry?.claims ?? this.#authenticate(token);
    checkTimes(claims, this.#rules, this.#rules.now());
    if (entry === undefined) this.#cache.set(token, claims);
    else entry.isUsed = true;
    return claims as Readonly<Claims & RegisteredClaims>;
  }

  /** All of verify but the clock, in this order: outline, MAC, header, claims. */
  #authenticate(token: string): JwtClaims {
    // 1. The outline: three segments (RFC 7515 §7.1), found by the positions of the first two dots.
    //    So a megabyte of dots is refused at once.
    if (typeof token !== 'string') throw new AuthError('ERR_JWT_MALFORMED');
    if (token.length > this.#rules.maxTokenLength) throw new AuthError('ERR_JWT_TOO_LONG');
    const firstDot = token.indexOf('.');
    const secondDot = token.indexOf('.', firstDot + 1);
    if (secondDot === -1) throw new AuthError('ERR_JWT_MALFORMED');
    const signingInput = token.slice(0, secondDot);
    // The 32 bytes of HMAC-SHA256 are 43 characters. This length also refuses a missing signature,
    // one of another algorithm and further segments. A 44th character detects a longer one.
    const signature = Buffer.from(token.slice(secondDot + 1, secondDot + 45), 'utf8');
    if (signature.length !== 43) throw new AuthError('ERR_JWT_SIGNATURE');

    // 2. The MAC, over the text as it came. jsonwebtoken 9, jose 6, fast-jwt 6 and PyJWT 2 decode
    //    the header first. Here bytes of unknown origin reach no decoder and no parser, and the
    //    header has no say in how the token is verified (RFC 8725 §3.1). The comparison is of
    //    base64url and not of bytes, so that a signature has exactly one valid encoding.
    const isSignedWith = (key: KeyObject) =>
      timingSafeEqual(signature, Buffer.from(mac(key, signingInput), 'utf8'));
    if (!this.#keys.some(isSignedWith)) throw new AuthError('ERR_JWT_SIGNATURE');

    // 3. The header, which must agree with the configuration. The text that sign writes by default,
    //    and the last other text that passed, would pass again, so neither is parsed.
    const header = token.slice(0, firstDot);
    if (header !== this.#headerSegment && header !== this.#foreignHeaderSegment) {
      this.#checkHeader(parseObject(header, 'ERR_JWT_HEADER'));
      // A copy, because a slice would keep the whole token in memory.
      this.#foreignHeaderSegment = Buffer.from(header, 'utf8').toString('utf8');
    }

    // 4. The claims.
    const claims = parseObject(token.slice(firstDot + 1, secondDot), 'ERR_JWT_PAYLOAD');
    checkContent(claims, this.#rules);
    return deepFreeze(claims);
  }

  /** Also called for the default header of sign. `kid`, `jwk`, `jku` and the like are ignored. */
  #checkHeader(header: JsonObject): void {
    // A copy without a prototype has no inherited parameters (prototype pollution).
    const { alg, typ, crit, b64 }: JsonObject = Object.setPrototypeOf({ ...header }, null);
    if (alg !== 'HS256') throw new AuthError('ERR_JWT_ALGORITHM');
    // RFC 7515 §4.1.11: a verifier refuses a token whose `crit` names an extension that it does not
    // support. We support none, and a JWT must not have `b64` false (RFC 7797 §7). We are stricter:
    // both are refused whatever their value.
    if (crit !== undefined || b64 !== undefined) throw new AuthError('ERR_JWT_EXTENSION');
    const { type } = this.#rules;
    if (typ === undefined && type === undefined) return;
    if (mediaType(typ) !== mediaType(type ?? 'JWT')) throw new AuthError('ERR_JWT_TYPE');
  }
}

/**
 * Decodes the header and the claims of a token of at most 1,048,576 characters and verifies
 * nothing. For debugging, never for a decision.
 * @example console.log(decodeUnverified(token).claims);
 * @throws AuthError ERR_JWT_MALFORMED for a token without exactly three segments, ERR_JWT_TOO_LONG,
 *   ERR_JWT_HEADER, ERR_JWT_PAYLOAD
 */
export function decodeUnverified(token: string): { header: object; claims: object } {
  // The limit of 4 shows a segment too many, and keeps a megabyte of dots from making a long list.
  const [first = '', second = '', ...others] = typeof token === 'string' ? token.split('.', 4) : [];
  if (others.length !== 1) throw new AuthError('ERR_JWT_MALFORMED');
  if (token.length > 1_048_576) throw new AuthError('ERR_JWT_TOO_LONG');
  const header = parseObject(first, 'ERR_JWT_HEADER');
  return { header, claims: parseObject(second, 'ERR_JWT_PAYLOAD') };
}

/** Every rule is an own member, so that none is found on a polluted prototype. */
function rulesOf(own: JwtOptions) {
  // A copy. sign writes a list as a list and a string as a string.
  const aud = typeof own.audience === 'object' ? [...own.audience] : own.audience;
  return {
    lifetimeSeconds: own.lifetimeSeconds ?? DEFAULT_TOKEN_TIMES.lifetimeSeconds,
    notBeforeSeconds: own.notBeforeSeconds ?? DEFAULT_TOKEN_TIMES.notBeforeSeconds,
    leewaySeconds: own.leewaySeconds ?? DEFAULT_TOKEN_TIMES.leewaySeconds,
    issuer: own.issuer,
    audience: [aud ?? []].flat(),
    issuerAndAudience: { ...(own.issuer && { iss: own.issuer }), ...(aud && { aud }) },
    type: own.type,
    requiredClaims: [...(own.requiredClaims ?? ['exp', 'iat', 'nbf'])],
    maxAgeSeconds: own.maxAgeSeconds,
    maxTokenLength: own.maxTokenLength ?? 8192,
    now: checkedClock(own.now),
  };
}

/**
 * @param members copied by copyObject, so without a `toJSON` function of their own
 * @throws TypeError for an inherited `toJSON` (prototype pollution), which could write any claims
 */
function jsonOf(members: object): string {
  if ('toJSON' in []) throw new TypeError('"toJSON" expected no inherited member, got one');
  return JSON.stringify(members);
}

/** HMAC-SHA256 (RFC 2104, RFC 7518 §3.2) of the signing input in UTF-8, as base64url. */
function mac(key: KeyObject, signingInput: string): string {
  return createHmac('sha256', key).update(signingInput).digest('base64url');
}

/**
 * Reads canonical base64url of UTF-8 of a JSON object. Of duplicate members the last one counts
 * (RFC 7519 §4).
 * @throws AuthError with the given code
 */
function parseObject(segment: string, code: 'ERR_JWT_HEADER' | 'ERR_JWT_PAYLOAD'): JsonObject {
  const json = decodeText(segment);
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json);
    if (isObject(value)) return value;
  } catch {
    // The parser's message quotes its input, so it is not passed on.
  }
  throw new AuthError(code);
}

/**
 * Freezes claims at every level, since cached claims are returned to many callers. There is no
 * recursion, because JSON may nest deeper than the stack allows.
 */
function deepFreeze<T extends object>(claims: T): T {
  const reached: object[] = [claims];
  for (const value of reached) {
    for (const member of Object.values(value)) {
      if (typeof member === 'object' && member !== null) reached.push(member);
    }
    Object.freeze(value);
  }
  return claims;
}

/**
 * The form in which two `typ` values are compared. RFC 7515 §4.1.9: `application/` may be left out,
 * and letter case does not count. We are laxer: it does not count in parameter values either.
 */
function mediaType(typ: unknown): string | undefined {
  if (typeof typ !== 'string') return undefined;
  // Only ASCII letters: toLowerCase would turn the Kelvin sign into a k.
  const lowerCase = typ.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return lowerCase.replace(/^application\/(?=[^/]*$)/, '');
}
