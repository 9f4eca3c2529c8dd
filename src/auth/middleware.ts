/**
 * The guard as a middleware for Express, Connect, Polka and any other server whose middleware gets
 * the messages of node:http. Unlike the other files of this folder, this one writes HTTP responses.
 */
import { isAuthError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { isError, propertyOf } from '../values.ts';
import { bindListeners, runAs, type IdentityCarrier } from './current-identity.ts';
import type { Passed } from './guard.ts';
import type { RequestMessage } from './requests.ts';

/** A request of node:http. The guard sets its `identity`, and with sessions its `sessionId`. */
export interface GuardedRequest<Identity> extends RequestMessage {
  /** The headers by name. */
  readonly headers: NonNullable<RequestMessage['headers']>;
  /** The user that the hook `identity` of the JwtAuth returned. */
  identity?: Identity;
  /**
   * The id of the session of the token; undefined for a token without one. A JwtAuth without
   * sessions leaves this member as it is.
   */
  sessionId?: string | undefined;
}

/** The parts of a response of node:http that a refusal needs. */
export interface RefusalResponse extends IdentityCarrier {
  /** Adapters of serverless platforms may read the status here. */
  statusCode?: number;
  /** Works as `writeHead` of node:http. */
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  /** Works as `end` of node:http. */
  end(body: string): unknown;
}

/** A middleware for Express, Connect and Polka. */
export type Middleware<Identity = unknown> = (
  req: GuardedRequest<Identity>,
  res: RefusalResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * @param authorize returns the identity and the session of a request. It throws or rejects to
 *   refuse the request.
 * @param hasSessions whether requests get a `sessionId`. If not, the member stays as it is, because
 *   the application may use it.
 */
export function middlewareOf<Identity>(
  authorize: (request: GuardedRequest<Identity>) => MaybePromise<Passed<Identity>>,
  hasSessions: boolean,
): Middleware<Identity> {
  const guard: Middleware<Identity> = async (req, res, next) => {
    let passed: Passed<Identity>;
    try {
      passed = await authorize(req);
      bindListeners(passed.identity, req);
      bindListeners(passed.identity, res);
      req.identity = passed.identity;
      if (hasSessions) req.sessionId = passed.sessionId;
    } catch (error) {
      return refuse(res, error, next);
    }
    // Not in the `try`: an error that a later handler throws must not call `next` a second time.
    runAs(passed.identity, () => next());
  };
  // Restify refuses an async function that takes `next`.
  return (req, res, next) => guard(req, res, next);
}

/**
 * For what `required` and `optional` return. Express, Connect and Polka ignore the result of a
 * handler, so as a middleware it would leave the client without a reply.
 * @throws TypeError if the second and third argument of a call are those of a middleware
 */
export function refuseMiddlewareCall(response: unknown, next: unknown): void {
  if (typeof next !== 'function' || typeof propertyOf(response, 'writeHead') !== 'function') return;
  const expected = 'to be called with the request alone, as by a Router';
  const instead = 'in Express use guard(auth) of latchkey/express';
  throw new TypeError(`"auth.required" expected ${expected} (${instead}), got req, res and next`);
}

/** Sends an AuthError as the response. Any other error, or a failure to send, goes to `next`. */
function refuse(res: RefusalResponse, error: unknown, next: (error: unknown) => void): void {
  if (!isAuthError(error)) return next(asError(error));
  try {
    const { status, headers, body } = error;
    const json = JSON.stringify(body);
    res.statusCode = status;
    res.writeHead(status, {
      ...headers,
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    res.end(json);
  } catch (failure) {
    next(asError(failure));
  }
}

/**
 * @returns an Error for the `next` of a framework. Other values could have a meaning there:
 *   `next(undefined)` means success, and in Express `next('route')` skips the remaining handlers of
 *   the route.
 */
export function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new TypeError('a hook threw a value that is not an Error', { cause: thrown });
}
