/** A JwtAuth over one user, its tokens, and servers to guard: what all tests of src/auth share. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AuthError,
  Jwt,
  JwtAuth,
  type AuthRequest,
  type GuardedRequest,
  type HeaderSource,
  type JwtAuthOptions,
} from '../../src/index.ts';
import { SECRET } from './tokens.ts';

export type Auth = JwtAuth<unknown, unknown>;
export type Options = Partial<JwtAuthOptions<unknown, unknown>>;

export const NOW = 1_700_000_000;
export const JOE = { id: 'joe', name: 'Joe' } as const;
export const LOGIN = { username: 'joe', password: 'right' } as const;
export const jwt: Jwt = new Jwt({ secret: SECRET, now: () => NOW });
export const TOKEN: string = jwt.sign({ identity: 'joe' });

/**
 * Another MAC in valid base64url: the last of 43 characters holds four bits and two zeros, so it
 * can be A or E but not B.
 */
export const TAMPERED: string = `${TOKEN.slice(0, -1)}${TOKEN.endsWith('A') ? 'E' : 'A'}`;

/** Two functions that know one user, as a program without Accounts has them. */
export const BASE: JwtAuthOptions<unknown, unknown> = {
  secret: SECRET,
  now: () => NOW,
  authenticate: (username, password) =>
    (username === LOGIN.username && password === LOGIN.password ? JOE : undefined),
  identity: ({ identity }) => (identity === 'joe' ? JOE : undefined),
};

export const authWith = (options: Options = {}): Auth => new JwtAuth({ ...BASE, ...options });

/** Accepts the token of any identity. */
export const authOfAnyone = (options: Options = {}): Auth =>
  authWith({ identity: ({ identity }) => (identity === 'joe' ? JOE : identity), ...options });

/** A request in plain objects, with no more than JwtAuth reads. */
export function request(
  headers: Readonly<Record<string, string | undefined>> = {},
  body: unknown = LOGIN,
): AuthRequest & HeaderSource {
  return { header: (name) => headers[name.toLowerCase()], json: async () => body };
}

export const tokenOf = async (auth: Auth): Promise<string> =>
  String(Object.values((await auth.login(request())) as object)[0]);

export const refusal = (code: string): object => ({ name: 'AuthError', code });

export const CHALLENGES = [
  'JWT realm="Login Required"',
  'Bearer realm="Login Required"',
] as const;

export async function challengesOf(refused: unknown): Promise<unknown> {
  const error: unknown = await Promise.resolve(refused).then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AuthError, `not a refusal: ${String(error)}`);
  return error.headers['WWW-Authenticate'];
}

/** A message of node:http that a middleware may have passed. */
export type GuardedMessage = IncomingMessage & GuardedRequest<unknown>;

/** Serves a plain handler of node:http on a free port for as long as `use` runs. */
export async function withNodeServer(
  handle: (req: GuardedMessage, res: ServerResponse) => void,
  use: (port: number, url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(handle);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await use(port, `http://127.0.0.1:${port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
