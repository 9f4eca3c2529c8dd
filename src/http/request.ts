/** A request of node:http, as handlers see it. */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { integerBetween, type Check } from '../options.ts';
import { readJson } from './body.ts';

/** One controller for each connection, which all its pipelined requests share. */
const CONTROLLERS = new WeakMap<Socket, AbortController>();

export const trustProxyCheck: Check = integerBetween(0, 100);

/** RFC 9112 §3.2.2: the scheme and the authority of an absolute target. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/** An address with a port, as some proxies write it: `[2001:db8::1]:80`, `192.0.2.1:80`. */
const ADDRESS_WITH_PORT = /^(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)$/;

/** A request of node:http, as handlers, `JwtAuth` and `Accounts` take it. */
export class HttpRequest {
  /** The message of node:http that it wraps. */
  readonly message: IncomingMessage;
  /** The path of the request target as received: not decoded, not normalised. */
  readonly path: string;
  /**
   * Bound, so it can be passed on without the request.
   * @param name in any case
   * @returns the value. Several headers of one name are joined by commas (RFC 9110 §5.3).
   */
  readonly header = (name: string): string | undefined => headerOf(this.message, name);
  readonly #trustProxy: number;

  /**
   * @param trustProxy number of proxies to trust, 0 to 100
   * @throws TypeError or RangeError if `trustProxy` is not a whole number from 0 to 100
   */
  constructor(message: IncomingMessage, trustProxy = 0) {
    // The default needs no check, so the requests of most routers do not pay for one.
    if (trustProxy !== 0) trustProxyCheck('trustProxy', trustProxy);
    this.message = message;
    this.#trustProxy = trustProxy;
    this.path = pathOf(message.url ?? '');
  }

  /**
   * The address of the client. Without trusted proxies this is the peer's. Behind `trustProxy`
   * proxies it is the address at that place from the right in X-Forwarded-For: the first of them
   * added it, and a client can forge all that stands left of it. `unknown` stands for a peer that
   * has disconnected or came through a Unix socket; rate limits count all of those as one address.
   */
  get address(): string {
    const { remoteAddress = 'unknown' } = this.message.socket;
    if (this.#trustProxy === 0) return remoteAddress;
    const hops = this.header('x-forwarded-for')?.split(',') ?? [];
    const hop = hops.at(-Math.min(this.#trustProxy, hops.length))?.trim() ?? '';
    const [, ipv6, ipv4] = ADDRESS_WITH_PORT.exec(hop) ?? [];
    const address = ipv6 ?? ipv4 ?? hop;
    return isIP(address) === 0 ? remoteAddress : address;
  }

  /** Aborted when the connection is closed: the client no longer waits for the reply. */
  get signal(): AbortSignal {
    const { socket } = this.message;
    const known = CONTROLLERS.get(socket);
    if (known !== undefined) return known.signal;
    const controller = new AbortController();
    CONTROLLERS.set(socket, controller);
    // Any number of pipelined requests may listen to it, so Node must not warn of a leak.
    setMaxListeners(0, controller.signal);
    if (socket.destroyed) controller.abort();
    else socket.once('close', () => controller.abort());
    return controller.signal;
  }

  /**
   * Reads the body. It can be called once.
   * @returns the body, parsed from JSON in UTF-8 of at most 16 KiB
   * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE, ERR_BODY, ERR_BAD_REQUEST, ERR_ABORTED
   * @throws TypeError if the body was read already
   */
  json(): Promise<unknown> {
    return readJson(this.message, this.header('content-type') ?? '');
  }
}

/**
 * Reads raw headers. `message.headers` would parse all of them on every request, and would keep the
 * first Authorization and silently drop any others.
 * @returns as {@link HttpRequest.header}
 */
export function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  const wanted = name.toLowerCase();
  let joined: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const key = rawHeaders[index];
    // Most names differ in length, and comparing that is cheaper than folding the case.
    if (key?.length !== wanted.length || key.toLowerCase() !== wanted) continue;
    const value = rawHeaders[index + 1];
    joined = joined === undefined ? value : `${joined}, ${value}`;
  }
  return joined;
}

/** The path of a target in origin-form or absolute-form (RFC 9112 §3.2), without its query. */
function pathOf(target: string): string {
  const start = target.startsWith('/') ? 0 : (ORIGIN.exec(target)?.[0].length ?? 0);
  const end = target.indexOf('?', start);
  return target.slice(start, end === -1 ? undefined : end);
}
