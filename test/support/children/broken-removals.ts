/**
 * Stores whose optional methods look right and are not. The suite must fail each of them but the
 * first.
 */
import { setImmediate } from 'node:timers/promises';
import { testUserStore } from '../../../src/users/contract.ts';
import { MemoryUserStore } from '../../../src/users/memory.ts';
import {
  checkPage,
  mayChange,
  type RemovedName,
  type User,
  type UserStore,
} from '../../../src/users/store.ts';
import {
  inserted,
  removed,
  removedNameIn,
  updated,
  userIn,
  type StoredUser,
} from '../../../src/users/stored-user.ts';
import { compareCodePoints } from '../../../src/users/sorted-ids.ts';

type Users = Map<string, StoredUser>;
type WholeStore =
  & UserStore
  & Required<Pick<UserStore, 'remove' | 'list' | 'listRemoved' | 'check'>>;

const put = (users: Users, user: StoredUser | undefined): boolean =>
  user !== undefined && users.set(user.id, user).size > 0;

function pageOf(
  users: Users,
  after: string | undefined,
  limit: number,
  compare = compareCodePoints,
): User[] {
  const all = [...users.values()].flatMap((stored) => userIn(stored) ?? []);
  return sortedPage(all, after, limit, compare);
}

function removedPageOf(users: Users, after: string | undefined, limit = 100): RemovedName[] {
  checkPage(after, limit);
  const all = [...users.values()].flatMap((stored) => removedNameIn(stored) ?? []);
  return sortedPage(all, after, limit, compareCodePoints);
}

function sortedPage<Entry extends { readonly id: string }>(
  all: Entry[],
  after: string | undefined,
  limit: number,
  compare: (left: string, right: string) => number,
): Entry[] {
  const behind = all.filter(({ id }) => after === undefined || compare(id, after) > 0);
  return behind.sort((left, right) => compare(left.id, right.id)).slice(0, limit);
}

const right = (users: Users): WholeStore => ({
  find: async (id) => userIn(users.get(id)),
  insert: async (user) => put(users, inserted(users.get(user.id), user)),
  update: async (user, hash) => put(users, updated(users.get(user.id), user, hash)),
  remove: async (id, removedAt, hash) => put(users, removed(users.get(id), removedAt, hash)),
  list: async (after, limit = 100) => {
    checkPage(after, limit);
    return pageOf(users, after, limit);
  },
  listRemoved: async (after, limit) => removedPageOf(users, after, limit),
  check: async () => undefined,
});

const byUnits = (left: string, right: string): number =>
  left < right ? -1 : Number(left > right);

