/** Reads a file that a flag names: of `--environment` and of `inspect --secret-file`. */
import { readFile } from 'node:fs/promises';
import { attempt } from './command-errors.ts';

/** A message explains a reading that takes longer. */
const SLOW_READ_MS = 3_000;

const UTF_16_MARKS: readonly string[] = ['fffe', 'feff'];

/**
 * @param flag the name of the flag, for messages
 * @param remedy a sentence: what the operator can do if the file cannot be read
 * @returns the text of the file; if it is in UTF-16, with NULs
 * @throws CommandError if it cannot be read
 */
export async function readNamedFile(flag: string, path: string, remedy: string): Promise<string> {
  const explainWait = () => {
    console.error(`latchkey: ${flag}: still reading: it may be a pipe that no program writes to`);
  };
  const timer = setTimeout(explainWait, SLOW_READ_MS);
  const bytes = await attempt(flag, remedy, () => readFile(path)).finally(() => {
    clearTimeout(timer);
  });
  const isUtf16 = UTF_16_MARKS.includes(bytes.toString('hex', 0, 2));
  return isUtf16 ? `\0${bytes.toString('latin1')}` : bytes.toString();
}
