/**
 * Listening on a Unix socket, which has a path in the file system in place of an address.
 * Promise: the server takes a path only if it is free, or if a stale socket is there: one that
 * `lstat` calls a socket, and that refuses a connection with ECONNREFUSED. At the end it removes
 * only its own socket, which it knows by its inode. From the first moment the socket at the path
 * has its mode and accepts connections.
 * Accepted: if two processes take over a stale socket within the same microseconds, the path
 * belongs to the later one, and the clients of the other cannot reach it.
 */
import { once } from 'node:events';
import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { access, chmod, constants, lstat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname, resolve } from 'node:path';
import { expecting, type Check } from '../options.ts';

/** Its owner and its group may connect. */
const SOCKET_MODE = 0o660;

/**
 * The kernel has room for 107 bytes on Linux and for 103 on macOS. Older versions of Node cut off
 * longer paths. Three bytes are for the name of a draft.
 */
export const MAX_SOCKET_PATH_BYTES = 100;

/** @returns whether the kernel has room for the path of a socket */
export function isSocketPathShort(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

const isPath = (value: unknown) => {
  return typeof value === 'string' && value !== '' && isSocketPathShort(value) &&
    !value.includes('\0');
};

/** The path of a Unix socket. One with NUL would be that of an abstract socket, without a file. */
export const socketPath: Check = expecting(
  `a path of 1 to ${MAX_SOCKET_PATH_BYTES} bytes without NUL (the kernel limits the length)`,
  isPath,
);

/**
 * Makes a server listen on a Unix socket of mode 0660.
 * @returns a function that removes the socket, if it is still at its path. Call it before the
 *   server stops listening: until then no other server takes the path over.
 * @throws Error with a `code`. `EADDRINUSE`: a server uses the path. `ENOTSOCK`: a file that is not
 *   a socket is there. Other codes are those of the system, such as `ENOENT` for a missing folder
 *   and `EACCES` for one that this process may not write.
 */
export async function listenOnPath(server: Server, path: string): Promise<() => void> {
  // If the process changes its working directory, a relative path would mean another socket.
  const absolutePath = resolve(path);
  // Without this, libuv would report a missing folder as EACCES.
  await access(dirname(absolutePath), constants.W_OK);
  const draft = resolve(await listenOnDraft(server, path));
  try {
    await chmod(draft, SOCKET_MODE);
    const own = inodeOf(draft);
    await moveTo(absolutePath, draft, path);
    return () => removeInode(own, absolutePath);
  } catch (error) {
    // libuv removes the draft, because it has the name under which the server listens.
    await new Promise((closed) => server.close(closed));
    throw error;
  }
}

/**
 * Listens under a draft name in the same folder. When the server stops, libuv removes the file that
 * has the name under which it began to listen. At the final path that could be the socket of a
 * later server.
 * @returns the path of the draft
 */
async function listenOnDraft(server: Server, path: string): Promise<string> {
  const first = Math.floor(Math.random() * DRAFTS);
  for (let tries = 0; ; tries += 1) {
    const draft = draftOf(path, (first + tries) % DRAFTS);
    try {
      const listening = once(server, 'listening');
      server.listen(draft);
      await listening;
      return draft;
    } catch (error) {
      // A process that was killed may have left a draft.
      const isTaken = Object(error).code === 'EADDRINUSE';
      if (!isTaken || tries === DRAFTS - 1) throw error;
    }
  }
}

const DRAFTS = 36 ** 2;

/** @returns the path with a dot and two letters or digits behind it */
function draftOf(path: string, index: number): string {
  return `${path}.${index.toString(36).padStart(2, '0')}`;
}

/**
 * Moves the draft to its final path, if that is free or has a stale socket.
 * @param path the path as the caller gave it, to connect to: the absolute one may be too long for
 *   the kernel
 */
async function moveTo(absolutePath: string, draft: string, path: string): Promise<void> {
  let isMoved = false;
  while (!isMoved) {
    const found = inodeOf(absolutePath);
    if (found !== undefined) await checkStale(path);
    // Both calls are synchronous, so no other code of this process runs between them.
    isMoved = inodeOf(absolutePath) === found;
    if (isMoved) renameSync(draft, absolutePath);
  }
}

/** @throws Error with a code, unless the path has a stale socket, or has become free */
async function checkStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() === false) {
    throw listenError('ENOTSOCK', 'another file than a socket is at the path', path);
  }
  const code = await codeOfConnecting(path);
  if (code === undefined) throw listenError('EADDRINUSE', 'a server listens at the path', path);
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return;
  // Such as EAGAIN from a server that is busy, or EACCES from the socket of another user.
  const problem = `a connection fails with ${code}, so a server may listen at the path`;
  throw listenError('EADDRINUSE', problem, path);
}

/** @returns the code of the error with which a connection fails; undefined if it succeeds */
export function codeOfConnecting(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
}

/** @returns an error with the members that errors of node:net have */
function listenError(code: string, problem: string, path: string): NodeJS.ErrnoException {
  const error = new Error(`listen ${code}: ${problem} ${path}`);
  return Object.assign(error, { code, syscall: 'listen', address: path });
}

/** @returns the device and the inode of the file, as text; undefined if nothing is at the path */
function inodeOf(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

/** Removes the file at the path if it still has this inode. */
function removeInode(inode: string | undefined, path: string): void {
  try {
    if (inodeOf(path) === inode) unlinkSync(path);
  } catch {
    // The socket that stays is stale, so the next server takes it over.
  }
}
