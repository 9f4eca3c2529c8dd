/** How a person changes the account itself. */
import { pick } from '../../support/generators.ts';
import type { Account } from './account.ts';
import { expectAnswer, type Conversation } from './conversation.ts';
import type { Login } from './login.ts';

/** The limit is 10 an hour for a session. */
const MAX_WRONG_PASSWORDS = 5;

/** @returns whether it has succeeded */
export async function changePassword(
  talk: Conversation,
  account: Account,
  login: Login,
  password: string,
): Promise<boolean> {
  const newPassword = talk.newPassword();
  const body = { password, new_password: newPassword, refresh: true };
  const call = { method: 'POST', path: '/password', body };
  const answer = await talk.askAs(account, login, 'change the password', call);
  if (answer === 'refused') return false;
  if (answer === 'unknown') {
    account.password.add(newPassword);
    account.mayEndAll();
    account.mayHaveBegun();
    return false;
  }
  expectAnswer(answer, 200);
  account.endAll();
  account.password.set(newPassword);
  account.begin(answer);
  return true;
}

/** @returns whether it has succeeded */
export async function remove(
  talk: Conversation,
  account: Account,
  login: Login,
  password: string,
): Promise<boolean> {
  const call = { method: 'POST', path: '/account/remove', body: { password } };
  const answer = await talk.askAs(account, login, 'remove the account', call);
  if (answer === 'refused') return false;
  if (answer === 'unknown') {
    account.password.add(undefined);
    account.mayEndAll();
    return false;
  }
  expectAnswer(answer, 200);
  account.password.set(undefined);
  account.endAll();
  return true;
}

/** Sends a wrong password on a guarded route. Nothing may change. */
export async function confirmWrongly(
  talk: Conversation,
  account: Account,
  login: Login,
): Promise<void> {
  if (login.wrongPasswords >= MAX_WRONG_PASSWORDS) return;
  login.wrongPasswords += 1;
  const body = { password: talk.newPassword(), new_password: talk.newPassword() };
  const path = pick(talk.random, ['/password', '/account/remove', '/sessions/end']);
  const call = { method: 'POST', path, body };
  const answer = await talk.askAs(account, login, `${path} with a wrong password`, call);
  if (typeof answer !== 'string') expectAnswer(answer, 401, 'ERR_CREDENTIALS');
}
