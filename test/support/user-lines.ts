/**
 * The format of `users.jsonl`, written without the code under test so that it cannot change
 * unnoticed, and faults of a disk.
 */
import fs from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import type { User } from '../../src/users/store.ts';
import { userNamed } from './user-files.ts';

export const read = (path: string): string => fs.readFileSync(path, 'utf8');

export const HEADER = '{"format":"latchkey-users","version":1}';

export function line(op: string, { id, username, passwordHash, createdAt }: User): string {
  return JSON.stringify({ op, id, username, passwordHash, createdAt });
}

/** A file that was not closed. */
export const fileOf = (...lines: string[]): string => [HEADER, ...lines, ''].join('\n');

/** A file as the store writes it: an empty line before each batch. */
export const written = (...batches: string[]): string =>
  fileOf(...batches.flatMap((batch) => ['', batch]));

/** A file after a clean stop: the empty line at the end proves that all of it is on disk. */
export const closed = (...batches: string[]): string => `${written(...batches)}\n`;

export const joe: User = userNamed('joe');
export const newJoe: User = userNamed('joe', 'new');
export const ann: User = userNamed('ann');
export const bob: User = userNamed('bob');
export const JOE: string = line('insert', joe);
export const NEW_JOE: string = line('update', newJoe);
export const ANN: string = line('insert', ann);
export const BOB: string = line('insert', bob);
export const EVE: string = line('insert', userNamed('eve'));

/** The users in the files of these tests, with the hashes that joe, ann and bob end with. */
export const USERS: Readonly<Record<string, string>> = { joe: 'new', ann: 'a hash', bob: 'a hash' };

/** Users in three batches, after a clean stop. */
export const GOOD: string = fileOf('', JOE, '', ANN, BOB, '', NEW_JOE, '');

/**
 * The prototype of every FileHandle. Tests mock its methods to count syncs or to make them fail.
 */
export const handles: FileHandle = await (async () => {
  const probe = await openFile(import.meta.filename, 'r');
  await probe.close();
  return Object.getPrototypeOf(probe);
})();

export async function fails(): Promise<never> {
  throw Object.assign(new Error('EIO: made by the test'), { code: 'EIO' });
}

/** @returns an operation that writes this share of its bytes, and then fails with this code */
export function fault(
  code: string,
  share = 0,
): (this: FileHandle, bytes?: unknown) => Promise<never> {
  return async function (this: FileHandle, bytes) {
    if (bytes instanceof Uint8Array) {
      fs.writeSync(this.fd, bytes.subarray(0, Math.floor(bytes.length * share)));
    }
    throw Object.assign(new Error(`${code}: made by the test`), { code });
  };
}
