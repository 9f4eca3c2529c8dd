/**
 * The administration of the users of a running server, over its Unix socket. The server does the
 * work with its own settings, such as the minimum length of a password.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { isAuthError, reasonOf } from '../../errors.ts';
import { hasCode } from '../../journal/system-errors.ts';
import type { PublicUser, RemovedName, User } from '../../users/store.ts';
import { isErrorNamed, ownMember } from '../../values.ts';
import { CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';
import {
  jsonOf,
  refusalIn,
  requireAscending,
  unreadableAnswer,
} from './administration-answers.ts';
import {
  listReader,
  readDone,
  readListedUser,
  readLoggedOutPage,
  readNameMessage,
  readPublicUser,
  readUserChange,
  readUserMessage,
  type AdministrationRequest,
} from './administration-messages.ts';
import {
  PARALLEL_CHANGES,
  type ListedUser,
  type LoggedOutPage,
  type UserAdministration,
  type UserChange,
} from './user-administration.ts';

/**
 * After this time the command closes an idle connection. It must do so before the server, which
 * waits 5 seconds: a request that is sent while the server closes the connection would be lost.
 */
const IDLE_MS = 3_000;

/** How long the command waits for an answer, in milliseconds. */
export interface WaitTimes {
  /** After this time the operator gets a warning. */
  readonly explainMs: number;
  /** Far more than the hash of a password, or the logout of 1000 users, takes. */
  readonly maxMs: number;
}

const WAIT_TIMES: WaitTimes = { explainMs: 10_000, maxMs: 60_000 };

const READS: ReadonlySet<AdministrationRequest> = new Set<AdministrationRequest>([
  'list',
  'export-users',
  'export-user',
  'export-removed-names',
]);

const readUsers = listReader('users', readUserMessage);
const readListedUsers = listReader('users', readListedUser);
const readRemovedNames = listReader('names', readNameMessage);
const readUserChanges = listReader('changes', readUserChange);
const readAddedUser = (body: unknown) => readPublicUser(ownMember(body, 'user'));

