/** What a JwtAuth with sessions knows of its options, and the options that do not go with them. */
import { checkedClock, objectWith, type Check } from '../options.ts';
import type { JwtOptions } from '../crypto/jwt-options.ts';
import type { Jwt } from '../crypto/jwt.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { describe } from '../values.ts';
import { REFRESH_AUDIENCE, RefreshTokens } from './refresh-token.ts';

/** An application may have two copies of this package, so no class is asked for. */
export const sessionsCheck: Check = objectWith(
  'start',
  'refresh',
  'check',
  'acceptsWithoutSession',
  'endOf',
  'end',
);

/** The options that matter to sessions. */
interface SessionOptions extends JwtOptions {
  readonly sessions: Sessions;
  readonly identityClaim?: string;
  readonly encode?: unknown;
  readonly decode?: unknown;
}

/** The sessions, and all that their tokens depend on. */
export interface SessionSettings {
  readonly sessions: Sessions;
  /** Of the access tokens. */
  readonly jwt: Jwt;
  readonly refreshTokens: RefreshTokens;
  readonly lifetimeSeconds: number;
  readonly notBeforeSeconds: number;
  readonly leewaySeconds: number;
  readonly now: () => number;
}

/** The claims that name a session and its generation. */
export const SESSION_CLAIMS = ['sid', 'gen'] as const;

/** Equal to {@link REFRESH_TYPE} in the comparison of `Jwt` (RFC 7515 §4.1.9). */
const REFRESH_TYPE_SPELLING = /^(?:application\/)?refresh\+jwt$/i;

/**
 * @param jwt of the access tokens
 * @throws TypeError or RangeError if an option does not go with sessions
 */
export function sessionSettingsOf(given: SessionOptions, jwt: Jwt): SessionSettings {
  const { sessions, secret, issuer, maxTokenLength, now } = given;
  const { lifetimeSeconds = 300, notBeforeSeconds = 0, leewaySeconds = 10 } = given;
  for (const name of ['encode', 'decode'] as const) {
    if (given[name] === undefined) continue;
    const expected = 'nothing beside "sessions", which write and read claims of their own';
    throw new TypeError(`"${name}" expected ${expected}, got ${describe(given[name])}`);
  }
  if (SESSION_CLAIMS.some((claim) => claim === given.identityClaim)) {
    const expected = 'another name than "sid" and "gen", which are the claims of "sessions"';
    throw new TypeError(`"identityClaim" expected ${expected}, got one of them`);
  }
  // Otherwise a refresh token would pass for an access token by its type, or by its audience.
  if (given.type !== undefined && REFRESH_TYPE_SPELLING.test(given.type)) {
    throw new TypeError('"type" expected another type than that of refresh tokens, got the same');
  }
  if ([given.audience ?? []].flat().includes(REFRESH_AUDIENCE)) {
    const expected = 'another name than that of refresh tokens';
    throw new TypeError(`"audience" expected ${expected}, got the same`);
  }
  // A session that ends before its access token would end while its client is active. As
  // `maxSeconds` is at least `idleSeconds`, this bounds it too.
  if (sessions.idleSeconds < lifetimeSeconds) {
    const expected = `"idleSeconds" of at least ${lifetimeSeconds} ("lifetimeSeconds")`;
    throw new RangeError(`"sessions" expected ${expected}, got ${sessions.idleSeconds}`);
  }
  const refreshTokens = new RefreshTokens({
    secret,
    ...(issuer !== undefined && { issuer }),
    ...(maxTokenLength !== undefined && { maxTokenLength }),
    ...(now !== undefined && { now }),
  });
  return {
    sessions,
    jwt,
    refreshTokens,
    lifetimeSeconds,
    notBeforeSeconds,
    leewaySeconds,
    now: checkedClock(now ?? (() => Date.now() / 1000)),
  };
}
