/**
 * It compiles, and that is the test: types follow from what the hooks answer, and wrong use does not compile. A line
 * after `@ts-expect-error` that did compile would be an error itself.
 */
import type { Socket } from 'node:net';
import {
  Accounts, createApp, currentIdentity, Jwt, JwtAuth, MemoryUserStore, Router, type HttpRequest, type PublicUser,
  type User,
} from '../../src/index.ts';

/** Only exactly the same type, and not one that is wider or `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_is: Same<A, B>): void => undefined;

const secret = 'a secret for tests, of 32 bytes.';

class Person {
  readonly id = 7;
}
const person = new Person();

/** What identity answers is what a handler gets, whatever its shape. */
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
  same<typeof found, JwtAuth<Person>>(true);

  return [
    ofClass.required((_request, identity) => same<typeof identity, Person>(true)),
    later.required((_request, identity) => same<typeof identity, { name: string }>(true)),
    text.optional((_request, identity) => same<typeof identity, string | undefined>(true)),
    number.authorize('').then((identity) => same<typeof identity, number>(true)),
    // @ts-expect-error: a handler of another identity
    ofClass.required((_request, _identity: string) => 1),
    // @ts-expect-error: without a token there is no identity
    later.optional((_request, identity) => identity.name),
    // @ts-expect-error: two functions that do not know the same users
    new JwtAuth<Person>({ secret, authenticate: () => person, identity: () => 'joe' }),
    // @ts-expect-error: an option that is not there
    new JwtAuth({ secret, authenticate: () => person, identity: () => person, algorithm: 'none' }),
    // @ts-expect-error: nobody who knows the users
    new JwtAuth({ secret }),
  ];
}

export function handlers(auth: JwtAuth<User>, request: HttpRequest): unknown[] {
  const app = new Router().post('/auth', auth.login);
  same<ReturnType<typeof currentIdentity<User>>, User | undefined>(true);
  return [
    app.get('/', auth.required((given: HttpRequest, user) => [given.path, user.username])),
    app.get('/open', (given) => same<typeof given, HttpRequest>(true)),
    auth.login(request),
    auth.login({ json: async () => ({}) }),
    // @ts-expect-error: an application needs users
    createApp({ secret }),
    // @ts-expect-error: the accounts are those who know the users
    createApp({ secret, users: new MemoryUserStore(), identity: () => undefined }),
    // @ts-expect-error: nothing to read a body from
    auth.login({ body: {} }),
  ];
}

/** A middleware knows whose identity it sets, and has to be called first. */
export function middlewares(auth: JwtAuth<User>): void {
  type Handle = (req: { headers: Record<string, string>; identity?: User }, res: never, next: () => void) => void;
  const passed: Handle = auth.middleware();
  type Other = (req: { headers: Record<string, string>; identity?: number }, res: never, next: () => void) => void;
  // @ts-expect-error: a request whose identity is another
  const other: Other = auth.middleware();
  // @ts-expect-error: without its parentheses
  const forgotten: Handle = auth.middleware;
  void [passed, other, forgotten];
}

/** A program gets users without the hash. */
export async function publicUsers(accounts: Accounts): Promise<void> {
  const user = await accounts.signup({});
  same<typeof user, PublicUser>(true);
  same<keyof PublicUser, 'id' | 'username' | 'createdAt'>(true);
  const auth = new JwtAuth({ secret, ...accounts.handlers });
  same<typeof auth, JwtAuth<PublicUser>>(true);
  // @ts-expect-error: the hash is the store's alone
  void user.passwordHash;
  // @ts-expect-error: nor does a login answer it
  void (await accounts.authenticate('', ''))?.passwordHash;
  // @ts-expect-error: nor what a token leads to
  void (await accounts.identity({}))?.passwordHash;
  // @ts-expect-error: nor an import
  void (await accounts.importUser('', '')).passwordHash;
  // @ts-expect-error: nor what a handler gets
  auth.required((_request, identity) => identity.passwordHash);
  // @ts-expect-error: nor a hook of the application
  createApp({ secret, users: new MemoryUserStore(), claims: ({ passwordHash }) => ({ passwordHash }) });
  // @ts-expect-error: it cannot be changed
  user.username = 'ann';
  // @ts-expect-error: without a hash it is not a user that a store takes
  new MemoryUserStore().insert(user);
}

/** Stores of version 0.1 have an `update` without a second parameter. */
export function stores(find: (id: string) => User | undefined, isDone: (user: User) => boolean): unknown[] {
  return [
    new Accounts({ users: { find, insert: isDone, update: isDone } }),
    // @ts-expect-error: a hash is text
    new MemoryUserStore().update({ id: '', username: '', passwordHash: '', createdAt: '' }, 1),
  ];
}

/** Who asks is an HttpRequest or an address, and no message of node:http, whose address would be lost. */
export function clients(
  accounts: Accounts, request: HttpRequest, message: { socket: Socket; signal: AbortSignal },
): void {
  void accounts.signup({}, request);
  void accounts.signup({}, { address: '127.0.0.1' });
  // @ts-expect-error: a message, though it has a signal
  void accounts.signup({}, message);
}

/** Claims that sign would refuse anyway. */
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
  // @ts-expect-error: what was verified is not changed
  claims.identity = 'ann';
  return [
    jwt.sign({ identity: 'joe' }),
    // @ts-expect-error: claims of another shape
    jwt.sign({ identity: 7 }),
    // @ts-expect-error: a unit that is not there
    new Jwt({ secret, lifetime: 300 }),
    // @ts-expect-error: no claim of that name
    claims.role,
  ];
}
