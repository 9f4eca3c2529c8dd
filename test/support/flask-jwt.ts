/**
 * A server like that of the Flask-JWT tutorial: two functions that know the users, a path to log in
 * at, and a protected path.
 */
import assert from 'node:assert/strict';
import { currentIdentity, JwtAuth, Router, type JwtAuthOptions } from '../../src/index.ts';
import { send, withServer, type Answer } from './app.ts';
import type { SessionMode } from './session-modes.ts';
import { SECRET } from './tokens.ts';

export interface Person {
  readonly id: number;
  readonly username: string;
  readonly password: string;
}

export const PEOPLE: readonly Person[] = [
  { id: 0, username: 'joe', password: 'pass' },
  { id: 1, username: 'ann', password: 'secret' },
];
export const JOE = { username: 'joe', password: 'pass' };

/** The two functions that the tutorial defines. */
export const TUTORIAL: JwtAuthOptions<Person> = {
  secret: SECRET,
  authenticate: (username, password) =>
    PEOPLE.find((person) => person.username === username && person.password === password),
  identity: (claims) => PEOPLE.find(({ id }) => id === claims.identity),
};

export interface Client {
  /** Posts to the login path. */
  login(body: unknown): Promise<Answer>;
  /** Gets the protected path. */
  get(authorization?: string): Promise<Answer>;
  /** Logs in as joe. @returns the token */
  token(): Promise<string>;
}

/** Serves a login at `/auth`, and at `/protected` the username of the logged-in user. */
export async function withTutorial(
  options: Partial<JwtAuthOptions<Person, unknown>>,
  use: (client: Client) => Promise<void>,
) {
  const auth = new JwtAuth({ ...TUTORIAL, ...options });
  const app = new Router().post('/auth', auth.login);
  app.get(
    '/protected',
    auth.required(() => currentIdentity<Person>()?.username),
  );
  app.get('/open', () => currentIdentity() ?? 'no identity');
  await withServer(app, async ({ url }) => {
    const login = (body: unknown) => send(`${url}/auth`, 'POST', body);
    await use({
      login,
      get: (authorization) =>
        send(
          `${url}/protected`,
          'GET',
          undefined,
          authorization === undefined ? {} : { authorization },
        ),
      token: async () => ((await login(JOE)).body as { access_token: string }).access_token,
    });
    assert.equal(
      (await send(`${url}/open`, 'GET')).body,
      'no identity',
      'the identity does not outlive its request',
    );
  });
}

export const refusal = (error: string, description: string) => ({
  status_code: 401,
  error,
  description,
});

export async function assertRefused(
  answer: Promise<Answer>,
  error: string,
  description: string,
): Promise<void> {
  const { status, body, headers } = await answer;
  assert.deepEqual([status, body], [401, refusal(error, description)]);
  assert.match(headers.get('WWW-Authenticate') ?? '', /^JWT realm="Login Required"/);
}

export const NOW = Math.floor(Date.now() / 1000);
/** A valid token with some claims changed, as another holder of the secret makes it. */
export const tokenWith = (mode: SessionMode, claims: object) => {
  return mode.tokenOf({ identity: 0, iat: NOW, nbf: NOW, exp: NOW + 300, ...claims });
};
