/** Users as rows: the columns of the two tables, and the check of each row that is read. */
import { checkMembers, type Row } from '../postgres/client.ts';
import { wrongRow } from '../postgres/database.ts';
import { isStorable, storableText } from '../postgres/text.ts';
import { USER_FIELDS, type RemovedName, type User } from './store.ts';

/** The columns in the order of USER_FIELDS. */
export const COLUMNS: string = 'id, username, password_hash, created_at';
export const COLUMN_TYPES: string = [
  'id text PRIMARY KEY',
  'username text NOT NULL',
  'password_hash text NOT NULL',
  'created_at text NOT NULL',
].join(', ');
/** `removed_at` is in seconds since 1970. */
export const REMOVED_COLUMN_TYPES: string = 'id text PRIMARY KEY, removed_at bigint NOT NULL';

/** The members of each row that `find` and `list` read. */
const ROW_MEMBERS = COLUMNS.split(', ');
export const SELECTED: string = ROW_MEMBERS.map((column) => `users.${column}`).join(', ');
export const VALID_AFTER: string = 'CAST(removed.removed_at AS text) AS valid_after';

const REMOVED_MEMBERS = ['id', 'removed_at'];
/** The columns that `listRemoved` reads. */
export const SELECTED_REMOVED: string =
  'removed.id, CAST(removed.removed_at AS text) AS removed_at';

/** The text that the cast of a time returns. */
const SECONDS_TEXT = /^\d{1,12}$/;

/** @returns the members in the order of COLUMNS */
export function valuesOf(user: User): string[] {
  return USER_FIELDS.map((name) => storableText(name, user[name]));
}

/**
 * Checks the row, because the columns may have any type. In a column of another type, such as
 * char(9), the database may find a row for an id that differs from the stored one.
 * @param id what the row must have as id
 */
export function userOf(row: Row, id: unknown): User {
  checkMembers(row, ROW_MEMBERS);
  const { username, password_hash: passwordHash, created_at: createdAt } = row;
  const isSameId = row['id'] === id && isStorable(id);
  if (isSameId && isStorable(username) && isStorable(passwordHash) && isStorable(createdAt)) {
    const user = { id, username, passwordHash, createdAt };
    const { valid_after: validAfter } = row;
    // It is null for a name that was never removed, and undefined without the table of these names.
    return validAfter === null || validAfter === undefined
      ? user
      : { ...user, validAfter: secondsOf(validAfter) };
  }
  throw wrongRow('the columns of the users table are not all of the type text and not null');
}

/** Checks a row of the table of removed names. */
export function removedNameOf(row: Row): RemovedName {
  checkMembers(row, REMOVED_MEMBERS);
  const { id, removed_at: removedAt } = row;
  if (isStorable(id)) return { id, removedAt: secondsOf(removedAt) };
  throw wrongRow('the column "id" of the removed names is not of the type text');
}

/** @throws AuthError ERR_STORE: without the time, tokens of a removed user would be valid */
function secondsOf(value: unknown): number {
  if (typeof value === 'string' && SECONDS_TEXT.test(value)) return Number(value);
  throw wrongRow('the removed names have a "removed_at" that is not a time in whole seconds');
}
