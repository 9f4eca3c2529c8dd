/**
 * Does one thing to the file of users at a path, in a process of its own: `store-child.ts <job> <path>...`.
 */
import { once } from 'node:events';
import { appendFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../src/errors.ts';
import { JsonFileUserStore } from '../src/users/json-file.ts';

const [job = '', path = '', ...others] = process.argv.slice(2);

const jobs: Record<string, () => Promise<void>> = {
  /** Has the file open until it is told to let go. */
  async hold() {
    const store = await JsonFileUserStore.open(path);
    process.send?.('open');
    await once(process, 'message');
    await store.close();
  },

  /** Tries until it was in once, and marks beside the file when it comes and goes. */
  async race() {
    const store = await JsonFileUserStore.open(path).catch((error: unknown) => {
      if (!(error instanceof AuthError) || error.code !== 'ERR_STORE_LOCKED') throw error;
    });
    if (store === undefined) return jobs['race']?.();
    appendFileSync(`${path}.marks`, `${process.pid} in\n`);
    await delay(3);
    appendFileSync(`${path}.marks`, `${process.pid} out\n`);
    await store.close();
  },

  /** Prints, for some umasks, the modes of all that is made: two folders, the file and its lock. */
  async umask() {
    for (const mask of [0o000, 0o022, 0o077, 0o177, 0o777]) {
      const folder = join(dirname(path), String(mask), 'users');
      process.umask(mask);
      const store = await JsonFileUserStore.open(join(folder, 'users.jsonl'));
      const made = [dirname(folder), folder, ...readdirSync(folder).map((name) => join(folder, name))];
      console.log(mask.toString(8), ...made.map((name) => (statSync(name).mode & 0o777).toString(8)));
      await store.close();
    }
  },

  /** Tries to open each, as somebody whom permissions keep out, and prints why it cannot. */
  async denied() {
    if (process.getuid?.() === 0) process.seteuid?.(65534);
    for (const one of [path, ...others]) console.log(await JsonFileUserStore.open(one).then(() => 'opened', String));
  },

  /** Inserts, eight at a time, until the disk is full, then one that is small; prints the answers. */
  async fill() {
    const store = await JsonFileUserStore.open(path);
    const insert = async (id: string, size: number): Promise<boolean> => {
      const user = { id, username: id, passwordHash: 'x'.repeat(size), createdAt: '' };
      const answer = await store.insert(user).catch((error: AuthError) => String(error.cause));
      console.log(`${id} ${answer}`);
      return answer === true;
    };
    let count = 0;
    const insertEight = () => Promise.all(Array.from({ length: 8 }, () => insert(`${(count += 1)}`, 500)));
    while (!(await insertEight()).includes(false));
    await insert('small', 1);
    await store.close();
  },
};

// Under a shell there is nobody to ask.
if (process.send?.('ready')) await once(process, 'message');
await jobs[job]?.();
