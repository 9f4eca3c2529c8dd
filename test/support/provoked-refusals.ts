/** Drives every route of the application into its refusals, over real sockets. */
import {
  AuthError,
  createApp,
  listen,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
} from '../../src/index.ts';
import { REFRESH_AUDIENCE, REFRESH_TYPE } from '../../src/auth/refresh-token.ts';
import { ROUTES } from './app-routes.ts';
import { cheapPasswords, sendRaw } from './app.ts';
import { OWNER } from './session-client.ts';
import { SECRET, tokenOf } from './tokens.ts';
import { userNamed } from './user-files.ts';

/** A request that is refused on some routes. Other routes may refuse it for another reason. */
interface Provocation {
  readonly method?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const TYPE = { 'Content-Type': 'application/json' };
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'api';
const now = Math.floor(Date.now() / 1000);

/** Tokens with the right MAC and one fault each, and some with a wrong MAC. */
function faultyTokens(type: string, good: Readonly<Record<string, unknown>>): string[] {
  const header = (changes: object) => JSON.stringify({ typ: type, alg: 'HS256', ...changes });
  const changed = (changes: object) => tokenOf({ ...good, ...changes }, header({}));
  return [
    'undefined',
    'a'.repeat(9000),
    tokenOf(good, header({}), `${SECRET}!`),
    tokenOf(good, '[]'),
    tokenOf(good, header({ alg: 'HS512' })),
    tokenOf(good, header({ crit: ['b64'] })),
    tokenOf(good, header({ typ: 'other' })),
    tokenOf('[]', header({})),
    changed({ exp: undefined }),
    changed({ sid: undefined }),
    changed({ exp: 'never' }),
    changed({ iat: now + 3600 }),
    changed({ nbf: now + 3600 }),
    changed({ exp: now - 3600 }),
    changed({ iat: now - 86_400 }),
    changed({ aud: 'other' }),
    changed({ iss: 'other' }),
    changed({ identity: 'unknown', uid: '"unknown"' }),
    changed({ sid: 'S'.repeat(22), gen: 0 }),
    changed({ uid: 'not JSON' }),
  ];
}

const TIMES = { iat: now, nbf: now, exp: now + 3000, iss: ISSUER };
const ACCESS_FAULTS = faultyTokens('JWT', { ...TIMES, identity: 'joe', aud: AUDIENCE });
const REFRESH_CLAIMS = { uid: '"joe"', sid: 'S'.repeat(22), gen: 0, aud: REFRESH_AUDIENCE };
const REFRESH_FAULTS = faultyTokens(REFRESH_TYPE, { ...TIMES, ...REFRESH_CLAIMS });

/** Values of the header, all of them refused. */
const AUTHORIZATIONS = [
  'Basic am9lOmpvZQ==',
  'Bearer',
  'Bearer two parts',
  ...ACCESS_FAULTS.map((token) => `Bearer ${token}`),
];

const { username, password } = OWNER;

/** Bodies that some routes refuse. With those last ones the account may be removed. */
const BODIES: readonly string[] = [
  'not JSON',
  '[]',
  '{}',
  ...[
    { username, password: 'a wrong password' },
    ...REFRESH_FAULTS.map((token) => ({ refresh_token: token })),
    { username: 'white space', password },
    { username, password, id: 'no such session' },
    { username, password, id: 7 },
    { username, password, new_password: 7 },
    ...['abc', 'x'.repeat(1025), 'a NUL \0 in it', 'password'].flatMap((bad) => [
      { username: 'ann', password: bad },
      { username, password, new_password: bad },
    ]),
  ].map((body) => JSON.stringify(body)),
];

/** @param token of the owner */
function provocations(token: string): Provocation[] {
  const owner = { Authorization: `Bearer ${token}` };
  return [
    {},
    { method: 'PUT' },
    { query: `?${'q'.repeat(2100)}` },
    { headers: { 'X-Long': 'x'.repeat(17_000) } },
    ...AUTHORIZATIONS.map((Authorization) => ({ headers: { Authorization } })),
    { headers: { ...owner, 'Content-Type': 'text/plain' }, body: '{}' },
    { headers: { ...owner, ...TYPE }, body: JSON.stringify({ text: 'x'.repeat(17_000) }) },
    ...BODIES.map((body) => ({ headers: { ...owner, ...TYPE }, body })),
  ];
}

/** The codes that each route was seen to answer with. */
export type SeenCodes = ReadonlyMap<string, Set<string>>;

/** @returns the header `Error-Code` of every refused request, by route */
export async function provokedCodes(): Promise<SeenCodes> {
  const routes = [...ROUTES, 'GET /another-path'];
  return new Map(await Promise.all(routes.map(async (route) => {
    return [route, await codesOf(route)] as const;
  })));
}

/** The services of each route are its own, because some requests end all sessions. */
async function codesOf(route: string): Promise<Set<string>> {
  const seen = new Set<string>();
  const hash = await cheapPasswords().hash(password);
  const limits = { triesPerAccount: 1, signupsPerAddress: 1 };
  const busy = () => Promise.reject(new AuthError('ERR_BUSY'));
  const passwords = { hash: busy, verify: busy, needsRehash: () => false };
  await Promise.all([
    provokeAll(route, seen, { hash }, provocations),
    provokeAll(route, seen, { hash, limits }, guesses),
    provokeAll(route, seen, { hash, passwords }, correctRequests),
    ...[new AuthError('ERR_STORE'), new Error('a fault')].map((fault) => {
      return provokeAll(route, seen, { hash, fault }, correctRequests);
    }),
  ]);
  return seen;
}

/** Each route accepts one of these, if its server works. */
function correctRequests(token: string): Provocation[] {
  const headers = { Authorization: `Bearer ${token}` };
  const refreshToken = tokenOf(
    { ...TIMES, ...REFRESH_CLAIMS },
    JSON.stringify({ typ: REFRESH_TYPE, alg: 'HS256' }),
  );
  const bodies = [
    { username: 'ann', password },
    // A wrong `id`, and no new password: the request is refused after the password was checked.
    { username, password, id: 'no such session' },
    { username, password, new_password: 'another password' },
    { refresh_token: refreshToken },
  ];
  return [{ headers }, ...bodies.map((body) => {
    return { headers: { ...headers, ...TYPE }, body: JSON.stringify(body) };
  })];
}

/** Wrong passwords, up to a limit. */
function guesses(token: string): Provocation[] {
  const headers = { Authorization: `Bearer ${token}`, ...TYPE };
  const bodyOf = (members: object) => JSON.stringify({ new_password: 'another one', ...members });
  const wrong = { headers, body: bodyOf({ username, password: 'a wrong one' }) };
  const signup = { headers, body: bodyOf({ username: 'ann', password }) };
  return [wrong, wrong, signup, { ...signup, body: bodyOf({ username: 'eve', password }) }];
}

interface Service extends Partial<AppOptions> {
  /** Of the password of the owner. */
  readonly hash: string;
  /** What the stores throw, once the owner has a token. */
  readonly fault?: Error;
}

async function provokeAll(
  route: string,
  seen: Set<string>,
  { hash, fault, ...options }: Service,
  requestsFor: (token: string) => readonly Provocation[],
): Promise<void> {
  const sessionStore = new MemorySessionStore();
  const users = new MemoryUserStore();
  await users.insert(userNamed('joe', hash));
  const sessions = new Sessions({ store: sessionStore });
  const app = createApp({
    secret: SECRET,
    passwords: cheapPasswords(),
    limits: false,
    issuer: ISSUER,
    audience: AUDIENCE,
    maxAgeSeconds: 3600,
    onError: () => undefined,
    sessions,
    ...options,
    users,
  });
  const owner = await app.accounts.identity({ identity: 'joe', sid: '' });
  if (owner === undefined) throw new Error('the owner has no account');
  const { access_token: token } = await app.auth.issue(owner);
  if (fault !== undefined) {
    const fail = () => Promise.reject(fault);
    Object.assign(users, { find: fail, insert: fail, check: fail });
    Object.assign(sessionStore, { find: fail, put: fail, check: fail });
  }
  // On a busy machine the client may be idle for long.
  const server = await listen(app, { port: 0, keepAliveSeconds: 600 });
  try {
    await provoke(server, route, seen, requestsFor(token));
  } finally {
    await server.close();
  }
}

async function provoke(
  { url, port }: { readonly url: string; readonly port: number },
  route: string,
  codes: Set<string>,
  requests: readonly Provocation[],
): Promise<void> {
  const [ownMethod = '', path = ''] = route.split(' ');
  for (const { method = ownMethod, query = '', headers, body } of requests) {
    const isSent = body !== undefined && method !== 'GET';
    const response = await fetch(`${url}${path}${query}`, {
      method,
      headers: { ...headers },
      ...(isSent && { body }),
    });
    await response.text();
    if (response.status >= 400) codes.add(response.headers.get('Error-Code') ?? 'no code');
  }
  const smuggled = `${ownMethod} ${path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`;
  const answer = await sendRaw(port, smuggled);
  const [, code = 'no code'] = /\r\nError-Code: (\w+)\r\n/.exec(answer) ?? [];
  codes.add(code);
}
