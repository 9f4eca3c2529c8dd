/** Files of users to measure, and the bare calls of Node that no store can do without. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { EMPTY_LINE, HEADER_LINE, lineOf } from '../src/journal/lines.ts';
import type { User } from '../src/users/store.ts';

/** Inserts are measured in batches of so many. */
export const IN_FLIGHT = 64;

export const userNamed = (id: string): User => ({
  id,
  username: id,
  passwordHash:
    '$scrypt$ln=17,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
  createdAt: '2026-01-02T03:04:05.678Z',
});

/** Makes a file of so many users, a thousand or a multiple of that, as a clean stop leaves it. */
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

/** The floor of opening: read, split, parse, set, and no check. */
export function openBare(path: string): Map<string, User> {
  const users = new Map<string, User>();
  // Without the header, the empty line and what follows the last line feed.
  for (const line of readFileSync(path, 'utf8').split('\n').slice(1, -2)) {
    const user: User = JSON.parse(line);
    users.set(user.id, user);
  }
  return users;
}

/** The floor of inserting: a write and an fdatasync for each batch. */
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
