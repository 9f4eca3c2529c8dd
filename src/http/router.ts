/** The router finds the handler of a method and a path, and sends the handler's result. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError, isAuthError } from '../errors.ts';
import { aFunction, readOptions, type Checks } from '../options.ts';
import { publishRefusal } from '../events.ts';
import { andThen, isPromise } from '../maybe-promise.ts';
import { textOfError } from '../error-text.ts';
import { BusyReplies } from './busy-replies.ts';
import { Cors, corsCheck } from './cors.ts';
import { MAX_TARGET_LENGTH } from './limits.ts';
import { sendRefusal, sendResult } from './reply.ts';
import { HttpRequest, methodOf, targetOf, trustProxyCheck } from './request.ts';
import { pathCheck, type ParameterName } from './route-path.ts';
import { NO_PARAMS, Routes, type Found } from './routes.ts';
import { pathOf } from './target.ts';

/**
 * Handles a request. It returns a JSON value or bytes, sent with status 200, or a {@link Reply}, or
 * a promise of any of them. A thrown AuthError is sent as the refusal that it describes. Anything
 * else that is thrown becomes a 500 without details.
 */
export type Handler<Name extends string = string> = (request: HttpRequest<Name>) => unknown;

/**
 * Adds a route. A route for GET answers HEAD too. In the path `/users/:id` the segment `:id` stands
 * for one segment that is not empty, whose value the handler finds in `request.params.id`.
 * @returns the router
 * @throws TypeError if the path is not valid, the handler is not one function, or there is such a
 *   route already
 */
export type AddRoute = <Path extends string>(
  path: Path,
  handler: Handler<ParameterName<Path>>,
) => Router;

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
   * none. Cookies play no part: the replies never allow credentials.
   */
  readonly cors?: readonly string[];
}

/** The checks of {@link RouterOptions}. */
export const ROUTER_OPTION_CHECKS: Checks<RouterOptions> = {
  onError: aFunction,
  trustProxy: trustProxyCheck,
  cors: corsCheck,
};

/** What handles a request: a route, or, without `route`, a handler that throws the refusal. */
type Handling = Omit<Found<Handler>, 'route'> & { readonly route?: string };

/**
 * Adds a handler for GET and HEAD. A later `router.get` for the same path replaces it, so that a
 * program that has its own route for the path goes on working. It is not a method, because it is
 * not for programs. A static block of Router sets it, because it needs the private routes.
 */
export let addDefaultGet: (router: Router, path: string, handler: Handler) => void;

/**
 * Maps a method and a path to a handler. A path is exact, or has parameters such as `:id`. `handle`
 * is bound, so that it can be passed on: `http.createServer(router.handle)`.
 * @example
 * const router = new Router();
 * router.get('/health', () => 'ok');
 * router.post('/echo', (request) => request.json());
 * const server = await listen(router, { port: 3000 });
 */
export class Router {
  readonly #routes = new Routes<Handler>();
  readonly #cors: Cors | undefined;
  readonly #options: Required<RouterOptions>;
  readonly #busyReplies = new BusyReplies();

  static {
    addDefaultGet = (router, path, handler) => router.#routes.addDefault('GET', path, handler);
  }

  /**
   * Makes a router without routes.
   * @example
   * new Router({ trustProxy: 1 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: RouterOptions = {}) {
    const own = readOptions(options, ROUTER_OPTION_CHECKS);
    this.#options = { onError: warn, trustProxy: 0, cors: [], ...own };
    const { cors } = this.#options;
    if (cors.length > 0) this.#cors = new Cors(cors);
  }

  /** Adds a handler for GET and HEAD. */
  readonly get: AddRoute = (...route) => this.#add('GET', route);
  /** Adds a handler for POST. */
  readonly post: AddRoute = (...route) => this.#add('POST', route);
  /** Adds a handler for PUT. */
  readonly put: AddRoute = (...route) => this.#add('PUT', route);
  /** Adds a handler for PATCH. */
  readonly patch: AddRoute = (...route) => this.#add('PATCH', route);
  /** Adds a handler for DELETE. */
  readonly delete: AddRoute = (...route) => this.#add('DELETE', route);
  /**
   * Adds a handler for OPTIONS. With `cors`, the router itself answers each preflight of a browser,
   * and calls no handler.
   */
  readonly options: AddRoute = (...route) => this.#add('OPTIONS', route);

