/**
 * Counts the lines of code and of comments in each room of `src`, in `test` and in `bench`:
 * `npm run lines`. A line that holds both counts as code. Blank lines count as neither.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableOf } from './harness/report.ts';

interface Lines {
  readonly code: number;
  readonly comments: number;
}

const ROOT = join(import.meta.dirname, '..');
const COMMENT = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;

const countFilled = (text: string): number =>
  text.split('\n').filter((line) => line.trim() !== '').length;

function linesOf(path: string): Lines {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const code = countFilled(text.replaceAll(COMMENT, ''));
  return { code, comments: countFilled(text) - code };
}

/** A folder below src, `src` for the files at its top, or else the first folder of the path. */
function roomOf(path: string): string {
  const [top = '', ...rest] = path.split('/');
  return top === 'src' && rest.length > 1 ? `src/${rest[0]}` : top;
}

function sumOf(lines: readonly Lines[]): Lines {
  const code = lines.reduce((sum, each) => sum + each.code, 0);
  const comments = lines.reduce((sum, each) => sum + each.comments, 0);
  return { code, comments };
}

function rowOf(name: string, paths: readonly string[]): (string | number)[] {
  const { code, comments } = sumOf(paths.map(linesOf));
  const share = `${Math.round((100 * comments) / (code + comments))} %`;
  return [name, paths.length, code, comments, share];
}

const tracked = execFileSync('git', ['ls-files', '*.ts'], { cwd: ROOT, encoding: 'utf8' });
const paths = tracked.trimEnd().split('\n');
const rooms = [...new Set(paths.map(roomOf))].filter((room) => room.startsWith('src')).sort();
const below = (folder: string): string[] => paths.filter((path) => path.startsWith(`${folder}/`));

console.log(
  tableOf([
    ['where', 'files', 'lines of code', 'lines of comments', 'share of comments'],
    ...rooms.map((room) =>
      rowOf(
        room,
        paths.filter((path) => roomOf(path) === room),
      ),
    ),
    rowOf('src in all', below('src')),
    rowOf('test', below('test')),
    rowOf('bench', below('bench')),
  ]),
);
