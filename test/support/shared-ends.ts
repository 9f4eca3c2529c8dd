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
import { tokenOf } from './tokens.ts';

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

/** What one of the ends leaves. */
interface Left {
  /** The session of the request that asks for the end. */
  readonly own: boolean;
  /** A token without a session, which another holder of the secret has made. */
  readonly foreign: boolean;
}

type SharedEnd = readonly [what: string, end: End, left: Left];

export const SHARED_ENDS: readonly SharedEnd[] = [
  ['a logout', logOut, { own: true, foreign: true }],
  ['the end of one session', endOne, { own: true, foreign: true }],
  ['the end of all others', endOthers, { own: true, foreign: false }],
  ['a new password', changePassword, { own: false, foreign: false }],
  ['a removal', removeAccount, { own: false, foreign: false }],
];

/** Asserts that both servers refuse what has ended, and only that. */
export async function assertEndsOnBoth(
  one: string,
  other: string,
  [what, end, left]: SharedEnd,
): Promise<void> {
  const urls = [one, other];
  assert.equal((await send(`${one}/signup`, 'POST', OWNER)).status, 200);
  const own = await logIn(one);
  const first = await logIn(other);
  const ended = pairIn(await refresh(one, first.refresh_token));
  const now = Math.floor(Date.now() / 1000);
  const foreign = tokenOf({ identity: OWNER.username, iat: now, nbf: now, exp: now + 300 });
  const tokens = [ended.access_token, own.access_token, foreign];
  const statuses = (url: string) => Promise.all(tokens.map((token) => helloStatus(url, token)));
  for (const url of urls) assert.deepEqual(await statuses(url), [200, 200, 200], what);
  assert.equal(await end(one, own, ended), 200, what);
  for (const url of urls) {
    const expected = [401, left.own ? 200 : 401, left.foreign ? 200 : 401];
    assert.deepEqual(await statuses(url), expected, what);
    assert.equal((await refresh(url, ended.refresh_token)).status, 401, what);
  }
}
