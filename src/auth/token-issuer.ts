/**
 * Makes the tokens of sessions: an access token, and a refresh token for a client that asked for
 * one.
 * Promise: the access token of a session ends no later than the session. The hooks
 * `claims` and `header` run, and a signature is tried, before a session begins or changes, so that
 * their faults leave the sessions as they were.
 */
import { checkTimeClaim } from '../options.ts';
import { copyMembers, describe, isObject, ownMember } from '../values.ts';
import type { Session } from '../sessions/store.ts';
import type { IssuedTokens } from './login-reply.ts';
import { hookResultError, type JwtAuthSettings } from './options.ts';
import { REFRESH_AUDIENCE, userIdOf } from './refresh-token.ts';
import { SESSION_CLAIMS, type TokenSettings } from './token-settings.ts';

/** What a token holds before it has a session. */
export interface TokenDraft {
  readonly identity: unknown;
  /** The store key of the user. */
  readonly userId: string;
  /** The time of issue, in whole seconds since 1970. */
  readonly issuedAt: number;
  /** When the token expires if its session does not end earlier. */
  readonly expiresAt: number;
  /** The claims of the application, and `iat`, `nbf` and `exp`. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly header: Readonly<Record<string, unknown>> | undefined;
}

/** The hooks that make the claims and the header of a token. */
type TokenHooks<Identity> = Pick<
  JwtAuthSettings<Identity, unknown>,
  'identityClaim' | 'claims' | 'header'
>;

/**
 * A session without a refresh token lasts at least this long, even if its token does not. Otherwise
 * a slow store could begin a session that is over.
 */
const MIN_PLAIN_SECONDS = 10;

/** A session with the longest claims, for the trial signature in `draft`. */
const TRIAL = {
  id: 'x'.repeat(22),
  generation: Number.MAX_SAFE_INTEGER,
  isUsed: false,
  agent: '',
} as const;

/** Makes access and refresh tokens. */
export class TokenIssuer<Identity> {
  readonly #hooks: TokenHooks<Identity>;
  readonly #tokens: TokenSettings;

  constructor(hooks: TokenHooks<Identity>, tokens: TokenSettings) {
    this.#hooks = hooks;
    this.#tokens = tokens;
  }

  /**
   * Calls the hooks `claims` and `header`, and tries to sign what they return.
   * @throws TypeError or RangeError if the tokens could not be signed
   * @throws any error that a hook throws
   */
  async draft(identity: Identity, isRefreshable: boolean): Promise<TokenDraft> {
    const { identityClaim } = this.#hooks;
    const { lifetimeSeconds, notBeforeSeconds, now } = this.#tokens;
    const given = checkedClaims(await this.#hooks.claims(identity), identityClaim);
    const header = await this.#hooks.header(identity);
    // Read after the hooks, which take time. The times of the token, and the end of a session
    // without a refresh token, come from this one reading, so that they agree to the second.
    const issuedAt = Math.floor(now());
    const times = {
      iat: issuedAt,
      nbf: issuedAt + notBeforeSeconds,
      exp: issuedAt + lifetimeSeconds,
    };
    const claims = { ...times, ...given };
    // Checked here, because `sign` may replace `exp` with the end of the session.
    for (const name of ['iat', 'nbf', 'exp'] as const) checkTimeClaim(name, claims[name], given);
    const draft = {
      identity: given[identityClaim],
      userId: userIdOf(given[identityClaim]),
      issuedAt,
      expiresAt: claims.exp,
      claims,
      header,
    };
    // A token that cannot be signed, such as one that is too long, fails before its session begins.
    const end = this.#latestEnd(draft);
    const trial = { ...TRIAL, startedAt: issuedAt, refreshedAt: issuedAt, endsAt: end };
    this.sign(draft, { ...trial, isRefreshable });
    return draft;
  }

  /**
   * @returns when a session without a refresh token ends: with its token, leeway included. The
   *   token is then refused because it has expired, as without sessions.
   */
  plainEndOf(draft: TokenDraft): number {
    const end = Math.ceil(this.#plainExpiryOf(draft) + this.#tokens.leewaySeconds);
    return Math.max(end, draft.issuedAt + MIN_PLAIN_SECONDS);
  }

  /** @throws TypeError or RangeError if the claims or the header cannot be signed */
  sign(draft: TokenDraft, session: Session): IssuedTokens {
    const { sessions, signers } = this.#tokens;
    const { jwt, refreshTokens } = signers.current;
    const { identity, issuedAt, expiresAt, claims, header } = draft;
    const { id: sid, generation: gen, isRefreshable } = session;
    const exp = isRefreshable
      ? Math.min(expiresAt, sessions.endOf(session))
      : this.#plainExpiryOf(draft);
    const accessToken = jwt.sign({ ...claims, exp, sid, gen }, { header });
    const refreshToken = isRefreshable ? refreshTokens.sign(identity, session) : undefined;
    return { accessToken, refreshToken, expiresInSeconds: Math.floor(exp - issuedAt) };
  }

  /**
   * @returns when the token expires. Its session lasts for the leeway after that, and ends no later
   *   than `#latestEnd`.
   */
  #plainExpiryOf(draft: TokenDraft): number {
    return Math.min(draft.expiresAt, this.#latestEnd(draft) - this.#tokens.leewaySeconds);
  }

  #latestEnd({ issuedAt }: Pick<TokenDraft, 'issuedAt'>): number {
    return issuedAt + this.#tokens.sessions.maxSeconds;
  }
}

/**
 * @returns a copy of the claims
 * @throws TypeError if the claims name no user, or have a claim or an audience that only latchkey
 *   may set
 */
function checkedClaims(claims: unknown, identityClaim: string): Record<string, unknown> {
  if (!isObject(claims)) throw hookResultError('claims', 'an object', describe(claims));
  const copy = copyMembers(claims);
  // Refused here with the message of `Jwt.sign`, which would not see the fault in a copy.
  if (typeof copy === 'string') {
    throw new TypeError(`"claims" expected a plain object, got ${copy}`);
  }
  for (const name of SESSION_CLAIMS) {
    if (!Object.hasOwn(copy, name)) continue;
    throw hookResultError('claims', `no claim "${name}", which is that of the session`, 'one');
  }
  if ([ownMember(copy, 'aud')].flat().includes(REFRESH_AUDIENCE)) {
    const expected = `no "aud" ${REFRESH_AUDIENCE}, which refresh tokens have`;
    throw hookResultError('claims', expected, 'one');
  }
  const identity = ownMember(copy, identityClaim);
  if (identity !== undefined && identity !== null) return copy;
  const expected = `the claim "${identityClaim}", without which a session cannot be refreshed`;
  throw hookResultError('claims', expected, describe(identity));
}
