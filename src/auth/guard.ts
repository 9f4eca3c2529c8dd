/**
 * What a guard does: it finds the token of a request, verifies it, finds the user whom its claims
 * name, asks for the session, and runs the handler.
 * Promise: the session is looked up last. A removal or a password change ends the sessions before
 * it returns. From then on no earlier token passes, even if its user was looked up before.
 * Promise: the guard is synchronous if all hooks and the session store are. Without sessions it
 * asks a store only through the hooks, such as the user store through `identity`.
 */
import { AuthError } from '../errors.ts';
import type { Jwt } from '../crypto/jwt.ts';
import { andThen, isPromiseLike, type MaybePromise } from '../maybe-promise.ts';
import { describe, ownMember } from '../values.ts';
import { bindListeners, runAs } from './current-identity.ts';
import {
  hookResultError,
  isIdentity,
  type IdentityClaims,
  type JwtAuthSettings,
} from './options.ts';
import { explainRefusals, identityDetail, withTokenDetail } from './refusal-details.ts';
import { messageOf, type Authorization } from './requests.ts';
import type { SessionAuth } from './session-auth.ts';

/** What a guard passes to a handler besides the request. */
export interface Passed<Identity> {
  /** Undefined only if the request has no token. */
  readonly identity: Identity;
  /** Undefined without sessions, and for a token without one. */
  readonly sessionId: string | undefined;
}

/** A handler behind a guard. */
export type GuardedHandler<Incoming, Identity, Result> = (
  request: Incoming,
  identity: Identity,
  sessionId: string | undefined,
) => MaybePromise<Result>;

/** The result for a request without a token. */
const NO_TOKEN: Passed<undefined> = { identity: undefined, sessionId: undefined };

/** Finds the user of a request. Its methods are not `async`: that takes up to a third longer. */
export class Guard<Identity> {
  readonly #settings: JwtAuthSettings<Identity, unknown>;
  readonly #sessions: SessionAuth<Identity, unknown> | undefined;

  constructor(
    settings: JwtAuthSettings<Identity, unknown>,
    sessions: SessionAuth<Identity, unknown> | undefined,
  ) {
    this.#settings = settings;
    this.#sessions = sessions;
  }

  /** @throws AuthError as `find`; ERR_AUTHORIZATION_MISSING if the request has no token */
  require(request: Authorization): Passed<Identity> | Promise<Passed<Identity>> {
    return andThen(this.find(request), (passed) => {
      if (!hasToken(passed)) throw new AuthError('ERR_AUTHORIZATION_MISSING');
      return passed;
    });
  }

  /**
   * @throws AuthError ERR_AUTHORIZATION_*, ERR_JWT_*, ERR_IDENTITY_UNKNOWN, ERR_SESSION_ENDED,
   *   ERR_STORE
   */
  find(
    request: Authorization,
  ): Passed<Identity | undefined> | Promise<Passed<Identity | undefined>> {
    const { tokenFrom, identityClaim } = this.#settings;
    return andThen(tokenFrom(request), (token) => {
      if (token === undefined || token === null) return NO_TOKEN;
      // With sessions `decode` verifies with this Jwt. A renewal may replace it meanwhile.
      const { jwt } = this.#settings.signers.current;
      return andThen(this.#decoded(token, request), (decoded) => {
        const claims = claimsForHook(decoded, identityClaim);
        return andThen(this.#settings.identity(claims), (identity) => {
          if (!isIdentity(identity)) {
            const detail = identityDetail(claims.identity, identityClaim);
            throw new AuthError('ERR_IDENTITY_UNKNOWN', { detail });
          }
          return this.#withSession(identity, claims, token, jwt);
        });
      });
    });
  }

  /**
   * Looks for a detail only after a refusal, so an accepted token takes no more time. If each call
   * of a synchronous `decode` went through `explainRefusals`, the guard would be a third slower.
   */
  #decoded(token: string, request: Authorization): MaybePromise<object> {
    try {
      const decoded = this.#settings.decode(token, request);
      return isPromiseLike(decoded) ? explainRefusals(token, () => decoded) : decoded;
    } catch (error) {
      throw withTokenDetail(error, token);
    }
  }

  #withSession(
    identity: Identity,
    claims: IdentityClaims,
    token: string,
    jwt: Jwt,
  ): Passed<Identity> | Promise<Passed<Identity>> {
    if (this.#sessions === undefined) return { identity, sessionId: undefined };
    return andThen(this.#sessions.sessionIdOf(claims, token, jwt), (sessionId) => {
      return { identity, sessionId };
    });
  }
}

/** Calls a handler so that `currentIdentity()` returns the identity of its request. */
export function handleAs<Incoming, Identity, Result>(
  { identity, sessionId }: Passed<Identity>,
  handler: GuardedHandler<Incoming, Identity, Result>,
  request: Incoming,
): Result | Promise<Result> {
  const message = messageOf(request);
  if (message !== undefined) bindListeners(identity, message);
  // Queries of Knex and Mongoose start when `then` is called. `andThen` calls it inside `runAs`, so
  // that they too see this identity.
  return runAs(identity, () =>
    andThen(handler(request, identity, sessionId), (result) => result),
  );
}

function hasToken<Identity>(passed: Passed<Identity | undefined>): passed is Passed<Identity> {
  return passed.identity !== undefined;
}

/** @returns the claims for the hook `identity`, with the claim `identityClaim` as `identity` */
function claimsForHook(decoded: object, identityClaim: string): IdentityClaims {
  // Jwt.verify returns an object. A hook `decode` that replaces it may return any value.
  if (typeof decoded !== 'object' || decoded === null) {
    throw hookResultError('decode', 'an object', describe(decoded));
  }
  if (identityClaim === 'identity') return decoded as IdentityClaims;
  return { ...decoded, identity: ownMember(decoded, identityClaim) };
}
