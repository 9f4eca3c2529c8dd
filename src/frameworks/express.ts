/**
 * Sign-up, login, guard and refusal as middleware for Express, Connect, Polka and other servers
 * whose middleware gets the messages of node:http. No framework is imported.
 * Promise: each middleware sends its own refusals, so no guard or login depends on the error
 * middleware `refusal`. That one sends the refusals that handlers of the application throw.
 */
import { bindListeners, runAs } from '../auth/current-identity.ts';
import { sendResult } from '../http/reply.ts';
import { HttpRequest, trustProxyCheck } from '../http/request.ts';
import { expecting, readOptions, type Checks } from '../options.ts';
import { isObject } from '../values.ts';
import { answerUnhandled, refusalOf, refuse, type Next } from './refusals.ts';
import { propertyCheck } from './request-members.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Accounts } from '../accounts/accounts.ts';
import type { AuthRequest } from '../auth/request-body.ts';

/** A middleware of Express, Connect and Polka. */
export type ExpressMiddleware = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

interface RequestWithSession extends IncomingMessage {
  /**
   * The id of the session of the token; undefined for a token without one. A JwtAuth without
   * sessions leaves this member as it is.
   */
  sessionId?: string | undefined;
}

/** A request behind a guard. Its member `Property` is what the hook `identity` returned. */
export type ExpressRequest<Identity, Property extends string = 'user'> = RequestWithSession & {
  [Name in Property]?: Identity | undefined;
};

/**
 * The middleware that `guard` makes. If an application declares the member `Property` of its
 * requests with another type, the compiler refuses the guard as a middleware.
 */
export type ExpressGuard<Identity, Property extends string = 'user'> = (
  // NoInfer: the arguments of `guard` decide the types, and not the framework's type of requests.
  req: ExpressRequest<NoInfer<Identity>, NoInfer<Property>>,
  res: ServerResponse,
  next: Next,
) => void;

/** The options of every function here that makes a middleware. */
export interface ExpressOptions {
  /**
   * Number of proxies in front, each of which adds to X-Forwarded-For; 0 to 100. Default 0: the
   * header is ignored. The setting `trust proxy` of Express has no effect here.
   */
  readonly trustProxy?: number;
}

/** The options of a guard. */
export interface ExpressGuardOptions<Property extends string = 'user'> extends ExpressOptions {
  /** The member of the request that the guard sets; default `user`. */
  readonly property?: Property;
}

/** A `JwtAuth`, or another object with this handler of a `JwtAuth`, whatever it replies. */
export type AuthWith<Handler extends string> = {
  readonly [Name in Handler]: (request: AuthRequest) => Promise<unknown>;
};

/** A `JwtAuth`, or another object with these members of a `JwtAuth`. */
export interface GuardingAuth<Identity> {
  /** Whether the guard sets `req.sessionId`. */
  readonly hasSessions: boolean;
  /**
   * As `JwtAuth.required`. The function that it returns must return the result of `handler`, or a
   * promise of that: otherwise the request does not pass.
   */
  required(
    handler: (
      request: IncomingMessage,
      identity: Identity,
      sessionId: string | undefined,
    ) => unknown,
  ): (request: IncomingMessage) => unknown;
}

/** What a guard found. A class, so that `instanceof` tells it from any other result. */
class Found {
  readonly identity: unknown;
  readonly sessionId: string | undefined;

  constructor(identity: unknown, sessionId: string | undefined) {
    this.identity = identity;
    this.sessionId = sessionId;
  }
}

/** The method that a middleware needs, by the name of the function that makes the middleware. */
const METHODS = {
  guard: 'required',
  login: 'login',
  logout: 'logout',
  refresh: 'refresh',
  signup: 'signup',
} as const;

const OPTION_CHECKS: Checks<ExpressOptions> = { trustProxy: trustProxyCheck };
const GUARD_OPTION_CHECKS: Checks<ExpressGuardOptions<string>> = {
  ...OPTION_CHECKS,
  property: propertyCheck,
};

