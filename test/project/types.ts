/**
 * Passes if it compiles. The types follow from what the hooks return, and wrong use does not
 * compile: a line after `@ts-expect-error` that compiles is an error.
 */
import type { Socket } from 'node:net';
import {
  Accounts,
  createApp,
  currentIdentity,
  Jwt,
  JwtAuth,
  MemoryUserStore,
  Router,
  type App,
  type GuardedRequest,
  type HttpRequest,
  type JsonFileSessionStore,
  type JsonFileUserStore,
  type LoginReply,
  type LogoutReply,
  type PostgresUserStore,
  type PublicUser,
  type Server,
  type TokenPair,
  type User,
} from '../../src/index.ts';

/** `true` if both types are exactly the same. A wider type or `any` is not. */
type Same<A, B> =
  // Written out twice, because TypeScript compares two uses of one alias by their parameters alone.
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const same = <A, B>(_is: Same<A, B>): void => undefined;

const secret = 'a secret for tests, of 32 bytes.';

class Person {
  readonly id = 7;
}
const person = new Person();

/** A login reads `json`. A member `header` of any other meaning does not matter. */
export function loginRequests(auth: JwtAuth<Person>): unknown[] {
  const json = () => ({});
  const ofKoa: { json(): unknown; readonly header: object } = { json, header: { host: 'x' } };
  const nullable = { json, header: (name: string): string | null => name };
  const listed = { json, header: (name: string): string | readonly string[] => name };
  return [
    auth.login({ json }),
    auth.login(ofKoa),
    auth.login(nullable),
    auth.login(listed),
    auth.refresh(ofKoa),
    auth.logout(ofKoa),
    // @ts-expect-error: nothing to read the body with
    auth.login({ header: (name: string) => name }),
  ];
}

/** The middleware sets the id of the session beside the identity. */
export function sessionIds(req: GuardedRequest<Person>): unknown {
  return same<typeof req.sessionId, string | undefined>(true);
}

/** A handler gets what the hook `identity` returns, of any shape. */
export function identities(): unknown[] {
  const ofClass = new JwtAuth({ secret, authenticate: () => person, identity: () => person });
  same<typeof ofClass, JwtAuth<Person>>(true);
  const later = new JwtAuth({
    secret,
    authenticate: async (username) => (username === '' ? undefined : { name: username }),
    identity: async (claims) => (claims.identity === '' ? null : { name: 'joe' }),
  });
  same<typeof later, JwtAuth<{ name: string }>>(true);
  const text = new JwtAuth<string>({ secret, authenticate: (name) => name, identity: () => 'joe' });
  const number = new JwtAuth<number>({ secret, authenticate: () => 0, identity: () => false });
  const table = new Map<unknown, Person>();
  const found = new JwtAuth({
    secret,
    authenticate: (name) => table.get(name),
    identity: (claims) => table.get(claims.identity),
    loginReply: (token, identity) => (same<typeof identity, Person>(true), token),
  });
  same<typeof found, JwtAuth<Person, string>>(true);

  return [
    ofClass.required((_request, identity) => same<typeof identity, Person>(true)),
    later.required((_request, identity) => same<typeof identity, { name: string }>(true)),
    text.optional((_request, identity) => same<typeof identity, string | undefined>(true)),
    number.authorize('').then((identity) => same<typeof identity, number>(true)),
    // @ts-expect-error: a handler of another identity
    ofClass.required((_request, _identity: string) => 1),
    // @ts-expect-error: without a token there is no identity
    later.optional((_request, identity) => identity.name),
    // @ts-expect-error: two functions that return users of different types
    new JwtAuth<Person>({ secret, authenticate: () => person, identity: () => 'joe' }),
    // @ts-expect-error: an unknown option
    new JwtAuth({ secret, authenticate: () => person, identity: () => person, algorithm: 'none' }),
    // @ts-expect-error: neither function that finds users
    new JwtAuth({ secret }),
  ];
}

