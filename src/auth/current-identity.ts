/**
 * Whose request is being handled. Promise: inside a protected handler, across await, timers and streams, the identity
 * of its own request and never that of another; elsewhere undefined.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

/** As much of a message of node:http as has to be known of it. */
export interface RequestEvents {
  readonly method?: string | undefined;
  emit?: EventEmitter['emit'];
}

const current = new AsyncLocalStorage<unknown>();

/**
 * @typeParam Identity what `identity` of the JwtAuth in charge returns
 * @returns inside a protected handler, and in whatever that starts, the identity of its request; elsewhere undefined
 */
export function currentIdentity<Identity>(): Identity | undefined {
  return current.getStore() as Identity | undefined;
}

/**
 * Runs what handles a request, so that currentIdentity answers whose it is.
 * @param message whose events node:http emits from the connection, outside of what runs here; they are brought inside
 */
export function runAs<Result>(identity: unknown, message: RequestEvents | undefined, run: () => Result): Result {
  // The events of a GET tell nothing that a handler waits for.
  if (message?.emit !== undefined && message.method !== 'GET') {
    const { emit } = message;
    message.emit = (...event) => current.run(identity, () => emit.apply(message, event));
  }
  return current.run(identity, run);
}
