/** Stores that look right and are not. The suite must fail each of them but the first. */
import { setImmediate } from 'node:timers/promises';
import { testUserStore } from '../../../src/users/contract.ts';
import { MemoryUserStore } from '../../../src/users/memory.ts';
import { mayChange, type User, type UserStore } from '../../../src/users/store.ts';

const put = (users: Map<string, User>, user: User): boolean => users.set(user.id, user).size > 0;

const right = (users: Map<string, User>): UserStore => ({
  find: async (id) => users.get(id),
  insert: async (user) => !users.has(user.id) && put(users, user),
  update: async (user, expectedHash) =>
    mayChange(users.get(user.id), expectedHash) && put(users, user),
});

const stores: Record<string, (users: Map<string, User>) => UserStore> = {
  right,
  'two steps': (users) => ({
    ...right(users),
    async insert(user) {
      const isTaken = users.has(user.id);
      await setImmediate(); // a value from a database may be old when it arrives
      return !isTaken && (users.has(user.id) || put(users, user));
    },
  }),
  'writes all back': () => {
    /** The user that each id has once all writes are done. */
    const latest = new Map<string, User>();
    let users: ReadonlyMap<string, User> = new Map();
    const write = async (user: User) => {
      latest.set(user.id, user);
      const all = new Map(users).set(user.id, user);
      await setImmediate();
      // This drops the users of other ids that were written meanwhile.
      users = new Map(all).set(user.id, latest.get(user.id) ?? user);
      return true;
    };
    return {
      find: (id) => users.get(id),
      insert: (user) => !latest.has(user.id) && write(user),
      update: (user, expectedHash) => mayChange(latest.get(user.id), expectedHash) && write(user),
    };
  },
  'update inserts': (users) => ({
    ...right(users),
    async update(user, expectedHash) {
      if (expectedHash === undefined) return put(users, user);
      return mayChange(users.get(user.id), expectedHash) && put(users, user);
    },
  }),
  // A store of version 0.1 does that.
  'ignores the hash': (users) => ({
    ...right(users),
    update: async (user) => users.has(user.id) && put(users, user),
  }),
  'compares in two steps': (users) => ({
    ...right(users),
    async update(user, expectedHash) {
      const isExpected = mayChange(users.get(user.id), expectedHash);
      if (expectedHash !== undefined) await setImmediate();
      return isExpected && put(users, user);
    },
  }),
  'shows it late': (users) => {
    /** Hashes that an update under way expects. No second update gets one of them. */
    const claimed = new Set<string>();
    return {
      ...right(users),
      async update(user, expectedHash) {
        const stored = users.get(user.id);
        const claim = `${stored?.passwordHash} of ${user.id}`;
        if (!mayChange(stored, expectedHash)) return false;
        if (expectedHash !== undefined && claimed.has(claim)) return false;
        if (expectedHash !== undefined) claimed.add(claim);
        await setImmediate();
        claimed.delete(claim);
        return put(users, user);
      },
    };
  },
  'an empty hash is none': (users) => ({
    ...right(users),
    update: async (user, expectedHash) =>
      mayChange(users.get(user.id), expectedHash || undefined) && put(users, user),
  }),
  'folds case': (users) => ({
    ...right(users),
    find: async (id) => users.get(id.toLowerCase()) ?? users.get(id),
  }),
  'plain object': () => {
    const users: Record<string, User> = {};
    const ownOf = (id: string) => (Object.hasOwn(users, id) ? users[id] : undefined);
    const set = (user: User) => {
      users[user.id] = user;
      return true;
    };
    return {
      find: (id) => users[id],
      insert: (user) => !Object.hasOwn(users, user.id) && set(user),
      update: (user, expectedHash) => mayChange(ownOf(user.id), expectedHash) && set(user),
    };
  },
};

for (const [name, store] of Object.entries(stores))
  testUserStore(name, { open: () => store(new Map()) });
testUserStore('forgets', {
  open: () => new MemoryUserStore(),
  reopen: () => new MemoryUserStore(),
});
