/**
 * Whose request is being handled. Promise: inside a protected handler, across await, timers and streams, the identity
 * of its own request and never that of another; elsewhere undefined.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

/** As much of a request or a response of node:http as has to be known of it. */
export interface Emitter {
  emit?: EventEmitter['emit'];
}

const current = new AsyncLocalStorage<unknown>();

/** Whose they are, of those whose events are brought inside. */
const identities = new WeakMap<Emitter, unknown>();

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
 * Brings the events of a request or a response inside. node:http emits them from the connection, or from whatever
 * handles the request before on the same one. Of two guards in a row the last one counts.
 */
export function bringInside(identity: unknown, emitter: Emitter): void {
  const isInside = identities.has(emitter);
  identities.set(emitter, identity);
  const { emit } = emitter;
  if (isInside || emit === undefined) return;
  emitter.emit = (...event) => current.run(identities.get(emitter), () => emit.apply(emitter, event));
}
