/** The router finds the handler of a method and an exact path, and sends the handler's result. */
import { emitWarning } from 'node:process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError, isAuthError } from '../errors.ts';
import { aFunction, listOfStrings, matching, readOptions, type Check, type Checks } from '../options.ts';
import { publishRefusal } from '../events.ts';
import { andThen, isPromise } from '../maybe-promise.ts';
import { textOfError } from '../error-text.ts';
import { BusyReplies } from './busy-replies.ts';
import { MAX_TARGET_LENGTH } from './limits.ts';
import { isReply, Reply, sendReply } from './reply.ts';
import { HttpRequest, trustProxyCheck } from './request.ts';

/**
 * Handles a request. It returns a JSON value, which is sent with status 200, or a {@link Reply}, or
 * a promise of either. A thrown AuthError is sent as the refusal that it describes. Anything else
 * that is thrown becomes a 500 without details.
 */
export type Handler = (request: HttpRequest) => unknown;

/**
 * Adds a route. A route for GET answers HEAD too.
 * @returns the router
 * @throws TypeError if the path is not valid, the handler is not one function or the route exists
 */
export type AddRoute = (path: string, handler: Handler) => Router;

/** The options of a {@link Router}. */
export interface RouterOptions {
  /**
   * Called with every thrown value that is not an AuthError, and with every AuthError that has a
   * cause. Default: a warning of Node, on stderr.
   */
  readonly onError?: (error: unknown) => void;
  /**
   * Number of proxies in front, each of which adds to X-Forwarded-For; 0 to 100. Default 0: the
   * header is ignored.
   */
  readonly trustProxy?: number;
  /**
   * The origins of pages whose scripts may read the replies, such as `https://app.example`; default
   * none.
   */
  readonly cors?: readonly string[];
}

/** The checks of {@link RouterOptions}. */
export const ROUTER_OPTION_CHECKS: Checks<RouterOptions> = {
  onError: aFunction,
  trustProxy: trustProxyCheck,
  cors: listOfStrings,
};

/** The check of the path of a route. A request target has no other characters (RFC 3986 §3.3). */
export const pathCheck: Check = matching(
  'a path that begins with "/", has no query, and is ASCII as encodeURI returns it',
  /^\/[!"$->@-~]*$/,
);

/**
 * Maps a method and an exact path to a handler. There are no parameters or patterns. `handle` is
 * bound, so that it can be passed on: `http.createServer(router.handle)`.
 * @example
 * const router = new Router();
 * router.get('/health', () => 'ok');
 * router.post('/echo', (request) => request.json());
 * const server = await listen(router, { port: 3000 });
 */
export class Router {
  /** Handlers by path, then by method. */
  readonly #routes = new Map<string, Map<string, Handler>>();
  readonly #options: Required<RouterOptions>;
  readonly #busyReplies = new BusyReplies();

  /**
   * Makes a router without routes.
   * @example
   * new Router({ trustProxy: 1 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: RouterOptions = {}) {
    const own = readOptions(options, ROUTER_OPTION_CHECKS);
    this.#options = { onError: warn, trustProxy: 0, cors: [], ...own };
  }

  /** Adds a handler for GET and HEAD. */
  readonly get: AddRoute = (...route) => this.#add('GET', ...route);
  /** Adds a handler for POST. */
  readonly post: AddRoute = (...route) => this.#add('POST', ...route);
  /** Adds a handler for PUT. */
  readonly put: AddRoute = (...route) => this.#add('PUT', ...route);
  /** Adds a handler for PATCH. */
  readonly patch: AddRoute = (...route) => this.#add('PATCH', ...route);
  /** Adds a handler for DELETE. */
  readonly delete: AddRoute = (...route) => this.#add('DELETE', ...route);

  /**
   * Answers one request. An AuthError that a handler throws is sent with its own status, and any
   * other error becomes a reply with status 500.
   * @returns undefined if the reply has been sent already, else a promise that resolves once it is.
   *   Some frameworks go on to the next handler unless they get such a promise. It never rejects.
   */
  readonly handle = (message: IncomingMessage, response: ServerResponse): void | Promise<void> => {
    const request = new HttpRequest(message, this.#options.trustProxy);
    // andThen sends a plain result at once and returns a promise only for a promise. So an error
    // comes in two ways: thrown at once, or as the rejection of that promise.
    try {
      const handler = this.#handlerOf(request);
      const sent = andThen(handler(request), (result) => {
        sendReply(message, response, isReply(result) ? result : new Reply(200, result));
      });
      if (isPromise(sent)) return sent.catch((error) => this.#refuse(request, response, error));
    } catch (error) {
      return this.#refuse(request, response, error);
    }
    return undefined;
  };

  #add(method: string, path: string, handler: Handler, ...others: never[]): Router {
    pathCheck('path', path);
    aFunction('handler', handler);
    if (others.length > 0) {
      // In Express further handlers may follow. Here one that is left out could be the guard.
      const expected = 'one function, such as auth.required(handler)';
      throw new TypeError(`"handler" expected ${expected}, got ${1 + others.length} arguments`);
    }
    const methods = this.#routes.get(path) ?? new Map<string, Handler>();
    if (methods.has(method)) {
      throw new TypeError(`"path" expected a new route, got one that already answers ${method}`);
    }
    this.#routes.set(path, methods.set(method, handler));
    return this;
  }

  /** @throws AuthError ERR_URL_TOO_LONG, ERR_NOT_FOUND, ERR_METHOD */
  #handlerOf({ path, message }: HttpRequest): Handler {
    const { method = '', url = '' } = message;
    if (url.length > MAX_TARGET_LENGTH) throw new AuthError('ERR_URL_TOO_LONG');
    const methods = this.#routes.get(path);
    if (methods === undefined) throw new AuthError('ERR_NOT_FOUND');
    const handler = methods.get(method === 'HEAD' ? 'GET' : method);
    if (handler !== undefined) return handler;
    // RFC 9110 §15.5.6: a 405 lists the methods of the route.
    const names = [...methods.keys()];
    const allowed = names.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
    throw new AuthError('ERR_METHOD', { headers: { Allow: allowed.join(', ') } });
  }

  /**
   * Sends the refusal of a request, and reports an error that is not a plain refusal.
   * @param error any thrown value; reading its properties may itself throw
   */
  async #refuse(request: HttpRequest, response: ServerResponse, error: unknown): Promise<void> {
    const { message } = request;
    try {
      const refusal = isAuthError(error) ? error : new AuthError('ERR_INTERNAL');
      // The delay comes first, because publishing and reporting also take time of the event loop.
      const delayMs = this.#busyReplies.add(refusal.status);
      if (delayMs > 0) await delay(delayMs);
      publishRefusal(refusal, request);
      const isUnexpected = refusal !== error || refusal.cause !== undefined;
      if (isUnexpected) this.#options.onError(error);
      sendReply(message, response, new Reply(refusal.status, refusal.body, refusal.headers));
    } catch (secondError) {
      // onError threw, or the body or a header of the refusal cannot be sent.
      warn(secondError);
      if (!response.headersSent) sendInternalError(message, response);
    }
  }
}

/** The response of an adapter may lack a method. Then no reply can be sent at all. */
function sendInternalError(message: IncomingMessage, response: ServerResponse): void {
  const { status, body, headers } = new AuthError('ERR_INTERNAL');
  try {
    sendReply(message, response, new Reply(status, body, headers));
  } catch (error) {
    warn(error);
  }
}

function warn(error: unknown): void {
  emitWarning(textOfError(error));
}
