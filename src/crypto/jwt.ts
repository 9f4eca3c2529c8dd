/**
 * Signs and verifies JSON Web Tokens: HS256 in the compact serialisation, nothing else (RFC 7515,
 * RFC 7518 §3.2, RFC 7519, RFC 8725).
 * Promise: verify passes no byte to a decoder or JSON parser before its MAC is checked. Each token
 * has exactly one valid spelling. A token cannot choose its algorithm or its key.
 */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { AuthError, refusedAsMistake } from '../errors.ts';
import { checkedClock, isObject, readOptions, timeInSeconds } from '../options.ts';
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
 * @typeParam Claims the application's own claims, as sign takes and verify returns them
 */
export class Jwt<Claims extends object = Record<string, unknown>> {
  readonly #keys: readonly [KeyObject, ...KeyObject[]];
  readonly #rules: ReturnType<typeof rulesOf>;
  readonly #headerSegment: string;
  readonly #cache: TokenCache<JwtClaims>;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: JwtOptions) {
    const own = readOptions(options, JWT_OPTION_CHECKS);
    this.#keys = keysOf(own.secret);
    this.#rules = rulesOf(own);
    this.#headerSegment = this.#encodeHeader({});
    this.#cache = new TokenCache(own.cacheSize ?? 1000);
  }

  /**
   * Signs with the first secret. Adds `iat` (now, in whole seconds), `nbf` and `exp`, and `iss` and
   * `aud` if they are configured. A claim of the same name in `claims` wins.
   * @param claims a plain object of JSON values, at most 100 levels deep. The token holds all of
   *   it, unchanged. Class instances, values that JSON cannot write and members that JSON would
   *   leave out are refused at every level. `exp`, `nbf` and `iat` are seconds since 1970, up to
   *   the year 9999.
   * @param options its `header` follows the same rule
   * @returns a compact token (RFC 7515 §3.1), which verify accepts while its times allow
   * @throws TypeError for claims or a header of another kind, or that verify would refuse for their
   *   content (`cause` is then that refusal)
   * @throws RangeError for a number that is not finite, a time after the year 9999, more than 100
   *   levels and a token longer than `maxTokenLength`
   * @throws TypeError or RangeError for options, and for what `now` returns
   */
  sign(claims: Claims, options?: SignOptions): string {
    const own = options === undefined ? undefined : readOptions(options, SIGN_OPTION_CHECKS);
    const payloadSegment = this.#encodeClaims(claims, own?.lifetimeSeconds);
    const headerSegment = this.#encodeHeader(own?.header);
    const signingInput = `${headerSegment}.${payloadSegment}`;
    const token = `${signingInput}.${mac(this.#keys[0], signingInput)}`;
    if (token.length <= this.#rules.maxTokenLength) return token;
    const expected = `a token of at most ${this.#rules.maxTokenLength} characters`;
    throw new RangeError(`"claims" expected ${expected}, got ${token.length}`);
  }

  #encodeClaims(given: Claims, lifetimeSeconds = this.#rules.lifetimeSeconds): string {
    const own = copyObject('claims', given);
    const iat = Math.floor(this.#rules.now());
    const nbf = iat + this.#rules.notBeforeSeconds;
    const exp = iat + lifetimeSeconds;
    const claims: JsonObject = { iat, nbf, exp, ...this.#rules.issuerAndAudience, ...own };
    for (const name of ['iat', 'nbf', 'exp']) timeInSeconds(name, claims[name]);
    refusedAsMistake('claims', () => checkContent(claims, this.#rules));
    return encodeText(jsonOf(claims));
  }

  #encodeHeader(given: object | undefined): string {
    if (given === undefined) return this.#headerSegment;
    const typ = this.#rules.type ?? 'JWT';
    const header = { typ, ...copyObject('header', given), alg: 'HS256' };
    refusedAsMistake('header', () => this.#checkHeader(header));
    return encodeText(jsonOf(header));
  }

  /**
   * Verifies a compact token, without a scheme such as `Bearer` before it. The time taken depends
   * on the length of the token, on whether it is cached and on which secret fits. It does not
   * depend on where a wrong signature differs from the right one.
   * @returns the claims, deeply frozen. Their type is not checked: `Claims` is what you trust the
   *   holders of your secret to have signed.
   * @throws AuthError ERR_JWT_*, and nothing else for any string
   * @throws TypeError or RangeError for what `now` returns, such as milliseconds
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
    // 1. The outline, by position alone (RFC 7515 §7.1: three segments). A megabyte of dots is
    //    refused at once.
    if (typeof token !== 'string') throw new AuthError('ERR_JWT_MALFORMED');
    if (token.length > this.#rules.maxTokenLength) throw new AuthError('ERR_JWT_TOO_LONG');
    const firstDot = token.indexOf('.');
    const secondDot = token.indexOf('.', firstDot + 1);
    if (secondDot === -1) throw new AuthError('ERR_JWT_MALFORMED');
    const signingInput = token.slice(0, secondDot);
    // The 32 bytes of HMAC-SHA256 are 43 characters. This also refuses a missing signature, one of
    // another algorithm and further segments. A 44th character is enough to refuse a longer one.
    const signature = Buffer.from(token.slice(secondDot + 1, secondDot + 45), 'utf8');
    if (signature.length !== 43) throw new AuthError('ERR_JWT_SIGNATURE');

    // 2. The MAC, over the text as it came. jsonwebtoken 9, jose 6, fast-jwt 6 and PyJWT 2 decode
    //    the header first. Here bytes of unknown origin reach no decoder and no parser, and the
    //    header has no say in how they are verified (RFC 8725 §3.1). Texts are compared and not
    //    bytes, so that a signature has one spelling.
    const isMacBy = (key: KeyObject) =>
      timingSafeEqual(signature, Buffer.from(mac(key, signingInput), 'utf8'));
    if (!this.#keys.some(isMacBy)) throw new AuthError('ERR_JWT_SIGNATURE');

    // 3. The header, which can only agree. Our own is a constant and needs no parsing.
    const header = token.slice(0, firstDot);
    if (header !== this.#headerSegment) this.#checkHeader(parseObject(header, 'ERR_JWT_HEADER'));

    // 4. The claims.
    const claims = parseObject(token.slice(firstDot + 1, secondDot), 'ERR_JWT_PAYLOAD');
    checkContent(claims, this.#rules);
    return deepFreeze(claims);
  }

  /** Any header but our constant one. `kid`, `jwk`, `jku` and the like are never looked at. */
  #checkHeader(header: JsonObject): void {
    // Without a prototype no parameter is found that every object inherits (prototype pollution).
    const { alg, typ, crit, b64 }: JsonObject = Object.setPrototypeOf({ ...header }, null);
    if (alg !== 'HS256') throw new AuthError('ERR_JWT_ALGORITHM');
    // RFC 7515 §4.1.11: a verifier refuses a token with an extension in `crit` that it does not
    // understand. We understand none, and no JWT may have `b64` false (RFC 7797 §7). We are
    // stricter: both are refused whatever their value.
    if (crit !== undefined || b64 !== undefined) throw new AuthError('ERR_JWT_EXTENSION');
    const { type } = this.#rules;
    if (typ === undefined && type === undefined) return;
    if (mediaType(typ) !== mediaType(type ?? 'JWT')) throw new AuthError('ERR_JWT_TYPE');
  }
}

/**
 * Reads the header and the claims of a token of at most 1,048,576 characters and verifies nothing.
 * For debugging, never for a decision.
 * @throws AuthError ERR_JWT_MALFORMED for a token without exactly three segments, ERR_JWT_TOO_LONG,
 *   ERR_JWT_HEADER, ERR_JWT_PAYLOAD
 */
export function decodeUnverified(token: string): { header: object; claims: object } {
  const [first = '', second = '', ...others] = typeof token === 'string' ? token.split('.', 4) : [];
  if (others.length !== 1) throw new AuthError('ERR_JWT_MALFORMED');
  if (token.length > 1_048_576) throw new AuthError('ERR_JWT_TOO_LONG');
  const header = parseObject(first, 'ERR_JWT_HEADER');
  const claims = parseObject(second, 'ERR_JWT_PAYLOAD');
  return { header, claims };
}

/** Every rule is an own member, so that none is found on a polluted prototype. */
function rulesOf(own: JwtOptions) {
  const { issuer, audience } = own;
  const audiences = audience === undefined ? [] : [audience].flat();
  const aud = Array.isArray(audience) ? audiences : audience;
  return {
    lifetimeSeconds: own.lifetimeSeconds ?? 300,
    notBeforeSeconds: own.notBeforeSeconds ?? 0,
    leewaySeconds: own.leewaySeconds ?? 10,
    issuer,
    audience: audiences,
    issuerAndAudience: { ...(issuer && { iss: issuer }), ...(aud && { aud }) },
    type: own.type,
    requiredClaims: [...(own.requiredClaims ?? ['exp', 'iat', 'nbf'])],
    maxAgeSeconds: own.maxAgeSeconds,
    maxTokenLength: own.maxTokenLength ?? 8192,
    now: checkedClock(own.now ?? (() => Date.now() / 1000)),
  };
}

/**
 * @param members made here, or copied by copyObject
 * @throws TypeError if all objects or arrays inherit a `toJSON` (prototype pollution), which could
 *   write any claims
 */
function jsonOf(members: object): string {
  if ('toJSON' in []) throw new TypeError('"toJSON" expected no inherited member, got one');
  return JSON.stringify(members);
}

/** HMAC-SHA256 (RFC 2104, RFC 7518 §3.2) of the signing input in UTF-8, as base64url. */
function mac(key: KeyObject, signingInput: string): string {
  return createHmac('sha256', key).update(signingInput).digest('base64url');
}

/** Canonical base64url, UTF-8, a JSON object. Of equal names the last one counts (RFC 7519 §4). */
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
 * Cached claims are returned again and again, so no caller may change them. Without recursion,
 * because JSON may nest deeply.
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
 * RFC 7515 §4.1.9: `application/` may be left out. We are laxer: case is ignored in the values of
 * parameters too.
 */
function mediaType(typ: unknown): string | undefined {
  if (typeof typ !== 'string') return undefined;
  // ASCII only: toLowerCase would make a k of the Kelvin sign.
  const lowerCase = typ.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return lowerCase.replace(/^application\/(?=[^/]*$)/, '');
}
