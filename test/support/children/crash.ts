/**
 * Inserts and updates users, 32 at a time, until it is killed. Prints each acknowledged write as
 * `<id> <version>`.
 */
import { once } from 'node:events';
import { JsonFileUserStore } from '../../../src/users/json-file.ts';

const [path = '', round = ''] = process.argv.slice(2);
process.send?.('ready');
await once(process, 'message');
const store = await JsonFileUserStore.open(path);
let count = 0;

async function write(): Promise<never> {
  for (;;) {
    count += 1;
    const id = `${round}-${count}`;
    // Mostly updates, so that many lines are superseded and the next process compacts the file.
    for (let version = 0; version < 10; version += 1) {
      const user = { id, username: id, passwordHash: `${version}`, createdAt: '' };
      const isWritten = await (version === 0 ? store.insert(user) : store.update(user));
      process.stdout.write(`${id} ${isWritten ? version : 'refused'}\n`);
    }
  }
}

await Promise.all(Array.from({ length: 32 }, write));
