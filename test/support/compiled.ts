/**
 * The command, and the programs of the folder `children`, as JavaScript: without a loader a process
 * starts in a third of the time. All test files share what the first of them compiles.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { cached, digestOf } from './cache.ts';
import { CODE, ROOT } from './root.ts';

export { ROOT };

const CHILDREN = 'test/support/children';
/** The files of the page, which are not compiled. */
const PAGE = 'src/app/page';
/** The programs, and all that they import. */
const SOURCES = ['src', 'test/support', 'package.json', 'tsconfig.json'];
const FLAGS = [
  '--ignoreConfig',
  '--noCheck',
  '--target', 'es2023',
  '--module', 'nodenext',
  '--types', 'node',
  '--rewriteRelativeImportExtensions',
];

let name: string | undefined;

/** @returns a folder with `src` and `test/support` as JavaScript, and the manifest */
function compiledFolder(): string {
  // The tests themselves may be compiled, and these programs with them.
  if (extname(import.meta.url) === '.js') return CODE;
  name ??= `compiled-${digestOf(ROOT, SOURCES)}`;
  return cached(name, compile);
}

function compile(folder: string): void {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const children = readdirSync(join(ROOT, CHILDREN)).map((file) => join(CHILDREN, file));
  const programs = ['src/cli/main.ts', ...children].map((file) => join(ROOT, file));
  const places = ['--rootDir', ROOT, '--outDir', folder];
  execFileSync(process.execPath, [compiler, ...FLAGS, ...places, ...programs]);
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  cpSync(join(ROOT, PAGE), join(folder, PAGE), { recursive: true });
}

/** The path of the command. */
export function commandPath(): string {
  return join(compiledFolder(), 'src/cli/main.js');
}

/** The path of a program of the folder `children`. */
export function childPath(program: string): string {
  return join(compiledFolder(), CHILDREN, `${program}.js`);
}
