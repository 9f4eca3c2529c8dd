/** Session stores that look right and are not. The suite must fail each of them but the first. */
import { setImmediate } from 'node:timers/promises';
import { testSessionStore } from '../../../src/sessions/contract.ts';
import { MemorySessionStore } from '../../../src/sessions/memory.ts';
import {
  copyOfRecord,
  mayReplaceRecord,
  type SessionRecord,
  type SessionStore,
} from '../../../src/sessions/store.ts';

type Records = Map<string, SessionRecord>;

const set = (records: Records, userId: string, record: SessionRecord): boolean =>
  records.set(userId, record).size > 0;

const right = (records: Records): SessionStore => ({
  find: async (userId) => records.get(userId),
  put: async (userId, record) =>
    mayReplaceRecord(records.get(userId), record) && set(records, userId, copyOfRecord(record)),
});

const putting = (
  records: Records,
  accepts: (stored: SessionRecord | undefined, record: SessionRecord) => boolean,
): SessionStore => ({
  ...right(records),
  put: async (userId, record) =>
    accepts(records.get(userId), record) && set(records, userId, copyOfRecord(record)),
});

/** Keeps each record after it was changed in this way. */
const keeping = (
  records: Records,
  change: (record: SessionRecord) => SessionRecord,
): SessionStore => ({
  ...right(records),
  put: async (userId, record) =>
    mayReplaceRecord(records.get(userId), record) &&
    set(records, userId, copyOfRecord(change(record))),
});

const stores: Record<string, (records: Records) => SessionStore> = {
  right,
  'takes any first version': (records) =>
    putting(records, (stored, record) => stored === undefined || mayReplaceRecord(stored, record)),
  'takes any newer version': (records) =>
    putting(records, (stored, { version }) =>
      stored === undefined ? version === 1 : version > stored.version),
  'takes a version again': (records) =>
    putting(records, (stored, record) =>
      stored?.version === record.version || mayReplaceRecord(stored, record)),
  'starts again': (records) =>
    putting(records, (stored, record) =>
      record.version === 1 || mayReplaceRecord(stored, record)),
  'counts to 2^32': (records) =>
    putting(records, (stored, record) =>
      mayReplaceRecord(stored, { ...record, version: record.version % 2 ** 32 })),
  'two steps': (records) => ({
    ...right(records),
    async put(userId, record) {
      const own = copyOfRecord(record);
      const isNext = mayReplaceRecord(records.get(userId), own);
      await setImmediate();
      return isNext && set(records, userId, own);
    },
  }),
  'shows the fourth late': (records) => {
    const versions = new Map<string, number>();
    return {
      ...right(records),
      async put(userId, record) {
        if (record.version !== (versions.get(userId) ?? 0) + 1) return false;
        versions.set(userId, record.version);
        const own = copyOfRecord(record);
        if (record.version < 4) return set(records, userId, own);
        void setImmediate().then(() => records.set(userId, own));
        return true;
      },
    };
  },
  'writes all back': () => {
    let records: ReadonlyMap<string, SessionRecord> = new Map();
    const versions = new Map<string, number>();
    return {
      find: (userId) => records.get(userId),
      async put(userId, record) {
        if (record.version !== (versions.get(userId) ?? 0) + 1) return false;
        versions.set(userId, record.version);
        const all = new Map(records).set(userId, copyOfRecord(record));
        await setImmediate();
        // This drops the records of other users that were put meanwhile.
        records = all;
        return true;
      },
    };
  },
  'folds case': (records) => ({
    ...right(records),
    find: async (userId) => records.get(userId.toLowerCase()) ?? records.get(userId),
  }),
  'plain object': () => {
    const records: Record<string, SessionRecord> = {};
    return {
      find: (userId) => records[userId],
      put(userId, record) {
        const stored = Object.hasOwn(records, userId) ? records[userId] : undefined;
        if (!mayReplaceRecord(stored, record)) return false;
        records[userId] = copyOfRecord(record);
        return true;
      },
    };
  },
  'keys as numbers': (records) => {
    const store = right(records);
    const keyOf = (userId: string) => (/^\d+$/.test(userId) ? `${Number(userId)}` : userId);
    return {
      find: (userId) => store.find(keyOf(userId)),
      put: (userId, record) => store.put(keyOf(userId), record),
    };
  },
  'sorts sessions': (records) =>
    keeping(records, (record) => {
      const byId = (left: { id: string }, right: { id: string }) => (left.id < right.id ? -1 : 1);
      return { ...record, sessions: record.sessions.toSorted(byId) };
    }),
  'whole seconds': (records) =>
    keeping(records, (record) => ({ ...record, endedAt: Math.floor(record.endedAt) })),
  'drops quotes': (records) =>
    keeping(records, (record) => {
      const sessions = record.sessions.map((session) => {
        return { ...session, agent: session.agent.replaceAll('"', '') };
      });
      return { ...record, sessions };
    }),
  'keeps 500 sessions': (records) =>
    keeping(records, (record) => ({ ...record, sessions: record.sessions.slice(0, 500) })),
  'keeps what it was given': (records) => ({
    ...right(records),
    put: async (userId, record) =>
      mayReplaceRecord(records.get(userId), record) && set(records, userId, record),
  }),
  'copies too late': (records) => ({
    ...right(records),
    async put(userId, record) {
      await setImmediate();
      const isNext = mayReplaceRecord(records.get(userId), record);
      return isNext && set(records, userId, copyOfRecord(record));
    },
  }),
  'gives away what it keeps': (records) => ({
    ...right(records),
    put: async (userId, record) =>
      mayReplaceRecord(records.get(userId), record) &&
      set(records, userId, structuredClone(record)),
  }),
  'copies one level': (records) => ({
    ...right(records),
    put: async (userId, record) =>
      mayReplaceRecord(records.get(userId), record) &&
      set(records, userId, Object.freeze({ ...record, sessions: [...record.sessions] })),
  }),
  'changes what it gave away': (records) => ({
    find: async (userId) => records.get(userId),
    async put(userId, record) {
      const stored = records.get(userId);
      if (!mayReplaceRecord(stored, record)) return false;
      if (stored === undefined) return set(records, userId, structuredClone(record));
      Object.assign(stored, structuredClone(record));
      return true;
    },
  }),
  'check never succeeds': (records) => ({
    ...right(records),
    check: async () => Promise.reject(new Error('cannot be used')),
  }),
  'check puts a record': (records) => ({
    ...right(records),
    check() {
      records.set('', { version: 1, endedAt: 0, sessions: [] });
    },
  }),
};

for (const [name, store] of Object.entries(stores))
  testSessionStore(name, { open: () => store(new Map()) });
testSessionStore('forgets', {
  open: () => new MemorySessionStore(),
  reopen: () => new MemorySessionStore(),
});

let records: Records = new Map();
testSessionStore('loses the last', {
  open: () => right((records = new Map())),
  reopen: () => {
    records.delete([...records.keys()].at(-1) ?? '');
    return right(records);
  },
});
