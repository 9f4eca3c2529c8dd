/** Requests that must be refused, whatever else happens. */
import { below, pick, type Random } from '../../support/generators.ts';
import type { Call } from './server-process.ts';

interface BadInput {
  readonly call: Call;
  readonly status: number;
  readonly code: string;
}

const PASSWORD = 'sesame is not stored';

const ROWS: readonly (readonly [method: string, path: string, body: unknown, code: string])[] = [
  ['POST', '/signup', '{"username":', '400 ERR_SIGNUP_BODY'],
  ['POST', '/signup', '[]', '400 ERR_SIGNUP_BODY'],
  ['POST', '/signup', { username: 'sam' }, '400 ERR_SIGNUP_BODY'],
  ['POST', '/signup', { username: 'two words', password: PASSWORD }, '400 ERR_USERNAME'],
  ['POST', '/signup', { username: 'u'.repeat(81), password: PASSWORD }, '400 ERR_USERNAME'],
  ['POST', '/signup', { username: 'sam', password: 'sesame' }, '400 ERR_PASSWORD_TOO_SHORT'],
  ['POST', '/signup', { username: 'sam', password: 'a\0bcdefgh' }, '400 ERR_PASSWORD_INVALID'],
  ['POST', '/signup', { username: 'sam', password: 'password1' }, '400 ERR_PASSWORD_FORBIDDEN'],
  ['POST', '/signup', { username: 'x'.repeat(20_000) }, '413 ERR_BODY_TOO_LARGE'],
  ['POST', '/auth', 'null', '400 ERR_LOGIN_BODY'],
  ['POST', '/auth', '{"username":"sam","password":1}', '401 ERR_CREDENTIALS'],
  ['POST', '/auth', { username: 'two words', password: PASSWORD }, '401 ERR_CREDENTIALS'],
  ['POST', '/refresh', {}, '400 ERR_REFRESH_BODY'],
  ['POST', '/refresh', { refresh_token: 'a.b.c' }, '401 ERR_JWT_SIGNATURE'],
  ['POST', '/logout', undefined, '400 ERR_REFRESH_BODY'],
  ['GET', '/hello', undefined, '401 ERR_AUTHORIZATION_MISSING'],
  ['GET', '/sessions', undefined, '401 ERR_AUTHORIZATION_MISSING'],
  ['POST', '/password', {}, '401 ERR_AUTHORIZATION_MISSING'],
  ['POST', '/account/remove', {}, '401 ERR_AUTHORIZATION_MISSING'],
  ['DELETE', '/hello', undefined, '405 ERR_METHOD'],
  ['GET', '/users', undefined, '404 ERR_NOT_FOUND'],
];

/**
 * @param token a valid access token, which is sent with another signature
 * @returns a request, and the refusal that it must get
 */
export function badInput(random: Random, token: string | undefined): BadInput {
  if (token !== undefined && random() < 0.4) {
    const call = { method: 'GET', path: '/hello', token: forged(random, token) };
    return { call, status: 401, code: 'ERR_JWT_SIGNATURE' };
  }
  const [method, path, body, refusal] = pick(random, ROWS);
  const [status = '', code = ''] = refusal.split(' ');
  return { call: { method, path, body }, status: Number(status), code };
}

/** Changes one character of the claims. */
function forged(random: Random, token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const at = below(random, payload.length);
  const other = payload[at] === 'A' ? 'B' : 'A';
  return `${header}.${payload.slice(0, at)}${other}${payload.slice(at + 1)}.${signature}`;
}
