/**
 * What a JwtAuth with sessions does: it begins a session at a login, asks for it in every guard,
 * and answers refreshes and logouts.
 * Promise: a session that has ended is refused at the next request. If a login fails after its
 * session has begun, that session is ended; if the store fails too, no client has its tokens.
 */
import { AuthError } from '../errors.ts';
import type { Jwt } from '../crypto/jwt.ts';
import { publishUser } from '../events.ts';
import { andThen, type MaybePromise } from '../maybe-promise.ts';
import { describe, ownMember } from '../values.ts';
import { readRefreshToken, refreshTokenIn, type AuthRequest } from './request-body.ts';
import { readOptionalBody } from './optional-body.ts';
import {
  defaultReplyOf,
  replyOf,
  type IssuedTokens,
  type LoginReply,
  type LogoutReply,
} from './login-reply.ts';
import { hookResultError, isIdentity } from './options.ts';
import type { IdentityClaims, JwtAuthSettings } from './options.ts';
import { explainRefusals, SESSION_DETAILS } from './refusal-details.ts';
import { userIdOf, type RefreshClaims } from './refresh-token.ts';
import { headerIn, showsHeaders } from './requests.ts';
import type { TokenSettings } from './token-settings.ts';
import { TokenIssuer } from './token-issuer.ts';

/**
 * If the hash was replaced during the login, such as by a renewal, the password is verified once
 * more, against the new hash.
 */
const MAX_LOGIN_TRIES = 2;

/** The refusal of a logout that names no session. */
const NO_LOGOUT_TOKEN = {
  description:
    'Expected the access token of a session and no body, or a JSON object with the string ' +
    '"refresh_token"',
};

/** Makes a reply from the tokens of a session that has begun. */
type MakeReply<Made> = (tokens: IssuedTokens) => MaybePromise<Made>;

/** The sessions of one JwtAuth. */
export class SessionAuth<Identity, LoginResult> {
  readonly #settings: JwtAuthSettings<Identity, LoginResult>;
  readonly #tokens: TokenSettings;
  readonly #issuer: TokenIssuer<Identity>;

  constructor(settings: JwtAuthSettings<Identity, LoginResult>, tokens: TokenSettings) {
    this.#settings = settings;
    this.#tokens = tokens;
    this.#issuer = new TokenIssuer(settings, tokens);
  }

  /**
   * Begins a session, and only then asks whether the password is still the one that was verified.
   * A change of the password ends all sessions once it is written. So either that change ends this
   * session, or `isCurrent` returns false here.
   * @param checkPassword returns the user, or throws AuthError ERR_CREDENTIALS
   * @returns the reply
   */
  async login(
    checkPassword: () => Promise<Identity>,
    request: AuthRequest,
    isRefreshable: boolean,
  ): Promise<LoginResult> {
    for (let tries = 0; tries < MAX_LOGIN_TRIES; tries += 1) {
      const identity = await checkPassword();
      const makeReply = (tokens: IssuedTokens) => this.#replyOf(tokens, identity);
      const begun = await this.#begin(identity, request, isRefreshable, makeReply);
      if (begun !== undefined) return begun.reply;
    }
    throw new AuthError('ERR_CREDENTIALS');
  }

  /** @throws AuthError ERR_CREDENTIALS if the hook `isCurrent` returns false */
  async issue(
    identity: Identity,
    request: unknown,
    isRefreshable: boolean,
  ): Promise<LoginReply> {
    return this.#issueAs(identity, request, isRefreshable, defaultReplyOf);
  }

  /**
   * As `issue`.
   * @returns the reply to a login
   */
  async issueReply(
    identity: Identity,
    request: unknown,
    isRefreshable: boolean,
  ): Promise<LoginResult> {
    const makeReply = (tokens: IssuedTokens) => this.#replyOf(tokens, identity);
    return this.#issueAs(identity, request, isRefreshable, makeReply);
  }

  /** Answers a refresh token. */
  async refresh(request: AuthRequest): Promise<LoginResult> {
    const { sessions } = this.#tokens;
    const claims = await this.#refreshClaimsOf(await readRefreshToken(request));
    const { userId, sessionId, generation } = claims;
    const identity = await this.#settings.identity(this.#claimsForHook(claims.identity));
    // The session stays in the store. If the user is restored later, it can go on.
    if (!isIdentity(identity)) throw sessionEnded('noUser');
    const draft = await this.#issuer.draft(identity, true);
    // The hook `claims` names another user now, whose record does not have this session.
    if (draft.userId !== userId) throw sessionEnded('otherUser');
    const { outcome, session } = await sessions.refresh(userId, sessionId, generation);
    if (outcome === 'reused') publishUser('reuse', userId, request);
    if (session === undefined) throw sessionEnded(outcome);
    const reply = await this.#replyOf(this.#issuer.sign(draft, session), identity);
    publishUser('refresh', userId, request);
    if (outcome === 'repeated late') publishUser('repeat', userId, request);
    return reply;
  }

