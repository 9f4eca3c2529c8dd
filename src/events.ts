/**
 * Events for monitoring, on channels of node:diagnostics_channel.
 * Promise: no message holds a password, a token, a hash or an unknown username, because a user may
 * have typed a password into the username field. Nothing is computed without a subscriber, since
 * publishers ask `hasSubscribers` first.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { AuthError } from './errors.ts';

type EventName = 'signup' | 'login' | 'refusal' | 'throttle' | 'overload';

/** An `address` is that of the client, or undefined if it is not known. */
export const EVENTS: Readonly<Record<EventName, Channel>> = {
  /** `{ id, address }`: an account was created. */
  signup: channel('latchkey:signup'),
  /** `{ id, address }`: a username and its password were right. */
  login: channel('latchkey:login'),
  /** `{ code, status, address }`: a `Router`, or the server before it, refused a request. */
  refusal: channel('latchkey:refusal'),
  /** `{ kind: 'login' | 'signup', retryAfterSeconds, address }`: a rate limit was reached. */
  throttle: channel('latchkey:throttle'),
  /** `{ running, waiting }`: a password was not hashed, because the queue was full. */
  overload: channel('latchkey:overload'),
};

/** @param client its address is looked up only if there is a subscriber */
export function publishRefusal(
  refusal: AuthError,
  client: { readonly address?: string | undefined },
): void {
  if (!EVENTS.refusal.hasSubscribers) return;
  const { code, status } = refusal;
  EVENTS.refusal.publish({ code, status, address: client.address });
}
