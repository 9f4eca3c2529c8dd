/**
 * For tests of stores: files in new folders, users, and other processes.
 */
import { fork, spawnSync, type ChildProcess, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AuthError, type AuthErrorCode } from '../../src/errors.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { Journal, type JournalOptions } from '../../src/journal/journal.ts';
import { encodeRecord, headerLine } from '../../src/journal/lines.ts';
import type { JournalLock } from '../../src/journal/open-file.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { USER_RECORDS, userRecord } from '../../src/users/user-records.ts';
import { childPath } from './compiled.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'latchkey-')));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
let count = 0;
const children = new Set<ChildProcess>();

/** Kills the processes that a failed test has left running. */
export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** The path of a file that does not exist yet, in a folder that does not exist yet. */
export function newPath(): string {
  count += 1;
  return join(root, String(count), 'users.jsonl');
}

/** Creates a file with this content, and its folder. */
export function fileWith(content: string | Uint8Array, path: string = newPath()): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The names in the folder of a file. */
export const folderOf = (path: string): string[] => readdirSync(dirname(path)).sort();

/** @returns the files of a folder that this process has open; none on a system without /proc */
export function openFilesIn(folder: string): string[] {
  const descriptors = '/proc/self/fd';
  if (!existsSync(descriptors)) return [];
  return readdirSync(descriptors).flatMap((descriptor) => {
    const link = join(descriptors, descriptor);
    // The descriptor that read this folder is closed by now.
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return [];
    const target = readlinkSync(link);
    return target.startsWith(`${folder}/`) ? [target] : [];
  });
}

/** Runs a check for each value, eight at a time, which takes a disk about as long as one. */
export async function eightAtATime<T>(
  values: IterableIterator<T>,
  check: (value: T) => Promise<void>,
): Promise<void> {
  const checkNext = async () => {
    for (const value of values) await check(value);
  };
  await Promise.all(Array.from({ length: 8 }, checkNext));
}

export async function withStore<T>(
  path: string,
  use: (store: JsonFileUserStore) => T | Promise<T>,
): Promise<T> {
  const store = await JsonFileUserStore.open(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Opens the journal of users alone, by default without a lock. */
export function openJournal(
  path: string,
  disk?: Disk,
  lock?: JournalLock,
  options?: JournalOptions,
): Promise<Journal<User>> {
  const given = { ...options, ...(disk && { disk }), ...(lock && { lock }) };
  // The tests that open the journal alone remove no user, so all its entries are users.
  return Journal.open<User>(path, USER_RECORDS, given);
}

export const HEADER_LINE: string = headerLine(USER_RECORDS.name, 1);

/** When each user of {@link userNamed} was created. */
export const CREATED_AT = '2026-01-02T03:04:05.678Z';

/** The line that a store writes for a user. */
export const userLine = (op: 'insert' | 'update', user: User): string =>
  encodeRecord(userRecord(op, user));

export function userNamed(id: string, passwordHash = 'a hash'): User {
  return { id, username: id.toUpperCase(), passwordHash, createdAt: CREATED_AT };
}

/** For assert.rejects: an AuthError with this code, and with all parts in its message or cause. */
export function refusal(code: AuthErrorCode, ...parts: string[]): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof AuthError) || error.code !== code) return false;
    return parts.every((part) => `${error} ${error.cause}`.includes(part));
  };
}

/** Starts a program of the folder `children`, and waits until it is ready to begin. */
export function start(name: string, ...values: string[]): Promise<ChildProcess> {
  return startWith({ execArgv: [] }, name, values);
}

/** Like `start`, but through a command that prepares a stage for it, such as unshare(1). */
export function startBehind(
  command: readonly string[],
  name: string,
  ...values: string[]
): Promise<ChildProcess> {
  const [execPath = '', ...words] = command;
  return startWith({ execPath, execArgv: [...words, process.execPath] }, name, values);
}

async function startWith(
  options: ForkOptions,
  name: string,
  values: string[],
): Promise<ChildProcess> {
  const child = fork(childPath(name), values, {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  await once(child, 'message');
  return child;
}

const HIDE_PROC = 'mount -t tmpfs none /proc && exec "$@"';

/** Commands that run a program where it cannot see whether other processes are alive. */
const STAGES = {
  'another PID namespace': ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
  'another time namespace': [
    'unshare',
    '--time',
    '--boottime',
    '100',
    '--fork',
    '--kill-child',
    '--',
  ],
  'a system without /proc': ['unshare', '--mount', 'sh', '-c', HIDE_PROC, 'sh'],
};

/**
 * @returns the command, or undefined if the system refuses it. A user who is not root needs a user
 *   namespace for it.
 */
export function stageOf(name: keyof typeof STAGES): readonly string[] | undefined {
  const [unshare = '', ...words] = STAGES[name];
  const isRoot = process.getuid?.() === 0;
  const command = isRoot ? STAGES[name] : [unshare, '--user', '--map-root-user', ...words];
  const [file = '', ...values] = command;
  return spawnSync(file, [...values, 'true']).status === 0 ? command : undefined;
}

/** @returns the PID of the only child of a process, such as unshare (proc(5)) */
export function childOf(pid = 0): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
}

/** @returns what the process printed, once it has ended */
export async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => (output += text));
  await once(child, 'close');
  return output;
}
