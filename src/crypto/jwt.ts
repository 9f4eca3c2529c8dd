/**
 * Signs and verifies JSON Web Tokens: HS256, compact serialisation, nothing else (RFC 7515, 7518 §3.2, 7519, 8725).
 * Promise: verify lets no decoder and no JSON parser near bytes whose MAC is unchecked; a token has one spelling; the
 * token chooses neither its algorithm nor its key.
 */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { nonNegativeNumber, aFunction, clockTime, integerBetween, isObject, nonEmptyString, listOfStrings } from '../options.ts';
import { AuthError } from '../errors.ts';
import { readOptions, timeInSeconds, type Checks } from '../options.ts';
import { decodeText, encodeText } from './base64url.ts';
import { checkContent, checkTimes, type ClaimRules, type RawClaims, type RegisteredClaims } from './claims.ts';
import { copyObject } from './json-value.ts';
import { keysOf, type Secret } from './secret.ts';
import { TokenCache } from './token-cache.ts';

/** How tokens are made and judged. Times are in seconds, finite and at least 0. */
export interface JwtOptions {
  /** One secret, or a list for rotation: the first signs, every one verifies. `undefined` is always refused. */
  readonly secret: Secret | readonly Secret[] | undefined;
  /** `exp`, counted from now; default 300. */
  readonly lifetimeSeconds?: number;
  /** `nbf`, counted from now; default 0. */
  readonly notBeforeSeconds?: number;
  /** How far clocks may differ where exp, nbf, iat and the age are judged; default 10. */
  readonly leewaySeconds?: number;
  /** The `iss` claim: written by sign, required by verify. Default none. */
  readonly issuer?: string;
  /** The `aud` claim: written by sign, and verify wants one of them. Default none: a token with `aud` is refused. */
  readonly audience?: string | readonly string[];
  /** The `typ` header; default `JWT`. If given, verify requires it (RFC 8725 §3.11); if not, it may be absent. */
  readonly type?: string;
  /** Claims that a token must have, for sign and for verify. Default exp, iat and nbf. */
  readonly requiredClaims?: readonly string[];
  /** The greatest `now - iat`; default none. */
  readonly maxAgeSeconds?: number;
  /** The longest token, in characters; 64 to 1,048,576, default 8192. */
  readonly maxTokenLength?: number;
  /** How many verified tokens, of up to 16,383 characters, are remembered; 0 to 1,000,000, default 1000. */
  readonly cacheSize?: number;
  /** The clock, in seconds since 1970, from 0 to the year 9999; default the system's. */
  readonly now?: () => number;
}

