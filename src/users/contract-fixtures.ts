/** What all parts of the suite for user stores share. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe } from '../values.ts';
import type { User, UserStore } from './store.ts';

export type OpenStore = () => UserStore | Promise<UserStore>;

/** Declares one test with a new store, which is closed after the test. */
export type Contract = (
  title: string,
  body: (store: UserStore, context: TestContext) => Promise<void>,
) => void;

type RemovingStore = UserStore & Required<Pick<UserStore, 'remove'>>;

/** The beginning of the titles of all tests of `remove`. */
export const REMOVAL = 'remove, if the store has it';
/** Why they are skipped. */
export const NO_REMOVAL = 'the store has no method remove';

/** The years 2001 and 2033, as values of `removedAt` and `validAfter`. */
export const EARLY = 1_000_000_000;
export const LATE = 2_000_000_000;

/**
 * Ids that break stores which use plain objects, patterns, SQL without parameters, lines of JSON,
 * or lengths in bytes.
 */
export const ODD_IDS: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  "'; drop table users; --",
  '%_',
  '{"id":"joe"}',
  '\\n',
  'ñandú',
  'żółć',
  '名前',
  'עברית',
  '\u0345',
  '𐐨',
  'x'.repeat(80),
  '𐐨'.repeat(80),
];

/** Asserts that the store finds exactly this user under its id. */
export async function assertStored(store: UserStore, user: User | undefined): Promise<void> {
  assert.ok(user !== undefined, 'no write returned true');
  const found = await store.find(user.id);
  assert.deepEqual(found && membersOf(found), user, `finds ${user.id}`);
}

/**
 * @returns a plain copy, because a store may return an instance of a class. A `validAfter` that is
 *   undefined is left out.
 */
export function membersOf(user: User): User {
  const { validAfter, ...members } = { ...user };
  return validAfter === undefined ? members : { ...members, validAfter };
}

export function userWith(id: string, passwordHash = 'a hash'): User {
  return { id, username: id.toUpperCase(), passwordHash, createdAt: '2026-01-02T03:04:05.678Z' };
}

export function joeWith(passwordHash: string, validAfter?: number): User {
  const user = userWith('joe', passwordHash);
  return validAfter === undefined ? user : { ...user, validAfter };
}

export function hasRemove(store: UserStore): store is RemovingStore {
  return store.remove !== undefined;
}

/** @returns a function that declares one test of `remove` */
export function removalOf(contract: Contract) {
  return (title: string, body: (store: RemovingStore) => Promise<void>): void =>
    contract(`${REMOVAL}: ${title}`, async (store, context) => {
      if (!hasRemove(store)) return context.skip(NO_REMOVAL);
      await body(store);
    });
}

/** Asserts that a call refuses an argument of a wrong type or out of bounds. */
export async function assertRefused(
  name: string,
  argument: unknown,
  call: () => unknown,
): Promise<void> {
  const isArgumentError = (error: unknown) => {
    return error instanceof TypeError || error instanceof RangeError;
  };
  await assert.rejects(async () => call(), isArgumentError, `${name}: ${describe(argument)}`);
}