/**
 * Makes the handler of a login: `app.post('/auth', login(auth))`. It works before and behind a body
 * parser. It sends the reply or the refusal itself, and passes any other error to `next`.
 * @param auth a `JwtAuth`
 * @throws TypeError or RangeError if an argument is not valid, as when `login` is passed uncalled
 */
export function login(
  auth: AuthWith<'login'>,
  options: ExpressOptions = {},
): ExpressMiddleware {
  requireOwner('login', auth, arguments.length);
  return middlewareFor((request) => auth.login(request), options);
}

/**
 * Makes the handler of a refresh: `app.post('/refresh', refresh(auth))`. Errors: as `login`.
 * @param auth a `JwtAuth` with sessions
 * @throws TypeError or RangeError if an argument is not valid
 */
export function refresh(
  auth: AuthWith<'refresh'>,
  options: ExpressOptions = {},
): ExpressMiddleware {
  requireOwner('refresh', auth, arguments.length);
  return middlewareFor((request) => auth.refresh(request), options);
}

/**
 * Makes the handler of a logout: `app.post('/logout', logout(auth))`. Errors: as `login`.
 * @param auth a `JwtAuth` with sessions
 * @throws TypeError or RangeError if an argument is not valid
 */
export function logout(
  auth: AuthWith<'logout'>,
  options: ExpressOptions = {},
): ExpressMiddleware {
  requireOwner('logout', auth, arguments.length);
  return middlewareFor((request) => auth.logout(request), options);
}

/**
 * Makes the handler of a signup: `app.post('/signup', signup(accounts))`. It replies as
 * `POST /signup` of `createApp`. But a body that is not JSON gets the reply of a login. Errors: as
 * `login`.
 * @param accounts the `Accounts`
 * @throws TypeError or RangeError if an argument is not valid
 */
export function signup(
  accounts: Pick<Accounts, 'signup'>,
  options: ExpressOptions = {},
): ExpressMiddleware {
  requireOwner('signup', accounts, arguments.length);
  return middlewareFor(async (request) => {
    await accounts.signup(await request.json(), request);
    return { Status: 'Success', result: 'User created' };
  }, options);
}

/**
 * Makes a middleware that lets a request pass if it has a valid token of an existing user:
 * `app.get('/hello', guard(auth), handler)`. It sets `req.user` and `currentIdentity()`, and with
 * sessions `req.sessionId`. It sends the refusal itself, and passes any other error to `next`.
 * @param auth a `JwtAuth`
 * @param options `property` is the name of the member to set in place of `user`
 * @throws TypeError or RangeError if an argument is not valid, as when `guard` is passed uncalled
 */
export function guard<Identity, Property extends string = 'user'>(
  auth: GuardingAuth<Identity>,
  options: ExpressGuardOptions<Property> = {},
): ExpressGuard<Identity, Property> {
  requireOwner('guard', auth, arguments.length);
  const { property = 'user', trustProxy } = readOptions(options, GUARD_OPTION_CHECKS);
  const { hasSessions } = auth;
  const find = auth.required((_req, identity, sessionId) => new Found(identity, sessionId));
  const pass = async (req: IncomingMessage, res: ServerResponse, next: Next): Promise<void> => {
    let identity: unknown;
    try {
      if (typeof next !== 'function') throw new TypeError('"guard" expected a handler after it');
      const found = await find(req);
      if (!(found instanceof Found)) throw handlerDidNotRun();
      ({ identity } = found);
      // Unlike Reflect.set, this throws if the member cannot be set.
      Object.assign(req, { [property]: identity }, hasSessions && { sessionId: found.sessionId });
      bindListeners(identity, res);
    } catch (error) {
      return refuse({ req, res, next, client: new HttpRequest(req, trustProxy) }, error);
    }
    // Not in the `try`: an error that a later handler throws must not call `next` a second time.
    return runAs(identity, () => next());
  };
  // Restify refuses an async function that takes `next`.
  return (req, res, next) => pass(req, res, next);
}

