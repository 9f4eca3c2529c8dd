/**
 * The folder that holds the Unix socket of a server's administration. A process that can enter the
 * folder can administer the users, so its mode admits only the system user of the server.
 * Promise: the server listens only in a folder of its own user with mode 0700. The command sends no
 * password to a socket that another system user could have put there.
 * Accepted: a system user who can write the data folder can replace this folder between a check
 * and its use. The server warns of such a data folder at its start, because that user could replace
 * `users.jsonl` too.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, rmdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import { hasCode, ignore, ignoreFailure, NO_FILE_CODES } from '../journal/system-errors.ts';
import { attempt, CommandError } from './command-errors.ts';
import { processUser } from './file-trust.ts';

const OWNER_ONLY = 0o700;
const PERMISSIONS = 0o777;

/** The kernel has room for 107 bytes on Linux and for 103 on macOS. */
const MAX_SOCKET_PATH_BYTES = 100;

/** @returns the path of the socket, for messages. To listen or connect, use `addressOf` of it. */
export function socketIn(data: string): string {
  return join(data, 'administration', 'socket');
}

/**
 * A path that is too long may be short enough relative to the working directory. The server and the
 * command may use different paths to the same socket.
 * @returns the absolute or the relative path, if it has at most 100 bytes; undefined if neither has
 */
export function addressOf(socket: string): string | undefined {
  const absolute = resolve(socket);
  const paths = [absolute, relative(process.cwd(), absolute)];
  return paths.find((path) => Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES);
}

/**
 * Creates the folder of the socket, or takes over the one that an earlier server left. Its mode is
 * then 0700.
 * @throws Error if it belongs to another user, if something else has its name, or if the file
 *   system refuses
 */
export async function makeSocketFolder(socket: string): Promise<void> {
  const path = dirname(socket);
  await mkdir(path, OWNER_ONLY).catch(ignore('EEXIST'));
  const { O_RDONLY, O_DIRECTORY = 0, O_NOFOLLOW = 0 } = constants;
  const folder = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch((error: unknown) => {
    if (!hasCode(error, 'ENOTDIR', 'ELOOP')) throw error;
    throw new Error(`${path} is a file or a link, and must be a folder`);
  });
  try {
    const { uid } = await folder.stat();
    const user = processUser();
    if (user !== undefined && uid !== user.uid) {
      throw new Error(`${path} belongs to another user (uid ${uid})`);
    }
    await folder.chmod(OWNER_ONLY);
    const { mode } = await folder.stat();
    if (user !== undefined && (mode & PERMISSIONS) !== OWNER_ONLY) {
      throw new Error(`the file system of ${path} does not keep its mode`);
    }
  } finally {
    await folder.close();
  }
}

/** Removes the folder if it is empty. Any failure is ignored. */
export async function removeSocketFolder(socket: string): Promise<void> {
  await rmdir(dirname(socket)).catch(ignoreFailure);
}

/**
 * Tells whether a server that has the data folder open answers at its socket.
 * @returns false also for a stale socket, which a killed server has left
 * @throws CommandError if another system user may have made the socket, or this process may not
 *   connect to it
 */
export async function hasServer(data: string): Promise<boolean> {
  const socket = socketIn(data);
  const address = addressOf(socket);
  if (address === undefined) return false;
  const remedy = `Run the command as the owner of ${data}, or as root.`;
  return attempt(socket, remedy, async () => {
    const status = await lstat(socket).catch(ignore(...NO_FILE_CODES));
    if (status === undefined || !status.isSocket()) return false;
    const problem = await trustProblem(data, status.uid);
    if (problem !== undefined) throw new CommandError(`${socket} is not used: ${problem}`);
    return answers(address);
  });
}

/**
 * @param socketOwner the uid
 * @returns why the command must not use the socket; undefined if it may
 */
async function trustProblem(data: string, socketOwner: number): Promise<string | undefined> {
  const user = processUser();
  if (user === undefined) return undefined;
  const folder = dirname(socketIn(data));
  const status = await lstat(folder);
  if (!status.isDirectory()) return `${folder} is not a folder`;
  const mode = status.mode & PERMISSIONS;
  if (mode !== OWNER_ONLY) {
    const text = mode.toString(8).padStart(4, '0');
    return `${folder} has the mode ${text}, not 0700. Restart the server, or remove the folder`;
  }
  const users = join(data, 'users.jsonl');
  const { uid: owner } = await stat(users).catch(ignore(...NO_FILE_CODES)) ?? await stat(data);
  for (const [path, uid] of [[folder, status.uid], [socketIn(data), socketOwner]] as const) {
    // Root trusts what belongs to root: no other user can have made it.
    const isOfServer = uid === owner || (user.uid === 0 && uid === 0);
    if (!isOfServer) return `${path} belongs to uid ${uid}, and ${users} to uid ${owner}`;
    if (user.uid !== 0 && uid !== user.uid) {
      return `${path} belongs to uid ${uid}. Run the command as this user, or as root`;
    }
  }
  return undefined;
}

/** @returns whether a process listens on a socket */
function answers(address: string): Promise<boolean> {
  return new Promise((succeed, fail) => {
    const connection = connect(address);
    connection.once('connect', () => {
      connection.destroy();
      succeed(true);
    });
    connection.once('error', (error) => {
      if (hasCode(error, 'ECONNREFUSED', 'ENOENT')) succeed(false);
      else fail(error);
    });
  });
}
