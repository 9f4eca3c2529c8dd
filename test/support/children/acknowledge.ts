/**
 * Writes to a store in a file until it is killed, with 16 users at a time, and prints each
 * acknowledged write: `acknowledge.ts <job> <path> <round>`.
 */
import { once } from 'node:events';
import { JsonFileSessionStore } from '../../../src/sessions/json-file.ts';
import { JsonFileUserStore } from '../../../src/users/json-file.ts';

const [job = '', path = '', round = ''] = process.argv.slice(2);

const jobs: Record<string, () => Promise<(id: string) => Promise<never>>> = {
  /** Removes a user and inserts it again, again and again. Prints `<id> <removals>`. */
  async removals() {
    const store = await JsonFileUserStore.open(path);
    return async (id) => {
      const user = { id, username: id, passwordHash: '', createdAt: '' };
      for (let removals = 1; ; removals += 1) {
        await store.insert(user);
        const isRemoved = await store.remove(id, removals);
        process.stdout.write(`${id} ${isRemoved ? removals : 'refused'}\n`);
      }
    };
  },

  /** Puts the next version of a record, again and again. Prints `<id> <version>`. */
  async puts() {
    const store = await JsonFileSessionStore.open(path);
    return async (id) => {
      for (let version = 1; ; version += 1) {
        const isPut = await store.put(id, { version, endedAt: version, sessions: [] });
        process.stdout.write(`${id} ${isPut ? version : 'refused'}\n`);
      }
    };
  },
};

process.send?.('ready');
await once(process, 'message');
const write = await jobs[job]?.();
await Promise.all(Array.from({ length: 16 }, (_, index) => write?.(`${round}-${index}`)));
