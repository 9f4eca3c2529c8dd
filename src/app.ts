/** The tutorial application: POST /signup, POST /auth, GET /hello. */
import { Accounts, ACCOUNTS_OPTION_CHECKS, type AccountsOptions } from './accounts/accounts.ts';
import { JwtAuth } from './auth/jwt-auth.ts';
import { JWT_AUTH_OPTION_CHECKS, type JwtAuthOptions } from './auth/options.ts';
import { AuthError } from './errors.ts';
import type { HttpRequest } from './http/request.ts';
import { pathCheck, Router, ROUTER_OPTION_CHECKS, type RouterOptions } from './http/router.ts';
import { pickOptions, readOptions, type Checks } from './options.ts';
import type { PublicUser } from './users/store.ts';

/** Accounts are the two functions that find users, so the application takes neither. */
type GuardOptions = Omit<JwtAuthOptions<PublicUser>, 'authenticate' | 'identity'>;
const { authenticate, identity, ...GUARD_OPTION_CHECKS } = JWT_AUTH_OPTION_CHECKS;

/** The options of Accounts, of the Router, and of JwtAuth without `authenticate` and `identity`. */
export interface AppOptions extends AccountsOptions, GuardOptions, RouterOptions {
  /** The path of the login; default `/auth`. */
  readonly authPath?: string;
}

const APP_OPTION_CHECKS: Checks<AppOptions> = {
  ...GUARD_OPTION_CHECKS,
  ...ACCOUNTS_OPTION_CHECKS,
  ...ROUTER_OPTION_CHECKS,
  authPath: pathCheck,
};

/**
 * Makes the tutorial application. Its Router takes further routes.
 * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
 */
export function createApp(options: AppOptions): Router {
  const given = readOptions(options, APP_OPTION_CHECKS, ['users']);
  const { authPath = '/auth' } = given;
  const accounts = new Accounts(pickOptions(given, ACCOUNTS_OPTION_CHECKS));
  const hooks = pickOptions<GuardOptions>(given, GUARD_OPTION_CHECKS);
  const auth = new JwtAuth<PublicUser>({ ...hooks, ...accounts.handlers });
  const router = new Router(pickOptions(given, ROUTER_OPTION_CHECKS));

  router.post('/signup', async (request) => {
    await accounts.signup(await readSignup(request), request);
    return success('User created');
  });
  router.post(authPath, auth.login);
  router.get('/hello', auth.required((_request, user) => success(`Hello ${user.username}`)));
  return router;
}

/** The shape of a reply in the tutorial. */
function success(result: string): object {
  return { Status: 'Success', result };
}

/**
 * @returns the parsed body of a signup
 * @throws AuthError ERR_SIGNUP_BODY in place of any other 400, because the tutorial's clients
 *   expect every bad signup in the shape of a refused signup
 */
async function readSignup(request: HttpRequest): Promise<unknown> {
  try {
    return await request.json();
  } catch (error) {
    if (!(error instanceof AuthError) || error.status !== 400) throw error;
    throw new AuthError('ERR_SIGNUP_BODY', { description: error.description });
  }
}
