/**
 * The output of `latchkey users export` and the input of `import`: a file, or a standard stream.
 * Promise: an export does not replace a file, and only its owner can read it. It has its name only
 * once it is complete on disk. An export that fails before that, or that SIGINT, SIGTERM or SIGHUP
 * ends before that, leaves no file.
 * Accepted: on a file system without modes, such as FAT, the mount decides who can read the file.
 * Without hard links, an empty file has the name until the complete one replaces it. A failure at
 * that moment leaves the empty file.
 */
import { randomUUID } from 'node:crypto';
import { link, lstat, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { createPrivateFile, syncFolder } from '../../journal/disk.ts';
import { hasCode, ignore, ignoreFailure, remedyOf } from '../../journal/system-errors.ts';
import { userTakenByRoot } from '../administration/folder-owner.ts';
import { attempt, CommandError, sentenceOf, UsageError } from '../command-errors.ts';
import { releasedAtSignal } from './release-at-signal.ts';

/** Stands for standard output or input. */
const STANDARD = '-';

/** Standard output or a file. */
export interface ExportTarget {
  /** The name of the file; undefined for standard output. */
  readonly path: string | undefined;
  /** Calls `write` with the stream. `write` must not end it. A file is closed afterwards. */
  readonly fill: <T>(write: (output: NodeJS.WritableStream) => Promise<T>) => Promise<T>;
}

/**
 * @param path the argument of the command; undefined or `-` for standard output
 * @throws UsageError if there is no argument, and standard output is a terminal
 */
export function exportTarget(
  path: string | undefined,
  standardOutput: NodeJS.WritableStream & { readonly isTTY?: boolean },
): ExportTarget {
  if (path === undefined && standardOutput.isTTY === true) {
    const reason = 'an export holds password hashes';
    throw new UsageError(`${reason}: name a file, or "-" to show them on the terminal`);
  }
  if (path === undefined || path === STANDARD) {
    return { path: undefined, fill: (write) => write(standardOutput) };
  }
  return { path, fill: (write) => fillFile(path, write) };
}

/** Writes a draft beside the file. It gets the name of the file once it is complete and synced. */
async function fillFile<T>(
  path: string,
  write: (output: NodeJS.WritableStream) => Promise<T>,
): Promise<T> {
  const draft = `${path}.${randomUUID()}`;
  const opening = attempt(path, exportRemedy, () => createDraft(path, draft));
  const discard = async () => {
    await (await opening).close().catch(ignoreFailure);
    await unlink(draft).catch(ignoreFailure);
  };
  return releasedAtSignal(discard, async () => {
    const file = await opening;
    try {
      const result = await writeDraft(path, file, write);
      await attempt(path, exportRemedy, () => takeName(draft, path));
      return result;
    } catch (error) {
      await discard();
      throw error;
    }
  });
}

async function createDraft(path: string, draft: string): Promise<FileHandle> {
  if (await lstat(path).catch(ignore('ENOENT'))) throw takenError(path);
  return createPrivateFile(draft);
}

/**
 * @returns the result of `write`, once all of the draft is on disk
 * @throws CommandError if the file fails; any other error of `write`
 */
async function writeDraft<T>(
  path: string,
  file: FileHandle,
  write: (output: NodeJS.WritableStream) => Promise<T>,
): Promise<T> {
  const output = file.createWriteStream({ flush: true });
  // `writeOutput` rejects with the error. Without a listener the event would end the process.
  output.on('error', () => undefined);
  try {
    const result = await write(output);
    output.end();
    await finished(output);
    return result;
  } catch (error) {
    const { errored } = output;
    if (!errored) throw error;
    return attempt(path, exportRemedy, () => Promise.reject(errored));
  }
}

/** @returns a sentence: what an operator can do about a file that cannot be written */
function exportRemedy(error: unknown): string {
  const user = userTakenByRoot();
  if (user !== undefined && hasCode(error, 'EACCES')) {
    const cause = `As root, this command writes as the owner of the data folder, ${user}`;
    return `${cause}. Let the shell open the file: (umask 077; latchkey users export ... > file).`;
  }
  if (hasCode(error, 'ENOENT')) return 'Name another file.';
  return sentenceOf(remedyOf(error, 'name another file'));
}

async function takeName(draft: string, path: string): Promise<void> {
  const isLinked = await link(draft, path).then(() => true, (error: unknown) => {
    if (hasCode(error, 'EEXIST')) throw takenError(path);
    return false;
  });
  if (isLinked) await unlink(draft);
  else await takeNameWithoutLink(draft, path);
  await syncFolder(dirname(path));
}

/**
 * For file systems without hard links, such as FAT. Creates an empty file, which fails if the path
 * has a file already, and then replaces that empty file with the draft.
 */
async function takeNameWithoutLink(draft: string, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw hasCode(error, 'EEXIST') ? takenError(path) : error;
  });
  await file.close();
  await rename(draft, path);
}

function takenError(path: string): CommandError {
  const remedy = 'An export does not replace a file: name another one.';
  return new CommandError(`${path}: this file exists already. ${remedy}`);
}

/** Standard input or a file. */
export interface ImportSource {
  readonly input: AsyncIterable<Uint8Array | string>;
  readonly close: () => Promise<void>;
}

/**
 * @param path the argument of the command; undefined or `-` for standard input
 * @throws UsageError if there is no argument, and standard input is a terminal
 * @throws CommandError if the file cannot be opened
 */
export async function importSource(
  path: string | undefined,
  standardInput: NodeJS.ReadableStream & { readonly isTTY?: boolean },
): Promise<ImportSource> {
  if (path === undefined && standardInput.isTTY === true) {
    throw new UsageError('expected a file with users, or an export on standard input');
  }
  if (path === undefined || path === STANDARD) {
    return { input: standardInput, close: async () => undefined };
  }
  const file = await attempt(path, 'Name a file that you can read.', () => open(path));
  return { input: readable(path, file), close: () => file.close() };
}

/** Reads a file. An error, such as EISDIR for a folder, names the file. */
async function* readable(path: string, file: FileHandle): AsyncGenerator<Uint8Array> {
  const chunks = file.createReadStream({ autoClose: false })[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await attempt(path, 'Name a file that you can read.', () => {
      return chunks.next();
    });
    if (done === true) return;
    yield value;
  }
}