/** Its methods throw a CommandError if the server does not answer. */
export class SocketAdministration implements UserAdministration {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: PARALLEL_CHANGES, timeout: IDLE_MS });
  readonly #socketPath: string;
  readonly #log: Log;
  readonly #waitTimes: WaitTimes;
  #isWaitExplained = false;

  /**
   * @param socketPath of at most 100 bytes
   * @param log gets one warning if the server is slow
   */
  constructor(
    socketPath: string,
    log: Log = () => undefined,
    waitTimes: WaitTimes = WAIT_TIMES,
  ) {
    this.#socketPath = socketPath;
    this.#log = log;
    this.#waitTimes = waitTimes;
  }

  list(after: string | undefined): Promise<readonly ListedUser[]> {
    return this.#page('list', after, readListedUsers);
  }

  add(username: string, password: string): Promise<PublicUser> {
    return this.#send('add', { username, password }, readAddedUser);
  }

  setPassword(username: string, password: string): Promise<UserChange | undefined> {
    return this.#change('set-password', { username, password });
  }

  disable(username: string): Promise<UserChange | undefined> {
    return this.#change('disable', { username });
  }

  enable(username: string): Promise<UserChange | undefined> {
    return this.#change('enable', { username });
  }

  remove(username: string): Promise<UserChange | undefined> {
    return this.#change('remove', { username });
  }

  logout(username: string): Promise<UserChange | undefined> {
    return this.#change('logout', { username });
  }

  /** @throws AuthError ERR_BAD_REQUEST if the server keeps no sessions */
  async logoutPage(after: string | undefined): Promise<LoggedOutPage> {
    const page = await this.#send('logout-page', { after }, readLoggedOutPage);
    const { next } = page;
    if (after !== undefined && next !== undefined) requireAscending([after, next]);
    return page;
  }

  exportUsers(after: string | undefined): Promise<readonly User[]> {
    return this.#page('export-users', after, readUsers);
  }

  async exportUser(id: string): Promise<User | undefined> {
    const [user] = await this.#send('export-user', { id }, readUsers);
    return user;
  }

  exportRemovedNames(after: string | undefined): Promise<readonly RemovedName[]> {
    return this.#page('export-removed-names', after, readRemovedNames);
  }

  /** @throws AuthError as `StoreAdministration`; ERR_BODY_TOO_LARGE over 16 KiB of JSON */
  importUser({ id, username, passwordHash, createdAt, validAfter }: User): Promise<boolean> {
    const user = { id, username, passwordHash, createdAt, validAfter };
    return this.#send('import-user', user, readDone);
  }

  /** @throws AuthError as `StoreAdministration`; ERR_BODY_TOO_LARGE over 16 KiB of JSON */
  importRemovedName({ id, removedAt }: RemovedName): Promise<boolean> {
    return this.#send('import-removed-name', { id, removedAt }, readDone);
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  async #change(name: AdministrationRequest, body: object): Promise<UserChange | undefined> {
    const [change] = await this.#send(name, body, readUserChanges);
    return change;
  }

  async #page<Entry extends { readonly id: string }>(
    name: AdministrationRequest,
    after: string | undefined,
    read: (body: unknown) => readonly Entry[] | undefined,
  ): Promise<readonly Entry[]> {
    const entries = await this.#send(name, { after }, read);
    const ids = entries.map(({ id }) => id);
    requireAscending(after === undefined ? ids : [after, ...ids]);
    return entries;
  }

  /**
   * @param read returns undefined for an answer that it cannot read
   * @throws AuthError with the code, the status and the texts of the server's refusal
   */
  async #send<T>(
    name: AdministrationRequest,
    body: object,
    read: (body: unknown) => T | undefined,
  ): Promise<T> {
    const timer = setTimeout(() => this.#explainWait(), this.#waitTimes.explainMs);
    try {
      const response = await this.#responseTo(`/${name}`, JSON.stringify(body));
      const answer = await jsonOf(response);
      if (response.statusCode !== 200) throw refusalIn(response, answer);
      const result = read(answer);
      if (result === undefined) throw unreadableAnswer();
      return result;
    } catch (error) {
      if (isAuthError(error) || error instanceof CommandError) throw error;
      const failure = this.#failureOf(error, !READS.has(name));
      throw new CommandError(`the server at ${this.#socketPath} ${failure}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Many requests may wait at once. One warning is enough. */
  #explainWait(): void {
    if (this.#isWaitExplained) return;
    this.#isWaitExplained = true;
    const { explainMs, maxMs } = this.#waitTimes;
    const problem = `has not answered for ${explainMs / 1000} seconds. It is busy, or suspended`;
    const end = `Each request waits for up to ${maxMs / 1000} seconds`;
    this.#log('warning', `the server at ${this.#socketPath} ${problem}. ${end}.`);
  }

  /**
   * @returns what happened, and what the operator can do. If no server is at the socket, nothing
   *   was sent, so nothing was changed.
   */
  #failureOf(error: unknown, isChange: boolean): string {
    if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) return 'has stopped: run the command again';
    const isLate = isErrorNamed(error, 'TimeoutError') || isErrorNamed(error, 'AbortError');
    const failure = isLate
      ? `has not answered for ${this.#waitTimes.maxMs / 1000} seconds`
      : `has closed the connection (${reasonOf(error)})`;
    const advice = isChange
      ? ', and may have made the change: list the users, or run the command again'
      : ': run the command again';
    return `${failure}${advice}${isLate ? '. If it hangs, restart it' : ''}`;
  }

  #responseTo(path: string, json: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({
        agent: this.#agent,
        socketPath: this.#socketPath,
        method: 'POST',
        path,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(json),
        },
        signal: AbortSignal.timeout(this.#waitTimes.maxMs),
      });
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end(json);
    });
  }
}
