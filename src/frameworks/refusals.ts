/**
 * Sends refusals as the Router does, and passes every other error to `next`, if there is one.
 * Promise: a request is answered once. The reply to an error that is not a refusal has no details.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { asError } from '../auth/middleware.ts';
import { AuthError, isAuthError, type AuthErrorCode } from '../errors.ts';
import { textOfError } from '../error-text.ts';
import { publishRefusal } from '../events.ts';
import { sendRefusal } from '../http/reply.ts';
import { methodOf, type HttpRequest } from '../http/request.ts';
import { http } from '../node-modules.ts';
import { propertyOf } from '../values.ts';

/** The errors of the body parsers of Express, by their member `type`. */
const PARSER_ERRORS: ReadonlyMap<unknown, AuthErrorCode> = new Map([
  ['entity.parse.failed', 'ERR_BODY'],
  ['entity.too.large', 'ERR_BODY_TOO_LARGE'],
  ['charset.unsupported', 'ERR_CONTENT_TYPE'],
  ['encoding.unsupported', 'ERR_CONTENT_TYPE'],
]);

/** The codes of zlib for gzip and deflate, Brotli, and Zstandard. */
const DECOMPRESSION_CODE = /^(?:Z_|ERR__ERROR_|ZSTD_)/;

/** The statuses 4xx that Node knows. */
const CLIENT_ERROR_STATUSES: ReadonlySet<number> = new Set(
  Object.keys(http.STATUS_CODES).map(Number).filter((status) => status >= 400 && status < 500),
);

/** Calls the next handler, or with an error the next error handler. */
export type Next = (error?: Error) => void;

/** A request, its response, and the function that calls the next handler. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly next: Next;
  /** The request with the address of the client, if that is known. */
  readonly client?: HttpRequest;
}

/** Sends a refusal. Any other error goes to `next`, and so does one after the reply has begun. */
export function refuse(exchange: Exchange, error: unknown): void {
  const { req, res, client = {} } = exchange;
  if (!isAuthError(error) || res.headersSent) {
    passOn(exchange, asError(error));
    return;
  }
  try {
    publishRefusal(error, client, { method: methodOf(req), route: routeOf(req) });
    // The cause may be the error of a database, and no later handler gets it.
    if (error.cause !== undefined) process.emitWarning(textOfError(error));
    sendRefusal(req, res, error);
  } catch (failure) {
    passOn(exchange, asError(failure));
  }
}

/**
 * @returns the path of the route as the program wrote it. Express and Restify have it in the member
 *   `route` of a request; in Express it is relative to the `express.Router` that it was added to.
 *   What Express has matched before that, `baseUrl`, may hold values of parameters.
 */
function routeOf(req: IncomingMessage): string | undefined {
  const path = propertyOf(propertyOf(req, 'route'), 'path');
  return typeof path === 'string' ? path : undefined;
}

/**
 * @returns the refusal that an error is or stands for. The errors of body parsers stand for one:
 *   their texts quote the body, which may hold a password, and Express would log and send them.
 */
export function refusalOf(error: unknown): AuthError | undefined {
  if (isAuthError(error)) return error;
  const code = isUndecompressed(error) ? 'ERR_BODY' : PARSER_ERRORS.get(propertyOf(error, 'type'));
  // The error of the parser is not the cause, because a cause is logged.
  return code && new AuthError(code);
}

/** The body parsers of Express give an error of zlib the status 400, and no `type`. */
function isUndecompressed(error: unknown): boolean {
  return propertyOf(error, 'status') === 400 &&
    DECOMPRESSION_CODE.test(String(propertyOf(error, 'code')));
}

/** Passes an error to `next`. A single handler in Polka has no `next`: then it is answered here. */
function passOn(exchange: Exchange, error: Error): void {
  if (typeof exchange.next === 'function') exchange.next(error);
  else answerUnhandled(exchange, error);
}

/**
 * Answers an error that no other handler takes: with the 4xx that it asks for, or as the Router
 * does, with a 500 without details and a warning.
 */
export function answerUnhandled({ req, res }: Exchange, error: unknown): void {
  const refusal = clientErrorOf(error) ?? new AuthError('ERR_INTERNAL');
  if (refusal.status === 500 || res.headersSent) process.emitWarning(textOfError(error));
  try {
    // The client must not take a reply that was broken off for a complete one.
    if (res.headersSent) res.destroy();
    else sendRefusal(req, res, refusal);
  } catch (failure) {
    process.emitWarning(textOfError(failure));
  }
}

/**
 * @returns a refusal with the 4xx that an error asks for. Polka has `{ code: 404 }` for a path
 *   without a route, and other errors have a `status`. Their messages are not sent, because they
 *   may quote the body.
 */
function clientErrorOf(error: unknown): AuthError | undefined {
  const isStatus = (value: unknown): value is number =>
    typeof value === 'number' && CLIENT_ERROR_STATUSES.has(value);
  const status = [propertyOf(error, 'status'), propertyOf(error, 'code')].find(isStatus);
  if (status === undefined) return undefined;
  if (status === 404) return new AuthError('ERR_NOT_FOUND');
  const name = http.STATUS_CODES[status] ?? 'Bad Request';
  return new AuthError('ERR_BAD_REQUEST', { status, error: name });
}