  /**
   * Ends the session of the refresh token in the body. Without a body it ends that of the access
   * token. Either token may be of any generation, and its session may have ended before (RFC 7009
   * §2.2).
   */
  async logout(request: AuthRequest): Promise<LogoutReply> {
    const body = await readOptionalBody(request);
    const { userId, sessionId } = body === undefined
      ? await this.#accessTokenOf(request)
      : await this.#refreshClaimsOf(refreshTokenIn(body, NO_LOGOUT_TOKEN));
    // `sid` is a string unless another program signed the token. Then no session is found.
    const hasEnded = await this.#tokens.sessions.end(userId, String(sessionId));
    if (hasEnded) publishUser('logout', userId, request);
    return { Status: 'Success', result: 'Logged out' };
  }

  /**
   * Decides whether the session of a verified access token lets it through.
   * @param jwt has verified the token. The secret may have been renewed since.
   * @returns the id of the session; undefined for an accepted token without a session
   * @throws AuthError ERR_SESSION_ENDED, ERR_JWT_*, ERR_STORE
   */
  sessionIdOf(
    claims: IdentityClaims,
    token: string,
    jwt: Jwt,
  ): MaybePromise<string | undefined> {
    const { sessions, leewaySeconds } = this.#tokens;
    const userId = userIdOf(ownMember(claims, 'identity'));
    if (!Object.hasOwn(claims, 'sid')) {
      const issuedAt = ownMember(claims, 'iat');
      const decision = sessions.acceptsWithoutSession(userId, issuedAt, leewaySeconds);
      return andThen(decision, (isAccepted) => {
        if (!isAccepted) throw sessionEnded('withoutSession');
        return undefined;
      });
    }
    const found = sessions.check(userId, ownMember(claims, 'sid'), ownMember(claims, 'gen'));
    return andThen(found, (session) => {
      if (session !== undefined) return session.id;
      // Throws ERR_JWT_EXPIRED, the better answer, if the token has expired in the meantime.
      jwt.verify(token);
      throw sessionEnded('unknown');
    });
  }

  async #issueAs<Made>(
    identity: Identity,
    request: unknown,
    isRefreshable: boolean,
    makeReply: MakeReply<Made>,
  ): Promise<Made> {
    const begun = await this.#begin(identity, request, isRefreshable, makeReply);
    if (begun === undefined) throw new AuthError('ERR_CREDENTIALS');
    return begun.reply;
  }

  /** @returns undefined if the password is not current any more; the session has then ended */
  async #begin<Made>(
    identity: Identity,
    request: unknown,
    isRefreshable: boolean,
    makeReply: MakeReply<Made>,
  ): Promise<{ readonly reply: Made } | undefined> {
    const { sessions } = this.#tokens;
    const draft = await this.#issuer.draft(identity, isRefreshable);
    const { userId } = draft;
    const agent = showsHeaders(request) ? headerIn(request, 'user-agent') : undefined;
    const session = await sessions.start(userId, {
      isRefreshable,
      agent,
      ...(!isRefreshable && { endsAt: this.#issuer.plainEndOf(draft) }),
    });
    try {
      if (await this.#isCurrent(identity)) {
        return { reply: await makeReply(this.#issuer.sign(draft, session)) };
      }
    } catch (error) {
      // The client never gets the tokens, so a session that cannot be ended is harmless. The caller
      // gets the first error.
      await Promise.resolve(sessions.end(userId, session.id)).catch(() => undefined);
      throw error;
    }
    await sessions.end(userId, session.id);
    return undefined;
  }

  async #isCurrent(identity: Identity): Promise<boolean> {
    const isCurrent = await this.#settings.isCurrent(identity);
    if (typeof isCurrent === 'boolean') return isCurrent;
    throw hookResultError('isCurrent', 'true or false', describe(isCurrent));
  }

  #replyOf(tokens: IssuedTokens, identity: Identity): MaybePromise<LoginResult> {
    return replyOf(tokens, identity, this.#settings.loginReply);
  }

  #claimsForHook(identity: unknown): IdentityClaims {
    return { [this.#settings.identityClaim]: identity, identity };
  }

  async #refreshClaimsOf(token: string): Promise<RefreshClaims> {
    return explainRefusals(token, () => this.#tokens.signers.current.refreshTokens.verify(token));
  }

  /** @throws AuthError ERR_REFRESH_BODY if the request has no token, or one without a session */
  async #accessTokenOf(
    request: AuthRequest,
  ): Promise<{ readonly userId: string; readonly sessionId: unknown }> {
    const { tokenFrom, identityClaim } = this.#settings;
    const token = showsHeaders(request) ? await tokenFrom(request) : undefined;
    const refusal = new AuthError('ERR_REFRESH_BODY', NO_LOGOUT_TOKEN);
    if (token === undefined || token === null) throw refusal;
    const { jwt } = this.#tokens.signers.current;
    const claims = await explainRefusals(token, () => jwt.verify(token));
    if (!Object.hasOwn(claims, 'sid')) throw refusal;
    return { userId: userIdOf(ownMember(claims, identityClaim)), sessionId: claims['sid'] };
  }
}

function sessionEnded(reason: keyof typeof SESSION_DETAILS): AuthError {
  return new AuthError('ERR_SESSION_ENDED', { detail: SESSION_DETAILS[reason] });
}
