/** For tests of exports and imports: administrations of users, and their lines as text. */
import { Readable } from 'node:stream';
import { StoreAdministration } from '../../src/cli/administration/store-administration.ts';
import { exportUsers } from '../../src/cli/users/user-export.ts';
import { importUsers, type ImportResult } from '../../src/cli/users/user-import.ts';
import type { UserAdministration } from '../../src/cli/administration/user-administration.ts';
import { PasswordHasher, type User, type UserStore } from '../../src/index.ts';
import { collected } from './outputs.ts';
import { userNamed } from './user-files.ts';

/** A hash that can be used, of the least cost. */
export const HASH: string = await new PasswordHasher({ logN: 1 }).hash('correct horse');
export const OTHER_HASH: string = await new PasswordHasher({ logN: 1 }).hash('battery staple');

export function userOf(id: string, passwordHash: string = HASH, validAfter?: number): User {
  const user = userNamed(id, passwordHash);
  return validAfter === undefined ? user : { ...user, validAfter };
}

export function administrationOf(users: UserStore): StoreAdministration {
  return new StoreAdministration({ users });
}

/** @returns all lines of an export */
export async function exported(
  administration: Pick<UserAdministration, 'exportUsers' | 'exportRemovedNames'>,
): Promise<string> {
  const { output, chunks } = collected();
  await exportUsers(administration, output);
  return chunks.join('');
}

/** An import, and the lines that it has reported. */
export interface Imported extends ImportResult {
  readonly problems: readonly string[];
}

export async function imported(
  administration: Parameters<typeof importUsers>[0],
  text: string,
): Promise<Imported> {
  const problems: string[] = [];
  const input = Readable.from([text], { objectMode: false });
  const result = await importUsers(administration, input, (number, problem) => {
    problems.push(`${number}: ${problem}`);
  });
  return { ...result, problems };
}
