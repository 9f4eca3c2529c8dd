/** A client that logs in, keeps its tokens, and uses the routes of sessions. */
import assert from 'node:assert/strict';
import { send, type Answer } from './app.ts';

/** The tokens of a login. A login that asks for no refresh token has none. */
export interface Pair {
  readonly access_token: string;
  readonly refresh_token: string;
}

export const OWNER = { username: 'joe', password: 'correct horse' };

/** @returns the body of a reply to a login or a refresh, which must be a success */
export function pairIn({ status, body }: Answer): Pair {
  assert.equal(status, 200, JSON.stringify(body));
  return body as Pair;
}

export async function signUpOwner(url: string): Promise<void> {
  assert.equal((await send(`${url}/signup`, 'POST', OWNER)).status, 200);
}

/** Logs in. @param others further members of the body; by default it asks for a refresh token */
export async function logIn(url: string, others: object = { refresh: true }): Promise<Pair> {
  return pairIn(await send(`${url}/auth`, 'POST', { ...OWNER, ...others }));
}

/** Sends a request with an access token. */
export function sendAs(
  token: string,
  url: string,
  method: string,
  body?: unknown,
): Promise<Answer> {
  return send(url, method, body, { Authorization: `Bearer ${token}` });
}

/** @returns the status of `GET /hello` */
export async function helloStatus(url: string, token: string): Promise<number> {
  return (await sendAs(token, `${url}/hello`, 'GET')).status;
}

export function refresh(url: string, token: unknown): Promise<Answer> {
  return send(`${url}/refresh`, 'POST', { refresh_token: token });
}

/** A session as `GET /sessions` lists it. */
export interface Listed {
  readonly id: string;
  readonly started_at: number;
  readonly refreshed_at: number;
  readonly agent: string;
  readonly is_current: boolean;
}

export async function listSessions(url: string, token: string): Promise<readonly Listed[]> {
  const { status, body } = await sendAs(token, `${url}/sessions`, 'GET');
  assert.equal(status, 200, JSON.stringify(body));
  return (body as { sessions: Listed[] }).sessions;
}

/** The code in the header of a refusal. */
export function codeOf({ headers }: Answer): string | null {
  return headers.get('Error-Code');
}
