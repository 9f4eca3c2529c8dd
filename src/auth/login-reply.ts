/** The replies to a login, a refresh and a logout. */

import type { MaybePromise } from '../maybe-promise.ts';

/** The reply to a login, and to a refresh, without the hook `loginReply`. */
export interface LoginReply {
  /** For guarded requests, in the Authorization header. */
  readonly access_token: string;
  /** Only for a client that asked for one. The next two members come with it. */
  readonly refresh_token?: string;
  /** The authentication scheme of the access token (RFC 6750). */
  readonly token_type?: 'Bearer';
  /** Seconds until the access token expires. */
  readonly expires_in?: number;
}

/** The reply to a client that asked for a refresh token (RFC 6749 §5.1). */
export interface TokenPair extends LoginReply {
  /** For one refresh. The client keeps it until it has stored the next one. */
  readonly refresh_token: string;
  /** The authentication scheme of the access token (RFC 6750). */
  readonly token_type: 'Bearer';
  /** Seconds until the access token expires. */
  readonly expires_in: number;
}

/** The reply to a logout. */
export interface LogoutReply {
  /** Constant, even if the session had ended before. */
  readonly Status: 'Success';
  /** Constant English text. */
  readonly result: string;
}

/** The tokens that a reply is made of. */
export interface IssuedTokens {
  readonly accessToken: string;
  /** Undefined if the client did not ask for one. */
  readonly refreshToken?: string | undefined;
  /** Seconds until the access token expires; undefined without sessions. */
  readonly expiresInSeconds?: number;
}

/** The hook `loginReply`. */
export type LoginReplyHook<Identity, LoginResult> = (
  token: string,
  identity: Identity,
  refreshToken?: string,
) => MaybePromise<LoginResult>;

/**
 * @param loginReply undefined for the default
 * @returns the reply to a login
 */
export function replyOf<Identity, LoginResult>(
  tokens: IssuedTokens,
  identity: Identity,
  loginReply: LoginReplyHook<Identity, LoginResult> | undefined,
): MaybePromise<LoginResult> {
  if (loginReply !== undefined) {
    return loginReply(tokens.accessToken, identity, tokens.refreshToken);
  }
  // `LoginResult` is inferred from the hook. Without one it has its default, which is LoginReply.
  return defaultReplyOf(tokens) as LoginResult;
}

/** @returns the reply without the hook `loginReply` */
export function defaultReplyOf(tokens: IssuedTokens): LoginReply {
  const { accessToken, refreshToken, expiresInSeconds } = tokens;
  if (refreshToken === undefined) return { access_token: accessToken };
  return {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    ...(expiresInSeconds !== undefined && { expires_in: expiresInSeconds }),
  };
}