const stores: Record<string, (users: Users) => UserStore> = {
  right,
  'removes what is not there': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) => {
      return put(users, removed(users.get(id), removedAt, hash)) || true;
    },
  }),
  'removes in two steps': (users) => ({
    ...right(users),
    async remove(id, removedAt, hash) {
      const next = removed(users.get(id), removedAt, hash);
      await setImmediate();
      return put(users, next);
    },
  }),
  'forgets the name': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) =>
      removed(users.get(id), removedAt, hash) !== undefined && users.delete(id),
  }),
  'moves the time back': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) => {
      const next = removed(users.get(id), removedAt, hash);
      return next !== undefined && put(users, { id, validAfter: removedAt ?? next.validAfter });
    },
  }),
  'counts milliseconds': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) => {
      const next = removed(users.get(id), removedAt, hash);
      return next !== undefined && put(users, { ...next, validAfter: removedAt ?? Date.now() });
    },
  }),
  'takes any time': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) => {
      const next = removed(users.get(id), undefined, hash);
      return next !== undefined && put(users, { id, validAfter: Number(removedAt) });
    },
  }),
  // A store that was written before `remove` had a third argument does that.
  'removes with any hash': (users) => ({
    ...right(users),
    remove: async (id, removedAt) => put(users, removed(users.get(id), removedAt)),
  }),
  'removal compares in two steps': (users) => ({
    ...right(users),
    async remove(id, removedAt, hash) {
      if (hash === undefined) return put(users, removed(users.get(id), removedAt));
      const isExpected = mayChange(userIn(users.get(id)), hash);
      await setImmediate();
      return isExpected && put(users, removed(users.get(id), removedAt));
    },
  }),
  'an empty hash is none for a removal': (users) => ({
    ...right(users),
    remove: async (id, removedAt, hash) =>
      put(users, removed(users.get(id), removedAt, hash || undefined)),
  }),
  'keeps the time of a removal that fails': (users) => ({
    ...right(users),
    async remove(id, removedAt, hash) {
      const stored = users.get(id);
      if (put(users, removed(stored, removedAt, hash))) return true;
      const user = userIn(stored);
      if (user !== undefined && removedAt !== undefined) {
        put(users, { ...user, validAfter: Math.max(removedAt, user.validAfter ?? 0) });
      }
      return false;
    },
  }),
  'expects a hash without its case': (users) => ({
    ...right(users),
    async remove(id, removedAt, hash) {
      const stored = userIn(users.get(id))?.passwordHash;
      const isSame = stored?.toLowerCase() === hash?.toLowerCase();
      return put(users, removed(users.get(id), removedAt, isSame ? stored : hash));
    },
  }),
  'update drops the time': (users) => ({
    ...right(users),
    async update(user, expectedHash) {
      if (!mayChange(userIn(users.get(user.id)), expectedHash)) return false;
      const { validAfter: _, ...own } = user;
      return put(users, own);
    },
  }),
  'update takes the time': (users) => ({
    ...right(users),
    async update(user, expectedHash) {
      const next = updated(users.get(user.id), user, expectedHash);
      return next !== undefined && put(users, { ...next, ...user });
    },
  }),
  'update brings a user back': (users) => ({
    ...right(users),
    async update(user, expectedHash) {
      const next = updated(users.get(user.id), user, expectedHash);
      await setImmediate();
      const isExpected = expectedHash === undefined ||
        mayChange(userIn(users.get(user.id)), expectedHash);
      return isExpected && put(users, next);
    },
  }),
  'insert ignores the time': (users) => ({
    ...right(users),
    async insert({ validAfter: _, ...user }) {
      return put(users, inserted(users.get(user.id), user));
    },
  }),
  'insert prefers its own time': (users) => ({
    ...right(users),
    async insert(user) {
      const next = inserted(users.get(user.id), user);
      return next !== undefined && put(users, { ...next, ...user });
    },
  }),
  'an insert beside a removal forgets the time': (users) => {
    const removing = new Set<string>();
    return {
      ...right(users),
      async remove(id, removedAt, hash) {
        const next = removed(users.get(id), removedAt, hash);
        if (next === undefined || removing.has(id)) return false;
        removing.add(id);
        users.delete(id);
        await setImmediate();
        removing.delete(id);
        return users.has(id) || put(users, next);
      },
    };
  },
  'lists by units': (users) => ({
    ...right(users),
    list: async (after, limit = 100) => {
      checkPage(after, limit);
      return pageOf(users, after, limit, byUnits);
    },
  }),
  'lists the id again': (users) => ({
    ...right(users),
    list: async (after, limit = 100) => {
      checkPage(after, limit);
      const all = pageOf(users, undefined, Infinity);
      return all.slice(Math.max(0, all.findIndex(({ id }) => id === after))).slice(0, limit);
    },
  }),
  'lists from an id that exists': (users) => ({
    ...right(users),
    list: async (after, limit = 100) => {
      checkPage(after, limit);
      const all = pageOf(users, undefined, Infinity);
      return all.slice(all.findIndex(({ id }) => id === after) + 1).slice(0, limit);
    },
  }),
  'lists a thousand': (users) => ({
    ...right(users),
    list: async (after, limit = 1000) => {
      checkPage(after, limit);
      return pageOf(users, after, limit);
    },
  }),
  'lists up to any limit': (users) => ({
    ...right(users),
    list: async (after, limit) => pageOf(users, after, limit ?? 100),
  }),
  'lists what it once had': (users) => {
    let copy: Users | undefined;
    return {
      ...right(users),
      list: async (after, limit = 100) => {
        checkPage(after, limit);
        copy ??= new Map(users);
        return pageOf(copy, after, limit);
      },
    };
  },
  'lists removed users': (users) => {
    const all: Users = new Map();
    return {
      ...right(users),
      insert: async (user) => {
        const next = inserted(users.get(user.id), user);
        return put(all, next) && put(users, next);
      },
      update: async (user, hash) => {
        const next = updated(users.get(user.id), user, hash);
        return put(all, next) && put(users, next);
      },
      list: async (after, limit = 100) => {
        checkPage(after, limit);
        return pageOf(all, after, limit);
      },
    };
  },
  'names all that ever were': (users) => {
    const all: Users = new Map();
    return {
      ...right(users),
      remove: async (id, removedAt, hash) => {
        const next = removed(users.get(id), removedAt, hash);
        return put(all, next) && put(users, next);
      },
      listRemoved: async (after, limit) => removedPageOf(all, after, limit),
    };
  },
  'names the last time': (users) => {
    const times = new Map<string, number>();
    return {
      ...right(users),
      remove: async (id, removedAt, hash) => {
        const isRemoved = put(users, removed(users.get(id), removedAt, hash));
        if (isRemoved && removedAt !== undefined) times.set(id, removedAt);
        return isRemoved;
      },
      listRemoved: async (after, limit) =>
        removedPageOf(users, after, limit)
          .map(({ id }) => ({ id, removedAt: times.get(id) ?? 0 })),
    };
  },
  'names without pages': (users) => ({
    ...right(users),
    listRemoved: async () => removedPageOf(users, undefined, 1000),
  }),
  'check never succeeds': (users) => ({
    ...right(users),
    check: async () => Promise.reject(new Error('cannot be used')),
  }),
  'check inserts a user': (users) => ({
    ...right(users),
    async check() {
      put(users, { id: 'joe', username: '', passwordHash: '', createdAt: '' });
    },
  }),
};

for (const [name, store] of Object.entries(stores))
  testUserStore(name, { open: () => store(new Map()) });

let users: Users = new Map();
testUserStore('keeps users alone', {
  open: () => right((users = new Map())),
  reopen: () => {
    const entries = [...users].filter(([, stored]) => userIn(stored) !== undefined);
    return right(new Map(entries));
  },
});
testUserStore('forgets', {
  open: () => new MemoryUserStore(),
  reopen: () => new MemoryUserStore(),
});