/**
 * How often {@link refusal} has passed on an error of each request. In Polka `next` leads back to
 * `refusal`, so the number has a limit. The limit is more than 1, because a program may register
 * `refusal` twice. The key is not `next`, which may be one function for all requests of a program.
 */
const PASS_COUNTS = new WeakMap<IncomingMessage, number>();
const MAX_PASSES = 8;

/**
 * The error middleware: `app.use(refusal)`, after all routes. It sends an AuthError that a handler
 * of the application threw or passed to `next`. It answers the error of a body parser with 400, 413
 * or 415, because Express would log its text, which quotes the body. Any other error goes on to
 * `next`, and so does one that comes after the reply has begun.
 *
 * Only Express 5 passes on what an async handler throws. In Express 4, Connect and Polka such an
 * error ends the process, unless the route catches it:
 * `(req, res, next) => handler(req, res).catch(next)`. In Polka `next` may be missing:
 * `.catch((error) => refusal(error, req, res, next))`.
 *
 * In Polka `refusal` is the option `onError`, and no other handler can follow it. So it answers
 * every error: with the 4xx that the error asks for, or with a 500 without details and a warning of
 * Node.
 * @throws TypeError if it is called without arguments, as in `app.use(refusal())`
 */
export function refusal(
  error: unknown,
  req: IncomingMessage,
  res: ServerResponse,
  next: Next,
): void {
  if (arguments.length === 0) {
    throw new TypeError('"refusal" expected to be passed as app.use(refusal), got called');
  }
  const exchange = { req, res, next };
  const known = refusalOf(error);
  if (known !== undefined && !res.headersSent) return refuse(exchange, known);
  if (typeof next !== 'function') return answerUnhandled(exchange, error);
  const passCount = PASS_COUNTS.get(req) ?? 0;
  if (passCount >= MAX_PASSES) return answerUnhandled(exchange, error);
  PASS_COUNTS.set(req, passCount + 1);
  // Passed on unchanged: the application's error handler may expect a value that is not an Error.
  Reflect.apply(next, undefined, [error]);
}

/** @returns the middleware that sends what `handle` returns for a request */
function middlewareFor(
  handle: (request: HttpRequest) => Promise<unknown>,
  options: ExpressOptions,
): ExpressMiddleware {
  const { trustProxy } = readOptions(options, OPTION_CHECKS);
  const reply = async (req: IncomingMessage, res: ServerResponse, next: Next): Promise<void> => {
    const client = new HttpRequest(req, trustProxy);
    const exchange = { req, res, next, client };
    try {
      sendResult(req, res, await handle(client));
    } catch (error) {
      refuse(exchange, error);
    }
  };
  // Restify refuses an async function that takes `next`.
  return (req, res, next) => reply(req, res, next);
}

/** @returns the error for a request that may not pass, since `required` did not run its handler */
function handlerDidNotRun(): TypeError {
  return new TypeError('"auth" expected a method "required" that returns what its handler returns');
}

/**
 * Checks the arguments of a function that makes a middleware.
 * @throws TypeError if a framework has called the function in place of the middleware, or if the
 *   first argument lacks the method
 */
function requireOwner(name: keyof typeof METHODS, owner: unknown, argumentCount: number): void {
  const parameter = name === 'signup' ? 'accounts' : 'auth';
  if (argumentCount === 0 || argumentCount > 2) {
    const got = argumentCount === 0 ? 'no argument' : `${argumentCount} arguments`;
    throw new TypeError(`"${name}" expected to be called as ${name}(${parameter}), got ${got}`);
  }
  const kind = name === 'signup' ? 'an instance of Accounts' : 'a JwtAuth';
  const hasMethod = (value: unknown) =>
    isObject(value) && typeof value[METHODS[name]] === 'function';
  expecting(kind, hasMethod)(parameter, owner);
}