/** A login and a refresh resolve to the default reply, or to what the hook `loginReply` returns. */
export async function replies(auth: JwtAuth<Person>, pair: TokenPair): Promise<unknown[]> {
  const hooks = { secret, authenticate: () => person, identity: () => person };
  const standard = new JwtAuth(hooks);
  same<typeof standard, JwtAuth<Person, LoginReply>>(true);
  const reply = await standard.login({ json: () => ({}) });
  same<typeof reply, LoginReply>(true);
  same<typeof reply.access_token, string>(true);
  same<typeof reply.refresh_token, string | undefined>(true);
  const custom = new JwtAuth({ ...hooks, loginReply: async (token, { id }) => ({ token, id }) });
  const made = await custom.login({ json: () => ({}) });
  same<typeof made, { token: string; id: number }>(true);
  const refreshed = await custom.refresh({ json: () => ({}) });
  same<typeof refreshed, typeof made>(true);
  const renewed = await custom.issueReply(person);
  same<typeof renewed, typeof made>(true);
  const issued = await custom.issue(person);
  same<typeof issued, LoginReply>(true);
  const out = await auth.logout({ json: () => ({}) });
  same<typeof out, LogoutReply>(true);
  const fitting: LoginReply = pair;
  const users = new MemoryUserStore();
  const app: App = createApp({ secret, users });
  same<typeof app.auth, JwtAuth<PublicUser, LoginReply>>(true);
  const other = createApp({ secret, users, loginReply: (token) => [token] });
  same<typeof other.auth, JwtAuth<PublicUser, string[]>>(true);
  return [
    fitting,
    // @ts-expect-error: a client may not have asked for a refresh token
    reply.refresh_token.length,
    // @ts-expect-error: not a member of this reply
    made.access_token,
    // @ts-expect-error: a reply of another type than the one that is named
    new JwtAuth<Person, LoginReply>({ ...hooks, loginReply: (token: string) => token }),
  ];
}

export function handlers(auth: JwtAuth<User>, request: HttpRequest): unknown[] {
  const app = new Router().post('/auth', auth.login);
  same<ReturnType<typeof currentIdentity<User>>, User | undefined>(true);
  return [
    app.get('/', auth.required((given: HttpRequest, user) => [given.path, user.username])),
    app.get('/open', (given) => same<typeof given, HttpRequest>(true)),
    app.get('/users/:id', ({ params }) => same<typeof params.id, string>(true)),
    app.get('/users/:id/:part', ({ params }) => same<keyof typeof params, 'id' | 'part'>(true)),
    app.put('/users/:id', auth.required(({ params, path }, user) => {
      same<typeof path | typeof params.id | typeof user.username, string>(true);
    })),
    app.delete('/users/:id', async (given: HttpRequest) => given.params['id']),
    // @ts-expect-error: a parameter that the path does not have
    app.patch('/users/:id', ({ params }) => params.name),
    // @ts-expect-error: two functions, of which the second would never run
    app.post('/guarded', auth.required(() => 1), () => 1),
    auth.login(request),
    auth.login({ json: async () => ({}) }),
    // @ts-expect-error: an application needs users
    createApp({ secret }),
    // @ts-expect-error: Accounts find the users of the application
    createApp({ secret, users: new MemoryUserStore(), identity: () => undefined }),
    // @ts-expect-error: a request without `json`
    auth.login({ body: {} }),
  ];
}

/** A middleware sets an identity of one type. */
export function middlewares(auth: JwtAuth<User>): void {
  type Req<Identity> = { headers: Record<string, string>; identity?: Identity };
  type Handle<Identity> = (req: Req<Identity>, res: never, next: () => void) => void;
  const passed: Handle<User> = auth.middleware();
  // @ts-expect-error: a request with an identity of another type
  const other: Handle<number> = auth.middleware();
  void [passed, other];
}

