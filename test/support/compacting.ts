/** For tests of compaction: journals that are compacted early, and what was written to them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Disk } from '../../src/journal/disk.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { JournalLock } from '../../src/journal/open-file.ts';
import type { User } from '../../src/users/store.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { fileWith, folderOf, openJournal, userNamed } from './user-files.ts';

/** Tests compact a file once this many bytes are superseded. */
export const THRESHOLD: number = 20_000;
/** Lines of users with this hash have about 1000 bytes. */
export const hashOf = (version: number): string => `${version} `.padEnd(900, 'x');
export const versionOf = (user: User | undefined): number =>
  Number.parseInt(user?.passwordHash ?? '', 10);

/** A journal, and the newest acknowledged version of each user. */
export class Written {
  readonly journal: Journal<User>;
  readonly acknowledged: Map<string, number> = new Map();

  constructor(journal: Journal<User>) {
    this.journal = journal;
  }

  async write(id: string, version: number): Promise<void> {
    const op = version === 0 ? 'insert' : 'update';
    await this.journal.append(userRecord(op, userNamed(id, hashOf(version))));
    this.acknowledged.set(id, version);
  }

  /** Every acknowledged write can be read. */
  assertReadable(entries: ReadonlyMap<string, User> = this.journal.entries): void {
    for (const [id, version] of this.acknowledged) {
      assert.ok(versionOf(entries.get(id)) >= version, `${id} ${version}`);
    }
  }

  /** Updates joe until a compaction is due, or as often as is said. @returns the next version */
  async updateJoe(from: number, times: number): Promise<number> {
    for (let version = from; version < from + times; version += 1) await this.write('joe', version);
    return from + times;
  }
}

/** After so many updates of a new file, from version 0 on, a compaction is due. */
export const UNTIL_DUE: number = 22;

export async function openNew(disk?: Disk, lock?: JournalLock): Promise<[path: string, Written]> {
  const path = fileWith('');
  const journal = await openJournal(path, disk, lock, { compactFromBytes: THRESHOLD });
  return [path, new Written(journal)];
}

/** @returns the users of a copy, as the file would be read after a crash */
export async function usersOf(path: string): Promise<ReadonlyMap<string, User>> {
  const journal = await openJournal(fileWith(fs.readFileSync(path)));
  await journal.close();
  return journal.entries;
}

/** Waits for what a test cannot await, such as a compaction. Each turn makes calls of the disk. */
export async function until(journal: Journal<User>, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await setImmediate();
    await journal.check().catch(() => undefined);
  }
}

export const hasDraft = (path: string): boolean =>
  folderOf(path).some((name) => name.includes('.compact'));
export const inodeOf = (path: string): number => fs.statSync(path).ino;
