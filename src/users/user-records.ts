/** Users as records of a journal: the format of `users.jsonl`. */
import { describe } from '../values.ts';
import type { JournalRecord, RawRecord, RecordFormat } from '../journal/record-format.ts';
import { inserted, removed, updated, type RemovedUser, type StoredUser } from './stored-user.ts';
import { copyOf, USER_FIELDS, type User } from './store.ts';

/** A user whose members are not checked yet. */
type MaybeUser = { readonly [Name in keyof User]?: unknown };

const HAS_OTHER_MEMBERS = 'does not have exactly the members of a user';

/**
 * `insert` creates a user. `update` replaces a user that exists. `remove` leaves the name of a user
 * with the second of its removal; in a compacted file it is the first record of the name. Times are
 * text, as `createdAt` is, so that all members are strings.
 */
export const USER_RECORDS: RecordFormat<StoredUser> = {
  name: 'latchkey-users',
  version: 1,
  hasOnlyStrings: true,

  apply(record, users) {
    if (record['op'] === 'remove') return applyRemoval(record, users);
    const { op, validAfter: validAfterText, ...members } = record;
    if (op !== 'insert' && op !== 'update') return 'has an unknown op';
    const hasValidAfter = Object.hasOwn(record, 'validAfter');
    if (hasValidAfter && op === 'update') return HAS_OTHER_MEMBERS;
    if (Object.keys(members).length !== USER_FIELDS.length) return HAS_OTHER_MEMBERS;
    const wrong = fieldWithoutString(members);
    if (wrong !== undefined) return `has no string as "${wrong}"`;
    const validAfter = hasValidAfter ? secondIn(validAfterText) : undefined;
    if (hasValidAfter && validAfter === undefined) return 'has no second as "validAfter"';
    const user = copyOf(members as unknown as User); // the checks above make it one
    const stored = users.get(user.id);
    if (op === 'update') {
      const next = updated(stored, user, undefined);
      if (next === undefined) return 'updates a user that does not exist';
      users.set(user.id, next);
      return undefined;
    }
    const next = inserted(stored, validAfter === undefined ? user : { ...user, validAfter });
    if (next === undefined) return 'inserts a user that exists already';
    users.set(user.id, next);
    return undefined;
  },

  recordOf: (stored) =>
    stored.passwordHash === undefined ? removalRecord(stored) : userRecord('insert', stored),
};

function applyRemoval(record: RawRecord, users: Map<string, StoredUser>): string | undefined {
  const { id, removedAt: removedAtText } = record;
  if (Object.keys(record).length !== 3) return 'does not have exactly the members of a removal';
  if (typeof id !== 'string') return 'has no string as "id"';
  const removedAt = secondIn(removedAtText);
  if (removedAt === undefined) return 'has no second as "removedAt"';
  const stored = users.get(id);
  const next = stored === undefined
    ? Object.freeze({ id, validAfter: removedAt })
    : removed(stored, removedAt);
  if (next === undefined) return 'removes a user that is removed already';
  users.set(id, next);
  return undefined;
}

/** @throws TypeError if a member is not a string */
export function userRecord(op: 'insert' | 'update', user: User): JournalRecord {
  // The user may be an instance of a class, whose members are getters.
  const { validAfter, ...own } = copyOf(user);
  const wrong = fieldWithoutString(own);
  if (wrong !== undefined) {
    throw new TypeError(`"${wrong}" expected a string, got ${describe(own[wrong])}`);
  }
  // An update changes no `validAfter`, so it names none.
  if (op === 'update' || validAfter === undefined) return { op, ...own };
  return { op, ...own, validAfter: textOf(validAfter) };
}

export function removalRecord({ id, validAfter }: RemovedUser): JournalRecord {
  return { op: 'remove', id, removedAt: textOf(validAfter) };
}

/** @returns the first member that is not a string, or undefined */
function fieldWithoutString(user: MaybeUser): (typeof USER_FIELDS)[number] | undefined {
  return USER_FIELDS.find((name) => typeof user[name] !== 'string');
}

/** @param seconds whole seconds since 1970 */
function textOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** @returns the seconds of a text that `textOf` wrote; undefined for any other value */
function secondIn(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const seconds = Date.parse(text) / 1000;
  const isSecond = Number.isSafeInteger(seconds) && seconds >= 0 && textOf(seconds) === text;
  return isSecond ? seconds : undefined;
}
