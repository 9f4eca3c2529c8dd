/**
 * The output of `latchkey users export` and the input of `import`: a file, or a standard stream.
 * Promise: an export replaces no file, and only its owner can read it. It is complete on disk
 * before the command says so. An export that fails leaves no file.
 */
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { hasCode } from '../journal/system-errors.ts';
import { attempt, UsageError } from './command-errors.ts';
import { outputError } from './output.ts';

/** Stands for standard output or input. */
const STANDARD = '-';

/** Standard output or a file. */
export interface ExportTarget {
  /** The name of the file; undefined for standard output. */
  readonly path: string | undefined;
  /** Calls `write` with the stream, which it must not end, and then closes a file. */
  readonly fill: <T>(write: (output: NodeJS.WritableStream) => Promise<T>) => Promise<T>;
}

/**
 * @param path the argument of the command; undefined or `-` for standard output
 * @throws UsageError if hashes would appear on a terminal that was not named
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

function remedyOf(error: unknown): string {
  const isThere = hasCode(error, 'EEXIST');
  return isThere ? 'An export replaces no file: name another one.' : 'Name another file.';
}

async function fillFile<T>(
  path: string,
  write: (output: NodeJS.WritableStream) => Promise<T>,
): Promise<T> {
  const file = await attempt(path, remedyOf, () => open(path, 'wx', 0o600));
  try {
    const output = file.createWriteStream({ flush: true });
    const result = await write(output);
    output.end();
    await finished(output).catch((error: unknown) => {
      throw outputError(error);
    });
    return result;
  } catch (error) {
    await file.close().catch(() => undefined);
    await unlink(path);
    throw error;
  }
}

/** Standard input or a file. */
export interface ImportSource {
  readonly input: AsyncIterable<Uint8Array | string>;
  readonly close: () => Promise<void>;
}

/**
 * @param path the argument of the command; undefined or `-` for standard input
 * @throws UsageError if standard input is a terminal that was not named
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
