/**
 * A request of node:http, as handlers see it. A serverless adapter, a test or another runtime may
 * have an object in its place that lacks some members.
 */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { http } from '../node-modules.ts';
import { expecting, integerBetween, type Check } from '../options.ts';
import { headerOf } from '../request-headers.ts';
import { isObject } from '../values.ts';
import { readJson } from './body.ts';
import { NO_PARAMS } from './routes.ts';
import { pathOf, queryOf } from './target.ts';

/**
 * One controller for each connection. All requests of a connection share it. A message without a
 * socket has its own.
 */
const CONTROLLERS = new WeakMap<object, AbortController>();

const messageCheck: Check = expecting('a request of node:http', isObject);
const paramsCheck: Check = expecting('an object', isObject);

/** The check of a number of trusted proxies. */
export const trustProxyCheck: Check = integerBetween(0, 100);

/** An address with a port, as some proxies write it: `[2001:db8::1]:80`, `192.0.2.1:80`. */
const ADDRESS_WITH_PORT = /^(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)$/;

/**
 * A request of node:http. Handlers, `JwtAuth` and `Accounts` accept it. `Name` is the type of the
 * names in `params`: for a handler of `/users/:id` it is `'id'`.
 * @example
 * router.post('/echo', async (request) => {
 *   const body = await request.json();
 *   return { body, address: request.address, agent: request.header('user-agent') };
 * });
 */
export class HttpRequest<Name extends string = string> {
  /** The wrapped message of node:http. */
  readonly message: IncomingMessage;
  /**
   * The path of the request target as received: not decoded, not normalised. An empty path is `/`.
   */
  readonly path: string;
  /**
   * The values of the parameters in the path of the route, decoded. A value is never empty. It can
   * hold any character, also `/`, because the client may have sent `%2F`.
   */
  readonly params: Readonly<Record<Name, string>>;
  /**
   * Bound to the request, so the function can be passed on alone.
   * @param name the name of a header, ignoring letter case
   * @returns the value, or undefined if there is none. Several headers of one name are joined by
   *   commas (RFC 9110 §5.3).
   */
  readonly header = (name: string): string | undefined => headerOf(this.message, name);
  readonly #trustProxy: number;
  #query: URLSearchParams | undefined;

  /**
   * Wraps a message of node:http, for a server without the Router.
   * @example
   * createServer(async (message, response) => {
   *   const reply = await auth.login(new HttpRequest(message));
   *   response.end(JSON.stringify(reply));
   * });
   * @param trustProxy number of proxies to trust, 0 to 100
   * @param params the values of the parameters in the path; default none
   * @throws TypeError if `message` or `params` is not an object
   * @throws TypeError or RangeError if `trustProxy` is not a whole number from 0 to 100
   */
  constructor(
    message: IncomingMessage,
    trustProxy = 0,
    params: Readonly<Record<Name, string>> = NO_PARAMS,
  ) {
    // Each check is called only for a value that may be wrong, because this runs for every request.
    if (!isObject(message)) messageCheck('message', message);
    if (trustProxy !== 0) trustProxyCheck('trustProxy', trustProxy);
    if (params !== NO_PARAMS) paramsCheck('params', params);
    this.message = message;
    this.#trustProxy = trustProxy;
    this.params = params;
    this.path = pathOf(targetOf(message));
  }

  /** The query of the request target, parsed. It is empty if there is none. */
  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(queryOf(targetOf(this.message))));
  }

  /**
   * The address of the client. Without trusted proxies this is the address of the peer.
   *
   * With `trustProxy` of n, this is the n-th address from the right in X-Forwarded-For. The proxy
   * that the client reached added it, and a client can forge all addresses to the left of it. If
   * the header has fewer addresses, the leftmost counts: the request did not come through all the
   * proxies, and the client may have forged it. A port and the zone of an IPv6 address are left
   * out. If the text found is not an IP address, this is the address of the peer.
   *
   * `unknown` stands for a peer that came through a Unix socket, and for a message without a
   * socket. Rate limits by network do not apply to it. `disconnected` stands for a peer that has
   * closed its connection before its address was read. Rate limits count all such peers as one
   * network, so a client that resets its connection does not escape them.
   */
  get address(): string {
    const { socket }: Partial<IncomingMessage> = this.message;
    const remoteAddress = socket?.remoteAddress ?? (isClosed(socket) ? 'disconnected' : 'unknown');
    if (this.#trustProxy === 0) return remoteAddress;
    const hops = this.header('x-forwarded-for')?.split(',') ?? [];
    const hop = hops.at(-Math.min(this.#trustProxy, hops.length))?.trim() ?? '';
    const [, ipv6, ipv4] = ADDRESS_WITH_PORT.exec(hop) ?? [];
    // A zone names an interface of the proxy, and a client could send one of any length.
    const [address = ''] = (ipv6 ?? ipv4 ?? hop).split('%', 1);
    return isIP(address) === 0 ? remoteAddress : address;
  }

  /**
   * Aborted once the connection is closed, because the client no longer waits for the reply. Never
   * aborted for a message without a socket, or with an open one that has no events.
   */
  get signal(): AbortSignal {
    const { socket }: Partial<IncomingMessage> = this.message;
    const connection = socket ?? this.message;
    const known = CONTROLLERS.get(connection);
    if (known !== undefined) return known.signal;
    const controller = new AbortController();
    CONTROLLERS.set(connection, controller);
    // Any number of pipelined requests may listen to it, so Node must not warn of a leak.
    try {
      setMaxListeners(0, controller.signal);
    } catch {
      // jsdom has an AbortSignal of its own. Node does not accept it, and never warns of it.
    }
    if (socket?.destroyed === true) controller.abort();
    else if (typeof socket?.once === 'function') socket.once('close', () => controller.abort());
    return controller.signal;
  }

  /**
   * Reads the body. It can be called once. If a body parser, such as `express.json()`, has read it
   * before, the body is in `message.body`.
   * @returns the body, parsed from JSON in UTF-8 of at most 16 KiB; or `message.body` itself, if it
   *   is neither a string nor bytes
   * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE, ERR_BODY, ERR_BAD_REQUEST, ERR_ABORTED
   * @throws TypeError if the body was read already and `message.body` does not hold it
   */
  json(): Promise<unknown> {
    return readJson(this.message);
  }
}

/** @returns the request target. Some frameworks have an object of the class URL in its place. */
export function targetOf({ url }: IncomingMessage): string {
  return String(url ?? '');
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(http.METHODS);

/** @returns the method; undefined for a text that Node does not know as one, as from an adapter */
export function methodOf({ method = '' }: IncomingMessage): string | undefined {
  return KNOWN_METHODS.has(method) ? method : undefined;
}

/**
 * @returns whether a socket without a remote address is closed. A TCP socket that its peer has
 *   reset keeps its local address; an open Unix socket has none.
 */
function isClosed(socket: Partial<IncomingMessage['socket']> | null | undefined): boolean {
  return socket?.localAddress !== undefined || socket?.destroyed === true;
}
