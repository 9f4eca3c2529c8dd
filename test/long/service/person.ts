/**
 * A person who uses one service, with one account at a time. The person keeps a model of the
 * account, and every answer must be one that the model allows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { below, pick, type Random } from '../../support/generators.ts';
import { Account } from './account.ts';
import { badInput } from './bad-input.ts';
import { shown, type Login } from './login.ts';
import { Forbidden } from './possible.ts';
import type { Answer, Call } from './server-process.ts';
import type { Service } from './service.ts';

/** How many sessions a person has at most. */
const MAX_LOGINS = 6;
/** The limits are 10 an hour for a session, and 70 for an account on unknown networks. */
const MAX_WRONG_PASSWORDS = 5;
const MAX_GUESSES = 40;
/** After which a first use of a token is stored, even if the database was away at the first try. */
const USE_RETRY_MS = 12_000;
/** How many of the last requests a failure shows. */
const MAX_HISTORY = 60;

/** `unknown`: without an answer. `refused`: by the guard. Both have been judged. */
type Guarded = Answer | 'unknown' | 'refused';

/** Sends requests, one after the other or a few at once. */
export class Person {
  readonly #name: string;
  readonly #service: Service;
  readonly #random: Random;
  /** The last one is in use. */
  readonly #accounts: Account[] = [];
  readonly #history: string[] = [];
  #passwords = 0;

  constructor(name: string, service: Service, random: Random) {
    this.#name = name;
    this.#service = service;
    this.#random = random;
  }

  get accounts(): readonly Account[] {
    return this.#accounts;
  }

