/**
 * The administration of the users of a running server, over its Unix socket. The server does the
 * work with its own settings, such as the minimum length of a password.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { ROW_BY_CODE } from '../error-codes.ts';
import { AuthError, isAuthError, reasonOf, type AuthErrorCode } from '../errors.ts';
import { hasCode } from '../journal/system-errors.ts';
import type { PublicUser, RemovedName, User } from '../users/store.ts';
import { isErrorNamed, ownMember } from '../values.ts';
import {
  listReader,
  readDone,
  readListedUser,
  readLoggedOutPage,
  readNameMessage,
  readPublicUser,
  readUserChange,
  readUserMessage,
  stringMember,
  type AdministrationRequest,
} from './administration-messages.ts';
import { CommandError } from './command-errors.ts';
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

/** Far more than the hash of a password, or the logout of 1000 users, takes. */
const MAX_ANSWER_MS = 60_000;

const readUsers = listReader('users', readUserMessage);
const readListedUsers = listReader('users', readListedUser);
const readRemovedNames = listReader('names', readNameMessage);
const readUserChanges = listReader('changes', readUserChange);
const readAddedUser = (body: unknown) => readPublicUser(ownMember(body, 'user'));

/** Its methods throw a CommandError if the server does not answer. */
export class SocketAdministration implements UserAdministration {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: PARALLEL_CHANGES, timeout: IDLE_MS });
  readonly #socketPath: string;

  /** @param socketPath of at most 100 bytes */
  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  list(after: string | undefined): Promise<readonly ListedUser[]> {
    return this.#send('list', { after }, readListedUsers);
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

  logoutPage(after: string | undefined): Promise<LoggedOutPage> {
    return this.#send('logout-page', { after }, readLoggedOutPage);
  }

  exportUsers(after: string | undefined): Promise<readonly User[]> {
    return this.#send('export-users', { after }, readUsers);
  }

  async exportUser(id: string): Promise<User | undefined> {
    const [user] = await this.#send('export-user', { id }, readUsers);
    return user;
  }

  exportRemovedNames(after: string | undefined): Promise<readonly RemovedName[]> {
    return this.#send('export-removed-names', { after }, readRemovedNames);
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

  /**
   * @param read returns undefined for an answer that it cannot read
   * @throws AuthError with the code, the status and the texts of the server's refusal
   */
  async #send<T>(
    name: AdministrationRequest,
    body: object,
    read: (body: unknown) => T | undefined,
  ): Promise<T> {
    try {
      const response = await this.#responseTo(`/${name}`, JSON.stringify(body));
      const answer = await jsonOf(response);
      if (response.statusCode !== 200) throw refusalIn(response, answer);
      const result = read(answer);
      if (result === undefined) throw unreadableAnswer();
      return result;
    } catch (error) {
      if (isAuthError(error) || error instanceof CommandError) throw error;
      throw new CommandError(`the server at ${this.#socketPath} ${failureOf(error)}`);
    }
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
        signal: AbortSignal.timeout(MAX_ANSWER_MS),
      });
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end(json);
    });
  }
}

/**
 * @returns what happened, and what the operator can do. If no server is at the socket, nothing was
 *   sent, so nothing was changed.
 */
function failureOf(error: unknown): string {
  if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) return 'has stopped: run the command again';
  const isLate = isErrorNamed(error, 'TimeoutError') || isErrorNamed(error, 'AbortError');
  const failure = isLate
    ? `has not answered for ${MAX_ANSWER_MS / 1000} seconds`
    : `has closed the connection (${reasonOf(error)})`;
  return `${failure}, and may have made the change: list the users, or run the command again`;
}

async function jsonOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw unreadableAnswer();
  }
}

/** @returns the AuthError that the server has thrown, made from its reply */
function refusalIn({ statusCode = 0, headers }: IncomingMessage, body: unknown): Error {
  const code = String(headers['error-code']);
  if (!isErrorCode(code) || statusCode < 400) return unreadableAnswer();
  const description = stringMember(body, 'description');
  const error = stringMember(body, 'error');
  const reason = stringMember(body, 'reason');
  return new AuthError(code, {
    status: statusCode,
    ...(description !== undefined && { description }),
    ...(error !== undefined && { error }),
    ...(reason !== undefined && { cause: new Error(reason) }),
  });
}

function isErrorCode(code: string): code is AuthErrorCode {
  return ROW_BY_CODE.has(code);
}

function unreadableAnswer(): CommandError {
  const remedy = 'use the version of the running server, or restart it';
  return new CommandError(`the answer of the server cannot be read: ${remedy}`);
}
