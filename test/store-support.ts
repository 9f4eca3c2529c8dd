/**
 * What the tests of stores share: files in folders of their own, users, and other processes.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AuthError, type AuthErrorCode } from '../src/errors.ts';
import { JsonFileUserStore } from '../src/users/json-file.ts';
import type { User } from '../src/users/store.ts';
import { pathOf } from './support.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'latchkey-')));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** A file that is not there yet, in a folder that is not there yet. */
export const newPath = (): string => join(root, String((count += 1)), 'users.jsonl');

/** A file with this in it, and its folder. */
export function fileWith(content: string | Uint8Array, path: string = newPath()): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The names in the folder of a file. */
export const folderOf = (path: string): string[] => readdirSync(dirname(path)).sort();

export async function withStore<T>(path: string, use: (store: JsonFileUserStore) => T | Promise<T>): Promise<T> {
  const store = await JsonFileUserStore.open(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

export function userNamed(id: string, passwordHash = 'a hash'): User {
  return { id, username: id.toUpperCase(), passwordHash, createdAt: '2026-01-02T03:04:05.678Z' };
}

/** For assert.rejects: an AuthError with this code that says all of this, itself or in its cause. */
export const refusal = (code: AuthErrorCode, ...parts: string[]) => (error: unknown): boolean =>
  error instanceof AuthError && error.code === code && parts.every((part) => `${error} ${error.cause}`.includes(part));

/** Starts another file of this folder, under the same Node and loader, and waits until it says that it can begin. */
export async function start(name: string, ...values: string[]): Promise<ChildProcess> {
  const child = fork(pathOf(name), values, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  await once(child, 'message');
  return child;
}

/** @returns what the process printed, once it has ended */
export async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => (output += text));
  await once(child, 'close');
  return output;
}