  /**
   * Answers one request. An AuthError that a handler throws is sent with its own status, and any
   * other error becomes a reply with status 500.
   * @returns undefined if a result has been sent already, else a promise that resolves once the
   *   result or the refusal is sent. Some frameworks go on to the next handler unless they get such
   *   a promise. It never rejects.
   */
  readonly handle = (message: IncomingMessage, response: ServerResponse): void | Promise<void> => {
    const { handler, params, route } = this.#routeOf(message);
    const request = new HttpRequest(message, this.#options.trustProxy, params);
    // andThen sends a plain result at once and returns a promise only for a promise. So an error
    // comes in two ways: thrown at once, or as the rejection of that promise.
    try {
      const preflight = this.#cors?.start(request, response);
      const sent = andThen(preflight ?? handler(request), (result) => {
        sendResult(message, response, result);
      });
      if (isPromise(sent)) {
        return sent.catch((error) => this.#refuse(request, response, error, route));
      }
    } catch (error) {
      return this.#refuse(request, response, error, route);
    }
    return undefined;
  };

  #add(method: string, route: readonly unknown[]): Router {
    const [path, handler] = route;
    pathCheck('path', path);
    aFunction('handler', handler);
    if (route.length > 2) {
      // In Express further handlers may follow. Here one that is left out could be the guard.
      const expected = 'one function, such as auth.required(handler)';
      throw new TypeError(`"handler" expected ${expected}, got ${route.length - 1} arguments`);
    }
    if (!this.#routes.add(method, String(path), handler as Handler)) {
      throw new TypeError(`"path" expected a new route, got one that already answers ${method}`);
    }
    return this;
  }

  /** @returns the route of a request; if there is none, a handler that throws the refusal */
  #routeOf(message: IncomingMessage): Handling {
    try {
      return this.#find(message);
    } catch (error) {
      const handler = () => {
        throw error;
      };
      return { handler, params: NO_PARAMS };
    }
  }

  /** @throws AuthError ERR_URL_TOO_LONG, ERR_NOT_FOUND, ERR_METHOD, ERR_BAD_REQUEST */
  #find(message: IncomingMessage): Found<Handler> {
    const target = targetOf(message);
    if (target.length > MAX_TARGET_LENGTH) throw new AuthError('ERR_URL_TOO_LONG');
    const { method = '' } = message;
    const path = pathOf(target);
    const found = this.#routes.find(method === 'HEAD' ? 'GET' : method, path);
    if (found !== undefined) return found;
    const methods = this.#routes.methodsOf(path);
    if (methods.length === 0) throw new AuthError('ERR_NOT_FOUND');
    // RFC 9110 §15.5.6: a 405 lists the methods of the path.
    const allowed = methods.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
    throw new AuthError('ERR_METHOD', { headers: { Allow: allowed.join(', ') } });
  }

  /**
   * Sends the refusal of a request, and reports an error that is not a plain refusal.
   * @param error any thrown value; reading its properties may itself throw
   * @param route the path of the route as it was added, if the request has one
   */
  async #refuse(
    request: HttpRequest,
    response: ServerResponse,
    error: unknown,
    route: string | undefined,
  ): Promise<void> {
    const { message } = request;
    try {
      const refusal = isAuthError(error) ? error : new AuthError('ERR_INTERNAL');
      // The delay comes first, because publishing and reporting also take time of the event loop.
      const delayMs = this.#busyReplies.add(refusal.status);
      if (delayMs > 0) await delay(delayMs);
      publishRefusal(refusal, request, { method: methodOf(message), route });
      const isUnexpected = refusal !== error || refusal.cause !== undefined;
      if (isUnexpected) this.#options.onError(error);
      sendRefusal(message, response, refusal);
    } catch (secondError) {
      // onError threw, or the body or a header of the refusal cannot be sent.
      warn(secondError);
      if (!response.headersSent) sendInternalError(message, response);
    }
  }
}

/** The response of an adapter may lack a method. Then no reply can be sent at all. */
function sendInternalError(message: IncomingMessage, response: ServerResponse): void {
  try {
    sendRefusal(message, response, new AuthError('ERR_INTERNAL'));
  } catch (error) {
    warn(error);
  }
}

function warn(error: unknown): void {
  process.emitWarning(textOfError(error));
}
