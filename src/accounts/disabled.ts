/**
 * Disabled accounts. The stored hash of such an account begins with `!`, as in shadow(5). No hash
 * of a password does, so a server that does not know the mark cannot verify a password with it.
 */
import { AuthError } from '../errors.ts';
import type { User } from '../users/store.ts';
import type { PasswordHasher } from './password-hasher.ts';

const MARK = '!';

/**
 * A hash that is not PHC scrypt, such as bcrypt, Argon2, PBKDF2 or any hash of Werkzeug. A text
 * that stands for no password, such as `*`, has no `$`.
 */
const FOREIGN_HASH = /^(?!!|\$scrypt\$).*\$/;

export function isDisabled({ passwordHash }: Pick<User, 'passwordHash'>): boolean {
  return isDisabledHash(passwordHash);
}

export function isDisabledHash(passwordHash: string): boolean {
  // A program without types may import a user with any value.
  return typeof passwordHash === 'string' && passwordHash.startsWith(MARK);
}

/** @returns the hash with the mark; the hash itself if it has the mark already */
export function disabledHash(passwordHash: string): string {
  return isDisabledHash(passwordHash) ? passwordHash : MARK + passwordHash;
}

/**
 * Restores what was disabled, also a hash that only the hasher of another program can read.
 * @returns the hash without the mark; the hash itself if it does not have the mark
 * @throws AuthError ERR_PASSWORD_HASH as `checkHash`, but not for a hash of another kind
 */
export function enabledHash(
  passwordHash: string,
  passwords: Pick<PasswordHasher, 'needsRehash'>,
): string {
  if (!isDisabledHash(passwordHash)) return passwordHash;
  const hash = passwordHash.slice(MARK.length);
  if (!FOREIGN_HASH.test(hash)) checkHash(passwordHash, passwords);
  return hash;
}

/**
 * Checks a hash, with or without the mark, from another system.
 * @throws AuthError ERR_PASSWORD_HASH if the hasher cannot read it, and for a mark alone or twice:
 *   other systems write `!`, `!!` or `!*` for an account that never had a password
 */
export function checkHash(
  passwordHash: string,
  passwords: Pick<PasswordHasher, 'needsRehash'>,
): void {
  const isMarked = isDisabledHash(passwordHash);
  const hash = isMarked ? passwordHash.slice(MARK.length) : passwordHash;
  // Checked here, because a hasher of the application may accept an empty hash or another `!`.
  const isMissing = isMarked && (hash === '' || isDisabledHash(hash));
  if (isMissing) throw new AuthError('ERR_PASSWORD_HASH');
  // Called because it throws if the hash cannot be read. Its result does not matter here.
  passwords.needsRehash(hash);
}
