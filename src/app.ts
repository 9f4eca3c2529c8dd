/** The tutorial application: POST /signup, POST /auth, GET /hello. */
import { Accounts, ACCOUNTS_OPTION_CHECKS, type AccountsOptions } from './accounts/accounts.ts';
import { JWT_AUTH_OPTION_CHECKS, JwtAuth, type JwtAuthOptions } from './auth/jwt-auth.ts';
import type { PublicUser } from './users/store.ts';
import { AuthError } from './errors.ts';
import { pickOptions, readOptions } from './options.ts';
import { pathCheck, Router, ROUTER_OPTION_CHECKS, type RouterOptions } from './http/router.ts';

type Hooks = Omit<JwtAuthOptions<PublicUser>, 'authenticate' | 'identity'>;

/** All that accounts, the router and the guard take but its two functions, and the path of the login. */
export interface AppOptions extends AccountsOptions, Hooks, RouterOptions {
  /** Default `/auth`. */
  readonly authPath?: string;
}

const { authenticate, identity, ...HOOK_CHECKS } = JWT_AUTH_OPTION_CHECKS;

const APP_OPTION_CHECKS = { ...HOOK_CHECKS, ...ACCOUNTS_OPTION_CHECKS, ...ROUTER_OPTION_CHECKS, authPath: pathCheck };

/**
 * Makes the tutorial application, to which routes may be added.
 * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
 */
export function createApp(options: AppOptions): Router {
  const own = readOptions<AppOptions>(options, APP_OPTION_CHECKS, ['users']);
  const accounts = new Accounts(pickOptions(own, ACCOUNTS_OPTION_CHECKS));
  const hooks = pickOptions<Hooks>(own, HOOK_CHECKS);
  const auth = new JwtAuth<PublicUser>({ ...hooks, ...accounts.handlers });
  const app = new Router(pickOptions(own, ROUTER_OPTION_CHECKS));
  app.post('/signup', async (request) => {
    await accounts.signup(await request.json().catch(refuseSignup), request);
    return { Status: 'Success', result: 'User created' };
  });
  const greet = auth.required((_request, user) => ({ Status: 'Success', result: `Hello ${user.username}` }));
  return app.post(own.authPath ?? '/auth', auth.login).get('/hello', greet);
}

/** Whatever makes a signup a bad request is told in the shape of a signup. */
function refuseSignup(error: unknown): never {
  if (!(error instanceof AuthError) || error.status !== 400) throw error;
  throw new AuthError('ERR_SIGNUP_BODY', { description: error.description });
}
