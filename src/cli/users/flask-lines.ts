/**
 * Reads lines `username,hash`, which hold the users of a Flask application.
 * Promise: a line never gives a user the hash of another one. A username with a comma is refused,
 * because such a line could be read in two ways.
 */
import { checkHash } from '../../accounts/disabled.ts';
import type { PasswordHasher } from '../../accounts/password-hasher.ts';
import { newUsername } from '../../accounts/username.ts';
import { isAuthError } from '../../errors.ts';
import type { ImportEntry } from './import-lines.ts';

type HashReader = Pick<PasswordHasher, 'needsRehash'>;

/** A PHC hash with the longest salt and key has less than half of that. */
const MAX_HASH_LENGTH = 512;

/**
 * Reads one line. The id is made of the username, as at a sign-up.
 * @param passwords decides which hashes are valid
 * @param createdAt the time of creation that the user gets, in ISO 8601
 */
export function readFlaskLine(
  line: string,
  passwords: HashReader,
  createdAt: string,
): ImportEntry {
  if (line.includes('"')) {
    return { problem: 'it has a quotation mark: write lines username,hash without CSV quoting' };
  }
  const hashIndex = findHash(line, passwords);
  if (hashIndex === undefined) {
    return { problem: 'it does not end with a comma and a scrypt hash that can be used' };
  }
  const sent = line.slice(0, hashIndex - 1);
  if (sent.includes(',')) return { problem: 'its username has a comma' };
  try {
    const { id, username } = newUsername(sent);
    return { user: { id, username, passwordHash: line.slice(hashIndex), createdAt } };
  } catch (error) {
    if (!isAuthError(error)) throw error;
    return { problem: `its username is refused: ${error.message}` };
  }
}

/**
 * Finds the shortest text behind a comma that is a whole hash. A PHC hash has commas itself, so the
 * last comma may be inside of it.
 * @returns the index of the hash, or undefined if there is none
 */
function findHash(line: string, passwords: HashReader): number | undefined {
  let comma = line.lastIndexOf(',');
  while (comma !== -1 && line.length - comma <= MAX_HASH_LENGTH) {
    if (isHash(line.slice(comma + 1), passwords)) return comma + 1;
    if (comma === 0) return undefined;
    comma = line.lastIndexOf(',', comma - 1);
  }
  return undefined;
}

function isHash(text: string, passwords: HashReader): boolean {
  try {
    checkHash(text, passwords);
    return true;
  } catch (error) {
    if (isAuthError(error)) return false;
    throw error;
  }
}
