/**
 * Checks whether other system users have access to a file. It reads the owners and modes of the
 * file, of the folders above it and of the symbolic links on the way, much as sshd does for a file
 * of authorized keys.
 * Accepted: root is trusted. Access control lists are not read. The group of a folder further up is
 * not looked at.
 */
import { randomUUID } from 'node:crypto';
import { lstat, readlink, stat, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { createPrivateFile } from '../../journal/disk.ts';
import { hasCode, ignore, ignoreFailure } from '../../journal/system-errors.ts';
import type { Log } from '../log.ts';

/** The system user and the groups of a process. */
export interface ProcessUser {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** An owner or a mode by which another system user can change or replace the file. */
export interface Problem {
  readonly text: string;
  /** The command that solves it. */
  readonly remedy: string;
  /**
   * True if every user, or a group that this process is not in, can write here. True also if
   * another user owns the file, its folder, any link on the way, or the folder of a link in place
   * of the file.
   */
  readonly isGrave: boolean;
  /**
   * Whether a folder has the problem, and not the file or a link. Container volumes are often
   * writable by every user, or belong to a user of the host. A file that another user creates there
   * belongs to that user, and is reported too.
   */
  readonly isOfFolder: boolean;
}

type Status = Awaited<ReturnType<typeof lstat>>;

interface Step {
  readonly path: string;
  readonly status: Status;
  /** True for the file, for a link in its place, and for the folders of both. */
  readonly isNear: boolean;
}

const ANY_ACCESS_BY_OTHERS = 0o077;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;
/** Linux follows at most this many links in one path. */
const MAX_LINKS = 40;

/** @returns the user of this process; undefined on Windows, where owners and modes mean nothing */
export function processUser(): ProcessUser | undefined {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  if (uid === undefined || gid === undefined) return undefined;
  return { uid, gids: [gid, ...(process.getgroups?.() ?? [])] };
}

/** @returns whether the mode gives the group or all users any access to the file */
export async function isShared(path: string): Promise<boolean> {
  if (processUser() === undefined) return false;
  const { mode } = await stat(path);
  return (mode & ANY_ACCESS_BY_OTHERS) !== 0;
}

/**
 * The remedy gives the file to the user first: with mode 0600 this user could not read a file of
 * root any more.
 * @param elsewhere a phrase: another way out if the mount sets owners and modes, and `chmod` fails
 * @param user the system user of this process
 * @returns the warning about a file for which `isShared` is true
 */
export async function sharedWarning(
  path: string,
  elsewhere: string,
  user: ProcessUser | undefined = processUser(),
): Promise<string> {
  const isOwn = (await stat(path)).uid === user?.uid;
  const permit = `${isOwn ? '' : `chown ${user?.uid} ${path} && `}chmod 600 ${path}`;
  const remedy = (await mountRemedy(path, elsewhere)) ?? permit;
  return `${path} is accessible to other users: ${remedy}`;
}

/**
 * @param elsewhere a phrase: another way out than to mount with other options
 * @returns what an operator can do where `chown` and `chmod` do not help; undefined if they help
 */
export async function mountRemedy(path: string, elsewhere: string): Promise<string | undefined> {
  if (await keepsOwnersAndModes(dirname(path))) return undefined;
  const options = `uid=${processUser()?.uid}, umask=0077, or file_mode=0600 and dir_mode=0700`;
  const remedy = `mount it with other options (${options})`;
  return `its mount sets owners and modes: ${remedy}, or ${elsewhere}`;
}

/**
 * Makes a file, looks at it and removes it. On FAT and on many shares and container mounts every
 * file has an owner and a mode that the mount sets, and `chmod` fails there or changes nothing.
 */
async function keepsOwnersAndModes(folder: string): Promise<boolean> {
  const path = join(folder, `.latchkey-${randomUUID()}`);
  try {
    const file = await createPrivateFile(path);
    try {
      const { mode, uid } = await file.stat();
      return (mode & ANY_ACCESS_BY_OTHERS) === 0 && uid === processUser()?.uid;
    } finally {
      await file.close();
      await unlink(path).catch(ignoreFailure);
    }
  } catch (error) {
    // Without a right to write here, nothing is known, and `chmod` is the usual remedy.
    return !hasCode(error, 'EROFS');
  }
}

/**
 * Warns of the system users who can read or change a file with secrets or password hashes.
 * @param elsewhere a phrase: another way out if the mount sets owners and modes, and `chmod` fails
 * @param danger what such a user could do: a phrase that begins with a capital letter
 * @param isFolderWarnedOf whether the operator knows already who can reach the folders
 */
export async function warnOfSystemUsers(
  path: string,
  elsewhere: string,
  danger: string,
  log: Log,
  isFolderWarnedOf = false,
): Promise<void> {
  if (await isShared(path)) log('warning', await sharedWarning(path, elsewhere));
  const problems = (await ownerProblems(path, processUser())).filter(({ isGrave, isOfFolder }) => {
    return isGrave && !(isFolderWarnedOf && isOfFolder);
  });
  for (const warning of await problemWarnings(path, problems, elsewhere, danger)) {
    log('warning', warning);
  }
}

/**
 * @param elsewhere a phrase: another way out if the mount sets owners and modes, and `chmod` fails
 * @param danger what another user could do: a phrase that begins with a capital letter
 * @returns a warning of each problem of the file
 */
export async function problemWarnings(
  path: string,
  problems: readonly Problem[],
  elsewhere: string,
  danger: string,
): Promise<string[]> {
  if (problems.length === 0) return [];
  const ofMount = await mountRemedy(path, elsewhere);
  return problems.map(({ text, remedy }) => `${path}: ${text}. ${danger}: ${ofMount ?? remedy}`);
}

/**
 * Lists the ways in which system users other than `user` and root can change or replace a file.
 * @param path a file that need not exist yet, nor its folders
 * @param user the system user of this process; if undefined, nothing is reported
 * @throws Error if the path has too many links, or an error of node:fs
 */
export async function ownerProblems(
  path: string,
  user: ProcessUser | undefined,
): Promise<Problem[]> {
  if (user === undefined) return [];
  const steps = await stepsTo(path);
  return steps.flatMap((step) => problemsOf(step, user));
}

function problemsOf({ path, status, isNear }: Step, { uid, gids }: ProcessUser): Problem[] {
  const problems: Problem[] = [];
  const mode = Number(status.mode);
  const isLink = status.isSymbolicLink();
  const isOfFolder = status.isDirectory();
  if (status.uid !== 0 && status.uid !== uid) {
    const text = `${path} belongs to another user (uid ${status.uid})`;
    // Without -h, chown changes the file that a link leads to.
    const chown = `chown ${isLink ? '-h ' : ''}${uid} ${path}`;
    // It may be the home of that user, with this file below it.
    const isFurtherUp = isOfFolder && !isNear;
    const remedy = isFurtherUp ? `use a folder that is not below it, or run ${chown}` : chown;
    problems.push({ text, remedy, isGrave: isNear || isLink, isOfFolder });
  }
  // The mode of a link has no effect. In a folder with the sticky bit, such as /tmp, only the owner
  // of a file can replace it.
  const isSticky = isOfFolder && (mode & STICKY) !== 0;
  if (isLink || isSticky) return problems;
  if ((mode & WRITABLE_BY_ALL) !== 0) {
    const text = `${path} can be written by every user`;
    problems.push({ text, remedy: `chmod o-w ${path}`, isGrave: true, isOfFolder });
  } else if (isNear && (mode & WRITABLE_BY_GROUP) !== 0) {
    const text = `${path} can be written by its group (gid ${status.gid})`;
    const isGrave = !gids.includes(Number(status.gid));
    problems.push({ text, remedy: `chmod g-w ${path}`, isGrave, isOfFolder });
  }
  return problems;
}

/**
 * Follows a path one name at a time, because `realpath` does not report the links on the way.
 * @returns the root, every folder and link on the way, and the file: those of them that exist
 */
async function stepsTo(path: string): Promise<Step[]> {
  const near = new Set<string>();
  const found = new Map<string, Status>([[sep, await lstat(sep)]]);
  const rest = namesIn(resolve(path));
  let folder: string = sep;
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = join(folder, name);
    if (rest.length === 0) near.add(folder).add(next);
    const status = await lstat(next).catch(ignore('ENOENT'));
    if (status === undefined) break;
    found.set(next, status);
    if (status.isSymbolicLink()) {
      links += 1;
      if (links > MAX_LINKS) {
        const problem = `${path} leads through more than ${MAX_LINKS} symbolic links`;
        throw Object.assign(new Error(problem), { code: 'ELOOP' });
      }
      const target = await readlink(next);
      if (isAbsolute(target)) folder = sep;
      rest.unshift(...namesIn(target));
    } else {
      folder = next;
    }
  }
  return [...found].map(([step, status]) => ({ path: step, status, isNear: near.has(step) }));
}

function namesIn(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.');
}
