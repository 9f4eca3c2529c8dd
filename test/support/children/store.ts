/** Does one job with a user file, in a process of its own: `store.ts <job> <path>...`. */
import { once } from 'node:events';
import { appendFileSync, readdirSync, statSync } from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../../../src/errors.ts';
import { lockFile } from '../../../src/journal/file-lock.ts';
import { JsonFileUserStore } from '../../../src/users/json-file.ts';

const [job = '', path = '', ...others] = process.argv.slice(2);

const jobs: Record<string, () => Promise<void>> = {
  /** Keeps the file open until a message. */
  async hold() {
    const store = await JsonFileUserStore.open(path);
    process.send?.('open');
    await once(process, 'message');
    await store.close();
  },

  /** Prints why the file cannot be opened, or that it was opened. */
  async openOnce() {
    const store = await JsonFileUserStore.open(path).catch(String);
    console.log(typeof store === 'string' ? store : 'opened');
    if (typeof store !== 'string') await store.close();
  },

  /** Opens the file as soon as it can, and marks beside the file when it opens and closes it. */
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

  /** Holds only the lock, with the given timing, until a message. Prints why it cannot. */
  async lock() {
    const lock = await lockFile(path, JSON.parse(others[0] ?? '')).catch(String);
    if (typeof lock === 'string') return console.log(lock);
    process.send?.('locked');
    await once(process, 'message');
    await lock.release();
  },

  /** Takes the lock, and prints why it cannot take it again. */
  async lockTwice() {
    const lock = await lockFile(path, JSON.parse(others[0] ?? ''));
    console.log(await lockFile(path, JSON.parse(others[0] ?? '')).catch(String));
    await lock.release();
  },

  /** Like `race`, with only the lock and the given timing. */
  async raceForLock() {
    const lock = await lockFile(path, JSON.parse(others[0] ?? '')).catch((error: unknown) => {
      if (!(error instanceof AuthError) || error.code !== 'ERR_STORE_LOCKED') throw error;
    });
    if (lock === undefined) return jobs['raceForLock']?.();
    // In a PID namespace of its own, each is process 1.
    appendFileSync(`${path}.marks`, `${others[1]} in\n`);
    await delay(3);
    appendFileSync(`${path}.marks`, `${others[1]} out\n`);
    await lock.release();
  },

  /**
   * Inserts ann, and waits before the write or after the sync to be suspended and resumed. Prints
   * the result of the insert and whether the store is lost.
   */
  async insertSlowly() {
    const store = await JsonFileUserStore.open(path);
    const probe = await openFile(path, 'r');
    const handles: FileHandle = Object.getPrototypeOf(probe);
    await probe.close();
    const { writeFile, datasync } = handles;
    // Only once: the store writes and syncs again when it closes.
    const pause = async () => {
      Object.assign(handles, { writeFile, datasync });
      process.send?.('pause');
      await once(process, 'message');
    };
    if (others[0] === 'before the write') {
      handles.writeFile = async function (
        this: FileHandle,
        ...values: Parameters<typeof writeFile>
      ) {
        await pause();
        await writeFile.apply(this, values);
      };
    } else {
      handles.datasync = async function (this: FileHandle) {
        await datasync.call(this);
        await pause();
      };
    }
    const ann = { id: 'ann', username: 'ANN', passwordHash: 'a hash', createdAt: '' };
    console.log(await store.insert(ann).catch((error: AuthError) => String(error.cause)));
    const lost = store.lost.then((error) => String(error.cause));
    console.log(await Promise.race([lost, delay(1, 'not lost')]));
    await store.close();
  },

  /** Prints, for several umasks, the modes of the new folders, the file and its lock. */
  async umask() {
    for (const mask of [0o000, 0o022, 0o077, 0o177, 0o777]) {
      const folder = join(dirname(path), String(mask), 'users');
      process.umask(mask);
      const store = await JsonFileUserStore.open(join(folder, 'users.jsonl'));
      const made = [
        dirname(folder),
        folder,
        ...readdirSync(folder).map((name) => join(folder, name)),
      ];
      console.log(
        mask.toString(8),
        ...made.map((name) => (statSync(name).mode & 0o777).toString(8)),
      );
      await store.close();
    }
  },

  /** Tries to open each file as a user without permission, and prints why it cannot. */
  async denied() {
    if (process.getuid?.() === 0) process.seteuid?.(65534);
    for (const one of [path, ...others])
      console.log(await JsonFileUserStore.open(one).then(() => 'opened', String));
  },

  /** Inserts eight users at a time until the disk is full, then a small one. Prints the answers. */
  async fill() {
    const store = await JsonFileUserStore.open(path);
    const insert = async (id: string, size: number): Promise<boolean> => {
      const user = { id, username: id, passwordHash: 'x'.repeat(size), createdAt: '' };
      const answer = await store.insert(user).catch((error: AuthError) => String(error.cause));
      console.log(`${id} ${answer}`);
      return answer === true;
    };
    let count = 0;
    const insertNext = () => {
      count += 1;
      return insert(String(count), 500);
    };
    const insertEight = () => Promise.all(Array.from({ length: 8 }, insertNext));
    while (!(await insertEight()).includes(false));
    await insert('small', 1);
    await store.close();
  },
};

// Without an IPC channel, as under a shell, the job begins at once.
if (process.send?.('ready')) await once(process, 'message');
await jobs[job]?.();
