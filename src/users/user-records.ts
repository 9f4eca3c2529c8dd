/** Users as records of a journal: the format of `users.jsonl`. */
import { describe } from '../values.ts';
import type { JournalRecord, RecordFormat } from '../journal/record-format.ts';
import { copyOf, USER_FIELDS, type User } from './store.ts';

/** `insert` makes a user. `update` replaces one that exists. */
export const USER_RECORDS: RecordFormat<User> = {
  name: 'latchkey-users',
  version: 1,

  apply(record, users) {
    const { op, id, username, passwordHash, createdAt } = record;
    const isKnown = op === 'insert' || op === 'update';
    if (!isKnown || Object.keys(record).length !== 1 + USER_FIELDS.length) return 'is not a user';
    if (typeof id !== 'string' || typeof username !== 'string') return 'is not a user';
    if (typeof passwordHash !== 'string' || typeof createdAt !== 'string') return 'is not a user';
    if (op === 'insert' && users.has(id)) return 'inserts a user that exists already';
    if (op === 'update' && !users.has(id)) return 'updates a user that does not exist';
    users.set(id, copyOf({ id, username, passwordHash, createdAt }));
    return undefined;
  },

  recordOf: (user) => userRecord('insert', user),
};

/** @throws TypeError if a member is not a string */
export function userRecord(op: 'insert' | 'update', user: User): JournalRecord {
  for (const name of USER_FIELDS) {
    if (typeof user[name] === 'string') continue;
    throw new TypeError(`"${name}" expected a string, got ${describe(user[name])}`);
  }
  return { op, ...copyOf(user) };
}
