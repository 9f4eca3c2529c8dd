/**
 * Makes the tokens of sessions: an access token, and a refresh token for a client that asked for
 * one. Promise: the access token of a session ends no later than the session. Hooks run, and a
 * signature is tried, before a session begins or changes, so that their faults leave the sessions
 * as they were.
 */
import { describe, isObject, ownMember } from '../values.ts';
import type { Session } from '../sessions/store.ts';
import { hookResultError, type JwtAuthSettings } from './options.ts';
import { userIdOf } from './refresh-token.ts';
import { SESSION_CLAIMS, type SessionSettings } from './session-settings.ts';

/** The reply to a client that asked for a refresh token (RFC 6749 §5.1). */
export interface TokenPair {
  /** For guarded requests, in the Authorization header. */
  readonly access_token: string;
  /** For one refresh. The client keeps it until it has kept the next one. */
  readonly refresh_token: string;
  /** The authentication scheme of the access token (RFC 6750). */
  readonly token_type: 'Bearer';
  /** Seconds until the access token expires. */
  readonly expires_in: number;
}

/** The tokens of a session. */
export interface IssuedTokens {
  readonly accessToken: string;
  /** Undefined if the client did not ask for one. */
  readonly refreshToken?: string | undefined;
  /** Seconds until the access token expires. */
  readonly expiresInSeconds: number;
}

/** All of a token but its session. */
export interface TokenDraft {
  readonly identity: unknown;
  /** The store key of the user. */
  readonly userId: string;
  /** The time of issue, in whole seconds since 1970. */
  readonly issuedAt: number;
  /** With the times that the token has if its session does not end earlier. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly header: Readonly<Record<string, unknown>> | undefined;
}

/** The hooks that make the claims and the header of a token. */
type TokenHooks<Identity> = Pick<JwtAuthSettings<Identity>, 'identityClaim' | 'claims' | 'header'>;

/**
 * A session without a refresh token lasts at least this long, even if its token does not, so that
 * a slow store does not begin a session that is over.
 */
const MIN_PLAIN_SECONDS = 10;

/** A session with the longest claims. It stands for one that has not begun. */
const TRIAL = {
  id: 'x'.repeat(22),
  generation: Number.MAX_SAFE_INTEGER,
  isUsed: false,
  agent: '',
} as const;

/** Makes access and refresh tokens. */
export class TokenIssuer<Identity> {
  readonly #hooks: TokenHooks<Identity>;
  readonly #settings: SessionSettings;

  constructor(hooks: TokenHooks<Identity>, settings: SessionSettings) {
    this.#hooks = hooks;
    this.#settings = settings;
  }

  /**
   * Calls the hooks `claims` and `header`, and tries to sign what they return.
   * @throws TypeError or RangeError if the tokens could not be signed
   * @throws any error that a hook throws
   */
  async draft(identity: Identity, isRefreshable: boolean): Promise<TokenDraft> {
    const { identityClaim } = this.#hooks;
    const { jwt, lifetimeSeconds, notBeforeSeconds, now } = this.#settings;
    const given = checkedClaims(await this.#hooks.claims(identity), identityClaim);
    const header = await this.#hooks.header(identity);
    // The copy below would lose what makes such claims wrong.
    jwt.sign(given, { header });
    // Read after the hooks, which take time. All times of the token and of its session come from
    // this one reading, so that they end together, to the second.
    const issuedAt = Math.floor(now());
    const draft = {
      identity: given[identityClaim],
      userId: userIdOf(given[identityClaim]),
      issuedAt,
      claims: {
        iat: issuedAt,
        nbf: issuedAt + notBeforeSeconds,
        exp: issuedAt + lifetimeSeconds,
        ...given,
      },
      header,
    };
    const times = { startedAt: issuedAt, refreshedAt: issuedAt, endsAt: this.#latestEnd(draft) };
    this.sign(draft, { ...TRIAL, ...times, isRefreshable });
    return draft;
  }

  /**
   * @returns when a session without a refresh token ends: with its token, leeway included. The
   *   token is then refused because it has expired, as without sessions.
   */
  plainEndOf(draft: TokenDraft): number {
    const { leewaySeconds } = this.#settings;
    const expiry = this.#expiryWithin(draft, this.#latestEnd(draft) - leewaySeconds);
    return Math.max(Math.ceil(expiry + leewaySeconds), draft.issuedAt + MIN_PLAIN_SECONDS);
  }

  /** @throws TypeError or RangeError if the claims or the header cannot be signed */
  sign(draft: TokenDraft, session: Session): IssuedTokens {
    const { sessions, jwt, refreshTokens, leewaySeconds } = this.#settings;
    const { identity, issuedAt, claims, header } = draft;
    const { id: sid, generation: gen, isRefreshable } = session;
    // Without a refresh token the session lasts through the leeway of its token.
    const end = isRefreshable ? sessions.endOf(session) : this.#latestEnd(draft) - leewaySeconds;
    const exp = this.#expiryWithin(draft, end);
    const accessToken = jwt.sign({ ...claims, exp, sid, gen }, { header });
    const refreshToken = isRefreshable ? refreshTokens.sign(identity, session) : undefined;
    return { accessToken, refreshToken, expiresInSeconds: Math.floor(exp - issuedAt) };
  }

  #latestEnd({ issuedAt }: Pick<TokenDraft, 'issuedAt'>): number {
    return issuedAt + this.#settings.sessions.maxSeconds;
  }

  /** @returns the claim `exp`, or `end` if that is earlier. A wrong one is left to `Jwt.sign`. */
  #expiryWithin({ claims }: TokenDraft, end: number): number {
    const { exp } = claims as { readonly exp: number };
    return typeof exp === 'number' && exp > end ? end : exp;
  }
}

/** @throws TypeError if the claims name no user, or have a claim of sessions */
function checkedClaims(claims: unknown, identityClaim: string): Record<string, unknown> {
  // Any other value is refused by `Jwt.sign`, with its own message.
  if (!isObject(claims)) throw hookResultError('claims', 'an object', describe(claims));
  for (const name of SESSION_CLAIMS) {
    if (!Object.hasOwn(claims, name)) continue;
    throw hookResultError('claims', `no claim "${name}", which is that of the session`, 'one');
  }
  const identity = ownMember(claims, identityClaim);
  if (identity !== undefined && identity !== null) return claims;
  const expected = `the claim "${identityClaim}", without which a session cannot be refreshed`;
  throw hookResultError('claims', expected, describe(identity));
}
