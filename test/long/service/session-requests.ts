/** What a person does with the tokens of a login. */
import { below } from '../../support/generators.ts';
import type { Account } from './account.ts';
import { expectAnswer, type Conversation } from './conversation.ts';
import type { Login } from './login.ts';
import { Forbidden } from './possible.ts';

export async function hello(talk: Conversation, account: Account, login: Login): Promise<void> {
  const call = { method: 'GET', path: '/hello' };
  const answer = await talk.askAs(account, login, 'hello', call);
  if (typeof answer === 'string') return;
  expectAnswer(answer, 200);
  const isRight = Object(answer.body).result === `Hello ${account.username}`;
  if (!isRight) throw new Forbidden('GET /hello greets another user');
}

/** Refreshes with the newest token, at times several times at once. */
export async function refresh(talk: Conversation, account: Account, login: Login): Promise<void> {
  if (!login.isRefreshable) return hello(talk, account, login);
  const count = talk.random() < 0.7 ? 1 : 2 + below(talk.random, 2);
  return refreshWith(talk, account, login, login.generation, count);
}

/** Sends an old refresh token again, as a client whose answer was lost does, or a thief. */
export async function replay(talk: Conversation, account: Account, login: Login): Promise<void> {
  const { generation } = login;
  if (generation < 1) return refresh(talk, account, login);
  const old = talk.random() < 0.5 ? generation - 1 : below(talk.random, generation);
  return refreshWith(talk, account, login, old, 1);
}

async function refreshWith(
  talk: Conversation,
  account: Account,
  login: Login,
  generation: number,
  count: number,
): Promise<void> {
  const what = `refresh ${login.name} with token ${generation} of ${login.generation}`;
  const body = { refresh_token: login.refreshToken(generation) };
  const sentMs = Date.now();
  const answers = await Promise.all(Array.from({ length: count }, () =>
    talk.ask(what, { method: 'POST', path: '/refresh', body }),
  ));
  login.judgeRefreshes(generation, answers, sentMs);
  const isGiven = answers.some((answer) => answer?.status === 200);
  if (isGiven) account.exists('a refresh succeeded');
}

/** Logs out by the access token, or by one of the refresh tokens. */
export async function logOut(talk: Conversation, login: Login): Promise<void> {
  const isByRefreshToken = login.isRefreshable && talk.random() < 0.5;
  const proof = isByRefreshToken
    ? { body: { refresh_token: login.refreshToken(below(talk.random, login.generation + 1)) } }
    : { token: login.accessToken };
  const call = { method: 'POST', path: '/logout', ...proof };
  const answer = await talk.ask(`log out ${login.name}`, call);
  if (answer === undefined) return login.isLive.add(false);
  expectAnswer(answer, 200);
  login.isLive.set(false);
}

export async function listSessions(
  talk: Conversation,
  account: Account,
  login: Login,
): Promise<void> {
  const call = { method: 'GET', path: '/sessions' };
  const answer = await talk.askAs(account, login, 'list sessions', call);
  if (typeof answer === 'string') return;
  expectAnswer(answer, 200);
  account.judgeSessions(login, answer);
}

/** Ends one session, which may be that of `login` itself. */
export async function endSession(
  talk: Conversation,
  account: Account,
  login: Login,
  password: string,
  one: Login,
): Promise<void> {
  const call = { method: 'POST', path: '/sessions/end', body: { password, id: one.id } };
  const answer = await talk.askAs(account, login, `end ${one.name}`, call);
  if (answer === 'refused') return;
  if (answer === 'unknown') return one.isLive.add(false);
  if (answer.status === 400) {
    expectAnswer(answer, 400, 'ERR_BAD_REQUEST');
    return one.isLive.is(false, `${one.name} cannot be ended`);
  }
  expectAnswer(answer, 200);
  one.isLive.is(true, `${one.name} was ended`);
  one.isLive.set(false);
}

/** Ends all sessions but that of `login`. */
export async function endOthers(
  talk: Conversation,
  account: Account,
  login: Login,
  password: string,
): Promise<void> {
  const call = { method: 'POST', path: '/sessions/end', body: { password } };
  const answer = await talk.askAs(account, login, 'end other sessions', call);
  if (answer === 'refused') return;
  if (answer === 'unknown') return account.mayEndAll(login);
  expectAnswer(answer, 200);
  account.endAll(login);
}
