/**
 * What happens, for whoever listens: channels of node:diagnostics_channel, by these names. Whoever publishes asks
 * `hasSubscribers` first, so that nothing is computed when nobody listens. No message holds a password, a token or a
 * hash, nor a name that nobody has: that may be a password in the wrong field.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { AuthError } from './errors.ts';

/** An `address` is the client's, as far as it is known. */
export const EVENTS: Readonly<Record<'signup' | 'login' | 'refusal' | 'throttle' | 'overload', Channel>> = {
  /** `{ id, address }`: an account was made. */
  signup: channel('latchkey:signup'),
  /** `{ id, address }`: a username and its password were right. */
  login: channel('latchkey:login'),
  /** `{ code, status, address }`: a `Router`, or the server before it, refused a request. */
  refusal: channel('latchkey:refusal'),
  /** `{ kind: 'login' | 'signup', retryAfterSeconds, address }`: it came too soon after others. */
  throttle: channel('latchkey:throttle'),
  /** `{ running, waiting }`: a password was not hashed because so many others are. */
  overload: channel('latchkey:overload'),
};

/** Publishes that a request was refused. @param client whose address is asked for only if somebody listens */
export function publishRefusal(refusal: AuthError, client: { readonly address?: string | undefined }): void {
  const { code, status } = refusal;
  if (EVENTS.refusal.hasSubscribers) EVENTS.refusal.publish({ code, status, address: client.address });
}
