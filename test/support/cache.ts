/**
 * What is slow to make and needed by many test files: kept on disk from one test process to the
 * next, by a name that holds a digest of all that it was made of.
 */
import { hash, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** The folder of the entries. */
export const CACHE: string = join(ROOT, 'node_modules/.cache/latchkey');
/** An entry that no test has used for so long is removed. */
const UNUSED_MS = 3_600_000;

/**
 * @param make makes the file or the folder at a path that does not exist yet
 * @returns the path of the entry: one that exists, or a new one. Two processes may make the same
 *   entry at once: a rename shows it complete or not at all, and the entry of the first one stays.
 */
export function cached(name: string, make: (draft: string) => void): string {
  const path = join(CACHE, name);
  if (touch(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  removeUnused();
  const draft = `${path}.${randomUUID()}`;
  make(draft);
  try {
    renameSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
    rmSync(draft, { recursive: true });
  }
  return path;
}

/** @returns whether the entry exists. Its time says when it was used last. */
function touch(path: string): boolean {
  const now = new Date();
  try {
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}

function removeUnused(): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const usedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (usedMs < Date.now() - UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * @param names files and folders below `folder`
 * @returns a digest of their content, and of the packages of this repository
 */
export function digestOf(folder: string, names: readonly string[]): string {
  const files = names.flatMap((name) => filesIn(folder, name)).sort();
  const parts = files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  return hash('sha256', JSON.stringify([process.version, lock, ...parts]), 'hex');
}

function filesIn(folder: string, name: string): string[] {
  const path = join(folder, name);
  if (statSync(path).isFile()) return [name];
  const below = readdirSync(path, { recursive: true, encoding: 'utf8' });
  const names = below.map((file) => join(name, file));
  return names.filter((file) => statSync(join(folder, file)).isFile());
}
