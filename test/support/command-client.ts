/** Two users, and the requests with which they sign up at a running command and log in. */
import { send } from './app.ts';

export const JOE = { username: 'joe', password: 'correct horse' };
export const ANN = { username: 'ann', password: 'correct horse' };

/** @returns the status */
export async function signup(url: string, user: object): Promise<number> {
  return (await send(`${url}/signup`, 'POST', user)).status;
}

/** @returns the token */
export async function login(url: string, user: object): Promise<string> {
  const { body } = await send(`${url}/auth`, 'POST', user);
  return String(Object(body).access_token);
}

/** Takes the place of `SECRET` when secrets are rotated. */
export const OTHER_SECRET = 'another secret for tests, 32 bytes';
