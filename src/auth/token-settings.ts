/**
 * The settings of the tokens of sessions, made of the options of JwtAuth. Options that conflict
 * with sessions are refused.
 */
import { checkedClock, DEFAULT_TOKEN_TIMES, objectWith, type Check } from '../options.ts';
import type { JwtOptions } from '../crypto/jwt-options.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { describe } from '../values.ts';
import { REFRESH_AUDIENCE, REFRESH_TYPE } from './refresh-token.ts';
import type { TokenSigners } from './token-signers.ts';

/** Not `instanceof`: an application may have two copies of this package. */
export const sessionsCheck: Check = objectWith(
  'start',
  'refresh',
  'check',
  'acceptsWithoutSession',
  'endOf',
  'end',
);

/** The options that matter to sessions. */
interface OptionsWithSessions extends JwtOptions {
  readonly sessions: Sessions;
  readonly identityClaim?: string;
  readonly encode?: unknown;
  readonly decode?: unknown;
}

/** The sessions, and all that their tokens depend on. */
export interface TokenSettings {
  readonly sessions: Sessions;
  readonly signers: TokenSigners;
  readonly lifetimeSeconds: number;
  readonly notBeforeSeconds: number;
  readonly leewaySeconds: number;
  readonly now: () => number;
}

/** The claims that name a session and its generation. */
export const SESSION_CLAIMS = ['sid', 'gen'] as const;

/**
 * A refresh token has these claims. None of them may name the user in an access token: a verifier
 * that ignores both `typ` and `aud` would find a user in a refresh token.
 */
const REFRESH_CLAIMS: readonly unknown[] = [...SESSION_CLAIMS, 'uid'];

/** Matches each spelling that `Jwt` takes for {@link REFRESH_TYPE} (RFC 7515 §4.1.9). */
const REFRESH_TYPE_SPELLING = /^(?:application\/)?refresh\+jwt$/i;

/** @throws TypeError or RangeError if an option does not go with sessions */
export function tokenSettingsOf(
  given: OptionsWithSessions,
  signers: TokenSigners,
): TokenSettings {
  const {
    sessions,
    lifetimeSeconds = DEFAULT_TOKEN_TIMES.lifetimeSeconds,
    notBeforeSeconds = DEFAULT_TOKEN_TIMES.notBeforeSeconds,
    leewaySeconds = DEFAULT_TOKEN_TIMES.leewaySeconds,
  } = given;
  for (const name of ['encode', 'decode'] as const) {
    if (given[name] === undefined) continue;
    const got = describe(given[name]);
    throw new TypeError(`"${name}" expected to be absent with "sessions", got ${got}`);
  }
  if (REFRESH_CLAIMS.includes(given.identityClaim)) {
    const expected = 'a name other than "sid", "gen" and "uid", which sessions use';
    throw new TypeError(`"identityClaim" expected ${expected}, got one of these`);
  }
  // Otherwise a refresh token would pass for an access token by its type, or by its audience.
  if (given.type !== undefined && REFRESH_TYPE_SPELLING.test(given.type)) {
    const expected = `another type than ${REFRESH_TYPE}, which refresh tokens have`;
    throw new TypeError(`"type" expected ${expected}, got the same`);
  }
  if ([given.audience ?? []].flat().includes(REFRESH_AUDIENCE)) {
    const expected = `another name than ${REFRESH_AUDIENCE}, which refresh tokens have`;
    throw new TypeError(`"audience" expected ${expected}, got the same`);
  }
  // A client refreshes when its access token is about to expire. If the session ended earlier, an
  // active client would be logged out.
  if (sessions.idleSeconds < lifetimeSeconds) {
    const expected = `"idleSeconds" of at least ${lifetimeSeconds} ("lifetimeSeconds")`;
    throw new RangeError(`"sessions" expected ${expected}, got ${sessions.idleSeconds}`);
  }
  // A session without a refresh token lasts through the leeway of its token.
  const shortestMax = lifetimeSeconds + leewaySeconds;
  if (sessions.maxSeconds < shortestMax) {
    const reason = '"lifetimeSeconds" and "leewaySeconds"';
    const expected = `"maxSeconds" of at least ${shortestMax} (${reason})`;
    throw new RangeError(`"sessions" expected ${expected}, got ${sessions.maxSeconds}`);
  }
  return {
    sessions,
    signers,
    lifetimeSeconds,
    notBeforeSeconds,
    leewaySeconds,
    now: checkedClock(given.now),
  };
}
