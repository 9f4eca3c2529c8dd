/**
 * Sends replies and refusals as the Router does, and passes every other error on.
 * Promise: a request is answered once. The reply to an error that is not a refusal has no details.
 */
import { STATUS_CODES } from 'node:http';
import { emitWarning } from 'node:process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AuthError, isAuthError } from '../errors.ts';
import { textOfError } from '../error-text.ts';
import { publishRefusal } from '../events.ts';
import { isReply, Reply, sendReply } from '../http/reply.ts';
import type { HttpRequest } from '../http/request.ts';
import { isError, propertyOf } from '../values.ts';

/** The statuses 4xx that Node knows. */
const CLIENT_ERROR: ReadonlySet<number> = new Set(
  Object.keys(STATUS_CODES).map(Number).filter((status) => status >= 400 && status < 500),
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

/**
 * Sends a reply with status 200, or a {@link Reply} as it is.
 * @throws TypeError, before anything is sent, if the result cannot be sent
 */
export function sendResult({ req, res }: Exchange, result: unknown): void {
  sendReply(req, res, isReply(result) ? result : new Reply(200, result));
}

/** @returns whether an error is a refusal, and can be sent because no reply has begun */
export function canRefuse({ res }: Exchange, error: unknown): error is AuthError {
  return isAuthError(error) && !res.headersSent;
}

/** Sends a refusal. Any other error goes to `next`, and so does one after the reply has begun. */
export function refuse(exchange: Exchange, error: unknown): void {
  const { req, res, client = {} } = exchange;
  if (!canRefuse(exchange, error)) return passOn(exchange, asError(error));
  try {
    publishRefusal(error, client);
    // The cause may be the error of a database, and no later handler gets it.
    if (error.cause !== undefined) emitWarning(textOfError(error));
    sendReply(req, res, new Reply(error.status, error.body, error.headers));
  } catch (failure) {
    passOn(exchange, asError(failure));
  }
  return undefined;
}

/** Passes an error to `next`. Polka gives none to a single handler; then it is answered here. */
function passOn(exchange: Exchange, error: Error): void {
  if (typeof exchange.next === 'function') exchange.next(error);
  else fail(exchange, error);
}

/**
 * Answers an error that no other handler takes: with the 4xx that it asks for, or as the Router
 * does, with a 500 without details and a warning.
 */
export function fail({ req, res }: Exchange, error: unknown): void {
  const { status, body, headers } = refusalFor(error);
  if (status === 500 || res.headersSent) emitWarning(textOfError(error));
  try {
    // The client must not take a reply that was broken off for a complete one.
    if (res.headersSent) res.destroy();
    else sendReply(req, res, new Reply(status, body, headers));
  } catch (failure) {
    emitWarning(textOfError(failure));
  }
}

/**
 * Polka has `{ code: 404 }` for a path without a route. Errors of body parsers have a `status`.
 * Their messages are not sent, because they may quote the body.
 */
function refusalFor(error: unknown): AuthError {
  const members = [propertyOf(error, 'status'), propertyOf(error, 'code')];
  const status = members.find((value) => typeof value === 'number' && CLIENT_ERROR.has(value));
  if (typeof status !== 'number') return new AuthError('ERR_INTERNAL');
  if (status === 404) return new AuthError('ERR_NOT_FOUND');
  return new AuthError('ERR_BAD_REQUEST', { status, error: STATUS_CODES[status] ?? 'Bad Request' });
}

/**
 * @returns an Error for `next`. Other values could have a meaning there: `next(undefined)` means
 *   success, and in Express `next('route')` skips the remaining handlers of the route.
 */
function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new TypeError('a hook threw a value that is not an Error', { cause: thrown });
}
