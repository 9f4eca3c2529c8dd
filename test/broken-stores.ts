/**
 * Stores that look right and are not, each run through the suite, which must fail them. One that is right leads.
 */
import { setImmediate } from 'node:timers/promises';
import { testUserStore } from '../src/users/contract.ts';
import { MemoryUserStore } from '../src/users/memory.ts';
import type { User, UserStore } from '../src/users/store.ts';

const put = (users: Map<string, User>, user: User): boolean => users.set(user.id, user).size > 0;

const right = (users: Map<string, User>): UserStore => ({
  find: async (id) => users.get(id),
  insert: async (user) => !users.has(user.id) && put(users, user),
  update: async (user) => users.has(user.id) && put(users, user),
});

const stores: Record<string, (users: Map<string, User>) => UserStore> = {
  right,
  'two steps': (users) => ({
    ...right(users),
    async insert(user) {
      const isTaken = users.has(user.id);
      await setImmediate(); // What was read is old when it arrives, as it is with a database.
      return !isTaken && (users.has(user.id) || put(users, user));
    },
  }),
  'writes all back': () => {
    const ids = new Set<string>();
    let users: ReadonlyMap<string, User> = new Map();
    const write = async (user: User, isThere: boolean) => {
      if (ids.has(user.id) !== isThere) return false;
      ids.add(user.id);
      const all = new Map(users).set(user.id, user);
      await setImmediate();
      users = all; // Without those who came in between.
      return true;
    };
    return { find: (id) => users.get(id), insert: (user) => write(user, false), update: (user) => write(user, true) };
  },
  'update inserts': (users) => ({ ...right(users), update: async (user) => put(users, user) }),
  'folds case': (users) => ({ ...right(users), find: async (id) => users.get(id.toLowerCase()) ?? users.get(id) }),
  'plain object': () => {
    const users: Record<string, User> = {};
    const set = (user: User, isThere: boolean) =>
      Object.hasOwn(users, user.id) === isThere && Boolean((users[user.id] = user));
    return { find: (id) => users[id], insert: (user) => set(user, false), update: (user) => set(user, true) };
  },
};

for (const [name, store] of Object.entries(stores)) testUserStore(name, { open: () => store(new Map()) });
testUserStore('forgets', { open: () => new MemoryUserStore(), reopen: () => new MemoryUserStore() });
