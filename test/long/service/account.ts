/** The model of one account: what its owner knows of it, and which answers are allowed. */
import { Login, shown } from './login.ts';
import { Forbidden, Possible } from './possible.ts';
import type { Answer } from './server-process.ts';

/** How many logins of ended sessions are kept. Their tokens must stay refused. */
const MAX_ENDED_LOGINS = 6;

/** An account, or a name that is free. */
export class Account {
  readonly username: string;
  /** The current password; undefined while the account does not exist. */
  readonly password: Possible<string | undefined>;
  /** Wrong passwords that may have been counted. The rate limit allows 70 an hour. */
  guesses = 0;
  /** Sessions that may exist although the owner does not know them: their answers were lost. */
  #strays = 0;
  #logins: Login[] = [];
  #begun = 0;

  constructor(username: string) {
    this.username = username;
    this.password = new Possible<string | undefined>(`password of ${username}`, undefined);
  }

  get logins(): readonly Login[] {
    return this.#logins;
  }

  /** The passwords that it may have. */
  get passwords(): readonly string[] {
    return this.password.values.filter((password) => password !== undefined);
  }

  get isSurelyMissing(): boolean {
    return this.password.isSurely(undefined);
  }

  get mayBeMissing(): boolean {
    return this.password.has(undefined);
  }

  /** @throws Forbidden if the account cannot exist */
  exists(because: string): void {
    this.password.isNot(undefined, because);
  }

  /** @throws Forbidden if the account must exist */
  isMissing(because: string): void {
    this.password.is(undefined, because);
    this.endAll();
  }

  /** A signup has succeeded. A new account has no sessions. */
  isCreated(password: string): void {
    this.password.is(undefined, 'a signup succeeded');
    this.password.set(password);
    this.endAll();
  }

  /** @throws Forbidden if the account cannot have this password */
  hasPassword(password: string): void {
    this.password.is(password, 'a login succeeded');
  }

  /** A login or a change of the password was answered with the tokens of a new session. */
  begin(answer: Answer): Login {
    this.#begun += 1;
    const login = new Login(`login ${this.#begun}`, answer);
    const isTaken = this.#logins.some(({ id }) => id === login.id);
    if (isTaken) throw new Forbidden('a new session has the id of another one');
    this.#logins.push(login);
    this.#dropEnded();
    return login;
  }

  /** A session may have begun, whose tokens were lost. */
  mayHaveBegun(): void {
    this.#strays += 1;
  }

  /** @param except a session that goes on */
  endAll(except?: Login): void {
    this.#strays = 0;
    for (const login of this.#logins) if (login !== except) login.isLive.set(false);
  }

  /** @param except a session that goes on */
  mayEndAll(except?: Login): void {
    for (const login of this.#logins) if (login !== except) login.isLive.add(false);
  }

  /**
   * Judges the answer to a request with an access token.
   * @returns whether the guard has let it through
   * @throws Forbidden
   */
  isLetThrough(login: Login, answer: Answer): boolean {
    const because = `${login.name} got ${shown(answer)}`;
    if (answer.code === 'ERR_IDENTITY_UNKNOWN') {
      this.isMissing(because);
      return false;
    }
    this.exists(because);
    if (answer.code === 'ERR_SESSION_ENDED') {
      login.isLive.is(false, because);
      return false;
    }
    login.isLive.is(true, because);
    return true;
  }

  /**
   * Judges the list of sessions.
   * @param own the session whose token was sent
   * @throws Forbidden
   */
  judgeSessions(own: Login, { body }: Answer): void {
    const { sessions } = Object(body);
    if (!Array.isArray(sessions)) throw new Forbidden('the list of sessions is not a list');
    const current = new Map<string, boolean>(
      sessions.map((session) => [String(Object(session).id), Object(session).is_current === true]),
    );
    for (const login of this.#logins) {
      const isListed = current.has(login.id);
      login.isLive.is(isListed, `${login.name} is ${isListed ? '' : 'not '}in the list`);
      if (isListed && current.get(login.id) !== (login === own)) {
        throw new Forbidden(`${login.name} is wrong about being the current one`);
      }
      current.delete(login.id);
    }
    if (current.size > this.#strays) {
      throw new Forbidden(`${current.size} unknown sessions, and ${this.#strays} may exist`);
    }
    this.#strays = current.size;
  }

  /** Forgets the oldest sessions that have ended. */
  #dropEnded(): void {
    const ended = this.#logins.filter(({ isLive }) => isLive.isSurely(false));
    const dropped = new Set(ended.slice(0, Math.max(0, ended.length - MAX_ENDED_LOGINS)));
    this.#logins = this.#logins.filter((login) => !dropped.has(login));
  }
}
