/** Users as records of a journal: the format of `users.jsonl`. */
import { MAX_TIME_SECONDS } from '../options.ts';
import { describe } from '../values.ts';
import type { JournalRecord, RawRecord, RecordFormat } from '../journal/record-format.ts';
import { inserted, removed, updated, type RemovedUser, type StoredUser } from './stored-user.ts';
import { copyOf, USER_FIELDS, withValidAfter, type User } from './store.ts';

/** A user whose members are not checked yet. */
type MaybeUser = { readonly [Name in keyof User]?: unknown };

/** `op` and the members that every user has. */
const USER_MEMBER_COUNT = 1 + USER_FIELDS.length;
/** `op`, `id` and `removedAt`. */
const REMOVAL_MEMBER_COUNT = 3;

/**
 * Version 2 of the format knows `remove` and `validAfter`. A file that has had neither stays a file
 * of version 1, which latchkey 0.1 reads.
 *
 * `insert` creates a user. `update` replaces a user that exists. `remove` leaves the name of a user
 * with the time of its removal; in a compacted file it is the first record of the name. Times are
 * text, as `createdAt` is, so that all members are strings.
 */
export const USER_RECORDS: RecordFormat<StoredUser> = {
  name: 'latchkey-users',
  version: 2,
  olderVersions: {
    oldest: 1,
    versionOf: (record) =>
      record['op'] === 'remove' || Object.hasOwn(record, 'validAfter') ? 2 : 1,
  },
  hasOnlyStrings: true,

  apply(record, users) {
    const { op } = record;
    if (op === 'remove') return applyRemoval(record, users);
    if (op !== 'insert' && op !== 'update') return 'has an unknown op';
    const user = readUser(record, op);
    if (typeof user === 'string') return user;
    const stored = users.get(user.id);
    const next = op === 'insert' ? inserted(stored, user) : updated(stored, user, undefined);
    if (next === undefined) {
      return op === 'insert'
        ? 'inserts a user that exists already'
        : 'updates a user that does not exist';
    }
    users.set(user.id, next);
    return undefined;
  },

  recordOf: (stored) =>
    stored.passwordHash === undefined ? removalRecord(stored) : userRecord('insert', stored),
};

/** @returns the user of an insert or update, or why the record is refused */
function readUser(record: RawRecord, op: 'insert' | 'update'): User | string {
  // An update changes no `validAfter`, so it names none.
  const hasValidAfter = op === 'insert' && Object.hasOwn(record, 'validAfter');
  const count = USER_MEMBER_COUNT + Number(hasValidAfter);
  if (Object.keys(record).length !== count) return 'does not have exactly the members of a user';
  const wrong = fieldWithoutString(record);
  if (wrong !== undefined) return `has no string as "${wrong}"`;
  const user = record as JournalRecord & User; // the checks above make it one
  if (!hasValidAfter) return withValidAfter(user, undefined);
  const validAfter = secondsIn(record['validAfter']);
  return validAfter === undefined
    ? 'has a "validAfter" that is not a time in whole seconds'
    : withValidAfter(user, validAfter);
}

function applyRemoval(record: RawRecord, users: Map<string, StoredUser>): string | undefined {
  const { id, removedAt: removedAtText } = record;
  if (Object.keys(record).length !== REMOVAL_MEMBER_COUNT) {
    return 'does not have exactly the members of a removal';
  }
  if (typeof id !== 'string') return 'has no string as "id"';
  const removedAt = secondsIn(removedAtText);
  if (removedAt === undefined) return 'has a "removedAt" that is not a time in whole seconds';
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
  if (op === 'update' || validAfter === undefined) return { op, ...own };
  return { op, ...own, validAfter: timeTextOf(validAfter) };
}

export function removalRecord({ id, validAfter }: RemovedUser): JournalRecord {
  return { op: 'remove', id, removedAt: timeTextOf(validAfter) };
}

/** @returns the first member that is not a string, or undefined */
function fieldWithoutString(user: MaybeUser): (typeof USER_FIELDS)[number] | undefined {
  return USER_FIELDS.find((name) => typeof user[name] !== 'string');
}

/**
 * @param seconds whole seconds since 1970
 * @returns the time as a record has it, in the form of `createdAt`
 */
export function timeTextOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** @returns the seconds of a text that `timeTextOf` wrote; undefined for any other value */
export function secondsIn(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const seconds = Date.parse(text) / 1000;
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > MAX_TIME_SECONDS) return undefined;
  return timeTextOf(seconds) === text ? seconds : undefined;
}
