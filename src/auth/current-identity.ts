/**
 * The identity of the request that is being handled.
 * Promise: a guarded handler sees the identity of its own request and never that of another, across
 * await, timers and streams. Elsewhere the identity is undefined.
 * Accepted: a known limitation with HTTP pipelining. Two kinds of callbacks may run with the
 * identity of the previous request on the same connection: the callbacks of `res.write` and
 * `res.end`, and the listeners on a response without a guard. node:http calls them while it
 * finishes the previous response.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

const IDENTITY: unique symbol = Symbol('identity');

/** A request or response of node:http, which carries an identity to its listeners. */
export interface IdentityCarrier {
  emit?: EventEmitter['emit'];
  once?: EventEmitter['once'];
  /** What listeners get as identity. A WeakMap would cost more than the rest of the guard. */
  [IDENTITY]?: unknown;
}

const current = new AsyncLocalStorage<unknown>();

/**
 * Finds the user of the request that is being handled, without passing it along.
 * @example
 * const nameOfUser = () => currentIdentity<PublicUser>()?.username;
 * app.get('/name', app.auth.required(() => nameOfUser()));
 * @typeParam Identity the type of user that the hook `identity` of the JwtAuth returns
 * @returns inside a guarded handler, and in everything that it starts, the identity of the request;
 *   elsewhere undefined
 */
export function currentIdentity<Identity>(): Identity | undefined {
  return current.getStore() as Identity | undefined;
}

/** Runs a function in which `currentIdentity()` returns this identity. */
export function runAs<Result>(identity: unknown, run: () => Result): Result {
  return current.run(identity, run);
}

/**
 * Makes the listeners of a request or a response run as this identity. Without this, node:http runs
 * them in the async context of the connection or of the previous request on that connection. When
 * two guards run in a row, the identity of the second one counts.
 */
export function bindListeners(identity: unknown, carrier: IdentityCarrier): void {
  // A Request of the Web standard, or an object of a test, has no listeners. A frozen one cannot
  // carry an identity.
  if (typeof carrier.once !== 'function' || !Object.isExtensible(carrier)) return;
  const isBound = Object.hasOwn(carrier, IDENTITY);
  carrier[IDENTITY] = identity;
  if (isBound) return;
  // Most requests never get a listener, so `emit` is replaced only when the first one is added.
  carrier.once('newListener', () => {
    const { emit } = carrier;
    if (emit === undefined) return;
    carrier.emit = (...event) => runAs(carrier[IDENTITY], () => emit.apply(carrier, event));
  });
}
