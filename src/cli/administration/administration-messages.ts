/**
 * The messages between `latchkey users` and a running server. Each is a JSON object. The other end
 * may be of another version, so each member is checked.
 * A function `read...` returns undefined for a value that is not such a message.
 */

import type { PublicUser, RemovedName, User } from '../../users/store.ts';
import { ownMember } from '../../values.ts';
import type { ListedUser, LoggedOutPage, UserChange } from './user-administration.ts';

/**
 * The name of a request, which is also its path: `add` is sent as `POST /add`. The log has the
 * names of `AdministrationAction` instead, because an action may take several requests.
 */
export type AdministrationRequest =
  | 'list'
  | 'add'
  | 'set-password'
  | 'disable'
  | 'enable'
  | 'remove'
  | 'logout'
  | 'logout-page'
  | 'export-users'
  | 'export-user'
  | 'export-removed-names'
  | 'import-user'
  | 'import-removed-name';

export function stringMember(message: unknown, name: string): string | undefined {
  const value = ownMember(message, name);
  return typeof value === 'string' ? value : undefined;
}

function numberMember(message: unknown, name: string): number | undefined {
  const value = ownMember(message, name);
  return typeof value === 'number' ? value : undefined;
}

function booleanMember(message: unknown, name: string): boolean | undefined {
  const value = ownMember(message, name);
  return typeof value === 'boolean' ? value : undefined;
}

export function readPublicUser(value: unknown): PublicUser | undefined {
  const id = stringMember(value, 'id');
  const username = stringMember(value, 'username');
  const createdAt = stringMember(value, 'createdAt');
  if (id === undefined || username === undefined || createdAt === undefined) return undefined;
  return { id, username, createdAt };
}

export function readListedUser(value: unknown): ListedUser | undefined {
  const user = readPublicUser(value);
  const isDisabled = booleanMember(value, 'isDisabled');
  if (user === undefined || isDisabled === undefined) return undefined;
  return { ...user, isDisabled };
}

export function readUserMessage(value: unknown): User | undefined {
  const user = readPublicUser(value);
  const passwordHash = stringMember(value, 'passwordHash');
  if (user === undefined || passwordHash === undefined) return undefined;
  const { id, username, createdAt } = user;
  const read = { id, username, passwordHash, createdAt };
  if (ownMember(value, 'validAfter') === undefined) return read;
  const validAfter = numberMember(value, 'validAfter');
  return validAfter === undefined ? undefined : { ...read, validAfter };
}

export function readNameMessage(value: unknown): RemovedName | undefined {
  const id = stringMember(value, 'id');
  const removedAt = numberMember(value, 'removedAt');
  return id === undefined || removedAt === undefined ? undefined : { id, removedAt };
}

export function readUserChange(value: unknown): UserChange | undefined {
  const id = stringMember(value, 'id');
  const sessions = stringMember(value, 'sessions');
  if (id === undefined || (sessions !== 'ended' && sessions !== 'none')) return undefined;
  return { id, sessions };
}

/** @returns a function that reads a message `{ [name]: [...] }`, item by item */
export function listReader<T>(
  name: string,
  readItem: (value: unknown) => T | undefined,
): (message: unknown) => readonly T[] | undefined {
  return (message) => {
    const list = ownMember(message, name);
    if (!Array.isArray(list)) return undefined;
    const items = list.map(readItem);
    const isRead = (item: T | undefined): item is T => item !== undefined;
    return items.every(isRead) ? items : undefined;
  };
}

/** Reads `{ "isDone": true }`. */
export function readDone(message: unknown): boolean | undefined {
  return booleanMember(message, 'isDone');
}

export function readLoggedOutPage(message: unknown): LoggedOutPage | undefined {
  const count = numberMember(message, 'count');
  return count === undefined ? undefined : { count, next: stringMember(message, 'next') };
}
