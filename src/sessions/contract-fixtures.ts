/** What the tests of the suite for session stores share: records, changes of them, assertions. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Session, SessionRecord, SessionStore } from './store.ts';

/**
 * User ids that break stores which use plain objects, patterns, SQL without parameters, lines of
 * JSON, or lengths in bytes. If the identity of a user is not a string, the id is its JSON text.
 */
export const ODD_IDS: readonly string[] = [
  '',
  '__proto__',
  'constructor',
  'toString',
  "'; drop table sessions; --",
  '%_',
  '1',
  '01',
  '"1"',
  '{"id":"joe"}',
  '\\n',
  'ñandú',
  '名前',
  'עברית',
  '\u0345',
  '𐐨',
  '𐐨'.repeat(500),
];

export async function assertStored(
  store: SessionStore,
  userId: string,
  record: SessionRecord,
): Promise<void> {
  assert.deepEqual(membersOf(await store.find(userId)), record, `finds the record of ${userId}`);
}

/** Like `assertStored`, without a message of many pages if they differ. */
export async function assertStoredBig(
  store: SessionStore,
  userId: string,
  record: SessionRecord,
): Promise<void> {
  const isSame = isDeepStrictEqual(membersOf(await store.find(userId)), record);
  assert.ok(isSame, `finds all ${record.sessions.length} sessions of ${userId}`);
}

/** @returns a plain copy, because a store may return instances of classes */
export function membersOf(record: SessionRecord | undefined): SessionRecord | undefined {
  return record && { ...record, sessions: record.sessions.map((session) => ({ ...session })) };
}

export function sessionWith(id: string): Session {
  return {
    id,
    generation: 0,
    isUsed: false,
    isRefreshable: true,
    startedAt: 1_700_000_000,
    refreshedAt: 1_700_000_000,
    endsAt: 1_702_592_000,
    agent: 'Mozilla/5.0 (X11; Linux x86_64)',
  };
}

export function recordWith(version: number, id = 'dGhlIGlkIG9mIGEgc2Vzc2lvbg'): SessionRecord {
  return { version, endedAt: 1_600_000_000, sessions: [sessionWith(id), sessionWith(`${id}-2`)] };
}

/** The most sessions of one user by default: 50 with refresh tokens, and 500 without. */
export function bigRecord(version: number): SessionRecord {
  const agent = '\\"'.repeat(100);
  const sessions = Array.from({ length: 550 }, (_, index) => {
    return { ...sessionWith(`dGhlIGlkIG9mIGEgc2Vzc2l${1000 + index}`), agent };
  });
  return { version, endedAt: 0, sessions };
}

export function spoil(record: SessionRecord | undefined): void {
  spoilSession(record);
  Object.assign(record ?? {}, { version: 7, endedAt: 7, sessions: [] });
}

export function spoilSession(record: SessionRecord | undefined): void {
  Object.assign(record?.sessions[0] ?? {}, { id: 'other', generation: 7, isUsed: true });
}

export function ignoreTypeError(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
