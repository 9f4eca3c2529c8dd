/**
 * The user of the request that is being handled. Promise: a guarded handler sees the identity of
 * its own request and never that of another, across await, timers and streams. Elsewhere the
 * identity is undefined.
 * Accepted: the promise does not hold in what node:http runs after it has sent a pipelined
 * response: callbacks of `res.write` and `res.end`, and listeners on a response without a guard.
 * These run as the user of the request answered before it on the same connection.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

const IDENTITY: unique symbol = Symbol('identity');

/** The parts of a node:http request or response that carry an identity to its listeners. */
export interface Emitter {
  emit?: EventEmitter['emit'];
  once?: EventEmitter['once'];
  /** The identity that listeners run as. A WeakMap would cost more than the rest of the guard. */
  [IDENTITY]?: unknown;
}

const current = new AsyncLocalStorage<unknown>();

/**
 * @typeParam Identity what the hook `identity` of the JwtAuth returns
 * @returns the identity of the request, inside a guarded handler and in all that it starts;
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
 * Makes the listeners of a request or a response run as this identity. By itself node:http would
 * run them in the async context of the connection, or of the request before on the same
 * connection. When two guards run in a row, the identity of the last one counts.
 */
export function bindListeners(identity: unknown, emitter: Emitter): void {
  emitter[IDENTITY] = identity;
  // Most requests never get a listener, so `emit` is replaced only when the first one comes.
  emitter.once?.('newListener', () => {
    const { emit } = emitter;
    if (emit === undefined) return;
    emitter.emit = (...event) => current.run(emitter[IDENTITY], () => emit.apply(emitter, event));
  });
}
