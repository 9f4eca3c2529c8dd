/** The source files of src, for the tests that read them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { read, root } from './documents.ts';

/** The files of TypeScript in a folder, as paths below the root, without installed packages. */
function typeScriptIn(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .sort();
}

/** Every source file, as a path below the root such as `src/errors.ts`. */
export const files: readonly string[] = typeScriptIn('src');

/** Every file of the tests, such as `test/errors.test.ts`. */
export const testFiles: readonly string[] = typeScriptIn('test');

/** The room of a file: the first folder below src, or the file itself at the top of src. */
export const roomOf = (path: string): string => path.split('/').slice(1, 2).join();

/** @returns a source file without its comments; each line keeps its number */
export function codeOf(path: string): string {
  const comment = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;
  return read(path).replaceAll(comment, (text) => text.replaceAll(/[^\n]/g, ''));
}