/** What sign takes besides the claims. */
export interface SignOptions {
  /** `exp` of this token, in seconds from now; default the `lifetimeSeconds` of the Jwt. */
  readonly lifetimeSeconds?: number;
  /** Further header parameters, such as a `kid` for other verifiers. Never `alg`, `crit` or `b64`. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
}

/** The checks of {@link JwtOptions}, for who takes these options and passes them on. */
export const JWT_OPTION_CHECKS: Checks<JwtOptions> = {
  secret: () => undefined, // keysOf judges it, also one that is absent
  lifetimeSeconds: nonNegativeNumber, notBeforeSeconds: nonNegativeNumber, leewaySeconds: nonNegativeNumber, maxAgeSeconds: nonNegativeNumber,
  issuer: nonEmptyString, type: nonEmptyString, requiredClaims: listOfStrings(0),
  audience: (name, value) => (Array.isArray(value) ? listOfStrings(1) : nonEmptyString)(name, value),
  maxTokenLength: integerBetween(64, 1_048_576), cacheSize: integerBetween(0, 1_000_000), now: aFunction,
};

const SIGN_OPTION_CHECKS: Checks<SignOptions> = { lifetimeSeconds: nonNegativeNumber, header: checkOwnHeader };

/** Members of its own, so that none is found in a prototype. */
const NO_OPTIONS = { header: undefined, lifetimeSeconds: undefined };

const DEFAULTS = {
  lifetimeSeconds: 300, notBeforeSeconds: 0, leewaySeconds: 10, now: () => Date.now() / 1000,
  requiredClaims: ['exp', 'iat', 'nbf'] as readonly string[], maxTokenLength: 8192, cacheSize: 1000,
};

/**
 * Makes and judges tokens under one set of rules. The secrets are held as KeyObjects in private fields, where neither
 * `util.inspect` nor `JSON.stringify` finds them.
 * @typeParam Claims the application's own claims, as sign takes and verify returns them
 */
export class Jwt<Claims extends object = Record<string, unknown>> {
  readonly #keys: readonly [KeyObject, ...KeyObject[]];
  readonly #rules: typeof DEFAULTS & ClaimRules & Pick<JwtOptions, 'type'>;
  readonly #parties: Pick<RegisteredClaims, 'iss' | 'aud'>;
  readonly #headerSegment: string;
  readonly #cache: TokenCache<RawClaims & RegisteredClaims>;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: JwtOptions) {
    const { secret, ...others } = readOptions(options, JWT_OPTION_CHECKS);
    const rules = withoutPrototype({ ...DEFAULTS, ...others });
    const { issuer, audience } = rules;
    this.#keys = keysOf(secret);
    const requiredClaims = [...rules.requiredClaims];
    this.#rules = withoutPrototype({ ...rules, requiredClaims, audience: [audience ?? []].flat() });
    const aud = Array.isArray(audience) ? [...audience] : audience;
    this.#parties = { ...(issuer && { iss: issuer }), ...(aud && { aud }) };
    this.#headerSegment = encodeText(jsonOf({ typ: rules.type ?? 'JWT', alg: 'HS256' }));
    this.#cache = new TokenCache(rules.cacheSize);
  }

