/** A request of node:http as handlers see it. */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { integerBetween, type Check } from '../options.ts';
import { readJson } from './body.ts';

/** One for each connection, however many requests wait on it. */
const CONTROLLERS = new WeakMap<Socket, AbortController>();

export const trustProxyCheck: Check = integerBetween(0, 100);

/** A request of node:http, as handlers, `JwtAuth` and `Accounts` take it. */
export class HttpRequest {
  /** The message of node:http below it. */
  readonly message: IncomingMessage;
  /** The path of the request target, as it came: nothing is decoded, nothing is folded. */
  readonly path: string;
  /**
   * Bound, to be taken out of the request.
   * @param name without regard to case
   * @returns the value; of a header that came more than once all of them, joined by commas (RFC 9110 §5.3)
   */
  readonly header = (name: string): string | undefined => headerOf(this.message, name);
  readonly #trustProxy: number;

  /** @param trustProxy how many proxies to believe; 0 to 100, 0 for none @throws TypeError or RangeError */
  constructor(message: IncomingMessage, trustProxy = 0) {
    trustProxyCheck('trustProxy', trustProxy);
    this.message = message;
    this.#trustProxy = trustProxy;
    this.path = childPath(message.url ?? '');
  }

  /**
   * The address of the client: the peer's, or behind trusted proxies the one that the first of them saw, which is that
   * many from the right in X-Forwarded-For; whatever stands left of it anybody may have written. A peer that has gone
   * already, or that came through a Unix socket, is `unknown`: all of those count as one.
   */
  get address(): string {
    const { remoteAddress = 'unknown' } = this.message.socket;
    const hops = this.#trustProxy === 0 ? [] : (this.header('x-forwarded-for')?.split(',') ?? []);
    const hop = hops.at(-Math.min(this.#trustProxy, hops.length))?.trim() ?? '';
    const [, ipv6, ipv4] = /^(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)$/.exec(hop) ?? [];
    const address = ipv6 ?? ipv4 ?? hop;
    return isIP(address) === 0 ? remoteAddress : address;
  }

  /** Aborted when the connection is closed: nobody waits for the answer any more. */
  get signal(): AbortSignal {
    const { socket } = this.message;
    const known = CONTROLLERS.get(socket);
    if (known !== undefined) return known.signal;
    const controller = new AbortController();
    CONTROLLERS.set(socket, controller);
    // Of requests that wait on one connection there may be any number.
    setMaxListeners(0, controller.signal);
    if (socket.destroyed) controller.abort();
    else socket.once('close', () => controller.abort());
    return controller.signal;
  }

  /**
   * @returns the body, which must be JSON in UTF-8 of at most 16 KiB; to be called once
   * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE, ERR_BODY, ERR_BAD_REQUEST, ERR_ABORTED;
   *   TypeError if it was read already
   */
  json(): Promise<unknown> {
    return readJson(this.message, this.header('content-type') ?? '');
  }
}

/** See {@link HttpRequest.header}. */
export function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  // Building `headers` reads every one of them, and keeps the first Authorization without a word about the others.
  const wanted = name.toLowerCase();
  let value: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const key = rawHeaders[index];
    if (key?.length !== wanted.length || key.toLowerCase() !== wanted) continue;
    const one = rawHeaders[index + 1];
    value = value === undefined ? one : `${value}, ${one}`;
  }
  return value;
}

/** The path of a request target in origin-form or absolute-form (RFC 9112 §3.2), without its query. */
function childPath(target: string): string {
  const origin = target.startsWith('/') ? 0 : (/^https?:\/\/[^/?#]*/i.exec(target)?.[0].length ?? 0);
  const end = target.indexOf('?', origin);
  return target.slice(origin, end === -1 ? undefined : end);
}
