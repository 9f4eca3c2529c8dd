/** Users as records of a journal: the format of `users.jsonl`. */
import { describe } from '../values.ts';
import type { JournalRecord, RecordFormat } from '../journal/record-format.ts';
import { copyOf, USER_FIELDS, type User } from './store.ts';

/** A user whose members are not checked yet. */
type MaybeUser = { readonly [Name in keyof User]?: unknown };

/** `op` and the members of a user. */
const MEMBER_COUNT = 1 + USER_FIELDS.length;

const HAS_OTHER_MEMBERS = 'does not have exactly the members of a user';

/** `insert` creates a user. `update` replaces a user that exists. */
export const USER_RECORDS: RecordFormat<User> = {
  name: 'latchkey-users',
  version: 1,
  hasOnlyStrings: true,

  apply(record, users) {
    const { op } = record;
    if (op !== 'insert' && op !== 'update') return 'has an unknown op';
    if (Object.keys(record).length !== MEMBER_COUNT) return HAS_OTHER_MEMBERS;
    const wrong = fieldWithoutString(record);
    if (wrong !== undefined) return `has no string as "${wrong}"`;
    const user = copyOf(record as JournalRecord & User); // the checks above make it one
    if (op === 'insert' && users.has(user.id)) return 'inserts a user that exists already';
    if (op === 'update' && !users.has(user.id)) return 'updates a user that does not exist';
    users.set(user.id, user);
    return undefined;
  },

  recordOf: (user) => userRecord('insert', user),
};

/** @throws TypeError if a member is not a string */
export function userRecord(op: 'insert' | 'update', user: User): JournalRecord {
  // The user may be an instance of a class, whose members are getters.
  const own = copyOf(user);
  const wrong = fieldWithoutString(own);
  if (wrong !== undefined) {
    throw new TypeError(`"${wrong}" expected a string, got ${describe(own[wrong])}`);
  }
  return { op, ...own };
}

/** @returns the first member that is not a string, or undefined */
function fieldWithoutString(user: MaybeUser): keyof User | undefined {
  return USER_FIELDS.find((name) => typeof user[name] !== 'string');
}
