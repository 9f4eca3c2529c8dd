/** Session records as records of a journal: the format of `sessions.jsonl`. */
import { readRecord } from './record-check.ts';
import type { JournalRecord, RecordFormat } from '../journal/record-format.ts';
import type { SessionRecord } from './store.ts';

/** `put` holds all sessions of one user, and replaces the record before it. */
export const SESSION_RECORDS: RecordFormat<SessionRecord> = {
  name: 'latchkey-sessions',
  version: 1,
  hasOnlyStrings: false,

  apply({ op, userId, ...members }, records) {
    if (op !== 'put') return 'has an unknown op';
    if (typeof userId !== 'string') return 'has no string as "userId"';
    const record = readRecord(members);
    if (typeof record === 'string') return record;
    // A line may be missing, because the first record of a compacted file has any version, and an
    // operator may remove lines. A line that comes twice, or too late, would bring back sessions.
    const isNewer = record.version > (records.get(userId)?.version ?? 0);
    if (!isNewer) return 'does not have a newer version than the record before it';
    records.set(userId, record);
    return undefined;
  },

  recordOf: (record, userId) => putRecord(userId, record),
};

/** @param record one that `readRecord` returned */
export function putRecord(userId: string, record: SessionRecord): JournalRecord {
  return { op: 'put', userId, ...record };
}
