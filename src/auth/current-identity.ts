/**
 * Whose request is being handled. Promise: inside a protected handler, across await, timers and streams, the identity
 * of its own request and never that of another; elsewhere undefined. It does not reach what node:http runs once it has
 * sent a pipelined response: callbacks given to `res.write` or `res.end`, and events of a response without a guard, run
 * as whatever was answered before on the same connection.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

const IDENTITY: unique symbol = Symbol('identity');

/** As much of a request or a response of node:http as has to be known of it. */
export interface Emitter {
  emit?: EventEmitter['emit'];
  once?: EventEmitter['once'];
  /** Whose it is, where its events are brought inside. A WeakMap costs more than all the rest of it. */
  [IDENTITY]?: unknown;
}

const current = new AsyncLocalStorage<unknown>();

/**
 * @typeParam Identity what `identity` of the JwtAuth in charge returns
 * @returns inside a protected handler, and in whatever that starts, the identity of its request; elsewhere undefined
 */
export function currentIdentity<Identity>(): Identity | undefined {
  return current.getStore() as Identity | undefined;
}

/** Runs what handles a request, so that currentIdentity answers whose it is. */
export function runAs<Result>(identity: unknown, run: () => Result): Result {
  return current.run(identity, run);
}

/**
 * Brings the events of a request or a response inside, as soon as somebody listens. node:http emits them from the
 * connection, or from whatever handles the request before on the same one. Of two guards in a row the last one counts.
 */
export function bringInside(identity: unknown, emitter: Emitter): void {
  emitter[IDENTITY] = identity;
  emitter.once?.('newListener', () => {
    const { emit } = emitter;
    if (emit === undefined) return;
    emitter.emit = (...event) => current.run(emitter[IDENTITY], () => emit.apply(emitter, event));
  });
}
