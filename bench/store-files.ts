/** Files of users to measure, and the baseline: the bare calls of Node that every store needs. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { EMPTY_LINE, HEADER_LINE, lineOf } from '../src/journal/lines.ts';
import type { User } from '../src/users/store.ts';

/** How many inserts a batch holds. */
export const IN_FLIGHT = 64;

export const userNamed = (id: string): User => ({
  id,
  username: id,
  passwordHash:
    '$scrypt$ln=17,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
  createdAt: '2026-01-02T03:04:05.678Z',
});

/** @param users a multiple of 1000. The file is as a clean stop leaves it. */
export async function makeFile(path: string, users: number): Promise<void> {
  const file = await open(path, 'w');
  await file.writeFile(HEADER_LINE);
  for (let first = 0; first < users; first += 1000) {
    const lines = Array.from({ length: 1000 }, (_, index) =>
      lineOf('insert', userNamed(`user${first + index}`)),
    );
    await file.writeFile(lines.join(''));
  }
  await file.writeFile(EMPTY_LINE);
  await file.close();
}

/** The baseline of opening: read, split, parse, set, and no check. */
export function openBare(path: string): Map<string, User> {
  const users = new Map<string, User>();
  // Leaves out the header, the empty line and the text after the last line feed, which is empty.
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
    const lines = Array.from({ length: linesEach }, (_, index) =>
      lineOf('insert', userNamed(`new${index}`)),
    );
    await file.write(lines.join(''));
    await file.datasync();
  }
  await file.close();
}
