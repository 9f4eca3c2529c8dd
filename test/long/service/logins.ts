/** Sign-ups and logins of a person, right ones and wrong ones. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Account } from './account.ts';
import { expectAnswer, type Conversation } from './conversation.ts';
import { shown } from './login.ts';
import type { Answer } from './server-process.ts';

const LOGINS_DURING_CHANGE = 3;
/** How much later than the change a login begins at most. */
const MAX_LATE_MS = 10;

/** Signs up. At times twice at once, with two passwords: then only one may succeed. */
export async function signUp(talk: Conversation, account: Account): Promise<void> {
  const count = talk.random() < 0.3 ? 2 : 1;
  const passwords = Array.from({ length: count }, () => talk.newPassword());
  const tries = await Promise.all(passwords.map(async (password) => {
    const body = { username: account.username, password };
    const answer = await talk.ask('sign up', { method: 'POST', path: '/signup', body });
    return { password, answer };
  }));
  // A refusal is judged last, because the others say who may have the name.
  for (const { password, answer } of tries) {
    if (answer === undefined) account.password.add(password);
  }
  for (const { password, answer } of tries) {
    if (answer?.status === 200) account.isCreated(password);
  }
  for (const { answer } of tries) {
    if (answer === undefined || answer.status === 200) continue;
    expectAnswer(answer, 400, 'ERR_USER_EXISTS');
    account.exists(shown(answer));
  }
}

/** @param password one that the account may have */
export async function logIn(
  talk: Conversation,
  account: Account,
  password: string,
  isRefreshable: boolean,
): Promise<void> {
  const answer = await askLogin(talk, account, password, isRefreshable);
  if (answer?.status === 200) {
    account.hasPassword(password);
    account.begin(answer);
  } else if (!isWithoutLogin(account, answer)) {
    account.password.isNot(password, 'a login was refused');
  }
}

/** A login with a wrong password, or with one that the account had before. */
export async function guess(talk: Conversation, account: Account): Promise<void> {
  const password = talk.anyPassword(talk.random);
  if (account.password.has(password)) return;
  const answer = await askLogin(talk, account, password, false);
  if (answer !== undefined) expectAnswer(answer, 401, 'ERR_CREDENTIALS');
  account.guesses += 1;
}

/**
 * Logs in several times while a change of the account is under way that ends all sessions.
 * @param password the one until now
 * @param change resolves to whether it has succeeded
 */
export async function logInDuring(
  talk: Conversation,
  account: Account,
  password: string,
  change: () => Promise<boolean>,
): Promise<void> {
  const logins = Array.from({ length: LOGINS_DURING_CHANGE }, async () => {
    await delay(talk.random() * MAX_LATE_MS);
    return askLogin(talk, account, password, true);
  });
  const [isChanged, ...answers] = await Promise.all([change(), ...logins]);
  for (const answer of answers) {
    if (answer?.status === 200) {
      const { isLive } = account.begin(answer);
      // The login may have succeeded before the change. Then the change has ended its session.
      if (isChanged) isLive.set(false);
      else if (!account.password.isSurely(password)) isLive.add(false);
    } else if (!isWithoutLogin(account, answer) && !isChanged) {
      account.password.isNot(password, 'a login was refused');
    }
  }
}

/** @returns whether the answer is missing; otherwise it must be a refusal of the password */
function isWithoutLogin(account: Account, answer: Answer | undefined): boolean {
  account.guesses += 1;
  if (answer === undefined) account.mayHaveBegun();
  else expectAnswer(answer, 401, 'ERR_CREDENTIALS');
  return answer === undefined;
}

function askLogin(
  talk: Conversation,
  { username }: Account,
  password: string,
  isRefreshable: boolean,
): Promise<Answer | undefined> {
  const spelled = talk.random() < 0.2 ? username.toUpperCase() : username;
  const body = { username: spelled, password, ...(isRefreshable && { refresh: true }) };
  return talk.ask('log in', { method: 'POST', path: '/auth', body });
}
