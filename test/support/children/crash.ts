/**
 * Inserts and updates users, 32 at a time, until it is killed. Prints each acknowledged write as
 * `<id> <version>`. The open file is compacted all the time.
 */
import { once } from 'node:events';
import { LockedJournal } from '../../../src/journal/locked-journal.ts';
import { USER_RECORDS, userRecord } from '../../../src/users/user-records.ts';

const [path = '', round = ''] = process.argv.slice(2);
process.send?.('ready');
await once(process, 'message');
const journal = await LockedJournal.open(path, USER_RECORDS, { compactFromBytes: 10_000 });
let count = 0;

async function write(): Promise<never> {
  for (;;) {
    count += 1;
    const id = `${round}-${count}`;
    // Mostly updates, so that many lines are superseded, and the file is compacted again and again.
    for (let version = 0; version < 10; version += 1) {
      const user = { id, username: id, passwordHash: `${version}`, createdAt: '' };
      const isWritten = await journal.write(id, () => {
        return userRecord(version === 0 ? 'insert' : 'update', user);
      });
      process.stdout.write(`${id} ${isWritten ? version : 'refused'}\n`);
    }
  }
}

await Promise.all(Array.from({ length: 32 }, write));
