/**
 * Imports into a store that this process has open.
 * Promise: an import only inserts. It never changes a user, and removes only a user that this or an
 * earlier import has inserted. A user who was removed in this store does not come back.
 * Accepted: a user who is removed while the import is under way exists once more, for the moment
 * between the insert and the next step.
 */
import { insertAndEndOldSessions } from '../../accounts/account-creation.ts';
import type { Accounts } from '../../accounts/accounts.ts';
import { missingMethod } from '../../accounts/account-changes.ts';
import { checkHash } from '../../accounts/disabled.ts';
import type { PasswordHasher } from '../../accounts/password-hasher.ts';
import { AuthError } from '../../errors.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { RemovedName, User, UserStore } from '../../users/store.ts';
import { isFromBeforeRemoval, problemOfRemovedName, problemOfUser } from './import-rules.ts';

/** The hash of a user who is about to be removed. No password matches it, `enable` refuses it. */
const NO_HASH = '!';

/** Where a user is imported. */
interface ImportTarget {
  readonly users: UserStore;
  readonly sessions: Sessions | undefined;
  /** Over the same stores. */
  readonly accounts: Pick<Accounts, 'remove'>;
  readonly passwords: Pick<PasswordHasher, 'needsRehash'>;
}

/**
 * @returns false if the name is taken
 * @throws AuthError ERR_PASSWORD_HASH if the hasher cannot read the hash; ERR_BAD_REQUEST if a
 *   member breaks a rule of imports, or if this user was removed here; ERR_STORE
 */
export async function importUser(
  user: User,
  { users, sessions, accounts, passwords }: ImportTarget,
): Promise<boolean> {
  refuseProblem(problemOfUser(user));
  checkHash(user.passwordHash, passwords);
  const isInserted = await asRefusals(() => insertAndEndOldSessions(user, { users, sessions }));
  if (!isInserted) return false;
  // The store gives an inserted user the time of the last removal of the name.
  const stored = await users.find(user.id);
  if (isFromBeforeRemoval(user, stored?.validAfter)) {
    await accounts.remove(user.id);
    refuseProblem('this user was removed here');
  }
  return true;
}

/**
 * Inserts a user without a password, and removes that user. If the process is killed between the
 * two, the user stays, and the next import of the same name and time removes it.
 * @returns false if the name has a user
 * @throws AuthError ERR_BAD_REQUEST if the id or the time breaks a rule of imports; ERR_STORE
 */
export async function importRemovedName(name: RemovedName, users: UserStore): Promise<boolean> {
  refuseProblem(problemOfRemovedName(name));
  if (users.remove === undefined) throw missingMethod('remove');
  const remove = users.remove.bind(users);
  const { id, removedAt } = name;
  const made = {
    id,
    username: id,
    passwordHash: NO_HASH,
    createdAt: new Date(removedAt * 1000).toISOString(),
    validAfter: removedAt,
  };
  return asRefusals(async () => {
    if (!(await users.insert(made))) {
      const stored = await users.find(id);
      // Another import of this name may have removed the user first.
      if (stored === undefined) return true;
      if (!isLeftByImport(stored, made)) return false;
    }
    const isRemoved = await remove(id, removedAt, NO_HASH);
    return isRemoved || (await users.find(id)) === undefined;
  });
}

/**
 * @param made the user that an import of a removed name makes, and removes
 * @returns whether `stored` is that user. The store may know of a later removal.
 */
function isLeftByImport(stored: User, made: Required<User>): boolean {
  const { username, passwordHash, createdAt, validAfter = -1 } = stored;
  return (
    username === made.username && passwordHash === made.passwordHash &&
    createdAt === made.createdAt && validAfter >= made.validAfter
  );
}

function refuseProblem(description: string | undefined): void {
  if (description !== undefined) throw new AuthError('ERR_BAD_REQUEST', { description });
}

/**
 * A store throws a TypeError or a RangeError for a value that it cannot keep. Here the value comes
 * from outside, so the error becomes an AuthError. Its message does not repeat the value.
 */
async function asRefusals<T>(job: () => Promise<T>): Promise<T> {
  try {
    return await job();
  } catch (error) {
    const isAboutValue = error instanceof TypeError || error instanceof RangeError;
    throw isAboutValue ? new AuthError('ERR_BAD_REQUEST', { description: error.message }) : error;
  }
}