/** A program gets users without their password hash. */
export async function publicUsers(accounts: Accounts): Promise<void> {
  const user = await accounts.signup({});
  same<typeof user, PublicUser>(true);
  same<keyof PublicUser, 'id' | 'username' | 'createdAt'>(true);
  const auth = new JwtAuth({ secret, ...accounts.handlers });
  same<typeof auth, JwtAuth<PublicUser>>(true);
  // @ts-expect-error: only the store has the hash
  void user.passwordHash;
  // @ts-expect-error: a login does not return it
  void (await accounts.authenticate('', ''))?.passwordHash;
  // @ts-expect-error: the user of a token does not have it
  void (await accounts.identity({}))?.passwordHash;
  // @ts-expect-error: an imported user does not have it
  void (await accounts.importUser('', '')).passwordHash;
  // @ts-expect-error: a handler does not get it
  auth.required((_request, identity) => identity.passwordHash);
  const users = new MemoryUserStore();
  // @ts-expect-error: a hook of the application does not get it
  createApp({ secret, users, claims: ({ passwordHash }) => ({ passwordHash }) });
  // @ts-expect-error: a user is read-only
  user.username = 'ann';
  // @ts-expect-error: a store takes only users with a hash
  new MemoryUserStore().insert(user);
}

/** Stores of version 0.1 have an `update` without a second parameter. */
export function stores(
  find: (id: string) => User | undefined,
  isDone: (user: User) => boolean,
): unknown[] {
  return [
    new Accounts({ users: { find, insert: isDone, update: isDone } }),
    // @ts-expect-error: a hash is a string
    new MemoryUserStore().update({ id: '', username: '', passwordHash: '', createdAt: '' }, 1),
  ];
}

/** `await using` works for a server and the stores in files and memory. */
export function disposables(
  server: Server,
  users: JsonFileUserStore,
  sessions: JsonFileSessionStore,
  memory: MemoryUserStore,
  database: PostgresUserStore,
): AsyncDisposable[] {
  return [
    server,
    users,
    sessions,
    memory,
    // @ts-expect-error: its client belongs to the program
    database,
  ];
}

/** A client is an HttpRequest or an address. A message of node:http would lose its address. */
export function clients(
  accounts: Accounts,
  request: HttpRequest,
  message: { socket: Socket; signal: AbortSignal },
): void {
  void accounts.signup({}, request);
  void accounts.signup({}, { address: '127.0.0.1' });
  // @ts-expect-error: a message of node:http, even one with a `signal`
  void accounts.signup({}, message);
}

/** Claims that `sign` refuses at run time do not compile either. */
export function claims(person: Promise<{ id: number }>): unknown[] {
  const jwt = new Jwt({ secret });
  return [
    jwt.sign({ identity: 'joe', roles: ['reader'] }),
    // @ts-expect-error: JSON text
    jwt.sign('{"identity":"joe"}'),
    // @ts-expect-error: a list
    jwt.sign(['joe']),
    // @ts-expect-error: a promise that was not awaited
    jwt.sign(person),
    // @ts-expect-error: an instance of a class
    jwt.sign(new Person()),
    // @ts-expect-error: a time that is not a number
    jwt.sign({ identity: 'joe' }, { lifetimeSeconds: '15m' }),
    // @ts-expect-error: an option of jsonwebtoken
    jwt.sign({ identity: 'joe' }, { expiresIn: 900 }),
  ];
}

export function tokens(): unknown[] {
  const jwt = new Jwt<{ identity: string }>({ secret });
  const claims = jwt.verify('');
  same<typeof claims.identity, string>(true);
  same<typeof claims.exp, number | undefined>(true);
  // @ts-expect-error: verified claims are read-only
  claims.identity = 'ann';
  return [
    jwt.sign({ identity: 'joe' }),
    // @ts-expect-error: claims of another shape
    jwt.sign({ identity: 7 }),
    // @ts-expect-error: an unknown option
    new Jwt({ secret, lifetime: 300 }),
    // @ts-expect-error: a claim that `Claims` does not have
    claims.role,
  ];
}
