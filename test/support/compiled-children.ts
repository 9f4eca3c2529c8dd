/**
 * Programs that tests start many times, as JavaScript. A process without a loader starts in a third
 * of the time.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childPath } from './children.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAMS = ['crash', 'store'];
const FLAGS = [
  '--ignoreConfig',
  '--noCheck',
  '--target', 'es2023',
  '--module', 'nodenext',
  '--types', 'node',
  '--rewriteRelativeImportExtensions',
];

let isCompiled = false;

/**
 * @param folder takes what is compiled, at the first call
 * @returns the path of a program
 */
export function compiledChildPath(name: string, folder: string): string {
  // The tests themselves may be compiled, and their programs with them.
  if (extname(import.meta.url) === '.js') return childPath(name);
  const output = join(folder, 'compiled');
  if (!isCompiled) {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const places = ['--rootDir', ROOT, '--outDir', output];
    execFileSync(process.execPath, [compiler, ...FLAGS, ...places, ...PROGRAMS.map(childPath)]);
    writeFileSync(join(output, 'package.json'), '{ "type": "module" }');
    isCompiled = true;
  }
  return join(output, 'test/support/children', `${name}.js`);
}
