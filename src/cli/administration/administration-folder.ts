/**
 * The folder that holds the Unix socket of a server's administration. A process that can enter the
 * folder can administer the users, so its mode admits only the system user of the server.
 * Promise: the server listens only in a folder of its own user with mode 0700. The command sends no
 * password to a socket that another system user could have put there.
 * Accepted: a system user who can write the data folder can replace this folder between a check
 * and its use. The server warns at its start if users outside its own groups can do that, because
 * they could replace `users.jsonl` too.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { codeOfConnecting, isSocketPathShort } from '../../http/unix-socket.ts';
import { hasCode, ignore, ignoreFailure, NO_FILE_CODES } from '../../journal/system-errors.ts';
import { attempt, CommandError } from '../command-errors.ts';
import { processUser } from '../stores/file-trust.ts';

const OWNER_ONLY = 0o700;
const PERMISSIONS = 0o777;

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
  return [absolute, relative(process.cwd(), absolute)].find(isSocketPathShort);
}

/**
 * Creates the folder of the socket, or takes over the one that an earlier server left, and removes
 * the socket in it. Its mode is then 0700. The caller holds the lock of the user file. So a server
 * that still accepts connections at the old socket is suspended, and has lost the lock.
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
  const status = await lstat(socket).catch(ignore('ENOENT'));
  if (status?.isSocket()) await unlink(socket).catch(ignore('ENOENT'));
}

/** Removes the folder if it is empty. Any failure is ignored. */
export async function removeSocketFolder(socket: string): Promise<void> {
  await rmdir(dirname(socket)).catch(ignoreFailure);
}

/**
 * Finds the server that has the data folder open, if it answers at its socket.
 * @returns the path to connect to; undefined if no server answers there, even if a killed one left
 *   its socket; undefined also if the path is too long for a connection
 * @throws CommandError if another system user may have made the socket, if this process may not
 *   connect to it, or if the server accepts no more connections
 */
export async function serverAddressIn(data: string): Promise<string | undefined> {
  const socket = socketIn(data);
  const address = addressOf(socket);
  if (address === undefined) return undefined;
  const remedy = `Run the command as the owner of ${data}, or as root.`;
  return attempt(socket, remedy, async () => {
    const folder = await lstat(dirname(socket)).catch(ignore(...NO_FILE_CODES));
    if (folder === undefined) return undefined;
    await refuseOtherOwner(dirname(socket), folder.uid, data);
    const status = await lstat(socket).catch(ignore(...NO_FILE_CODES));
    if (status === undefined || !status.isSocket()) return undefined;
    await refuseOtherOwner(socket, status.uid, data);
    refuseOpenFolder(dirname(socket), folder);
    return (await accepts(address, socket)) ? address : undefined;
  });
}

/** @throws CommandError unless the path belongs to the user of this process */
async function refuseOtherOwner(path: string, uid: number, data: string): Promise<void> {
  const user = processUser();
  if (user === undefined || uid === user.uid) return;
  const { uid: owner } = await stat(data);
  const remedy = uid === owner
    ? 'Run the command as this user, or as root'
    : `${data} belongs to uid ${owner}. Give it and all in it to the user of the server ` +
      '(chown -R), and restart the server';
  throw new CommandError(`${path} is not used: it belongs to uid ${uid}. ${remedy}.`);
}

/** @throws CommandError if the folder is a link, or another user may enter it */
function refuseOpenFolder(path: string, folder: Stats): void {
  if (!folder.isDirectory()) throw new CommandError(`${path} is not used: it is not a folder`);
  const mode = folder.mode & PERMISSIONS;
  if (processUser() === undefined || mode === OWNER_ONLY) return;
  const text = mode.toString(8).padStart(4, '0');
  throw new CommandError(`${path} has the mode ${text}, not 0700. Restart the server.`);
}

/** @returns whether a process listens on the socket */
async function accepts(address: string, socket: string): Promise<boolean> {
  const code = await codeOfConnecting(address);
  if (code === undefined) return true;
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
  if (code !== 'EAGAIN') throw new Error(`a connection fails with ${code}`);
  const remedy = 'it is busy or suspended. Run the command again';
  throw new CommandError(`the server at ${socket} accepts no more connections: ${remedy}.`);
}
