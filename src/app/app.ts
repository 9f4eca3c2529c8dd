/**
 * The tutorial application: POST /signup, POST /auth, GET /hello and GET /health. With sessions it
 * also has the routes for sessions, the password and the removal of an account.
 */
import { Accounts } from '../accounts/accounts.ts';
import {
  ACCOUNTS_OPTION_CHECKS,
  DEFAULT_MIN_PASSWORD_LENGTH,
  type AccountsOptions,
} from '../accounts/options.ts';
import { withErrorReply } from '../auth/error-reply.ts';
import { JwtAuth } from '../auth/jwt-auth.ts';
import type { LoginReply } from '../auth/login-reply.ts';
import { JWT_AUTH_OPTION_CHECKS, type JwtAuthOptions } from '../auth/options.ts';
import { AuthError, isAuthError } from '../errors.ts';
import type { HttpRequest } from '../http/request.ts';
import { plainPathCheck } from '../http/route-path.ts';
import {
  addDefaultGet,
  Router,
  ROUTER_OPTION_CHECKS,
  type RouterOptions,
} from '../http/router.ts';
import { pickOptions, readOptions, trueOrFalse, type Checks } from '../options.ts';
import type { PublicUser } from '../users/store.ts';
import { ownMember } from '../values.ts';
import { success } from './account-requests.ts';
import { addAccountRoutes } from './account-routes.ts';
import { Health } from './health.ts';
import { pageReply } from './page.ts';
import { addSessionRoutes } from './session-routes.ts';

/** The options of JwtAuth without the hooks that createApp gets from Accounts. */
type AuthOptions<LoginResult> = Omit<
  JwtAuthOptions<PublicUser, LoginResult>,
  'authenticate' | 'identity' | 'isCurrent'
>;
// Takes these hooks out of the checks, so that createApp refuses them as unknown options.
const { authenticate, identity, isCurrent, ...AUTH_OPTION_CHECKS } = JWT_AUTH_OPTION_CHECKS;

/**
 * The options of Accounts, of the Router, and of JwtAuth without the hooks of `Accounts.handlers`.
 * `usernameField`, `passwordField` and `errorReply` apply to the signup as well as to the login.
 * With `sessions` there are routes to refresh, list and end them, and to change the password.
 */
export interface AppOptions<LoginResult = LoginReply>
  extends AccountsOptions, AuthOptions<LoginResult>, RouterOptions {
  /** The path of the login, without parameters; default `/auth`. */
  readonly authPath?: string;
  /** Whether `GET /` is a page on which a person can try the routes in a browser; default false. */
  readonly page?: boolean;
  /**
   * The clock of the tokens, of `createdAt`, of removals and of the rate limits, in seconds since
   * 1970. `Sessions` has its own option `now`: pass it the same function. Default: the system's
   * clock, and for the limits a monotonic one, which a change of the system's time does not move.
   */
  readonly now?: () => number;
}

const APP_OPTION_CHECKS: Checks<AppOptions<unknown>> = {
  ...ACCOUNTS_OPTION_CHECKS,
  ...AUTH_OPTION_CHECKS,
  ...ROUTER_OPTION_CHECKS,
  authPath: plainPathCheck,
  page: trueOrFalse,
};

/** The Router of the application, with the JwtAuth and the Accounts behind its routes. */
export interface App<LoginResult = LoginReply> extends Router {
  /** Guards further routes: `app.get(path, app.auth.required(handler))`. */
  readonly auth: JwtAuth<PublicUser, LoginResult>;
  /** The accounts behind the routes. */
  readonly accounts: Accounts;
}

/**
 * Makes the tutorial application. Further routes can be added to the Router that it returns. A
 * route for `GET /health` replaces that of the application.
 * @example
 * const app = createApp({ secret, users: new MemoryUserStore() });
 * app.get('/name', app.auth.required((_request, user) => user.username));
 * const server = await listen(app, { port: 3000 });
 * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
 */
export function createApp<LoginResult = LoginReply>(
  options: AppOptions<LoginResult>,
): App<LoginResult> {
  const given = readOptions<AppOptions<LoginResult>>(options, APP_OPTION_CHECKS, ['users']);
  const { users, sessions, authPath = '/auth' } = given;
  const { usernameField = 'username', passwordField = 'password' } = given;
  const accounts = new Accounts(pickOptions(given, ACCOUNTS_OPTION_CHECKS));
  const authOptions = pickOptions<AuthOptions<LoginResult>>(given, AUTH_OPTION_CHECKS);
  const auth = new JwtAuth<PublicUser, LoginResult>({ ...authOptions, ...accounts.handlers });
  const router = new Router(pickOptions(given, ROUTER_OPTION_CHECKS));

  router.post('/signup', async (request) => {
    try {
      const input = await readSignup(request, usernameField, passwordField);
      await accounts.signup(input, request);
    } catch (error) {
      const { errorReply } = given;
      if (errorReply === undefined || !isAuthError(error)) throw error;
      throw await withErrorReply(error, errorReply);
    }
    return success('User created');
  });
  router.post(authPath, auth.login);
  router.get('/hello', auth.required((_request, user) => success(`Hello ${user.username}`)));
  const health = new Health([
    () => (users.check === undefined ? users.find('') : users.check()),
    () => sessions?.checkStore(),
  ]);
  addDefaultGet(router, '/health', health.answer);
  const canRemove = users.remove !== undefined;
  if (given.page === true) {
    const page = pageReply({
      authPath,
      usernameField,
      passwordField,
      // `JwtAuth` accepts JWT and Bearer by default. Most clients send Bearer.
      scheme: given.schemes?.[0] ?? 'Bearer',
      minPasswordLength: given.minPasswordLength ?? DEFAULT_MIN_PASSWORD_LENGTH,
      hasSessions: sessions !== undefined,
      canRemove,
    });
    router.get('/', () => page);
  }
  if (sessions !== undefined) {
    const services = { auth, accounts, sessions, passwordField, canRemove };
    addSessionRoutes(router, services);
    addAccountRoutes(router, services);
  }
  return Object.assign(router, { auth, accounts });
}

/**
 * @returns the input of `Accounts.signup`
 * @throws AuthError ERR_SIGNUP_BODY, also in place of any other 400. The reply then has the members
 *   `Status` and `result`, which the tutorial's clients read. Refusals with another status, such as
 *   413 or 415, keep the shape of Flask-JWT.
 */
async function readSignup(
  request: HttpRequest,
  usernameField: string,
  passwordField: string,
): Promise<{ readonly username: string; readonly password: string }> {
  const body = await readSignupBody(request);
  const username = ownMember(body, usernameField);
  const password = ownMember(body, passwordField);
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  const members = `the strings "${usernameField}" and "${passwordField}"`;
  throw new AuthError('ERR_SIGNUP_BODY', { description: `Expected a JSON object with ${members}` });
}

async function readSignupBody(request: HttpRequest): Promise<unknown> {
  try {
    return await request.json();
  } catch (error) {
    if (!isAuthError(error) || error.status !== 400) throw error;
    throw new AuthError('ERR_SIGNUP_BODY', { description: error.description });
  }
}
