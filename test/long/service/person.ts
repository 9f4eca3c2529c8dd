/**
 * A person who uses one service, with one account at a time. The person keeps a model of the
 * account, and every answer must be one that the model allows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { below, pick, type Random } from '../../support/generators.ts';
import { Account } from './account.ts';
import { changePassword, confirmWrongly, remove } from './account-requests.ts';
import { badInput } from './bad-input.ts';
import { Conversation, expectAnswer } from './conversation.ts';
import type { Login } from './login.ts';
import { guess, logIn, logInDuring, signUp } from './logins.ts';
import {
  endOthers,
  endSession,
  hello,
  listSessions,
  logOut,
  refresh,
  replay,
} from './session-requests.ts';
import type { Service } from './service.ts';

/** The most milliseconds between two acts. */
const MAX_PAUSE_MS = 20;
/** From this many sessions on, a person logs out in place of a login. */
const MAX_LOGINS = 6;
/** After which the person takes another name. The limit for an account is 70 an hour. */
const MAX_GUESSES = 40;

/** What a person with a session may do. */
interface Turn {
  readonly talk: Conversation;
  readonly account: Account;
  /** A session that may be live. */
  readonly login: Login;
  /** All sessions that may be live. */
  readonly live: readonly Login[];
  /** The password, if only one is possible. */
  readonly password: string;
}

type Act = (turn: Turn) => Promise<unknown>;

const logInAgain = ({ talk, account, password, live, login }: Turn, isRefreshable: boolean) => {
  if (live.length >= MAX_LOGINS) return logOut(talk, login);
  return logIn(talk, account, password, isRefreshable);
};

/** How often each act is chosen, in percent. */
const ACTS: readonly (readonly [percent: number, act: Act])[] = [
  [33, ({ talk, account, login }) => hello(talk, account, login)],
  [20, ({ talk, account, login }) => refresh(talk, account, login)],
  [4, ({ talk, account, login }) => replay(talk, account, login)],
  [9, (turn) => logInAgain(turn, true)],
  [4, (turn) => logInAgain(turn, false)],
  [3, ({ talk, account }) => guess(talk, account)],
  [5, ({ talk, login }) => logOut(talk, login)],
  [5, ({ talk, account, login }) => listSessions(talk, account, login)],
  [3, ({ talk, account, login, password, live }) => {
    return endSession(talk, account, login, password, pick(talk.random, live));
  }],
  [2, ({ talk, account, login, password }) => endOthers(talk, account, login, password)],
  [3, ({ talk, account, login, password }) => changePassword(talk, account, login, password)],
  [2, ({ talk, account, login, password }) => {
    return logInDuring(talk, account, password, () => {
      return changePassword(talk, account, login, password);
    });
  }],
  [2, ({ talk, account, login }) => confirmWrongly(talk, account, login)],
  [1, ({ talk, account, login, password }) => remove(talk, account, login, password)],
  [1, ({ talk, account, login, password }) => {
    return logInDuring(talk, account, password, () => remove(talk, account, login, password));
  }],
  [3, ({ talk, account, live }) => {
    return Promise.all(live.map((login) => hello(talk, account, login)));
  }],
];

/** Sends requests, one after the other or a few at once. */
export class Person {
  readonly #talk: Conversation;
  readonly #random: Random;
  readonly #accounts: Account[] = [];

  constructor(name: string, service: Service, random: Random) {
    this.#talk = new Conversation(name, service, random);
    this.#random = random;
  }

  /** All accounts of this person. The last one is in use. */
  get accounts(): readonly Account[] {
    return this.#accounts;
  }

  /** Acts until the run is over. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#talk.explained(() => this.#act(this.#currentAccount()));
      await delay(below(this.#random, MAX_PAUSE_MS));
    }
  }

  /** Asks for all that the model does not know for certain, and checks the rest. */
  async checkAll(): Promise<void> {
    const talk = this.#talk;
    for (const account of this.#accounts) {
      await talk.explained(async () => {
        for (const login of account.logins) await hello(talk, account, login);
        for (const password of account.passwords) await logIn(talk, account, password, true);
      });
    }
  }

  /** @returns the last account, or one with a new name */
  #currentAccount(): Account {
    const last = this.#accounts.at(-1);
    const isLeft = last?.isSurelyMissing === true && this.#random() < 0.1;
    if (last !== undefined && last.guesses < MAX_GUESSES && !isLeft) return last;
    const account = new Account(`${this.#talk.name}-${this.#accounts.length}`);
    this.#accounts.push(account);
    return account;
  }

  async #act(account: Account): Promise<unknown> {
    const talk = this.#talk;
    const live = account.logins.filter(({ isLive }) => !isLive.isSurely(false));
    const login = live.length > 0 ? pick(this.#random, live) : undefined;
    const choice = this.#random();
    if (choice < 0.04) return this.#sendBadInput(login);
    if (choice < 0.08 && account.logins.length > 0) return this.#useAnyToken(account);
    if (account.isSurelyMissing) return choice < 0.2 ? guess(talk, account) : signUp(talk, account);
    const [password = '', ...others] = account.passwords;
    const isUncertain = others.length > 0 || account.mayBeMissing;
    if (!isUncertain && login !== undefined) {
      return chosen(this.#random)({ talk, account, login, live, password });
    }
    if (account.mayBeMissing && choice < 0.4) return signUp(talk, account);
    if (login !== undefined && choice < 0.6) return refresh(talk, account, login);
    return logIn(talk, account, pick(this.#random, account.passwords), choice < 0.9);
  }

  /** A token whose session may have ended long ago. */
  async #useAnyToken(account: Account): Promise<void> {
    const login = pick(this.#random, account.logins);
    if (this.#random() < 0.5) return refresh(this.#talk, account, login);
    return hello(this.#talk, account, login);
  }

  async #sendBadInput(login: Login | undefined): Promise<void> {
    const { call, status, code } = badInput(this.#random, login?.accessToken);
    const answer = await this.#talk.ask(`bad input: ${call.method} ${call.path}`, call);
    if (answer !== undefined) expectAnswer(answer, status, code);
  }
}

function chosen(random: Random): Act {
  let rest = below(random, 100);
  for (const [percent, act] of ACTS) {
    if (rest < percent) return act;
    rest -= percent;
  }
  throw new Error('the percentages do not add up to 100');
}
