/** Method and path -> handler. The router is data: it finds a handler and sends what comes of it. */
import { emitWarning } from 'node:process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import { aFunction, matching, readOptions, type Check, type Checks } from '../options.ts';
import { publishRefusal } from '../events.ts';
import { andThen } from '../maybe-promise.ts';
import { textOfError } from '../error-text.ts';
import { Reply, sendReply } from './body.ts';
import { HttpRequest, trustProxyCheck } from './request.ts';

const MAX_URL_LENGTH = 2048;

/**
 * Whoever was told to come later (429, 503) and asks again at once could keep the event loop from everybody else. Of
 * those answers 100 a second, and 200 more in a burst, are sent at once, and any others after so many milliseconds.
 */
const HOLD_MS = 75;
const HOLD_BEYOND = { answers: 200, perSecond: 100 };

/**
 * Answers a request: a JSON value, which is sent with status 200, or a {@link Reply}; or a promise of either. An
 * AuthError that it throws is sent as the refusal it is; anything else becomes a 500 that tells nothing.
 */
export type Handler = (request: HttpRequest) => unknown;

/** Adds a route; one for GET answers HEAD too. @throws TypeError for no path, no function, or a route that is there */
export type AddRoute = (path: string, handler: Handler) => Router;

/** What a router takes. */
export interface RouterOptions {
  /** Told of what was thrown and is no refusal, and of a refusal with a cause. Default: a Node warning, on stderr. */
  readonly onError?: (error: unknown) => void;
  /** How many proxies stand in front, each of which adds to X-Forwarded-For; 0 to 100, default 0: it is ignored. */
  readonly trustProxy?: number;
}

/** The checks of {@link RouterOptions}. */
export const ROUTER_OPTION_CHECKS: Checks<RouterOptions> = { onError: aFunction, trustProxy: trustProxyCheck };

/** A path as a request may ask for it. */
export const pathCheck: Check = matching('a path that begins with "/" and has no query', /^\/[^?#\s]*$/);

/** Exact paths, without parameters or patterns. `handle` is bound: `http.createServer(router.handle)`. */
export class Router {
  readonly #routes = new Map<string, Map<string, Handler>>();
  readonly #options: Required<RouterOptions>;
  /** Answers of 429 and 503 that are not forgotten yet, and when they were counted, in milliseconds. */
  #lately = { count: 0, at: 0 };

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: RouterOptions = {}) {
    this.#options = { onError: warn, trustProxy: 0, ...readOptions(options, ROUTER_OPTION_CHECKS) };
  }

  /** Adds a handler for GET and HEAD. */ readonly get: AddRoute = (path, handler) => this.#add('GET', path, handler);
  /** Adds a handler for POST. */ readonly post: AddRoute = (path, handler) => this.#add('POST', path, handler);
  /** Adds a handler for PUT. */ readonly put: AddRoute = (path, handler) => this.#add('PUT', path, handler);
  /** Adds a handler for PATCH. */ readonly patch: AddRoute = (path, handler) => this.#add('PATCH', path, handler);
  /** Adds a handler for DELETE. */ readonly delete: AddRoute = (path, handler) => this.#add('DELETE', path, handler);

  /** Answers one request. It never throws, and what goes wrong inside is answered with a 500. */
  readonly handle = (message: IncomingMessage, response: ServerResponse): void => {
    const request = new HttpRequest(message, this.#options.trustProxy);
    try {
      const sent = andThen(this.#handlerOf(request)(request), (result) => {
        sendReply(message, response, result instanceof Reply ? result : new Reply(200, result));
      });
      if (sent instanceof Promise) void sent.catch((error) => this.#refuse(request, response, error));
    } catch (error) {
      void this.#refuse(request, response, error);
    }
  };

  #add(method: string, path: string, handler: Handler): Router {
    pathCheck('path', path);
    aFunction('handler', handler);
    const methods = this.#routes.get(path) ?? new Map<string, Handler>();
    if (methods.has(method)) throw new TypeError(`"path" expected a route that is not there yet, got ${method} again`);
    this.#routes.set(path, methods.set(method, handler));
    return this;
  }

  /** @throws AuthError ERR_URL_TOO_LONG, ERR_NOT_FOUND, ERR_METHOD */
  #handlerOf({ path, message: { method = '', url = '' } }: HttpRequest): Handler {
    if (url.length > MAX_URL_LENGTH) throw new AuthError('ERR_URL_TOO_LONG');
    const methods = this.#routes.get(path);
    if (methods === undefined) throw new AuthError('ERR_NOT_FOUND');
    const handler = methods.get(method === 'HEAD' ? 'GET' : method);
    if (handler !== undefined) return handler;
    // RFC 9110 §15.5.6: a 405 names the methods that are there.
    const allowed = [...methods.keys()].flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
    throw new AuthError('ERR_METHOD', { headers: { Allow: allowed.join(', ') } });
  }

  /** Counts a 429 or 503. @returns whether there were too many lately */
  #countLately({ status }: AuthError): boolean {
    if (status !== 429 && status !== 503) return false;
    const at = performance.now();
    const forgotten = ((at - this.#lately.at) / 1000) * HOLD_BEYOND.perSecond;
    this.#lately = { count: Math.max(0, this.#lately.count - forgotten) + 1, at };
    return this.#lately.count > HOLD_BEYOND.answers;
  }

  /** Whatever was thrown: it may be anything, and even to look at it may throw. */
  async #refuse(request: HttpRequest, response: ServerResponse, error: unknown): Promise<void> {
    const { message } = request;
    try {
      const refusal = error instanceof AuthError ? error : new AuthError('ERR_INTERNAL');
      if (this.#countLately(refusal)) await delay(HOLD_MS);
      publishRefusal(refusal, request);
      if (refusal !== error || refusal.cause !== undefined) this.#options.onError(error);
      sendReply(message, response, new Reply(refusal.status, refusal.body, refusal.headers));
    } catch (second) {
      // onError itself, or a body or header of a hook that cannot be sent.
      warn(second);
      const { status, body } = new AuthError('ERR_INTERNAL');
      if (!response.headersSent) sendReply(message, response, new Reply(status, body));
    }
  }
}

function warn(error: unknown): void {
  emitWarning(textOfError(error));
}
