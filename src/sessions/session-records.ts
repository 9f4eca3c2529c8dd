/** Session records as records of a journal: the format of `sessions.jsonl`. */
import { readRecord } from './record-check.ts';
import type { JournalRecord, RecordFormat } from '../journal/record-format.ts';
import type { SessionRecord } from './store.ts';

/**
 * A line `put` holds all sessions of one user, and replaces the line of the user before it.
 * @param now the clock, in seconds since 1970. A compaction or a copy of the file leaves out the
 *   sessions that have reached their absolute end. Otherwise those of users who never come back
 *   would stay in the file forever.
 */
export function sessionRecordFormat(now: () => number): RecordFormat<SessionRecord> {
  return {
    name: 'latchkey-sessions',
    version: 1,
    hasOnlyStrings: false,

    apply({ op, userId, ...members }, records) {
      if (op !== 'put') return 'has an unknown op';
      if (typeof userId !== 'string') return 'has no string as "userId"';
      const record = readRecord(members);
      if (typeof record === 'string') return record;
      // Versions may skip: compaction and an operator remove lines. They must grow: a repeated or
      // older line would bring back ended sessions.
      const isNewer = record.version > (records.get(userId)?.version ?? 0);
      if (!isNewer) return 'does not have a newer version than the record before it';
      records.set(userId, record);
      return undefined;
    },

    recordOf(record, userId) {
      const time = now();
      const sessions = record.sessions.filter(({ endsAt }) => endsAt > time);
      return putRecord(userId, { ...record, sessions });
    },
  };
}

/** @param record one that `readRecord` returned */
export function putRecord(userId: string, record: SessionRecord): JournalRecord {
  return { op: 'put', userId, ...record };
}