  /**
   * Signs with the first secret. Adds `iat` (now, in whole seconds), `nbf`, `exp`, and `iss` and `aud` where they are
   * configured; where `claims` has one of these, that one stays.
   * @param claims a plain object of JSON values, up to 100 levels deep. All of it stands in the
   *   token, as it is. A class instance, a value that JSON has no form for and a member that JSON
   *   would leave out are refused, also deep within. `exp`, `nbf` and `iat` are seconds since 1970,
   *   up to the year 9999.
   * @param options its `header` is held to the same rule
   * @returns a compact token (RFC 7515 §3.1), which verify accepts when its times allow
   * @throws TypeError for claims or a header of another kind, and if verify would refuse them
   *   for their content (`cause` is then its refusal); RangeError for a number that is not finite,
   *   a time after the year 9999, deeper nesting and a token longer than `maxTokenLength`; either
   *   for options and for what `now` returns
   */
  sign(claims: Claims, options?: SignOptions): string {
    const { maxTokenLength, notBeforeSeconds } = this.#rules;
    const own = options === undefined ? NO_OPTIONS : readOptions(options, SIGN_OPTION_CHECKS);
    const { header, lifetimeSeconds = this.#rules.lifetimeSeconds } = own;
    const given = copyObject('claims', claims);
    const iat = Math.floor(this.#clock());
    const nbf = iat + notBeforeSeconds;
    const exp = iat + lifetimeSeconds;
    const payload: RawClaims = { iat, nbf, exp, ...this.#parties, ...given };
    for (const name of ['iat', 'nbf', 'exp']) timeInSeconds(name, payload[name]);
    expectAccepted('claims', () => checkContent(payload, this.#rules));
    const headerSegment = header === undefined ? this.#headerSegment : this.#encodeHeader(header);
    const signingInput = `${headerSegment}.${encodeText(jsonOf(payload))}`;
    const token = `${signingInput}.${mac(this.#keys[0], signingInput)}`;
    if (token.length <= maxTokenLength) return token;
    throw new RangeError(`"claims" expected a token of at most ${maxTokenLength} characters, got ${token.length}`);
  }

  /** The segment of a header that is not the constant one. */
  #encodeHeader(header: object): string {
    const typ = this.#rules.type ?? 'JWT';
    const members = { typ, ...copyObject('header', header), alg: 'HS256' };
    expectAccepted('header', () => this.#checkHeader(members));
    return encodeText(jsonOf(members));
  }

  /**
   * Verifies a compact token, without a scheme before it. The time it takes depends on the token's length, on whether
   * it is remembered and on which secret fits, not on where a wrong signature differs from the right one.
   * @returns the claims, deeply frozen. That they are of type `Claims` is the word of whoever held the secret.
   * @throws AuthError ERR_JWT_*, never anything else for any string; RangeError or TypeError for
   *   what `now` returns, such as milliseconds
   */
  verify(token: string): Readonly<Claims & RegisteredClaims> {
    const entry = this.#cache.get(token);
    const claims = entry?.claims ?? this.#authenticate(token);
    checkTimes(claims, this.#rules, this.#clock());
    if (entry === undefined) this.#cache.set(token, claims);
    else entry.isUsed = true;
    return claims as Readonly<Claims & RegisteredClaims>;
  }

  /** All of verify that the clock has no part in, in this order: outline, MAC, header, claims. */
  #authenticate(token: string): RawClaims & RegisteredClaims {
    // 1. The outline, by position alone (RFC 7515 §7.1: three segments). A megabyte of dots is refused at once.
    if (typeof token !== 'string') throw new AuthError('ERR_JWT_MALFORMED');
    if (token.length > this.#rules.maxTokenLength) throw new AuthError('ERR_JWT_TOO_LONG');
    const firstDot = token.indexOf('.');
    const secondDot = token.indexOf('.', firstDot + 1);
    if (secondDot === -1) throw new AuthError('ERR_JWT_MALFORMED');
    const signingInput = token.slice(0, secondDot);
    const signature = token.slice(secondDot + 1);
    // 32 bytes of HMAC-SHA256 are 43 characters. No signature, another algorithm's, further segments: it is not ours.
    if (signature.length !== 43) throw new AuthError('ERR_JWT_SIGNATURE');

    // 2. The MAC, over the text as it came. jsonwebtoken 9, jose 6, fast-jwt 6 and PyJWT 2 decode the header first.
    //    Here a stranger's bytes reach no decoder and no parser, and the header has no say in it (RFC 8725 §3.1).
    const isOurs = this.#keys.some((key) => isSameText(signature, mac(key, signingInput)));
    if (!isOurs) throw new AuthError('ERR_JWT_SIGNATURE');

    // 3. The header. It only gets to agree. Our own is a constant and needs no parsing.
    const headerSegment = token.slice(0, firstDot);
    if (headerSegment !== this.#headerSegment) this.#checkHeader(parseObject(headerSegment, 'ERR_JWT_HEADER'));

    // 4. The claims.
    const claims = parseObject(token.slice(firstDot + 1, secondDot), 'ERR_JWT_PAYLOAD');
    checkContent(claims, this.#rules);
    return deepFreeze(claims);
  }

  /** Any header but our constant one. `kid`, `jwk`, `jku` and the like are never looked at. */
  #checkHeader(header: RawClaims): void {
    const { alg, typ, crit, b64 } = withoutPrototype({ ...header });
    if (alg !== 'HS256') throw new AuthError('ERR_JWT_ALGORITHM');
    // RFC 7515 §4.1.11: who does not understand an extension in `crit` refuses the token. We understand none, and no
    // JWT may have `b64` false (RFC 7797 §7). We are stricter in refusing both whatever their value.
    if (crit !== undefined || b64 !== undefined) throw new AuthError('ERR_JWT_EXTENSION');
    if (typ === undefined && this.#rules.type === undefined) return;
    if (mediaType(typ) !== mediaType(this.#rules.type ?? 'JWT')) throw new AuthError('ERR_JWT_TYPE');
  }

  /** A clock that answers NaN would let every token pass, one in milliseconds none that expires. */
  #clock(): number {
    const { now } = this.#rules;
    const seconds = now();
    clockTime('now', seconds);
    return seconds;
  }
}

/**
 * Reads header and claims of a token, up to 1,048,576 characters, and verifies nothing. Never for deciding.
 * @throws AuthError ERR_JWT_MALFORMED if it has not three segments, ERR_JWT_TOO_LONG, ERR_JWT_HEADER, ERR_JWT_PAYLOAD
 */
export function decodeUnverified(token: string): { header: object; claims: object } {
  const [header = '', payload = '', ...others] = typeof token === 'string' ? token.split('.', 4) : [];
  if (others.length !== 1) throw new AuthError('ERR_JWT_MALFORMED');
  if (token.length > 1_048_576) throw new AuthError('ERR_JWT_TOO_LONG');
  return { header: parseObject(header, 'ERR_JWT_HEADER'), claims: parseObject(payload, 'ERR_JWT_PAYLOAD') };
}

/**
 * @param members of our own making, or copied by copyObject
 * @throws TypeError where all objects or arrays inherit a `toJSON` (prototype pollution), which
 *   could write any claims
 */
function jsonOf(members: object): string {
  if ('toJSON' in []) throw new TypeError('"toJSON" expected no inherited member, got one');
  return JSON.stringify(members);
}

/** What verify would refuse is not signed: the refusal becomes the caller's mistake. */
function expectAccepted(part: 'claims' | 'header', check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new TypeError(`"${part}" expected what verify accepts, got ${error}`, { cause: error });
  }
}

/** So that no member is found that every object inherits (prototype pollution). */
function withoutPrototype<T extends object>(members: T): T {
  return Object.setPrototypeOf(members, null);
}

/** HMAC-SHA256 (RFC 2104, RFC 7518 §3.2) of the signing input's UTF-8, as base64url. */
function mac(key: KeyObject, signingInput: string): string {
  return createHmac('sha256', key).update(signingInput).digest('base64url');
}

/** Compares texts and not bytes, so that a signature has one spelling. In constant time for lengths that agree. */
function isSameText(given: string, expected: string): boolean {
  const givenBytes = Buffer.from(given, 'utf8');
  const expectedBytes = Buffer.from(expected, 'utf8');
  return givenBytes.length === expectedBytes.length && timingSafeEqual(givenBytes, expectedBytes);
}

/** Canonical base64url, UTF-8, a JSON object. Of members with one name the last one counts (RFC 7519 §4). */
function parseObject(segment: string, code: 'ERR_JWT_HEADER' | 'ERR_JWT_PAYLOAD'): RawClaims {
  const json = decodeText(segment);
  let value: unknown;
  try {
    value = json === undefined ? undefined : JSON.parse(json);
  } catch {
    // The parser's message quotes what it read, so it is not passed on.
  }
  if (isObject(value)) return value;
  throw new AuthError(code);
}

/** What is remembered is handed out again, so nobody may change it. No recursion: JSON may nest deeply. */
function deepFreeze<T extends object>(claims: T): T {
  const reached: object[] = [claims];
  for (const value of reached) {
    for (const name of Object.keys(value)) {
      const member = (value as RawClaims)[name];
      if (typeof member === 'object' && member !== null) reached.push(member);
    }
    Object.freeze(value);
  }
  return claims;
}

/** RFC 7515 §4.1.9: `application/` may be left out. Case is ignored, in values of parameters too, which is laxer. */
function mediaType(typ: unknown): string | undefined {
  if (typeof typ !== 'string') return undefined;
  // Of ASCII alone: the sign for Kelvin is no k.
  return typ.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/^application\/(?=[^/]*$)/, '');
}

/** These are refused whatever their value. copyObject refuses a header that is not an object. */
function checkOwnHeader(name: string, header: unknown): void {
  for (const member of ['alg', 'crit', 'b64']) {
    const isThere = Object.hasOwn(Object(header), member);
    if (isThere) throw new TypeError(`"${name}" expected no member "${member}", got one`);
  }
}
