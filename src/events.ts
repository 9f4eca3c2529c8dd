/**
 * Events for monitoring, on channels of node:diagnostics_channel.
 * Promise: no message holds a password, a token, a hash or an unknown username, because a user may
 * have typed a password into the username field. Publishers check `hasSubscribers` first, so
 * a message is only built for a subscriber.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { AuthError } from './errors.ts';

type EventName =
  | 'signup'
  | 'login'
  | 'refresh'
  | 'repeat'
  | 'reuse'
  | 'logout'
  | 'password'
  | 'remove'
  | 'refusal'
  | 'throttle'
  | 'overload';

/** An `address` is the address of the client, or undefined if it is unknown. */
export const EVENTS: Readonly<Record<EventName, Channel>> = {
  /** `{ id, address }`: an account was created. */
  signup: channel('latchkey:signup'),
  /** `{ id, address }`: a user logged in with the right password. */
  login: channel('latchkey:login'),
  /** `{ id, address }`: a client got new tokens for a refresh token. */
  refresh: channel('latchkey:refresh'),
  /**
   * `{ id, address }`: a client repeated a refresh token after the grace period, and got the same
   * successor again. Its first answer was lost, or two clients share the token.
   */
  repeat: channel('latchkey:repeat'),
  /**
   * `{ id, address }`: a refresh token came back after a newer access token was used, or after its
   * session was refreshed twice, so the session has ended. The token may have been stolen.
   */
  reuse: channel('latchkey:reuse'),
  /** `{ id, address }`: a client ended a session, or all others of its account if it had some. */
  logout: channel('latchkey:logout'),
  /** `{ id, address }`: the password of an account was changed or set. */
  password: channel('latchkey:password'),
  /** `{ id, address }`: an account was removed. */
  remove: channel('latchkey:remove'),
  /**
   * `{ code, status, method, route, address }`: a `Router`, the server before it or a middleware of
   * `latchkey/express` refused a request. `route` is the pattern of the route, such as
   * `/users/:id`, and never the path. It is absent if the request was refused before its route was
   * found, and `method` is absent if the bytes were not a request. If the refusal has a `detail`,
   * which no client gets, the message has it too.
   */
  refusal: channel('latchkey:refusal'),
  /**
   * `{ kind: 'login' | 'confirmation' | 'signup', retryAfterSeconds, address }`: a rate limit was
   * reached.
   */
  throttle: channel('latchkey:throttle'),
  /** `{ running, waiting }`: the hashing queue was full, so a job was refused. */
  overload: channel('latchkey:overload'),
};

/** Its address is read only if there is a subscriber, since a look-up takes time. */
interface AddressedClient {
  readonly address?: string | undefined;
}

/** The events about one user. */
type UserEvent = Exclude<EventName, 'refusal' | 'throttle' | 'overload'>;

/** @param id of a user who exists, or who did until this event */
export function publishUser(event: UserEvent, id: string, client: AddressedClient): void {
  if (EVENTS[event].hasSubscribers) EVENTS[event].publish({ id, address: client.address });
}

/** The request that was refused, as far as it is known. No member holds text from the client. */
export interface RefusedRequest {
  /** One of the methods that Node knows. */
  readonly method?: string | undefined;
  /** The pattern of the route, as the program wrote it. */
  readonly route?: string | undefined;
}

export function publishRefusal(
  refusal: AuthError,
  client: AddressedClient,
  { method, route }: RefusedRequest = {},
): void {
  if (!EVENTS.refusal.hasSubscribers) return;
  const { code, status, detail } = refusal;
  const { address } = client;
  EVENTS.refusal.publish({
    code,
    status,
    ...(detail !== undefined && { detail }),
    ...(method !== undefined && { method }),
    ...(route !== undefined && { route }),
    address,
  });
}
