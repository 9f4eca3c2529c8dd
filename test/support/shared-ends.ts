/** Every way to end a session, tried on one of two servers that share their stores. */
import assert from 'node:assert/strict';
import { send } from './app.ts';
import {
  helloStatus,
  listSessions,
  logIn,
  OWNER,
  pairIn,
  refresh,
  sendAs,
  type Pair,
} from './session-client.ts';

const { password } = OWNER;

/** Ends the sessions of `ended` at a server, with the token of `own`. @returns the status */
type End = (url: string, own: Pair, ended: Pair) => Promise<number>;

/** Ends the session of a login that asked for a refresh token. */
const logOut: End = async (url, _own, { refresh_token: token }) => {
  return (await send(`${url}/logout`, 'POST', { refresh_token: token })).status;
};

const endOne: End = async (url, own, ended) => {
  const listed = await listSessions(url, ended.access_token);
  const id = listed.find((session) => session.is_current)?.id;
  return (await sendAs(own.access_token, `${url}/sessions/end`, 'POST', { id, password })).status;
};

const endOthers: End = async (url, own) => {
  return (await sendAs(own.access_token, `${url}/sessions/end`, 'POST', { password })).status;
};

const changePassword: End = async (url, own) => {
  const body = { password, new_password: 'another horse' };
  return (await sendAs(own.access_token, `${url}/password`, 'POST', body)).status;
};

const removeAccount: End = async (url, own) => {
  return (await sendAs(own.access_token, `${url}/account/remove`, 'POST', { password })).status;
};

/** What ends sessions, and whether the session that asks for it stays. */
export const SHARED_ENDS: readonly (readonly [what: string, end: readonly [End, boolean]])[] = [
  ['a logout', [logOut, true]],
  ['the end of one session', [endOne, true]],
  ['the end of all others', [endOthers, true]],
  ['a new password', [changePassword, false]],
  ['a removal', [removeAccount, false]],
];

/** Asserts that both servers refuse the ended session, and only that. */
export async function assertEndsOnBoth(
  one: string,
  other: string,
  [end, isOwnKept]: readonly [End, boolean],
): Promise<void> {
  const urls = [one, other];
  assert.equal((await send(`${one}/signup`, 'POST', OWNER)).status, 200);
  const own = await logIn(one);
  const first = await logIn(other);
  const ended = pairIn(await refresh(one, first.refresh_token));
  for (const url of urls) assert.equal(await helloStatus(url, ended.access_token), 200);
  assert.equal(await end(one, own, ended), 200, end.name);
  for (const url of urls) {
    assert.equal(await helloStatus(url, ended.access_token), 401, end.name);
    assert.equal((await refresh(url, ended.refresh_token)).status, 401, end.name);
    assert.equal(await helloStatus(url, own.access_token), isOwnKept ? 200 : 401, end.name);
  }
}
