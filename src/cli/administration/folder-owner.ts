/**
 * Lets root administer the files of a server as the system user of that server.
 * Promise: in a data folder of another user, root opens nothing with the rights of root. A link
 * that this user has put there leads only to files that this user may open, and new files belong to
 * this user.
 * Accepted: a user who can write a folder above the data folder can replace the data folder. At its
 * start the server warns of such a folder if every user can write it.
 * Accepted: in a folder of root itself the command stays root, also if others may write the folder,
 * as on some container volumes. The command and the server warn of it at each opening, unless it
 * has the sticky bit, or only a group that they are in may write it.
 */
import { stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { hasCode, ignore, NO_FILE_CODES } from '../../journal/system-errors.ts';
import { attempt } from '../command-errors.ts';
import { processUser } from '../stores/file-trust.ts';

/**
 * If this process is root, takes the user and the group that own the folder, until it ends. If the
 * folder does not exist, root stays root.
 * @throws CommandError if the system refuses, or the owner cannot enter the folder
 */
export async function becomeOwnerOf(folder: string): Promise<void> {
  if (processUser()?.uid !== 0) return;
  const owner = await stat(folder).catch(ignore(...NO_FILE_CODES));
  if (owner === undefined || owner.uid === 0) return;
  const { uid, gid } = owner;
  await attempt(folder, `Run the command as its owner (uid ${uid}).`, () => {
    process.setgroups?.([gid]);
    process.setegid?.(gid);
    process.seteuid?.(uid);
  });
  await attempt(folder, (error) => remedyOf(error, uid), () => stat(join(folder, '.')));
}

/**
 * @returns the user whose rights root has taken, such as `latchkey (uid 995)`; undefined if this
 *   process has not changed its user
 */
export function userTakenByRoot(): string | undefined {
  const uid = process.geteuid?.();
  if (process.getuid?.() !== 0 || uid === undefined || uid === 0) return undefined;
  try {
    return `${userInfo().username} (uid ${uid})`;
  } catch {
    // No user of this system has the number.
    return `uid ${uid}`;
  }
}

function remedyOf(error: unknown, uid: number): string {
  if (!hasCode(error, 'EACCES')) return `Run the command as its owner (uid ${uid}).`;
  const problem = `Root works here as the owner of the folder (uid ${uid}), who cannot enter it`;
  const remedy = 'let this user enter all folders above it (chmod o+x)';
  return `${problem}: ${remedy}, or in a systemd unit use User= without DynamicUser=.`;
}
