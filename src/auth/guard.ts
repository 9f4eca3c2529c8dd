/**
 * What a guard does: it finds the token of a request, verifies it, asks for its session, finds the
 * user whom its claims name, and runs the handler.
 * Promise: each step is synchronous if its hook is, or the store of the sessions. Without sessions
 * no step is added.
 */
import { AuthError } from '../errors.ts';
import { andThen } from '../maybe-promise.ts';
import { describe, ownMember } from '../values.ts';
import { bindListeners, runAs } from './current-identity.ts';
import {
  hookResultError,
  isIdentity,
  type IdentityClaims,
  type JwtAuthSettings,
} from './options.ts';
import { messageOf, type Authorization } from './requests.ts';
import type { SessionAuth } from './session-auth.ts';

/** What a guard passes to a handler besides the request. */
export interface Login<Identity> {
  /** Undefined only if the request has no token. */
  readonly identity: Identity;
  /** Undefined without sessions, and for a token without one. */
  readonly sessionId: string | undefined;
}

/** A handler behind a guard. */
export type GuardedHandler<Request, Identity> = (
  request: Request,
  identity: Identity,
  sessionId: string | undefined,
) => unknown;

/** What a request without a token has. */
const NO_LOGIN: Login<undefined> = { identity: undefined, sessionId: undefined };

/** Finds the login of a request. As `async` functions these would take up to a third longer. */
export class Guard<Identity> {
  readonly #settings: JwtAuthSettings<Identity>;
  readonly #sessions: SessionAuth<Identity> | undefined;

  constructor(
    settings: JwtAuthSettings<Identity>,
    sessions: SessionAuth<Identity> | undefined,
  ) {
    this.#settings = settings;
    this.#sessions = sessions;
  }

  /** @throws AuthError as `findLogin`; ERR_AUTHORIZATION_MISSING if the request has no token */
  requireLogin(request: Authorization): Login<Identity> | Promise<Login<Identity>> {
    return andThen(this.findLogin(request), (login) => {
      if (!isOfUser(login)) throw new AuthError('ERR_AUTHORIZATION_MISSING');
      return login;
    });
  }

  /** @throws AuthError ERR_AUTHORIZATION_*, ERR_JWT_*, ERR_SESSION_ENDED or ERR_IDENTITY_UNKNOWN */
  findLogin(
    request: Authorization,
  ): Login<Identity | undefined> | Promise<Login<Identity | undefined>> {
    const { tokenFrom, decode, identityClaim } = this.#settings;
    return andThen(tokenFrom(request), (token) => {
      if (token === undefined || token === null) return NO_LOGIN;
      return andThen(decode(token), (decoded) => {
        const claims = claimsForHook(decoded, identityClaim);
        if (this.#sessions === undefined) return this.#findUser(claims, undefined);
        // An ended session is refused before the hook looks for the user.
        return andThen(this.#sessions.check(claims, token), (sessionId) =>
          this.#findUser(claims, sessionId),
        );
      });
    });
  }

  #findUser(
    claims: IdentityClaims,
    sessionId: string | undefined,
  ): Login<Identity> | Promise<Login<Identity>> {
    return andThen(this.#settings.identity(claims), (identity) => {
      if (!isIdentity(identity)) throw new AuthError('ERR_IDENTITY_UNKNOWN');
      return { identity, sessionId };
    });
  }
}

/** Calls a handler so that `currentIdentity()` returns the identity of its request. */
export function handleAs<Request, Identity>(
  { identity, sessionId }: Login<Identity>,
  handler: GuardedHandler<Request, Identity>,
  request: Request,
): unknown {
  const message = messageOf(request);
  if (message !== undefined) bindListeners(identity, message);
  // Queries of Knex and Mongoose start when `then` is called. `andThen` calls it inside `runAs`, so
  // that they too see this identity.
  return runAs(identity, () =>
    andThen(handler(request, identity, sessionId), (result) => result),
  );
}

function isOfUser<Identity>(login: Login<Identity | undefined>): login is Login<Identity> {
  return login.identity !== undefined;
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
