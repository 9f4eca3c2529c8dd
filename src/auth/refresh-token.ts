/**
 * Refresh tokens: signed JWTs of a type and an audience of their own. A refresh token names a
 * session and its generation, and the store of the sessions says whether it is still good.
 * Promise: no refresh token is accepted as an access token, nor the other way round: `typ`
 * (RFC 8725 §3.11) and `aud` (RFC 8725 §3.9) each forbid it alone. Under one secret a session of
 * one generation has one refresh token, byte for byte, so that a client that lost it can be given
 * it again.
 */
import { Jwt } from '../crypto/jwt.ts';
import type { JwtOptions } from '../crypto/jwt-options.ts';
import { AuthError } from '../errors.ts';
import { MAX_TIME_SECONDS } from '../options.ts';
import type { Session } from '../sessions/store.ts';

/** The `typ` of refresh tokens. */
export const REFRESH_TYPE = 'refresh+jwt';

/** The `aud` of refresh tokens. */
export const REFRESH_AUDIENCE = 'latchkey:refresh';

/** The claims of a verified refresh token. */
export interface RefreshClaims {
  /** The identity claim of the access tokens of its session. */
  readonly identity: unknown;
  /** The store key of the user. */
  readonly userId: string;
  readonly sessionId: unknown;
  readonly generation: unknown;
}

/** The parts of a session that its refresh token depends on. */
type SessionOfToken = Pick<Session, 'id' | 'generation' | 'startedAt' | 'endsAt'>;

/** The options that refresh tokens share with access tokens. */
export type RefreshTokenOptions = Pick<
  JwtOptions,
  'secret' | 'issuer' | 'maxTokenLength' | 'now'
>;

/** Signs and verifies refresh tokens. */
export class RefreshTokens {
  readonly #jwt: Jwt;

  constructor(options: RefreshTokenOptions) {
    this.#jwt = new Jwt({
      ...options,
      type: REFRESH_TYPE,
      audience: REFRESH_AUDIENCE,
      requiredClaims: ['uid', 'sid', 'gen'],
      // With this leeway `iat`, `nbf` and `exp` of a refresh token are never refused, so a wrong
      // clock logs no client out. The session record decides whether the session still lasts.
      leewaySeconds: MAX_TIME_SECONDS,
      // No cache: a refresh token is usually sent once.
      cacheSize: 0,
    });
  }

  /**
   * @param identity the identity claim of the access tokens. Its JSON text is the claim `uid`, so
   *   that 1 and "1" differ. It is never the identity claim itself, so that a verifier that ignores
   *   both `typ` and `aud` finds no user in a refresh token.
   * @returns the refresh token of the current generation of a session
   */
  sign(identity: unknown, { id, generation, startedAt, endsAt }: SessionOfToken): string {
    return this.#jwt.sign({
      uid: JSON.stringify(identity),
      sid: id,
      gen: generation,
      iat: startedAt,
      nbf: startedAt,
      exp: endsAt,
    });
  }

  /** @throws AuthError ERR_JWT_* for any value that is not a refresh token of these options */
  verify(token: string): RefreshClaims {
    const { uid, sid, gen } = this.#jwt.verify(token);
    const identity = parse(uid);
    return { identity, userId: userIdOf(identity), sessionId: sid, generation: gen };
  }
}

/** @returns the store key of the user with this identity claim */
export function userIdOf(identity: unknown): string {
  return typeof identity === 'string' ? identity : JSON.stringify(identity ?? null);
}

function parse(uid: unknown): unknown {
  try {
    if (typeof uid === 'string') return JSON.parse(uid);
  } catch {
    // The parser's message quotes its input, so it is not passed on.
  }
  throw new AuthError('ERR_JWT_CLAIM_INVALID', { description: 'Claim (uid) must be JSON text.' });
}