  /** Acts until the run is over. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#explained(() => this.#act());
      await delay(below(this.#random, 20));
    }
  }

  /** Asks for everything of which the model is not certain, and checks all that it is certain of. */
  async checkAll(): Promise<void> {
    for (const account of this.#accounts) {
      await this.#explained(async () => {
        for (const login of account.logins) await this.#hello(account, login);
        for (const password of account.passwords) await this.#logIn(account, password, true);
      });
    }
  }

  get #account(): Account {
    const last = this.#accounts.at(-1);
    const isWornOut = last === undefined || last.guesses >= MAX_GUESSES;
    const isLeft = last?.isSurelyMissing === true && this.#random() < 0.1;
    if (!isWornOut && !isLeft) return last;
    const account = new Account(`${this.#name}-${this.#accounts.length}`);
    this.#accounts.push(account);
    return account;
  }

  async #act(): Promise<unknown> {
    const account = this.#account;
    const live = account.logins.filter(({ isLive }) => !isLive.isSurely(false));
    const login = live.length > 0 ? pick(this.#random, live) : undefined;
    const choice = this.#random();
    if (choice < 0.04) return this.#sendBadInput(login);
    if (choice < 0.08 && account.logins.length > 0) return this.#useAnyToken(account);
    if (account.isSurelyMissing || (account.mayBeMissing && choice < 0.4)) {
      return choice < 0.2 ? this.#guess(account) : this.#signUp(account);
    }
    const password = pick(this.#random, account.passwords);
    if (login === undefined) return this.#logIn(account, password, choice < 0.8);
    if (choice < 0.4) return this.#hello(account, login);
    if (choice < 0.6) return this.#refresh(account, login);
    if (choice < 0.63) return this.#replay(account, login);
    if (choice < 0.75) {
      if (live.length < MAX_LOGINS) return this.#logIn(account, password, choice < 0.72);
      return this.#logOut(login);
    }
    if (choice < 0.77) return this.#guess(account);
    if (choice < 0.82) return this.#logOut(login);
    if (choice < 0.86) return this.#listSessions(account, login);
    if (choice < 0.88) return this.#endSessions(account, login, password, pick(this.#random, live));
    if (choice < 0.9) return this.#endSessions(account, login, password);
    if (choice < 0.93) return this.#changePassword(account, login, password);
    if (choice < 0.95) return this.#changeDuringLogin(account, login, password);
    if (choice < 0.96) return this.#confirmWrongly(account, login);
    if (choice < 0.97) return this.#removeDuringLogin(account, login, password);
    if (choice < 0.98) return this.#remove(account, login, password);
    return Promise.all(live.map((each) => this.#hello(account, each)));
  }

  async #signUp(account: Account): Promise<void> {
    // Two at once, with two passwords: one of them must lose.
    const count = this.#random() < 0.3 ? 2 : 1;
    const passwords = Array.from({ length: count }, () => this.#newPassword());
    const answers = await Promise.all(passwords.map((password) => {
      const body = { username: account.username, password };
      return this.#ask('sign up', { method: 'POST', path: '/signup', body });
    }));
    // Successes first: they tell what the other answers are about.
    const pairs = passwords.map((password, index) => ({ password, answer: answers[index] }));
    for (const { password, answer } of pairs) {
      if (answer === undefined) account.password.add(password);
    }
    for (const { password, answer } of pairs) {
      if (answer?.status === 200) account.isCreated(password);
    }
    for (const { answer } of pairs) {
      if (answer === undefined || answer.status === 200) continue;
      this.#expect(answer, 400, 'ERR_USER_EXISTS');
      account.exists(shown(answer));
    }
  }

  async #logIn(account: Account, password: string, isRefreshable: boolean): Promise<void> {
    const answer = await this.#askLogin(account, password, isRefreshable);
    if (this.#judgeLogin(account, password, answer)) account.hasPassword(password);
  }

  /** @returns whether it has succeeded, and has begun a session */
  #judgeLogin(account: Account, password: string, answer: Answer | undefined): boolean {
    if (answer === undefined) {
      account.mayHaveBegun();
      account.guesses += 1;
      return false;
    }
    if (answer.status === 200) {
      account.begin(answer);
      return true;
    }
    this.#expect(answer, 401, 'ERR_CREDENTIALS');
    account.guesses += 1;
    account.password.isNot(password, shown(answer));
    return false;
  }

  /** A login with a wrong password, or with one that the account had before. */
  async #guess(account: Account): Promise<void> {
    const number = 1 + below(this.#random, this.#passwords + 1);
    const password = this.#password(number);
    if (account.password.has(password)) return;
    const answer = await this.#askLogin(account, password, false);
    account.guesses += 1;
    if (answer !== undefined) this.#expect(answer, 401, 'ERR_CREDENTIALS');
  }

  #askLogin(account: Account, password: string, isRefreshable: boolean) {
    const { username } = account;
    const spelled = this.#random() < 0.2 ? username.toUpperCase() : username;
    const body = { username: spelled, password, ...(isRefreshable && { refresh: true }) };
    return this.#ask('log in', { method: 'POST', path: '/auth', body });
  }

  async #hello(account: Account, login: Login): Promise<void> {
    const call = { method: 'GET', path: '/hello' };
    const answer = await this.#askAs(account, login, 'hello', call);
    if (typeof answer === 'string') return;
    this.#expect(answer, 200, '');
    const { result } = Object(answer.body);
    const isRight = result === `Hello ${account.username}`;
    if (!isRight) throw new Forbidden('GET /hello greets another user');
  }

  /** A token whose session may have ended long ago. */
  async #useAnyToken(account: Account): Promise<void> {
    const login = pick(this.#random, account.logins);
    if (login.isRefreshable && this.#random() < 0.5) return this.#refresh(account, login);
    return this.#hello(account, login);
  }

  async #refresh(account: Account, login: Login): Promise<void> {
    if (!login.isRefreshable) return this.#hello(account, login);
    const count = this.#random() < 0.7 ? 1 : 2 + below(this.#random, 2);
    await this.#refreshWith(account, login, login.generation, count);
  }

  /** Sends an old refresh token again, as a client whose answer was lost does, or a thief. */
  async #replay(account: Account, login: Login): Promise<void> {
    if (login.generation < 1) return this.#refresh(account, login);
    const isPredecessor = this.#random() < 0.5;
    const generation = isPredecessor ? login.generation - 1 : below(this.#random, login.generation);
    await this.#refreshWith(account, login, generation, 1);
  }

  async #refreshWith(
    account: Account,
    login: Login,
    generation: number,
    count: number,
  ): Promise<void> {
    const what = `refresh ${login.name} with token ${generation} of ${login.generation}`;
    const body = { refresh_token: login.refreshToken(generation) };
    const sentMs = Date.now();
    const answers = await Promise.all(Array.from({ length: count }, () =>
      this.#ask(what, { method: 'POST', path: '/refresh', body }),
    ));
    login.judgeRefreshes(generation, answers, sentMs);
    const isGiven = answers.some((answer) => answer?.status === 200);
    if (isGiven) account.exists('a refresh succeeded');
  }

  async #logOut(login: Login): Promise<void> {
    const isByRefreshToken = login.isRefreshable && this.#random() < 0.5;
    const proof = isByRefreshToken
      ? { body: { refresh_token: login.refreshToken(below(this.#random, login.generation + 1)) } }
      : { token: login.accessToken };
    const call = { method: 'POST', path: '/logout', ...proof };
    const answer = await this.#ask(`log out ${login.name}`, call);
    if (answer === undefined) return login.isLive.add(false);
    this.#expect(answer, 200, '');
    login.isLive.set(false);
  }

  async #listSessions(account: Account, login: Login): Promise<void> {
    const call = { method: 'GET', path: '/sessions' };
    const answer = await this.#askAs(account, login, 'list sessions', call);
    if (typeof answer === 'string') return;
    this.#expect(answer, 200, '');
    account.judgeSessions(login, answer);
  }

  /** @param one the session to end; undefined ends all others */
  async #endSessions(
    account: Account,
    login: Login,
    password: string,
    one?: Login,
  ): Promise<void> {
    if (account.passwords.length > 1) return this.#hello(account, login);
    const body = { password, ...(one !== undefined && { id: one.id }) };
    const call = { method: 'POST', path: '/sessions/end', body };
    const what = one === undefined ? 'end other sessions' : `end ${one.name}`;
    const answer = await this.#askAs(account, login, what, call);
    if (answer === 'refused') return;
    if (answer === 'unknown') {
      if (one === undefined) account.mayEndAll(login);
      else one.isLive.add(false);
      return;
    }
    if (one === undefined) {
      this.#expect(answer, 200, '');
      account.endAll(login);
      return;
    }
    if (answer.status === 400) {
      this.#expect(answer, 400, 'ERR_BAD_REQUEST');
      one.isLive.is(false, 'it cannot be ended');
      return;
    }
    this.#expect(answer, 200, '');
    one.isLive.is(true, 'it was ended');
    one.isLive.set(false);
  }

  async #confirmWrongly(account: Account, login: Login): Promise<void> {
    if (login.wrongPasswords >= MAX_WRONG_PASSWORDS) return;
    login.wrongPasswords += 1;
    const body = { password: this.#newPassword(), new_password: this.#newPassword() };
    const path = pick(this.#random, ['/password', '/account/remove', '/sessions/end']);
    const call = { method: 'POST', path, body };
    const answer = await this.#askAs(account, login, `${path} with a wrong password`, call);
    if (typeof answer !== 'string') this.#expect(answer, 401, 'ERR_CREDENTIALS');
  }

  /** @returns whether it has succeeded */
  async #changePassword(account: Account, login: Login, password: string): Promise<boolean> {
    if (account.passwords.length > 1) return false;
    const newPassword = this.#newPassword();
    const body = { password, new_password: newPassword, refresh: true };
    const call = { method: 'POST', path: '/password', body };
    const answer = await this.#askAs(account, login, 'change the password', call);
    if (answer === 'refused') return false;
    if (answer === 'unknown') {
      account.password.add(newPassword);
      account.mayEndAll();
      account.mayHaveBegun();
      return false;
    }
    this.#expect(answer, 200, '');
    account.endAll();
    account.password.set(newPassword);
    account.begin(answer);
    return true;
  }

  /** A login with the old password may succeed meanwhile. Its session must end with the others. */
  async #changeDuringLogin(account: Account, login: Login, password: string): Promise<void> {
    const logIn = this.#askLogin(account, password, true);
    const change = this.#changePassword(account, login, password);
    const [answer, isChanged] = await Promise.all([logIn, change]);
    this.#judgeLoginDuring(account, password, answer, isChanged);
  }

  /** @returns whether it has succeeded */
  async #remove(account: Account, login: Login, password: string): Promise<boolean> {
    if (account.passwords.length > 1) return false;
    const call = { method: 'POST', path: '/account/remove', body: { password } };
    const answer = await this.#askAs(account, login, 'remove the account', call);
    if (answer === 'refused') return false;
    if (answer === 'unknown') {
      account.password.add(undefined);
      account.mayEndAll();
      return false;
    }
    this.#expect(answer, 200, '');
    account.password.set(undefined);
    account.endAll();
    return true;
  }

  async #removeDuringLogin(account: Account, login: Login, password: string): Promise<void> {
    const logIn = this.#askLogin(account, password, true);
    const remove = this.#remove(account, login, password);
    const [answer, isRemoved] = await Promise.all([logIn, remove]);
    this.#judgeLoginDuring(account, password, answer, isRemoved);
  }

  /** @param hasEnded whether a change that ends all sessions has succeeded meanwhile */
  #judgeLoginDuring(
    account: Account,
    password: string,
    answer: Answer | undefined,
    hasEnded: boolean,
  ): void {
    if (answer === undefined) {
      account.mayHaveBegun();
      account.guesses += 1;
    } else if (answer.status === 200) {
      const { isLive } = account.begin(answer);
      if (hasEnded) isLive.set(false);
      else if (!account.password.isSurely(password)) isLive.add(false);
    } else {
      this.#expect(answer, 401, 'ERR_CREDENTIALS');
      account.guesses += 1;
      if (!hasEnded) account.password.isNot(password, shown(answer));
    }
  }

  async #sendBadInput(login: Login | undefined): Promise<void> {
    const { call, status, code } = badInput(this.#random, login?.accessToken);
    const answer = await this.#ask(`bad input: ${call.method} ${call.path}`, call);
    if (answer !== undefined) this.#expect(answer, status, code);
  }

  /** Sends a request with an access token, and judges the answer of the guard. */
  async #askAs(account: Account, login: Login, what: string, call: Call): Promise<Guarded> {
    login.mayBeUsed();
    const token = login.accessToken;
    const answer = await this.#ask(`${what} as ${login.name}`, { ...call, token });
    if (answer === undefined) return 'unknown';
    if (!account.isLetThrough(login, answer)) return 'refused';
    if (this.#service.calmMs > USE_RETRY_MS && token === login.accessToken) login.isSurelyUsed();
    return answer;
  }

  async #ask(what: string, call: Call): Promise<Answer | undefined> {
    const answer = await this.#service.ask(call);
    const time = new Date().toISOString().slice(11);
    this.#history.push(`${time} ${what}: ${answer === undefined ? 'no answer' : shown(answer)}`);
    if (this.#history.length > MAX_HISTORY) this.#history.shift();
    return answer;
  }

  #expect(answer: Answer, status: number, code: string): void {
    const expected = `${status} ${code}`.trim();
    const isExpected = answer.status === status && answer.code === code;
    if (!isExpected) throw new Forbidden(`the answer is ${shown(answer)} in place of ${expected}`);
  }

  #newPassword(): string {
    this.#passwords += 1;
    return this.#password(this.#passwords);
  }

  #password(number: number): string {
    return `sesame-${this.#name}-${number}`;
  }

  /** Adds the history to what the model forbids. */
  async #explained(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Forbidden)) throw error;
      const { username = '' } = this.#accounts.at(-1) ?? {};
      const history = this.#history.join('\n  ');
      throw new Forbidden(`${username}: ${error.message}\n  ${history}`, { cause: error });
    }
  }
}
