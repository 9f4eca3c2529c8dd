/**
 * Counts the lines of code and of comments in each room of `src`, in `test` and in `bench`:
 * `npm run lines`. A line that holds both counts as code. Blank lines count as neither.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableOf } from './harness/report.ts';

const ROOT = join(import.meta.dirname, '..');
const COMMENT = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => `${folder}/${name}`);
}

/** The folder of a source file: `src/<room>`, or `src` for the files at its top. */
const roomOf = (path: string): string => path.split('/').slice(0, -1).join('/');

const countFilled = (text: string): number =>
  text.split('\n').filter((line) => line.trim() !== '').length;

function rowOf(name: string, paths: readonly string[]): (string | number)[] {
  let lines = 0;
  let code = 0;
  for (const path of paths) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    lines += countFilled(text);
    code += countFilled(text.replaceAll(COMMENT, ''));
  }
  const comments = lines - code;
  return [name, paths.length, code, comments, `${Math.round((100 * comments) / lines)} %`];
}

const sources = filesBelow('src');
const rooms = [...new Set(sources.map(roomOf))].sort();
const roomRows = rooms.map((room) => {
  const inRoom = sources.filter((path) => roomOf(path) === room);
  return rowOf(room, inRoom);
});
const headings = ['where', 'files', 'lines of code', 'lines of comments', 'share of comments'];
const totals = [
  rowOf('src in total', sources),
  rowOf('test', filesBelow('test')),
  rowOf('bench', filesBelow('bench')),
];
console.log(tableOf([headings, ...roomRows, ...totals]));
