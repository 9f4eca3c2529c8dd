/** User files to measure, and the baselines: the bare calls of Node that any store needs. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { EMPTY_LINE, encodeRecord, headerLine } from '../src/journal/lines.ts';
import type { User } from '../src/users/store.ts';
import { USER_RECORDS, userRecord } from '../src/users/user-records.ts';

/** Inserts are measured in batches of this size. */
export const IN_FLIGHT = 64;

export const userNamed = (id: string): User => ({
  id,
  username: id,
  passwordHash:
    '$scrypt$ln=17,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
  createdAt: '2026-01-02T03:04:05.678Z',
});

/** The line that inserts this user. */
const lineOf = (id: string): string => encodeRecord(userRecord('insert', userNamed(id)));

/** Makes a file of users as a clean stop leaves it. @param users a multiple of 1000 */
export async function makeFile(path: string, users: number): Promise<void> {
  const file = await open(path, 'w');
  await file.writeFile(headerLine(USER_RECORDS.name, 1));
  for (let first = 0; first < users; first += 1000) {
    const lines = Array.from({ length: 1000 }, (_, index) => lineOf(`user${first + index}`));
    await file.writeFile(lines.join(''));
  }
  await file.writeFile(EMPTY_LINE);
  await file.close();
}

/** The baseline of opening a store: read, split, parse and set, without any check. */
export function openBare(path: string): Map<string, User> {
  const users = new Map<string, User>();
  // Without the header, the empty line and the empty string after the last line feed.
  for (const line of readFileSync(path, 'utf8').split('\n').slice(1, -2)) {
    const user: User = JSON.parse(line);
    users.set(user.id, user);
  }
  return users;
}

/** The baseline of inserting: one write and one fdatasync for each batch. */
export async function appendBare(path: string, batches: number, linesEach: number): Promise<void> {
  const file = await open(path, 'a');
  for (let batch = 0; batch < batches; batch += 1) {
    const lines = Array.from({ length: linesEach }, (_, index) => lineOf(`new${index}`));
    await file.write(lines.join(''));
    await file.datasync();
  }
  await file.close();
}
